/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_pins.c - see explain_pins.h.
 */
#include "admin/explain_pins.h"

#include "base/clock.h"
#include "base/mem.h"
#include "pool/pool.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "protocol/reply.h"
#include "proxy/rules_apply.h"
#include "proxy/session.h"

/*
 * What a node answers to SELECT GET_LOCK(...) when the lock is free: the session looks for the 1.
 */
static void answer_one(struct task *task)
{
    const struct column column = {.type = TYPE_LONGLONG};
    const struct slice one = SLICE("1");
    struct writer w = writer_of(task->peek, sizeof(task->peek));
    uint8_t n = result_begin(&w, 1, 1);

    n = column_encode(&w, 0, &column, n);
    n = columns_end_encode(&w, 0, STATUS_AUTOCOMMIT, n);
    n = row_encode(&w, &one, 1, n);
    (void)rows_end_encode(&w, 0, 0, STATUS_AUTOCOMMIT, n);
    task->peek_len = w.len;
}

static bool switches_autocommit_off(const struct facts *f)
{
    struct set_statement set;

    if (f->verb != VERB_SET) {
        return false;
    }
    set_parse(&set, f->body, 0);
    for (unsigned i = 0; set.form == SET_VARIABLES && i < set.n; i++) {
        const struct assignment *a = &set.assignments[i];

        if (slice_eq_nocase(a->name, SLICE("autocommit"))) {
            return slice_eq(a->text, SLICE("0")) || slice_eq_nocase(a->text, SLICE("OFF")) ||
                   slice_eq_nocase(a->text, SLICE("FALSE"));
        }
    }
    return false;
}

/* The status bits of the answer, for the two that pin. */
static uint16_t status_after(const struct facts *f)
{
    if (f->verb == VERB_BEGIN) {
        return STATUS_AUTOCOMMIT | STATUS_IN_TRANS;
    }
    return switches_autocommit_off(f) ? 0 : STATUS_AUTOCOMMIT;
}

static void run(struct session *s, struct pool *pool, struct task *task,
                const struct verdict *verdict, bool multiplexing)
{
    struct server server = {.id = 1, .pool = pool};
    struct follow outcome = {.results = 1, .status = status_after(&task->facts)};

    task->verdict = *verdict;
    task->tracked_known = task->facts.verb == VERB_SET;
    memset(task->tracked, 0xff, sizeof(task->tracked)); /* the node reports what it was told */
    answer_one(task);
    session_after(s, &server, task, &outcome);
    rules_pin(s, verdict, multiplexing, task->facts.digest, pool->now_ms);
}

uint32_t explain_pins(struct account *account, struct slice schema, struct slice sql,
                      const struct verdict *verdict, bool multiplexing)
{
    struct tasks tasks = {0};
    struct task *task = task_new(&tasks, PACKET_HEADER + 1 + sql.len);
    struct pool *pool;
    struct session s = {.account = account};
    uint32_t pins;

    if (task == NULL) {
        return 0;
    }
    pool = mem_new(MEM_ADMIN, sizeof(*pool));
    pool_init(pool, 0);
    pool->now_ms = clock_now_ms();
    session_reset(&s, &pool->profiles, profile_ref(pool->profiles.empty), STATUS_AUTOCOMMIT);
    s.schema = schema.len == 0 ? NULL : schema_get(&pool->schemas, account, schema);
    task->command = COM_QUERY;
    memcpy(task->bytes + PACKET_HEADER + 1, sql.data, sql.len);
    facts_scan(&task->facts, (struct slice){(const char *)task->bytes + PACKET_HEADER + 1, sql.len},
               0);
    run(&s, pool, task, verdict, multiplexing);
    pins = s.pins;
    session_reset(&s, &pool->profiles, NULL, 0);
    task_free(&tasks, task);
    tasks_fini(&tasks);
    pool_fini(pool);
    mem_free(MEM_ADMIN, pool);
    return pins;
}

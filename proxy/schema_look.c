/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_look.c - see schema_look.h.
 */
#include "proxy/schema_look.h"

#include <stdio.h>

#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/schema_question.h"
#include "proxy/worker.h"

#define ASK_AGAIN_MS 1000 /* when there was no answer */
#define LOOKS_MAX    8    /* of a worker at a time: a client may name any schema */
#define ANSWER_MAX   512
#define PREFIX_BYTES 16384
#define TEXT_AT      (PACKET_HEADER + 1)

#define ER_TABLEACCESS_DENIED 1142
#define ER_NO_SUCH_TABLE      1146

/* Of one (account, schema); lives as long as the process. */
struct schema_known {
    uint8_t look;          /* enum schema_look */
    uint64_t looked_ms;    /* when it was known, or asked, last */
    uint64_t look_version; /* of the schema when it was asked */
    struct schema_hidden hidden;
    char key[];
};

/* One question, on a connection of the pool. Owner: its callbacks. */
struct look {
    struct worker *worker;
    struct schema *schema; /* stays as long as the worker */
    uint64_t version;      /* of the schema when it was asked (router/causal.h) */
    bool asks_rights;      /* the second question */
    bool has_triggers;
    struct schema_hidden hidden; /* .triggers: not looked = there was no answer */
    size_t len, answer_len;
    uint8_t answer[ANSWER_MAX];
    uint8_t bytes[4096]; /* the packet */
};

static uint64_t version_of(const struct worker *w, const struct schema *schema)
{
    return causal_schema_version(&w->galeway->causal, schema->name);
}

/* --- what all workers know -------------------------------------------------------------------- */

void schema_looks_init(struct schema_looks *looks)
{
    CHECK(pthread_mutex_init(&looks->lock, NULL) == 0);
    map_init(&looks->by_key, MEM_OTHER, SCHEMAS_MAX);
}

void schema_looks_fini(struct schema_looks *looks)
{
    struct schema_known *known;
    size_t pos = 0;

    while ((known = map_next(&looks->by_key, &pos)) != NULL) {
        mem_free(MEM_OTHER, known);
    }
    map_fini(&looks->by_key);
    (void)pthread_mutex_destroy(&looks->lock);
}

/* Made when it is new; NULL: too many. Under the lock. */
static struct schema_known *known_of(struct schema_looks *looks, const struct schema *schema)
{
    size_t len = SCHEMA_KEY_HEAD + schema->name.len;
    struct slice key = {schema->key, len};
    struct schema_known *known = map_get(&looks->by_key, key);

    if (known != NULL) {
        return known;
    }
    known = mem_try(MEM_OTHER, sizeof(*known) + len);
    if (known == NULL) {
        return NULL;
    }
    *known = (struct schema_known){.look = SCHEMA_NOT_KNOWN};
    memcpy(known->key, schema->key, len);
    key.data = known->key;
    if (map_put(&looks->by_key, key, known) != 0) {
        mem_free(MEM_OTHER, known);
        return NULL;
    }
    return known;
}

/* What came of a look; it may have told nothing. */
static void share(const struct look *look)
{
    const struct schema *schema = look->schema;
    struct schema_looks *looks = &look->worker->galeway->schema_looks;
    struct schema_known *known;

    CHECK(pthread_mutex_lock(&looks->lock) == 0);
    known = known_of(looks, schema);
    if (known != NULL) {
        known->look = schema->look;
        known->looked_ms = schema->looked_ms;
        known->look_version = schema->look_version;
        if (look->hidden.triggers != HIDES_NOT_LOOKED) {
            known->hidden = look->hidden;
        }
    }
    CHECK(pthread_mutex_unlock(&looks->lock) == 0);
}

static void take_over(struct schema *schema, const struct schema_known *known)
{
    schema->look = known->look;
    schema->looked_ms = known->looked_ms;
    schema->look_version = known->look_version;
}

/* True: nobody is asking, and we are to. What others know is taken over. */
static bool claim(const struct worker *w, struct schema *schema)
{
    struct schema_looks *looks = &w->galeway->schema_looks;
    struct schema_known *known;
    bool is_ours = false;

    CHECK(pthread_mutex_lock(&looks->lock) == 0);
    known = known_of(looks, schema);
    if (known != NULL && known->hidden.triggers != HIDES_NOT_LOOKED) {
        schema->hidden = known->hidden;
    }
    if (known != NULL) {
        bool is_old = w->now_ms >= known->looked_ms + (known->look == SCHEMA_NOT_KNOWN ||
                                                               known->look == SCHEMA_ASKED
                                                           ? ASK_AGAIN_MS
                                                           : SCHEMA_LOOK_MS) ||
                      (known->look != SCHEMA_ASKED && known->look != SCHEMA_NOT_KNOWN &&
                       known->look_version != version_of(w, schema));

        is_ours = known->looked_ms == 0 || is_old;
        if (is_ours) {
            known->look = SCHEMA_ASKED;
            known->looked_ms = w->now_ms;
        } else if (known->look != SCHEMA_ASKED) {
            take_over(schema, known);
        }
    }
    CHECK(pthread_mutex_unlock(&looks->lock) == 0);
    return is_ours;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* The one value of the one row: behind the packets of the count, the column and maybe EOF. */
static bool read_value(const uint8_t *bytes, size_t len, uint64_t caps, struct slice *value)
{
    unsigned before = (caps & CAP_DEPRECATE_EOF) != 0 ? 2 : 3;
    size_t at = 0;

    for (unsigned packet = 0; packet < before; packet++) {
        if (at + PACKET_HEADER + 1 > len || bytes[at + PACKET_HEADER] == 0xff) {
            return false;
        }
        at += PACKET_HEADER + packet_length(bytes + at);
    }
    if (at + PACKET_HEADER + 1 > len || at + PACKET_HEADER + packet_length(bytes + at) > len ||
        bytes[at + PACKET_HEADER] + 1u != packet_length(bytes + at)) {
        return false;
    }
    *value =
        (struct slice){(const char *)bytes + at + PACKET_HEADER + 1, bytes[at + PACKET_HEADER]};
    return true;
}

static void look_ended(struct look *look, enum schema_look seen)
{
    struct schema *schema = look->schema;

    look->worker->n_looks--;

    schema->look = SCHEMA_NOT_KNOWN;
    schema->looked_ms = look->worker->now_ms;
    if (version_of(look->worker, schema) == look->version) {
        schema->look = (uint8_t)seen;
        schema->look_version = look->version;
    }
    if (look->hidden.triggers != HIDES_NOT_LOOKED) {
        if (look->hidden.views == HIDES_STATE && schema->hidden.views != HIDES_STATE) {
            account_log_in_again(schema->account); /* what reads left there before it was known */
        }
        schema->hidden = look->hidden;
    }
    share(look);
    mem_free(MEM_OTHER, look);
}

static void on_bytes(struct server *s, const uv_buf_t *bufs, unsigned n)
{
    struct look *look = s->owner;

    for (unsigned i = 0; i < n; i++) {
        size_t len = MIN(bufs[i].len, ANSWER_MAX - look->answer_len);

        memcpy(look->answer + look->answer_len, bufs[i].base, len);
        look->answer_len += len;
    }
}

static void on_lost(struct server *s, int rc, const struct err *err)
{
    struct look *look = s->owner;

    (void)rc;
    (void)err;
    look_ended(look, SCHEMA_NOT_KNOWN);
}

/* --- the question ----------------------------------------------------------------------------- */

static void set_packet(struct look *look, int n)
{
    look->len = TEXT_AT + (size_t)n;
    packet_write_header(look->bytes, (uint32_t)n + 1, 0);
    look->bytes[PACKET_HEADER] = COM_QUERY;
}

static void ask_count(struct look *look)
{
    struct slice name = look->schema->name;
    int len = (int)name.len;

    set_packet(look,
               snprintf((char *)look->bytes + TEXT_AT, sizeof(look->bytes) - TEXT_AT, QUESTION, len,
                        name.data, len, name.data, len, name.data, len, name.data, len, name.data,
                        len, name.data, len, name.data, len, name.data));
}

static void ask_rights(struct look *look)
{
    struct slice name = look->schema->name;

    look->asks_rights = true;
    set_packet(look, snprintf((char *)look->bytes + TEXT_AT, sizeof(look->bytes) - TEXT_AT,
                              MAY_WRITE, (int)name.len, name.data));
}

static void on_ready(struct server *s)
{
    struct look *look = s->owner;
    uint8_t bytes[PREFIX_BYTES];
    struct writer prefix = writer_of(bytes, sizeof(bytes));
    /* Any schema will do that it is in: a change of user would be needed to leave it. */
    struct want want = {.account = look->schema->account,
                        .schema = s->must_reset ? NULL : s->schema,
                        .profile = s->pool->base_profile};
    uv_buf_t bufs[2];
    unsigned n = 0;
    int rc = server_fit(s, &want, &prefix);

    if (rc > 0) {
        return;
    }
    if (rc < 0) { /* it is closed, and nobody was told */
        look_ended(look, SCHEMA_NOT_KNOWN);
        return;
    }
    if (prefix.len > 0) {
        bufs[n++] = uv_buf_init((char *)prefix.base, (unsigned)prefix.len);
    }
    bufs[n++] = uv_buf_init((char *)look->bytes, (unsigned)look->len);
    server_expect(s, EXPECT_REPLY, FOLLOW_RESULT);
    if (server_write(s, bufs, n) < 0) {
        server_lost(s, UV_EPIPE, NULL);
    }
}

/* Of the digits behind the count, which are taken off. */
static bool read_hiding(struct look *look, struct slice *value)
{
    const char *digits;
    char triggers, routines, views;

    if (value->len <= HIDING_DIGITS) {
        return false;
    }
    value->len -= HIDING_DIGITS;
    digits = value->data + value->len;
    triggers = digits[HIDING_TRIGGERS];
    routines = digits[HIDING_ROUTINES];
    views = digits[HIDING_VIEWS];
    look->hidden.triggers = triggers == '0'                      ? HIDES_NOTHING
                            : triggers == '3' || routines == '2' ? HIDES_STATE
                            : triggers == '2' || routines == '1' ? HIDES_UNSEEN
                                                                 : HIDES_NOTHING;
    look->hidden.views = views == '2' || (views == '1' && routines == '2') ? HIDES_STATE
                         : views == '1' && routines == '1'                 ? HIDES_UNSEEN
                                                                           : HIDES_NOTHING;
    look->has_triggers = triggers != '0';
    look->hidden.reaches =
        digits[HIDING_REACH] == '1' || (triggers != '0' && digits[HIDING_CALLS] == '1');
    return true;
}

static enum schema_look seen_of_rights(const struct follow *f)
{
    if (!f->is_error) {
        return SCHEMA_NOT_KNOWN;
    }
    return f->error == ER_NO_SUCH_TABLE        ? SCHEMA_PLAIN
           : f->error == ER_TABLEACCESS_DENIED ? SCHEMA_NOT_PLAIN
                                               : SCHEMA_NOT_KNOWN;
}

static void on_done(struct server *s)
{
    struct look *look = s->owner;
    struct pool *pool = s->pool;
    struct slice count;

    if (look->asks_rights) {
        look_ended(look, seen_of_rights(&s->outcome));
    } else if (s->outcome.is_error ||
               !read_value(look->answer, look->answer_len, s->caps, &count) ||
               !read_hiding(look, &count)) {
        look_ended(look, SCHEMA_NOT_KNOWN);
    } else if (slice_eq(count, SLICE("0")) && !look->has_triggers) {
        ask_rights(look);
        on_ready(s);
        return;
    } else {
        look_ended(look, slice_eq(count, SLICE("opaque")) ? SCHEMA_OPAQUE : SCHEMA_NOT_PLAIN);
    }
    pool_give(pool, s);
}

static void on_unfit(struct server *s, const struct err *err)
{
    struct look *look = s->owner;

    (void)err;
    look_ended(look, SCHEMA_NOT_KNOWN);
    server_close(s, "it cannot be asked about a schema", 0);
}

static const struct server_events look_events = {
    .on_ready = on_ready,
    .on_unfit = on_unfit,
    .on_bytes = on_bytes,
    .on_done = on_done,
    .on_lost = on_lost,
};

/*
 * A name that reads the same in quotes of any kind, whatever the connection's sql_mode and charset.
 */
static bool is_simple(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (c < ' ' || c > '~' || c == '\'' || c == '"' || c == '`' || c == '\\') {
            return false;
        }
    }
    return name.len > 0 && name.len <= 64;
}

static struct look *look_new(struct worker *w, struct schema *schema)
{
    struct look *look = mem_try(MEM_OTHER, sizeof(*look));

    if (look == NULL) {
        return NULL;
    }
    w->n_looks++;
    *look = (struct look){.worker = w};
    look->schema = schema;
    look->version = version_of(w, schema);
    look->hidden.made = causal_made_version(&w->galeway->causal, schema->name);
    schema->look = SCHEMA_ASKED;
    schema->look_waits_for = NULL;
    ask_count(look);
    return look;
}

bool schema_look_through(const struct client *c, struct server *s)
{
    const struct want want = {.rights_us = c->session.rights_us};
    struct schema *schema = c->session.schema;
    struct look *look;

    if (LIKELY(schema == NULL || schema->look_waits_for == NULL) ||
        schema->look_waits_for != s->node || s->account != schema->account ||
        s->state != SERVER_LENT || s->n_expects > 0 || s->said_more || s->kill_pending ||
        s->must_close || stream_read_start(&s->stream) != 0) { /* its client may have been slow */
        return false;
    }
    schema->look_waits_for = NULL;
    look = look_new(c->worker, schema);
    if (look == NULL) {
        return false;
    }
    s->owner = NULL;
    pool_lend(s, &want, look, &look_events);
    on_ready(s);
    return true;
}

static void ask(const struct client *c, struct schema *schema)
{
    struct worker *w = c->worker;
    struct look *look = look_new(w, schema);
    struct want want = {.account = schema->account,
                        .profile = w->pool.base_profile,
                        .rights_us = c->session.rights_us};
    struct route route;
    struct server *s;

    if (look == NULL) { /* it is asked again when this was long ago */
        return;
    }
    if (!client_choose_writer(c, schema->hash, &route)) {
        look_ended(look, SCHEMA_NOT_KNOWN);
        return;
    }
    want.hostgroup = route.hostgroup;
    if (pool_acquire(&w->pool, &want, route.nodes, route.n, look, &look_events, &s) != 0) {
        schema->look_waits_for = route.nodes[0];
        look_ended(look, SCHEMA_NOT_KNOWN);
    } else if (s->state == SERVER_LENT) {
        on_ready(s);
    }
}

static bool is_known(const struct worker *w, const struct schema *schema)
{
    return schema->look >= SCHEMA_PLAIN && w->now_ms < schema->looked_ms + SCHEMA_LOOK_MS &&
           schema->look_version == version_of(w, schema);
}

static bool is_plain(const struct client *c, struct schema *schema)
{
    return schema != NULL && schema->look == SCHEMA_PLAIN && is_known(c->worker, schema);
}

static bool is_seen(const struct client *c, struct schema *schema)
{
    return schema != NULL && schema->look != SCHEMA_OPAQUE && is_known(c->worker, schema);
}

static bool is_not_opaque(const struct client *c, struct schema *schema)
{
    return schema == NULL || schema->look != SCHEMA_OPAQUE || !is_known(c->worker, schema);
}

/* Goes on when it does not matter: a schema that nobody knows is not plain. */
static bool look_at(const struct client *c, struct schema *schema)
{
    if (schema != NULL && !is_known(c->worker, schema) && schema->look != SCHEMA_ASKED &&
        is_simple(schema->name) && c->worker->n_looks < LOOKS_MAX && claim(c->worker, schema)) {
        ask(c, schema);
    }
    return true;
}

bool schema_can_be_looked_at(const struct schema *schema)
{
    return is_simple(schema->name);
}

void schema_look_at(const struct client *c, struct schema *schema)
{
    (void)look_at(c, schema);
}

struct schema *schema_of_name(const struct client *c, struct slice name)
{
    struct schema *own = c->task->stmt == NULL ? c->session.schema : c->task->stmt->schema;

    return name.len == 0 || (own != NULL && slice_eq(name, own->name))
               ? own
               : schema_get(&c->worker->pool.schemas, c->session.account, name);
}

/* Until one gives false. */
static bool each_schema(const struct client *c,
                        bool (*fn)(const struct client *c, struct schema *schema))
{
    const struct facts *f = &c->task->facts;

    for (unsigned i = 0; i < f->n_tables; i++) {
        if (!fn(c, schema_of_name(c, f->tables[i].schema))) {
            return false;
        }
    }
    return true;
}

bool schemas_are_plain(const struct client *c)
{
    return each_schema(c, is_plain);
}

bool schemas_are_seen(const struct client *c)
{
    return each_schema(c, is_seen);
}

bool schemas_are_opaque(const struct client *c)
{
    return !each_schema(c, is_not_opaque);
}

void schemas_look(struct client *c)
{
    (void)each_schema(c, look_at);
}

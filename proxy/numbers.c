/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numbers.c - see numbers.h.
 */
#include "proxy/numbers.h"

#include <stdio.h>

#include "protocol/command.h"
#include "protocol/packet.h"

#define ON_SUSPICION_MAX 10000 /* rows: a procedure may look at FOUND_ROWS(), but most do not */
#define DIGITS_MAX       20    /* of a 64-bit number */

#define TEN_ROWS                                                                                   \
    "(SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION " \
    "ALL SELECT 1 "                                                                                \
    "UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1)"

static void put_number(struct writer *w, uint64_t number)
{
    char text[DIGITS_MAX + 1];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);

    put_bytes(w, text, (size_t)n);
}

/*
 * A table of so many rows. The sequence engine is five times faster than a join, but its names need
 * a schema, and where tables are locked, such a name is not one of them.
 */
static void put_rows(struct writer *w, uint64_t rows, bool has_tables)
{
    if (has_tables) {
        put_slice(w, SLICE("seq_1_to_"));
        put_number(w, rows);
        return;
    }
    put_slice(w, SLICE("(SELECT 1 FROM "));
    for (uint64_t n = rows; n > 0; n /= 10) {
        put_slice(w, SLICE(TEN_ROWS "d"));
        put_number(w, n);
        put_slice(w, n >= 10 ? SLICE(",") : SLICE(" LIMIT "));
    }
    put_number(w, rows);
    put_slice(w, SLICE(")r"));
}

static void put_found_rows(struct writer *w, const struct session *s, struct slice into)
{
    put_slice(w, s->found_rows == 0 ? SLICE("SELECT 1") : SLICE("SELECT SQL_CALC_FOUND_ROWS 1"));
    put_slice(w, into);
    if (s->found_rows > 1) { /* without a table it leaves the diagnostics alone */
        put_slice(w, SLICE(" FROM "));
        put_rows(w, s->found_rows, s->schema != NULL && (s->pins & BIT(PIN_TABLE_LOCK)) == 0);
    }
    put_slice(w, SLICE(" LIMIT 0"));
}

/* It has other blocks. */
static bool is_oracle(const struct session *s)
{
    struct slice mode = s->profile->values[VAR_SQL_MODE];

    return mode.len >= 6 && memmem(mode.data, mode.len, "ORACLE", 6) != NULL;
}

/*
 * A block's ROW_COUNT() is the sum of what its statements changed, and SELECT ... INTO counts as
 * one (10.11). FOUND_ROWS() is its last SELECT's.
 */
static void put_both(struct writer *w, const struct session *s)
{
    bool oracle = is_oracle(s);

    put_slice(w, oracle
                     ? SLICE("DECLARE x INT;CONTINUE HANDLER FOR NOT FOUND NULL;BEGIN FOR i IN 1..")
                     : SLICE("BEGIN NOT ATOMIC DECLARE x INT;DECLARE CONTINUE HANDLER FOR NOT "
                             "FOUND BEGIN END;FOR i IN 1.."));
    put_number(w, (uint64_t)s->row_count);
    put_slice(w, oracle ? SLICE(" LOOP SELECT 1 INTO x LIMIT 1;END LOOP;")
                        : SLICE(" DO SELECT 1 INTO x LIMIT 1;END FOR;"));
    put_found_rows(w, s, SLICE(" INTO x"));
    put_slice(w, SLICE(";END"));
}

static bool asks(const struct facts *f)
{
    return (f->flags & (FACT_FOUND_ROWS | FACT_ROW_COUNT)) != 0 || f->verb == VERB_GET_DIAGNOSTICS;
}

/*
 * What it calls may ask, and only with the session's number there can what it leaves behind be
 * told; EXPLAIN and VALUES leave it (10.11). But it would clear the diagnostics, which may be asked
 * for as well.
 */
static bool may_ask(const struct session *s, const struct facts *f)
{
    return (s->pins & BIT(PIN_WARNINGS)) == 0 &&
           (f->verb == VERB_CALL || f->verb == VERB_EXECUTE || f->verb == VERB_EXPLAIN ||
            f->verb == VERB_VALUES) &&
           s->found_rows <= ON_SUSPICION_MAX;
}

void numbers_prime(struct client *c, struct server *s, struct writer *w)
{
    struct session *session = &c->session;
    struct task *task = c->task;
    size_t at;

    task->had_numbers = session->numbers_server == s->id && session->numbers_at == s->n_commands;
    if ((session->pins & BIT(PIN_WARNINGS)) != 0 && (task->facts.flags & FACT_DIAGNOSTICS) != 0) {
        return; /* they would be cleared, and are what is asked for */
    }
    if (task->had_numbers || (!asks(&task->facts) && !may_ask(session, &task->facts))) {
        return;
    }
    at = packet_begin(w);
    put_u8(w, COM_QUERY);
    if (asks(&task->facts) && session->row_count >= 0) {
        put_both(w, session);
    } else {
        put_found_rows(w, session, SLICE(""));
    }
    packet_end(w, at, 0);
    server_expect(s, EXPECT_PRIME, FOLLOW_RESULT);
    task->had_numbers = true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roles - what each kind of visitor asks, in which order, and what must come back.
 *
 *   read     SELECT
 *   insert   INSERT
 *   count    UPDATE
 *   trx      BEGIN -> INSERT -> INSERT -> COMMIT; after an error ROLLBACK, then a new one
 *   ryw      INSERT -> SELECT of that row
 *   connect  log in -> SELECT -> quit
 */
#include <inttypes.h>
#include <string.h>

#include "tests/drill/load/load.h"

#define RETRY_US   50000u /* between two attempts to connect */
#define IN_TRANS   0x0001u
#define TRX_COMMIT 3u
#define TRX_UNDO   4u
#define RYW_READ   1u

static const char *const names[ROLES + 1] = {
    [ROLES] = "none",   [ROLE_READ] = "read", [ROLE_INSERT] = "insert",   [ROLE_COUNT] = "count",
    [ROLE_TRX] = "trx", [ROLE_RYW] = "ryw",   [ROLE_CONNECT] = "connect",
};

enum role role_by_name(const char *name, size_t len)
{
    unsigned role = 0;

    while (role < ROLES && (strlen(names[role]) != len || memcmp(names[role], name, len) != 0)) {
        role++;
    }
    return (enum role)role;
}

/* kind_of - the name in the record; the read of ryw is no read of a table at rest. */
static const char *kind_of(const struct visitor *visitor)
{
    if (visitor->role == ROLE_TRX && visitor->step == TRX_UNDO) {
        return "rollback";
    }
    return visitor->role == ROLE_RYW && visitor->step == RYW_READ ? "rywread"
                                                                  : names[visitor->role];
}

/* rest - think, then go on; every pause is a bit different, so that visitors do not march. */
static void rest(struct visitor *visitor, enum phase phase, uint64_t pause_us)
{
    visitor->phase = phase;
    visitor->due_us =
        load_now_us() + pause_us / 2 + rng_below(&visitor->load->rng, (uint32_t)pause_us + 1u);
}

static void lose(struct visitor *visitor, const char *why)
{
    const bool opening = visitor->phase == PHASE_OPENING;
    const unsigned code = opening ? visitor->client.reply.error_code : 0;
    const enum outcome outcome = code != 0 ? OUTCOME_ERROR : OUTCOME_LOST;

    if (visitor->phase == PHASE_IDLE) {
        visitor->begun_us = load_now_us();
        record_write(visitor, "idle", OUTCOME_LOST, 0, why);
    } else {
        record_write(visitor, opening ? "login" : kind_of(visitor), outcome, code, why);
    }
    rest(visitor, PHASE_CLOSED, RETRY_US);
}

static int write_step(const struct visitor *visitor, char *sql, size_t size)
{
    const int64_t id = visitor->id;
    static const char *const trx[] = {"BEGIN", NULL, NULL, "COMMIT", "ROLLBACK"};

    switch (visitor->role) {
    case ROLE_READ:
    case ROLE_CONNECT:
        return snprintf(sql, size, "SELECT v, %" PRId64 " FROM drill.points WHERE id = %u", id,
                        visitor->point);
    case ROLE_COUNT:
        return snprintf(sql, size, "UPDATE drill.counters SET n = n + 1 WHERE visitor = %u",
                        visitor->number);
    case ROLE_TRX:
        if (trx[visitor->step] != NULL) {
            return snprintf(sql, size, "%s", trx[visitor->step]);
        }
        return snprintf(sql, size, "INSERT INTO drill.pairs (id, half) VALUES (%" PRId64 ", %u)",
                        id, visitor->step);
    case ROLE_RYW:
        if (visitor->step == RYW_READ) {
            return snprintf(sql, size,
                            "SELECT COUNT(*), %" PRId64 " FROM drill.log WHERE id = %" PRId64, id,
                            id);
        }
        break;
    case ROLE_INSERT:
    case ROLES: break;
    }
    return snprintf(sql, size, "INSERT INTO drill.log (id, visitor) VALUES (%" PRId64 ", %u)", id,
                    visitor->number);
}

static void ask(struct visitor *visitor)
{
    char sql[200];
    const int len = write_step(visitor, sql, sizeof(sql));
    int rc;

    visitor->matches = false;
    visitor->phase = PHASE_BUSY;
    rc = client_command(&visitor->client, WIRE_COM_QUERY, sql, (size_t)len);
    if (rc < 0) {
        lose(visitor, strerror(-rc));
    }
}

static bool field_is(struct wire_row *row, const char *wanted)
{
    struct wire_field field;

    return wire_next_field(row, &field) && field.data != NULL && field.len == strlen(wanted) &&
           memcmp(field.data, wanted, field.len) == 0;
}

static void on_row(struct client *client, const uint8_t *packet, size_t len)
{
    struct visitor *visitor = (struct visitor *)client;
    struct wire_row row = {.at = packet, .end = packet + len};
    char value[32];
    char id[32];

    (void)snprintf(value, sizeof(value), "v%u;", visitor->point);
    (void)snprintf(id, sizeof(id), "%" PRId64, visitor->id);
    visitor->matches =
        field_is(&row, visitor->role == ROLE_RYW ? "1" : value) && field_is(&row, id);
}

static void end(struct visitor *visitor, enum outcome outcome, const struct wire_reply *reply)
{
    record_write(visitor, kind_of(visitor), outcome, reply->error_code, reply->message);
    if (visitor->role == ROLE_CONNECT) {
        client_quit(&visitor->client);
        rest(visitor, PHASE_CLOSED, visitor->load->think_us);
    } else {
        rest(visitor, PHASE_IDLE, visitor->load->think_us);
    }
}

static enum outcome check(const struct visitor *visitor, const struct wire_reply *reply)
{
    bool in_trans;

    switch (visitor->role) {
    case ROLE_READ:
    case ROLE_CONNECT: return reply->n_rows == 1 && visitor->matches ? OUTCOME_OK : OUTCOME_WRONG;
    case ROLE_TRX:
        in_trans = (reply->status & IN_TRANS) != 0;
        return in_trans == (visitor->step < TRX_COMMIT) ? OUTCOME_OK : OUTCOME_WRONG;
    case ROLE_RYW:
        if (visitor->step == RYW_READ) {
            return reply->n_rows == 1 && visitor->matches ? OUTCOME_OK : OUTCOME_STALE;
        }
        break;
    case ROLE_INSERT:
    case ROLE_COUNT:
    case ROLES: break;
    }
    return reply->n_affected == 1 ? OUTCOME_OK : OUTCOME_WRONG;
}

static void go_on(struct visitor *visitor, unsigned step, bool is_new_operation)
{
    visitor->step = step;
    if (is_new_operation) {
        visitor->begun_us = load_now_us();
    }
    ask(visitor);
}

static void on_reply(struct client *client, const struct wire_reply *reply)
{
    struct visitor *visitor = (struct visitor *)client;
    enum outcome outcome;

    outcome = reply->error_code != 0 ? OUTCOME_ERROR : check(visitor, reply);
    if (visitor->role == ROLE_TRX && outcome != OUTCOME_OK && visitor->step < TRX_UNDO) {
        record_write(visitor, "trx", outcome, reply->error_code, reply->message);
        go_on(visitor, TRX_UNDO, true);
    } else if (visitor->role == ROLE_TRX && visitor->step < TRX_COMMIT) {
        go_on(visitor, visitor->step + 1, false);
    } else if (visitor->role == ROLE_RYW && visitor->step == 0 && outcome == OUTCOME_OK) {
        record_write(visitor, "ryw", outcome, 0, NULL);
        go_on(visitor, RYW_READ, true);
    } else {
        end(visitor, outcome, reply);
    }
}

/* next_operation - on a connection that is idle. */
static void next_operation(struct visitor *visitor)
{
    visitor->id++;
    visitor->point = 1 + rng_below(&visitor->load->rng, POINTS);
    go_on(visitor, 0, visitor->role != ROLE_CONNECT);
}

static void on_login(struct client *client)
{
    struct visitor *visitor = (struct visitor *)client;

    visitor->phase = PHASE_IDLE;
    if (visitor->load->stopping) {
        rest(visitor, PHASE_IDLE, visitor->load->think_us);
        return;
    }
    if (visitor->role != ROLE_CONNECT) {
        record_write(visitor, "login", OUTCOME_OK, 0, NULL);
    }
    next_operation(visitor);
}

static void on_fail(struct client *client, const char *why)
{
    lose((struct visitor *)client, why);
}

static const struct client_events events = {
    .on_login = on_login, .on_reply = on_reply, .on_fail = on_fail, .on_row = on_row};

void role_begin(struct visitor *visitor)
{
    const struct wire_account account = {
        .user = visitor->user, .password = "drill", .schema = "drill"};
    int rc;

    if (visitor->phase == PHASE_IDLE) {
        next_operation(visitor);
        return;
    }
    visitor->begun_us = load_now_us();
    visitor->phase = PHASE_OPENING;
    rc = client_open(&visitor->client, &visitor->load->loop, &events, &account);
    if (rc < 0) {
        lose(visitor, strerror(-rc));
    }
}

void role_give_up(struct visitor *visitor)
{
    const bool opening = visitor->phase == PHASE_OPENING;

    if (opening || visitor->phase == PHASE_BUSY) {
        record_write(visitor, opening ? "login" : kind_of(visitor), OUTCOME_UNANSWERED, 0,
                     "nothing came until the end");
    }
    client_quit(&visitor->client);
    visitor->phase = PHASE_CLOSED;
}

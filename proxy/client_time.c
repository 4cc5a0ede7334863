/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_time.c - what may take only so long: logins, idling, statements, transactions. Looked at
 * once a second.
 */
#include "proxy/client_admit.h"
#include "proxy/rules_apply.h"
#include "proxy/worker.h"

/* What its session has set a variable of seconds to, in ms; 0 = it has not. */
static uint64_t own_limit_ms(const struct client *c, int variable)
{
    struct slice value = c->session.profile->values[variable];
    uint64_t seconds = 0;

    for (size_t i = 0; i < value.len && value.data[i] >= '0' && value.data[i] <= '9'; i++) {
        seconds = MIN(seconds * 10 + (uint64_t)(value.data[i] - '0'), UINT32_MAX);
    }
    return seconds * 1000;
}

/*
 * Is it idle for longer than its session may be? A node looks at wait_timeout alone, which a login
 * as CLIENT_INTERACTIVE begins with another value; interactive_timeout means nothing later (10.11).
 * It closes the connection without a word.
 */
static bool is_over_own_limit(const struct client *c, uint64_t idle_ms)
{
    uint64_t limit = own_limit_ms(c, VAR_WAIT_TIMEOUT);

    return limit > 0 && idle_ms > limit;
}

/*
 * Has it taken nothing of what is queued for too long? It would keep its server connection, which
 * others wait for. A node does the same (net_write_timeout), but sees only what does not fit
 * between.
 */
static bool takes_nothing(struct client *c)
{
    uint64_t now = c->worker->now_ms, limit;
    size_t unsent = stream_is_drained(&c->stream) ? 0 : stream_unsent(&c->stream);

    if (unsent != c->unsent || unsent == 0) {
        c->unsent = unsent;
        c->unsent_since_ms = now;
        return false;
    }
    limit = c->session.profile == NULL ? 0 : own_limit_ms(c, VAR_NET_WRITE_TIMEOUT);
    return now - c->unsent_since_ms >
           (limit > 0 ? limit : (uint64_t)worker_vars(c->worker)->mysql_net_write_timeout);
}

/*
 * Has it sent a part of a command, and nothing more for too long? A node does the same
 * (net_read_timeout), but sees nothing of it yet.
 */
static bool sends_nothing(struct client *c)
{
    uint64_t now = c->worker->now_ms, limit;
    bool is_its_turn = c->state == CLIENT_IDLE && !c->waits_turn && stream_is_drained(&c->stream) &&
                       (c->server == NULL || stream_is_drained(&c->server->stream));
    size_t unread = is_its_turn ? c->in_len : 0;

    if (unread != c->unread || unread == 0) {
        c->unread = unread;
        c->unread_since_ms = now;
        return false;
    }
    limit = own_limit_ms(c, VAR_NET_READ_TIMEOUT);
    return now - c->unread_since_ms >
           (limit > 0 ? limit : (uint64_t)worker_vars(c->worker)->mysql_net_read_timeout);
}

static void check_transaction(struct client *c)
{
    const struct conf_vars *vars = worker_vars(c->worker);
    uint64_t now = c->worker->now_ms;

    if (c->state == CLIENT_CLOSING || (c->session.pins & BIT(PIN_TRANSACTION)) == 0) {
        return;
    }
    if (now - session_details(&c->session)->origins[PIN_TRANSACTION].since_ms >
        (uint64_t)vars->mysql_max_transaction_time) {
        client_close(c, CLOSE_TRANSACTION, 0);
    } else if (c->state == CLIENT_IDLE &&
               now - c->since_ms > (uint64_t)vars->mysql_max_transaction_idle_time) {
        client_close(c, CLOSE_TRANSACTION_IDLE, 0);
    }
}

void client_check_time(struct client *c)
{
    const struct conf_vars *vars = worker_vars(c->worker);
    uint64_t since = c->worker->now_ms - c->since_ms;
    bool is_idle = c->state == CLIENT_IDLE ||
                   (c->state == CLIENT_UPLOADING && c->upload_discards); /* no node waits for it */

    if (c->state != CLIENT_CLOSING && takes_nothing(c)) {
        client_close(c, CLOSE_WRITE_TIMEOUT, 0);
    } else if (sends_nothing(c)) {
        client_close(c, CLOSE_READ_TIMEOUT, 0);
    } else if (client_is_logging_in(c) && since > (uint64_t)vars->mysql_connect_timeout_client) {
        client_close(c, CLOSE_LOGIN_TIMEOUT, 0);
    } else if (client_admit_is_late(c, since)) {
        client_close(c, CLOSE_LIMIT, c->login->refused);
    } else if (is_idle && since > (uint64_t)vars->mysql_wait_timeout) {
        client_close(c, CLOSE_IDLE_TIMEOUT, 0);
    } else if (c->state == CLIENT_IDLE && is_over_own_limit(c, since)) {
        client_close(c, CLOSE_SESSION_TIMEOUT, 0);
    } else if (c->state == CLIENT_RUNNING && since > (uint64_t)vars->mysql_default_query_timeout &&
               c->task->verdict.timeout_ms < 0 && !c->task->timed_out) {
        rules_timed_out(c);
    }
    check_transaction(c);
}

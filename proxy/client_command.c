/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_command.c - a command arrives: answer it here, or make it a task.
 */
#include "base/clock.h"
#include "base/err.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_again.h"
#include "proxy/client_cache.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/client_user.h"
#include "proxy/figures_client.h"
#include "proxy/local.h"
#include "proxy/rules_apply.h"
#include "proxy/warnings.h"

static void bad_command(struct client *c, const char *what)
{
    struct log_who who = client_who(c, "reading a command");

    stat_add(&c->worker->stats, STAT_PROTOCOL_ERRORS, 1);
    log_info(&who, "%s", what);
    (void)client_error_rc(c, ERR_UNKNOWN_COMMAND);
}

static struct task *task_of(struct client *c, const uint8_t *packet, size_t len, bool is_whole)
{
    struct task *task = task_new(&c->worker->tasks, len);

    if (task == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return NULL;
    }
    memcpy(task->bytes, packet, len);
    task->command = packet[PACKET_HEADER];
    task->payload = packet_length(packet);
    task->follow = FOLLOW_RESULT;
    task->is_streaming = task->is_unseen = !is_whole;
    task->upload_left = PACKET_HEADER + (uint64_t)packet_length(packet) - len;
    task->since_ms = c->worker->now_ms;
    task->began_us = clock_now_us();
    task->route.hostgroup = FIGURES_HERE; /* until it is routed */
    c->task = task;
    return task;
}

static void use_statement(struct client *c, const struct task *task)
{
    char name[SCHEMA_NAME_MAX];
    struct slice schema = use_parse(task->facts.body);
    size_t len = MIN(schema.len, sizeof(name));

    memcpy(name, schema.data, len);
    figures_ended(c); /* as a command of the session; a node may be asked about the schema */
    task_free(&c->worker->tasks, c->task);
    c->task = NULL;
    client_use_schema(c, (struct slice){name, schema.len > sizeof(name) ? SIZE_MAX : len});
}

static void kill_command(struct client *c, uint64_t id, bool query_only)
{
    struct worker *w = c->worker;
    unsigned owner = (unsigned)(id & ((1u << WORKER_BITS) - 1));
    struct mail *mail;

    const struct account *victim =
        id > UINT32_MAX || owner >= w->galeway->n_workers ? NULL : kill_account_of(w, id);

    if (victim == NULL) {
        (void)client_errorf(c, ERR_NO_THREAD, "Unknown thread id: %llu", (unsigned long long)id);
        return;
    }
    if (victim != c->session.account) {
        (void)client_errorf(c, ERR_NOT_OWNER, "You are not owner of thread %llu",
                            (unsigned long long)id);
        return;
    }
    if (id == c->id) {
        if (query_only) {
            (void)client_error_rc(c, ERR_INTERRUPTED);
        } else { /* without a packet, as a node */
            client_close(c, CLOSE_KILLED, 0);
        }
        return;
    }
    mail = mail_new(MAIL_KILL);
    mail->client_id = id;
    mail->kill_query = query_only;
    mail->account = c->session.account;
    worker_post(w->galeway->workers[owner], mail);
    (void)client_ok(c);
}

/*
 * LOAD DATA LOCAL behind which a number of the connection would be asked for (client_send.h): the
 * node would take the question for the file.
 */
static bool asks_for_files_unseen(const struct facts *f)
{
    return (f->flags & FACT_LOCAL_INFILE) != 0 && (f->flags & FACT_MULTI) != 0;
}

void client_scan_as(struct task *task, struct slice sql, const struct profile *profile,
                    uint32_t mode)
{
    if (profile->is_charset_unsafe) {
        facts_scan_head(&task->facts, sql, mode);
        task->is_unseen = true;
    } else {
        facts_scan(&task->facts, sql, mode);
        task->is_unseen = asks_for_files_unseen(&task->facts);
    }
}

void client_scan(const struct client *c, struct task *task, struct slice sql)
{
    client_scan_as(task, sql, c->session.profile, client_mode(c));
}

bool client_may_load_files(const struct client *c)
{
    return worker_vars(c->worker)->mysql_enable_load_data_local_infile &&
           (c->session.caps & CAP_LOCAL_FILES) != 0;
}

bool client_refuses_file(struct client *c)
{
    if ((c->task->facts.flags & FACT_LOCAL_INFILE) == 0 || client_may_load_files(c)) {
        return false;
    }
    client_task_failed(c, ERR_LOCAL_INFILE);
    return true;
}

/* The facts are known and the rules have spoken: answer it here, or send it. */
static void statement(struct client *c)
{
    struct task *task = c->task;

    if (client_refuses_file(c)) {
        return;
    }
    if (task->is_streaming) {
        client_run(c);
        return;
    }
    if (task->facts.has_kill &&
        (task->facts.verb != VERB_KILL || (task->facts.flags & FACT_MULTI) != 0)) {
        client_task_failed(c, ERR_KILL_AMONG_OTHERS);
    } else if (task->facts.verb == VERB_KILL && task->facts.number != 0) {
        kill_command(c, task->facts.number, task->facts.kill_query);
        if (c->state != CLIENT_CLOSING) {
            client_task_end(c);
        }
    } else if (task->facts.verb == VERB_USE && (task->facts.flags & FACT_MULTI) == 0 &&
               use_parse(task->facts.body).len > 0) {
        use_statement(c, task);
    } else if (!local_answer(c) && !client_cache_answer(c)) {
        client_run(c);
    }
}

static void query(struct client *c, const uint8_t *packet, size_t len, bool is_whole)
{
    struct task *task = task_of(c, packet, len, is_whole);
    struct slice sql;

    if (task == NULL) {
        return;
    }
    sql = (struct slice){(const char *)task->bytes + PACKET_HEADER + 1, len - PACKET_HEADER - 1};
    if (is_whole) {
        client_scan(c, task, sql);
    } else {
        facts_scan_head(&task->facts, sql, client_mode(c));
    }
    if (!client_user_may_run(c)) {
        return;
    }
    if ((!rules_concern(c, sql) || !rules_apply(c, sql)) && !rules_delay(c)) {
        statement(c);
    }
}

void client_go_on(struct client *c)
{
    if (c->task->command == COM_QUERY) {
        statement(c);
    } else {
        client_stmt_go_on(c);
    }
}

/* A command whose reply is relayed without a look at its content. */
static void relay_command(struct client *c, const uint8_t *packet, size_t len,
                          enum follow_kind follow)
{
    struct task *task = task_of(c, packet, len, true);

    if (task != NULL) {
        task->follow = (uint8_t)follow;
        task->facts.verb = VERB_SHOW;
        task->facts.flags = FACT_TABLES_UNKNOWN;
        task->facts.local = LOCAL_NONE;
        task->facts.n_tables = 0;
        client_run(c);
    }
}

/*
 * The node is to hear of a session that keeps its connection, or would end both when its own
 * wait_timeout is over. But not in a transaction: of one that Galera has aborted, 10.11.19 says so
 * to the next command, be it this one, and who does not look at what is said to a PING would go on
 * outside of the transaction.
 */
static bool is_ping_for_node(const struct client *c)
{
    return c->server != NULL && (c->session.pins & ~BIT(PIN_WARNINGS)) != 0 &&
           (c->session.status & STATUS_IN_TRANS) == 0;
}

static void ping(struct client *c, const uint8_t *packet, size_t len)
{
    struct task *task;

    if (LIKELY(!is_ping_for_node(c))) {
        local_ping(c);
        return;
    }
    task = task_of(c, packet, len, true);
    if (task != NULL) {
        task->follow = FOLLOW_ONE;
        task->facts.verb = task->facts.runs = VERB_DO; /* leaves what DO 0 does */
        task->facts.flags = FACT_READ;
        task->facts.local = LOCAL_NONE;
        client_run(c);
    }
}

/*
 * What the session has on its connection goes first, and only then the command is answered: others
 * must not see a lock or a table of it behind the answer. False = there is nothing; else the
 * command comes again (client_wiped).
 */
static bool wipe_first(struct client *c, const uint8_t *packet, size_t len)
{
    struct task *task;

    if (c->server == NULL || (c->session.pins & pins_that_reset()) == 0) {
        return false;
    }
    task = task_of(c, packet, len, true);
    if (task != NULL) {
        task->is_wipe = true;
        client_run(c);
    }
    return true;
}

static void reset_connection(struct client *c)
{
    struct session *s = &c->session;
    struct profiles *profiles = &c->worker->pool.profiles;
    struct profile *fresh = profile_of_charset(profiles, s->charset);

    if (fresh == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return;
    }
    client_give_server(c);
    client_stmts_drop(c);
    session_reset(s, profiles, fresh, client_fresh_status(c));
    warnings_drop(c);
    (void)client_ok(c);
}

static void process_kill(struct client *c, const uint8_t *payload, size_t len)
{
    uint8_t id[4] = {0}; /* a node takes missing bytes for zero */

    memcpy(id, payload + 1, MIN(len - 1, sizeof(id)));
    kill_command(c, peek_u32(id), false);
}

static void init_db(struct client *c, const uint8_t *payload, size_t len)
{
    client_use_schema(c, (struct slice){(const char *)payload + 1, len - 1});
}

/*
 * Commands for one server, not for a farm: refused as a node refuses them to users without the
 * privilege.
 */
static void deny(struct client *c, const char *privilege)
{
    (void)client_errorf(
        c, ERR_PRIVILEGE,
        "Access denied; you need (at least one of) the %s privilege(s) for this operation",
        privilege);
}

static void short_command(struct client *c, uint8_t *packet, size_t len)
{
    const uint8_t *payload = packet + PACKET_HEADER;
    size_t n = len - PACKET_HEADER;

    switch (payload[0]) {
    case COM_QUIT: client_close(c, CLOSE_QUIT, 0); break;
    case COM_PING: ping(c, packet, len); break;
    case COM_INIT_DB: init_db(c, payload, n); break;
    case COM_STATISTICS: local_statistics(c); break;
    case COM_SET_OPTION: local_set_option(c, payload, n); break;
    case COM_RESET_CONNECTION:
        if (!wipe_first(c, packet, len)) {
            reset_connection(c);
        }
        break;
    case COM_CHANGE_USER:
        if (!wipe_first(c, packet, len)) {
            client_change_user(c, payload, n);
        }
        break;
    case COM_PROCESS_KILL: process_kill(c, payload, n); break;
    case COM_FIELD_LIST: relay_command(c, packet, len, FOLLOW_FIELD_LIST); break;
    case COM_PROCESS_INFO: relay_command(c, packet, len, FOLLOW_RESULT); break;
    case COM_DEBUG: deny(c, "SUPER"); break;
    case COM_REFRESH: deny(c, "RELOAD"); break;
    case COM_SHUTDOWN: deny(c, "SHUTDOWN"); break;
    case COM_BINLOG_DUMP: deny(c, "REPLICATION SLAVE"); break;
    case COM_REGISTER_SLAVE:
        (void)client_errorf(c, ERR_ACCESS_DENIED,
                            "Access denied for user '%s'@'%%' (using password: YES)",
                            c->session.account->name);
        break;
    default: bad_command(c, "an unknown command"); break;
    }
}

void client_wiped(struct client *c)
{
    struct task *task = c->task;

    c->task = NULL;
    session_unpin_all(&c->session, c->session.pins);
    client_stmts_drop(c);
    client_give_server(c);
    client_to(c, CLIENT_IDLE);
    if (task->command == COM_RESET_CONNECTION) {
        reset_connection(c);
    } else {
        client_change_user(c, task->bytes + PACKET_HEADER, task->len - PACKET_HEADER);
    }
    task_free(&c->worker->tasks, task);
    /* COM_CHANGE_USER may have come with what its client says to a question. */
    if ((c->state == CLIENT_IDLE || c->state == CLIENT_LOGIN) && c->in_len > 0) {
        client_input(c);
    }
}

static bool is_stmt_command(uint8_t command)
{
    return command == COM_STMT_PREPARE || command == COM_STMT_EXECUTE ||
           command == COM_STMT_BULK_EXECUTE || command == COM_STMT_SEND_LONG_DATA ||
           command == COM_STMT_CLOSE || command == COM_STMT_RESET || command == COM_STMT_FETCH;
}

/*
 * The node that held the session's transaction is gone: said once, on an open connection. Not to
 * COM_STMT_CLOSE: it has no reply, so it would be taken for that of the next command. A part of a
 * parameter ends its client, as always when it cannot be kept.
 */
static bool told_of_loss(struct client *c, const uint8_t *packet, size_t len, bool is_whole)
{
    uint8_t command = packet[PACKET_HEADER];

    bool is_lost = c->session_lost, closes;

    if (LIKELY(!is_lost && !c->is_aborted) || command == COM_QUIT || command == COM_STMT_CLOSE) {
        return false;
    }
    c->session_lost = c->is_aborted = false;
    if (task_of(c, packet, len, is_whole) == NULL) {
        return true;
    }
    if (!is_lost) {
        client_transaction_aborted(c);
        client_task_failed(c, ERR_ABORTED);
        return true;
    }
    closes = is_whole && client_sent_ahead(c); /* that counts on what is lost */
    c->close_when_drained = closes;
    c->loses_ahead = !is_whole;
    client_end_with_error(c, err_number(ERR_NODE_LOST), err_sqlstate(ERR_NODE_LOST),
                          SLICE("Lost connection to server: the node that held the "
                                "transaction is gone; it was rolled back"));
    if (closes && c->state != CLIENT_CLOSING) {
        client_close_after_write(c, CLOSE_NODE);
    }
    return true;
}

void client_command(struct client *c, uint8_t *packet, size_t len, bool is_whole)
{
    uint8_t command;

    c->sequence = 1;
    c->since_ms = c->worker->now_ms; /* who is answered at once was not idle: no state changes */
    c->questions++;
    stat_add(&c->worker->stats, STAT_QUESTIONS, 1);
    if (len == PACKET_HEADER) {
        bad_command(c, "an empty packet");
        return;
    }
    command = packet[PACKET_HEADER];
    if (told_of_loss(c, packet, len, is_whole)) {
        return;
    }
    if (!client_user_may_send(c, command)) {
        if (task_of(c, packet, len, is_whole) != NULL) {
            client_task_failed(c, ERR_MUST_SET_PASSWORD);
        }
        return;
    }
    if (command == COM_QUERY) {
        query(c, packet, len, is_whole);
    } else if (is_stmt_command(command)) {
        struct task *task = task_of(c, packet, len, is_whole);

        if (task != NULL) {
            client_stmt_command(c, task);
        }
    } else if (is_whole) {
        short_command(c, packet, len);
    } else {
        client_refuse(c, ERR_PACKET_TOO_LARGE, CLOSE_PROTOCOL);
    }
}

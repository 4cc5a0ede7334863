/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users_thread.c - see users.h: the thread that reads users from nodes, by Connector/C.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/users_inside.h"
#include "protocol/bytes.h"

#define ANSWER_MS   3000
#define AGAIN_MS    1000 /* a node that failed is not asked for so long */
#define POKE_GAP_MS 100  /* between two readings, however many statements change users */
#define IDLE_MS     60000

#define UNKNOWN_VARIABLE 1193 /* a server without wsrep */
#define OF_THE_CLIENT    2000 /* errors from here on, up to 2999: the node has not answered */

#define COLUMNS      "SELECT Host, User, Priv FROM mysql.global_priv"
#define NAME_SQL_MAX (2 * USER_NAME_MAX + 40)

static const char settings_sql[] =
    "SELECT @@default_password_lifetime, @@disconnect_on_expired_password, @@skip_name_resolve";

/* Rights that stand in tables of their own; a sum for each. */
static const char rights_sql[] =
    "CHECKSUM TABLE mysql.db, mysql.roles_mapping, mysql.tables_priv, mysql.columns_priv, "
    "mysql.procs_priv";

/* What tells that rights have changed. */
struct rights_sum {
    uint64_t users; /* of all rows of mysql.global_priv */
    uint64_t rights;
    bool has_rights; /* the account may read them */
};

struct users_reader {
    struct users *users;
    struct rights_sum sum; /* of the last reading */
    bool has_sum;
    struct conf *conf; /* a reference; NULL = none yet */
    int hostgroup;     /* of conf */
    struct follow_link *link;
    const struct node *node; /* of the link, or that failed last */
    uint64_t again_ms[NODES_MAX];
    uint64_t next_read_ms;
    uint64_t read_ms; /* the last one */
    uint64_t next_ask_ms;
    char sql[USERS_NAMES_MAX * NAME_SQL_MAX + 128];
};

/* --- states ----------------------------------------------------------------------------------- */

static void say_change(const struct users_reader *r, enum users_state state,
                       const struct users_view *v)
{
    if (state == USERS_CURRENT) {
        log_info(NULL, "hostgroup %d: its users may log in: %llu accounts, read from %s",
                 r->hostgroup, (unsigned long long)v->n_accounts, v->node);
    } else if (state == USERS_DENIED) {
        log_warn(NULL,
                 "hostgroup %d: its users cannot be read: %s (mysql-monitor_username needs GRANT "
                 "SELECT ON mysql.global_priv)",
                 r->hostgroup, v->error);
    } else if (state == USERS_BROKEN) {
        log_warn(NULL, "hostgroup %d: its users cannot be read, those known stay: %s", r->hostgroup,
                 v->error);
    }
}

static void come_to(struct users_reader *r, enum users_state state, const char *error)
{
    struct users *u = r->users;
    struct users_view view;
    bool has_changed;

    CHECK(pthread_mutex_lock(&u->lock) == 0);
    has_changed = u->view.state != state;
    if (has_changed) {
        u->view.state = (uint8_t)state;
        u->view.since_ms = clock_now_ms();
    }
    (void)snprintf(u->view.error, sizeof(u->view.error), "%s", error);
    (void)snprintf(u->view.node, sizeof(u->view.node), "%s", r->node == NULL ? "" : r->node->text);
    view = u->view;
    CHECK(pthread_mutex_unlock(&u->lock) == 0);
    if (has_changed) {
        say_change(r, state, &view);
    }
}

/* --- the connection --------------------------------------------------------------------------- */

static void drop_link(struct users_reader *r)
{
    follow_link_close(r->link);
    r->link = NULL;
}

static void fail(struct users_reader *r, const struct follow_error *error)
{
    char text[FOLLOW_ERROR_MAX];

    (void)snprintf(text, sizeof(text), "%.40s: %.150s", r->node->text, error->text);
    r->again_ms[r->node->index] = clock_now_ms() + AGAIN_MS;
    drop_link(r);
    come_to(r, follow_error_is_denied(error) ? USERS_DENIED : USERS_BROKEN, text);
}

static bool open_link(struct users_reader *r, struct node *node)
{
    const struct conf_vars *vars = &r->conf->vars;
    const struct follow_target target = {.node = node,
                                         .user = vars->mysql_monitor_username,
                                         .password = vars->mysql_monitor_password,
                                         .connect_ms =
                                             (unsigned)vars->mysql_monitor_connect_timeout,
                                         .answer_ms = ANSWER_MS,
                                         .wake_fd = -1};
    struct follow_error error = {0};

    r->node = node;
    r->link = follow_link_open(&target, &error);
    if (r->link == NULL) {
        fail(r, &error);
        return false;
    }
    /* What is read is not older than what any node has acknowledged. */
    if (!follow_link_ask(r->link, "SET SESSION wsrep_sync_wait=1", NULL, NULL, &error) &&
        error.number != UNKNOWN_VARIABLE) {
        fail(r, &error);
        return false;
    }
    return true;
}

/*
 * A connection to one of the hostgroup's nodes: the one there is, if its node still belongs to
 * them.
 */
static bool ensure_link(struct users_reader *r)
{
    struct users *u = r->users;
    struct node *nodes[NODES_MAX];
    size_t n = u->events.nodes(u->events.arg, r->hostgroup, nodes);
    uint64_t now = clock_now_ms();

    for (size_t i = 0; i < n && r->link != NULL; i++) {
        if (nodes[i] == r->node) {
            return true;
        }
    }
    drop_link(r);
    for (size_t i = 0; i < n; i++) {
        if (r->again_ms[nodes[i]->index] <= now && open_link(r, nodes[i])) {
            return true;
        }
    }
    if (n == 0) {
        r->node = NULL;
        come_to(r, USERS_BROKEN, "no node of the hostgroup takes statements");
    }
    return false;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void on_account(void *list, char *const *columns, unsigned n)
{
    if (n == 3 && columns[0] != NULL && columns[1] != NULL && columns[2] != NULL) {
        user_list_add(list, columns[0], columns[1], columns[2]);
    }
}

static void on_settings(void *arg, char *const *columns, unsigned n)
{
    struct users_server *server = arg;

    if (n == 3 && columns[0] != NULL && columns[1] != NULL && columns[2] != NULL) {
        server->default_days = strtoll(columns[0], NULL, 10);
        server->cuts_expired = strcmp(columns[1], "0") != 0;
        server->resolves = strcmp(columns[2], "0") == 0;
    }
}

/* A list that is not whole is not used: who is not in it would be gone. */
static bool ask_accounts(struct users_reader *r, const char *sql, struct user_list *list)
{
    struct follow_error error = {0};

    if (!follow_link_ask(r->link, sql, on_account, list, &error)) {
        fail(r, &error);
        return false;
    }
    if (list->rc != 0) {
        (void)snprintf(error.text, sizeof(error.text), "more accounts than can be kept (%d)",
                       USERS_RECORDS_MAX);
        fail(r, &error);
        return false;
    }
    return true;
}

static void on_sum(void *arg, char *const *columns, unsigned n)
{
    struct rights_sum *sum = arg;

    if (n == 2 && columns[0] != NULL && columns[1] != NULL) {
        const uint64_t value = strtoull(columns[1], NULL, 10);

        sum->rights += XXH3_64bits_withSeed(columns[0], strlen(columns[0]), value);
        sum->has_rights = true;
    }
}

/* An account that may not read all of the tables gets an error: then only users are looked at. */
static bool read_rights(struct users_reader *r, struct rights_sum *sum)
{
    struct follow_error error = {0};

    if (follow_link_ask(r->link, rights_sql, on_sum, sum, &error)) {
        return true;
    }
    *sum = (struct rights_sum){.has_rights = false};
    if (error.number >= OF_THE_CLIENT && error.number < OF_THE_CLIENT + 1000) {
        fail(r, &error);
        return false;
    }
    return true;
}

/* Rights that cannot be read now, but could before, or the other way round, are no change. */
static void compare_rights(struct users_reader *r, const struct rights_sum *sum)
{
    const struct users_events *events = &r->users->events;
    bool is_other = r->sum.users != sum->users ||
                    (r->sum.has_rights && sum->has_rights && r->sum.rights != sum->rights);

    if (r->has_sum && is_other) {
        events->on_rights(events->arg);
    }
    if (!sum->has_rights) {
        r->sum.users = sum->users;
    } else {
        r->sum = *sum;
    }
    r->has_sum = true;
}

static void count_reading(struct users_reader *r, const struct user_list *list)
{
    struct users *u = r->users;
    uint64_t n_before;

    CHECK(pthread_mutex_lock(&u->lock) == 0);
    n_before = u->view.n_malformed;
    u->view.n_malformed = list->n_malformed;
    u->view.read_ms = clock_now_ms();
    u->view.n_reads++;
    CHECK(pthread_mutex_unlock(&u->lock) == 0);
    if (list->n_malformed > n_before) {
        log_warn(NULL,
                 "%s: %zu rows of mysql.global_priv cannot be understood: nobody is let in "
                 "by them",
                 r->node->text, list->n_malformed);
    }
}

static void read_all(struct users_reader *r)
{
    struct user_list list = {0};
    struct users_server server = {0};
    struct follow_error error = {0};
    struct rights_sum sum = {0};

    r->read_ms = clock_now_ms();
    r->next_read_ms =
        r->read_ms + (uint64_t)MIN(r->conf->vars.mysql_users_refresh_interval, AGAIN_MS);
    if (!ensure_link(r)) {
        return;
    }
    if (!follow_link_ask(r->link, settings_sql, on_settings, &server, &error)) {
        fail(r, &error);
        return;
    }
    if (read_rights(r, &sum) && ask_accounts(r, COLUMNS, &list)) {
        sum.users = list.sum;
        r->next_read_ms = r->read_ms + (uint64_t)r->conf->vars.mysql_users_refresh_interval;
        count_reading(r, &list);
        users_set(r->users, r->hostgroup, &list, &server);
        compare_rights(r, &sum);
        come_to(r, USERS_CURRENT, "");
    }
    user_list_fini(&list);
}

/* Names are a peer's: as digits they need no escape. */
static void write_question(struct users_reader *r, const struct users_asked *asked)
{
    static const char digits[] = "0123456789abcdef";
    struct writer w = writer_of((uint8_t *)r->sql, sizeof(r->sql));

    put_slice(&w, SLICE(COLUMNS " WHERE User IN ("));
    for (size_t i = 0; i < asked->n; i++) {
        put_slice(&w, i == 0 ? SLICE("CONVERT(x'") : SLICE(",CONVERT(x'"));
        for (const char *p = asked->names[i]; *p != '\0'; p++) {
            put_u8(&w, (uint8_t)digits[(uint8_t)*p >> 4]);
            put_u8(&w, (uint8_t)digits[(uint8_t)*p & 15]);
        }
        put_slice(&w, SLICE("' USING utf8mb3)"));
    }
    put_slice(&w, SLICE(")"));
    put_u8(&w, 0);
    CHECK(!w.failed);
}

static void read_asked(struct users_reader *r)
{
    struct users_asked asked;
    struct user_list list = {0};
    bool is_known = false;

    r->next_ask_ms = clock_now_ms() + USERS_ASK_GAP_MS;
    if (!users_take_asked(r->users, &asked)) {
        return;
    }
    write_question(r, &asked);
    /* A connection that was idle may be gone: that is seen now, and another may answer. */
    for (int i = 0; i < 2 && !is_known && ensure_link(r); i++) {
        is_known = ask_accounts(r, r->sql, &list);
        if (!is_known) {
            user_list_fini(&list);
        }
    }
    if (is_known) {
        users_set_asked(r->users, r->hostgroup, &asked, &list);
    }
    user_list_fini(&list);
    users_end_wait(r->users, asked.batch, is_known);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* false = the thread is to end. */
static bool take_mail(struct users_reader *r, bool *has_questions)
{
    struct users *u = r->users;
    struct conf *conf;
    bool is_poked, goes_on;
    uint64_t n;

    if (read(u->wake_fd, &n, sizeof(n)) < 0) { /* nothing was written: it came by itself */
        n = 0;
    }
    CHECK(pthread_mutex_lock(&u->lock) == 0);
    conf = u->next_conf;
    u->next_conf = NULL;
    is_poked = u->is_poked;
    u->is_poked = false;
    goes_on = !u->is_stopping;
    *has_questions = u->asked.n > 0;
    CHECK(pthread_mutex_unlock(&u->lock) == 0);
    if (conf != NULL) {
        conf_unref(r->conf);
        r->conf = conf;
        r->has_sum &= r->hostgroup == conf->vars.mysql_users_from_hostgroup;
        r->hostgroup = conf->vars.mysql_users_from_hostgroup;
        drop_link(r); /* the account may be another */
        memset(r->again_ms, 0, sizeof(r->again_ms));
        r->next_read_ms = 0;
    }
    if (is_poked) {
        r->next_read_ms = MIN(r->next_read_ms, r->read_ms + POKE_GAP_MS);
    }
    return goes_on;
}

static void wait_for_mail(const struct users_reader *r, uint64_t until_ms)
{
    struct pollfd p = {.fd = r->users->wake_fd, .events = POLLIN};
    uint64_t now = clock_now_ms();

    if (until_ms > now) {
        (void)poll(&p, 1, (int)MIN(until_ms - now, (uint64_t)IDLE_MS));
    }
}

/* Who waits while nothing is followed any more, or nothing can be asked. */
static void off(struct users_reader *r)
{
    drop_link(r);
    r->node = NULL;
    come_to(r, USERS_OFF, "");
    users_end_wait(r->users, UINT64_MAX, false);
    wait_for_mail(r, clock_now_ms() + IDLE_MS);
}

static void one_turn(struct users_reader *r, bool has_questions)
{
    uint64_t now = clock_now_ms();

    if (r->conf == NULL || r->hostgroup < 0) {
        off(r);
        return;
    }
    if (has_questions && now >= r->next_ask_ms) {
        read_asked(r);
    } else if (now >= r->next_read_ms) {
        if (r->read_ms == 0) {
            come_to(r, USERS_STARTING, "");
        }
        read_all(r);
    } else if (has_questions) {
        wait_for_mail(r, MIN(r->next_read_ms, r->next_ask_ms)); /* a wake-up shortens it: no harm */
    } else {
        wait_for_mail(r, r->next_read_ms);
    }
}

void *users_run(void *arg)
{
    struct users_reader *r = mem_new(MEM_POOL, sizeof(*r));
    bool has_questions = false;

    r->users = arg;
    r->hostgroup = -1;
    (void)pthread_setname_np(pthread_self(), "users");
    while (take_mail(r, &has_questions)) {
        one_turn(r, has_questions);
    }
    users_end_wait(r->users, UINT64_MAX, false);
    drop_link(r);
    conf_unref(r->conf);
    mem_free(MEM_POOL, r);
    return NULL;
}

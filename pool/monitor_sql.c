/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_sql.c - see monitor_sql.h.
 *
 * The library runs its blocking code on a small stack of its own and leaves it where it would wait;
 * each such wait is one poll handle here. The handle is stopped before the library goes on, since
 * it may close the descriptor.
 */
#include "pool/monitor_sql.h"

#include <errmsg.h>
#include <fcntl.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pool/library.h"
#include "pool/sql_tls.h"

#define GRACE_MS     50 /* to read what has come when the deadline passes */
#define GRACES_MAX   3
#define GIVE_UPS_MAX 32 /* calls until the library has noticed a timeout */

enum link_step {
    LINK_CLOSED,
    LINK_WANTED,
    LINK_CONNECTING,
    LINK_ASKING,
    LINK_READING,
    LINK_MORE,
    LINK_OPEN
};

#define USER_MAX     256
#define PACKET_MAX   65536 /* of an answer: no check has a line that is nearly as long */
#define PASSWORD_MAX 512

struct link_poll {
    uv_poll_t handle;
    struct sql_link *link;
    int waits_for; /* MYSQL_WAIT_... */
};

struct sql_link {
    /* identity */
    uv_loop_t *loop;                   /* borrowed */
    const struct sql_handler *handler; /* borrowed */
    void *arg;
    /* state */
    enum link_step step;
    bool was_kept; /* the connection is older than the question */
    bool timed_out;
    unsigned n_graces;
    unsigned limit_ms;    /* of the step */
    uint64_t deadline_ms; /* clock_now_ms(); of the step */
    uint64_t connect_began_us;
    uint64_t asked_us;
    uint64_t connect_us;
    unsigned tls_changes; /* of the node when it was opened */
    unsigned tls_failures;
    struct sql_tls *tls; /* owned; NULL = plain */
    struct sql_target target;
    char host[NI_MAXHOST]; /* the library looks at these until the login has ended */
    char user[USER_MAX];
    char password[PASSWORD_MAX];
    /* owned */
    uv_timer_t timer;
    struct link_poll *poll; /* NULL = nothing is waited for */
    MYSQL *mysql;           /* NULL = closed */
    /* what the library's calls give back */
    MYSQL *connected;
    MYSQL_RES *rows;
    int rc;
};

static void go_on(struct sql_link *link, int happened);

enum report_kind sql_kind_of(unsigned error)
{
    switch (error) {
    case 0: return REPORT_OK;
    case CR_SOCKET_CREATE_ERROR:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_MALFORMED_PACKET:
    case CR_UNKNOWN_HOST:
    case CR_SSL_CONNECTION_ERROR: /* it is not who it should be, or does not take us for that */
    case CR_VERSION_ERROR: /* from here on: what answers is no database, or none that can be used */
    case CR_SERVER_HANDSHAKE_ERR:
    case CR_NET_PACKET_TOO_LARGE:
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN: return REPORT_BROKEN;
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case ER_CONNECTION_KILLED: return REPORT_LOST;
    default: return REPORT_DENIED; /* it answers, but not us */
    }
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
    mem_free(MEM_POOL, CONTAINER_OF(handle, struct link_poll, handle));
}

static void stop_poll(struct sql_link *link)
{
    if (link->poll != NULL) {
        uv_close((uv_handle_t *)&link->poll->handle, on_poll_closed);
        link->poll = NULL;
    }
}

static void lose(struct sql_link *link)
{
    sql_link_drop(link);
    link->handler->on_lost(link->arg);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct link_poll *p = CONTAINER_OF(handle, struct link_poll, handle);
    struct sql_link *link = p->link;
    int happened = 0;

    happened |= (events & (UV_READABLE | UV_DISCONNECT)) != 0 ? MYSQL_WAIT_READ : 0;
    happened |= (events & UV_WRITABLE) != 0 ? MYSQL_WAIT_WRITE : 0;
    happened |= (events & UV_PRIORITIZED) != 0 ? MYSQL_WAIT_EXCEPT : 0;
    if (status < 0 || happened == 0) {
        happened =
            p->waits_for & ~MYSQL_WAIT_TIMEOUT; /* an error: the call that follows says which */
    }
    stop_poll(link);
    if (link->step == LINK_OPEN) {
        lose(link);
    } else {
        go_on(link, happened);
    }
}

/* false = there is nothing to wait on. */
static bool wait_for(struct sql_link *link, int what)
{
    my_socket fd = mysql_get_socket(link->mysql);
    int events = 0;
    struct link_poll *p;

    if (fd < 0) {
        return false;
    }
    p = mem_new(MEM_POOL, sizeof(*p));
    p->link = link;
    p->waits_for = what;
    if (uv_poll_init(link->loop, &p->handle, fd) != 0) {
        mem_free(MEM_POOL, p);
        return false;
    }
    events |= (what & MYSQL_WAIT_READ) != 0 ? UV_READABLE | UV_DISCONNECT : 0;
    events |= (what & MYSQL_WAIT_WRITE) != 0 ? UV_WRITABLE : 0;
    events |= (what & MYSQL_WAIT_EXCEPT) != 0 ? UV_PRIORITIZED : 0;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* not for the event hook's program */
    link->poll = p;
    CHECK(uv_poll_start(&p->handle, events, on_poll) == 0);
    return true;
}

bool sql_link_has_input(const struct sql_link *link)
{
    struct pollfd p = {.events = POLLIN};

    if (link->mysql == NULL || link->poll == NULL) {
        return false;
    }
    if ((link->poll->waits_for & MYSQL_WAIT_WRITE) != 0) {
        p.events |= POLLOUT;
    }
    p.fd = mysql_get_socket(link->mysql);
    return p.fd >= 0 && poll(&p, 1, 0) > 0;
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void start_timer(struct sql_link *link, unsigned ms)
{
    uv_update_time(link->loop); /* its clock stands still while a callback works */
    link->deadline_ms = clock_now_ms() + ms;
    CHECK(uv_timer_start(&link->timer, on_timer, ms, 0) == 0);
}

static void limit(struct sql_link *link, unsigned ms)
{
    link->limit_ms = ms;
    link->n_graces = 0;
    start_timer(link, ms);
}

/* The library gives up in its own order, so that nothing of it is left behind. */
static void give_up(struct sql_link *link)
{
    link->timed_out = true;
    stop_poll(link);
    go_on(link, MYSQL_WAIT_TIMEOUT);
}

static void open_link(struct sql_link *link);

static void on_timer(uv_timer_t *timer)
{
    struct sql_link *link = CONTAINER_OF(timer, struct sql_link, timer);
    uint64_t now = clock_now_ms();

    if (link->step == LINK_WANTED) {
        open_link(link);
    } else if (link->n_graces < GRACES_MAX && sql_link_has_input(link)) {
        link->n_graces++;
        start_timer(link, GRACE_MS);
    } else if (link->n_graces == 0 && now > link->deadline_ms + link->limit_ms / 4) {
        link->n_graces++; /* this thread was late: perhaps the whole machine was */
        start_timer(link, link->limit_ms);
    } else {
        give_up(link);
    }
}

/* --- the end of a question -------------------------------------------------------------------- */

static void close_mysql(struct sql_link *link, bool is_polite)
{
    stop_poll(link);
    if (link->rows != NULL) {
        mysql_free_result(link->rows);
        link->rows = NULL;
    }
    if (link->mysql != NULL) {
        my_socket fd = mysql_get_socket(link->mysql);

        if (!is_polite && fd >= 0) {
            (void)shutdown(fd, SHUT_RDWR); /* closing writes a COM_QUIT: that must not wait */
        }
        mysql_close(link->mysql);
        link->mysql = NULL;
        sql_tls_free(link->tls);
        link->tls = NULL;
    }
    link->step = LINK_CLOSED;
}

static void finish(struct sql_link *link, const struct sql_result *result)
{
    CHECK(uv_timer_stop(&link->timer) == 0);
    if (link->mysql != NULL) {
        link->step = LINK_OPEN;
        if (!wait_for(link, MYSQL_WAIT_READ)) {
            close_mysql(link, false);
        }
    }
    link->handler->on_done(link->arg, result);
}

static void say_timeout(const struct sql_link *link, struct sql_result *result)
{
    result->kind = REPORT_TIMEOUT;
    if (link->step == LINK_CONNECTING) {
        (void)snprintf(result->text, sizeof(result->text), "no login within %u ms", link->limit_ms);
    } else {
        (void)snprintf(result->text, sizeof(result->text), "no answer within %u ms",
                       link->limit_ms);
    }
}

static void fail_tls(struct sql_link *link)
{
    struct sql_result result = {.kind = sql_kind_of(CR_SSL_CONNECTION_ERROR),
                                .error = CR_SSL_CONNECTION_ERROR,
                                .took_us = clock_now_us() - link->connect_began_us};

    result.connect_us = result.took_us;
    (void)snprintf(result.text, sizeof(result.text), "TLS: %s", sql_tls_why(link->tls));
    close_mysql(link, false);
    finish(link, &result);
}

static void fail(struct sql_link *link)
{
    struct sql_result result = {.error = mysql_errno(link->mysql)};
    bool was_asking = link->step != LINK_CONNECTING;

    if (!was_asking && sql_tls_why(link->tls)[0] != '\0') {
        fail_tls(link);
        return;
    }
    result.kind = sql_kind_of(result.error == 0 ? CR_SERVER_LOST : result.error);
    (void)snprintf(result.text, sizeof(result.text), "%s", library_why(link->mysql));
    if (link->timed_out) {
        say_timeout(link, &result);
    } else if (report_is_broken(result.kind) && link->was_kept) {
        close_mysql(link, false);
        open_link(link);
        return;
    }
    result.took_us = clock_now_us() - (was_asking ? link->asked_us : link->connect_began_us);
    result.connect_us = was_asking ? link->connect_us : result.took_us;
    close_mysql(link, false);
    finish(link, &result);
}

/* --- steps: each returns what the library waits for, 0 = it has ended ------------------------- */

static int ask(struct sql_link *link)
{
    limit(link, link->target.answer_ms);
    link->step = LINK_ASKING;
    link->asked_us = clock_now_us();
    link->handler->on_begin(link->arg);
    return mysql_real_query_start(&link->rc, link->mysql, link->target.sql,
                                  strlen(link->target.sql));
}

static int read_rows(struct sql_link *link)
{
    link->step = LINK_READING;
    return mysql_store_result_start(&link->rows, link->mysql);
}

/* Hands the rows of one result over. */
static void tell_rows(struct sql_link *link)
{
    MYSQL_ROW row;
    unsigned n = mysql_num_fields(link->rows);

    while ((row = mysql_fetch_row(link->rows)) != NULL) {
        link->handler->on_row(link->arg, row, n);
    }
    mysql_free_result(link->rows);
    link->rows = NULL;
}

/* What the greeting said. */
static uint64_t offered(struct sql_link *link)
{
    unsigned long caps = 0, extended = 0;

    if (mariadb_get_infov(link->mysql, MARIADB_CONNECTION_SERVER_CAPABILITIES, &caps) != 0 ||
        mariadb_get_infov(link->mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES,
                          &extended) != 0) {
        return 0;
    }
    return (caps & UINT32_MAX) | (uint64_t)extended << 32;
}

/* Of the last answer; the monitor's connections change none of the bits of a session. */
static uint16_t status_of(struct sql_link *link)
{
    unsigned status = 0;

    return mariadb_get_infov(link->mysql, MARIADB_CONNECTION_SERVER_STATUS, &status) == 0
               ? (uint16_t)status
               : 0;
}

static void succeed(struct sql_link *link)
{
    struct sql_result result = {.kind = REPORT_OK,
                                .took_us = clock_now_us() - link->asked_us,
                                .connect_us = link->was_kept ? 0 : link->connect_us,
                                .caps = link->was_kept ? 0 : offered(link),
                                .status = link->was_kept ? 0 : status_of(link)};

    finish(link, &result);
}

/* The step has ended: begin the next. Returns what is waited for, -1 = the question has ended. */
static int next_step(struct sql_link *link)
{
    bool good = false;

    switch (link->step) {
    case LINK_CONNECTING:
        good = link->connected != NULL;
        link->connect_us = MAX(clock_now_us() - link->connect_began_us, UINT64_C(1));
        break;
    case LINK_ASKING:
    case LINK_MORE: good = link->rc == 0; break;
    case LINK_READING: good = link->rows != NULL || mysql_errno(link->mysql) == 0; break;
    case LINK_CLOSED:
    case LINK_WANTED:
    case LINK_OPEN: UNREACHABLE();
    }
    if (!good || link->timed_out) {
        fail(link);
        return -1;
    }
    if (link->step == LINK_CONNECTING) {
        return ask(link);
    }
    if (link->step != LINK_READING) {
        return read_rows(link);
    }
    if (link->rows != NULL) {
        tell_rows(link);
    }
    if (mysql_more_results(link->mysql)) {
        link->step = LINK_MORE;
        return mysql_next_result_start(&link->rc, link->mysql);
    }
    succeed(link);
    return -1;
}

static int cont(struct sql_link *link, int happened)
{
    switch (link->step) {
    case LINK_CONNECTING: return mysql_real_connect_cont(&link->connected, link->mysql, happened);
    case LINK_ASKING: return mysql_real_query_cont(&link->rc, link->mysql, happened);
    case LINK_READING: return mysql_store_result_cont(&link->rows, link->mysql, happened);
    case LINK_MORE: return mysql_next_result_cont(&link->rc, link->mysql, happened);
    case LINK_CLOSED:
    case LINK_WANTED:
    case LINK_OPEN: break;
    }
    UNREACHABLE();
}

/* status: what the library waits for. */
static void proceed(struct sql_link *link, int status)
{
    unsigned give_ups = 0;

    while (status >= 0) {
        if (status == 0) {
            status = next_step(link);
        } else if (link->timed_out && give_ups < GIVE_UPS_MAX) {
            give_ups++;
            status = cont(link, MYSQL_WAIT_TIMEOUT);
        } else if (link->timed_out || !wait_for(link, status)) {
            fail(link);
            return;
        } else {
            return;
        }
    }
}

/* happened: MYSQL_WAIT_..., what it waited for. */
static void go_on(struct sql_link *link, int happened)
{
    proceed(link, cont(link, happened));
}

/* --- opening ---------------------------------------------------------------------------------- */

static void fail_unopened(struct sql_link *link, unsigned error, const char *text)
{
    struct sql_result result = {.kind = REPORT_BROKEN, .error = error};

    (void)snprintf(result.text, sizeof(result.text), "%s", text);
    link->step = LINK_CLOSED;
    finish(link, &result);
}

/*
 * A connection from before use_ssl was changed is not as new ones are. One from before a handshake
 * failed does not tell whether others can be opened.
 */
static bool is_secured_as_new(const struct sql_link *link)
{
    const struct node *node = link->target.node;

    return link->tls_changes == atomic_load(&node->shared.tls_changes) &&
           (link->tls == NULL || link->tls_failures == atomic_load(&node->shared.tls_failures));
}

static void open_link(struct sql_link *link)
{
    const struct sql_target *t = &link->target;
    bool is_unix = t->node->port == 0;

    if (!is_secured_as_new(link)) {
        close_mysql(link, false);
    }
    link->was_kept = link->mysql != NULL;
    if (link->was_kept) {
        proceed(link, ask(link));
        return;
    }
    if (!is_unix && !library_host(t->node, link->host, sizeof(link->host))) {
        fail_unopened(link, CR_UNKNOWN_HOST, "its address cannot be resolved");
        return;
    }
    link->tls_changes = atomic_load(&t->node->shared.tls_changes);
    link->tls_failures = atomic_load(&t->node->shared.tls_failures);
    link->mysql = library_new(PACKET_MAX);
    if (link->mysql == NULL) {
        fail_unopened(link, CR_OUT_OF_MEMORY, "no memory for a connection");
        return;
    }
    link->tls = sql_tls_new(link->mysql, t->node);
    if (sql_tls_why(link->tls)[0] != '\0') {
        fail_tls(link);
        return;
    }
    link->step = LINK_CONNECTING;
    link->connect_began_us = clock_now_us();
    limit(link, t->connect_ms);
    proceed(link,
            mysql_real_connect_start(&link->connected, link->mysql, is_unix ? NULL : link->host,
                                     t->user, t->password, NULL, t->node->port,
                                     is_unix ? t->node->address : NULL, CLIENT_MULTI_STATEMENTS));
}

void sql_link_ask(struct sql_link *link, const struct sql_target *target)
{
    CHECK(!sql_link_is_busy(link));
    stop_poll(link);
    link->target = *target;
    (void)snprintf(link->user, sizeof(link->user), "%s", target->user);
    (void)snprintf(link->password, sizeof(link->password), "%s", target->password);
    link->timed_out = false;
    link->step = LINK_WANTED;
    start_timer(link, 0);
}

/* --- life ------------------------------------------------------------------------------------- */

struct sql_link *sql_link_new(uv_loop_t *loop, const struct sql_handler *handler, void *arg)
{
    struct sql_link *link = mem_new(MEM_POOL, sizeof(*link));

    link->loop = loop;
    link->handler = handler;
    link->arg = arg;
    CHECK(uv_timer_init(loop, &link->timer) == 0);
    return link;
}

static void on_timer_closed(uv_handle_t *handle)
{
    mem_free(MEM_POOL, CONTAINER_OF(handle, struct sql_link, timer));
}

void sql_link_close(struct sql_link *link)
{
    if (link == NULL) {
        return;
    }
    stop_poll(link);
    if (sql_link_is_busy(link) && link->step != LINK_WANTED) {
        /* Let the library end its call: what it has allocated on the way is lost otherwise. */
        for (int i = 0, status = 1; i < GIVE_UPS_MAX && status != 0; i++) {
            status = cont(link, MYSQL_WAIT_TIMEOUT);
        }
    }
    close_mysql(link, link->step == LINK_OPEN || link->step == LINK_WANTED);
    uv_close((uv_handle_t *)&link->timer, on_timer_closed);
}

void sql_link_drop(struct sql_link *link)
{
    CHECK(!sql_link_is_busy(link));
    close_mysql(link, true);
}

bool sql_link_is_busy(const struct sql_link *link)
{
    return link->step != LINK_CLOSED && link->step != LINK_OPEN;
}

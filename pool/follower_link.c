/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_link.c - see follower_link.h.
 *
 * The library asks for the stream (mariadb_rpl_open); its packets are taken as they are and decoded
 * by protocol/binlog.h, which is checked against anything a node may send. Whether one is there
 * already is seen in the library's read-ahead buffer, as poll() does not know of that.
 */
#include "pool/follower_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
/* clang-format off */
#include <mysql.h> /* the others need it before them */
#include <errmsg.h>
#include <ma_pvio.h>
#include <mariadb_rpl.h>
#include <mysqld_error.h>
/* clang-format on */

#include "base/clock.h"
#include "base/mem.h"
#include "pool/library.h"
#include "pool/sql_tls.h"
#include "protocol/bytes.h"

#define READ_TIMEOUT_S 2 /* within a packet */
#define GRACE_MS       500

enum { PACKET_EVENT = 0x00, PACKET_ERROR = 0xff, PACKET_END = 0xfe };

struct follow_link {
    MYSQL *mysql;
    struct sql_tls *tls; /* owned; NULL = plain */
    MARIADB_RPL *stream; /* NULL = questions */
    unsigned answer_ms;
    int wake_fd;
    bool was_interrupted;
};

static void say(struct follow_error *error, unsigned number, const char *text)
{
    error->number = number;
    (void)snprintf(error->text, sizeof(error->text), "%s", text);
}

static void say_last(const struct follow_link *link, struct follow_error *error)
{
    unsigned number = mysql_errno(link->mysql);

    if (link->was_interrupted) {
        say(error, 0, "interrupted");
    } else if (number == 0) {
        say(error, CR_SERVER_LOST, "the connection is lost");
    } else {
        say(error, number, library_why(link->mysql));
    }
}

bool follow_error_is_denied(const struct follow_error *error)
{
    return error->number == ER_ACCESS_DENIED_ERROR || error->number == ER_DBACCESS_DENIED_ERROR ||
           error->number == ER_TABLEACCESS_DENIED_ERROR ||
           error->number == ER_SPECIFIC_ACCESS_DENIED_ERROR ||
           error->number == ER_ACCESS_DENIED_NO_PASSWORD_ERROR;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/*
 * What of `events` came on the connection; 0 = the time is over, or it was interrupted by wake_fd
 * (-1 = it cannot be). What is there when the time is over is still looked at, for a moment: this
 * thread may have been late.
 */
static int wait_for(struct follow_link *link, short events, uint64_t until_ms, int wake_fd)
{
    struct pollfd p[2] = {{.fd = mysql_get_socket(link->mysql), .events = events},
                          {.fd = wake_fd, .events = POLLIN}};

    for (;;) {
        uint64_t now = clock_now_ms();
        int n = now > until_ms + GRACE_MS
                    ? 0
                    : poll(p, 2, now < until_ms ? (int)MIN(until_ms - now, UINT64_C(60000)) : 0);

        if (n < 0 && errno != EINTR) {
            return 0;
        }
        if (n > 0 && p[1].revents != 0) {
            link->was_interrupted = true;
            return 0;
        }
        if (n > 0) {
            return p[0].revents;
        }
        if (n == 0 && clock_now_ms() >= until_ms) {
            return 0;
        }
    }
}

/* For a call of the library that has returned what it waits for. */
static int wait_status(struct follow_link *link, int status, uint64_t until_ms, int wake_fd)
{
    short events = 0;
    int happened, result = 0;

    events |= (status & MYSQL_WAIT_READ) != 0 ? POLLIN : 0;
    events |= (status & MYSQL_WAIT_WRITE) != 0 ? POLLOUT : 0;
    events |= (status & MYSQL_WAIT_EXCEPT) != 0 ? POLLPRI : 0;
    happened = wait_for(link, events, until_ms, wake_fd);
    if (happened == 0) {
        return MYSQL_WAIT_TIMEOUT; /* the library then gives up in its own order */
    }
    result |= (happened & POLLIN) != 0 ? MYSQL_WAIT_READ : 0;
    result |= (happened & POLLOUT) != 0 ? MYSQL_WAIT_WRITE : 0;
    result |= (happened & POLLPRI) != 0 ? MYSQL_WAIT_EXCEPT : 0;
    return result != 0 ? result : status & ~MYSQL_WAIT_TIMEOUT; /* an error: the call says which */
}

/* --- opening ---------------------------------------------------------------------------------- */

/* When a packet has come in part, the library itself waits for the rest: a timeout ends that. */
static MYSQL *new_mysql(void)
{
    MYSQL *mysql = library_new(FOLLOW_EVENT_MAX);
    unsigned timeout = READ_TIMEOUT_S;

    if (mysql != NULL && (mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &timeout) != 0 ||
                          mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout) != 0)) {
        mysql_close(mysql);
        return NULL;
    }
    return mysql;
}

static void say_tls_or_last(const struct follow_link *link, struct follow_error *error)
{
    if (sql_tls_why(link->tls)[0] != '\0') {
        error->number = CR_SSL_CONNECTION_ERROR;
        (void)snprintf(error->text, sizeof(error->text), "TLS: %s", sql_tls_why(link->tls));
    } else {
        say_last(link, error);
    }
}

struct follow_link *follow_link_open(const struct follow_target *target, struct follow_error *error)
{
    bool is_unix = target->node->port == 0;
    uint64_t until = clock_now_ms() + target->connect_ms;
    struct follow_link *link;
    char host[NI_MAXHOST];
    MYSQL *connected = NULL;
    int status;

    if (!is_unix && !library_host(target->node, host, sizeof(host))) {
        say(error, CR_UNKNOWN_HOST, "its address cannot be resolved");
        return NULL;
    }
    link = mem_new(MEM_POOL, sizeof(*link));
    link->mysql = new_mysql();
    if (link->mysql == NULL) {
        say(error, CR_OUT_OF_MEMORY, "no memory for a connection");
        mem_free(MEM_POOL, link);
        return NULL;
    }
    link->tls = sql_tls_new(link->mysql, target->node);
    if (sql_tls_why(link->tls)[0] != '\0') {
        say_tls_or_last(link, error);
        follow_link_close(link);
        return NULL;
    }
    link->answer_ms = target->answer_ms;
    link->wake_fd = target->wake_fd;
    status = mysql_real_connect_start(&connected, link->mysql, is_unix ? NULL : host, target->user,
                                      target->password, NULL, target->node->port,
                                      is_unix ? target->node->address : NULL, 0);
    while (status != 0) {
        status = mysql_real_connect_cont(&connected, link->mysql,
                                         wait_status(link, status, until, link->wake_fd));
    }
    if (connected == NULL) {
        say_tls_or_last(link, error);
        follow_link_close(link);
        return NULL;
    }
    (void)fcntl(mysql_get_socket(link->mysql), F_SETFD, FD_CLOEXEC); /* not for the event hook */
    return link;
}

void follow_link_close(struct follow_link *link)
{
    if (link == NULL) {
        return;
    }
    if (mysql_get_socket(link->mysql) >= 0) {
        (void)shutdown(mysql_get_socket(link->mysql), SHUT_RDWR); /* a COM_QUIT must not wait */
    }
    if (link->stream != NULL) {
        mariadb_rpl_close(link->stream);
    }
    mysql_close(link->mysql);
    sql_tls_free(link->tls);
    mem_free(MEM_POOL, link);
}

/* --- questions -------------------------------------------------------------------------------- */

/*
 * One row at a time: a node whose answer does not end takes no memory. False = there is no more, or
 * an error.
 */
static bool fetch_row(struct follow_link *link, MYSQL_RES *rows, MYSQL_ROW *row, uint64_t until_ms)
{
    int status = mysql_fetch_row_start(row, rows);

    while (status != 0) {
        status = mysql_fetch_row_cont(row, rows, wait_status(link, status, until_ms, -1));
    }
    return *row != NULL;
}

bool follow_link_ask(struct follow_link *link, const char *sql,
                     void (*on_row)(void *arg, char *const *columns, unsigned n), void *arg,
                     struct follow_error *error)
{
    uint64_t until = clock_now_ms() + link->answer_ms;
    MYSQL_RES *rows = NULL;
    bool is_endless = false, is_well;
    MYSQL_ROW row;
    int rc, status;

    status = mysql_real_query_start(&rc, link->mysql, sql, strlen(sql));
    while (status != 0) {
        status = mysql_real_query_cont(&rc, link->mysql, wait_status(link, status, until, -1));
    }
    if (rc != 0) {
        say_last(link, error);
        return false;
    }
    rows = mysql_use_result(link->mysql);
    while (rows != NULL && fetch_row(link, rows, &row, until)) {
        if (on_row != NULL) {
            on_row(arg, row, mysql_num_fields(rows));
        }
        if (clock_now_ms() > until + GRACE_MS) {
            is_endless = true; /* freeing it would read on to its end */
            (void)shutdown(mysql_get_socket(link->mysql), SHUT_RDWR);
            break;
        }
    }
    is_well = !is_endless && mysql_errno(link->mysql) == 0;
    if (is_endless) {
        say(error, CR_SERVER_LOST, "its answer does not end");
    } else if (!is_well) {
        say_last(link, error);
    }
    mysql_free_result(rows);
    return is_well;
}

/* --- the stream ------------------------------------------------------------------------------- */

bool follow_link_stream(struct follow_link *link, uint32_t server_id, const char *file,
                        uint64_t offset, struct follow_error *error)
{
    link->stream = mariadb_rpl_init(link->mysql);
    if (link->stream == NULL) {
        say_last(link, error);
        return false;
    }
    if (mariadb_rpl_optionsv(link->stream, MARIADB_RPL_SERVER_ID, server_id) != 0 ||
        mariadb_rpl_optionsv(link->stream, MARIADB_RPL_FILENAME, file, strlen(file)) != 0 ||
        mariadb_rpl_optionsv(link->stream, MARIADB_RPL_START, (unsigned long)offset) != 0 ||
        mariadb_rpl_optionsv(link->stream, MARIADB_RPL_FLAGS, 0U) != 0 ||
        mariadb_rpl_open(link->stream) != 0) {
        say_last(link, error);
        return false;
    }
    return true;
}

/* Did the library read more than it has given? */
static bool has_read_ahead(const struct follow_link *link)
{
    const MARIADB_PVIO *pvio = link->mysql->net.pvio;

    return (pvio != NULL && pvio->cache != NULL &&
            pvio->cache_pos < pvio->cache + pvio->cache_size) ||
           sql_tls_has_input(link->tls);
}

/* "#42000text" behind a number. */
static void say_error_packet(struct slice packet, struct follow_error *error)
{
    struct reader r = reader_of(packet.data, packet.len);
    unsigned number;
    struct slice text;

    (void)get_u8(&r);
    number = get_u16(&r);
    if (reader_left(&r) >= 6 && *r.pos == '#') {
        (void)get_bytes(&r, 6);
    }
    text = get_rest(&r);
    error->number = number == 0 ? CR_UNKNOWN_ERROR : number;
    (void)snprintf(error->text, sizeof(error->text), "%.*s",
                   (int)MIN(text.len, sizeof(error->text)), text.len == 0 ? "" : text.data);
}

enum follow_read follow_link_read(struct follow_link *link, unsigned wait_ms, struct slice *event,
                                  struct follow_error *error)
{
    struct slice packet;
    unsigned long len;

    if (!has_read_ahead(link) &&
        wait_for(link, POLLIN, clock_now_ms() + wait_ms, link->wake_fd) == 0) {
        link->was_interrupted = false;
        return FOLLOW_SILENCE;
    }
    len = mysql_net_read_packet(link->mysql);
    if (len == 0 || len >= packet_error) {
        say_last(link, error);
        return FOLLOW_LOST;
    }
    packet = (struct slice){(const char *)link->mysql->net.read_pos, len};
    switch ((uint8_t)packet.data[0]) {
    case PACKET_EVENT: *event = (struct slice){packet.data + 1, len - 1}; return FOLLOW_EVENT;
    case PACKET_ERROR: say_error_packet(packet, error); return FOLLOW_LOST;
    case PACKET_END: say(error, 0, "the node has ended the stream"); return FOLLOW_LOST;
    default: say(error, CR_MALFORMED_PACKET, "malformed packet"); return FOLLOW_LOST;
    }
}

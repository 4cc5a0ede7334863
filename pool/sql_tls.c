/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql_tls.c - see sql_tls.h. EWOULDBLOCK is EAGAIN on Linux.
 *
 *   GREETING --> HANDSHAKE --> LOGIN (packets are renumbered) --> OPEN
 *
 * The library's plugin for sockets has a table of functions for each connection. Its connect() is
 * replaced once by one that gives a connection that is known here a table with reads and writes of
 * ours. The request for TLS is a packet that the library knows nothing of: so its own have numbers
 * that are too low by one, until the login has ended.
 */
#include "pool/sql_tls.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
/* clang-format off */
#include <mysql.h> /* the others need it before them */
#include <ma_pvio.h>
/* clang-format on */

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "pool/node_tls.h"
#include "protocol/caps.h"
#include "protocol/greet.h"
#include "protocol/packet.h"

#define RAW_BYTES     16384
#define PLAIN_BYTES   (2 * TLS_RECORD_MAX)
#define LOGIN_MAX     4096 /* bytes of a packet of the library's during the login */
#define WRITE_WAIT_MS 1000

#define PLUGIN_TYPE 101 /* "PVIO" */
#define PLUGIN_API  0x0100
#define PLUGIN_NAME "pvio_socket"

/*
 * What the library gives for a plugin of this type. Its header cannot be used: it asks for one that
 * Debian's package does not have.
 */
struct socket_plugin {
    int type;
    unsigned interface_version;
    const char *name, *author, *description;
    unsigned version[3];
    const char *license;
    void *mysql_api;
    int (*init)(char *text, size_t size, int n, va_list args);
    int (*deinit)(void);
    int (*options)(const char *option, const void *value);
    PVIO_METHODS *methods;
};

enum phase { PHASE_GREETING, PHASE_HANDSHAKE, PHASE_LOGIN, PHASE_OPEN };

struct sql_tls {
    struct list_node in_all;
    const MYSQL *mysql;    /* borrowed */
    struct node_tls *how;  /* a reference */
    const char *host;      /* borrowed from the node */
    struct tls *tls;       /* owned; NULL until the greeting was read */
    MARIADB_PVIO *pvio;    /* borrowed, while it calls */
    uint8_t phase;         /* enum phase */
    bool is_ended;         /* the node has closed */
    size_t at, ready, len; /* of plain: handed over, to be handed over, there */
    size_t login_len;
    uint8_t login[LOGIN_MAX]; /* of the library, until the handshake is done */
    uint8_t plain[PLAIN_BYTES];
    uint8_t raw[RAW_BYTES]; /* lent to tls */
    char why[TLS_WHY_MAX];
};

/* The library's functions, and the two tables made of them. */
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;
static bool has_tables;
static PVIO_METHODS library, connecting, secured;

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list all;

static struct sql_tls *find(const MYSQL *mysql)
{
    struct sql_tls *found = NULL;

    CHECK(pthread_mutex_lock(&all_lock) == 0);
    LIST_FOREACH (it, &all) {
        struct sql_tls *t = CONTAINER_OF(it, struct sql_tls, in_all);

        if (t->mysql == mysql) {
            found = t;
        }
    }
    CHECK(pthread_mutex_unlock(&all_lock) == 0);
    return found;
}

/* --- what goes to the node -------------------------------------------------------------------- */

static ssize_t fail(struct sql_tls *t, const char *why)
{
    if (t->why[0] == '\0') {
        (void)snprintf(t->why, sizeof(t->why), "%s", why);
    }
    errno = ECONNABORTED;
    return -1;
}

/* All of it: questions are short, so the socket takes them. */
static int put(void *arg, const uint8_t *data, size_t len)
{
    struct sql_tls *t = arg;

    while (len > 0) {
        ssize_t n = library.async_write(t->pvio, data, len);

        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (n == 0 || errno != EAGAIN ||
                   library.wait_io_or_timeout(t->pvio, 0, WRITE_WAIT_MS) < 1) {
            return ERR_NODE_LOST;
        }
    }
    return 0;
}

/*
 * The library's login. It is kept, and what it begins with is the request for TLS: a node believes
 * the capabilities of the first packet.
 */
static ssize_t begin_handshake(struct sql_tls *t, const uint8_t *data, size_t len)
{
    uint8_t request[PACKET_HEADER + TLS_REQUEST_LENGTH];

    if (len < sizeof(request) || len > sizeof(t->login)) {
        return fail(t, "the login is too long");
    }
    memcpy(t->login, data, len);
    t->login_len = len;
    t->login[PACKET_HEADER - 1]++;
    t->login[PACKET_HEADER + 1] |= (uint8_t)(CAP_SSL >> 8);
    memcpy(request, t->login, sizeof(request));
    packet_write_header(request, TLS_REQUEST_LENGTH, data[PACKET_HEADER - 1]);
    t->tls = tls_new(t->how->context, t->host);
    if (t->tls == NULL) {
        return fail(t, err_text(ERR_MEMORY));
    }
    tls_use_sink(t->tls, put, t);
    if (put(t, request, sizeof(request)) != 0) {
        return fail(t, "the node closed the connection");
    }
    t->phase = PHASE_HANDSHAKE; /* goes on when the library reads the answer */
    return (ssize_t)len;
}

static ssize_t write_secured(MARIADB_PVIO *pvio, const uchar *data, size_t len)
{
    struct sql_tls *t = find(pvio->mysql);
    uint8_t packet[LOGIN_MAX];
    int rc = ERR_LIMIT;

    CHECK(t != NULL);
    t->pvio = pvio;
    if (t->phase == PHASE_GREETING) {
        return begin_handshake(t, data, len);
    }
    if (t->phase == PHASE_LOGIN && len >= PACKET_HEADER && len <= sizeof(packet)) {
        memcpy(packet, data, len);
        packet[PACKET_HEADER - 1]++;
        rc = tls_seal(t->tls, packet, len);
    } else if (t->phase == PHASE_OPEN) {
        rc = t->tls == NULL ? ERR_LIMIT : tls_seal(t->tls, data, len);
    }
    if (rc != 0) {
        errno = ECONNRESET;
        return -1;
    }
    return (ssize_t)len;
}

/* --- what comes from the node ----------------------------------------------------------------- */

/* 1 = there is more; else what a read of the library's returns: 0 = the end, -1 and errno. */
static ssize_t read_raw(struct sql_tls *t)
{
    ssize_t n = library.async_read(t->pvio, t->raw, sizeof(t->raw));

    if (n > 0) {
        tls_give(t->tls, t->raw, (size_t)n);
        return 1;
    }
    t->is_ended |= n == 0;
    return n;
}

static ssize_t check_greeting(struct sql_tls *t)
{
    struct greeting g;

    if (t->plain[PACKET_HEADER] == 0xff) { /* too many connections, and the like */
        t->phase = PHASE_OPEN;
    } else if (greeting_decode(&g, t->plain + PACKET_HEADER, t->len - PACKET_HEADER) != 0) {
        return fail(t, "the node's greeting is malformed");
    } else if ((g.caps & CAP_SSL) == 0) {
        return fail(t, "the node does not offer TLS");
    }
    t->ready = t->len;
    return 1;
}

/* Not a byte more than the greeting: what comes behind it belongs to TLS. */
static ssize_t read_greeting(struct sql_tls *t)
{
    size_t whole = PACKET_HEADER;
    ssize_t n;

    if (t->len >= PACKET_HEADER) {
        whole += packet_length(t->plain);
    }
    if (whole > PLAIN_BYTES || (t->len >= PACKET_HEADER && whole == PACKET_HEADER)) {
        return fail(t, "the node's greeting is malformed");
    }
    if (t->len == whole) {
        return check_greeting(t);
    }
    n = library.async_read(t->pvio, t->plain + t->len, whole - t->len);
    if (n > 0) {
        t->len += (size_t)n;
        return 1;
    }
    return n;
}

static ssize_t go_on_shaking(struct sql_tls *t)
{
    int rc = tls_shake(t->tls);
    ssize_t n;

    if (rc == 0) {
        t->phase = PHASE_LOGIN;
        t->at = t->ready = t->len = 0;
        rc = tls_seal(t->tls, t->login, t->login_len);
        OPENSSL_cleanse(t->login, t->login_len);
        return rc == 0 ? 1 : fail(t, "the node closed the connection");
    }
    if (rc != 1) {
        return fail(t, rc == ERR_TLS ? tls_why(t->tls) : "the node closed the connection");
    }
    n = read_raw(t);
    return n == 0 ? fail(t, "the node closed the connection") : n;
}

/* Whole packets only, with the numbers that the library expects. */
static ssize_t renumber(struct sql_tls *t)
{
    while (t->phase == PHASE_LOGIN && t->len - t->ready >= PACKET_HEADER) {
        uint8_t *packet = t->plain + t->ready;
        size_t whole = PACKET_HEADER + (size_t)packet_length(packet);

        if (whole > PLAIN_BYTES || whole == PACKET_HEADER) {
            return fail(t, "a malformed packet during the login");
        }
        if (t->len - t->ready < whole) {
            return 1;
        }
        packet[PACKET_HEADER - 1]--;
        t->ready += whole;
        if (packet[PACKET_HEADER] == 0x00 || packet[PACKET_HEADER] == 0xff) {
            t->phase = PHASE_OPEN;
        }
    }
    if (t->phase == PHASE_OPEN) {
        t->ready = t->len;
    }
    return 1;
}

static ssize_t open_more(struct sql_tls *t)
{
    int64_t n;

    if (t->at == t->ready && t->at > 0) {
        memmove(t->plain, t->plain + t->at, t->len - t->at);
        t->len -= t->at;
        t->at = t->ready = 0;
    }
    if (t->tls == NULL || t->len == PLAIN_BYTES) {
        return fail(t, "a malformed packet during the login");
    }
    n = tls_open(t->tls, t->plain + t->len, PLAIN_BYTES - t->len);
    if (n > 0) {
        t->len += (size_t)n;
        return renumber(t);
    }
    if (n < 0) {
        t->is_ended = true;
        return n == TLS_END ? 0 : fail(t, tls_why(t->tls));
    }
    return read_raw(t);
}

/* As the library's async_read: bytes, 0 = the end, -1 and EAGAIN. */
static ssize_t read_now(MARIADB_PVIO *pvio, uchar *out, size_t cap)
{
    struct sql_tls *t = find(pvio->mysql);
    ssize_t n = 1;

    CHECK(t != NULL);
    t->pvio = pvio;
    if (t->why[0] != '\0') {
        return fail(t, t->why);
    }
    while (n > 0 && t->at == t->ready) {
        n = t->is_ended                   ? 0
            : t->phase == PHASE_GREETING  ? read_greeting(t)
            : t->phase == PHASE_HANDSHAKE ? go_on_shaking(t)
                                          : open_more(t);
    }
    if (n <= 0) {
        return n;
    }
    n = (ssize_t)MIN(cap, t->ready - t->at);
    memcpy(out, t->plain + t->at, (size_t)n);
    t->at += (size_t)n;
    return n;
}

static ssize_t read_waiting(MARIADB_PVIO *pvio, uchar *out, size_t cap)
{
    ssize_t n;

    while ((n = read_now(pvio, out, cap)) < 0 && errno == EAGAIN) {
        if (library.wait_io_or_timeout(pvio, 1, pvio->timeout[PVIO_READ_TIMEOUT]) < 1) {
            return -1;
        }
    }
    return n;
}

/* --- life ------------------------------------------------------------------------------------- */

static my_bool connect_secured(MARIADB_PVIO *pvio, MA_PVIO_CINFO *cinfo)
{
    my_bool failed = library.connect(pvio, cinfo);

    if (!failed && find(pvio->mysql) != NULL) {
        pvio->methods = &secured;
    }
    return failed;
}

static void make_tables(void)
{
    MYSQL *mysql = mysql_init(NULL);
    struct socket_plugin *plugin;

    CHECK(mysql != NULL);
    list_init(&all);
    plugin =
        (struct socket_plugin *)(void *)mysql_client_find_plugin(mysql, PLUGIN_NAME, PLUGIN_TYPE);
    has_tables = plugin != NULL && plugin->type == PLUGIN_TYPE &&
                 plugin->interface_version == PLUGIN_API && strcmp(plugin->name, PLUGIN_NAME) == 0;
    if (has_tables) {
        library = secured = connecting = *plugin->methods;
        secured.read = read_waiting;
        secured.async_read = read_now;
        secured.write = secured.async_write = write_secured;
        connecting.connect = connect_secured;
        plugin->methods = &connecting;
    }
    mysql_close(mysql);
}

struct sql_tls *sql_tls_new(struct st_mysql *mysql, const struct node *node)
{
    struct node_tls *how = node_tls_get(node, "");
    struct sql_tls *t;

    if (how == NULL) {
        return NULL;
    }
    CHECK(pthread_once(&tables_once, make_tables) == 0);
    t = mem_new(MEM_TLS, sizeof(*t));
    t->mysql = mysql;
    t->how = how;
    t->host = node->port == 0 ? "" : node->address;
    if (!has_tables) {
        (void)fail(t, "not possible with this client library");
    }
    CHECK(pthread_mutex_lock(&all_lock) == 0);
    list_push_back(&all, &t->in_all);
    CHECK(pthread_mutex_unlock(&all_lock) == 0);
    return t;
}

void sql_tls_free(struct sql_tls *t)
{
    if (t == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&all_lock) == 0);
    list_remove(&all, &t->in_all);
    CHECK(pthread_mutex_unlock(&all_lock) == 0);
    tls_free(t->tls);
    node_tls_unref(t->how);
    mem_free(MEM_TLS, t);
}

const char *sql_tls_why(const struct sql_tls *t)
{
    return t == NULL ? "" : t->why;
}

bool sql_tls_has_input(const struct sql_tls *t)
{
    return t != NULL && (t->at < t->ready || (t->tls != NULL && tls_has_input(t->tls)));
}

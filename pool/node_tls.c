/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node_tls.c - see node_tls.h.
 */
#include "pool/node_tls.h"

#include <pthread.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

struct node_tls_slot {
    pthread_mutex_t lock;
    struct node_tls *now; /* a reference; NULL = plain */
};

struct node_tls_slot *node_tls_slot_new(void)
{
    struct node_tls_slot *slot = mem_new(MEM_TLS, sizeof(*slot));

    CHECK(pthread_mutex_init(&slot->lock, NULL) == 0);
    return slot;
}

void node_tls_slot_free(struct node_tls_slot *slot)
{
    if (slot != NULL) {
        node_tls_unref(slot->now);
        (void)pthread_mutex_destroy(&slot->lock);
        mem_free(MEM_TLS, slot);
    }
}

/* The user's own, or NULL. */
static struct node_tls *own_of(const struct node_tls *tls, const char *user)
{
    for (size_t i = 0; tls != NULL && i < tls->n_own; i++) {
        if (strcmp(tls->own[i].user, user) == 0) {
            return tls->own[i].tls;
        }
    }
    return NULL;
}

struct node_tls *node_tls_get(const struct node *node, const char *user)
{
    struct node_tls *tls, *own;

    if (node->tls == NULL) {
        return NULL;
    }
    CHECK(pthread_mutex_lock(&node->tls->lock) == 0);
    own = own_of(node->tls->now, user);
    tls = own != NULL ? own : node->tls->now;
    if (tls != NULL) {
        atomic_fetch_add(&tls->refs, 1);
    }
    CHECK(pthread_mutex_unlock(&node->tls->lock) == 0);
    return tls;
}

bool node_tls_is_own(const struct node *node, const char *user)
{
    bool is_own;

    if (!atomic_load_explicit(&node->shared.has_own_tls, memory_order_relaxed)) {
        return false;
    }
    CHECK(pthread_mutex_lock(&node->tls->lock) == 0);
    is_own = own_of(node->tls->now, user) != NULL;
    CHECK(pthread_mutex_unlock(&node->tls->lock) == 0);
    return is_own;
}

/* --- settings --------------------------------------------------------------------------------- */

/* The texts of settings, to walk over. */
#define TEXTS(X) X(cert) X(key) X(ca) X(ca_path) X(crl) X(crl_path) X(ciphers) X(versions)

static bool is_same(const struct tls_settings *a, const struct tls_settings *b)
{
#define X(field) &&strcmp(a->field, b->field) == 0
    return a->checks_name == b->checks_name && a->logs_keys == b->logs_keys TEXTS(X);
#undef X
}

static struct tls_settings copy_settings(const struct tls_settings *from)
{
    struct tls_settings s = {.checks_name = from->checks_name, .logs_keys = from->logs_keys};

#define X(field) s.field = mem_copy(MEM_TLS, slice_of(from->field));
    TEXTS(X)
#undef X
    return s;
}

void node_tls_unref(struct node_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub(&tls->refs, 1) != 1) {
        return;
    }
#define X(field) mem_free(MEM_TLS, (void *)(uintptr_t)tls->settings.field);
    TEXTS(X)
#undef X
    for (size_t i = 0; i < tls->n_own; i++) {
        mem_free(MEM_TLS, tls->own[i].user);
        node_tls_unref(tls->own[i].tls);
    }
    mem_free(MEM_TLS, tls->own);
    tls_context_unref(tls->context);
    mem_free(MEM_TLS, tls);
}

static bool is_of(const struct conf_ssl_params *p, const struct conf_server *server)
{
    return p->port == server->port && strcmp(p->hostname, server->address) == 0;
}

static const struct conf_ssl_params *params_of(const struct conf *conf,
                                               const struct conf_server *server)
{
    for (size_t i = 0; i < conf->n_ssl_params; i++) {
        const struct conf_ssl_params *p = &conf->ssl_params[i];

        if (p->username[0] == '\0' && is_of(p, server)) {
            return p;
        }
    }
    return NULL;
}

/* The i-th row of a user for this server, or NULL. */
static const struct conf_ssl_params *own_params(const struct conf *conf,
                                                const struct conf_server *server, size_t i)
{
    for (size_t at = 0; at < conf->n_ssl_params; at++) {
        const struct conf_ssl_params *p = &conf->ssl_params[at];

        if (p->username[0] != '\0' && is_of(p, server) && i-- == 0) {
            return p;
        }
    }
    return NULL;
}

/* p: a row, or NULL: the variables. */
static struct tls_settings settings_of(const struct conf *conf, const struct conf_ssl_params *p)
{
    const struct conf_vars *vars = &conf->vars;
    const bool logs_keys = vars->admin_ssl_keylog_file[0] != '\0';

    if (p != NULL) {
        return (struct tls_settings){.cert = p->ssl_cert,
                                     .key = p->ssl_key,
                                     .ca = p->ssl_ca,
                                     .ca_path = p->ssl_capath,
                                     .crl = p->ssl_crl,
                                     .crl_path = p->ssl_crlpath,
                                     .ciphers = p->ssl_cipher,
                                     .versions = p->tls_version,
                                     .checks_name = vars->mysql_ssl_p2s_verify_name,
                                     .logs_keys = logs_keys};
    }
    return (struct tls_settings){.cert = vars->mysql_ssl_p2s_cert,
                                 .key = vars->mysql_ssl_p2s_key,
                                 .ca = vars->mysql_ssl_p2s_ca,
                                 .ca_path = vars->mysql_ssl_p2s_capath,
                                 .crl = vars->mysql_ssl_p2s_crl,
                                 .crl_path = vars->mysql_ssl_p2s_crlpath,
                                 .ciphers = vars->mysql_ssl_p2s_cipher,
                                 .versions = "",
                                 .checks_name = vars->mysql_ssl_p2s_verify_name,
                                 .logs_keys = logs_keys};
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_context(const struct conf_server *server, const struct tls_settings *settings,
                        struct tls_context **out, struct faults *faults)
{
    char why[TLS_WHY_MAX] = "";
    int rc = tls_context_new(out, settings, why);

    if (rc != 0) {
        fault_error(faults, server->place.file, server->place.line,
                    "mysql_servers: %s: use_ssl cannot be acted on: %s", server->address, why);
    }
    return rc;
}

static struct node *find(const struct nodes *nodes, const struct conf_server *server)
{
    for (unsigned i = 0; i < atomic_load(&nodes->count); i++) {
        if (nodes->items[i]->port == server->port &&
            strcmp(nodes->items[i]->address, server->address) == 0) {
            return nodes->items[i];
        }
    }
    return NULL;
}

/* Is what is in use as the configuration says, users of their own included? */
static bool is_current(const struct node_tls *now, const struct conf *conf,
                       const struct conf_server *server)
{
    struct tls_settings settings = settings_of(conf, params_of(conf, server));
    const struct conf_ssl_params *p;
    size_t n = 0;

    if (now == NULL || !is_same(&now->settings, &settings)) {
        return false;
    }
    for (; (p = own_params(conf, server, n)) != NULL; n++) {
        const struct node_tls *own = own_of(now, p->username);

        settings = settings_of(conf, p);
        if (own == NULL || !is_same(&own->settings, &settings)) {
            return false;
        }
    }
    return n == now->n_own;
}

static int make(const struct conf_server *server, const struct tls_settings *settings,
                struct node_tls **out, struct faults *faults)
{
    struct tls_context *context = NULL;
    int rc = read_context(server, settings, &context, faults);

    if (rc == 0) {
        *out = mem_new(MEM_TLS, sizeof(**out));
        atomic_store(&(*out)->refs, 1);
        (*out)->settings = copy_settings(settings);
        (*out)->context = context;
    }
    return rc;
}

static int make_own(struct node_tls *tls, const struct conf *conf, const struct conf_server *server,
                    struct faults *faults)
{
    size_t n = 0;
    int rc = 0;

    while (own_params(conf, server, n) != NULL) {
        n++;
    }
    tls->own = n == 0 ? NULL : mem_new(MEM_TLS, n * sizeof(*tls->own));
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct conf_ssl_params *p = own_params(conf, server, i);
        struct tls_settings settings = settings_of(conf, p);

        CHECK(p != NULL);
        rc = make(server, &settings, &tls->own[i].tls, faults);
        if (rc == 0) {
            tls->own[i].user = mem_copy(MEM_TLS, slice_of(p->username));
            tls->n_own++;
        }
    }
    return rc;
}

static int read_node(const struct node *node, const struct conf *conf,
                     const struct conf_server *server, bool again, struct node_tls **out,
                     struct faults *faults)
{
    struct tls_settings settings = settings_of(conf, params_of(conf, server));
    struct node_tls *now = node_tls_get(node, "");
    int rc;

    if (!again && is_current(now, conf, server)) {
        *out = now;
        return 0;
    }
    node_tls_unref(now);
    rc = make(server, &settings, out, faults);
    rc = rc != 0 ? rc : make_own(*out, conf, server, faults);
    if (rc != 0) {
        node_tls_unref(*out);
        *out = NULL;
    }
    return rc;
}

int node_tls_read(struct nodes *nodes, const struct conf *conf, bool again,
                  struct node_tls_set *out, struct faults *faults)
{
    int rc = 0;

    *out = (struct node_tls_set){{NULL}};
    for (size_t i = 0; i < conf->n_servers && rc == 0; i++) {
        const struct conf_server *server = &conf->servers[i];
        const struct node *node = server->use_ssl ? find(nodes, server) : NULL;

        if (node != NULL && out->of[node->index] == NULL) {
            rc = read_node(node, conf, server, again, &out->of[node->index], faults);
        }
    }
    if (rc != 0) {
        node_tls_drop(out);
    }
    return rc;
}

void node_tls_drop(struct node_tls_set *set)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        node_tls_unref(set->of[i]);
        set->of[i] = NULL;
    }
}

static void judge(const struct conf_server *server, const struct tls_settings *settings,
                  struct faults *faults)
{
    struct tls_context *context = NULL;

    if (read_context(server, settings, &context, faults) == 0) {
        tls_context_unref(context);
    }
}

void node_tls_judge(const struct conf *conf, struct faults *faults)
{
    for (size_t i = 0; i < conf->n_servers; i++) {
        const struct conf_server *server = &conf->servers[i];
        struct tls_settings settings = settings_of(conf, params_of(conf, server));
        const struct conf_ssl_params *p;

        if (!server->use_ssl) {
            continue;
        }
        judge(server, &settings, faults);
        for (size_t n = 0; (p = own_params(conf, server, n)) != NULL; n++) {
            settings = settings_of(conf, p);
            judge(server, &settings, faults);
        }
    }
}

/* --- using ------------------------------------------------------------------------------------ */

static bool is_named(const struct conf *conf, const struct node *node)
{
    for (size_t i = 0; i < conf->n_servers; i++) {
        if (conf->servers[i].port == node->port &&
            strcmp(conf->servers[i].address, node->address) == 0) {
            return true;
        }
    }
    return false;
}

static bool means_the_same(const struct node_tls *a, const struct node_tls *b)
{
    if (a == b || a == NULL || b == NULL) {
        return a == b;
    }
    if (!is_same(&a->settings, &b->settings) || a->n_own != b->n_own) {
        return false;
    }
    for (size_t i = 0; i < a->n_own; i++) {
        const struct node_tls *own = own_of(b, a->own[i].user);

        if (own == NULL || !is_same(&a->own[i].tls->settings, &own->settings)) {
            return false;
        }
    }
    return true;
}

static void say_how(const struct node *node, const struct node_tls *tls)
{
    struct log_who who = {.node = node->text};
    bool has_ca = tls != NULL && (tls->settings.ca[0] != '\0' || tls->settings.ca_path[0] != '\0');

    log_info(&who, "connections to it are %s",
             tls == NULL                 ? "not encrypted any more"
             : !has_ca                   ? "encrypted; whose certificate it shows is not checked"
             : tls->settings.checks_name ? "encrypted, its certificate and name are checked"
                                         : "encrypted, its certificate is checked");
}

void node_tls_use(struct nodes *nodes, const struct conf *conf, struct node_tls_set *set)
{
    for (unsigned i = 0; i < atomic_load(&nodes->count); i++) {
        struct node *node = nodes->items[i];
        struct node_tls *old, *now = set->of[i];

        if (!is_named(conf, node)) { /* what is still open there goes on as it is */
            continue;
        }
        CHECK(pthread_mutex_lock(&node->tls->lock) == 0);
        old = node->tls->now;
        node->tls->now = now;
        CHECK(pthread_mutex_unlock(&node->tls->lock) == 0);
        set->of[i] = NULL;
        atomic_store(&node->shared.has_own_tls, now != NULL && now->n_own > 0);
        if (!means_the_same(old, now)) {
            atomic_fetch_add(&node->shared.tls_changes, 1);
            say_how(node, now);
        }
        node_tls_unref(old);
    }
    node_tls_drop(set);
}

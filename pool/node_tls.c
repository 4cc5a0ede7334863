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

struct node_tls *node_tls_get(const struct node *node)
{
    struct node_tls *tls;

    if (node->tls == NULL) {
        return NULL;
    }
    CHECK(pthread_mutex_lock(&node->tls->lock) == 0);
    tls = node->tls->now;
    if (tls != NULL) {
        atomic_fetch_add(&tls->refs, 1);
    }
    CHECK(pthread_mutex_unlock(&node->tls->lock) == 0);
    return tls;
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
    tls_context_unref(tls->context);
    mem_free(MEM_TLS, tls);
}

static const struct conf_ssl_params *params_of(const struct conf *conf,
                                               const struct conf_server *server)
{
    for (size_t i = 0; i < conf->n_ssl_params; i++) {
        const struct conf_ssl_params *p = &conf->ssl_params[i];

        if (p->port == server->port && p->username[0] == '\0' &&
            strcmp(p->hostname, server->address) == 0) {
            return p;
        }
    }
    return NULL;
}

static struct tls_settings settings_of(const struct conf *conf, const struct conf_server *server)
{
    const struct conf_ssl_params *p = params_of(conf, server);
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

static int read_node(const struct node *node, const struct conf *conf,
                     const struct conf_server *server, bool again, struct node_tls **out,
                     struct faults *faults)
{
    struct tls_settings settings = settings_of(conf, server);
    struct node_tls *now = node_tls_get(node);
    struct tls_context *context = NULL;
    int rc;

    if (!again && now != NULL && is_same(&now->settings, &settings)) {
        *out = now;
        return 0;
    }
    node_tls_unref(now);
    rc = read_context(server, &settings, &context, faults);
    if (rc == 0) {
        *out = mem_new(MEM_TLS, sizeof(**out));
        atomic_store(&(*out)->refs, 1);
        (*out)->settings = copy_settings(&settings);
        (*out)->context = context;
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

void node_tls_judge(const struct conf *conf, struct faults *faults)
{
    for (size_t i = 0; i < conf->n_servers; i++) {
        const struct conf_server *server = &conf->servers[i];
        struct tls_settings settings = settings_of(conf, server);
        struct tls_context *context = NULL;

        if (server->use_ssl && read_context(server, &settings, &context, faults) == 0) {
            tls_context_unref(context);
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
    return a == b || (a != NULL && b != NULL && is_same(&a->settings, &b->settings));
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
        if (!means_the_same(old, now)) {
            atomic_fetch_add(&node->shared.tls_changes, 1);
            say_how(node, now);
        }
        node_tls_unref(old);
    }
    node_tls_drop(set);
}

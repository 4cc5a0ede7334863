/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account.c - see account.h.
 */
#include "pool/account.h"

#include <openssl/crypto.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/attributes.h"

void accounts_init(struct accounts *a)
{
    *a = (struct accounts){0};
    CHECK(pthread_mutex_init(&a->lock, NULL) == 0);
    map_init(&a->by_name, MEM_POOL, ACCOUNTS_MAX);
}

static void forget_configured(struct account *account)
{
    if (account->shared.configured != NULL) {
        OPENSSL_cleanse(account->shared.configured, strlen(account->shared.configured));
    }
    mem_free(MEM_POOL, account->shared.configured);
    account->shared.configured = NULL;
}

static void account_free(struct account *account)
{
    secret_wipe(&account->shared.secret);
    secret_wipe(&account->shared.followed);
    (void)pthread_mutex_destroy(&account->shared.lock);
    forget_configured(account);
    mem_free(MEM_POOL, account->host);
    mem_free(MEM_POOL, account->name);
    mem_free(MEM_POOL, account);
}

void accounts_fini(struct accounts *a)
{
    struct account *account;
    size_t pos = 0;

    while ((account = map_next(&a->by_name, &pos)) != NULL) {
        while (account != NULL) {
            struct account *twin = account->twin;

            account_free(account);
            account = twin;
        }
    }
    map_fini(&a->by_name);
    (void)pthread_mutex_destroy(&a->lock);
}

static struct account *account_new(struct accounts *a, struct slice name, const char *host)
{
    struct account *account = mem_new(MEM_POOL, sizeof(*account));

    account->name = mem_copy(MEM_POOL, name);
    account->host = host == NULL ? NULL : mem_copy(MEM_POOL, slice_of(host));
    account->shown = account;
    account->id = ++a->next_id;
    atomic_store(&account->causal_window_ms, CONF_UNSET);
    CHECK(pthread_mutex_init(&account->shared.lock, NULL) == 0);
    return account;
}

/* A changed password drops what was learnt about the old one. It is one that can be parsed. */
static void account_set_password(struct account *account, const char *password)
{
    CHECK(pthread_mutex_lock(&account->shared.lock) == 0);
    if (account->shared.configured == NULL || strcmp(account->shared.configured, password) != 0) {
        struct secret fresh;

        CHECK(secret_parse(&fresh, slice_of(password)) == 0);
        account->shared.secret = fresh;
        forget_configured(account);
        account->shared.configured = mem_copy(MEM_POOL, slice_of(password));
        secret_wipe(&fresh);
    }
    CHECK(pthread_mutex_unlock(&account->shared.lock) == 0);
}

/* host: NULL = the configured one. */
static struct account *find_host(struct account *first, const char *host)
{
    while (first != NULL &&
           (host == NULL ? first->host != NULL
                         : first->host == NULL || strcmp(first->host, host) != 0)) {
        first = first->twin;
    }
    return first;
}

/* Under the lock of all. NULL = there are too many. */
static struct account *get_or_make(struct accounts *a, struct slice name, const char *host)
{
    struct account *first = map_get(&a->by_name, name);
    struct account *account = find_host(first, host);

    if (account != NULL || a->next_id == ACCOUNTS_MAX) {
        return account;
    }
    account = account_new(a, name, host);
    if (first != NULL) {
        account->shown = first;
        account->twin = first->twin;
        first->twin = account;
    } else if (map_put(&a->by_name, slice_of(account->name), account) != 0) {
        account_free(account);
        return NULL;
    }
    return account;
}

/* Can it be loaded? What fails must not come behind another's new password. */
static int make_one(struct accounts *a, const struct conf_user *user)
{
    struct secret secret;
    int64_t window_ms;
    int rc = secret_parse(&secret, slice_of(user->password));

    secret_wipe(&secret);
    if (rc != 0 || !attributes_causal_window(user->attributes, &window_ms)) {
        return ERR_CONFIG;
    }
    return get_or_make(a, slice_of(user->username), NULL) == NULL ? ERR_LIMIT : 0;
}

static void load_one(struct accounts *a, const struct conf_user *user)
{
    struct account *account = get_or_make(a, slice_of(user->username), NULL);
    int64_t window_ms = CONF_UNSET;

    (void)!attributes_causal_window(user->attributes, &window_ms);
    atomic_store(&account->causal_window_ms, window_ms);
    account_set_password(account, user->password);
}

int accounts_load(struct accounts *a, const struct conf *conf)
{
    int rc = 0;

    CHECK(pthread_mutex_lock(&a->lock) == 0);
    for (size_t i = 0; i < conf->n_users && rc == 0; i++) {
        rc = make_one(a, &conf->users[i]);
    }
    for (size_t i = 0; i < conf->n_users && rc == 0; i++) {
        load_one(a, &conf->users[i]);
    }
    CHECK(pthread_mutex_unlock(&a->lock) == 0);
    return rc;
}

struct account *account_find(struct accounts *a, struct slice name)
{
    struct account *first, *configured;

    CHECK(pthread_mutex_lock(&a->lock) == 0);
    first = map_get(&a->by_name, name);
    configured = find_host(first, NULL);
    CHECK(pthread_mutex_unlock(&a->lock) == 0);
    return configured != NULL ? configured : first;
}

bool accounts_clients(struct accounts *a, struct slice name, int *n)
{
    const struct account *first;

    *n = 0;
    CHECK(pthread_mutex_lock(&a->lock) == 0);
    first = map_get(&a->by_name, name);
    for (const struct account *it = first; it != NULL; it = it->twin) {
        *n += atomic_load(&it->n_clients);
    }
    CHECK(pthread_mutex_unlock(&a->lock) == 0);
    return first != NULL;
}

struct account *account_follow(struct accounts *a, struct slice name, const char *host,
                               const struct secret *secret)
{
    struct account *account;

    CHECK(pthread_mutex_lock(&a->lock) == 0);
    account = get_or_make(a, name, host);
    CHECK(pthread_mutex_unlock(&a->lock) == 0);
    if (account == NULL) {
        return NULL;
    }
    CHECK(pthread_mutex_lock(&account->shared.lock) == 0);
    if (CRYPTO_memcmp(&account->shared.followed, secret, sizeof(*secret)) != 0) {
        account->shared.secret = account->shared.followed = *secret;
        account_log_in_again(account);
    }
    CHECK(pthread_mutex_unlock(&account->shared.lock) == 0);
    return account;
}

bool account_can_log_in(struct account *account)
{
    const struct secret *s = &account->shared.secret;
    bool can;

    CHECK(pthread_mutex_lock(&account->shared.lock) == 0);
    can = s->is_empty || s->has_stage1 || s->has_clear || s->has_ed25519_hash;
    CHECK(pthread_mutex_unlock(&account->shared.lock) == 0);
    return can;
}

void account_secret(struct account *account, struct secret *copy)
{
    CHECK(pthread_mutex_lock(&account->shared.lock) == 0);
    *copy = account->shared.secret;
    CHECK(pthread_mutex_unlock(&account->shared.lock) == 0);
}

void account_learn_stage1(struct account *account, const uint8_t stage1[SHA1_LEN])
{
    CHECK(pthread_mutex_lock(&account->shared.lock) == 0);
    if (native_stage1_fits(
            stage1, account->shared.secret.stage2)) { /* the password may have changed meanwhile */
        memcpy(account->shared.secret.stage1, stage1, SHA1_LEN);
        account->shared.secret.has_stage1 = true;
    }
    CHECK(pthread_mutex_unlock(&account->shared.lock) == 0);
}

void account_learn_clear(struct account *account, struct slice clear)
{
    CHECK(pthread_mutex_lock(&account->shared.lock) == 0);
    if (secret_fits_clear(&account->shared.secret,
                          clear)) { /* the password may have changed meanwhile */
        secret_learn(&account->shared.secret, clear);
        secret_learn_ed25519(&account->shared.secret, clear);
    }
    CHECK(pthread_mutex_unlock(&account->shared.lock) == 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_account.c - users of the process: made by configurations, with what logins prove of them.
 */
#include "base/err.h"
#include "base/mem.h"
#include "pool/account.h"
#include "tests/unit/test.h"

/* Of the password "secret". */
#define HASH_OF_SECRET "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"

static struct conf_user user_of(const char *name, const char *password)
{
    return (struct conf_user){.username = (char *)(uintptr_t)name,
                              .password = (char *)(uintptr_t)password,
                              .attributes = (char *)(uintptr_t) ""};
}

static int load(struct accounts *a, struct conf_user *users, size_t n)
{
    struct conf conf = {.users = users, .n_users = n};

    return accounts_load(a, &conf);
}

static void load_one(struct accounts *a, const char *name, const char *password)
{
    struct conf_user user = user_of(name, password);

    assert_int_equal(load(a, &user, 1), 0);
}

static struct secret secret_of(struct accounts *a, const char *name)
{
    struct account *account = account_find(a, slice_of(name));
    struct secret secret;

    assert_non_null(account);
    account_secret(account, &secret);
    return secret;
}

TEST(account_load_is_whole_or_not_at_all)
{
    struct conf_user users[] = {user_of("app", HASH_OF_SECRET), user_of("shop", "*no hash")};
    struct accounts a;
    struct secret before, after;

    accounts_init(&a);
    load_one(&a, "app", "x");
    before = secret_of(&a, "app");
    assert_int_equal(load(&a, users, 2), ERR_CONFIG);
    after = secret_of(&a, "app");
    assert_memory_equal(&before, &after, sizeof(before));
    accounts_fini(&a);
}

TEST(account_exists_from_its_first_configuration_on)
{
    struct conf_user users[] = {user_of("app", "x"), user_of("shop", "y"), user_of("", "")};
    struct accounts a;
    struct account *app;

    accounts_init(&a);
    assert_null(account_find(&a, SLICE("app")));
    assert_int_equal(load(&a, users, 3), 0);
    app = account_find(&a, SLICE("app"));
    assert_non_null(app);
    assert_string_equal(app->name, "app");
    assert_ptr_not_equal(account_find(&a, SLICE("shop")), app);
    assert_int_not_equal(account_find(&a, SLICE("shop"))->id, app->id);
    assert_non_null(account_find(&a, SLICE("")));
    assert_null(account_find(&a, SLICE("App")));
    assert_null(account_find(&a, SLICE("ap")));
    assert_null(account_find(&a, SLICE("app\0")));
    load_one(&a, "shop", "y"); /* app is not in it any more: clients may still hold it */
    assert_ptr_equal(account_find(&a, SLICE("app")), app);
    accounts_fini(&a);
    assert_int_equal(mem_blocks(MEM_POOL), 0);
}

TEST(account_counters_stay_over_configurations)
{
    struct accounts a;
    struct account *app;

    accounts_init(&a);
    load_one(&a, "app", "x");
    app = account_find(&a, SLICE("app"));
    atomic_store(&app->n_clients, 3);
    load_one(&a, "app", "other");
    assert_ptr_equal(account_find(&a, SLICE("app")), app);
    assert_int_equal(atomic_load(&app->n_clients), 3);
    accounts_fini(&a);
}

TEST(account_password_changes_with_the_configuration)
{
    struct accounts a;
    struct secret secret;

    accounts_init(&a);
    load_one(&a, "app", "old");
    load_one(&a, "app", "new");
    secret = secret_of(&a, "app");
    assert_true(secret.has_clear);
    assert_string_equal(secret.clear, "new");
    load_one(&a, "app", "");
    secret = secret_of(&a, "app");
    assert_true(secret.is_empty);
    assert_false(secret.has_clear || secret.has_stage2);
    accounts_fini(&a);
}

TEST(account_keeps_what_a_login_proved_until_the_password_changes)
{
    /* SHA1("secret") */
    static const uint8_t stage1[SHA1_LEN] = {0xe5, 0xe9, 0xfa, 0x1b, 0xa3, 0x1e, 0xcd,
                                             0x1a, 0xe8, 0x4f, 0x75, 0xca, 0xaa, 0x47,
                                             0x4f, 0x3a, 0x66, 0x3f, 0x05, 0xf4};
    static const uint8_t wrong[SHA1_LEN] = {1, 2, 3};
    struct accounts a;
    struct secret secret;

    accounts_init(&a);
    load_one(&a, "app", HASH_OF_SECRET);
    assert_false(secret_of(&a, "app").has_stage1);
    account_learn_stage1(account_find(&a, SLICE("app")), wrong);
    assert_false(secret_of(&a, "app").has_stage1);
    account_learn_stage1(account_find(&a, SLICE("app")), stage1);
    load_one(&a, "app", HASH_OF_SECRET); /* loaded again: the same password */
    secret = secret_of(&a, "app");
    assert_true(secret.has_stage1);
    assert_memory_equal(secret.stage1, stage1, SHA1_LEN);
    load_one(&a, "app", "*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29");
    assert_false(secret_of(&a, "app").has_stage1);
    accounts_fini(&a);
}

TEST(account_stage1_of_the_configuration_is_not_replaced)
{
    static const uint8_t stage1[SHA1_LEN] = {1, 2, 3};
    struct accounts a;
    struct secret before;
    struct secret after;

    accounts_init(&a);
    load_one(&a, "app", "secret");
    before = secret_of(&a, "app");
    assert_true(before.has_stage1);
    account_learn_stage1(account_find(&a, SLICE("app")), stage1);
    after = secret_of(&a, "app");
    assert_memory_equal(after.stage1, before.stage1, SHA1_LEN);
    accounts_fini(&a);
}

TEST(account_learns_all_hashes_from_a_clear_password)
{
    struct accounts a;
    struct secret learnt;
    struct secret known;

    accounts_init(&a);
    load_one(&a, "hash", HASH_OF_SECRET);
    load_one(&a, "clear", "secret");
    assert_false(secret_of(&a, "hash").has_sha2_fast);
    account_learn_clear(account_find(&a, SLICE("hash")), SLICE("secret"));
    learnt = secret_of(&a, "hash");
    known = secret_of(&a, "clear");
    assert_true(learnt.has_stage1 && learnt.has_stage2 && learnt.has_sha2_fast);
    assert_memory_equal(learnt.stage1, known.stage1, SHA1_LEN);
    assert_memory_equal(learnt.stage2, known.stage2, SHA1_LEN);
    assert_memory_equal(learnt.sha2_fast, known.sha2_fast, SHA256_LEN);
    assert_false(learnt.has_clear); /* the text itself is not kept */
    accounts_fini(&a);
}

/* A login that was under way while the password changed. */
TEST(account_learns_no_clear_password_of_before)
{
    static const char *const now[] = {"*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29", "other"};
    struct accounts a;
    struct secret secret;

    for (size_t i = 0; i < ARRAY_SIZE(now); i++) {
        accounts_init(&a);
        load_one(&a, "app", HASH_OF_SECRET);
        load_one(&a, "app", now[i]);
        account_learn_clear(account_find(&a, SLICE("app")), SLICE("secret"));
        secret = secret_of(&a, "app");
        secret.has_clear = false; /* by the hashes alone */
        assert_false(secret_fits_clear(&secret, SLICE("secret")));
        accounts_fini(&a);
    }
}

TEST(account_of_another_host_is_another)
{
    struct secret weak, strong, copy;
    struct account *a, *b, *configured;
    struct accounts all;
    int n;

    accounts_init(&all);
    assert_int_equal(secret_parse(&weak, SLICE("weak")), 0);
    assert_int_equal(secret_parse(&strong, SLICE("strong")), 0);
    assert_false(accounts_clients(&all, SLICE("app"), &n));
    a = account_follow(&all, SLICE("app"), "10.%", &weak);
    b = account_follow(&all, SLICE("app"), "%", &strong);
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(account_find(&all, SLICE("app")), a);
    load_one(&all, "app", "configured");
    configured = account_find(&all, SLICE("app"));
    assert_true(configured != a && configured != b);
    assert_ptr_equal(account_follow(&all, SLICE("app"), "10.%", &weak), a);
    assert_ptr_equal(account_follow(&all, SLICE("app"), "%", &weak), b); /* a new password */
    account_secret(a, &copy);
    assert_string_equal(copy.clear, "weak");
    account_secret(configured, &copy);
    assert_string_equal(copy.clear, "configured");
    assert_int_equal(atomic_load(&a->followed_version), 1);
    assert_int_equal(atomic_load(&b->followed_version), 2);
    assert_true(a->id != b->id && b->id != configured->id);
    assert_ptr_equal(a->shown, a); /* statistics have one row for the name */
    assert_ptr_equal(b->shown, a);
    assert_ptr_equal(configured->shown, a);
    atomic_store(&a->n_clients, 1);
    atomic_store(&b->n_clients, 2);
    assert_true(accounts_clients(&all, SLICE("app"), &n));
    assert_int_equal(n, 3);
    atomic_store(&a->n_clients, 0);
    atomic_store(&b->n_clients, 0);
    accounts_fini(&all);
}

TEST(account_malformed_password_leaves_the_one_before)
{
    struct conf_user bad = user_of("app", "*HALF");
    struct accounts a;
    struct secret secret;

    accounts_init(&a);
    load_one(&a, "app", "good");
    assert_int_equal(load(&a, &bad, 1), ERR_CONFIG);
    secret = secret_of(&a, "app");
    assert_true(secret.has_clear);
    assert_string_equal(secret.clear, "good");
    accounts_fini(&a);
}

/* --- threads ---------------------------------------------------------------------------------- */

static atomic_bool is_loading;

/* Sees one password or the other, never half of each. */
static void *read_secrets(void *arg)
{
    struct accounts *a = arg;
    uintptr_t n_bad = 0;

    while (atomic_load(&is_loading)) {
        struct secret secret = {.clear = ""};
        struct account *account = account_find(a, SLICE("app"));

        if (account != NULL) {
            account_secret(account, &secret);
            n_bad += strcmp(secret.clear, "one") != 0 && strcmp(secret.clear, "twotwo") != 0;
        }
    }
    return (void *)n_bad; /* NOLINT(performance-no-int-to-ptr) */
}

TEST(account_is_read_while_configurations_are_loaded)
{
    struct accounts a;
    pthread_t thread;
    void *n_bad;
    char name[] = "other000";

    accounts_init(&a);
    load_one(&a, "app", "one");
    atomic_store(&is_loading, true);
    assert_int_equal(pthread_create(&thread, NULL, read_secrets, &a), 0);
    for (unsigned i = 0; i < 1000; i++) {
        name[5] = (char)('0' + i / 100);
        name[6] = (char)('0' + i / 10 % 10);
        name[7] = (char)('0' + i % 10);
        load_one(&a, name, ""); /* the table grows */
        load_one(&a, "app", i % 2 == 0 ? "twotwo" : "one");
    }
    atomic_store(&is_loading, false);
    assert_int_equal(pthread_join(thread, &n_bad), 0);
    assert_null(n_bad);
    accounts_fini(&a);
}

TEST(account_has_the_window_of_its_attributes)
{
    struct conf_user user = user_of("app", "x");
    struct accounts a;
    struct account *app;

    accounts_init(&a);
    load_one(&a, "app", "x");
    app = account_find(&a, SLICE("app"));
    assert_int_equal(atomic_load(&app->causal_window_ms), CONF_UNSET);
    user.attributes = (char *)(uintptr_t) "{\"causal_window_ms\": 500}";
    assert_int_equal(load(&a, &user, 1), 0);
    assert_int_equal(atomic_load(&app->causal_window_ms), 500);
    load_one(&a, "app", "x");
    assert_int_equal(atomic_load(&app->causal_window_ms), CONF_UNSET);
    accounts_fini(&a);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_user_record.c - rows of mysql.global_priv, as MariaDB 10.11.19 writes them and as nobody
 * should.
 */
#include "base/err.h"
#include "base/mem.h"
#include "pool/user_record.h"
#include "tests/unit/test.h"

#define HASH_X   "*B69027D44F6E5EDC07F1AEAD1477967B16F28227"
#define ED_X     "Gv2JI8Env2fd5YGonZ082tX3UAW+yJYldOlj4R1bfK4"
#define SHA2_ANY "$A$005$abcdefghijklmnopqrstjb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9B"

static struct user_record *record_of(const char *priv)
{
    struct user_record *r = NULL;

    assert_int_equal(user_record_new(&r, "%", "someone", priv), 0);
    assert_string_equal(r->name, "someone");
    return r;
}

TEST(user_record_native)
{
    struct user_record *r =
        record_of("{\"access\":18446744073709551615,\"version_id\":101119,\"plugin\":\"mysql_"
                  "native_password\","
                  "\"authentication_string\":\"" HASH_X "\",\"password_last_changed\":1795333734}");
    struct secret secret;

    assert_true(user_record_is_served(r));
    user_record_secret(r, &secret);
    assert_true(secret.has_stage2 && !secret.is_either && !secret.is_empty);
    assert_true(secret_fits_clear(&secret, SLICE("x")));
    assert_false(secret_fits_clear(&secret, SLICE("")));
    assert_false(r->is_locked || r->need != NULL);
    assert_false(user_record_is_expired(r, INT64_C(1795333734) + 1000000000, 0));
    user_record_free(r);
}

TEST(user_record_several_plugins)
{
    struct user_record *r = record_of(
        "{\"access\":0,\"plugin\":\"mysql_native_password\",\"authentication_string\":\"" HASH_X
        "\",\"auth_or\":[{\"plugin\":\"ed25519\",\"authentication_string\":\"" ED_X
        "\"},{},{\"plugin\":\"unix_socket\"}],\"password_last_changed\":1795333734}");
    struct secret secret;

    assert_true(user_record_is_served(r));
    assert_string_equal(r->unserved, "unix_socket");
    user_record_secret(r, &secret);
    assert_true(secret.has_stage2 && secret.has_ed25519_key && secret.is_either);
    user_record_free(r);
    r = record_of("{\"plugin\":\"caching_sha2_password\",\"authentication_string\":\"" SHA2_ANY
                  "\"}");
    user_record_secret(r, &secret);
    assert_true(secret.has_sha2 && !secret.is_either);
    user_record_free(r);
}

TEST(user_record_conditions)
{
    struct user_record *r =
        record_of("{\"account_locked\":true,\"password_last_changed\":0,\"password_lifetime\":-1,"
                  "\"ssl_type\":1,\"max_user_connections\":3}");

    assert_true(r->is_locked && r->is_empty);
    assert_true(r->need->tls && !r->need->certificate);
    assert_int_equal(r->max_connections, 3);
    assert_false(r->is_shut);
    assert_true(user_record_is_expired(r, 1, 0));
    user_record_free(r);
    r = record_of("{\"password_last_changed\":1000000,\"password_lifetime\":10}");
    assert_false(user_record_is_expired(r, 1000000 + 864000, 1));
    assert_true(user_record_is_expired(r, 1000000 + 864001, 0));
    user_record_free(r);
    r = record_of("{\"password_last_changed\":1000000,\"password_lifetime\":-1}");
    assert_false(user_record_is_expired(r, 1000000 + 864001, 0));
    assert_true(user_record_is_expired(r, 1000000 + 864001, 10));
    user_record_free(r);
    r = record_of("{\"password_last_changed\":1000000,\"password_lifetime\":0}");
    assert_false(user_record_is_expired(r, 1000000 + 864001, 10));
    user_record_free(r);
}

static struct tls_need need_of(const char *priv)
{
    struct user_record *r = record_of(priv);
    struct tls_need need = *r->need;

    user_record_free(r);
    return need;
}

TEST(user_record_what_require_says)
{
    static char priv[3000];
    struct tls_need need = need_of("{\"ssl_type\":2,\"x509_subject\":\"/CN=not looked at\"}");

    assert_true(need.tls && need.certificate && need.subject[0] == '\0');
    need =
        need_of("{\"ssl_type\":3,\"ssl_cipher\":\"X\",\"x509_issuer\":\"\",\"x509_subject\":\"\"}");
    assert_true(need.tls && !need.certificate);
    assert_string_equal(need.cipher, "X");
    need = need_of("{\"ssl_type\":3,\"x509_issuer\":\"/CN=i\",\"x509_subject\":\"/CN=s\"}");
    assert_true(need.tls && need.certificate);
    assert_string_equal(need.issuer, "/CN=i");
    assert_string_equal(need.subject, "/CN=s");
    need = need_of("{\"ssl_type\":3,\"x509_issuer\":7}"); /* nobody's */
    assert_string_equal(need.issuer, "?");
    (void)snprintf(priv, sizeof(priv), "{\"ssl_type\":3,\"x509_subject\":\"/CN=%02000d\"}", 1);
    need = need_of(priv);
    assert_true(need.certificate);
    assert_string_equal(need.subject, "?");
}

TEST(user_record_without_a_password_that_can_be_checked)
{
    static const struct {
        const char *priv;
        bool is_served;
    } cases[] = {
        {"{\"plugin\":\"unix_socket\"}", false},
        {"{\"plugin\":\"pam\",\"authentication_string\":\"x\"}", false},
        {"{\"plugin\":\"mysql_native_password\",\"authentication_string\":\"invalid\"}", true},
        {"{\"plugin\":\"mysql_native_password\",\"authentication_string\":\"*B690\"}", true},
        {"{\"plugin\":\"ed25519\",\"authentication_string\":\"short\"}", true},
        {"{\"plugin\":7}", false},
        {"{\"authentication_string\":[]}", true},
        {"{\"plugin\":\"caching_sha2_password\",\"authentication_string\":\"$A$\"}", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct user_record *r = record_of(cases[i].priv);
        struct secret secret;

        assert_int_equal(user_record_is_served(r), cases[i].is_served);
        user_record_secret(r, &secret);
        assert_false(secret_fits_clear(&secret, SLICE("")));
        assert_false(secret_fits_clear(&secret, SLICE("invalid")));
        user_record_free(r);
    }
}

TEST(user_record_who_is_nobody)
{
    struct user_record *r = NULL;
    char name[USER_NAME_MAX + 2], host[USER_HOST_MAX + 2];

    assert_int_equal(user_record_new(&r, "", "role", "{\"access\":0,\"is_role\":true}"),
                     ERR_NOT_FOUND);
    assert_int_equal(user_record_new(&r, "%", "", "{}"), ERR_NOT_FOUND);
    memset(name, 'a', sizeof(name));
    name[USER_NAME_MAX + 1] = '\0';
    assert_int_equal(user_record_new(&r, "%", name, "{}"), ERR_MALFORMED);
    memset(host, 'a', sizeof(host));
    host[USER_HOST_MAX + 1] = '\0';
    assert_int_equal(user_record_new(&r, host, "a", "{}"), ERR_MALFORMED);
}

TEST(user_record_of_garbage)
{
    static const char *const garbage[] = {"",
                                          "{\"plugin\":\"a\\u0000b\"}",
                                          "x",
                                          "[]",
                                          "\"\"",
                                          "null",
                                          "{",
                                          "{}{}",
                                          "{\"a\":1e999}",
                                          "\xff\xfe",
                                          "{\"plugin\":\"\xc3\"}",
                                          "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};
    static const char *const odd[] = {
        "{}",
        "{\"plugin\":7}",
        "{\"plugin\":null,\"authentication_string\":[]}",
        "{\"auth_or\":7}",
        "{\"auth_or\":[7,null,[],{\"plugin\":{}}]}",
        "{\"account_locked\":\"true\",\"password_lifetime\":1e300,\"max_user_connections\":-1}",
        "{\"password_last_changed\":\"0\",\"password_lifetime\":9e14}",
        "{\"plugin\":\"a\",\"plugin\":\"mysql_native_password\"}"};
    struct user_record *r = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
        assert_int_equal(user_record_new(&r, "%", "a", garbage[i]), ERR_MALFORMED);
    }
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        r = record_of(odd[i]);
        assert_false(r->is_locked);
        (void)user_record_is_expired(r, 1795333734, 0);
        user_record_free(r);
    }
}

/* Each cut and each changed byte of a real row is an account or an error. */
TEST(user_record_of_a_damaged_row)
{
    static const char row[] =
        "{\"access\":0,\"plugin\":\"mysql_native_password\",\"authentication_string\":\"" HASH_X
        "\",\"auth_or\":[{\"plugin\":\"ed25519\",\"authentication_string\":\"" ED_X
        "\"},{}],\"account_locked\":true,\"password_last_changed\":1795333734}";
    char text[sizeof(row)];

    for (size_t at = 0; at < sizeof(row) - 1; at++) {
        static const char bytes[] = {0, 1, '"', '}', ',', 'a', '0', (char)0xff};

        for (size_t i = 0; i < sizeof(bytes); i++) {
            struct user_record *r = NULL;

            memcpy(text, row, sizeof(row));
            text[at] = bytes[i];
            if (user_record_new(&r, "%", "a", text) == 0) {
                user_record_free(r);
            } else {
                assert_null(r);
            }
        }
    }
}

TEST(user_record_without_memory)
{
    struct user_record *r = NULL;

    mem_fail_at(1);
    assert_int_equal(user_record_new(&r, "%", "a", "{}"), ERR_MEMORY);
    mem_fail_at(0);
    assert_null(r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tls.c - handshakes, records and certificates in memory.
 */
#include "base/err.h"
#include "base/mem.h"
#include "tests/unit/tls_scene.h"

#define HOST_16 "a-rather-long-.-"
#define HOST_64 HOST_16 HOST_16 HOST_16 HOST_16 /* the longest that a certificate can have */

/* The contexts of one test. */
struct scene {
    struct tls_files files;
    struct tls_context *server, *client;
};

static void scene_make(struct scene *s)
{
    struct tls_settings server, client;

    tls_files_make(&s->files);
    server = tls_server_settings(&s->files);
    client = tls_client_settings(&s->files);
    s->server = tls_must(&server);
    s->client = tls_must(&client);
}

static void scene_done(struct scene *s)
{
    tls_context_unref(s->server);
    tls_context_unref(s->client);
    tls_files_remove(&s->files);
}

static struct tls_pair *shaken(struct tls_context *server, struct tls_context *client)
{
    struct tls_pair *p = tls_pair_make(server, client, "");
    int server_rc, client_rc;

    tls_pair_shake(p, SIZE_MAX, &server_rc, &client_rc);
    assert_int_equal(server_rc, 0);
    assert_int_equal(client_rc, 0);
    p->server.n_out = p->client.n_out = 0;
    return p;
}

TEST(tls_handshake_of_single_bytes_succeeds)
{
    struct scene s;
    struct tls_pair *p;
    int server_rc, client_rc;

    scene_make(&s);
    p = tls_pair_make(s.server, s.client, "");
    tls_pair_shake(p, 1, &server_rc, &client_rc);
    assert_int_equal(server_rc, 0);
    assert_int_equal(client_rc, 0);
    assert_string_equal(tls_version(p->server.tls), "TLSv1.3");
    assert_string_equal(tls_cipher(p->server.tls), tls_cipher(p->client.tls));
    assert_false(tls_was_resumed(p->client.tls));
    assert_true(tls_has_peer_certificate(p->client.tls));
    assert_false(tls_has_peer_certificate(p->server.tls));
    tls_pair_free(p);
    scene_done(&s);
    assert_int_equal(mem_blocks(MEM_TLS), 0);
}

/* A record that comes in two parts, wherever it is cut, and two records in one part. */
TEST(tls_records_cut_at_every_byte_are_opened)
{
    struct scene s;
    struct tls_pair *p;
    const char *texts[] = {"SELECT 1", "SELECT 22"};
    size_t all;

    scene_make(&s);
    p = shaken(s.server, s.client);
    for (size_t cut = 0;; cut++) {
        char got[64];
        size_t n_got = 0;

        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(tls_seal(p->client.tls, (const uint8_t *)texts[i], strlen(texts[i])),
                             0);
        }
        all = p->client.n_out;
        for (unsigned part = 0; part < 2; part++) {
            int64_t n;

            tls_give(p->server.tls, p->client.out + (part == 0 ? 0 : cut),
                     part == 0 ? cut : all - cut);
            while ((n = tls_open(p->server.tls, (uint8_t *)got + n_got, sizeof(got) - n_got)) > 0) {
                n_got += (size_t)n;
            }
            assert_int_equal(n, 0);
            assert_false(tls_has_input(p->server.tls));
        }
        p->client.n_out = 0;
        assert_int_equal(n_got, 17);
        assert_memory_equal(got, "SELECT 1SELECT 22", 17);
        if (cut == all) {
            break;
        }
    }
    tls_pair_free(p);
    scene_done(&s);
}

TEST(tls_record_that_was_changed_is_refused)
{
    struct scene s;
    uint8_t out[64];
    size_t n_bytes = 0;

    scene_make(&s);
    for (size_t at = 0; at == 0 || at < n_bytes; at++) {
        struct tls_pair *p = shaken(s.server, s.client);
        int64_t n;

        assert_int_equal(tls_seal(p->client.tls, (const uint8_t *)"x", 1), 0);
        n_bytes = p->client.n_out;
        p->client.out[at] ^= 0x81;
        tls_give(p->server.tls, p->client.out, n_bytes);
        n = tls_open(p->server.tls, out, sizeof(out));
        assert_true(n == ERR_TLS || n == 0); /* 0: its length says that more would come */
        if (n == ERR_TLS) {
            assert_true(tls_why(p->server.tls)[0] != '\0');
            assert_int_equal(tls_seal(p->server.tls, out, 1), ERR_TLS);
        }
        tls_drop_input(p->server.tls);
        tls_pair_free(p);
    }
    scene_done(&s);
}

TEST(tls_garbage_is_no_handshake)
{
    static const uint8_t head[] = {0x16, 3, 1, 1, 0xf0, 1, 0, 1};
    struct scene s;
    uint64_t random = 1;

    scene_make(&s);
    for (unsigned i = 0; i < 300; i++) {
        struct tls_pair *p = tls_pair_make(s.server, s.client, "");
        uint8_t bytes[512];
        int rc;

        for (size_t at = 0; at < sizeof(bytes); at++) {
            bytes[at] = (uint8_t)test_random(&random);
        }
        if (i % 2 == 0) { /* a record's head, so that more than that is looked at */
            memcpy(bytes, head, sizeof(head));
        }
        tls_give(p->server.tls, bytes, sizeof(bytes));
        rc = tls_shake(p->server.tls);
        assert_true(rc == ERR_TLS || rc == 1); /* 1: its length says that more would come */
        tls_drop_input(p->server.tls);
        tls_pair_free(p);
    }
    scene_done(&s);
}

TEST(tls_goodbye_is_told_apart_from_a_cut)
{
    struct scene s;
    struct tls_pair *p;
    uint8_t out[16];

    scene_make(&s);
    p = shaken(s.server, s.client);
    tls_goodbye(p->client.tls);
    assert_true(p->client.n_out > 0);
    tls_give(p->server.tls, p->client.out, p->client.n_out);
    assert_int_equal(tls_open(p->server.tls, out, sizeof(out)), TLS_END);
    tls_goodbye(p->server.tls); /* who has left is told nothing */
    assert_int_equal(p->server.n_out, 0);
    tls_drop_input(p->server.tls);
    tls_pair_free(p);
    scene_done(&s);
}

/* --- certificates ----------------------------------------------------------------------------- */

static void fails(struct tls_context *server, struct tls_context *client, const char *host,
                  const char *why)
{
    struct tls_pair *p = tls_pair_make(server, client, host);
    int server_rc, client_rc;

    tls_pair_shake(p, SIZE_MAX, &server_rc, &client_rc);
    if (why == NULL) {
        assert_int_equal(client_rc, 0);
    } else {
        assert_int_equal(client_rc, ERR_TLS);
        assert_non_null(strstr(tls_why(p->client.tls), why));
        assert_int_equal(server_rc, ERR_TLS); /* the alert */
    }
    tls_pair_free(p);
}

TEST(tls_client_checks_authority_and_name)
{
    struct scene s, other;
    struct tls_settings named;
    struct tls_context *client;

    scene_make(&s);
    scene_make(&other);
    fails(s.server, other.client, "", "certificate verify failed");
    named = tls_client_settings(&s.files);
    named.checks_name = true;
    client = tls_must(&named);
    fails(s.server, client, "db.example", NULL);
    fails(s.server, client, "127.0.0.1", NULL);
    fails(s.server, client, "::1", NULL);
    fails(s.server, client, "db2.example", "mismatch");
    fails(s.server, client, "127.0.0.2", "mismatch");
    fails(s.server, s.client, "db2.example", NULL); /* who does not check takes any name */
    tls_context_unref(client);
    scene_done(&s);
    scene_done(&other);
}

TEST(tls_server_takes_clients_without_a_certificate_and_refuses_wrong_ones)
{
    struct scene s, other;
    struct tls_settings asking, showing;
    struct tls_context *server, *client;
    struct tls_pair *p;
    int server_rc, client_rc;

    scene_make(&s);
    scene_make(&other);
    asking = tls_server_settings(&s.files);
    asking.ca = s.files.ca;
    server = tls_must(&asking);
    fails(server, s.client, "", NULL);
    showing = tls_client_settings(&s.files);
    showing.cert = other.files.cert;
    showing.key = other.files.key;
    client = tls_must(&showing);
    p = tls_pair_make(server, client, "");
    tls_pair_shake(p, SIZE_MAX, &server_rc, &client_rc);
    assert_int_equal(server_rc, ERR_TLS);
    assert_non_null(strstr(tls_why(p->server.tls), "certificate verify failed"));
    tls_pair_free(p);
    tls_context_unref(client);
    tls_context_unref(server);
    scene_done(&other);
    scene_done(&s);
}

TEST(tls_context_says_what_is_wrong)
{
    struct tls_files f;
    struct tls_files other;
    struct tls_settings s;

    tls_files_make(&f);
    tls_files_make(&other);
    s = tls_server_settings(&f);
    s.cert = "/nowhere/cert.pem";
    assert_string_equal(tls_must_not(&s),
                        "certificate /nowhere/cert.pem: No such file or directory");
    s = tls_server_settings(&f);
    s.key = other.key;
    assert_non_null(strstr(tls_must_not(&s), "key values mismatch"));
    s.key = f.cert;
    assert_non_null(strstr(tls_must_not(&s), f.cert));
    s.key = "";
    assert_non_null(strstr(tls_must_not(&s), "needs its key"));
    s = tls_server_settings(&f);
    s.ciphers = "NONE-SUCH";
    assert_non_null(strstr(tls_must_not(&s), "NONE-SUCH"));
    s.ciphers = "";
    s.versions = "TLSv1.1";
    assert_non_null(strstr(tls_must_not(&s), "TLSv1.1"));
    s.versions = "";
    s.ca = "/nowhere/ca.pem";
    assert_non_null(strstr(tls_must_not(&s), "/nowhere/ca.pem"));
    s.ca = f.ca;
    s.crl = f.key;
    assert_non_null(strstr(tls_must_not(&s), "revoked"));
    tls_files_remove(&f);
    tls_files_remove(&other);
    assert_int_equal(mem_blocks(MEM_TLS), 0);
}

TEST(tls_versions_and_ciphers_are_as_told)
{
    static const struct {
        const char *server, *ciphers, *version, *cipher;
    } cases[] = {
        {"TLSv1.2", "", "TLSv1.2", NULL},
        {"TLSv1.3", "", "TLSv1.3", NULL},
        {"TLSv1.2,TLSv1.3", "", "TLSv1.3", NULL},
        {"TLSv1.3, TLSv1.2", "", "TLSv1.3", NULL},
        {"TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {"", "ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256", "TLSv1.3",
         "TLS_AES_128_GCM_SHA256"},
    };
    struct scene s;

    assert_true(tls_versions_are_good("") && tls_versions_are_good("TLSv1.2"));
    assert_false(tls_versions_are_good("TLSv1.0") || tls_versions_are_good(","));
    scene_make(&s);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct tls_settings settings = tls_server_settings(&s.files);
        struct tls_context *server;
        struct tls_pair *p;

        settings.versions = cases[i].server;
        settings.ciphers = cases[i].ciphers;
        server = tls_must(&settings);
        p = shaken(server, s.client);
        assert_string_equal(tls_version(p->client.tls), cases[i].version);
        if (cases[i].cipher != NULL) {
            assert_string_equal(tls_cipher(p->client.tls), cases[i].cipher);
        }
        tls_pair_free(p);
        tls_context_unref(server);
    }
    scene_done(&s);
}

TEST(tls_made_certificates_differ_and_take_any_host)
{
    static const char *const hosts[] = {"", "db", "a,IP:6.6.6.6", "\xff\n", HOST_64 "a"};
    struct tls_made a, b;

    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        assert_int_equal(tls_make(&a, hosts[i]), 0);
        assert_int_equal(tls_make(&b, hosts[i]), 0);
        assert_string_not_equal(a.ca, b.ca);
        assert_string_not_equal(a.key, b.key);
        tls_made_free(&a);
        tls_made_free(&b);
    }
    assert_int_equal(mem_blocks(MEM_TLS), 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admin_login.c - who may use the console: both plugins, from where, another user, malformed
 * logins.
 */
#include <netinet/in.h>

#include "protocol/auth.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "tests/unit/console_ends.h"

TEST(console_login_tells_admin_from_stats)
{
    static const struct {
        const char *user, *password;
        bool is_admin;
    } rows[] = {
        {"admin", "admin", true}, {"dba", "pw", true}, {"stats", "stats", false}, {"e", "", false}};
    struct console_fix f;

    console_make(
        &f, "admin_credentials=\"admin:admin;dba:pw\";stats_credentials=\"stats:stats;dba:no;e:\"");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct console_end e;

        end_connect(&f, &e);
        end_greeting(&e);
        end_login(&e, rows[i].user, rows[i].password, 0);
        end_expect_ok(&e);
        assert_int_equal(seen.was_admin, rows[i].is_admin);
        assert_string_equal(seen.user, rows[i].user);
        end_close(&e);
    }
    console_done(&f);
}

TEST(console_login_refuses)
{
    static const char *const rows[][2] = {
        {"admin", "wrong"}, {"admin", ""}, {"nobody", "admin"}, {"", ""}, {"stats", "admin"}};
    struct console_fix f;

    console_make(&f, "");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct console_end e;

        end_connect(&f, &e);
        end_greeting(&e);
        end_login(&e, rows[i][0], rows[i][1], 0);
        end_expect_error(&e, 1045);
        end_expect_closed(&e);
        end_close(&e);
    }
    assert_int_equal(seen.begun, 0);
    console_done(&f);
}

TEST(console_login_tells_who_guesses_later)
{
    struct console_fix f;
    struct console_end e;
    struct console_client *c;

    console_make(&f, "");
    f.snapshot.conf->vars.mysql_failed_login_delay_ms = 500;
    end_connect(&f, &e);
    end_greeting(&e);
    c = CONTAINER_OF(f.core.clients.head.next, struct console_client, in_core);
    end_login(&e, "admin", "wrong", 0);
    end_query(&e, "SELECT 1"); /* does not wait */
    while (!c->is_denied) {
        (void)uv_run(&f.loop, UV_RUN_ONCE);
    }
    console_core_tick(&f.core);
    assert_int_equal(c->state, CONSOLE_LOGIN);
    assert_true(c->is_denied);
    c->since_ms -= 500;
    console_core_tick(&f.core);
    end_expect_error(&e, 1045);
    end_expect_closed(&e);
    end_close(&e);
    assert_int_equal(seen.n, 0);
    console_done(&f);
}

/*
 * Logs in with caching_sha2_password; `stored` has no fast path. Over a unix socket the password
 * goes in the clear.
 */
static void sha2_login(struct console_fix *f, const char *user, const char *password,
                       bool is_stored, bool is_right)
{
    struct console_end e;
    uint8_t bytes[256], response[SHA256_LEN];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct login l = {.caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH,
                      .charset = 45,
                      .user = slice_of(user),
                      .plugin = SLICE(PLUGIN_SHA2)};
    struct slice p;

    end_connect(f, &e);
    end_greeting(&e);
    sha2_response(response, slice_of(password), e.salt);
    l.response = (struct slice){(const char *)response, sizeof(response)};
    login_encode(&w, &l, 1);
    end_send(&e, bytes, w.len);
    if (is_stored) {
        p = end_packet(&e);
        assert_memory_equal(p.data, "\x01\x04", 2);
        packet_write_header(bytes, (uint32_t)strlen(password) + 1, 3);
        end_send(&e, bytes, PACKET_HEADER);
        end_send(&e, password, strlen(password) + 1);
    } else if (is_right) {
        p = end_packet(&e);
        assert_memory_equal(p.data, "\x01\x03", 2);
    }
    if (is_right) {
        end_expect_ok(&e);
    } else {
        end_expect_error(&e, 1045);
        end_expect_closed(&e);
    }
    end_close(&e);
}

TEST(console_login_by_caching_sha2_password)
{
    struct console_fix f;

    console_make(
        &f, "admin_credentials=\"admin:admin;"
            "kept:$A$005$\\x01\\x02\\x03\\x04\\x05\\x06\\x07\\x08\\x09\\x0a\\x0b\\x0c\\x0d"
            "\\x0e\\x0f\\x10\\x11\\x12\\x13\\x14jb4yf9/mt6RJxviHeOr2EEmzKRh8Ayonb8Aw8Df2k9B\"");
    sha2_login(&f, "admin", "admin", false, true);
    sha2_login(&f, "admin", "wrong", false, false);
    sha2_login(&f, "kept", "galeway", true, true);
    sha2_login(&f, "kept", "wrong", true, false);
    console_done(&f);
}

/* A login that names a plugin is asked by the native one: the salt. */
static struct slice end_asked_natively(struct console_end *e, const char *user,
                                       const char *response, const char *plugin)
{
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct login l = {.caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH,
                      .user = slice_of(user),
                      .response = slice_of(response),
                      .plugin = slice_of(plugin)};
    struct slice p, asked, data;

    end_greeting(e);
    login_encode(&w, &l, 1);
    end_send(e, bytes, w.len);
    p = end_packet(e);
    assert_int_equal(auth_switch_decode(&asked, &data, (const uint8_t *)p.data, p.len), 0);
    assert_true(slice_eq(asked, SLICE(PLUGIN_NATIVE)));
    return data;
}

TEST(console_login_switches_a_plugin_it_does_not_know)
{
    struct console_fix f;
    struct console_end e;
    uint8_t bytes[256], response[SHA1_LEN];
    struct slice data;
    struct secret secret;

    console_make(&f, "");
    end_connect(&f, &e);
    data = end_asked_natively(&e, "admin", "?", "dialog");
    assert_int_equal(secret_parse(&secret, SLICE("admin")), 0);
    native_response(response, secret.stage1, (const uint8_t *)data.data);
    packet_write_header(bytes, sizeof(response), (uint8_t)(e.packet_seq + 1));
    end_send(&e, bytes, PACKET_HEADER);
    end_send(&e, response, sizeof(response));
    end_expect_ok(&e);
    end_close(&e);
    console_done(&f);
}

/* Who is not known is asked as who has the hash of a password. */
TEST(console_login_does_not_tell_who_is_there)
{
    static const char *const users[] = {"kept", "nobody"};
    struct console_fix f;

    console_make(
        &f, "admin_credentials=\"admin:admin;kept:*14E65567ABDB5135D0CFD9A70B3032C179A49EE7\"");
    for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
        struct console_end e;
        uint8_t bytes[PACKET_HEADER + SHA1_LEN] = {0};

        end_connect(&f, &e);
        (void)end_asked_natively(&e, users[i], "12345678901234567890123456789012", PLUGIN_SHA2);
        packet_write_header(bytes, SHA1_LEN, (uint8_t)(e.packet_seq + 1));
        end_send(&e, bytes, PACKET_HEADER + SHA1_LEN);
        end_expect_error(&e, 1045);
        end_expect_closed(&e);
        end_close(&e);
    }
    assert_int_equal(seen.begun, 0);
    console_done(&f);
}

TEST(console_login_uses_the_schema)
{
    struct console_fix f;
    struct console_end e;
    uint8_t bytes[256], response[SHA1_LEN];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct login l = {.caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_CONNECT_WITH_DB,
                      .user = SLICE("admin"),
                      .schema = SLICE("a`b")};
    struct secret secret;

    console_make(&f, "");
    end_connect(&f, &e);
    end_greeting(&e);
    assert_int_equal(secret_parse(&secret, SLICE("admin")), 0);
    native_response(response, secret.stage1, e.salt);
    l.response = (struct slice){(const char *)response, sizeof(response)};
    login_encode(&w, &l, 1);
    end_send(&e, bytes, w.len);
    end_expect_ok(&e);
    assert_string_equal(seen_sql(0), "USE `a``b`");
    end_close(&e);
    console_done(&f);
}

TEST(console_knows_loopback_addresses)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr *a = (struct sockaddr *)(void *)&v4, *b = (struct sockaddr *)(void *)&v6;

    v4.sin_addr.s_addr = htonl(0x7f000001);
    assert_true(console_address_is_local(a));
    v4.sin_addr.s_addr = htonl(0x7fffffff);
    assert_true(console_address_is_local(a));
    v4.sin_addr.s_addr = htonl(0x0a00007f);
    assert_false(console_address_is_local(a));
    v6.sin6_addr = in6addr_loopback;
    assert_true(console_address_is_local(b));
    v6.sin6_addr = in6addr_any;
    assert_false(console_address_is_local(b));
    memcpy(&v6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
    assert_true(console_address_is_local(b));
    memcpy(&v6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
    assert_false(console_address_is_local(b));
}

TEST(console_refuses_default_admin_from_elsewhere)
{
    static const struct {
        const char *user, *password;
        bool refused;
    } rows[] = {{"admin", "admin", true}, {"dba", "admin", false}, {"stats", "stats", false}};
    struct console_fix f;

    console_make(&f, "admin_credentials=\"admin:admin;dba:admin\"");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct console_end e;
        struct console_client *c;

        end_connect(&f, &e);
        c = CONTAINER_OF(f.core.clients.head.prev, struct console_client, in_core);
        c->is_local = false;
        end_greeting(&e);
        end_login(&e, rows[i].user, rows[i].password, 0);
        if (rows[i].refused) {
            end_expect_error(&e, 1040);
            end_expect_closed(&e);
        } else {
            end_expect_ok(&e);
        }
        end_close(&e);
    }
    console_done(&f);
}

TEST(console_reset_and_change_of_user_begin_a_session)
{
    struct console_fix f;
    struct console_end e;
    uint8_t bytes[256], response[SHA1_LEN];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct login l = {.user = SLICE("stats"),
                      .caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH,
                      .charset = 45,
                      .plugin = SLICE(PLUGIN_NATIVE)};
    struct slice p, plugin, data;
    struct secret secret;

    console_make(&f, "");
    end_open(&f, &e);
    end_command(&e, COM_RESET_CONNECTION, "", 0);
    end_expect_ok(&e);
    assert_int_equal(seen.begun, 2);
    assert_true(seen.was_admin);

    for (unsigned i = 0; i < 2; i++) { /* once with the right password, then with a wrong one */
        w.len = 0;
        change_user_encode(&w, &l);
        end_send(&e, bytes, w.len);
        p = end_packet(&e);
        assert_int_equal(auth_switch_decode(&plugin, &data, (const uint8_t *)p.data, p.len), 0);
        /* The connection's own: another's recorded answer is worth nothing, and clients know it. */
        assert_int_equal(data.len, SALT_LEN);
        assert_memory_equal(data.data, e.salt, SALT_LEN);
        assert_int_equal(secret_parse(&secret, i == 0 ? SLICE("stats") : SLICE("x")), 0);
        native_response(response, secret.stage1, (const uint8_t *)data.data);
        packet_write_header(bytes, sizeof(response), (uint8_t)(e.packet_seq + 1));
        end_send(&e, bytes, PACKET_HEADER);
        end_send(&e, response, sizeof(response));
        if (i == 0) {
            end_expect_ok(&e);
            assert_false(seen.was_admin);
        } else {
            end_expect_error(&e, 1045);
            end_expect_closed(&e);
        }
    }
    end_close(&e);
    console_done(&f);
}

TEST(console_malformed_logins_are_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint16_t number;
    } rows[] = {
        {"\x04\0\0\x01\x00\x02\0\0", 8, 1043},       /* 4.1, and nothing behind */
        {"\x04\0\0\x00\x00\x02\0\0", 8, 1156},       /* the wrong number */
        {"\x01\0\x01\x01x", 5, 1153},                /* longer than a login is */
        {"\0\0\0\x01", 4, 1043},                     /* empty */
        {"\x0b\0\0\x01\0\0\0\0\0admin\0", 15, 1251}, /* a client of before 4.1 */
    };
    struct console_fix f;

    console_make(&f, "");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct console_end e;

        end_connect(&f, &e);
        end_greeting(&e);
        end_send(&e, rows[i].bytes, rows[i].len);
        end_expect_error(&e, rows[i].number);
        end_expect_closed(&e);
        end_close(&e);
    }
    console_done(&f);
}

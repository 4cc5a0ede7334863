/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_greet.c - greeting, login, COM_CHANGE_USER, authentication switch.
 *
 * The bytes were sent by MariaDB 10.11.19, by its command line client and by PHP's mysqlnd.
 */
#include "base/err.h"
#include "protocol/caps.h"
#include "protocol/greet.h"
#include "protocol/packet.h"
#include "tests/unit/cuts.h"

#define BYTES(text) ((const uint8_t *)(text)), (sizeof(text) - 1)

#define ZEROS_19 "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

static const char server_greeting[] =
    "\x0a"
    "5.5.5-10.11.19-MariaDB-0+deb12u1\x00"
    "\x05\x00\x00\x00"
    "t29fv\x3ftO\x00"
    "\xfe\xf7\x2d\x02\x00\xff\x81\x15\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00"
    "kP,+2W@x_Scu\x00"
    "mysql_native_password\x00";

static const char response[] =
    "\x45\x21\x0a\x3e\x6e\x66\x5e\xb2\xff\x25\x36\xa7\x0c\x8c\x7b\xe3\x7e\xec\x5d\xc9";

static const char mariadb_login[] =
    "\x8c\xa2\xbf\x00\x00\x00\x10\x00\x21" ZEROS_19 "\x1d\x00\x00\x00"
    "wp_1\x00"
    "\x14\x45\x21\x0a\x3e\x6e\x66\x5e\xb2\xff\x25\x36\xa7\x0c\x8c\x7b\xe3\x7e\xec\x5d\xc9"
    "wp_1\x00"
    "mysql_native_password\x00"
    "\x1c\x03_os\x05Linux\x0cprogram_name\x04mysq";

static const char mysqlnd_login[] =
    "\x85\xa2\x1a\x00\x00\x00\x00\xc0\x2d" ZEROS_19 "\x00\x00\x00\x00"
    "wp_1\x00"
    "\x14\x45\x21\x0a\x3e\x6e\x66\x5e\xb2\xff\x25\x36\xa7\x0c\x8c\x7b\xe3\x7e\xec\x5d\xc9"
    "mysql_native_password\x00"
    "\x15\x0c_client_name\x07mysqlnd";

static const char mysqlnd_change_user[] =
    "\x11u2\x00\x14\xa0\x8d\x7b\x50\x5d\x9e\x94\x75\x9e\xb4\x51\x24\xd9\xc5\x77\x67\x13\xba\x1d\x5f"
    "db2\x00\x2d\x00mysql_native_password\x00\x15\x0c_client_name\x07mysqlnd";

#define MYSQLND_CAPS 0x001aa285u

static int decode_greeting(const uint8_t *data, size_t len)
{
    struct greeting g;
    int rc = greeting_decode(&g, data, len);

    cuts_assert_inside(g.version, data, len);
    cuts_assert_inside(g.plugin, data, len);
    return rc;
}

TEST(greeting_every_cut)
{
    /* The salt must be whole; the plugin's name ends where the message does. */
    cuts_check(decode_greeting, server_greeting, sizeof(server_greeting) - 1,
               sizeof(server_greeting) - 1 - 22 - 1);
}

TEST(greeting_of_mariadb)
{
    struct greeting g;

    assert_int_equal(greeting_decode(&g, BYTES(server_greeting)), 0);
    assert_slice_equal(g.version, "5.5.5-10.11.19-MariaDB-0+deb12u1");
    assert_int_equal(g.thread_id, 5);
    assert_memory_equal(g.salt, "t29fv\x3ftOkP,+2W@x_Scu", SALT_LEN);
    assert_int_equal(g.charset, 45);
    assert_int_equal(g.status, STATUS_AUTOCOMMIT);
    assert_true(g.caps == UINT64_C(0x1d81fff7fe));
    assert_slice_equal(g.plugin, PLUGIN_NATIVE);
}

TEST(greeting_encode_gives_the_same_bytes)
{
    uint8_t data[256];
    struct writer w = writer_of(data, sizeof(data));
    struct greeting g;

    assert_int_equal(greeting_decode(&g, BYTES(server_greeting)), 0);
    greeting_encode(&w, &g, 0);
    assert_false(w.failed);
    assert_int_equal(w.len, PACKET_HEADER + sizeof(server_greeting) - 1);
    assert_int_equal(packet_sequence(data), 0);
    assert_memory_equal(data + PACKET_HEADER, server_greeting, sizeof(server_greeting) - 1);
    g.caps |= CAP_LONG_PASSWORD; /* a MySQL server: the place of MariaDB's bits is zero */
    w = writer_of(data, sizeof(data));
    greeting_encode(&w, &g, 0);
    assert_int_equal(greeting_decode(&g, data + PACKET_HEADER, w.len - PACKET_HEADER), 0);
    assert_true((g.caps & CAPS_EXTENDED) == 0);
    w = writer_of(data, 40);
    greeting_encode(&w, &g, 0);
    assert_true(w.failed);
}

TEST(greeting_of_other_versions_is_refused)
{
    uint8_t changed[sizeof(server_greeting) - 1];
    struct greeting g;

    memcpy(changed, server_greeting, sizeof(changed));
    changed[0] = 9;
    assert_int_equal(greeting_decode(&g, changed, sizeof(changed)), ERR_MALFORMED);
    changed[0] = 10;
    changed[48] &= 0x7f; /* no CAP_SECURE_CONNECTION: a server of before 4.1.1 */
    assert_int_equal(greeting_decode(&g, changed, sizeof(changed)), ERR_MALFORMED);
}

static int decode_login(const uint8_t *data, size_t len)
{
    struct login l;
    int rc = login_decode(&l, data, len);

    cuts_assert_inside(l.user, data, len);
    cuts_assert_inside(l.response, data, len);
    cuts_assert_inside(l.schema, data, len);
    cuts_assert_inside(l.plugin, data, len);
    cuts_assert_inside(l.attrs, data, len);
    return rc;
}

TEST(login_every_cut)
{
    cuts_check(decode_login, mariadb_login, sizeof(mariadb_login) - 1, sizeof(mariadb_login) - 1);
    cuts_check(decode_login, mysqlnd_login, sizeof(mysqlnd_login) - 1, sizeof(mysqlnd_login) - 1);
}

TEST(login_of_mariadb_client)
{
    struct login l;

    assert_int_equal(login_decode(&l, BYTES(mariadb_login)), 0);
    assert_true(l.caps == UINT64_C(0x1d00bfa28c));
    assert_int_equal(l.max_packet, 1 << 20);
    assert_int_equal(l.charset, 33);
    assert_slice_equal(l.user, "wp_1");
    assert_slice_equal(l.response, response);
    assert_slice_equal(l.schema, "wp_1");
    assert_slice_equal(l.plugin, PLUGIN_NATIVE);
    assert_int_equal(l.attrs.len, 28);
}

TEST(login_of_mysqlnd)
{
    struct login l;

    assert_int_equal(login_decode(&l, BYTES(mysqlnd_login)), 0);
    assert_true(l.caps == MYSQLND_CAPS);
    assert_slice_equal(l.user, "wp_1");
    assert_slice_equal(l.response, response);
    assert_slice_equal(l.schema, "");
    assert_slice_equal(l.plugin, PLUGIN_NATIVE);
    assert_slice_equal(l.attrs, "\x0c_client_name\x07mysqlnd");
}

TEST(login_without_capabilities_of_today)
{
    struct login l;

    /* No PROTOCOL_41; then: a response that a zero ends, no plugin. */
    assert_int_equal(login_decode(&l, BYTES("\x05\xa0\x1a\x00\x00\x00\x00\xc0\x2d" ZEROS_19
                                            "\x00\x00\x00\x00user\x00\x00")),
                     ERR_HANDSHAKE);
    assert_int_equal(login_decode(&l, BYTES("\x01\x02\x00\x00\x00\x00\x00\xc0\x2d" ZEROS_19
                                            "\x00\x00\x00\x00user\x00resp\x00")),
                     0);
    assert_slice_equal(l.response, "resp");
    assert_int_equal(l.plugin.len, 0);
}

TEST(login_schema_may_lack_its_zero)
{
    struct login l;

    assert_int_equal(login_decode(&l, BYTES("\x09\x82\x00\x00\x00\x00\x00\xc0\x2d" ZEROS_19
                                            "\x00\x00\x00\x00user\x00\x00"
                                            "db")),
                     0);
    assert_slice_equal(l.schema, "db");
    assert_int_equal(l.response.len, 0);
}

TEST(login_request_for_tls)
{
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof(data));
    struct login l = {.caps = MYSQLND_CAPS, .max_packet = 7, .charset = 45};
    struct login back;

    tls_request_encode(&w, &l, 1);
    assert_int_equal(w.len, PACKET_HEADER + 32);
    assert_int_equal(login_decode(&back, data + PACKET_HEADER, 32), 0);
    assert_true((back.caps & CAP_SSL) != 0);
    assert_int_equal(back.user.len, 0);
    assert_int_equal(back.max_packet, 7);
    data[PACKET_HEADER + 1] &= (uint8_t)~0x08; /* 32 bytes without CAP_SSL are just cut short */
    assert_int_equal(login_decode(&back, data + PACKET_HEADER, 32), ERR_HANDSHAKE);
}

TEST(login_encode_gives_the_same_bytes)
{
    uint8_t data[512];
    struct writer w = writer_of(data, sizeof(data));
    char long_response[300] = {0};
    struct login l, back;

    assert_int_equal(login_decode(&l, BYTES(mariadb_login)), 0);
    login_encode(&w, &l, 1);
    assert_int_equal(w.len, PACKET_HEADER + sizeof(mariadb_login) - 1);
    assert_memory_equal(data + PACKET_HEADER, mariadb_login, sizeof(mariadb_login) - 1);
    l.response = (struct slice){long_response, sizeof(long_response)};
    l.caps |= CAP_PLUGIN_AUTH_LENENC;
    w = writer_of(data, sizeof(data));
    login_encode(&w, &l, 1);
    assert_int_equal(login_decode(&back, data + PACKET_HEADER, w.len - PACKET_HEADER), 0);
    assert_int_equal(back.response.len, sizeof(long_response));
    assert_slice_equal(back.plugin, PLUGIN_NATIVE);
    l.caps &= ~CAP_PLUGIN_AUTH_LENENC;
    w = writer_of(data, sizeof(data));
    login_encode(&w, &l, 1);
    assert_true(w.failed);
}

static int decode_change_user(const uint8_t *data, size_t len)
{
    struct login l;
    int rc = change_user_decode(&l, MYSQLND_CAPS, data, len);

    cuts_assert_inside(l.user, data, len);
    cuts_assert_inside(l.response, data, len);
    cuts_assert_inside(l.schema, data, len);
    cuts_assert_inside(l.plugin, data, len);
    cuts_assert_inside(l.attrs, data, len);
    return rc;
}

TEST(change_user_every_cut)
{
    cuts_check(decode_change_user, mysqlnd_change_user, sizeof(mysqlnd_change_user) - 1, 25);
}

TEST(change_user_there_and_back)
{
    uint8_t data[128];
    struct writer w = writer_of(data, sizeof(data));
    struct login l;

    assert_int_equal(change_user_decode(&l, MYSQLND_CAPS, BYTES(mysqlnd_change_user)), 0);
    assert_slice_equal(l.user, "u2");
    assert_int_equal(l.response.len, 20);
    assert_slice_equal(l.schema, "db2");
    assert_int_equal(l.charset, 45);
    assert_slice_equal(l.plugin, PLUGIN_NATIVE);
    assert_slice_equal(l.attrs, "\x0c_client_name\x07mysqlnd");
    change_user_encode(&w, &l);
    assert_int_equal(w.len, PACKET_HEADER + sizeof(mysqlnd_change_user) - 1);
    assert_int_equal(packet_sequence(data), 0);
    assert_memory_equal(data + PACKET_HEADER, mysqlnd_change_user, sizeof(mysqlnd_change_user) - 1);
}

TEST(change_user_charset_is_optional)
{
    const uint64_t caps = MYSQLND_CAPS & ~(CAP_PLUGIN_AUTH | CAP_CONNECT_ATTRS);
    struct login l;

    assert_int_equal(change_user_decode(&l, caps, BYTES("\x11u\x00\x00\x00")), 0);
    assert_int_equal(l.charset, 0);
    assert_int_equal(change_user_decode(&l, caps, BYTES("\x11u\x00\x00\x00\x00\x08")), 0);
    assert_int_equal(l.charset, 0); /* 2048 */
    assert_int_equal(change_user_decode(&l, MYSQLND_CAPS, BYTES("\x12u\x00\x00\x00")),
                     ERR_HANDSHAKE);
}

TEST(change_user_needs_schema_and_plugin)
{
    struct login l;

    assert_int_equal(change_user_decode(&l, MYSQLND_CAPS, BYTES("\x11u\x00\x00\x00")),
                     ERR_HANDSHAKE);
    assert_int_equal(change_user_decode(&l, MYSQLND_CAPS, BYTES("\x11u\x00\x00")), ERR_HANDSHAKE);
    assert_int_equal(
        change_user_decode(&l, MYSQLND_CAPS, BYTES("\x11u\x00\x00\x00\x2d\x00p\x00\x00")), 0);
    assert_slice_equal(l.plugin, "p");
    /* The attributes that were agreed on are left out. */
    assert_int_equal(change_user_decode(&l, MYSQLND_CAPS, BYTES("\x11u\x00\x00\x00\x2d\x00p\x00")),
                     ERR_HANDSHAKE);
}

static int decode_login_old(const uint8_t *data, size_t len)
{
    struct login l;
    int rc = login_old_decode(&l, data, len);

    cuts_assert_inside(l.user, data, len);
    cuts_assert_inside(l.response, data, len);
    return rc;
}

TEST(login_of_before_41)
{
    static const char old_login[] = "\x05\x00\x00\x00\x01user\x00resp";
    struct login l;

    assert_int_equal(login_old_decode(&l, BYTES(old_login)), 0);
    assert_slice_equal(l.user, "user");
    assert_slice_equal(l.response, "resp");
    assert_int_equal(login_old_decode(&l, BYTES(mariadb_login)), ERR_HANDSHAKE);
    cuts_check(decode_login_old, old_login, sizeof(old_login) - 1, 5);
}

static int decode_switch(const uint8_t *data, size_t len)
{
    struct slice plugin, salt;
    int rc = auth_switch_decode(&plugin, &salt, data, len);

    cuts_assert_inside(plugin, data, len);
    cuts_assert_inside(salt, data, len);
    return rc;
}

TEST(auth_switch_there_and_back)
{
    static const uint8_t salt[SALT_LEN + 1] = "abcdefghijklmnopqrst";
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof(data));
    struct slice plugin, got;

    auth_switch_encode(&w, SLICE(PLUGIN_SHA2), salt, 2);
    assert_int_equal(w.len, PACKET_HEADER + 1 + 22 + 21);
    assert_int_equal(auth_switch_decode(&plugin, &got, data + 4, w.len - 4), 0);
    assert_slice_equal(plugin, PLUGIN_SHA2);
    assert_slice_equal(got, (const char *)salt);
    cuts_check(decode_switch, data + 4, w.len - 4, 23);
    w = writer_of(data, sizeof(data));
    auth_switch_encode(&w, SLICE("mysql_clear_password"), NULL, 2);
    assert_int_equal(auth_switch_decode(&plugin, &got, data + 4, w.len - 4), 0);
    assert_slice_equal(plugin, "mysql_clear_password");
    assert_int_equal(got.len, 0);
    assert_int_equal(auth_switch_decode(&plugin, &got, BYTES("\xfe")), ERR_MALFORMED);
    assert_int_equal(auth_switch_decode(&plugin, &got,
                                        BYTES("\xff"
                                              "a\x00")),
                     ERR_MALFORMED);
}

TEST(auth_more_is_one_byte_and_data)
{
    uint8_t data[16];
    struct writer w = writer_of(data, sizeof(data));

    auth_more_encode(&w, SLICE("\x04"), 3);
    assert_int_equal(w.len, 6);
    assert_memory_equal(data, "\x02\x00\x00\x03\x01\x04", 6);
}

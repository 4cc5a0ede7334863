/* SPDX-License-Identifier: Apache-2.0 */
/*
 * greet.c - greeting, login, COM_CHANGE_USER, authentication switch.
 *
 *   greeting: 0a version 00 id(4) salt(8) 00 caps_low(2) charset(1) status(2) caps_high(2)
 *             auth_length(1) 00(6) caps_mariadb(4) salt(12) 00 plugin 00
 *   login:    caps(4) max_packet(4) charset(1) 00(19) caps_mariadb(4)
 *             user 00 response [schema 00] [plugin 00] [attributes]
 *
 * The extended bits of MariaDB are there when CAP_LONG_PASSWORD is off, else their place is zero.
 * Text at the very end may lack its zero: some clients and old servers leave it out. Else nothing
 * that a capability announces may be missing (10.11).
 */
#include "protocol/greet.h"

#include "base/err.h"
#include "protocol/caps.h"
#include "protocol/command.h"
#include "protocol/packet.h"

#define GREETING_VERSION 10
#define SALT_FIRST_PART  8
#define ATTRS_MAX        65535 /* bytes (10.11) */

enum { FIRST_AUTH_MORE = 0x01, FIRST_AUTH_SWITCH = 0xfe };

/* The extended bits that stand in a message with these capabilities. */
static uint32_t extended_bits(uint64_t caps)
{
    return (caps & CAP_LONG_PASSWORD) == 0 ? (uint32_t)(caps >> 32) : 0;
}

static uint64_t with_extended(uint64_t caps, uint32_t extended)
{
    return (caps & CAP_LONG_PASSWORD) == 0 ? caps | (uint64_t)extended << 32 : caps;
}

void greeting_encode(struct writer *w, const struct greeting *g, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, GREETING_VERSION);
    put_zero(w, g->version);
    put_u32(w, g->thread_id);
    put_bytes(w, g->salt, SALT_FIRST_PART);
    put_u8(w, 0);
    put_u16(w, (uint16_t)g->caps);
    put_u8(w, g->charset);
    put_u16(w, g->status);
    put_u16(w, (uint16_t)(g->caps >> 16));
    put_u8(w, (g->caps & CAP_PLUGIN_AUTH) != 0 ? SALT_LEN + 1 : 0);
    put_fill(w, 0, 6);
    put_u32(w, extended_bits(g->caps));
    put_bytes(w, g->salt + SALT_FIRST_PART, SALT_LEN - SALT_FIRST_PART);
    put_u8(w, 0);
    if ((g->caps & CAP_PLUGIN_AUTH) != 0) {
        put_zero(w, g->plugin);
    }
    packet_end(w, at, sequence);
}

/* The second part of the salt, which is as long as auth_length says, but 12 and a zero at least. */
static void get_salt_rest(struct greeting *g, struct reader *r, uint8_t auth_length)
{
    size_t n = SALT_LEN - SALT_FIRST_PART;
    struct slice rest = get_bytes(r, n);

    if (rest.len == n) {
        memcpy(g->salt + SALT_FIRST_PART, rest.data, n);
    }
    if (reader_left(r) > 0) { /* the zero; a longer salt has more */
        (void)get_bytes(r, auth_length > SALT_LEN + 1 ? auth_length - (size_t)SALT_LEN : 1);
    }
}

int greeting_decode(struct greeting *g, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);
    uint8_t version = get_u8(&r);
    struct slice part;
    uint8_t auth_length;

    *g = (struct greeting){.version = get_zero(&r)};
    g->thread_id = get_u32(&r);
    part = get_bytes(&r, SALT_FIRST_PART);
    if (part.len == SALT_FIRST_PART) {
        memcpy(g->salt, part.data, SALT_FIRST_PART);
    }
    (void)get_u8(&r);
    g->caps = get_u16(&r);
    g->charset = get_u8(&r);
    g->status = get_u16(&r);
    g->caps |= (uint64_t)get_u16(&r) << 16;
    auth_length = get_u8(&r);
    (void)get_bytes(&r, 6);
    g->caps = with_extended(g->caps, get_u32(&r));
    get_salt_rest(g, &r, auth_length);
    if ((g->caps & CAP_PLUGIN_AUTH) != 0) {
        g->plugin = get_zero_or_rest(&r);
    }
    if (r.failed || version != GREETING_VERSION || (g->caps & CAP_PROTOCOL_41) == 0 ||
        (g->caps & CAP_SECURE_CONNECTION) == 0) {
        *g = (struct greeting){0};
        return ERR_MALFORMED;
    }
    return 0;
}

/* What login and COM_CHANGE_USER end with. */
static void get_plugin_and_attrs(struct login *l, struct reader *r, uint64_t caps)
{
    if ((caps & CAP_PLUGIN_AUTH) != 0) {
        l->plugin = get_zero_or_rest(r);
    }
    if ((caps & CAP_CONNECT_ATTRS) != 0) {
        l->attrs = get_lenenc_bytes(r);
        r->failed |= l->attrs.len > ATTRS_MAX;
    }
}

/* The length byte in front of a response, as the capabilities say; without one a zero ends it. */
static struct slice get_response(struct reader *r, uint64_t caps)
{
    if ((caps & CAP_PLUGIN_AUTH_LENENC) != 0) {
        return get_lenenc_bytes(r);
    }
    if ((caps & CAP_SECURE_CONNECTION) != 0) {
        return get_bytes(r, get_u8(r));
    }
    return get_zero(r);
}

int login_decode(struct login *l, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);

    *l = (struct login){.caps = get_u32(&r)};
    l->max_packet = get_u32(&r);
    l->charset = get_u8(&r);
    (void)get_bytes(&r, 19);
    l->caps = with_extended(l->caps, get_u32(&r));
    if (r.failed || (l->caps & CAP_PROTOCOL_41) == 0) {
        goto fail;
    }
    if (len == TLS_REQUEST_LENGTH && (l->caps & CAP_SSL) != 0) {
        return 0;
    }
    l->user = get_zero(&r);
    l->response = get_response(&r, l->caps);
    if ((l->caps & CAP_CONNECT_WITH_DB) != 0) {
        r.failed |= reader_left(&r) == 0;
        l->schema = get_zero_or_rest(&r);
    }
    get_plugin_and_attrs(l, &r, l->caps);
    if (!r.failed) {
        return 0;
    }
fail:
    *l = (struct login){0};
    return ERR_HANDSHAKE;
}

int login_old_decode(struct login *l, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);

    *l = (struct login){.caps = get_u16(&r)};
    (void)get_bytes(&r, 3); /* the longest packet it takes */
    l->user = get_zero_or_rest(&r);
    l->response = reader_left(&r) > 0 ? get_zero_or_rest(&r) : (struct slice){NULL, 0};
    if (r.failed || (l->caps & CAP_PROTOCOL_41) != 0) {
        *l = (struct login){0};
        return ERR_HANDSHAKE;
    }
    return 0;
}

void login_encode(struct writer *w, const struct login *l, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u32(w, (uint32_t)l->caps);
    put_u32(w, l->max_packet);
    put_u8(w, l->charset);
    put_fill(w, 0, 19);
    put_u32(w, extended_bits(l->caps));
    put_zero(w, l->user);
    if ((l->caps & CAP_PLUGIN_AUTH_LENENC) != 0) {
        put_lenenc_slice(w, l->response);
    } else if (l->response.len <= UINT8_MAX) {
        put_u8(w, (uint8_t)l->response.len);
        put_slice(w, l->response);
    } else {
        w->failed = true;
    }
    if ((l->caps & CAP_CONNECT_WITH_DB) != 0) {
        put_zero(w, l->schema);
    }
    if ((l->caps & CAP_PLUGIN_AUTH) != 0) {
        put_zero(w, l->plugin);
    }
    if ((l->caps & CAP_CONNECT_ATTRS) != 0) {
        put_lenenc_slice(w, l->attrs);
    }
    packet_end(w, at, sequence);
}

void tls_request_encode(struct writer *w, const struct login *l, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u32(w, (uint32_t)(l->caps | CAP_SSL));
    put_u32(w, l->max_packet);
    put_u8(w, l->charset);
    put_fill(w, 0, 19);
    put_u32(w, extended_bits(l->caps));
    packet_end(w, at, sequence);
}

int change_user_decode(struct login *l, uint64_t caps, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);
    uint8_t command = get_u8(&r);
    bool has_schema, has_plugin;
    uint16_t charset;

    *l = (struct login){.caps = caps, .user = get_zero(&r)};
    /* One byte of length here, with and without CAP_PLUGIN_AUTH_LENENC. */
    l->response = get_response(&r, caps & ~CAP_PLUGIN_AUTH_LENENC);
    has_schema = reader_left(&r) > 0; /* its zero at least */
    l->schema = get_zero_or_rest(&r);
    if (reader_left(&r) > 1) {
        charset = get_u16(&r);
        l->charset = charset <= UINT8_MAX ? (uint8_t)charset : 0;
    }
    has_plugin = reader_left(&r) > 0; /* it may not be left out, other than in a login */
    get_plugin_and_attrs(l, &r, caps);
    if (r.failed || !has_schema || command != COM_CHANGE_USER ||
        (!has_plugin && (caps & CAP_PLUGIN_AUTH) != 0)) {
        *l = (struct login){0};
        return ERR_HANDSHAKE;
    }
    return 0;
}

void change_user_encode(struct writer *w, const struct login *l)
{
    size_t at = packet_begin(w);

    put_u8(w, COM_CHANGE_USER);
    put_zero(w, l->user);
    if (l->response.len > UINT8_MAX) {
        w->failed = true;
        return;
    }
    put_u8(w, (uint8_t)l->response.len);
    put_slice(w, l->response);
    put_zero(w, l->schema);
    put_u16(w, l->charset);
    if ((l->caps & CAP_PLUGIN_AUTH) != 0) {
        put_zero(w, l->plugin);
    }
    if ((l->caps & CAP_CONNECT_ATTRS) != 0) {
        put_lenenc_slice(w, l->attrs);
    }
    packet_end(w, at, 0);
}

void auth_switch_encode(struct writer *w, struct slice plugin, const uint8_t salt[SALT_LEN],
                        uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, FIRST_AUTH_SWITCH);
    put_zero(w, plugin);
    if (salt != NULL) {
        put_bytes(w, salt, SALT_LEN);
        put_u8(w, 0);
    }
    packet_end(w, at, sequence);
}

void auth_switch_encode_data(struct writer *w, struct slice plugin, struct slice data,
                             uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, FIRST_AUTH_SWITCH);
    put_zero(w, plugin);
    put_slice(w, data);
    packet_end(w, at, sequence);
}

int auth_switch_decode(struct slice *plugin, struct slice *data, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);
    uint8_t first = get_u8(&r);

    /* A lone 0xfe asks for the hash of before 4.1, which nobody here gives. */
    *plugin = get_zero(&r);
    *data = get_rest(&r);
    if (r.failed || first != FIRST_AUTH_SWITCH) {
        *plugin = *data = (struct slice){NULL, 0};
        return ERR_MALFORMED;
    }
    if (data->len == SALT_LEN + 1 && data->data[SALT_LEN] == '\0') {
        data->len--;
    }
    return 0;
}

void auth_more_encode(struct writer *w, struct slice data, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, FIRST_AUTH_MORE);
    put_slice(w, data);
    packet_end(w, at, sequence);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/loadgen/wire.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum {
    CAP_LONG_PASSWORD = 0x1,
    CAP_LONG_FLAG = 0x4,
    CAP_WITH_SCHEMA = 0x8,
    CAP_LOCAL_FILES = 0x80,
    CAP_PROTOCOL_41 = 0x200,
    CAP_TRANSACTIONS = 0x2000,
    CAP_SECURE = 0x8000,
    CAP_MULTI_RESULTS = 0x20000,
    CAP_PLUGIN_AUTH = 0x80000,
    CAP_CONNECT_ATTRS = 0x100000,
};

#define STATUS_MORE_RESULTS 0x8u
#define MAX_PACKET_OFFERED  0xc0000000u /* what mysqlnd offers */

static const char plugin_name[] = "mysql_native_password";

/* What the client says about itself: name and value, each with its length in front. */
static const char connect_attrs[] = "\x0c_client_name\x07mysqlnd\x0c_server_host\x09"
                                    "127.0.0.1";

struct writer {
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static void put_bytes(struct writer *w, const void *data, size_t len)
{
    if (w->failed || (size_t)(w->end - w->at) < len) {
        w->failed = true;
        return;
    }
    memcpy(w->at, data, len);
    w->at += len;
}

static void put_byte(struct writer *w, unsigned value)
{
    const uint8_t byte = (uint8_t)value;

    put_bytes(w, &byte, 1);
}

static void put_u32(struct writer *w, uint32_t value)
{
    for (unsigned shift = 0; shift < 32; shift += 8) {
        put_byte(w, (value >> shift) & 0xffu);
    }
}

static uint32_t get_u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

void wire_put_header(uint8_t *out, size_t len, uint8_t sequence)
{
    out[0] = (uint8_t)(len & 0xffu);
    out[1] = (uint8_t)((len >> 8) & 0xffu);
    out[2] = (uint8_t)((len >> 16) & 0xffu);
    out[3] = sequence;
}

bool wire_read_greeting(const uint8_t *packet, size_t len, struct wire_greeting *greeting)
{
    const uint8_t *end = packet + len;
    const uint8_t *at;

    if (len < 1 || packet[0] != 10) {
        return false;
    }
    at = memchr(packet + 1, 0, len - 1);
    /* thread id, salt, filler, capabilities, charset, status, capabilities, filler, salt */
    if (at == NULL || (size_t)(end - at) < 1 + 4 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10 + 12) {
        return false;
    }
    at += 1 + 4;
    memcpy(greeting->salt, at, 8);
    at += 8 + 1;
    greeting->capabilities = get_u16(at) | get_u16(at + 5) << 16;
    greeting->charset = at[2];
    memcpy(greeting->salt + 8, at + 2 + 1 + 2 + 2 + 1 + 10, 12);
    return true;
}

size_t wire_scramble(uint8_t *out, const uint8_t *salt, const char *password)
{
    uint8_t once[SHA_DIGEST_LENGTH];
    uint8_t salted[WIRE_SALT + SHA_DIGEST_LENGTH];

    if (password[0] == '\0') {
        return 0;
    }
    SHA1((const unsigned char *)password, strlen(password), once);
    memcpy(salted, salt, WIRE_SALT);
    SHA1(once, sizeof(once), salted + WIRE_SALT);
    SHA1(salted, sizeof(salted), out);
    for (size_t i = 0; i < SHA_DIGEST_LENGTH; i++) {
        out[i] ^= once[i];
    }
    return SHA_DIGEST_LENGTH;
}

size_t wire_build_login(uint8_t *out, size_t cap, const struct wire_greeting *greeting,
                        const struct wire_account *account)
{
    static const uint8_t zeros[23];
    struct writer w = {.at = out, .end = out + cap};
    uint8_t proof[SHA_DIGEST_LENGTH];
    const size_t proof_len = wire_scramble(proof, greeting->salt, account->password);
    uint32_t caps = CAP_LONG_PASSWORD | CAP_LONG_FLAG | CAP_LOCAL_FILES | CAP_PROTOCOL_41 |
                    CAP_TRANSACTIONS | CAP_SECURE | CAP_MULTI_RESULTS;

    caps |= greeting->capabilities & (CAP_PLUGIN_AUTH | CAP_CONNECT_ATTRS);
    if (account->schema != NULL) {
        caps |= CAP_WITH_SCHEMA;
    }
    put_u32(&w, caps);
    put_u32(&w, MAX_PACKET_OFFERED);
    put_byte(&w, greeting->charset);
    put_bytes(&w, zeros, sizeof(zeros));
    put_bytes(&w, account->user, strlen(account->user) + 1);
    put_byte(&w, (unsigned)proof_len);
    put_bytes(&w, proof, proof_len);
    if (account->schema != NULL) {
        put_bytes(&w, account->schema, strlen(account->schema) + 1);
    }
    if ((caps & CAP_PLUGIN_AUTH) != 0) {
        put_bytes(&w, plugin_name, sizeof(plugin_name));
    }
    if ((caps & CAP_CONNECT_ATTRS) != 0) {
        put_byte(&w, (unsigned)sizeof(connect_attrs) - 1);
        put_bytes(&w, connect_attrs, sizeof(connect_attrs) - 1);
    }
    return w.failed ? 0 : (size_t)(w.at - out);
}

bool wire_read_switch(const uint8_t *packet, size_t len, uint8_t *salt)
{
    if (len < 1 + sizeof(plugin_name) + WIRE_SALT || packet[0] != 0xfe ||
        memcmp(packet + 1, plugin_name, sizeof(plugin_name)) != 0) {
        return false;
    }
    memcpy(salt, packet + 1 + sizeof(plugin_name), WIRE_SALT);
    return true;
}

/* get_lenenc - a length-encoded integer; *len_bytes 0: malformed. NULL (0xfb) is no integer. */
static uint64_t get_lenenc(const uint8_t *at, size_t left, size_t *len_bytes)
{
    uint64_t value = 0;
    size_t width;

    *len_bytes = 0;
    if (left < 1) {
        return 0;
    }
    if (at[0] < 0xfb) {
        *len_bytes = 1;
        return at[0];
    }
    width = at[0] == 0xfc ? 2 : at[0] == 0xfd ? 3 : at[0] == 0xfe ? 8 : 0;
    if (width == 0 || left < 1 + width) {
        return 0;
    }
    for (size_t i = width; i > 0; i--) {
        value = value << 8 | at[i];
    }
    *len_bytes = 1 + width;
    return value;
}

void wire_read_error(const uint8_t *packet, size_t len, struct wire_reply *reply)
{
    const size_t head = len > 3 && packet[3] == '#' ? 9 : 3; /* with or without SQLSTATE */

    reply->error_code = len >= 3 ? (uint16_t)get_u16(packet + 1) : 0;
    if (reply->error_code == 0) {
        reply->error_code = 2027; /* malformed packet */
    }
    if (len > head) {
        (void)snprintf(reply->message, sizeof(reply->message), "%.*s", (int)(len - head),
                       (const char *)packet + head);
    }
}

/* end_part - an OK or EOF ended one result; another one may follow. */
static enum wire_event end_part(struct wire_reply *reply, unsigned status)
{
    reply->status = (uint16_t)status;
    if ((status & STATUS_MORE_RESULTS) != 0) {
        reply->phase = WIRE_FIRST;
        return WIRE_MORE;
    }
    reply->phase = WIRE_DONE;
    return WIRE_END;
}

/* feed_prepared - the statement's id, and how many definitions come behind it. */
static enum wire_event feed_prepared(struct wire_reply *reply, const uint8_t *packet, size_t len)
{
    if (packet[0] != 0x00 || len < 12) {
        return WIRE_BAD;
    }
    reply->statement_id = get_u16(packet + 1) | (uint32_t)get_u16(packet + 3) << 16;
    reply->sets_left = (unsigned)((get_u16(packet + 5) != 0) + (get_u16(packet + 7) != 0));
    reply->phase = reply->sets_left == 0 ? WIRE_DONE : WIRE_DEFINITIONS;
    return reply->sets_left == 0 ? WIRE_END : WIRE_MORE;
}

static enum wire_event feed_first(struct wire_reply *reply, const uint8_t *packet, size_t len)
{
    size_t used;

    if (packet[0] == 0x00) {
        const uint8_t *at = packet + 1;
        const uint8_t *end = packet + len;

        reply->n_affected = get_lenenc(at, (size_t)(end - at), &used);
        at += used;
        if (used == 0) {
            return WIRE_BAD;
        }
        (void)get_lenenc(at, (size_t)(end - at), &used); /* last insert id */
        at += used;
        if (used == 0 || end - at < 2) {
            return WIRE_BAD;
        }
        return end_part(reply, get_u16(at));
    }
    reply->columns_left = get_lenenc(packet, len, &used);
    if (used != len || reply->columns_left == 0) {
        return WIRE_BAD;
    }
    reply->phase = WIRE_COLUMNS;
    return WIRE_MORE;
}

enum wire_event wire_feed(struct wire_reply *reply, const uint8_t *packet, size_t len)
{
    const bool is_eof = len == 5 && packet[0] == 0xfe;

    if (len == 0 || reply->phase == WIRE_DONE) {
        return WIRE_BAD;
    }
    if (packet[0] == 0xff && reply->phase != WIRE_COLUMNS) {
        wire_read_error(packet, len, reply);
        reply->phase = WIRE_DONE;
        return WIRE_END;
    }
    if (reply->phase == WIRE_FIRST) {
        return reply->is_prepare ? feed_prepared(reply, packet, len)
                                 : feed_first(reply, packet, len);
    }
    if (reply->phase == WIRE_DEFINITIONS) {
        reply->sets_left -= is_eof;
        reply->phase = reply->sets_left == 0 ? WIRE_DONE : WIRE_DEFINITIONS;
        return reply->sets_left == 0 ? WIRE_END : WIRE_MORE;
    }
    if (reply->phase == WIRE_COLUMNS) {
        if (reply->columns_left > 0) {
            reply->columns_left--;
            return is_eof ? WIRE_BAD : WIRE_MORE;
        }
        reply->phase = WIRE_ROWS;
        return is_eof ? WIRE_MORE : WIRE_BAD;
    }
    if (is_eof) {
        return end_part(reply, get_u16(packet + 3));
    }
    reply->n_rows++;
    return WIRE_ROW;
}

bool wire_next_field(struct wire_row *row, struct wire_field *field)
{
    const size_t left = (size_t)(row->end - row->at);
    uint64_t len;
    size_t used;

    *field = (struct wire_field){0};
    if (left > 0 && row->at[0] == 0xfb) {
        row->at++;
        return true;
    }
    len = get_lenenc(row->at, left, &used);
    if (used == 0 || len > left - used) {
        return false;
    }
    *field = (struct wire_field){row->at + used, (size_t)len};
    row->at += used + (size_t)len;
    return true;
}

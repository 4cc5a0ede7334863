/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_greet.c - messages of a login; what decodes is encoded and decodes to the same again.
 *
 * Input: which decoder(1), then the payload.
 */
#include "protocol/caps.h"
#include "protocol/greet.h"
#include "protocol/packet.h"

#define GREET_ROOM (1u << 17)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t greet_room[GREET_ROOM];

/* The payload of the packet that was made, unless it did not fit. */
static struct slice greet_payload(const struct writer *w)
{
    CHECK(w->failed || w->len >= PACKET_HEADER);
    CHECK(w->failed || packet_length(w->base) == w->len - PACKET_HEADER);
    return w->failed
               ? (struct slice){NULL, 0}
               : (struct slice){(const char *)w->base + PACKET_HEADER, w->len - PACKET_HEADER};
}

static void greet_greeting(const uint8_t *data, size_t size)
{
    struct writer w = writer_of(greet_room, GREET_ROOM);
    struct greeting g, again;
    struct slice made;

    if (greeting_decode(&g, data, size) != 0) {
        return;
    }
    greeting_encode(&w, &g, 0);
    made = greet_payload(&w);
    if (made.len > 0) {
        CHECK(greeting_decode(&again, (const uint8_t *)made.data, made.len) == 0);
        CHECK(slice_eq(g.version, again.version) && slice_eq(g.plugin, again.plugin));
        CHECK(g.caps == again.caps);
        CHECK(memcmp(g.salt, again.salt, SALT_LEN) == 0);
    }
}

static void greet_same_login(const struct login *a, const struct login *b)
{
    CHECK(slice_eq(a->user, b->user) && slice_eq(a->response, b->response));
    CHECK(slice_eq(a->schema, b->schema) && slice_eq(a->plugin, b->plugin));
    CHECK(slice_eq(a->attrs, b->attrs) && a->charset == b->charset);
}

static void greet_login(const uint8_t *data, size_t size)
{
    struct writer w = writer_of(greet_room, GREET_ROOM);
    struct login l, again;
    struct slice made;

    /* A response ended by a zero is read, but never sent. */
    if (login_decode(&l, data, size) != 0 || (l.caps & CAP_SECURE_CONNECTION) == 0) {
        return;
    }
    login_encode(&w, &l, 1);
    made = greet_payload(&w);
    if (made.len > 0) {
        CHECK(login_decode(&again, (const uint8_t *)made.data, made.len) == 0);
        greet_same_login(&l, &again);
    }
}

static void greet_change_user(const uint8_t *data, size_t size)
{
    struct writer w = writer_of(greet_room, GREET_ROOM);
    struct login l, again;
    struct slice made;
    uint32_t caps;

    if (size < 4) {
        return;
    }
    caps = peek_u32(data);
    if (change_user_decode(&l, caps, data + 4, size - 4) != 0 ||
        (caps & CAP_SECURE_CONNECTION) == 0) {
        return;
    }
    change_user_encode(&w, &l);
    made = greet_payload(&w);
    if (made.len > 0) {
        CHECK(change_user_decode(&again, caps, (const uint8_t *)made.data, made.len) == 0);
        greet_same_login(&l, &again);
    }
}

static void greet_switch(const uint8_t *data, size_t size)
{
    struct writer w = writer_of(greet_room, GREET_ROOM);
    struct slice plugin, salt, plugin_again, made;

    if (auth_switch_decode(&plugin, &salt, data, size) != 0) {
        return;
    }
    CHECK(plugin.len + salt.len <= size);
    auth_switch_encode(&w, plugin, salt.len == SALT_LEN ? (const uint8_t *)salt.data : NULL, 2);
    made = greet_payload(&w);
    if (made.len > 0) {
        CHECK(auth_switch_decode(&plugin_again, &salt, (const uint8_t *)made.data, made.len) == 0);
        CHECK(slice_eq(plugin, plugin_again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0] % 4) {
    case 0: greet_greeting(data + 1, size - 1); break;
    case 1: greet_login(data + 1, size - 1); break;
    case 2: greet_change_user(data + 1, size - 1); break;
    default: greet_switch(data + 1, size - 1); break;
    }
    return 0;
}

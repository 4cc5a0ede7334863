/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iface.c - parse a list of interfaces.
 */
#include "conf/iface.h"

#include "base/err.h"
#include "conf/items.h"

static int fail(const char **why, const char *text)
{
    *why = text;
    return ERR_CONFIG;
}

static int parse_port(struct slice digits, uint16_t *out)
{
    unsigned port = 0;

    if (digits.len == 0 || digits.len > 5) {
        return ERR_CONFIG;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return ERR_CONFIG;
        }
        port = port * 10 + (unsigned)(digits.data[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX) {
        return ERR_CONFIG;
    }
    *out = (uint16_t)port;
    return 0;
}

static bool is_host_char(char c, bool in_brackets)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_' || (in_brackets && (c == ':' || c == '%'));
}

static int parse_tcp(struct slice item, struct iface *out, const char **why)
{
    const char *colon = NULL;
    bool in_brackets = item.data[0] == '[';
    struct slice host = item;

    for (size_t i = 0; i < item.len; i++) {
        colon = item.data[i] == ':' ? item.data + i : colon;
    }
    if (colon == NULL) {
        return fail(why, "has no port: write host:port, or the path of a socket");
    }
    host.len = (size_t)(colon - item.data);
    if (in_brackets) {
        if (host.len < 3 || host.data[host.len - 1] != ']') {
            return fail(why, "is not of the form [IPv6]:port");
        }
        host = (struct slice){host.data + 1, host.len - 2};
    }
    if (host.len == 0) {
        return fail(why, "has no host");
    }
    for (size_t i = 0; i < host.len; i++) {
        if (!is_host_char(host.data[i], in_brackets)) {
            return fail(why, "has a host that is no name and no address (IPv6 needs brackets)");
        }
    }
    if (parse_port((struct slice){colon + 1, item.len - (size_t)(colon + 1 - item.data)},
                   &out->port) != 0) {
        return fail(why, "needs a port from 1 to 65535");
    }
    out->host = host;
    return 1;
}

int iface_next(struct slice *list, struct iface *out, const char **why)
{
    struct slice item = items_next(list, ';');

    *out = (struct iface){0};
    if (item.len == 0) {
        /* A ; at the end is fine, an empty place in the middle is not. */
        return list->len == 0 ? 0 : fail(why, "is empty");
    }
    if (item.data[0] != '/') {
        return parse_tcp(item, out, why);
    }
    if (item.len > IFACE_PATH_MAX) {
        return fail(why, "is longer than the path of a socket may be (107 bytes)");
    }
    *out = (struct iface){.host = item, .is_unix = true};
    return 1;
}

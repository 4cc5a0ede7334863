/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_host.c - see user_host.h.
 */
#include "pool/user_host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#define RUNS_MAX 31 /* more wildcards than these count as so many */

/* --- rank ------------------------------------------------------------------------------------- */

struct shape {
    unsigned n_plain;  /* characters that stand for themselves */
    unsigned n_single; /* _ */
    unsigned n_runs;   /* runs of % */
    unsigned n_prefix; /* plain characters before the first wildcard */
};

static struct shape shape_of(const char *text)
{
    struct shape s = {0};

    for (const char *p = text; *p != '\0'; p++) {
        bool is_wild = *p == '%' || *p == '_';

        if (is_wild && s.n_runs == 0 && s.n_single == 0) {
            s.n_prefix = s.n_plain;
        }
        if (*p == '%') {
            s.n_runs++;
            while (p[1] == '%') {
                p++;
            }
        } else if (*p == '_') {
            s.n_single++;
        } else {
            p += *p == '\\' && p[1] != '\0';
            s.n_plain++;
        }
    }
    s.n_single = MIN(s.n_single, (unsigned)RUNS_MAX);
    s.n_runs = MIN(s.n_runs, (unsigned)RUNS_MAX);
    return s;
}

/*
 * A % takes as many characters as are left of the longest name, so that counts most; without one,
 * or when there are more _ than that, each of these.
 */
static void set_rank(struct user_host *host)
{
    struct shape s = shape_of(host->text);
    unsigned used = MIN(s.n_plain + s.n_single, (unsigned)USER_HOST_MAX);
    unsigned open = s.n_runs > 0 ? USER_HOST_MAX - used : 0;
    bool is_open = open > s.n_single;
    const unsigned rank[] = {is_open ? open : s.n_single, is_open ? 1 : 0,
                             is_open ? s.n_runs : open, is_open ? s.n_single : s.n_runs,
                             s.n_prefix};

    for (size_t i = 0; i < ARRAY_SIZE(rank); i++) {
        host->rank[i] = (uint16_t)rank[i];
    }
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool read_ipv4(const char *text, size_t len, uint32_t *out)
{
    char copy[INET_ADDRSTRLEN];
    struct in_addr address;

    if (len >= sizeof(copy)) {
        return false;
    }
    (void)snprintf(copy, sizeof(copy), "%.*s", (int)len, text);
    if (inet_pton(AF_INET, copy, &address) != 1) {
        return false;
    }
    *out = ntohl(address.s_addr);
    return true;
}

void user_host_read(struct user_host *host, const char *text)
{
    const char *slash = strchr(text, '/');

    *host = (struct user_host){.text = text};
    if (text[0] == '\0') {
        host->text = "%";
    }
    host->has_mask = slash != NULL && read_ipv4(text, (size_t)(slash - text), &host->address) &&
                     read_ipv4(slash + 1, strlen(slash + 1), &host->mask) &&
                     host->mask != 0; /* 0.0.0.0/0.0.0.0 is nobody's (10.11) */
    set_rank(host);
}

/* --- matching --------------------------------------------------------------------------------- */

/* Case is ignored; on a mismatch the last % takes one character more. */
static bool is_like(const char *pattern, const char *text)
{
    const char *run = NULL, *taken = NULL;

    while (*text != '\0') {
        const char *p = pattern;
        bool is_plain = *p != '%' && *p != '_';

        if (*p == '%') {
            run = ++pattern;
            taken = text;
            continue;
        }
        p += *p == '\\' && p[1] != '\0';
        if (*p != '\0' && (!is_plain || strncasecmp(p, text, 1) == 0)) {
            pattern = p + 1;
            text++;
        } else if (run != NULL) {
            pattern = run;
            text = ++taken;
        } else {
            return false;
        }
    }
    while (*pattern == '%') {
        pattern++;
    }
    return *pattern == '\0';
}

static bool is_loopback(const char *peer)
{
    return strcmp(peer, "127.0.0.1") == 0 || strcmp(peer, "::1") == 0;
}

bool user_host_fits(const struct user_host *host, const char *peer, bool is_resolved)
{
    uint32_t address;

    if (strncasecmp(peer, "::ffff:", 7) == 0 && strchr(peer, '.') != NULL) {
        peer += 7; /* IPv4 that came by a socket of IPv6 */
    }
    if (host->has_mask) {
        return read_ipv4(peer, strlen(peer), &address) && (address & host->mask) == host->address;
    }
    return is_like(host->text, peer) ||
           (is_resolved && is_loopback(peer) && is_like(host->text, "localhost"));
}

int user_host_compare(const struct user_host *a, const struct user_host *b)
{
    for (size_t i = 0; i < ARRAY_SIZE(a->rank); i++) {
        if (a->rank[i] != b->rank[i]) {
            return a->rank[i] < b->rank[i] ? -1 : 1;
        }
    }
    return strcmp(b->text, a->text);
}

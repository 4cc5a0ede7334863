/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth_check.c - see auth_check.h.
 */
#include "protocol/auth_check.h"

#include <openssl/crypto.h>

#define MORE_FAST_IS_RIGHT SLICE("\x03")
#define MORE_SEND_PASSWORD SLICE("\x04")
#define ASKS_FOR_THE_KEY   SLICE("\x02")

/* What one answer is about. */
struct answer {
    struct auth_check *check;
    const struct secret *secret;
    const struct auth_line *line;
    struct writer *out;
    uint8_t *sequence;
    struct auth_learnt *learnt;
};

void auth_check_salt(struct auth_check *a)
{
    auth_random_salt(a->salt);
}

enum way { WAY_NATIVE, WAY_SHA2, WAY_ED25519, WAY_CLEAR, WAY_NONE };

/* In the order of preference. */
static const char *const plugins[] = {[WAY_NATIVE] = PLUGIN_NATIVE,
                                      [WAY_SHA2] = PLUGIN_SHA2,
                                      [WAY_ED25519] = PLUGIN_ED25519,
                                      [WAY_CLEAR] = PLUGIN_CLEAR};

static enum way way_of(const char *plugin)
{
    unsigned way = 0;

    while (way < WAY_NONE && plugins[way] != plugin) {
        way++;
    }
    return (enum way)way;
}

void auth_check_named(struct auth_check *a, struct slice plugin)
{
    a->plugin = plugin.len == 0 ? plugins[WAY_NATIVE] : NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(plugins); i++) {
        if (slice_eq(plugin, slice_of(plugins[i]))) {
            a->plugin = plugins[i];
        }
    }
}

/* Nothing but a clear password would serve for logins to nodes. */
static bool needs_clear(const struct secret *s)
{
    return s->has_ed25519_key && !s->has_ed25519_hash && !s->has_clear && !s->has_stage2 &&
           !s->has_sha2 && !s->is_empty;
}

/* BITs of the ways by which the password can be checked. */
static unsigned ways_of(const struct secret *s, const struct auth_line *line)
{
    unsigned ways = line->is_private ? BIT(WAY_CLEAR) : 0;

    ways |= s->has_stage2 || s->is_empty ? BIT(WAY_NATIVE) : 0;
    ways |= s->has_clear || s->has_sha2 || s->is_empty ? BIT(WAY_SHA2) : 0;
    ways |= s->has_ed25519_key || s->has_clear ? BIT(WAY_ED25519) : 0;
    return line->is_private && needs_clear(s) ? BIT(WAY_CLEAR) : ways;
}

static enum way best_of(unsigned ways)
{
    unsigned way = 0;

    while (way < WAY_NONE && (ways & BIT(way)) == 0) {
        way++;
    }
    return (enum way)way;
}

static void ask(struct auth_check *a, enum way way, struct writer *out, uint8_t *sequence)
{
    a->plugin = plugins[way];
    a->step = AUTH_SWITCHED;
    a->asked |= (uint8_t)BIT(way);
    if (way == WAY_ED25519) {
        ed25519_random_nonce(a->nonce);
        auth_switch_encode_data(out, slice_of(a->plugin),
                                (struct slice){(const char *)a->nonce, sizeof(a->nonce)},
                                (*sequence)++);
    } else {
        auth_switch_encode(out, slice_of(a->plugin), a->salt, (*sequence)++);
    }
}

void auth_check_switch(struct auth_check *a, const struct secret *secret,
                       const struct auth_line *line, struct writer *out, uint8_t *sequence)
{
    static const struct secret any = {.is_empty = true, .has_ed25519_key = true};
    unsigned ways = ways_of(secret == NULL ? &any : secret, line);
    enum way named = way_of(a->plugin);

    if (named == WAY_NONE || (ways & BIT(named)) == 0) {
        named = best_of(ways);
    }
    ask(a, named == WAY_NONE ? WAY_NATIVE : named, out, sequence);
}

static enum auth_verdict verdict(bool is_right)
{
    return is_right ? AUTH_RIGHT : AUTH_WRONG;
}

static void send_more(const struct answer *a, struct slice data)
{
    auth_more_encode(a->out, data, (*a->sequence)++);
    CHECK(!a->out->failed); /* the longest is our own key */
}

static enum auth_verdict check_native(const struct answer *a, struct slice response)
{
    struct auth_learnt *learnt = a->learnt;

    learnt->with_password = response.len > 0;
    if (a->secret->is_empty || response.len == 0) {
        return verdict(a->secret->is_empty && response.len == 0);
    }
    learnt->has_stage1 = native_check(learnt->stage1, a->secret->stage2, a->check->salt, response);
    return verdict(learnt->has_stage1);
}

/* A stored $A$ form has only the full path, until a client has shown the password. */
static enum auth_verdict check_sha2(const struct answer *a, struct slice response)
{
    a->learnt->with_password = response.len > 1;
    if (a->secret->is_empty || response.len <= 1) {
        return verdict(a->secret->is_empty && response.len <= 1);
    }
    if (!a->secret->has_sha2_fast) {
        a->check->step = AUTH_FULL;
        send_more(a, MORE_SEND_PASSWORD);
        return AUTH_MORE;
    }
    if (!sha2_check_fast(a->secret->sha2_fast, a->check->salt, response)) {
        return AUTH_WRONG;
    }
    send_more(a, MORE_FAST_IS_RIGHT);
    return AUTH_RIGHT;
}

/*
 * The clear password, by whichever way it came. The configuration may have changed since it was
 * asked for.
 */
static enum auth_verdict check_clear(const struct answer *a, struct slice clear)
{
    bool is_right;

    if (clear.len > 0 && clear.data[clear.len - 1] == '\0') {
        clear.len--;
    }
    a->learnt->with_password = clear.len > 0;
    is_right = secret_fits_clear(a->secret, clear);
    if (is_right) {
        a->learnt->clear = clear;
    }
    return verdict(is_right);
}

static enum auth_verdict check_ed25519(const struct answer *a, struct slice response)
{
    const struct secret *s = a->secret;
    struct secret derived = {.has_ed25519_key = false};

    if (s->has_ed25519_key) {
        return verdict(ed25519_check(s->ed25519_key, a->check->nonce, response));
    }
    secret_learn_ed25519(&derived, slice_of(s->clear));
    return verdict(ed25519_check(derived.ed25519_key, a->check->nonce, response));
}

static enum auth_verdict full_path(const struct answer *a, struct slice data)
{
    const struct rsa_key *rsa = a->line->rsa;
    uint8_t *clear = a->learnt->bytes;
    size_t len;

    if (a->check->step == AUTH_FULL && a->line->is_private) {
        return check_clear(a, data);
    }
    if (rsa != NULL && a->check->step == AUTH_FULL && slice_eq(data, ASKS_FOR_THE_KEY)) {
        a->check->step = AUTH_KEY;
        send_more(a, rsa_key_pem(rsa));
        return AUTH_MORE;
    }
    if (rsa == NULL || rsa_decrypt(rsa, data, clear, &len) != 0) {
        return AUTH_WRONG; /* clear text on an open line is refused too */
    }
    sha2_unmask(clear, len, a->check->salt);
    return check_clear(a, (struct slice){(const char *)clear, len});
}

static enum auth_verdict check_by(enum way way, const struct answer *a, struct slice response)
{
    switch (way) {
    case WAY_NATIVE: return check_native(a, response);
    case WAY_SHA2: return check_sha2(a, response);
    case WAY_ED25519: return check_ed25519(a, response);
    case WAY_CLEAR: return check_clear(a, response);
    case WAY_NONE: break;
    }
    UNREACHABLE();
}

enum auth_verdict auth_check_answer(struct auth_check *check, const struct secret *secret,
                                    const struct auth_line *line, struct slice response,
                                    struct writer *out, uint8_t *sequence,
                                    struct auth_learnt *learnt)
{
    struct answer a = {check, secret, line, out, sequence, learnt};
    enum way way = way_of(check->plugin), next = way;
    unsigned ways = ways_of(secret, line);
    bool serves = (ways & BIT(way)) != 0;
    /*
     * What came with the login is about the greeting's salt, which nobody signs by ed25519. When
     * the greeting names another plugin, Connector/C (3.3) sends nothing before it has data for its
     * own; no password would be one zero.
     */
    bool has_nonce =
        check->step != AUTH_RESPONSE ||
        (way != WAY_ED25519 && (way != WAY_SHA2 || response.len > 0 || secret->is_empty));

    *learnt = (struct auth_learnt){.with_password = true};
    if (check->step >= AUTH_FULL) {
        return full_path(&a, response);
    }
    if (serves && has_nonce) {
        enum auth_verdict verdict = check_by(way, &a, response);

        if (verdict != AUTH_WRONG || !secret->is_either) {
            return verdict;
        }
    }
    if (!serves || has_nonce) {
        check->asked |= (uint8_t)(way == WAY_NONE ? 0 : BIT(way));
        next = best_of(ways & ~(unsigned)check->asked);
    }
    if (next == WAY_NONE) {
        return AUTH_WRONG;
    }
    ask(check, next, out, sequence);
    return AUTH_MORE;
}

void auth_learnt_wipe(struct auth_learnt *learnt)
{
    OPENSSL_cleanse(learnt, sizeof(*learnt));
}

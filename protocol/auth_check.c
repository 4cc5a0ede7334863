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

void auth_check_named(struct auth_check *a, struct slice plugin)
{
    a->plugin = NULL;
    if (plugin.len == 0 || slice_eq(plugin, SLICE(PLUGIN_NATIVE))) {
        a->plugin = PLUGIN_NATIVE;
    } else if (slice_eq(plugin, SLICE(PLUGIN_SHA2))) {
        a->plugin = PLUGIN_SHA2;
    }
}

void auth_check_switch(struct auth_check *a, const char *plugin, struct writer *out,
                       uint8_t *sequence)
{
    a->plugin = plugin == NULL ? PLUGIN_NATIVE : plugin;
    a->step = AUTH_SWITCHED;
    auth_check_salt(a);
    auth_switch_encode(out, slice_of(a->plugin), a->salt, (*sequence)++);
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
    const struct secret *s = a->secret;
    bool is_right;

    if (clear.len > 0 && clear.data[clear.len - 1] == '\0') {
        clear.len--;
    }
    if (s->has_clear) {
        is_right =
            clear.len == strlen(s->clear) && CRYPTO_memcmp(clear.data, s->clear, clear.len) == 0;
    } else {
        is_right = s->has_sha2 && sha2_check_full(s->sha2, clear);
    }
    if (is_right) {
        a->learnt->clear = clear;
    }
    return verdict(is_right);
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

enum auth_verdict auth_check_answer(struct auth_check *check, const struct secret *secret,
                                    const struct auth_line *line, struct slice response,
                                    struct writer *out, uint8_t *sequence,
                                    struct auth_learnt *learnt)
{
    struct answer a = {check, secret, line, out, sequence, learnt};
    const char *plugin = check->plugin;
    bool by_native = secret->has_stage2 || secret->is_empty;
    bool by_sha2 = secret->has_clear || secret->has_sha2 || secret->is_empty;

    *learnt = (struct auth_learnt){.with_password = true};
    if (check->step >= AUTH_FULL) {
        return full_path(&a, response);
    }
    if (plugin != NULL && strcmp(plugin, PLUGIN_NATIVE) == 0 && by_native) {
        return check_native(&a, response);
    }
    if (plugin != NULL && strcmp(plugin, PLUGIN_SHA2) == 0 && by_sha2) {
        return check_sha2(&a, response);
    }
    if (check->step != AUTH_RESPONSE) {
        return AUTH_WRONG;
    }
    auth_check_switch(check, by_native ? PLUGIN_NATIVE : PLUGIN_SHA2, out, sequence);
    return AUTH_MORE;
}

void auth_learnt_wipe(struct auth_learnt *learnt)
{
    OPENSSL_cleanse(learnt, sizeof(*learnt));
}

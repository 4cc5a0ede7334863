/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn.c - see learn.h.
 */
#include "proxy/learn.h"

#include "base/mem.h"
#include "protocol/caps.h"
#include "protocol/packet.h"

#define TEXT_MAX 1024
#define KEY_MAX  (TEXT_MAX + sizeof(void *) + sizeof(uint64_t) + sizeof(uint32_t))

void learnt_init(struct learnt *l, struct profiles *profiles)
{
    *l = (struct learnt){.profiles = profiles};
    map_init(&l->sets, MEM_ANSWER, LEARN_MAX);
    map_init(&l->answers, MEM_ANSWER, LEARN_MAX);
}

static void free_set(struct learnt *l, struct learnt_set *set)
{
    profile_unref(l->profiles, set->from);
    profile_unref(l->profiles, set->to);
    mem_free(MEM_ANSWER, set);
}

static void empty_sets(struct learnt *l)
{
    struct learnt_set *set;
    size_t pos = 0;

    while ((set = map_next(&l->sets, &pos)) != NULL) {
        free_set(l, set);
    }
    map_fini(&l->sets);
    map_init(&l->sets, MEM_ANSWER, LEARN_MAX);
}

static void empty_answers(struct learnt *l)
{
    struct learnt_answer *answer;
    size_t pos = 0;

    while ((answer = map_next(&l->answers, &pos)) != NULL) {
        mem_free(MEM_ANSWER, answer);
    }
    map_fini(&l->answers);
    map_init(&l->answers, MEM_ANSWER, LEARN_MAX);
}

void learnt_fini(struct learnt *l)
{
    empty_sets(l);
    empty_answers(l);
    map_fini(&l->sets);
    map_fini(&l->answers);
}

/*
 * Whose (an account, or the hostgroup of some), in which form, under which variables, what. 0 when
 * the text is too long to be kept.
 */
static size_t make_key(char key[KEY_MAX], uint64_t whose, uint64_t caps,
                       const struct profile *profile, struct slice text)
{
    uint64_t form = caps & CAPS_OF_FORM;
    size_t n = 0;

    if (text.len > TEXT_MAX) {
        return 0;
    }
    memcpy(key, &whose, sizeof(whose));
    n += sizeof(whose);
    memcpy(key + n, &form, sizeof(form));
    n += sizeof(form);
    memcpy(key + n, &profile->id, sizeof(profile->id));
    n += sizeof(profile->id);
    memcpy(key + n, text.data, text.len);
    return n + text.len;
}

const struct learnt_set *learnt_set_find(struct learnt *l, const void *account,
                                         const struct profile *from, struct slice text,
                                         uint64_t now_ms)
{
    char key[KEY_MAX];
    size_t len = make_key(key, (uintptr_t)account, 0, from, text);
    struct learnt_set *set = len == 0 ? NULL : map_get(&l->sets, (struct slice){key, len});

    return set != NULL && now_ms < set->until_ms ? set : NULL;
}

void learnt_set_keep(struct learnt *l, const void *account, struct profile *from, struct slice text,
                     struct profile *to, struct set_said said, uint64_t now_ms)
{
    char key[KEY_MAX];
    size_t len = make_key(key, (uintptr_t)account, 0, from, text);
    struct learnt_set *set;

    if (len == 0) {
        return;
    }
    set = map_remove(&l->sets, (struct slice){key, len});
    if (set != NULL) {
        free_set(l, set);
    }
    if (l->sets.count == LEARN_MAX) {
        empty_sets(l);
    }
    set = mem_try(MEM_ANSWER, sizeof(*set) + len + said.changes.len);
    if (set == NULL) {
        return;
    }
    *set = (struct learnt_set){.from = profile_ref(from),
                               .to = profile_ref(to),
                               .until_ms = now_ms + LEARN_TTL_MS,
                               .said = said,
                               .key_len = len};
    memcpy(set->key, key, len);
    if (said.changes.data != NULL) {
        set->said.changes.data = set->key + len;
        memcpy(set->key + len, said.changes.data, said.changes.len);
    }
    if (map_put(&l->sets, (struct slice){set->key, len}, set) != 0) {
        free_set(l, set);
    }
}

const struct learnt_answer *learnt_answer_find(struct learnt *l, int hostgroup, uint64_t caps,
                                               const struct profile *profile, struct slice text,
                                               uint64_t now_ms)
{
    char key[KEY_MAX];
    size_t len = make_key(key, (uint64_t)hostgroup, caps, profile, text);
    struct learnt_answer *answer = len == 0 ? NULL : map_get(&l->answers, (struct slice){key, len});

    return answer != NULL && now_ms < answer->until_ms ? answer : NULL;
}

/*
 * Offsets of the n status words: column count, columns, EOF, one row, EOF and nothing else; or
 * without the first EOF and with an OK at the end, where the status is as far behind 0xfe.
 */
static bool find_status(const uint8_t *bytes, size_t len, unsigned n, uint16_t status_at[2])
{
    size_t at = 0;
    unsigned n_ends = 0;

    while (at + PACKET_HEADER + 1 <= len && n_ends < n) {
        uint32_t payload = packet_length(bytes + at);

        if (at + PACKET_HEADER + payload > len || bytes[at + PACKET_HEADER] == 0xff) {
            return false;
        }
        if (payload == (n == 1 ? 7 : 5) && bytes[at + PACKET_HEADER] == 0xfe) {
            status_at[n_ends++] = (uint16_t)(at + PACKET_HEADER + 3);
        }
        at += PACKET_HEADER + payload;
    }
    return n_ends == n && at == len && bytes[0] == 1 && bytes[PACKET_HEADER] != 0;
}

void learnt_answer_keep(struct learnt *l, int hostgroup, uint64_t caps,
                        const struct profile *profile, struct slice text, struct slice reply,
                        uint64_t now_ms)
{
    const uint8_t n_status = (caps & CAP_DEPRECATE_EOF) != 0 ? 1 : 2;
    char key[KEY_MAX];
    size_t key_len = make_key(key, (uint64_t)hostgroup, caps, profile, text);
    struct learnt_answer *answer;
    uint16_t status_at[2] = {0};

    if (key_len == 0 || reply.len > LEARN_ANSWER_MAX ||
        !find_status((const uint8_t *)reply.data, reply.len, n_status, status_at)) {
        return;
    }
    mem_free(MEM_ANSWER, map_remove(&l->answers, (struct slice){key, key_len}));
    if (l->answers.count == LEARN_MAX) {
        empty_answers(l);
    }
    answer = mem_try(MEM_ANSWER, sizeof(*answer) + key_len + reply.len);
    if (answer == NULL) {
        return;
    }
    *answer = (struct learnt_answer){.until_ms = now_ms + LEARN_TTL_MS,
                                     .len = reply.len,
                                     .n_status = n_status,
                                     .status_at = {status_at[0], status_at[1]},
                                     .key_len = key_len};
    memcpy(answer->key, key, key_len);
    answer->bytes = (uint8_t *)answer->key + key_len;
    memcpy(answer->bytes, reply.data, reply.len);
    if (map_put(&l->answers, (struct slice){answer->key, key_len}, answer) != 0) {
        mem_free(MEM_ANSWER, answer);
    }
}

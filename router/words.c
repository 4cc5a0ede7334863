/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.c - looks words up.
 */
#include "router/words.h"

#include "router/words_table.h"

_Static_assert(ARRAY_SIZE(word_rows) < UINT16_MAX, "a slot holds a row's number");

/*
 * Setting 0x20 makes ASCII letters lower case. It maps no other byte that an identifier may have
 * to a letter; '_' becomes 0x7f on both sides of the comparison.
 */
#define FOLD UINT64_C(0x2020202020202020)

static uint64_t load_8(const char *p)
{
    uint64_t bytes;

    memcpy(&bytes, p, sizeof(bytes));
    return bytes | FOLD;
}

static uint32_t load_4(const char *p)
{
    uint32_t bytes;

    memcpy(&bytes, p, sizeof(bytes));
    return bytes | (uint32_t)FOLD;
}

static bool is_row(const struct word_row *row, const char *text, size_t len)
{
    size_t i = 0;

    if (row->len != len) {
        return false;
    }
    for (; len - i >= 8; i += 8) {
        if (load_8(text + i) != load_8(row->text + i)) {
            return false;
        }
    }
    if (len >= 8) {
        return load_8(text + (len - 8)) == load_8(row->text + (len - 8));
    }
    if (len >= 4) {
        return load_4(text) == load_4(row->text) &&
               load_4(text + (len - 4)) == load_4(row->text + (len - 4));
    }
    while (i < len && (text[i] | 0x20) == (row->text[i] | 0x20)) {
        i++;
    }
    return i == len;
}

struct word word_find(const char *text, size_t len)
{
    const unsigned char *b = (const unsigned char *)text;
    uint32_t key;
    uint32_t slot;

    if (len == 0 || len > WORD_LONGEST) {
        return (struct word){WORD_NONE, 0};
    }
    key = (uint32_t)b[0] | (uint32_t)b[len / 2] << 8 | (uint32_t)b[len - 1] << 16 |
          (uint32_t)b[len / 3] << 24;
    key |= (uint32_t)FOLD;
    key ^= (uint32_t)(b[MIN((size_t)1, len - 1)] | 0x20) << 13 ^ (uint32_t)len << 5;
    slot = (key * UINT32_C(0x9e3779b1)) >> 21;
    for (; word_slots[slot] != 0; slot = (slot + 1) % WORD_SLOTS) {
        const struct word_row *row = &word_rows[word_slots[slot]];

        if (is_row(row, text, len)) {
            return (struct word){row->id, row->flags};
        }
    }
    return (struct word){WORD_NONE, 0};
}

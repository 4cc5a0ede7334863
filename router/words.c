/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.c - looks words up.
 */
#include "router/words.h"

#include "router/words_table.h"

_Static_assert(ARRAY_SIZE(word_rows) < UINT16_MAX, "a slot holds a row's number");

/*
 * Setting 0x20 makes ASCII letters lower case. It maps no other byte that an identifier may have to a
 * letter; '_' becomes 0x7f on both sides of the comparison.
 */
static bool is_row(const struct word_row *row, const unsigned char *text, size_t len)
{
    if (row->len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((text[i] | 0x20) != ((unsigned char)row->text[i] | 0x20)) {
            return false;
        }
    }
    return true;
}

struct word word_find(const char *text, size_t len)
{
    const unsigned char *b = (const unsigned char *)text;
    uint32_t key;
    uint32_t slot;

    if (len == 0 || len > WORD_LONGEST) {
        return (struct word){WORD_NONE, 0};
    }
    key = (uint32_t)(b[0] | 0x20) | (uint32_t)(b[len / 2] | 0x20) << 8 |
          (uint32_t)(b[len - 1] | 0x20) << 16 | (uint32_t)(b[len / 3] | 0x20) << 24;
    key ^= (uint32_t)(b[MIN((size_t)1, len - 1)] | 0x20) << 13 ^ (uint32_t)len << 5;
    slot = (key * UINT32_C(0x9e3779b1)) >> 21;
    for (; word_slots[slot] != 0; slot = (slot + 1) % WORD_SLOTS) {
        const struct word_row *row = &word_rows[word_slots[slot]];

        if (is_row(row, b, len)) {
            return (struct word){row->id, row->flags};
        }
    }
    return (struct word){WORD_NONE, 0};
}

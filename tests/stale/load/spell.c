/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spell - statements as text: many ways to name one row.
 */
#include <stdarg.h>
#include <string.h>

#include "tests/stale/load/stale.h"

const char *spell_table(struct visitor *visitor, unsigned site, const char *table, char *out,
                        size_t cap)
{
    struct rng *rng = &visitor->load->rng;

    if (site == visitor->home && rng_below(rng, 32) != 0) {
        (void)snprintf(out, cap, rng_below(rng, 16) == 0 ? "`%s`" : "%s", table);
        return out;
    }
    switch (rng_below(rng, 6)) {
    case 0: (void)snprintf(out, cap, "`stale_%u`.`%s`", site, table); break;
    case 1: (void)snprintf(out, cap, "stale_%u . %s", site, table); break;
    case 2: (void)snprintf(out, cap, "stale_%u./* wp_posts */%s", site, table); break;
    default: (void)snprintf(out, cap, "stale_%u.%s", site, table); break;
    }
    return out;
}

void spell_option(struct visitor *visitor, const struct reg *reg, bool plain, char *out, size_t cap)
{
    const char letter = reg->kind == REGISTER_OPTION ? 'k' : 'x';
    const unsigned n = reg->number;

    switch (rng_below(&visitor->load->rng, 32) + (plain ? 32 : 0)) {
    case 32:
    case 0: (void)snprintf(out, cap, "'%c_%u'", letter - 'a' + 'A', n); break;
    case 33:
    case 1: (void)snprintf(out, cap, "'%c_%u  '", letter, n); break;
    case 34:
    case 2: (void)snprintf(out, cap, "\"%c_%u\"", letter, n); break;
    case 3: (void)snprintf(out, cap, "'%c' '_%u'", letter, n); break;
    case 4: (void)snprintf(out, cap, "0x%02x5f%02x", (unsigned)letter, '0' + n); break;
    case 5: (void)snprintf(out, cap, "_utf8mb4'%c_%u'", letter, n); break;
    /* The collation does not see the accent; there is none like it of the other letter. */
    case 6: (void)snprintf(out, cap, "'%s_%u'", letter == 'k' ? "\xc4\xb7" : "x", n); break;
    case 7: (void)snprintf(out, cap, "CONCAT('%c_', %u)", letter, n); break;
    case 35:
    case 8: (void)snprintf(out, cap, "/* '%c_9' */ '%c_%u'", letter, letter, n); break;
    case 9: (void)snprintf(out, cap, "'\\%c_%u'", letter, n); break;
    default: (void)snprintf(out, cap, "'%c_%u'", letter, n); break;
    }
}

struct step *step_add(struct operation *operation, enum shape shape, const char *format, ...)
{
    struct step *step = &operation->steps[operation->n_steps++];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(step->text, sizeof(step->text), format, args);
    va_end(args);
    step->command = WIRE_COM_QUERY;
    step->shape = shape;
    step->len = len < 0 ? 0 : (size_t)len;
    return step;
}

static size_t put_u32(char *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        out[i] = (char)(uint8_t)(value >> (8 * i));
    }
    return 4;
}

void step_add_execute(struct operation *operation, enum shape shape, uint32_t id,
                      const char *const *texts, unsigned n)
{
    struct step *step = &operation->steps[operation->n_steps++];
    char *at = step->text;

    step->command = WIRE_COM_STMT_EXECUTE;
    step->shape = shape;
    at += put_u32(at, id);
    *at++ = 0; /* no cursor */
    at += put_u32(at, 1);
    *at++ = 0; /* none of the (at most eight) parameters is NULL */
    *at++ = 1; /* their types follow: VAR_STRING */
    for (unsigned i = 0; i < n; i++) {
        *at++ = (char)0xfd;
        *at++ = 0;
    }
    for (unsigned i = 0; i < n; i++) {
        const size_t len = strlen(texts[i]);

        *at++ = (char)(uint8_t)len;
        memcpy(at, texts[i], len);
        at += len;
    }
    step->len = (size_t)(at - step->text);
}

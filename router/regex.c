/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex.c - PCRE2 with bounds.
 *
 * JIT code counts how often it starts and how often it goes round a group, but not how often `.*`
 * gives back a character: with k of these, n bytes of text may cost n to the power of k + 1. So
 * each regex knows the length of text up to which that is cheap; longer texts go to the
 * interpreter, which counts every step.
 */
#include "router/regex.h"

#include <stdio.h>

#include "base/mem.h"
#include "router/literal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define JIT_STEPS     UINT64_C(100000000) /* a tenth of a second, or two */
#define LIMIT_BYTES   (UINT32_C(1) << 30) /* steps times bytes: each step may look at all of them */
#define LIMIT_LEAST   10000
#define LIMIT_MOST    200000
#define HEAP_KIB      4096
#define JIT_STACK     ((size_t)32 << 10)
#define JIT_STACK_MAX ((size_t)512 << 10)

struct regex {
    pcre2_code *code;
    size_t jit_longest; /* bytes of text */
    uint32_t groups;
    uint32_t n_probes;
    uint16_t probes[REGEX_PROBES]; /* bits of the sieve */
};

struct regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* --- memory: counted as the router's --------------------------------------------------------- */

static void *take_memory(size_t size, void *unused)
{
    (void)unused;
    return mem_try(MEM_ROUTER, size);
}

static void give_memory(void *block, void *unused)
{
    (void)unused;
    mem_free(MEM_ROUTER, block);
}

/* --- compiling ------------------------------------------------------------------------------- */

/*
 * How many repeats without an upper bound a pattern has, at most. A sign that stands for itself
 * counts as well: too many only means that the interpreter takes over sooner.
 */
static unsigned count_repeats(const char *pattern)
{
    unsigned n = 0;
    char before = '(';

    for (; *pattern != '\0'; before = *pattern++) {
        if (*pattern == '\\' && pattern[1] != '\0') {
            pattern++;
        } else if (strchr("*+{", *pattern) != NULL ||
                   (*pattern == '?' && strchr("*+?}", before) == NULL)) {
            n++; /* also x?, and whatever begins with (? */
        }
    }
    return n;
}

/* The length n for which n to the power of repeats (and one for the start) is JIT_STEPS. */
static size_t jit_longest(const char *pattern)
{
    unsigned power = count_repeats(pattern) + (pattern[0] == '^' ? 0 : 1);
    size_t longest = REGEX_TEXT_MAX;

    while (longest > 1) {
        uint64_t steps = 1;

        for (unsigned i = 0; i < power && steps <= JIT_STEPS; i++) {
            steps *= longest;
        }
        if (steps <= JIT_STEPS) {
            break;
        }
        longest -= longest / 16 + 1;
    }
    return longest;
}

static uint16_t probe_of(unsigned char a, unsigned char b)
{
    uint32_t x = ((uint32_t)a << 8 | b) * UINT32_C(0x9e3779b1);

    return (uint16_t)(x >> 20); /* 12 bits: REGEX_SIEVE_BITS */
}

static unsigned char fold(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* The pairs of bytes of the longest piece of text that every match has. */
static void find_probes(struct regex *regex, const char *pattern)
{
    char literal[LITERAL_MAX];
    size_t n = literal_of(pattern, literal);

    /* From its end: "secret" begins as SELECT does. */
    for (size_t i = n; i > 1 && regex->n_probes < REGEX_PROBES; i--) {
        regex->probes[regex->n_probes++] = probe_of(fold(literal[i - 2]), fold(literal[i - 1]));
    }
}

static pcre2_code *compile(const char *pattern, uint32_t options, char why[REGEX_WHY])
{
    pcre2_general_context *general = pcre2_general_context_create(take_memory, give_memory, NULL);
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    PCRE2_UCHAR text[200];
    size_t offset = 0;
    int error = 0;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern), options, &error, &offset, context);

    if (code == NULL) {
        (void)pcre2_get_error_message(error, text, sizeof(text));
        (void)snprintf(why, REGEX_WHY, "at offset %zu: %s", offset, (const char *)text);
    } else {
        /* Without JIT it is slower, and that is all. */
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    }
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    return code;
}

struct regex *regex_new(const char *pattern, bool caseless, char why[REGEX_WHY])
{
    /*
     * A \C would let a match end inside of what \K and others rely on; nobody needs it for bytes.
     */
    uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | (caseless ? PCRE2_CASELESS : 0);
    pcre2_code *code = compile(pattern, options, why);
    struct regex *regex;

    if (code == NULL) {
        return NULL;
    }
    regex = mem_new(MEM_ROUTER, sizeof(*regex));
    regex->code = code;
    regex->jit_longest = jit_longest(pattern);
    (void)pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    find_probes(regex, pattern);
    return regex;
}

void regex_free(struct regex *regex)
{
    if (regex != NULL) {
        pcre2_code_free(regex->code);
        mem_free(MEM_ROUTER, regex);
    }
}

/* --- matching -------------------------------------------------------------------------------- */

struct regex_scratch *regex_scratch_new(void)
{
    struct regex_scratch *scratch = mem_new(MEM_ROUTER, sizeof(*scratch));
    pcre2_general_context *general = pcre2_general_context_create(take_memory, give_memory, NULL);

    scratch->data = pcre2_match_data_create(REGEX_GROUPS, general);
    scratch->context = pcre2_match_context_create(general);
    scratch->stack = pcre2_jit_stack_create(JIT_STACK, JIT_STACK_MAX, general);
    pcre2_general_context_free(general);
    if (scratch->context != NULL) {
        (void)pcre2_set_heap_limit(scratch->context, HEAP_KIB);
        if (scratch->stack != NULL) {
            pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
        }
    }
    return scratch;
}

void regex_scratch_free(struct regex_scratch *scratch)
{
    if (scratch != NULL) {
        pcre2_match_data_free(scratch->data);
        pcre2_match_context_free(scratch->context);
        pcre2_jit_stack_free(scratch->stack);
        mem_free(MEM_ROUTER, scratch);
    }
}

void regex_sieve_fill(struct regex_sieve *sieve, struct slice text)
{
    size_t n = MIN(text.len, (size_t)REGEX_TEXT_MAX);
    unsigned char before;

    memset(sieve, 0, sizeof(*sieve));
    if (n == 0) {
        return;
    }
    before = fold(text.data[0]);
    for (size_t i = 1; i < n; i++) {
        unsigned char c = fold(text.data[i]);
        uint16_t bit = probe_of(before, c);

        sieve->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
        before = c;
    }
}

bool regex_may_match(const struct regex *regex, const struct regex_sieve *sieve)
{
    for (uint32_t i = 0; i < regex->n_probes; i++) {
        uint16_t bit = regex->probes[i];

        if ((sieve->bits[bit / 64] >> (bit % 64) & 1) == 0) {
            return false;
        }
    }
    return true;
}

/* match_at - from this place on. A text that was cut has no end that $ could mean. */
static enum regex_result match_at(const struct regex *regex, struct regex_scratch *scratch,
                                  struct slice text, size_t start, uint32_t options)
{
    size_t n = MIN(text.len, (size_t)REGEX_TEXT_MAX);
    uint32_t limit = (uint32_t)(LIMIT_BYTES / MAX(n, 1));
    int rc;

    if (scratch->data == NULL || scratch->context == NULL) {
        return REGEX_LIMIT;
    }
    options |= n < text.len ? PCRE2_NOTEOL : 0;
    options |= n > regex->jit_longest ? PCRE2_NO_JIT : 0;
    (void)pcre2_set_match_limit(scratch->context, MIN(MAX(limit, LIMIT_LEAST), LIMIT_MOST));
    rc = pcre2_match(regex->code, (PCRE2_SPTR)(n == 0 ? "" : text.data), n, start, options,
                     scratch->data, scratch->context);
    if (rc == PCRE2_ERROR_NOMATCH) {
        return REGEX_NO;
    }
    return rc >= 0 ? REGEX_YES : REGEX_LIMIT;
}

enum regex_result regex_match(const struct regex *regex, struct regex_scratch *scratch,
                              struct slice text)
{
    return match_at(regex, scratch, text, 0, 0);
}

/* --- replacing ------------------------------------------------------------------------------- */

const char *regex_check_replacement(const struct regex *regex, const char *replacement)
{
    for (; *replacement != '\0'; replacement++) {
        if (*replacement != '\\') {
            continue;
        }
        replacement++;
        if (*replacement >= '0' && *replacement <= '9') {
            if ((unsigned)(*replacement - '0') > regex->groups) {
                return "names a group that match_pattern does not have";
            }
        } else if (*replacement != '\\') {
            return "has a backslash in front of neither a digit nor a backslash";
        }
    }
    return NULL;
}

/* What is being written; is_full: it did not fit. */
struct sink {
    char *out;
    size_t cap;
    size_t len;
    bool is_full;
};

static void put(struct sink *sink, const char *text, size_t n)
{
    if (sink->is_full || n > sink->cap - sink->len) {
        sink->is_full = true;
        return;
    }
    if (n > 0) {
        memcpy(sink->out + sink->len, text, n);
        sink->len += n;
    }
}

static void put_replacement(struct sink *sink, const char *replacement, struct slice text,
                            const pcre2_match_data *data, unsigned groups)
{
    const size_t *found = pcre2_get_ovector_pointer((pcre2_match_data *)(uintptr_t)data);

    for (; *replacement != '\0'; replacement++) {
        unsigned group;

        if (*replacement != '\\') {
            put(sink, replacement, 1);
            continue;
        }
        replacement++;
        group = (unsigned)(*replacement - '0');
        if (*replacement == '\\') {
            put(sink, replacement, 1);
        } else if (group <= groups && group < REGEX_GROUPS && found[2 * group] != PCRE2_UNSET) {
            put(sink, text.data + found[2 * group], found[2 * group + 1] - found[2 * group]);
        }
    }
}

size_t regex_replace(const struct regex *regex, struct regex_scratch *scratch, struct slice text,
                     const struct regex_edit *edit, enum regex_result *result)
{
    struct sink sink = {.out = edit->out, .cap = edit->cap};
    size_t at = 0, start = 0;
    enum regex_result found;

    text.data = text.data == NULL ? "" : text.data;
    *result = REGEX_NO;
    while ((found = match_at(regex, scratch, text, start, 0)) == REGEX_YES) {
        const size_t *places = pcre2_get_ovector_pointer(scratch->data);
        size_t from = places[0], to = places[1];

        if (from < at || to < from) {
            break; /* \K may move the start of a match to where it has no place */
        }
        *result = REGEX_YES;
        put(&sink, text.data + at, from - at);
        put_replacement(&sink, edit->replacement, text, scratch->data, regex->groups);
        at = to;
        /* An empty match is followed by one from the next byte on. */
        start = to > from ? to : to + 1;
        if (!edit->global || sink.is_full || start > MIN(text.len, (size_t)REGEX_TEXT_MAX)) {
            break;
        }
    }
    if (found == REGEX_LIMIT) {
        *result = REGEX_LIMIT;
    }
    if (*result != REGEX_YES) {
        return 0;
    }
    put(&sink, text.data + at, text.len - at);
    return sink.is_full ? 0 : sink.len;
}

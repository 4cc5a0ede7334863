/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.c - the rows of keys.def as data, and values from and to text.
 */
#include "conf/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/near.h"

#define KEY_USE_ACTED KEY_ACTED
#define KEY_USE_OURS  KEY_OURS
#define KEY_USE_LATER KEY_LATER
#define NUMBER_MAX    32  /* the longest number, and more */
#define SHOWN_MAX     100 /* bytes of a wrong value that a message repeats */

static const struct key keys[KEY_COUNT] = {
#define KEY(group_, name_, type_, what_, preset_, min_, max_, reload_, use_, help_) \
    [KEY_##group_##_##name_] = {                                                    \
        .name = #group_ "-" #name_,                                                 \
        .short_name = #name_,                                                       \
        .group = #group_,                                                           \
        .type = KEY_##type_,                                                        \
        .what = (what_),                                                            \
        .preset = (preset_),                                                        \
        .min = (min_),                                                              \
        .max = (max_),                                                              \
        .reload = KEY_RELOAD_##reload_,                                             \
        .use = KEY_USE_##use_,                                                      \
        .help = (help_),                                                            \
        .offset = offsetof(struct conf_vars, group_##_##name_),                     \
    },
#include "conf/keys.def"
#undef KEY
};

const struct key *key_at(enum key_id id)
{
    CHECK((size_t)id < KEY_COUNT);
    return &keys[id];
}

enum key_id key_id(const struct key *key)
{
    return (enum key_id)(key - keys);
}

const struct key *key_find(struct slice name)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (slice_eq_nocase(name, slice_of(keys[i].name))) {
            return &keys[i];
        }
    }
    return NULL;
}

const struct key *key_find_in(const char *group, struct slice short_name)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].group, group) == 0 &&
            slice_eq_nocase(short_name, slice_of(keys[i].short_name))) {
            return &keys[i];
        }
    }
    return NULL;
}

static const char *name_in_group(const void *group, size_t i)
{
    return strcmp(keys[i].group, group) == 0 ? keys[i].short_name : NULL;
}

const struct key *key_nearest(const char *group, struct slice short_name)
{
    const char *name = near_find(short_name, name_in_group, group, KEY_COUNT);

    return name == NULL ? NULL : key_find_in(group, slice_of(name));
}

bool key_is_acted_on(const struct key *key)
{
    return key->use != KEY_LATER;
}

const char *key_reload_text(const struct key *key)
{
    switch (key->reload) {
    case KEY_RELOAD_NOW: return "at once";
    case KEY_RELOAD_NEW: return "new connections";
    case KEY_RELOAD_RESTART: return "restart";
    }
    UNREACHABLE();
}

size_t key_allowed(const struct key *key, char *out, size_t out_size)
{
    int n = 0;

    switch (key->type) {
    case KEY_BOOL: n = snprintf(out, out_size, "true or false"); break;
    case KEY_INT:
    case KEY_INT64:
        n = snprintf(out, out_size, "%" PRId64 " to %" PRId64 "%s%s", key->min, key->max,
                     key->what[0] == '\0' ? "" : " ", key->what);
        break;
    case KEY_STRING:
        n = snprintf(out, out_size, "%s, %" PRId64 " to %" PRId64 " bytes", key->what, key->min,
                     key->max);
        break;
    case KEY_CHOICE: n = snprintf(out, out_size, "%s", key->what); break;
    }
    CHECK(n >= 0);
    return (size_t)n;
}

/* --- text to value --------------------------------------------------------------------------- */

static int refuse(const struct key *key, struct slice text, const char *what_is_wrong, char *why,
                  size_t why_size)
{
    char allowed[512];

    (void)key_allowed(key, allowed, sizeof(allowed));
    /* A password must not get into a log, not even a wrong one. */
    if (strstr(key->name, "password") != NULL || strstr(key->name, "credentials") != NULL) {
        text = (struct slice){NULL, 0};
    }
    (void)snprintf(why, why_size, "%s: %s%.*s%s%s; allowed: %s", key->name,
                   text.len == 0 ? "" : "\"", (int)MIN(text.len, SHOWN_MAX),
                   text.len == 0 ? "" : text.data, text.len == 0 ? "the value " : "\" ",
                   what_is_wrong, allowed);
    return ERR_CONFIG;
}

static bool is_one_of(struct slice text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (slice_eq_nocase(text, slice_of(words[i]))) {
            return true;
        }
    }
    return false;
}

static int parse_bool(struct slice text, bool *out)
{
    static const char *const yes[] = {"true", "1", "on", "yes"};
    static const char *const no[] = {"false", "0", "off", "no"};

    bool is_yes = is_one_of(text, yes, ARRAY_SIZE(yes));

    if (!is_yes && !is_one_of(text, no, ARRAY_SIZE(no))) {
        return ERR_CONFIG;
    }
    *out = is_yes;
    return 0;
}

static int parse_number(struct slice text, int64_t *out)
{
    char number[NUMBER_MAX];
    char *end;

    /* strtoll would skip spaces in front. */
    if (text.len == 0 || text.len >= sizeof(number) || text.data[0] <= ' ') {
        return ERR_CONFIG;
    }
    memcpy(number, text.data, text.len);
    number[text.len] = '\0';
    errno = 0;
    *out = strtoll(number, &end, 10);
    return errno == 0 && end == number + text.len ? 0 : ERR_CONFIG;
}

/* The word of a choice as the table writes it; {NULL, 0} when there is no such word. */
static struct slice find_word(const char *words, struct slice text)
{
    while (words != NULL) {
        const char *bar = strchr(words, '|');
        struct slice word = {words, bar == NULL ? strlen(words) : (size_t)(bar - words)};

        if (slice_eq_nocase(word, text)) {
            return word;
        }
        words = bar == NULL ? NULL : bar + 1;
    }
    return (struct slice){NULL, 0};
}

static void *field(const struct conf_vars *vars, const struct key *key)
{
    return (char *)(uintptr_t)vars + key->offset;
}

static void store_text(struct conf_vars *vars, const struct key *key, struct slice text)
{
    char **value = field(vars, key);
    char *copy = mem_copy(MEM_CONF, text);

    mem_free(MEM_CONF, *value);
    *value = copy;
}

static int set_number(struct conf_vars *vars, const struct key *key, struct slice text, char *why,
                      size_t why_size)
{
    int64_t number;

    if (parse_number(text, &number) != 0) {
        return refuse(key, text, "is not a whole number", why, why_size);
    }
    if (number < key->min || number > key->max) {
        return refuse(key, text, "is out of range", why, why_size);
    }
    if (key->type == KEY_INT) {
        *(int *)field(vars, key) = (int)number;
    } else {
        *(int64_t *)field(vars, key) = number;
    }
    return 0;
}

static int set_string(struct conf_vars *vars, const struct key *key, struct slice text, char *why,
                      size_t why_size)
{
    if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL) {
        return refuse(key, (struct slice){NULL, 0}, "has a zero byte", why, why_size);
    }
    if ((int64_t)text.len < key->min || (int64_t)text.len > key->max) {
        return refuse(key, text, text.len == 0 ? "is empty" : "is too short or too long", why,
                      why_size);
    }
    store_text(vars, key, text);
    return 0;
}

static int set_choice(struct conf_vars *vars, const struct key *key, struct slice text, char *why,
                      size_t why_size)
{
    struct slice word = find_word(key->what, text);

    if (word.data == NULL) {
        return refuse(key, text, "is not known", why, why_size);
    }
    store_text(vars, key, word);
    return 0;
}

int key_set(struct conf_vars *vars, const struct key *key, struct slice text, char *why,
            size_t why_size)
{
    switch (key->type) {
    case KEY_BOOL:
        if (parse_bool(text, field(vars, key)) != 0) {
            return refuse(key, text, "is neither true nor false", why, why_size);
        }
        return 0;
    case KEY_INT:
    case KEY_INT64: return set_number(vars, key, text, why, why_size);
    case KEY_STRING: return set_string(vars, key, text, why, why_size);
    case KEY_CHOICE: return set_choice(vars, key, text, why, why_size);
    }
    UNREACHABLE();
}

/* --- value to text --------------------------------------------------------------------------- */

size_t key_format(const struct conf_vars *vars, const struct key *key, char *out, size_t out_size)
{
    const void *value = field(vars, key);
    int n = 0;

    switch (key->type) {
    case KEY_BOOL:
        n = snprintf(out, out_size, "%s", *(const bool *)value ? "true" : "false");
        break;
    case KEY_INT: n = snprintf(out, out_size, "%d", *(const int *)value); break;
    case KEY_INT64: n = snprintf(out, out_size, "%" PRId64, *(const int64_t *)value); break;
    case KEY_STRING:
    case KEY_CHOICE: n = snprintf(out, out_size, "%s", *(char *const *)value); break;
    }
    CHECK(n >= 0);
    return (size_t)n;
}

#define PRESET_MAX 512 /* no default is longer */

bool key_is_preset(const struct conf_vars *vars, const struct key *key)
{
    char text[PRESET_MAX];

    CHECK(strlen(key->preset) < sizeof(text));
    return key_format(vars, key, text, sizeof(text)) < sizeof(text) &&
           strcmp(text, key->preset) == 0;
}

void conf_vars_init(struct conf_vars *vars)
{
    char why[512];

    *vars = (struct conf_vars){0};
    for (size_t i = 0; i < KEY_COUNT; i++) {
        CHECK(key_set(vars, &keys[i], slice_of(keys[i].preset), why, sizeof(why)) == 0);
    }
}

void conf_vars_fini(struct conf_vars *vars)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (keys[i].type == KEY_STRING || keys[i].type == KEY_CHOICE) {
            mem_free(MEM_CONF, *(char **)field(vars, &keys[i]));
        }
    }
    *vars = (struct conf_vars){0};
}

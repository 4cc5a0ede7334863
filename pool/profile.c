/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.c - see profile.h.
 */
#include "pool/profile.h"

#include <stdio.h>

#include "protocol/caps.h"
#include "protocol/collation.h"

/* The charset of "charset" or "charset collation". */
struct slice profile_names_charset(struct slice names)
{
    const char *space = names.len == 0 ? NULL : memchr(names.data, ' ', names.len);

    return (struct slice){names.data, space == NULL ? names.len : (size_t)(space - names.data)};
}

static bool has_word(struct slice list, struct slice word)
{
    size_t start = 0;

    for (size_t i = 0; i <= list.len; i++) {
        if (i == list.len || list.data[i] == ',') {
            if (slice_eq_nocase((struct slice){list.data + start, i - start}, word)) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
}

/* Characters of these may end with the byte of a backslash. */
static bool is_charset_unsafe(const struct profile *p)
{
    static const char *const unsafe[] = {"big5", "cp932", "gbk", "sjis"};
    struct slice name = p->values[VAR_CHARACTER_SET_CLIENT];

    if (name.data == NULL) {
        name = profile_names_charset(p->values[PROFILE_NAMES]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(unsafe); i++) {
        if (slice_eq_nocase(name, slice_of(unsafe[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_on(struct slice value, bool otherwise)
{
    return value.data == NULL ? otherwise
                              : slice_eq_nocase(value, SLICE("ON")) || slice_eq(value, SLICE("1"));
}

static void derive_wish(struct profile *p)
{
    struct slice variables = p->values[VAR_SESSION_TRACK_SYSTEM_VARIABLES];

    p->wish = track_wish_default;
    p->wish.schema = is_on(p->values[VAR_SESSION_TRACK_SCHEMA], p->wish.schema);
    p->wish.state_change = is_on(p->values[VAR_SESSION_TRACK_STATE_CHANGE], p->wish.state_change);
    p->wish.variables = variables.data != NULL ? variables : p->wish.variables;
}

static void derive(struct profile *p)
{
    struct slice mode = p->values[VAR_SQL_MODE];
    struct slice wait = p->values[VAR_WSREP_SYNC_WAIT];

    p->has_sql_mode = mode.data != NULL;
    p->status = 0;
    if (p->has_sql_mode) {
        p->status |=
            has_word(mode, SLICE("NO_BACKSLASH_ESCAPES")) ? STATUS_NO_BACKSLASH_ESCAPES : 0;
        p->status |= has_word(mode, SLICE("ANSI_QUOTES")) ? STATUS_ANSI_QUOTES : 0;
    }
    p->is_charset_unsafe = is_charset_unsafe(p);
    p->wants_fresh = wait.data != NULL && !slice_eq(wait, SLICE("0"));
    derive_wish(p);
}

/* "id value-length value" for each variable that is set: the bytes that make two profiles equal. */
static struct slice key_of(const struct slice *values, enum mem_kind kind)
{
    size_t len = 0;
    uint8_t *key;
    struct writer w;

    for (int i = 0; i < PROFILE_VALUES; i++) {
        len += values[i].data == NULL ? 0 : 1 + 2 + values[i].len;
    }
    key = mem_try(kind, len + 1);
    if (key == NULL) {
        return (struct slice){NULL, 0};
    }
    w = writer_of(key, len);
    for (int i = 0; i < PROFILE_VALUES; i++) {
        if (values[i].data != NULL) {
            put_u8(&w, (uint8_t)i);
            put_u16(&w, (uint16_t)values[i].len);
            put_slice(&w, values[i]);
        }
    }
    CHECK(!w.failed && w.len == len);
    return (struct slice){(const char *)key, len};
}

static void values_from_key(struct profile *p)
{
    struct reader r = reader_of(p->key.data, p->key.len);

    while (reader_left(&r) > 0) {
        uint8_t id = get_u8(&r);
        uint16_t len = get_u16(&r);

        p->values[id] = get_bytes(&r, len);
    }
    CHECK(!r.failed);
}

/* The profile with these values; takes one reference for the caller. */
static struct profile *intern(struct profiles *t, const struct slice *values)
{
    struct slice key = key_of(values, MEM_PROFILE);
    struct profile *p;

    if (key.data == NULL) {
        return NULL;
    }
    p = map_get(&t->by_key, key);
    if (p != NULL) {
        mem_free(MEM_PROFILE, (void *)(uintptr_t)key.data);
        return profile_ref(p);
    }
    p = mem_try(MEM_PROFILE, sizeof(*p));
    if (p == NULL) {
        mem_free(MEM_PROFILE, (void *)(uintptr_t)key.data);
        return NULL;
    }
    *p = (struct profile){.refs = 1, .id = ++t->next_id, .key = key};
    values_from_key(p);
    derive(p);
    if (map_put(&t->by_key, p->key, p) != 0) {
        mem_free(MEM_PROFILE, (void *)(uintptr_t)key.data);
        mem_free(MEM_PROFILE, p);
        return NULL;
    }
    return p;
}

void profiles_init(struct profiles *t)
{
    static const struct slice none[PROFILE_VALUES];

    *t = (struct profiles){0};
    map_init(&t->by_key, MEM_PROFILE, PROFILES_MAX);
    t->empty = intern(t, none);
    CHECK(t->empty != NULL);
}

void profiles_fini(struct profiles *t)
{
    profile_unref(t, t->empty);
    CHECK(t->by_key.count == 0);
    map_fini(&t->by_key);
}

struct profile *profile_ref(struct profile *p)
{
    p->refs++;
    return p;
}

void profile_unref(struct profiles *t, struct profile *p)
{
    if (p == NULL) {
        return;
    }
    CHECK(p->refs > 0);
    if (--p->refs == 0) {
        CHECK(map_remove(&t->by_key, p->key) == p);
        mem_free(MEM_PROFILE, (void *)(uintptr_t)p->key.data);
        mem_free(MEM_PROFILE, p);
    }
}

struct profile *profile_with(struct profiles *t, const struct profile *p, int variable,
                             struct slice value)
{
    struct slice values[PROFILE_VALUES];

    CHECK(variable >= 0 && variable < PROFILE_VALUES);
    /*
     * A backslash would read differently under NO_BACKSLASH_ESCAPES: such values are not carried.
     */
    if (value.len > PROFILE_VALUE_MAX ||
        (value.len > 0 && memchr(value.data, '\\', value.len) != NULL)) {
        return NULL;
    }
    memcpy(values, p->values, sizeof(values));
    values[variable] = value;
    return intern(t, values);
}

struct profile *profile_of_charset(struct profiles *t, uint8_t collation_id)
{
    struct slice values[PROFILE_VALUES] = {{NULL, 0}};
    const struct collation *c = collation_by_id(collation_id);
    char names[128];

    if (c == NULL) { /* as the server: its defaults for what it does not know */
        return profile_ref(t->empty);
    }
    if (c->is_default) {
        values[PROFILE_NAMES] = slice_of(c->charset);
    } else {
        int n = snprintf(names, sizeof(names), "%s %s", c->charset, c->name);

        values[PROFILE_NAMES] = (struct slice){names, (size_t)n};
    }
    return intern(t, values);
}

static void write_quoted(struct writer *w, struct slice value)
{
    put_u8(w, '\'');
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '\'') {
            put_u8(w, '\'');
        }
        put_u8(w, (uint8_t)value.data[i]);
    }
    put_u8(w, '\'');
}

static bool is_number(struct slice value)
{
    bool digits = false;

    for (size_t i = 0; i < value.len; i++) {
        bool digit = value.data[i] >= '0' && value.data[i] <= '9';

        digits |= digit;
        if (!digit && value.data[i] != '.' && !(i == 0 && value.data[i] == '-')) {
            return false;
        }
    }
    return digits;
}

static void write_value(struct writer *w, int variable, struct slice value)
{
    if (value.data == NULL) {
        put_slice(w, SLICE("DEFAULT"));
    } else if (value.len == 0 && variable_empty_is_null(variable)) {
        put_slice(w, SLICE("NULL"));
    } else if (variable_kind(variable) == VALUE_NUMBER && is_number(value)) {
        put_slice(w, value);
    } else {
        write_quoted(w, value);
    }
}

static void write_one(struct writer *w, bool *first, int variable, struct slice value)
{
    put_slice(w, *first ? SLICE("SET ") : SLICE(","));
    *first = false;
    put_slice(w, slice_of(variable_name(variable)));
    put_u8(w, '=');
    write_value(w, variable, value);
}

static bool differs(const struct profile *a, const struct profile *b, int variable)
{
    struct slice x = a->values[variable];
    struct slice y = b->values[variable];

    if (x.data == NULL || y.data == NULL) {
        return x.data != y.data;
    }
    return !slice_eq(x, y);
}

static bool is_charset(int variable)
{
    return variable == VAR_CHARACTER_SET_CLIENT || variable == VAR_CHARACTER_SET_CONNECTION ||
           variable == VAR_CHARACTER_SET_RESULTS || variable == VAR_COLLATION_CONNECTION;
}

static bool charsets_differ(const struct profile *from, const struct profile *to)
{
    return differs(from, to, PROFILE_NAMES) || differs(from, to, VAR_CHARACTER_SET_CLIENT) ||
           differs(from, to, VAR_CHARACTER_SET_CONNECTION) ||
           differs(from, to, VAR_CHARACTER_SET_RESULTS) ||
           differs(from, to, VAR_COLLATION_CONNECTION);
}

static void write_names(struct writer *w, bool *first, struct slice names)
{
    struct slice charset = profile_names_charset(names);

    put_slice(w, *first ? SLICE("SET ") : SLICE(","));
    *first = false;
    put_slice(w, SLICE("NAMES "));
    write_quoted(w, charset);
    if (charset.len < names.len) {
        put_slice(w, SLICE(" COLLATE "));
        write_quoted(w, (struct slice){names.data + charset.len + 1, names.len - charset.len - 1});
    }
}

/*
 * All of them or none: NAMES sets three, character_set_connection sets the collation to the
 * charset's default, and collation_connection sets the charset. Of the last two only one is
 * written, the collation when there is one.
 */
static void write_charsets(struct writer *w, bool *first, const struct profile *to)
{
    struct slice collation = to->values[VAR_COLLATION_CONNECTION];

    if (to->values[PROFILE_NAMES].data != NULL) {
        write_names(w, first, to->values[PROFILE_NAMES]);
    } else {
        write_one(w, first, VAR_CHARACTER_SET_CLIENT, (struct slice){NULL, 0});
        write_one(w, first, VAR_CHARACTER_SET_RESULTS, (struct slice){NULL, 0});
        write_one(w, first, VAR_COLLATION_CONNECTION, (struct slice){NULL, 0});
    }
    if (to->values[VAR_CHARACTER_SET_CLIENT].data != NULL) {
        write_one(w, first, VAR_CHARACTER_SET_CLIENT, to->values[VAR_CHARACTER_SET_CLIENT]);
    }
    if (to->values[VAR_CHARACTER_SET_RESULTS].data != NULL) {
        write_one(w, first, VAR_CHARACTER_SET_RESULTS, to->values[VAR_CHARACTER_SET_RESULTS]);
    }
    if (collation.data != NULL) {
        write_one(w, first, VAR_COLLATION_CONNECTION, collation);
    } else if (to->values[VAR_CHARACTER_SET_CONNECTION].data != NULL) {
        write_one(w, first, VAR_CHARACTER_SET_CONNECTION, to->values[VAR_CHARACTER_SET_CONNECTION]);
    }
}

/*
 * max_join_size sets both, and without a value of its own sql_big_selects is what that makes it
 * (10.11): its DEFAULT is not.
 */
static void write_big_selects(struct writer *w, bool *first, const struct profile *from,
                              const struct profile *to)
{
    struct slice big_selects = to->values[VAR_SQL_BIG_SELECTS];
    bool size_differs = differs(from, to, VAR_MAX_JOIN_SIZE);

    if (!size_differs && !differs(from, to, VAR_SQL_BIG_SELECTS)) {
        return;
    }
    if (size_differs || big_selects.data == NULL) {
        write_one(w, first, VAR_MAX_JOIN_SIZE, to->values[VAR_MAX_JOIN_SIZE]);
    }
    if (big_selects.data != NULL) {
        write_one(w, first, VAR_SQL_BIG_SELECTS, big_selects);
    }
}

void profile_write_set(struct writer *w, const struct profile *from, const struct profile *to)
{
    bool first = true;

    if (from == to) {
        return;
    }
    if (charsets_differ(from, to)) {
        write_charsets(w, &first, to);
    }
    write_big_selects(w, &first, from, to);
    for (int i = 0; i < VARIABLE_COUNT; i++) {
        bool is_written = is_charset(i) || i == VAR_MAX_JOIN_SIZE || i == VAR_SQL_BIG_SELECTS;

        if (!is_written && !variable_is_virtual(i) && differs(from, to, i)) {
            write_one(w, &first, i, to->values[i]);
        }
    }
}

void profile_write_tracking(struct writer *w, const struct profile *p)
{
    bool first = true;

    for (int i = 0; i < VARIABLE_COUNT; i++) {
        if (variable_is_virtual(i)) {
            write_one(w, &first, i, p->values[i]);
        }
    }
}

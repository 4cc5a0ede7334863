/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.h - the variables: struct conf_vars with one typed field for each row of keys.def, and what
 * is known about each (name, type, unit, default, bounds, reload rule, help).
 *
 * A variable's name is "mysql-threads"; in the file it is `threads` in the group mysql_variables.
 */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include "base/base.h"

#define KEY_C_BOOL   bool
#define KEY_C_INT    int
#define KEY_C_INT64  int64_t
#define KEY_C_STRING char *
#define KEY_C_CHOICE char *

/*
 * The values of all variables. Strings are owned and never NULL after conf_vars_init. There is one
 * per snapshot, so the order of keys.def, which is for readers, may cost some padding.
 */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct conf_vars {
#define KEY(group, name, type, what, preset, min, max, reload, use, help) \
    KEY_C_##type group##_##name;
#include "conf/keys.def"
#undef KEY
};

/* KEY_mysql_threads, ...: the index of a variable. */
enum key_id {
#define KEY(group, name, type, what, preset, min, max, reload, use, help) KEY_##group##_##name,
#include "conf/keys.def"
#undef KEY
    KEY_COUNT
};

enum key_type { KEY_BOOL, KEY_INT, KEY_INT64, KEY_STRING, KEY_CHOICE };

/* When a changed value counts. */
enum key_reload { KEY_RELOAD_NOW, KEY_RELOAD_NEW, KEY_RELOAD_RESTART };

enum key_use {
    KEY_ACTED, /* a variable of ProxySQL that Galeway acts on */
    KEY_OURS,  /* a variable only Galeway has; acted on */
    KEY_LATER, /* a variable of ProxySQL, accepted and stored only */
};

struct key {
    const char *name;       /* "mysql-threads" */
    const char *short_name; /* "threads", as in the file */
    const char *group;      /* "mysql" or "admin" */
    enum key_type type;
    const char *what;   /* the unit or form; of a choice its words, separated by | */
    const char *preset; /* the default, as text */
    int64_t min;        /* of a string, its length */
    int64_t max;
    enum key_reload reload;
    enum key_use use;
    const char *help;
    size_t offset; /* in struct conf_vars */
};

#define KEY_TEXT_MAX 65536 /* no value is longer */

/* key_at - the row of an id: for (id = 0; id < KEY_COUNT; id++) walks all. */
const struct key *key_at(enum key_id id);

/* key_id - the other way round. */
enum key_id key_id(const struct key *key);

/* key_find - by full name ("mysql-threads"), case ignored as in ProxySQL; NULL when unknown. */
const struct key *key_find(struct slice name);

/* key_find_in - by group ("mysql") and short name ("threads"); NULL when unknown. */
const struct key *key_find_in(const char *group, struct slice short_name);

/* key_nearest - the variable of a group whose name is most like this one; NULL when none is. */
const struct key *key_nearest(const char *group, struct slice short_name);

/* key_is_acted_on - false for what is only accepted. */
bool key_is_acted_on(const struct key *key);

/* key_is_preset - has it its default? */
bool key_is_preset(const struct conf_vars *vars, const struct key *key);

/*
 * key_set - parse text, check its bounds, and store it.
 *
 * why: on an error, says which variable, what was wrong and what is allowed; may be NULL with
 *      why_size 0.
 * Returns 0 or ERR_CONFIG (vars unchanged).
 */
int key_set(struct conf_vars *vars, const struct key *key, struct slice text, char *why,
            size_t why_size) MUST_CHECK;

/*
 * key_format - the value as text, as key_set takes it, cut to the buffer and terminated.
 * Returns the full length.
 */
size_t key_format(const struct conf_vars *vars, const struct key *key, char *out, size_t out_size);

/* key_allowed - what a value may be, for people: "0 to 255 threads", "true or false". */
size_t key_allowed(const struct key *key, char *out, size_t out_size);

/* key_reload_text - "at once", "new connections" or "restart". */
const char *key_reload_text(const struct key *key);

/* conf_vars_init - everything at its default. conf_vars_fini frees the strings; zeroed is fine. */
void conf_vars_init(struct conf_vars *vars);
void conf_vars_fini(struct conf_vars *vars);

#endif

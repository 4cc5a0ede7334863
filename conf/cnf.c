/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cnf.c - the sections of the file and the variables.
 */
#include "conf/cnf.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/columns.h"
#include "conf/near.h"

typedef void (*section_fn)(struct cnf *cnf, const config_setting_t *section);

static void read_mysql_variables(struct cnf *cnf, const config_setting_t *section);
static void read_admin_variables(struct cnf *cnf, const config_setting_t *section);
static void read_datadir(struct cnf *cnf, const config_setting_t *section);

/*
 * What the file may hold at its top but for tables; no function = ProxySQL's, accepted and left
 * alone.
 */
static const struct section {
    const char *name;
    section_fn read;
} sections[] = {
    {"datadir", read_datadir},
    {"mysql_variables", read_mysql_variables},
    {"admin_variables", read_admin_variables},
    {"errorlog", NULL},
    {"uuid", NULL},
    {"cluster", NULL},
    {"restart_on_missing_heartbeats", NULL},
    {"execute_on_exit_failure", NULL},
    {"set_thread_name", NULL},
    {"cluster_sync_interfaces", NULL},
    {"ldap_auth_plugin", NULL},
    {"web_interface_plugin", NULL},
    {"sqlite3_plugin", NULL},
    {"mysql_group_replication_hostgroups", NULL},
    {"mysql_aws_aurora_hostgroups", NULL},
    {"mysql_ldap_mapping", NULL},
    {"ldap_variables", NULL},
    {"sqliteserver_variables", NULL},
    {"clickhouse_variables", NULL},
    {"clickhouse_users", NULL},
    {"restapi", NULL},
    {"restapi_routes", NULL},
    {"coredump_filters", NULL},
    {"debug_levels", NULL},
    {"debug_filters", NULL},
};

struct conf_place cnf_place(const struct cnf *cnf, const config_setting_t *setting)
{
    struct conf_place place;

    place.file = source_place(cnf->source, (int)config_setting_source_line(setting), &place.line);
    return place;
}

const char *cnf_type_text(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64: return "a number";
    case CONFIG_TYPE_FLOAT: return "a number with a fraction";
    case CONFIG_TYPE_STRING: return "a text in quotes";
    case CONFIG_TYPE_BOOL: return "true or false";
    case CONFIG_TYPE_GROUP: return "a group { }";
    case CONFIG_TYPE_ARRAY: return "an array [ ]";
    case CONFIG_TYPE_LIST: return "a list ( )";
    default: return "nothing";
    }
}

int cnf_scalar(const config_setting_t *setting, char buffer[CNF_NUMBER_MAX], struct slice *out)
{
    int n;

    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING: *out = slice_of(config_setting_get_string(setting)); return 0;
    case CONFIG_TYPE_BOOL:
        *out = config_setting_get_bool(setting) ? SLICE("true") : SLICE("false");
        return 0;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        n = snprintf(buffer, CNF_NUMBER_MAX, "%lld", config_setting_get_int64(setting));
        CHECK(n > 0 && n < CNF_NUMBER_MAX);
        *out = (struct slice){buffer, (size_t)n};
        return 0;
    default: return ERR_CONFIG;
    }
}

/* --- variables ------------------------------------------------------------------------------- */

static void unknown_variable(struct cnf *cnf, const char *group, const config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    struct conf_place at = cnf_place(cnf, setting);
    const struct key *near = key_nearest(group, slice_of(name));

    if (near == NULL) {
        fault_error(cnf->faults, at.file, at.line, "%s_variables: unknown variable \"%s\"", group,
                    name);
    } else {
        fault_error(cnf->faults, at.file, at.line,
                    "%s_variables: unknown variable \"%s\"; did you mean \"%s\"?", group, name,
                    near->short_name);
    }
}

/* Numbers and words without quotes do for ProxySQL's texts that nobody reads here. */
static bool has_right_type(const struct key *key, const config_setting_t *setting)
{
    bool is_text = key->type == KEY_STRING || key->type == KEY_CHOICE;

    return !is_text || key->use == KEY_LATER || config_setting_type(setting) == CONFIG_TYPE_STRING;
}

static void read_variable(struct cnf *cnf, const char *group, const config_setting_t *setting)
{
    const struct key *key = key_find_in(group, slice_of(config_setting_name(setting)));
    struct conf_place at = cnf_place(cnf, setting);
    char buffer[CNF_NUMBER_MAX], why[1024];
    struct slice text;

    if (key == NULL) {
        unknown_variable(cnf, group, setting);
        return;
    }
    cnf->keys[key_id(key)] = at;
    if (cnf_scalar(setting, buffer, &text) != 0 || !has_right_type(key, setting)) {
        (void)key_allowed(key, why, sizeof(why));
        fault_error(cnf->faults, at.file, at.line, "%s: is %s; allowed: %s%s", key->name,
                    cnf_type_text(setting), why,
                    key->type == KEY_STRING || key->type == KEY_CHOICE ? ", in quotes" : "");
        return;
    }
    if (key_set(&cnf->conf->vars, key, text, why, sizeof(why)) != 0) {
        fault_error(cnf->faults, at.file, at.line, "%s", why);
        return;
    }
    if (key_is_acted_on(key)) {
        return;
    }
    if (key_is_preset(&cnf->conf->vars, key)) {
        cnf->n_without_effect++;
    } else {
        fault_warning(cnf->faults, at.file, at.line, "%s: accepted, but not acted on yet",
                      key->name);
    }
}

static void read_variables(struct cnf *cnf, const char *group, const config_setting_t *section)
{
    int n = config_setting_length(section);

    if (config_setting_type(section) != CONFIG_TYPE_GROUP) {
        struct conf_place at = cnf_place(cnf, section);

        fault_error(cnf->faults, at.file, at.line, "%s: is %s, but must be a group { }",
                    config_setting_name(section), cnf_type_text(section));
        return;
    }
    for (int i = 0; i < n; i++) {
        read_variable(cnf, group, config_setting_get_elem(section, (unsigned)i));
    }
}

static void read_mysql_variables(struct cnf *cnf, const config_setting_t *section)
{
    read_variables(cnf, "mysql", section);
}

static void read_admin_variables(struct cnf *cnf, const config_setting_t *section)
{
    read_variables(cnf, "admin", section);
}

/* --- the top of the file --------------------------------------------------------------------- */

static void read_datadir(struct cnf *cnf, const config_setting_t *section)
{
    const char *path = config_setting_get_string(section);

    if (path == NULL || path[0] == '\0') {
        struct conf_place at = cnf_place(cnf, section);

        fault_error(cnf->faults, at.file, at.line, "datadir: must be a path in quotes");
        return;
    }
    mem_free(MEM_CONF, cnf->conf->datadir);
    cnf->conf->datadir = mem_copy(MEM_CONF, slice_of(path));
}

static const struct section *find_section(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        if (strcmp(sections[i].name, name) == 0) {
            return &sections[i];
        }
    }
    return NULL;
}

static const char *section_name(const void *ctx, size_t i)
{
    (void)ctx;
    return i < ARRAY_SIZE(sections) ? sections[i].name : table_at(i - ARRAY_SIZE(sections))->name;
}

static size_t count_sections(void)
{
    size_t n = 0;

    while (table_at(n) != NULL) {
        n++;
    }
    return ARRAY_SIZE(sections) + n;
}

void cnf_not_acted_on(struct cnf *cnf, const config_setting_t *section, bool changes_nothing)
{
    struct conf_place at = cnf_place(cnf, section);

    if (changes_nothing) {
        cnf->n_without_effect++;
        return;
    }
    fault_warning(cnf->faults, at.file, at.line, "%s: accepted, but not acted on yet",
                  config_setting_name(section));
}

static bool is_empty(const config_setting_t *section)
{
    return config_setting_is_aggregate(section) && config_setting_length(section) == 0;
}

/* One line for all that is as it would be without it. */
static void say_without_effect(struct cnf *cnf)
{
    if (cnf->n_without_effect > 0) {
        int line;
        const char *file = source_place(cnf->source, 1, &line);

        fault_warning(
            cnf->faults, file, 0,
            "settings that are not acted on yet, and have their defaults or are empty: %u",
            cnf->n_without_effect);
    }
}

static void read_section(struct cnf *cnf, const config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    const struct section *section = find_section(name);
    const struct table *table = table_find(name);
    struct conf_place at = cnf_place(cnf, setting);
    const char *near;

    if (table != NULL) {
        cnf_rows(cnf, table, setting);
        return;
    }
    if (section != NULL && section->read != NULL) {
        section->read(cnf, setting);
        return;
    }
    if (section != NULL || strncmp(name, "pgsql_", 6) == 0) {
        cnf_not_acted_on(cnf, setting, is_empty(setting));
        return;
    }
    near = near_find(slice_of(name), section_name, NULL, count_sections());
    if (near != NULL) {
        fault_error(cnf->faults, at.file, at.line, "unknown section \"%s\"; did you mean \"%s\"?",
                    name, near);
    } else {
        fault_error(cnf->faults, at.file, at.line, "unknown section \"%s\"", name);
    }
}

/*
 * libconfig does not look whether it had memory for a name or a text. As deep as its parser goes.
 */
static bool is_whole(const config_setting_t *setting)
{
    bool is_group = config_setting_is_group(setting) == CONFIG_TRUE;

    if (config_setting_type(setting) == CONFIG_TYPE_STRING) {
        return config_setting_get_string(setting) != NULL;
    }
    for (int i = 0;
         config_setting_is_aggregate(setting) == CONFIG_TRUE && i < config_setting_length(setting);
         i++) {
        const config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);

        if ((is_group && config_setting_name(member) == NULL) || !is_whole(member)) {
            return false;
        }
    }
    return true;
}

int cnf_parse(config_t *config, const struct source *source, struct faults *faults)
{
    config_init(config);
    /* All includes are resolved; should libconfig see one more, it must not open anything. */
    config_set_include_dir(config, "/dev/null");
    if (config_read_string(config, source->text) != CONFIG_TRUE) {
        int line;
        const char *file = source_place(source, config_error_line(config), &line);

        fault_error(faults, file, line, "%s", config_error_text(config));
        return ERR_CONFIG;
    }
    if (!is_whole(config_root_setting(config))) {
        fault_error(faults, source->files[0], 0, "out of memory");
        return ERR_CONFIG;
    }
    return 0;
}

void cnf_read(struct cnf *cnf)
{
    const config_setting_t *root;
    config_t config;

    if (cnf_parse(&config, cnf->source, cnf->faults) == 0) {
        root = config_root_setting(&config);
        for (int i = 0; i < config_setting_length(root); i++) {
            read_section(cnf, config_setting_get_elem(root, (unsigned)i));
        }
        say_without_effect(cnf);
    }
    config_destroy(&config);
}

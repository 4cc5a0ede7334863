/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.c - sections that are lists of groups: each column is a row in a table here.
 *
 * A column says where its value goes, what it may be, and what it is when it is not written. Two
 * columns with the same target are two names of one thing (address, hostname).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/cnf.h"
#include "conf/near.h"

enum column_type { COL_TEXT, COL_BOOL, COL_INT, COL_U32, COL_U16, COL_U8, COL_STATUS };

struct column {
    const char *name;
    enum column_type type;
    size_t offset;
    int64_t min; /* of a text, its length */
    int64_t max;
    const char *preset; /* NULL = must be written, or its other name */
};

struct table {
    const char *name;
    const struct column *columns;
    size_t n_columns;
    size_t row_size;
    size_t place_offset;
    size_t max_rows;
};

#define HOSTGROUP_MAX INT32_MAX
#define COUNT_MAX     1000000

#define S(field) offsetof(struct conf_server, field)
static const struct column server_columns[] = {
    {"address", COL_TEXT, S(address), 1, 255, NULL},
    {"hostname", COL_TEXT, S(address), 1, 255, NULL},
    {"port", COL_U16, S(port), 0, 65535, "3306"},
    {"hostgroup", COL_INT, S(hostgroup), 0, HOSTGROUP_MAX, "0"},
    {"hostgroup_id", COL_INT, S(hostgroup), 0, HOSTGROUP_MAX, "0"},
    {"gtid_port", COL_U16, S(gtid_port), 0, 65535, "0"},
    {"status", COL_STATUS, S(status), 0, 0, "ONLINE"},
    {"weight", COL_U32, S(weight), 0, 10000000, "1"},
    {"compression", COL_BOOL, S(compression), 0, 1, "0"},
    {"max_connections", COL_U32, S(max_connections), 0, COUNT_MAX, "1000"},
    {"max_replication_lag", COL_U32, S(max_replication_lag), 0, 126144000, "0"},
    {"use_ssl", COL_BOOL, S(use_ssl), 0, 1, "0"},
    {"max_latency_ms", COL_U32, S(max_latency_ms), 0, INT32_MAX, "0"},
    {"comment", COL_TEXT, S(comment), 0, 4096, ""},
};
#undef S

#define U(field) offsetof(struct conf_user, field)
static const struct column user_columns[] = {
    {"username", COL_TEXT, U(username), 1, 128, NULL},
    {"password", COL_TEXT, U(password), 0, 256, ""},
    {"active", COL_BOOL, U(active), 0, 1, "1"},
    {"use_ssl", COL_BOOL, U(use_ssl), 0, 1, "0"},
    {"default_hostgroup", COL_INT, U(default_hostgroup), 0, HOSTGROUP_MAX, "0"},
    {"default_schema", COL_TEXT, U(default_schema), 0, 64, ""},
    {"schema_locked", COL_BOOL, U(schema_locked), 0, 1, "0"},
    {"transaction_persistent", COL_BOOL, U(transaction_persistent), 0, 1, "1"},
    {"fast_forward", COL_BOOL, U(fast_forward), 0, 1, "0"},
    {"backend", COL_BOOL, U(backend), 0, 1, "1"},
    {"frontend", COL_BOOL, U(frontend), 0, 1, "1"},
    {"max_connections", COL_U32, U(max_connections), 0, COUNT_MAX, "10000"},
    {"attributes", COL_TEXT, U(attributes), 0, 65535, ""},
    {"comment", COL_TEXT, U(comment), 0, 4096, ""},
};
#undef U

#define G(field) offsetof(struct conf_galera, field)
static const struct column galera_columns[] = {
    {"writer_hostgroup", COL_INT, G(writer_hostgroup), 0, HOSTGROUP_MAX, NULL},
    {"backup_writer_hostgroup", COL_INT, G(backup_writer_hostgroup), 0, HOSTGROUP_MAX, NULL},
    {"reader_hostgroup", COL_INT, G(reader_hostgroup), 0, HOSTGROUP_MAX, NULL},
    {"offline_hostgroup", COL_INT, G(offline_hostgroup), 0, HOSTGROUP_MAX, NULL},
    {"active", COL_BOOL, G(active), 0, 1, "1"},
    {"max_writers", COL_U32, G(max_writers), 0, COUNT_MAX, "1"},
    {"writer_is_also_reader", COL_U8, G(writer_is_also_reader), 0, 2, "0"},
    {"max_transactions_behind", COL_U32, G(max_transactions_behind), 0, INT32_MAX, "0"},
    {"comment", COL_TEXT, G(comment), 0, 4096, ""},
};
#undef G

/* clang-format off */
static const char *const rule_columns[] = {
    "rule_id", "active", "username", "schemaname", "flagIN", "client_addr", "proxy_addr",
    "proxy_port", "digest", "match_digest", "match_pattern", "negate_match_pattern",
    "re_modifiers", "flagOUT", "replace_pattern", "destination_hostgroup", "cache_ttl",
    "cache_empty_result", "cache_timeout", "reconnect", "timeout", "retries", "delay",
    "next_query_flagIN", "mirror_flagOUT", "mirror_hostgroup", "error_msg", "OK_msg",
    "sticky_conn", "multiplex", "gtid_from_hostgroup", "log", "apply", "attributes", "comment",
};
/* clang-format on */

#define TABLE(section, list, type, most)                                                     \
    {                                                                                        \
        .name = (section), .columns = (list), .n_columns = ARRAY_SIZE(list),                 \
        .row_size = sizeof(type), .place_offset = offsetof(type, place), .max_rows = (most), \
    }

static const struct table servers_table =
    TABLE("mysql_servers", server_columns, struct conf_server, CONF_SERVERS_MAX);
static const struct table users_table =
    TABLE("mysql_users", user_columns, struct conf_user, CONF_USERS_MAX);
static const struct table galera_table =
    TABLE("mysql_galera_hostgroups", galera_columns, struct conf_galera, CONF_GALERA_MAX);

/* --- one value ------------------------------------------------------------------------------- */

static int parse_number(struct slice text, int64_t min, int64_t max, int64_t *out)
{
    char number[CNF_NUMBER_MAX];
    char *end;

    if (text.len == 0 || text.len >= sizeof(number) || text.data[0] <= ' ') {
        return ERR_CONFIG;
    }
    memcpy(number, text.data, text.len);
    number[text.len] = '\0';
    errno = 0;
    *out = strtoll(number, &end, 10);
    return errno == 0 && end == number + text.len && *out >= min && *out <= max ? 0 : ERR_CONFIG;
}

static const char *const status_words[] = {
    [SERVER_ONLINE] = "ONLINE",
    [SERVER_SHUNNED] = "SHUNNED",
    [SERVER_OFFLINE_SOFT] = "OFFLINE_SOFT",
    [SERVER_OFFLINE_HARD] = "OFFLINE_HARD",
};

static int set_status(uint8_t *status, struct slice text)
{
    for (size_t i = 0; i < ARRAY_SIZE(status_words); i++) {
        if (slice_eq_nocase(text, slice_of(status_words[i]))) {
            *status = (uint8_t)i;
            return 0;
        }
    }
    return ERR_CONFIG;
}

static int set_text(const struct column *column, char **target, struct slice text)
{
    if ((int64_t)text.len < column->min || (int64_t)text.len > column->max) {
        return ERR_CONFIG;
    }
    mem_free(MEM_CONF, *target);
    *target = mem_copy(MEM_CONF, text);
    return 0;
}

static int set_number(const struct column *column, void *target, struct slice text)
{
    int64_t number;

    /* libconfig's true and false, and the words ProxySQL takes. */
    if (column->type == COL_BOOL && slice_eq_nocase(text, SLICE("true"))) {
        text = SLICE("1");
    } else if (column->type == COL_BOOL && slice_eq_nocase(text, SLICE("false"))) {
        text = SLICE("0");
    }
    if (parse_number(text, column->min, column->max, &number) != 0) {
        return ERR_CONFIG;
    }
    switch (column->type) {
    case COL_BOOL: *(bool *)target = number != 0; return 0;
    case COL_INT: *(int *)target = (int)number; return 0;
    case COL_U32: *(uint32_t *)target = (uint32_t)number; return 0;
    case COL_U16: *(uint16_t *)target = (uint16_t)number; return 0;
    case COL_U8: *(uint8_t *)target = (uint8_t)number; return 0;
    case COL_TEXT:
    case COL_STATUS: break;
    }
    UNREACHABLE();
}

static int set_column(const struct column *column, char *row, struct slice text)
{
    void *target = row + column->offset;

    switch (column->type) {
    case COL_TEXT: return set_text(column, target, text);
    case COL_STATUS: return set_status(target, text);
    case COL_BOOL:
    case COL_INT:
    case COL_U32:
    case COL_U16:
    case COL_U8: return set_number(column, target, text);
    }
    UNREACHABLE();
}

static void say_bad_value(struct cnf *cnf, const struct table *table, const struct column *column,
                          const config_setting_t *setting)
{
    struct conf_place at = cnf_place(cnf, setting);
    char allowed[128] = "ONLINE, SHUNNED, OFFLINE_SOFT or OFFLINE_HARD";

    if (column->type == COL_TEXT) {
        (void)snprintf(allowed, sizeof(allowed),
                       "a text in quotes of %" PRId64 " to %" PRId64 " bytes", column->min,
                       column->max);
    } else if (column->type == COL_BOOL) {
        (void)snprintf(allowed, sizeof(allowed), "0, 1, true or false");
    } else if (column->type != COL_STATUS) {
        (void)snprintf(allowed, sizeof(allowed), "%" PRId64 " to %" PRId64, column->min,
                       column->max);
    }
    fault_error(cnf->faults, at.file, at.line, "%s: %s: bad value (%s); allowed: %s", table->name,
                column->name, cnf_type_text(setting), allowed);
}

/* --- one row --------------------------------------------------------------------------------- */

static const char *column_name(const void *ctx, size_t i)
{
    return ((const struct table *)ctx)->columns[i].name;
}

static const char *rule_column_name(const void *ctx, size_t i)
{
    (void)ctx;
    return rule_columns[i];
}

static void say_unknown(struct cnf *cnf, const char *section, const config_setting_t *setting,
                        const char *near)
{
    struct conf_place at = cnf_place(cnf, setting);

    fault_error(cnf->faults, at.file, at.line, "%s: unknown column \"%s\"%s%s%s", section,
                config_setting_name(setting), near == NULL ? "" : "; did you mean \"",
                near == NULL ? "" : near, near == NULL ? "" : "\"?");
}

static const struct column *find_column(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        if (strcmp(table->columns[i].name, name) == 0) {
            return &table->columns[i];
        }
    }
    return NULL;
}

/* The first column with the same target stands for all its names. */
static uint32_t column_bit(const struct table *table, const struct column *column)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        if (table->columns[i].offset == column->offset) {
            return BIT(i);
        }
    }
    UNREACHABLE();
}

static void read_column(struct cnf *cnf, const struct table *table, char *row,
                        const config_setting_t *setting, uint32_t *seen)
{
    const struct column *column = find_column(table, config_setting_name(setting));
    struct conf_place at = cnf_place(cnf, setting);
    char buffer[CNF_NUMBER_MAX];
    struct slice text;
    uint32_t bit;

    if (column == NULL) {
        say_unknown(cnf, table->name, setting,
                    near_find(slice_of(config_setting_name(setting)), column_name, table,
                              table->n_columns));
        return;
    }
    bit = column_bit(table, column);
    if ((*seen & bit) != 0) {
        fault_error(cnf->faults, at.file, at.line,
                    "%s: %s: is written twice in a row, under two names", table->name,
                    column->name);
    }
    *seen |= bit;
    if (cnf_scalar(setting, buffer, &text) != 0 ||
        (column->type == COL_TEXT && config_setting_type(setting) != CONFIG_TYPE_STRING) ||
        set_column(column, row, text) != 0) {
        say_bad_value(cnf, table, column, setting);
    }
}

static void read_row(struct cnf *cnf, const struct table *table, char *row,
                     const config_setting_t *group)
{
    struct conf_place *place = (void *)(row + table->place_offset);
    uint32_t seen = 0;

    *place = cnf_place(cnf, group);
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct column *column = &table->columns[i];

        /* Texts are never NULL, not even in a row that is refused. */
        if (column->preset != NULL) {
            CHECK(set_column(column, row, slice_of(column->preset)) == 0);
        } else if (column->type == COL_TEXT && *(char **)(void *)(row + column->offset) == NULL) {
            *(char **)(void *)(row + column->offset) = mem_copy(MEM_CONF, SLICE(""));
        }
    }
    for (int i = 0; i < config_setting_length(group); i++) {
        read_column(cnf, table, row, config_setting_get_elem(group, (unsigned)i), &seen);
    }
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct column *column = &table->columns[i];

        if (column->preset == NULL && (seen & column_bit(table, column)) == 0) {
            fault_error(cnf->faults, place->file, place->line, "%s: a row has no %s", table->name,
                        column->name);
            seen |= column_bit(table, column);
        }
    }
}

/* The number of elements, of which is_row() sorts out what is no group. */
static size_t count_rows(struct cnf *cnf, const char *name, size_t max_rows,
                         const config_setting_t *section)
{
    struct conf_place at = cnf_place(cnf, section);
    int type = config_setting_type(section);
    size_t n = (size_t)config_setting_length(section);

    if (type != CONFIG_TYPE_LIST && !(type == CONFIG_TYPE_ARRAY && n == 0)) {
        fault_error(cnf->faults, at.file, at.line,
                    "%s: is %s, but must be a list of groups ( { }, { } )", name,
                    cnf_type_text(section));
        return 0;
    }
    if (n > max_rows) {
        fault_error(cnf->faults, at.file, at.line, "%s: %zu rows are more than %zu", name, n,
                    max_rows);
        return 0;
    }
    return n;
}

static bool is_row(struct cnf *cnf, const char *name, const config_setting_t *element)
{
    struct conf_place at = cnf_place(cnf, element);

    if (config_setting_type(element) == CONFIG_TYPE_GROUP) {
        return true;
    }
    fault_error(cnf->faults, at.file, at.line, "%s: an element is %s, but must be a group { }",
                name, cnf_type_text(element));
    return false;
}

static void *read_rows(struct cnf *cnf, const struct table *table, const config_setting_t *section,
                       size_t *n_rows)
{
    size_t n = count_rows(cnf, table->name, table->max_rows, section);
    char *rows;

    *n_rows = 0;
    if (n == 0) {
        return NULL;
    }
    rows = mem_new(MEM_CONF, n * table->row_size);
    for (size_t i = 0; i < n; i++) {
        const config_setting_t *group = config_setting_get_elem(section, (unsigned)i);

        if (is_row(cnf, table->name, group)) {
            read_row(cnf, table, rows + *n_rows * table->row_size, group);
            (*n_rows)++;
        }
    }
    return rows;
}

void cnf_rows_servers(struct cnf *cnf, const config_setting_t *section)
{
    cnf->conf->servers = read_rows(cnf, &servers_table, section, &cnf->conf->n_servers);
}

void cnf_rows_users(struct cnf *cnf, const config_setting_t *section)
{
    cnf->conf->users = read_rows(cnf, &users_table, section, &cnf->conf->n_users);
}

void cnf_rows_galera(struct cnf *cnf, const config_setting_t *section)
{
    cnf->conf->galera = read_rows(cnf, &galera_table, section, &cnf->conf->n_galera);
}

/* --- rules: stored as they are --------------------------------------------------------------- */

static bool is_rule_column(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rule_columns); i++) {
        if (strcmp(rule_columns[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void read_rule(struct cnf *cnf, struct conf_row *row, const config_setting_t *group)
{
    size_t n = (size_t)config_setting_length(group);

    *row = (struct conf_row){.place = cnf_place(cnf, group)};
    row->names = mem_new(MEM_CONF, MAX(n, 1) * sizeof(*row->names));
    row->values = mem_new(MEM_CONF, MAX(n, 1) * sizeof(*row->values));
    for (size_t i = 0; i < n; i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(setting);
        struct conf_place at = cnf_place(cnf, setting);
        char buffer[CNF_NUMBER_MAX];
        struct slice text;

        if (!is_rule_column(name)) {
            say_unknown(
                cnf, "mysql_query_rules", setting,
                near_find(slice_of(name), rule_column_name, NULL, ARRAY_SIZE(rule_columns)));
        } else if (cnf_scalar(setting, buffer, &text) != 0) {
            fault_error(cnf->faults, at.file, at.line,
                        "mysql_query_rules: %s: is %s, but must be a text or a number", name,
                        cnf_type_text(setting));
        } else {
            row->names[row->n] = mem_copy(MEM_CONF, slice_of(name));
            row->values[row->n++] = mem_copy(MEM_CONF, text);
        }
    }
}

void cnf_rows_query_rules(struct cnf *cnf, const config_setting_t *section)
{
    size_t n = count_rows(cnf, "mysql_query_rules", CONF_RULES_MAX, section);
    struct conf *conf = cnf->conf;

    if (n == 0) {
        return;
    }
    conf->query_rules = mem_new(MEM_CONF, n * sizeof(*conf->query_rules));
    for (size_t i = 0; i < n; i++) {
        const config_setting_t *group = config_setting_get_elem(section, (unsigned)i);

        if (is_row(cnf, "mysql_query_rules", group)) {
            read_rule(cnf, &conf->query_rules[conf->n_query_rules++], group);
        }
    }
}

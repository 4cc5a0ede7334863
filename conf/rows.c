/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.c - sections that are lists of groups: read as columns.h says.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/cnf.h"
#include "conf/columns.h"
#include "conf/items.h"
#include "conf/near.h"

#define VALUE_SHOWN 60 /* bytes of a bad value that its fault shows */

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

/* The next of the words, which are parted by single spaces; {NULL, 0} behind the last one. */
static struct slice next_word(const char **words)
{
    size_t n = strcspn(*words, " ");
    struct slice word = {n == 0 ? NULL : *words, n};

    *words += n;
    *words += **words == ' ' ? 1 : 0;
    return word;
}

static int set_word(const struct column *column, uint8_t *target, struct slice text)
{
    const char *words = column->words;
    struct slice word;

    for (uint8_t i = 0; (word = next_word(&words)).data != NULL; i++) {
        if (slice_eq_nocase(text, word)) {
            *target = i;
            return 0;
        }
    }
    return ERR_CONFIG;
}

static int set_digest(uint64_t *target, struct slice text)
{
    uint64_t digest = 0;

    if (text.len < 3 || text.len > 18 || text.data[0] != '0' || (text.data[1] | 0x20) != 'x') {
        return ERR_CONFIG;
    }
    for (size_t i = 2; i < text.len; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit =
            strchr(digits, text.data[i] >= 'A' ? text.data[i] | 0x20 : text.data[i]);

        if (text.data[i] == '\0' || digit == NULL) {
            return ERR_CONFIG;
        }
        digest = digest << 4 | (uint64_t)(digit - digits);
    }
    *target = digest;
    return digest == 0 ? ERR_CONFIG : 0;
}

/* Words with commas in between; spaces do not count. */
static int set_modifiers(uint8_t *target, struct slice text)
{
    uint8_t flags = 0;

    while (text.len > 0) {
        struct slice word = items_next(&text, ',');

        if (slice_eq_nocase(word, SLICE("CASELESS"))) {
            flags |= CONF_RE_CASELESS;
        } else if (slice_eq_nocase(word, SLICE("GLOBAL"))) {
            flags |= CONF_RE_GLOBAL;
        } else if (word.len > 0) {
            return ERR_CONFIG;
        }
    }
    *target = flags;
    return 0;
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

static bool is_truth(const struct column *column)
{
    return column->min == 0 && column->max == 1;
}

static int set_number(const struct column *column, void *target, struct slice text)
{
    int64_t number;

    /* libconfig's true and false, and the words ProxySQL takes. */
    if (is_truth(column) && slice_eq_nocase(text, SLICE("true"))) {
        text = SLICE("1");
    } else if (is_truth(column) && slice_eq_nocase(text, SLICE("false"))) {
        text = SLICE("0");
    }
    if (parse_number(text, column->min, column->max, &number) != 0) {
        return ERR_CONFIG;
    }
    switch (column->type) {
    case COL_BOOL: *(bool *)target = number != 0; return 0;
    case COL_INT: *(int *)target = (int)number; return 0;
    case COL_I64: *(int64_t *)target = number; return 0;
    case COL_U32: *(uint32_t *)target = (uint32_t)number; return 0;
    case COL_U16: *(uint16_t *)target = (uint16_t)number; return 0;
    case COL_U8: *(uint8_t *)target = (uint8_t)number; return 0;
    case COL_TEXT:
    case COL_WORD:
    case COL_DIGEST:
    case COL_MODIFIERS: break;
    }
    UNREACHABLE();
}

static int set_column(const struct column *column, char *row, struct slice text)
{
    void *target = row + column->offset;

    switch (column->type) {
    case COL_TEXT: return set_text(column, target, text);
    case COL_WORD: return set_word(column, target, text);
    case COL_DIGEST: return set_digest(target, text);
    case COL_MODIFIERS: return set_modifiers(target, text);
    case COL_BOOL:
    case COL_INT:
    case COL_I64:
    case COL_U32:
    case COL_U16:
    case COL_U8: return set_number(column, target, text);
    }
    UNREACHABLE();
}

/* NULL: texts and digests are that in a row that is all zero. */
static void set_null(const struct column *column, char *row)
{
    if (column->type == COL_INT) {
        *(int *)(void *)(row + column->offset) = CONF_UNSET;
    } else if (column->type == COL_I64) {
        *(int64_t *)(void *)(row + column->offset) = CONF_UNSET;
    }
}

/* Texts need quotes; so do digests, which are not numbers of libconfig's. */
static bool has_right_type(const struct column *column, const config_setting_t *setting)
{
    return (column->type != COL_TEXT && column->type != COL_DIGEST) ||
           config_setting_type(setting) == CONFIG_TYPE_STRING;
}

/* A value of the right type, cut; of others what they are. A password is never repeated. */
static const char *show_value(const struct column *column, const config_setting_t *setting,
                              char *out, size_t cap)
{
    char number[CNF_NUMBER_MAX];
    struct slice text;

    if (strcmp(column->name, "password") == 0 || !has_right_type(column, setting) ||
        cnf_scalar(setting, number, &text) != 0) {
        (void)snprintf(out, cap, "(%s)", cnf_type_text(setting));
    } else if (config_setting_type(setting) == CONFIG_TYPE_STRING) {
        (void)snprintf(out, cap, "\"%.*s\"%s", (int)MIN(text.len, (size_t)VALUE_SHOWN), text.data,
                       text.len > VALUE_SHOWN ? "..." : "");
    } else {
        (void)snprintf(out, cap, "%.*s", (int)MIN(text.len, (size_t)VALUE_SHOWN), text.data);
    }
    return out;
}

static void say_bad_value(struct cnf *cnf, const struct table *table, const struct column *column,
                          const config_setting_t *setting)
{
    struct conf_place at = cnf_place(cnf, setting);
    char allowed[160], value[VALUE_SHOWN + 8];

    switch (column->type) {
    case COL_TEXT:
        (void)snprintf(allowed, sizeof(allowed),
                       "a text in quotes of %" PRId64 " to %" PRId64 " bytes", column->min,
                       column->max);
        break;
    case COL_WORD: (void)snprintf(allowed, sizeof(allowed), "one of %s", column->words); break;
    case COL_DIGEST:
        (void)snprintf(allowed, sizeof(allowed), "\"0x\" and 1 to 16 hex digits, not 0");
        break;
    case COL_MODIFIERS:
        (void)snprintf(allowed, sizeof(allowed), "CASELESS and GLOBAL, with a comma in between");
        break;
    case COL_BOOL:
    case COL_INT:
    case COL_I64:
    case COL_U32:
    case COL_U16:
    case COL_U8:
        (void)snprintf(allowed, sizeof(allowed), "%" PRId64 " to %" PRId64, column->min,
                       column->max);
        if (is_truth(column)) {
            (void)snprintf(allowed, sizeof(allowed), "0, 1, true or false");
        }
        break;
    }
    fault_error(cnf->faults, at.file, at.line, "%s: %s: bad value %s; allowed: %s", table->name,
                column->name, show_value(column, setting, value, sizeof(value)), allowed);
}

/* --- one row --------------------------------------------------------------------------------- */

static const char *column_name(const void *ctx, size_t i)
{
    return ((const struct table *)ctx)->columns[i].name;
}

static void say_unknown(struct cnf *cnf, const char *section, const config_setting_t *setting,
                        const char *near)
{
    struct conf_place at = cnf_place(cnf, setting);

    fault_error(cnf->faults, at.file, at.line, "%s: unknown column \"%s\"%s%s%s", section,
                config_setting_name(setting), near == NULL ? "" : "; did you mean \"",
                near == NULL ? "" : near, near == NULL ? "" : "\"?");
}

static bool is_default(const struct column *column, struct slice text)
{
    if (column->preset == column_null) {
        return text.len == 0;
    }
    if (is_truth(column) && (text.len == 4 || text.len == 5)) {
        text = slice_eq_nocase(text, SLICE("true")) ? SLICE("1") : SLICE("0");
    }
    return column->preset != NULL && slice_eq(text, slice_of(column->preset));
}

static void read_column(struct cnf *cnf, const struct table *table, char *row,
                        const config_setting_t *setting, uint64_t *seen)
{
    const struct column *column = table_column(table, config_setting_name(setting));
    struct conf_place at = cnf_place(cnf, setting);
    char buffer[CNF_NUMBER_MAX];
    struct slice text;
    uint64_t bit;

    if (column == NULL) {
        say_unknown(cnf, table->name, setting,
                    near_find(slice_of(config_setting_name(setting)), column_name, table,
                              table->n_columns));
        return;
    }
    bit = UINT64_C(1) << column_first(table, column);
    if ((*seen & bit) != 0) {
        fault_error(cnf->faults, at.file, at.line,
                    "%s: %s: is written twice in a row, under two names", table->name,
                    column->name);
    }
    *seen |= bit;
    if (cnf_scalar(setting, buffer, &text) != 0 || !has_right_type(column, setting) ||
        set_column(column, row, text) != 0) {
        say_bad_value(cnf, table, column, setting);
    } else if (column->later && !is_default(column, text)) {
        fault_warning(cnf->faults, at.file, at.line, "%s: %s: accepted, but not acted on yet",
                      table->name, column->name);
    }
}

/* Texts that may not be NULL are not, not even in a row that is refused. */
static void set_defaults(const struct table *table, char *row)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct column *column = &table->columns[i];
        char **text = (char **)(void *)(row + column->offset);

        if (column->preset == column_null) {
            set_null(column, row);
        } else if (column->preset != NULL) {
            CHECK(set_column(column, row, slice_of(column->preset)) == 0);
        } else if (column->type == COL_TEXT && *text == NULL) {
            *text = mem_copy(MEM_CONF, SLICE(""));
        }
    }
}

static void read_row(struct cnf *cnf, const struct table *table, char *row,
                     const config_setting_t *group)
{
    struct conf_place *place = (void *)(row + table->place_offset);
    uint64_t seen = 0;

    *place = cnf_place(cnf, group);
    set_defaults(table, row);
    for (int i = 0; i < config_setting_length(group); i++) {
        read_column(cnf, table, row, config_setting_get_elem(group, (unsigned)i), &seen);
    }
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct column *column = &table->columns[i];
        uint64_t bit = UINT64_C(1) << column_first(table, column);

        if (column->preset == NULL && (seen & bit) == 0) {
            fault_error(cnf->faults, place->file, place->line, "%s: a row has no %s", table->name,
                        column->name);
            seen |= bit;
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

void cnf_rows(struct cnf *cnf, const struct table *table, const config_setting_t *section)
{
    void **rows = (void **)(void *)((char *)cnf->conf + table->rows_offset);
    size_t *n = (size_t *)(void *)((char *)cnf->conf + table->n_offset);

    *rows = read_rows(cnf, table, section, n);
    if (table->later) {
        cnf_not_acted_on(cnf, section, *n == 0);
    }
}

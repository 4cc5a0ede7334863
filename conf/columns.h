/* SPDX-License-Identifier: Apache-2.0 */
/*
 * columns.h - the tables of a configuration as data: which columns each has, what each may be,
 * where its value goes.
 *
 * For conf/ itself; others use conf.h.
 */
#ifndef CONF_COLUMNS_H
#define CONF_COLUMNS_H

#include "conf/conf.h"

enum column_type {
    COL_TEXT,
    COL_BOOL,
    COL_INT,
    COL_I64,
    COL_U32,
    COL_U16,
    COL_U8,
    COL_WORD,     /* one of the words; stored as its number, uint8_t */
    COL_DIGEST,   /* 0x and hex digits; uint64_t, 0 = NULL */
    COL_MODIFIERS /* CASELESS, GLOBAL; uint8_t */
};

/* The order is that of the tables, for readers. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct column {
    const char *name;
    enum column_type type;
    size_t offset;
    int64_t min; /* of a text, its length */
    int64_t max;
    const char *preset; /* NULL = must be written, or its other name; column_null = may be NULL */
    bool later;         /* accepted, but not acted on */
    const char *words;  /* COL_WORD: all of them, with a space in between */
};

extern const char column_null[];

struct table {
    const char *name;
    const struct column *columns;
    size_t n_columns; /* at most 64 */
    size_t row_size;
    size_t place_offset;
    size_t max_rows;
    size_t rows_offset; /* in struct conf: the array */
    size_t n_offset;    /* in struct conf: how many */
    bool later;         /* accepted as a whole, but not acted on */
};

/* table_at - the i-th table, or NULL. */
const struct table *table_at(size_t i);
const struct table *table_find(const char *name);

/* table_column - by name, or NULL. */
const struct column *table_column(const struct table *table, const char *name);

/*
 * column_first - the number of the first column with the same target: it stands for all its names.
 */
size_t column_first(const struct table *table, const struct column *column);

/* tables_free - all rows of a configuration. */
void tables_free(struct conf *conf);

#endif

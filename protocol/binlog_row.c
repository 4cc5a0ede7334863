/* SPDX-License-Identifier: Apache-2.0 */
/*
 * binlog_row.c - see binlog.h: which table, which rows.
 *
 * Of values only the length counts, but for CHAR and VARCHAR. A row cannot be told from its
 * neighbours without the length of every column before it, so all types must be known.
 */
#include "base/err.h"
#include "protocol/binlog.h"

/* Types of columns as they stand in events. */
enum column_type {
    COL_TINY = 1,
    COL_SHORT = 2,
    COL_LONG = 3,
    COL_FLOAT = 4,
    COL_DOUBLE = 5,
    COL_NULL = 6,
    COL_TIMESTAMP = 7,
    COL_LONGLONG = 8,
    COL_INT24 = 9,
    COL_DATE = 10,
    COL_TIME = 11,
    COL_DATETIME = 12,
    COL_YEAR = 13,
    COL_NEWDATE = 14,
    COL_VARCHAR = 15,
    COL_BIT = 16,
    COL_TIMESTAMP2 = 17,
    COL_DATETIME2 = 18,
    COL_TIME2 = 19,
    COL_BLOB_PACKED = 140,
    COL_VARCHAR_PACKED = 141,
    COL_JSON = 245,
    COL_NEWDECIMAL = 246,
    COL_ENUM = 247,
    COL_SET = 248,
    COL_TINY_BLOB = 249,
    COL_MEDIUM_BLOB = 250,
    COL_LONG_BLOB = 251,
    COL_BLOB = 252,
    COL_VAR_STRING = 253,
    COL_STRING = 254,
    COL_GEOMETRY = 255
};

enum { ROWS_ENDS_STATEMENT = 0x0001, EXTRA_LEN_SELF = 2, TABLE_ID_LEN = 6 };

/* A column: what its type and its metadata say. */
struct column {
    uint8_t type;
    unsigned meta; /* first byte lowest */
};

static uint64_t get_table_id(struct reader *r)
{
    uint64_t low = get_u32(r);

    return low | (uint64_t)get_u16(r) << 32;
}

static struct slice get_name(struct reader *r)
{
    struct slice name = get_bytes(r, get_u8(r));

    if (get_u8(r) != 0) {
        r->failed = true;
    }
    return name;
}

int binlog_table_decode(struct binlog_table *out, struct slice body)
{
    struct reader r = reader_of(body.data, body.len);
    uint64_t n_columns;

    out->id = get_table_id(&r);
    (void)get_u16(&r); /* flags */
    out->schema = get_name(&r);
    out->name = get_name(&r);
    n_columns = get_lenenc(&r);
    if (r.failed || n_columns > BINLOG_COLUMNS_MAX) {
        return ERR_MALFORMED;
    }
    out->n_columns = (unsigned)n_columns;
    out->types = get_bytes(&r, out->n_columns);
    out->meta = get_lenenc_bytes(&r);
    (void)get_bytes(&r, (out->n_columns + 7) / 8); /* which may be NULL */
    return r.failed ? ERR_MALFORMED : 0;           /* names and the like may follow */
}

bool binlog_is_rows(uint8_t type)
{
    return (type >= BINLOG_WRITE_ROWS_V1 && type <= BINLOG_DELETE_ROWS_V1) ||
           (type >= BINLOG_WRITE_ROWS && type <= BINLOG_DELETE_ROWS) ||
           (type >= BINLOG_WRITE_ROWS_V1_PACKED && type <= BINLOG_DELETE_ROWS_PACKED);
}

static bool is_update(uint8_t type)
{
    return type == BINLOG_UPDATE_ROWS_V1 || type == BINLOG_UPDATE_ROWS ||
           type == BINLOG_UPDATE_ROWS_V1_PACKED || type == BINLOG_UPDATE_ROWS_PACKED;
}

static bool is_second_version(uint8_t type)
{
    return (type >= BINLOG_WRITE_ROWS && type <= BINLOG_DELETE_ROWS) ||
           (type >= BINLOG_WRITE_ROWS_PACKED && type <= BINLOG_DELETE_ROWS_PACKED);
}

int binlog_rows_decode(struct binlog_rows *out, uint8_t type, struct slice body)
{
    struct reader r = reader_of(body.data, body.len);
    uint64_t n_columns;

    *out = (struct binlog_rows){.is_update = is_update(type),
                                .is_packed = type >= BINLOG_WRITE_ROWS_V1_PACKED};
    out->table_id = get_table_id(&r);
    out->ends_statement = (get_u16(&r) & ROWS_ENDS_STATEMENT) != 0;
    if (is_second_version(type)) {
        unsigned extra = get_u16(&r); /* itself included */

        if (extra < EXTRA_LEN_SELF) {
            return ERR_MALFORMED;
        }
        (void)get_bytes(&r, extra - EXTRA_LEN_SELF);
    }
    n_columns = get_lenenc(&r);
    if (r.failed || n_columns == 0 || n_columns > BINLOG_COLUMNS_MAX) {
        return ERR_MALFORMED;
    }
    out->n_columns = (unsigned)n_columns;
    out->columns[0] = reader_take(&r, (out->n_columns + 7) / 8);
    out->columns[1] = out->is_update ? reader_take(&r, (out->n_columns + 7) / 8) : out->columns[0];
    out->data = get_rest(&r);
    return r.failed ? ERR_MALFORMED : 0;
}

/* --- columns ---------------------------------------------------------------------------------- */

/* How many bytes of metadata a type has; -1 = this type is not known. */
static int meta_len(uint8_t type)
{
    switch ((enum column_type)type) {
    case COL_FLOAT:
    case COL_DOUBLE:
    case COL_TIMESTAMP2:
    case COL_DATETIME2:
    case COL_TIME2:
    case COL_BLOB_PACKED:
    case COL_JSON:
    case COL_TINY_BLOB:
    case COL_MEDIUM_BLOB:
    case COL_LONG_BLOB:
    case COL_BLOB:
    case COL_GEOMETRY: return 1;
    case COL_VARCHAR:
    case COL_VARCHAR_PACKED:
    case COL_BIT:
    case COL_NEWDECIMAL:
    case COL_ENUM:
    case COL_SET:
    case COL_VAR_STRING:
    case COL_STRING: return 2;
    case COL_TINY:
    case COL_SHORT:
    case COL_LONG:
    case COL_NULL:
    case COL_TIMESTAMP:
    case COL_LONGLONG:
    case COL_INT24:
    case COL_DATE:
    case COL_TIME:
    case COL_DATETIME:
    case COL_YEAR:
    case COL_NEWDATE: return 0;
    }
    return -1;
}

static bool get_column(struct column *out, struct reader *meta, uint8_t type)
{
    int len = meta_len(type);

    out->type = type;
    out->meta = len == 1 ? get_u8(meta) : len == 2 ? get_u16(meta) : 0;
    return len >= 0 && !meta->failed;
}

/* Nine decimal digits take four bytes, what is left over takes as few as it can. */
static unsigned decimal_len(unsigned precision, unsigned scale)
{
    static const uint8_t rest[] = {0, 1, 1, 2, 2, 3, 3, 4, 4};
    unsigned whole = precision - MIN(scale, precision);

    return whole / 9 * 4 + rest[whole % 9] + scale / 9 * 4 + rest[scale % 9];
}

static size_t get_length(struct reader *r, unsigned n_bytes)
{
    switch (n_bytes) {
    case 1: return get_u8(r);
    case 2: return get_u16(r);
    case 3: return get_u24(r);
    case 4: return get_u32(r);
    default: r->failed = true; return 0;
    }
}

/*
 * STRING has two meanings: the first byte of its metadata is the real type (ENUM, SET), or has the
 * upper bits of a length that needs more than a byte, inverted.
 */
static unsigned string_max(unsigned meta, bool *is_text)
{
    unsigned real = meta & 0xff;
    unsigned len = meta >> 8;

    *is_text = true;
    if ((real & 0x30) != 0x30) {
        return len | ((real & 0x30) ^ 0x30) << 4;
    }
    *is_text = real != COL_ENUM && real != COL_SET;
    return len;
}

static struct slice get_string(struct reader *r, unsigned meta, bool *is_text)
{
    unsigned max = string_max(meta, is_text);

    return *is_text ? get_bytes(r, get_length(r, max > UINT8_MAX ? 2 : 1)) : get_bytes(r, max);
}

/* The bytes of a value that is not NULL. is_text: it is a CHAR or VARCHAR, as it was written. */
static struct slice get_value(struct reader *r, struct column c, bool *is_text)
{
    *is_text = false;
    switch ((enum column_type)c.type) {
    case COL_NULL: return (struct slice){NULL, 0};
    case COL_TINY:
    case COL_YEAR: return get_bytes(r, 1);
    case COL_SHORT: return get_bytes(r, 2);
    case COL_INT24:
    case COL_DATE:
    case COL_NEWDATE:
    case COL_TIME: return get_bytes(r, 3);
    case COL_LONG:
    case COL_FLOAT:
    case COL_TIMESTAMP: return get_bytes(r, 4);
    case COL_DOUBLE:
    case COL_LONGLONG:
    case COL_DATETIME: return get_bytes(r, 8);
    case COL_TIMESTAMP2: return get_bytes(r, 4 + (c.meta + 1) / 2);
    case COL_DATETIME2: return get_bytes(r, 5 + (c.meta + 1) / 2);
    case COL_TIME2: return get_bytes(r, 3 + (c.meta + 1) / 2);
    case COL_BIT: return get_bytes(r, (c.meta >> 8) + ((c.meta & 0xff) != 0 ? 1 : 0));
    case COL_NEWDECIMAL: return get_bytes(r, decimal_len(c.meta & 0xff, c.meta >> 8));
    case COL_ENUM:
    case COL_SET: return get_bytes(r, c.meta >> 8);
    case COL_VARCHAR:
    case COL_VAR_STRING:
        *is_text = true;
        return get_bytes(r, get_length(r, c.meta > UINT8_MAX ? 2 : 1));
    case COL_VARCHAR_PACKED: return get_bytes(r, get_length(r, c.meta > UINT8_MAX ? 2 : 1));
    case COL_STRING: return get_string(r, c.meta, is_text);
    case COL_BLOB_PACKED:
    case COL_JSON:
    case COL_TINY_BLOB:
    case COL_MEDIUM_BLOB:
    case COL_LONG_BLOB:
    case COL_BLOB:
    case COL_GEOMETRY: return get_bytes(r, get_length(r, c.meta));
    }
    r->failed = true;
    return (struct slice){NULL, 0};
}

/* --- images ----------------------------------------------------------------------------------- */

static bool has_bit(const uint8_t *bits, unsigned i)
{
    return (bits[i / 8] >> i % 8 & 1) != 0;
}

static unsigned count_bits(const uint8_t *bits, unsigned n)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++) {
        count += has_bit(bits, i) ? 1 : 0;
    }
    return count;
}

static bool may_be_text(struct column c)
{
    bool is_text = false;

    if (c.type == COL_STRING) {
        (void)string_max(c.meta, &is_text);
        return is_text;
    }
    return c.type == COL_VARCHAR || c.type == COL_VAR_STRING || c.type == COL_VARCHAR_PACKED;
}

static void add_string(struct binlog_image *out, struct slice value, bool is_text)
{
    if (!is_text || out->n == BINLOG_STRINGS_MAX) {
        out->is_cut = true;
        out->is_whole = false;
        return;
    }
    out->strings[out->n++] = value;
}

int binlog_image_decode(struct binlog_image *out, struct reader *r, const struct binlog_rows *rows,
                        const struct binlog_table *table, unsigned nth)
{
    const uint8_t *columns = rows->columns[rows->is_update ? nth % 2 : 0];
    struct reader meta = reader_of(table->meta.data, table->meta.len);
    unsigned n_here = count_bits(columns, rows->n_columns);
    const uint8_t *nulls;

    out->n = 0;
    out->is_whole = true;
    out->is_cut = false;
    if (rows->n_columns != table->n_columns || n_here == 0) {
        return ERR_MALFORMED;
    }
    nulls = reader_take(r, (n_here + 7) / 8);
    n_here = 0;
    for (unsigned i = 0; i < rows->n_columns && !r->failed; i++) {
        struct column c;
        struct slice value;
        bool is_text;

        if (!get_column(&c, &meta, (uint8_t)table->types.data[i])) {
            return ERR_MALFORMED;
        }
        if (!has_bit(columns, i)) {
            out->is_whole &= !may_be_text(c);
            continue;
        }
        if (has_bit(nulls, n_here++)) {
            continue;
        }
        value = get_value(r, c, &is_text);
        if (may_be_text(c)) {
            add_string(out, value, is_text);
        }
    }
    return r->failed ? ERR_MALFORMED : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * binlog.h - events of a replication stream: what was written, to which tables, to which rows.
 *
 * Layouts: MariaDB documentation, "Replication protocol", and what MariaDB 10.11 sends. Pure:
 * slices point into the event. An event is a header, a body and, when the node adds checksums, four
 * bytes behind it. Decoders return 0, or ERR_MALFORMED for an event that ends too early or
 * contradicts itself.
 */
#ifndef PROTOCOL_BINLOG_H
#define PROTOCOL_BINLOG_H

#include "base/base.h"
#include "protocol/bytes.h"

#define BINLOG_HEADER_LEN   19
#define BINLOG_CHECKSUM_LEN 4
#define BINLOG_COLUMNS_MAX  4096
#define BINLOG_STRINGS_MAX  8  /* character columns of a table whose values are given */
#define BINLOG_SCHEMAS_MAX  16 /* that one statement may name */
#define BINLOG_DOMAINS_MAX  32 /* of a position */
#define BINLOG_GTIDS_TEXT   (BINLOG_DOMAINS_MAX * 44)

enum binlog_type {
    BINLOG_QUERY = 2,
    BINLOG_STOP = 3,
    BINLOG_ROTATE = 4,
    BINLOG_INTVAR = 5,
    BINLOG_RAND = 13,
    BINLOG_USER_VAR = 14,
    BINLOG_FORMAT = 15,
    BINLOG_XID = 16,
    BINLOG_BEGIN_LOAD = 17, /* blocks of a file that EXECUTE_LOAD reads */
    BINLOG_EXECUTE_LOAD = 18,
    BINLOG_TABLE_MAP = 19,
    BINLOG_APPEND_BLOCK = 9,
    BINLOG_DELETE_FILE = 11,
    BINLOG_WRITE_ROWS_V1 = 23,
    BINLOG_UPDATE_ROWS_V1 = 24,
    BINLOG_DELETE_ROWS_V1 = 25,
    BINLOG_INCIDENT = 26,
    BINLOG_HEARTBEAT = 27,
    BINLOG_WRITE_ROWS = 30,
    BINLOG_UPDATE_ROWS = 31,
    BINLOG_DELETE_ROWS = 32,
    BINLOG_ANNOTATE = 160,
    BINLOG_CHECKPOINT = 161,
    BINLOG_GTID = 162,
    BINLOG_GTID_LIST = 163,
    BINLOG_START_ENCRYPTION = 164,
    BINLOG_QUERY_PACKED = 165,
    BINLOG_WRITE_ROWS_V1_PACKED = 166,
    BINLOG_UPDATE_ROWS_V1_PACKED = 167,
    BINLOG_DELETE_ROWS_V1_PACKED = 168,
    BINLOG_WRITE_ROWS_PACKED = 169,
    BINLOG_UPDATE_ROWS_PACKED = 170,
    BINLOG_DELETE_ROWS_PACKED = 171
};

#define BINLOG_FLAG_ARTIFICIAL 0x20 /* made for this stream, not in the log */
#define BINLOG_FLAG_IGNORABLE  0x80 /* who does not know it may leave it out */

struct binlog_event {
    uint32_t time_s; /* since the epoch: when its statement began, where it ran; 0 = none */
    uint8_t type;    /* enum binlog_type, or what this version does not know */
    uint32_t server_id;
    uint16_t flags;
    struct slice body; /* without header and checksum */
};

/* binlog_event_decode - data: one whole event. has_checksum: as the last FORMAT event said. */
int binlog_event_decode(struct binlog_event *out, const void *data, size_t len,
                        bool has_checksum) MUST_CHECK;

/*
 * binlog_format_decode - does the node add checksums to the events that follow? body: of a FORMAT
 * event as it came, that is with its own checksum if it has one.
 */
int binlog_format_decode(bool *has_checksum, struct slice body) MUST_CHECK;

/* --- positions -------------------------------------------------------------------------------- */

struct binlog_gtid {
    uint32_t domain;
    uint32_t server_id;
    uint64_t sequence;
};

#define BINLOG_GTID_STANDALONE  0x01 /* one event follows, not a group that a COMMIT ends */
#define BINLOG_GTID_DDL         0x20
#define BINLOG_GTID_PREPARED_XA 0x40 /* what follows becomes visible later: XA COMMIT */

/* binlog_gtid_decode - of a GTID event: whose number the group that begins has. */
int binlog_gtid_decode(struct binlog_gtid *out, uint8_t *flags,
                       const struct binlog_event *event) MUST_CHECK;

/* A position in all domains: the last group of each. */
struct binlog_gtids {
    unsigned n;
    struct binlog_gtid items[BINLOG_DOMAINS_MAX];
};

/* binlog_gtids_parse - of @@gtid_binlog_pos: "0-1-5,7-1-12" or "". ERR_LIMIT: too many domains. */
int binlog_gtids_parse(struct binlog_gtids *out, struct slice text) MUST_CHECK;

/* binlog_gtids_put - the last group of its domain is this one. false = too many domains. */
bool binlog_gtids_put(struct binlog_gtids *gtids, const struct binlog_gtid *gtid);

/* binlog_gtids_get - of a domain; NULL = none. */
const struct binlog_gtid *binlog_gtids_get(const struct binlog_gtids *gtids, uint32_t domain);

/* binlog_gtids_format - as the node takes it; out has room for BINLOG_GTIDS_TEXT bytes. */
void binlog_gtids_format(const struct binlog_gtids *gtids, char out[BINLOG_GTIDS_TEXT]);

/* --- statements ------------------------------------------------------------------------------- */

struct binlog_query {
    struct slice schema; /* the default one; may be empty */
    struct slice text;   /* packed: binlog_unpack */
};

/* binlog_query_decode - of QUERY and QUERY_PACKED. */
int binlog_query_decode(struct binlog_query *out, struct slice body) MUST_CHECK;

enum binlog_does {
    BINLOG_DOES_NOTHING, /* BEGIN, SAVEPOINT, comments, GRANT, OPTIMIZE: rows are as they were */
    BINLOG_DOES_COMMIT,  /* COMMIT, ROLLBACK: the group ends */
    BINLOG_DOES_WRITE,   /* to schemas that are known */
    BINLOG_DOES_ANYTHING /* XA, or too many schemas: anything may have changed */
};

struct binlog_schemas {
    unsigned n;
    struct slice items[BINLOG_SCHEMAS_MAX]; /* as written, without quotes */
};

/*
 * binlog_query_does - which schemas a statement may have changed: the default one and each word
 * that stands before a dot, and the one that CREATE, ALTER or DROP DATABASE names. More than it did
 * change, never less.
 */
enum binlog_does binlog_query_does(const struct binlog_query *query, struct binlog_schemas *out);

/*
 * binlog_query_changes_rights - does it change users or rights? GRANT, DROP ROLE, SET PASSWORD, SET
 * DEFAULT ROLE, FLUSH PRIVILEGES, ...
 */
bool binlog_query_changes_rights(const struct binlog_query *query);

/* --- rows ------------------------------------------------------------------------------------- */

struct binlog_table {
    uint64_t id;
    struct slice schema;
    struct slice name;
    unsigned n_columns;
    struct slice types; /* a byte for each column */
    struct slice meta;
};

/* binlog_table_decode - of a TABLE_MAP event. */
int binlog_table_decode(struct binlog_table *out, struct slice body) MUST_CHECK;

struct binlog_rows {
    uint64_t table_id;
    bool ends_statement; /* tables that were mapped are forgotten */
    bool is_update;      /* images come in pairs: before, after */
    bool is_packed;
    unsigned n_columns;
    const uint8_t *columns[2]; /* bits: which stand in the images; of before (or only), and after */
    struct slice data;         /* the images; packed: binlog_unpack */
};

/* binlog_is_rows - is it an event of rows, of any version? */
bool binlog_is_rows(uint8_t type);

/* binlog_rows_decode - of WRITE_, UPDATE_ and DELETE_ROWS of versions 1 and 2, packed or not. */
int binlog_rows_decode(struct binlog_rows *out, uint8_t type, struct slice body) MUST_CHECK;

/* What stands in the CHAR and VARCHAR columns of a row: before or after the write. */
struct binlog_image {
    unsigned n;
    bool is_whole; /* all of them are here: the log left none out, and is_cut is not set */
    bool is_cut;   /* one is here but not given: it is packed, or beyond the room */
    struct slice strings[BINLOG_STRINGS_MAX]; /* without those that are NULL */
};

/*
 * binlog_image_decode - the next image of rows' data. r: begins with reader_of(data). nth: 0, 1,
 * 2, ... Fails with ERR_MALFORMED, and for column types that it does not know, with which nothing
 * can be said of the rows.
 */
int binlog_image_decode(struct binlog_image *out, struct reader *r, const struct binlog_rows *rows,
                        const struct binlog_table *table, unsigned nth) MUST_CHECK;

/* --- packed parts ----------------------------------------------------------------------------- */

/* binlog_unpacked_len - how long a packed text or rows are; 0 = malformed. */
size_t binlog_unpacked_len(struct slice packed);

/* binlog_unpack - into len bytes, as binlog_unpacked_len said. */
int binlog_unpack(void *out, size_t len, struct slice packed) MUST_CHECK;

#endif

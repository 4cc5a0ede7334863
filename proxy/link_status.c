/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_status.c - see link_status.h.
 */
#include "proxy/link_status.h"

#include "protocol/collation.h"
#include "protocol/packet.h"
#include "protocol/tls.h"
#include "proxy/client_run.h"
#include "proxy/warnings.h"

#define ANSWER_BYTES     2048
#define NAME_CHARACTERS  64
#define VALUE_CHARACTERS 4096

/* Most bytes of a character, of the charsets that clients use. */
static const struct {
    struct slice name;
    uint8_t width;
} charsets[] = {{{"utf8mb4", 7}, 4}, {{"utf8mb3", 7}, 3}, {{"utf8", 4}, 3}, {{"latin1", 6}, 1}};

static unsigned width_of(struct slice charset)
{
    for (size_t i = 0; i < ARRAY_SIZE(charsets); i++) {
        if (slice_eq_nocase(charset, charsets[i].name)) {
            return charsets[i].width;
        }
    }
    return 0;
}

/*
 * What results are declared in: SET NAMES names a collation, too, character_set_results does not.
 */
static uint8_t results_collation(const struct profile *p, unsigned *width)
{
    struct slice charset = p->values[VAR_CHARACTER_SET_RESULTS], collation = {NULL, 0};

    if (charset.data == NULL && p->values[PROFILE_NAMES].data != NULL) {
        collation = p->values[PROFILE_NAMES];
        charset = profile_names_charset(collation);
        collation = charset.len == collation.len ? (struct slice){NULL, 0}
                                                 : (struct slice){collation.data + charset.len + 1,
                                                                  collation.len - charset.len - 1};
    }
    if (charset.data != NULL &&
        charset.len == 0) { /* character_set_results=NULL: as they are stored */
        charset = SLICE("utf8mb3");
    }
    *width = width_of(charset);
    return *width == 0 ? 0 : collation_find(charset, collation);
}

static void name_and_value(const struct client *c, struct slice asked, struct slice row[2])
{
    const struct tls *tls = c->stream.tls;

    if (slice_eq_nocase(asked, SLICE("Ssl_cipher"))) {
        row[0] = SLICE("Ssl_cipher");
        row[1] = tls == NULL ? SLICE("") : slice_of(tls_cipher(tls));
    } else if (slice_eq_nocase(asked, SLICE("Ssl_version"))) {
        row[0] = SLICE("Ssl_version");
        row[1] = tls == NULL ? SLICE("") : slice_of(tls_version(tls));
    } else {
        row[0] = SLICE("Compression");
        row[1] = stream_is_compressed(&c->stream) ? SLICE("ON") : SLICE("OFF");
    }
}

bool link_status_answer(struct client *c, const struct facts *f)
{
    uint8_t bytes[ANSWER_BYTES];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct column column = {.schema = SLICE("information_schema"),
                            .table = SLICE("SESSION_STATUS"),
                            .org_table = SLICE("SESSION_STATUS"),
                            .name = SLICE("Variable_name"),
                            .org_name = SLICE("VARIABLE_NAME"),
                            .type = TYPE_VAR_STRING,
                            .flags = FLAG_NOT_NULL | FLAG_NO_DEFAULT};
    uint64_t caps = c->session.caps;
    uint16_t status = c->session.status;
    struct slice row[2];
    unsigned width;
    uint8_t n;

    column.charset = results_collation(c->session.profile, &width);
    if (column.charset == 0) {
        return false;
    }
    name_and_value(c, f->column_name, row);
    n = result_begin(&w, 2, c->sequence);
    column.length = NAME_CHARACTERS * width;
    n = column_encode(&w, caps, &column, n);
    column.name = SLICE("Value");
    column.org_name = SLICE("VARIABLE_VALUE");
    column.length = VALUE_CHARACTERS * width;
    n = column_encode(&w, caps, &column, n);
    n = columns_end_encode(&w, caps, status | STATUS_NO_INDEX, n);
    n = row_encode(&w, row, 2, n);
    c->sequence = rows_end_encode(&w, caps, 0, status, n);
    client_let_warnings_go(c); /* a node reads it from a table, which clears the diagnostics */
    warnings_drop(c);
    (void)!client_write(c, bytes, w.len);
    return true;
}

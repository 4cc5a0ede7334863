/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow.c - from header to header through a reply.
 *
 * Two kinds of packets: plain ones (rows, column definitions) are stepped over in run(), as soon as
 * header and first byte are there; all others are waited for as a whole and read in
 * control_packet(). The state moves when a packet's head is seen, so a row's missing bytes are just
 * a number (`skip`).
 *
 *   PHASE_FIRST --count--> PHASE_COLUMNS --EOF--> PHASE_ROWS --EOF--> PHASE_FIRST | PHASE_DONE
 *        |--INFILE--> PHASE_FILE_SENT --OK--> PHASE_FIRST | PHASE_DONE
 *        `--PREPARED--> PHASE_PARAMS --EOF--> PHASE_PREPARED_COLUMNS --EOF--> PHASE_DONE
 *   A packet that is handed out: PHASE_HANDED_OUT, then next_phase.
 *   With DEPRECATE_EOF the last byte of the last definition is what moves on.
 */
#include "protocol/follow.h"

#include "protocol/caps.h"
#include "protocol/packet.h"
#include "protocol/stmt.h"

enum phase {
    PHASE_FIRST,   /* the first packet of a reply */
    PHASE_COLUMNS, /* column definitions, then EOF */
    PHASE_ROWS,    /* until EOF or ERR; the definitions of COM_FIELD_LIST too */
    PHASE_FILE_SENT,
    PHASE_PARAMS,
    PHASE_PREPARED_COLUMNS,
    PHASE_HANDED_OUT,
    PHASE_DONE,
    PHASE_BROKEN
};

enum { FIRST_OK = 0x00, FIRST_INFILE = 0xfb, FIRST_EOF = 0xfe, FIRST_ERR = 0xff };

#define EOF_LENGTH     5 /* payload */
#define EOF_END        9 /* 0xfe in a packet this long is a length: a row or a column count */
#define PREPARE_LENGTH 12
#define COLUMNS_MAX    UINT16_MAX /* MariaDB stops at 4096 */

void follow_begin(struct follow *f, enum follow_kind kind, bool deprecate_eof)
{
    bool is_rows = kind == FOLLOW_ROWS || kind == FOLLOW_FIELD_LIST;

    *f = (struct follow){.kind = (uint8_t)kind,
                         .phase = is_rows ? PHASE_ROWS : PHASE_FIRST,
                         .ends_with_ok = deprecate_eof,
                         .next_sequence = 1};
}

void follow_any_sequence(struct follow *f)
{
    f->any_sequence = true;
}

void follow_renumber(struct follow *f, uint8_t first)
{
    f->renumbers = true;
    f->next_sequence = first;
}

static inline bool is_in_sequence(const struct follow *f, const uint8_t *packet)
{
    return packet_sequence(packet) == f->next_sequence || f->any_sequence || f->renumbers;
}

static inline void note_sequence(struct follow *f, uint8_t *packet)
{
    if (UNLIKELY(f->renumbers)) {
        packet_set_sequence(packet, f->next_sequence);
    }
    f->next_sequence = (uint8_t)(packet_sequence(packet) + 1);
    f->any_sequence = false;
    f->is_touched = true;
}

/* Step over the packet at pos, or over what there is of it. */
static uint8_t *step_over(struct follow *f, uint8_t *pos, const uint8_t *end)
{
    uint32_t length = packet_length(pos);
    size_t there = (size_t)(end - pos) - PACKET_HEADER;

    note_sequence(f, pos);
    f->continued = length == PACKET_MAX;
    f->skip = there < length ? length - (uint32_t)there : 0;
    return pos + PACKET_HEADER + (length - f->skip);
}

/*
 * The rest of a packet, and the packets that continue it, whose first byte means nothing. Leaves
 * skip or continued set when more bytes are needed or the packet is out of sequence.
 */
static uint8_t *finish_plain(struct follow *f, uint8_t *pos, const uint8_t *end)
{
    size_t n = MIN((size_t)(end - pos), (size_t)f->skip);

    pos += n;
    f->skip -= (uint32_t)n;
    while (f->continued && end - pos >= PACKET_HEADER && is_in_sequence(f, pos)) {
        pos = step_over(f, pos, end);
    }
    return pos;
}

/*
 * The tight loop: step over rows or definitions. Stops where a packet is not plain (or not sane,
 * which follow_feed finds out), where bytes are missing, and in a packet that is continued.
 */
static uint8_t *run(struct follow *f, uint8_t *pos, const uint8_t *end)
{
    bool is_rows = f->phase == PHASE_ROWS;
    uint32_t row_from = f->ends_with_ok ? PACKET_MAX : EOF_END;
    uint64_t limit = is_rows ? UINT64_MAX : f->columns_left;
    uint64_t n = 0;

    while (n < limit && end - pos > PACKET_HEADER) {
        uint32_t length = packet_length(pos);
        uint8_t first = pos[PACKET_HEADER];

        if (first >= FIRST_EOF && (first == FIRST_ERR || length < row_from)) {
            break;
        }
        if (length == 0 || !is_in_sequence(f, pos)) {
            break;
        }
        n++;
        if (length == PACKET_MAX || (size_t)(end - pos) - PACKET_HEADER < length) {
            pos = step_over(f, pos, end);
            break;
        }
        note_sequence(f, pos);
        pos += PACKET_HEADER + length;
    }
    if (!is_rows) {
        f->columns_left -= n;
    } else if (f->kind != FOLLOW_FIELD_LIST) {
        f->rows += n;
    }
    return pos;
}

/* One reply of possibly several has ended. */
static enum follow_event end_of_reply(struct follow *f)
{
    if ((f->status & STATUS_MORE_RESULTS) != 0 &&
        (f->kind == FOLLOW_RESULT || f->kind == FOLLOW_CURSOR)) {
        f->phase = PHASE_FIRST;
        return FOLLOW_MORE;
    }
    f->phase = PHASE_DONE;
    return FOLLOW_DONE;
}

static enum follow_event malformed(struct follow *f)
{
    f->phase = PHASE_BROKEN;
    return FOLLOW_MALFORMED;
}

static enum follow_event on_err(struct follow *f, const uint8_t *payload, uint32_t length)
{
    if (length < 3) {
        return malformed(f);
    }
    f->is_error = true;
    f->error = peek_u16(payload + 1);
    f->phase = PHASE_DONE;
    return FOLLOW_DONE;
}

/* An OK of either first byte; behind rows its numbers say nothing (10.11: always 0). */
static enum follow_event on_ok(struct follow *f, const uint8_t *payload, uint32_t length)
{
    struct reader r = reader_of(payload + 1, length - 1);
    uint64_t affected = get_lenenc(&r);
    uint64_t last_insert_id = get_lenenc(&r);
    uint16_t status = get_u16(&r);
    uint16_t warnings = get_u16(&r);
    enum follow_event event;

    if (r.failed || affected == LENENC_NULL || last_insert_id == LENENC_NULL) {
        return malformed(f);
    }
    if (payload[0] == FIRST_OK) {
        f->affected = affected;
        f->last_insert_id = last_insert_id;
        f->ends_with_rows = false;
        f->results++;
    }
    f->status = (uint16_t)(status & ~STATUS_SESSION_STATE_CHANGED);
    f->warnings = warnings;
    f->has_warnings |= warnings != 0;
    event = end_of_reply(f);
    if ((status & STATUS_SESSION_STATE_CHANGED) != 0) {
        f->is_tracked = true;
        f->next_phase = f->phase;
        f->phase = PHASE_HANDED_OUT;
        return FOLLOW_OK_TRACK;
    }
    return event;
}

/* Read an EOF; hide from the client what it did not ask for. */
static bool read_eof(struct follow *f, uint8_t *payload, uint32_t length)
{
    uint16_t status;

    if (payload[0] != FIRST_EOF || length != EOF_LENGTH) {
        return false;
    }
    f->warnings = peek_u16(payload + 1);
    f->has_warnings |= f->warnings != 0;
    status = peek_u16(payload + 3);
    if ((status & STATUS_SESSION_STATE_CHANGED) != 0) {
        f->state_changed = true;
        if (!f->shows_changes) {
            payload[4] &= (uint8_t) ~(STATUS_SESSION_STATE_CHANGED >> 8);
        }
    }
    f->status = (uint16_t)(status & ~STATUS_SESSION_STATE_CHANGED);
    return true;
}

static enum follow_event on_column_count(struct follow *f, const uint8_t *payload, uint32_t length)
{
    struct reader r = reader_of(payload, length);
    uint64_t n = get_lenenc(&r);

    if (r.failed || reader_left(&r) != 0 || n == 0 || n > COLUMNS_MAX) {
        return malformed(f);
    }
    f->columns_left = n;
    f->rows = 0;
    f->has_result = true;
    f->ends_with_rows = true;
    f->results++;
    f->phase = PHASE_COLUMNS;
    return FOLLOW_MORE;
}

/* Where a prepare reply goes on, when n definitions and their EOF are behind it. */
static enum phase prepare_step(struct follow *f, bool params_done)
{
    if (!params_done && f->n_params > 0) {
        f->columns_left = f->n_params;
        return PHASE_PARAMS;
    }
    if (f->n_columns > 0) {
        f->columns_left = f->n_columns;
        return PHASE_PREPARED_COLUMNS;
    }
    return PHASE_DONE;
}

static enum follow_event on_prepared(struct follow *f, const uint8_t *payload, uint32_t length)
{
    struct prepare_ok p;

    if (length < PREPARE_LENGTH || prepare_ok_decode(&p, payload, length) != 0 ||
        p.stmt_id == STMT_ID_LAST) {
        return malformed(f);
    }
    f->n_params = p.n_params;
    f->n_columns = p.n_columns;
    f->warnings = p.warnings;
    f->results++;
    f->next_phase = (uint8_t)prepare_step(f, false);
    f->phase = PHASE_HANDED_OUT;
    return FOLLOW_PREPARED;
}

/* FOLLOW_ONE: note what can be read; a text (COM_STATISTICS) says nothing. */
static enum follow_event on_only_packet(struct follow *f, uint8_t *payload, uint32_t length)
{
    if (payload[0] == FIRST_OK) {
        return on_ok(f, payload, length);
    }
    f->results++;
    if (payload[0] == FIRST_EOF && f->ends_with_ok) { /* COM_SET_OPTION */
        return on_ok(f, payload, length);
    }
    (void)read_eof(f, payload, length);
    f->phase = PHASE_DONE;
    return FOLLOW_DONE;
}

static enum follow_event on_first(struct follow *f, uint8_t *payload, uint32_t length)
{
    if (f->kind == FOLLOW_ONE) {
        return on_only_packet(f, payload, length);
    }
    if (f->kind == FOLLOW_PREPARE) {
        return on_prepared(f, payload, length);
    }
    switch (payload[0]) {
    case FIRST_OK: return on_ok(f, payload, length);
    case FIRST_INFILE:
        f->next_phase = PHASE_FILE_SENT;
        f->phase = PHASE_HANDED_OUT;
        return FOLLOW_INFILE;
    default: return on_column_count(f, payload, length);
    }
}

/* COM_STMT_FETCH had no column count to tell. */
static void note_rows(struct follow *f)
{
    if (f->kind == FOLLOW_ROWS) {
        f->has_result = true;
        f->ends_with_rows = true;
        f->results++;
    }
}

/* The EOF behind definitions or rows: all that may come there but ERR. */
static enum follow_event on_eof(struct follow *f, uint8_t *payload, uint32_t length)
{
    if (f->ends_with_ok) {
        if (f->phase != PHASE_ROWS || payload[0] != FIRST_EOF) {
            return malformed(f);
        }
        note_rows(f);
        return on_ok(f, payload, length);
    }
    if (f->columns_left > 0 || !read_eof(f, payload, length)) {
        return malformed(f);
    }
    switch ((enum phase)f->phase) {
    case PHASE_COLUMNS:
        /*
         * The bit is also set while a procedure or a program has a cursor of its own open (10.11):
         * then the rows do follow, and another result behind them. To take them for the replies
         * behind would let their sender write those.
         */
        if (f->kind == FOLLOW_CURSOR && (f->status & STATUS_CURSOR_EXISTS) != 0 &&
            (f->status & STATUS_MORE_RESULTS) == 0) {
            return end_of_reply(f);
        }
        f->phase = PHASE_ROWS;
        return FOLLOW_MORE;
    case PHASE_PARAMS:
        f->phase = (uint8_t)prepare_step(f, true);
        return f->phase == PHASE_DONE ? FOLLOW_DONE : FOLLOW_MORE;
    case PHASE_ROWS: note_rows(f); return end_of_reply(f);
    case PHASE_PREPARED_COLUMNS: f->phase = PHASE_DONE; return FOLLOW_DONE;
    case PHASE_FIRST:
    case PHASE_FILE_SENT:
    case PHASE_HANDED_OUT:
    case PHASE_DONE:
    case PHASE_BROKEN: break;
    }
    return malformed(f);
}

/* One whole packet that is neither row nor definition. */
static enum follow_event control_packet(struct follow *f, uint8_t *payload, uint32_t length)
{
    if (payload[0] == FIRST_ERR) {
        return on_err(f, payload, length);
    }
    switch ((enum phase)f->phase) {
    case PHASE_FIRST: return on_first(f, payload, length);
    case PHASE_FILE_SENT: return payload[0] == FIRST_OK ? on_ok(f, payload, length) : malformed(f);
    case PHASE_COLUMNS:
    case PHASE_ROWS:
    case PHASE_PARAMS:
    case PHASE_PREPARED_COLUMNS: return on_eof(f, payload, length);
    case PHASE_HANDED_OUT:
    case PHASE_DONE:
    case PHASE_BROKEN: break;
    }
    return malformed(f);
}

/* Pass over what is plain at pos. */
static uint8_t *pass_plain(struct follow *f, uint8_t *pos, const uint8_t *end)
{
    for (;;) {
        if (f->skip != 0 || f->continued) {
            pos = finish_plain(f, pos, end);
            if (f->skip != 0 || f->continued) {
                return pos;
            }
        }
        pos = run(f, pos, end);
        if (f->skip != 0 || !f->continued) {
            return pos;
        }
    }
}

/* DEPRECATE_EOF: the last definition has ended; false = there is more to come of them. */
static bool definitions_end(struct follow *f)
{
    bool is_definitions =
        f->phase == PHASE_COLUMNS || f->phase == PHASE_PARAMS || f->phase == PHASE_PREPARED_COLUMNS;

    if (!f->ends_with_ok || !is_definitions || f->columns_left > 0 || f->skip > 0 || f->continued) {
        return false;
    }
    f->phase = f->phase == PHASE_COLUMNS  ? PHASE_ROWS
               : f->phase == PHASE_PARAMS ? (uint8_t)prepare_step(f, true)
                                          : PHASE_DONE;
    return true;
}

/*
 * A node that ends the connection says so in an ERR that answers nothing, and has whatever number.
 * No row begins with that byte.
 */
static bool is_last_word(const struct follow *f, const uint8_t *packet)
{
    return !f->is_touched && packet[PACKET_HEADER] == FIRST_ERR;
}

/*
 * The packet at *at is not plain: read it when it is there as a whole, and step over it unless it
 * is handed out. FOLLOW_MORE with *at unmoved: bytes are missing.
 */
static enum follow_event look_at(struct follow *f, uint8_t **at, const uint8_t *end)
{
    uint8_t *pos = *at;
    uint32_t length = packet_length(pos);
    enum follow_event event;

    if (length == 0 || length > FOLLOW_WHOLE_MAX ||
        (!is_in_sequence(f, pos) && !is_last_word(f, pos))) {
        return malformed(f);
    }
    if ((size_t)(end - pos) - PACKET_HEADER < length) {
        return FOLLOW_MORE;
    }
    event = control_packet(f, pos + PACKET_HEADER, length);
    if (event == FOLLOW_MALFORMED) {
        return event;
    }
    note_sequence(f, pos);
    if (f->phase != PHASE_HANDED_OUT) {
        *at = pos + PACKET_HEADER + length;
    }
    return event;
}

enum follow_event follow_feed(struct follow *f, uint8_t *data, size_t len, size_t *used,
                              size_t *packet_len)
{
    const uint8_t *end = len == 0 ? data : data + len;
    enum follow_event event = FOLLOW_MORE;
    uint8_t *pos = data;

    CHECK(f->phase != PHASE_HANDED_OUT);
    *used = 0;
    *packet_len = 0;
    if (f->phase == PHASE_DONE) {
        return FOLLOW_DONE;
    }
    if (f->phase == PHASE_BROKEN) {
        return FOLLOW_MALFORMED;
    }
    while (event == FOLLOW_MORE) {
        uint8_t *before = pos = pass_plain(f, pos, end);

        if (definitions_end(f)) {
            event = f->phase == PHASE_DONE ? FOLLOW_DONE : FOLLOW_MORE;
            continue;
        }
        if (end - pos <= PACKET_HEADER) {
            break;
        }
        event = look_at(f, &pos, end);
        if (event == FOLLOW_MORE && pos == before) {
            break;
        }
    }
    if (f->phase == PHASE_HANDED_OUT) {
        *packet_len = PACKET_HEADER + packet_length(pos);
    }
    *used = (size_t)(pos - data);
    return event;
}

enum follow_event follow_skip_packet(struct follow *f)
{
    CHECK(f->phase == PHASE_HANDED_OUT);
    f->phase = f->next_phase;
    f->any_sequence = f->phase == PHASE_FILE_SENT; /* the client's packets counted on in between */
    return f->phase == PHASE_DONE ? FOLLOW_DONE : FOLLOW_MORE;
}

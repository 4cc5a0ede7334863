/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow.h - follow the bytes of a reply until its last one, without decoding rows.
 *
 * The hot path: a packet costs a look at its header and first byte. Rows are skipped by length.
 *
 *   reply --> OK | ERR -------------------------------------------------> done
 *         --> 0xfb (LOCAL INFILE) --> (client sends the file) --> OK | ERR --> done
 *         --> column count --> columns --> EOF --> rows --> EOF | ERR ----> done
 *                                           `--> a cursor was opened -----> done
 *      (CURSOR_EXISTS without MORE_RESULTS, where one was asked for)
 *   OK and EOF with STATUS_MORE_RESULTS start over with the next reply.
 *   A prepare reply: OK with counts --> params, EOF --> columns, EOF ------> done
 *
 * With DEPRECATE_EOF (10.11) there is no EOF behind definitions, and what ends rows is an OK whose
 * first byte is 0xfe, of any length: only a packet of PACKET_MAX with that byte is a row. A cursor
 * that was opened shows in that OK, right behind the columns.
 *
 * For connections that log in with SESSION_TRACK. The bit STATUS_SESSION_STATE_CHANGED is cleared
 * in EOF packets in place (and remembered), unless the client is to see it (shows_changes); an OK
 * packet with it, of either first byte, is handed out as FOLLOW_OK_TRACK.
 */
#ifndef PROTOCOL_FOLLOW_H
#define PROTOCOL_FOLLOW_H

#include "protocol/bytes.h"

/*
 * Payload bytes of the longest packet that is waited for as a whole: all but rows and column
 * definitions. MariaDB's are far shorter; a longer one is FOLLOW_MALFORMED, so that what a caller
 * must keep of an incomplete packet has a bound.
 */
#define FOLLOW_WHOLE_MAX (1u << 20)

enum follow_kind {
    FOLLOW_RESULT,     /* COM_QUERY, COM_STMT_EXECUTE and all whose reply is like theirs */
    FOLLOW_CURSOR,     /* COM_STMT_EXECUTE of a query that asks for a cursor: rows may come later */
    FOLLOW_PREPARE,    /* COM_STMT_PREPARE */
    FOLLOW_ROWS,       /* COM_STMT_FETCH: rows, EOF or ERR */
    FOLLOW_FIELD_LIST, /* COM_FIELD_LIST: column definitions, EOF or ERR */
    FOLLOW_ONE /* one packet, whatever it is: COM_STATISTICS, COM_PING, COM_SET_OPTION (EOF) */
};

enum follow_event {
    FOLLOW_MORE,     /* all given bytes are used up or wait for more: call again with more bytes */
    FOLLOW_OK_TRACK, /* data[used..used+packet_len) is one whole OK packet with session changes: not
                        counted in `used`; rewrite it, then call follow_skip_packet() and go on
                        behind it */
    FOLLOW_PREPARED, /* the same for the first packet of a prepare reply (for the id) */
    FOLLOW_INFILE, /* the node asks for a local file: packet in place like above; the reply goes on
                        after the file was sent */
    FOLLOW_DONE,   /* the byte before data[used] was the last of the reply */
    FOLLOW_MALFORMED /* no MariaDB server sends that: the packet at data[used], and no way on */
};

struct follow {
    uint8_t kind;            /* enum follow_kind */
    uint8_t phase;           /* enum phase in follow.c */
    uint8_t next_phase;      /* behind the packet that is handed out */
    bool ends_with_ok;       /* DEPRECATE_EOF */
    bool is_touched;         /* a packet of the reply was used or handed out */
    bool any_sequence;       /* the next packet may have any number */
    bool continued;          /* the packet before was PACKET_MAX long: this one continues it */
    bool is_error;           /* the reply ended with ERR */
    bool has_result;         /* at least one result set was sent */
    bool ends_with_rows;     /* the last of the results is a result set, not an OK */
    bool has_warnings;       /* one of the results told of warnings */
    bool renumbers;          /* follow_renumber */
    bool state_changed;      /* STATUS_SESSION_STATE_CHANGED was seen in an EOF */
    bool shows_changes;      /* set by the caller after follow_begin(): it stays in EOFs */
    bool is_tracked;         /* a packet was handed out as FOLLOW_OK_TRACK */
    uint8_t next_sequence;   /* sequence number behind the last packet seen; of the first */
    uint16_t status;         /* of the last OK or EOF, as clients see it (no ..._STATE_CHANGED) */
    uint16_t warnings;       /* of the last OK or EOF */
    uint16_t error;          /* number of the ERR */
    uint16_t n_params;       /* prepare reply */
    uint16_t n_columns;      /* prepare reply */
    uint32_t skip;           /* bytes of the current packet not seen yet: plain, may be passed on */
    uint32_t results;        /* OK and result sets seen: more than one = multi-result */
    uint64_t columns_left;   /* definitions to come before the next EOF */
    uint64_t rows;           /* rows of the last result set */
    uint64_t affected;       /* of the last OK */
    uint64_t last_insert_id; /* of the last OK */
};

/*
 * follow_begin - a command was sent; its reply starts with the next byte. deprecate_eof: the
 * connection has CAP_DEPRECATE_EOF.
 *
 * The first packet must have the number 1 (or be an ERR, the last word of a node): what is left of
 * the reply before, should its end ever be mistaken, is no reply to this one.
 */
void follow_begin(struct follow *f, enum follow_kind kind, bool deprecate_eof);

/*
 * follow_any_sequence - after follow_begin: the command has more packets than one, and may be
 * answered behind any of them.
 */
void follow_any_sequence(struct follow *f);

/*
 * follow_renumber - after follow_begin, or with the packet of FOLLOW_INFILE handed out: write the
 * packets' sequence numbers anew, from this one on. In compressed packets MariaDB's restart within
 * a reply. Behind a local file next_sequence is to be set again.
 */
void follow_renumber(struct follow *f, uint8_t first);

/*
 * follow_feed - look at bytes of the reply.
 *
 * data: bytes in the order they came; EOF packets and numbers may be changed in place.
 * used: how many bytes from the start may be passed on as they are. What is behind `used` on
 *       FOLLOW_MORE is the start of one packet: at most four bytes of a row or column definition
 *       (their bytes are passed on as they come, follow.skip says how many are missing), or an OK,
 *       ERR, EOF or first packet cut short (at most FOLLOW_WHOLE_MAX and a header). It must be
 *       given again, followed by what comes next.
 *       On all other events: the bytes before the packet handed out, the end, or the fault.
 * packet_len: length with header of the packet handed out (FOLLOW_OK_TRACK, _PREPARED, _INFILE),
 *       else 0.
 * Pure; one owner. Not to be called while a packet is handed out; after FOLLOW_DONE it gives
 * FOLLOW_DONE and uses nothing.
 */
enum follow_event follow_feed(struct follow *f, uint8_t *data, size_t len, size_t *used,
                              size_t *packet_len);

/*
 * follow_skip_packet - the packet handed out was dealt with; returns FOLLOW_DONE if it was the
 * last, else FOLLOW_MORE: call follow_feed with what is behind it.
 */
enum follow_event follow_skip_packet(struct follow *f);

/* follow_is_untouched - no packet of the reply was seen yet (bytes behind `used` do not count). */
static inline bool follow_is_untouched(const struct follow *f)
{
    return !f->is_touched;
}

#endif

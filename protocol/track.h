/* SPDX-License-Identifier: Apache-2.0 */
/*
 * track.h - the block of session changes in an OK packet (MariaDB documentation, "OK_Packet",
 * session state info; types seen with 10.11), and what of it a client is to see.
 *
 * What 10.11.19 does for a client with SESSION_TRACK, measured:
 *
 *   - Each variable is an entry of its own; SET reports what it names, changed or not. Their order
 *     is that of a hash of addresses: another on each node, and after each restart. Then schema,
 *     "state changed", transaction state (5) and characteristics (4).
 *   - session_track_system_variables is 'autocommit,character_set_client,character_set_connection,
 *     character_set_results,time_zone' unless it is set; reading it gives the names sorted, without
 *     spaces; '*' is all. What SET names before it in the same statement is not reported.
 *   - The OK of a login, and of COM_CHANGE_USER, has the schema if there is one, and nothing else;
 *     COM_RESET_CONNECTION reports nothing, COM_INIT_DB and USE the schema, also when it is the
 *     same.
 *   - SET NAMES reports client, connection and results, never the collation; SET @@x nothing at
 *     all; SET STATEMENT what it sets, and what it sets back with the next OK that reports
 *     something.
 *   - The block comes with OKs. An EOF has only the bit STATUS_SESSION_STATE_CHANGED: the changes
 *     are in the next OK that has the bit. With DEPRECATE_EOF the OK behind the rows has them.
 *   - session_track_transaction_info=STATE reports the letters when they change, with
 *     CHARACTERISTICS the statements that would begin the transaction again, too. When it is set,
 *     both at once.
 */
#ifndef PROTOCOL_TRACK_H
#define PROTOCOL_TRACK_H

#include "protocol/bytes.h"

enum track_type {
    TRACK_SYSTEM_VARIABLE = 0, /* name, value */
    TRACK_SCHEMA = 1,          /* value */
    TRACK_STATE_CHANGE = 2,    /* value "1" */
    TRACK_GTIDS = 3,
    TRACK_TRANSACTION_CHARACTERISTICS = 4,
    TRACK_TRANSACTION_STATE = 5
};

struct track_item {
    uint8_t type; /* enum track_type, or one we do not know: then only raw is set */
    struct slice name;
    struct slice value;
    struct slice raw;
};

/*
 * track_next - the next change, one for each variable when an entry holds several. Walk:
 *     struct track_walk walk = track_walk_of(ok.track); while (track_next(&walk, &item)) ...
 * walk.failed afterwards tells a malformed block.
 */
struct track_walk {
    struct reader all;
    struct reader entry; /* rest of a system variable entry */
    bool failed;
};

struct track_walk track_walk_of(struct slice block);
bool track_next(struct track_walk *walk, struct track_item *item);

/*
 * What a client wants to be told: the values of its session_track_* variables. Not that of
 * transactions: its connection has that one itself, so what is reported of them is meant for it.
 */
struct track_wish {
    bool everything; /* all that is reported: the connection has the client's own values */
    bool schema;
    bool state_change;
    struct slice variables; /* as a node gives the value: names with commas between, or "*" */
};

extern const struct track_wish track_wish_default; /* of a node of 10.11 */
extern const struct track_wish track_wish_everything;

bool track_wants_variable(const struct track_wish *wish, struct slice name);

/*
 * ok_rewrite_track - turn one whole OK packet with header, as sent to a connection that tracks
 * everything, into what one with the client's own values would have been sent. In place; never
 * longer. Types that are not known are passed on: a node reports them because it was set up so.
 * When nothing is left, the packet is as ok_strip_track() makes it.
 *
 * wish: NULL = a client without SESSION_TRACK. Returns the new length with header (<= len), or
 * ERR_MALFORMED (then the packet may be changed in part).
 */
int64_t ok_rewrite_track(uint8_t *packet, size_t len, const struct track_wish *wish) MUST_CHECK;

#endif

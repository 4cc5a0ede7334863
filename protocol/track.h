/* SPDX-License-Identifier: Apache-2.0 */
/*
 * track.h - the block of session changes in an OK packet (MariaDB documentation, "OK_Packet",
 * session state info; types seen with 10.11).
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

#endif

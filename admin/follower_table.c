/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_table.c - stats_query_cache_follower: for each cluster, who is followed for writes that
 * pass by Galeway, and how far.
 */
#include "admin/stats_table.h"
#include "base/clock.h"
#include "pool/follower.h"

void stats_fill_follower(struct stats_fill *f)
{
    struct follower_view v;

    for (unsigned i = 0; follower_view(atomic_load(&f->g->follower), i, &v); i++) {
        fill_signed(f, v.writer_hostgroup);
        fill_text(f, follow_state_word((enum follow_state)v.state));
        fill_number(f, clock_now_ms() - v.since_ms);
        fill_text(f, v.node);
        fill_number(f, v.lag_ms);
        fill_text(f, v.position);
        fill_number(f, v.counts.events);
        fill_number(f, v.counts.groups);
        fill_number(f, v.counts.writes);
        fill_number(f, v.counts.row_keys);
        fill_number(f, v.counts.gaps);
        fill_number(f, v.connects);
        fill_text(f, v.error);
        fill_row(f);
    }
}

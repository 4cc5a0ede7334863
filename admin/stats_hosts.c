/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_hosts.c - stats_mysql_client_host_cache: addresses from which logins failed.
 */
#include <stdio.h>

#include "admin/stats_table.h"
#include "base/mem.h"

static void fill(struct stats_fill *f, bool is_flush)
{
    size_t n = 0;
    struct host_errors *rows = hosts_errors(&f->g->hosts, is_flush, &n);

    for (size_t i = 0; i < n; i++) {
        char text[ADDRESS_TEXT_MAX + 8];
        size_t len = strlen(address_text(&rows[i].address, text));

        if (rows[i].bits != 0) {
            (void)snprintf(text + len, sizeof(text) - len, "/%u", rows[i].bits);
        }
        fill_text(f, text);
        fill_number(f, rows[i].n);
        fill_number(f, rows[i].last_s);
        fill_row(f);
    }
    mem_free(MEM_OTHER, rows);
}

void stats_fill_hosts(struct stats_fill *f)
{
    fill(f, false);
}

void stats_fill_hosts_reset(struct stats_fill *f)
{
    fill(f, true);
}

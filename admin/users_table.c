/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users_table.c - runtime_mysql_users: who may log in now, the users of the nodes (pool/users.h)
 * among them; stats_users_follow: how these are read.
 *
 * What LOAD has made of mysql_users is kept apart (layer_table()), so SAVE brings back the
 * configuration. A user of the nodes has no password here, and a comment that says where he comes
 * from.
 */
#include <stdio.h>

#include "admin/stats_table.h"
#include "base/clock.h"
#include "base/mem.h"
#include "pool/users.h"

/* --- the users of the nodes ------------------------------------------------------------------- */

struct followed {
    char *name, *accounts; /* owned */
    uint32_t max_connections;
    int hostgroup;
};

struct followed_list {
    struct followed *items;
    size_t n, cap;
};

/* Logins wait for the lock: no more than a copy is made under it. */
static void copy_row(void *arg, const struct users_row *row)
{
    struct followed_list *list = arg;

    if (list->n == list->cap) {
        size_t cap = MAX(list->cap * 2, (size_t)64);
        struct followed *grown = mem_try_grow(MEM_ADMIN, list->items, cap * sizeof(*grown));

        if (grown == NULL) {
            return;
        }
        list->items = grown;
        list->cap = cap;
    }
    list->items[list->n++] =
        (struct followed){.name = mem_copy(MEM_ADMIN, slice_of(row->name)),
                          .accounts = mem_copy(MEM_ADMIN, slice_of(row->accounts)),
                          .max_connections = row->max_connections,
                          .hostgroup = row->hostgroup};
}

static void list_free(struct followed_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        mem_free(MEM_ADMIN, list->items[i].name);
        mem_free(MEM_ADMIN, list->items[i].accounts);
    }
    mem_free(MEM_ADMIN, list->items);
}

static void add_followed(struct stats_fill *f, const struct followed *user)
{
    char comment[1200];

    (void)snprintf(comment, sizeof(comment), "of the nodes of hostgroup %d: %s", user->hostgroup,
                   user->accounts);
    fill_text(f, user->name);
    fill_text(f, "");                /* password */
    fill_number(f, 1);               /* active */
    fill_number(f, 0);               /* use_ssl */
    fill_signed(f, user->hostgroup); /* default_hostgroup */
    fill_text(f, "");                /* default_schema */
    fill_number(f, 0);               /* schema_locked */
    fill_number(f, 1);               /* transaction_persistent */
    fill_number(f, 0);               /* fast_forward */
    fill_number(f, 1);               /* backend */
    fill_number(f, 1);               /* frontend */
    fill_number(f, user->max_connections);
    fill_text(f, ""); /* attributes */
    fill_text(f, comment);
    fill_row(f);
}

/* A row of mysql_users, whatever it says, hides who has its name on the nodes. */
static void each_followed(struct stats_fill *f,
                          void (*add)(struct stats_fill *f, const struct followed *user))
{
    struct followed_list list = {0};

    users_walk(f->g->users, copy_row, &list);
    for (size_t i = 0; i < list.n; i++) {
        if (!conf_user_is_named(f->snapshot->conf, slice_of(list.items[i].name))) {
            add(f, &list.items[i]);
        }
    }
    list_free(&list);
}

void stats_fill_runtime_users(struct stats_fill *f)
{
    if (sqlite3_exec(sqlite3_db_handle(f->insert),
                     "INSERT INTO main.runtime_mysql_users SELECT * FROM main._loaded_mysql_users",
                     NULL, NULL, NULL) != SQLITE_OK) {
        return; /* no layers: a store without them has no such table */
    }
    each_followed(f, add_followed);
}

static void add_connections(struct stats_fill *f, const struct followed *user)
{
    int n;

    if (accounts_clients(&f->g->accounts, slice_of(user->name), &n)) { /* has logged in */
        fill_text(f, user->name);
        fill_signed(f, n);
        fill_number(f, user->max_connections);
        fill_row(f);
    }
}

void stats_add_followed_users(struct stats_fill *f)
{
    each_followed(f, add_connections);
}

/* --- how they are read ------------------------------------------------------------------------ */

void stats_fill_users_follow(struct stats_fill *f)
{
    uint64_t now = clock_now_ms();
    struct users_view v;

    if (!users_view(f->g->users, &v)) {
        return;
    }
    fill_signed(f, v.hostgroup);
    fill_text(f, users_state_word((enum users_state)v.state));
    fill_number(f, v.since_ms == 0 ? 0 : now - v.since_ms);
    fill_text(f, v.node);
    fill_number(f, v.n_users);
    fill_number(f, v.n_accounts);
    fill_number(f, v.n_malformed);
    fill_signed(f, v.read_ms == 0 ? -1 : (int64_t)(now - v.read_ms));
    fill_number(f, v.n_reads);
    fill_number(f, v.n_questions);
    fill_number(f, v.n_names);
    fill_number(f, v.n_refused);
    fill_number(f, v.n_waiting);
    fill_text(f, v.error);
    fill_row(f);
}

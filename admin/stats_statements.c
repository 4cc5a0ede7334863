/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_statements.c - digests, commands, errors, prepared statements.
 */
#include <xxhash.h>

#include "admin/stats_table.h"
#include "router/digest.h"
#include "router/rules.h"
#include "router/secret_text.h"

#define US_PER_S 1000000

static void fill_shared(struct stats_fill *f, const struct figures_text *text)
{
    fill_slice(f, text == NULL ? (struct slice){"", 0} : (struct slice){text->bytes, text->len});
}

void stats_fill_digests(struct stats_fill *f)
{
    ROWS(f, copy, digests, struct figures_digest, d)
    {
        fill_signed(f, d->hostgroup);
        fill_schema(f, d->schema);
        fill_user(f, d->account);
        fill_shared(f, d->address);
        fill_digest(f, d->digest);
        fill_shared(f, d->text);
        fill_number(f, d->count);
        fill_number(f, d->first_us / US_PER_S);
        fill_number(f, d->last_us / US_PER_S);
        fill_number(f, d->sum_us);
        fill_number(f, d->min_us);
        fill_number(f, d->max_us);
        fill_number(f, d->rows_affected);
        fill_number(f, d->rows_sent);
        fill_row(f);
    }
}

void stats_fill_commands(struct stats_fill *f)
{
    for (unsigned command = 0; command < FIGURES_COMMAND_COUNT; command++) {
        struct figures_counter sum = {0};

        COPIES(f, copy)
        {
            sum.total_us += copy->commands[command].total_us;
            sum.count += copy->commands[command].count;
            for (size_t i = 0; i < FIGURES_BUCKETS; i++) {
                sum.buckets[i] += copy->commands[command].buckets[i];
            }
        }
        fill_text(f, figures_command_name((enum figures_command)command));
        fill_number(f, sum.total_us);
        fill_number(f, sum.count);
        for (size_t i = 0; i < FIGURES_BUCKETS; i++) {
            fill_number(f, sum.buckets[i]);
        }
        fill_row(f);
    }
}

void stats_fill_errors(struct stats_fill *f)
{
    ROWS(f, copy, errors, struct figures_error, e)
    {
        fill_signed(f, e->hostgroup);
        fill_node(f, e->node);
        fill_user(f, e->account);
        fill_text(f, e->address);
        fill_schema(f, e->schema);
        fill_number(f, e->number);
        fill_number(f, e->count);
        fill_number(f, e->first_us / US_PER_S);
        fill_number(f, e->last_us / US_PER_S);
        fill_text(f, e->last);
        fill_row(f);
    }
}

void stats_fill_rules(struct stats_fill *f)
{
    const struct rules *rules = f->snapshot->rules;

    for (size_t i = 0; i < rules_count(rules); i++) {
        fill_signed(f, rules_id(rules, i));
        fill_number(f, rules_hits(rules, i));
        fill_row(f);
    }
}

/* An id that is the same in all workers, and each time the table is read. */
static uint64_t stmt_id(const struct figures_stmt *stmt, struct slice sql)
{
    uint64_t id = XXH3_64bits(sql.data, sql.len);

    id = XXH3_64bits_withSeed(stmt->account->name, strlen(stmt->account->name), id);
    if (stmt->schema != NULL) {
        id = XXH3_64bits_withSeed(stmt->schema->name.data, stmt->schema->name.len, id);
    }
    return id >> 1;
}

void stats_fill_prepared(struct stats_fill *f)
{
    ROWS(f, copy, stmts, struct figures_stmt, stmt)
    {
        struct slice sql = stmt->text == NULL ? (struct slice){"", 0}
                                              : (struct slice){stmt->text->bytes, stmt->text->len};
        char hidden[SECRET_TEXT_MAX];
        uint64_t digest;

        (void)digest_text(sql, f->snapshot->digest_mode, NULL, 0, &digest);
        fill_number(f, stmt_id(stmt, sql));
        fill_schema(f, stmt->schema);
        fill_user(f, stmt->account);
        fill_digest(f, digest);
        fill_number(f, stmt->n_clients);
        fill_number(f, stmt->n_servers);
        fill_number(f, stmt->n_columns);
        fill_number(f, stmt->n_params);
        fill_slice(f, secret_hide(sql, f->snapshot->digest_mode, hidden));
        fill_row(f);
    }
}

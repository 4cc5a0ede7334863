/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writes - the ways to write a site.
 *
 * Each leaves a number in one or two registers, or none, whatever was there before: what became of
 * an earlier write in doubt makes no difference to what this one leaves.
 */
#include <inttypes.h>

#include "tests/stale/load/stale.h"

#define PREPARED_WRITE "UPDATE wp_options SET option_value = ? WHERE option_name = ?"

static struct reg *claim(struct visitor *visitor, unsigned site, enum register_kind kind,
                         unsigned n)
{
    struct operation *operation = &visitor->operation;

    for (unsigned attempt = 0; attempt < 4; attempt++) {
        struct reg *reg =
            &visitor->load->regs[site][register_first(kind) + rng_below(&visitor->load->rng, n)];

        if (!reg->is_claimed) {
            reg->is_claimed = true;
            operation->regs[operation->n_regs++] = reg;
            return reg;
        }
    }
    return NULL;
}

static struct reg *claim_option(struct visitor *visitor, unsigned site)
{
    return visitor->load->is_foreign ? claim(visitor, site, REGISTER_FOREIGN_OPTION, FOREIGN)
                                     : claim(visitor, site, REGISTER_OPTION, OPTIONS);
}

/* put_option - a statement that leaves the number in an option that may not be there. */
static bool put_option(struct visitor *visitor, const struct reg *reg, const char *table)
{
    struct operation *operation = &visitor->operation;
    const char letter = reg->kind == REGISTER_OPTION ? 'k' : 'x';
    const int64_t value = operation->value;

    switch (rng_below(&visitor->load->rng, reach_of(reg->site) == REACH_ROW ? 3 : 4)) {
    case 0:
        operation->kind = "replace";
        (void)step_add(operation, SHAPE_NONE,
                       "REPLACE INTO %s (option_name, option_value, autoload)"
                       " VALUES ('%c_%u', '%" PRId64 "', 'yes')",
                       table, letter, reg->number, value);
        break;
    case 3:
        operation->kind = "insert-select";
        (void)step_add(operation, SHAPE_NONE,
                       "INSERT INTO %s (option_name, option_value) SELECT '%c_%u', '%" PRId64 "'"
                       " FROM wp_options LIMIT 1 ON DUPLICATE KEY UPDATE option_value = '%" PRId64
                       "'",
                       table, letter, reg->number, value, value);
        /* With no option at all there is nothing to select. */
        operation->must_affect = true;
        break;
    default:
        operation->kind = "upsert";
        (void)step_add(operation, SHAPE_NONE,
                       "INSERT INTO %s (`option_name`, `option_value`, `autoload`) VALUES"
                       " ('%c_%u', '%" PRId64 "', 'yes') ON DUPLICATE KEY UPDATE `option_name` ="
                       " VALUES(`option_name`), `option_value` = VALUES(`option_value`),"
                       " `autoload` = VALUES(`autoload`)",
                       table, letter, reg->number, value);
        break;
    }
    return true;
}

/* write_prepared - COM_STMT_PREPARE the first time on a connection, then COM_STMT_EXECUTE. */
static void write_prepared(struct visitor *visitor, const struct reg *reg)
{
    struct operation *operation = &visitor->operation;
    const char *texts[2];
    char number[24];
    char name[16];

    operation->kind = "prepared";
    if (visitor->write_id == 0) {
        step_add(operation, SHAPE_NONE, PREPARED_WRITE)->command = WIRE_COM_STMT_PREPARE;
        return;
    }
    (void)snprintf(number, sizeof(number), "%" PRId64, operation->value);
    (void)snprintf(name, sizeof(name), "%c_%u", reg->kind == REGISTER_OPTION ? 'k' : 'x',
                   reg->number);
    texts[0] = number;
    texts[1] = name;
    step_add_execute(operation, SHAPE_NONE, visitor->write_id, texts, 2);
}

static void update_option(struct operation *operation, const char *table, const char *name)
{
    operation->kind = "update";
    (void)step_add(operation, SHAPE_NONE,
                   "UPDATE %s SET option_value = '%" PRId64 "' WHERE option_name = %s", table,
                   operation->value, name);
}

static bool write_option(struct visitor *visitor, unsigned site)
{
    /* Of the kinds below: up to these. */
    static const uint32_t kinds[REACHES] = {[REACH_ROW] = 4, [REACH_TABLE] = 6, [REACH_SCHEMA] = 9};
    const enum reach reach = reach_of(site);
    struct operation *operation = &visitor->operation;
    struct reg *reg = claim_option(visitor, site);
    char table[60];
    char name[60];

    if (reg == NULL) {
        return false;
    }
    (void)spell_table(visitor, site, "wp_options", table, sizeof(table));
    spell_option(visitor, reg, reach == REACH_ROW, name, sizeof(name));
    if (rng_below(&visitor->load->rng, 10) == 0) {
        operation->kind = "delete";
        operation->value = ABSENT;
        operation->is_row_there = false;
        (void)step_add(operation, SHAPE_NONE, "DELETE FROM %s WHERE option_name = %s", table, name);
        return true;
    }
    if (!reg->is_there || rng_below(&visitor->load->rng, 3) == 0) {
        return put_option(visitor, reg, table);
    }
    operation->must_affect = true;
    switch (rng_below(&visitor->load->rng, kinds[reach])) {
    case 8:
        operation->kind = "immediate";
        (void)step_add(operation, SHAPE_NONE,
                       "EXECUTE IMMEDIATE CONCAT('UPDATE %s SET option_value = %" PRId64
                       " WHERE option_name = ', QUOTE(%s))",
                       table, operation->value, name);
        break;
    case 7:
        operation->kind = "hidden";
        (void)step_add(operation, SHAPE_NONE,
                       "/*!40100 UPDATE %s SET option_value = '%" PRId64 "' WHERE option_name =*/"
                       " %s",
                       table, operation->value, name);
        break;
    case 6:
        operation->kind = "call";
        operation->must_affect = false;
        (void)step_add(operation, SHAPE_NONE, "CALL %s(%s, '%" PRId64 "')",
                       spell_table(visitor, site, "put", table, sizeof(table)), name,
                       operation->value);
        break;
    case 5:
    case 4:
        if (site == visitor->home) {
            write_prepared(visitor, reg);
        } else {
            update_option(operation, table, name);
        }
        break;
    default: update_option(operation, table, name); break;
    }
    return true;
}

/* end_transaction - by COMMIT or ROLLBACK, or by what commits without saying so. */
static void end_transaction(struct visitor *visitor, const char *begin)
{
    struct operation *operation = &visitor->operation;
    const bool no_autocommit = begin[0] == 'S' && begin[1] == 'E';

    operation->holds = operation->n_steps;
    if (operation->is_undone) {
        (void)step_add(operation, SHAPE_NONE, "ROLLBACK");
    } else if (rng_below(&visitor->load->rng, 4) != 0) {
        (void)step_add(operation, SHAPE_NONE, "COMMIT");
    } else if (no_autocommit) {
        operation->kind = "commit-autocommit";
    } else if (rng_below(&visitor->load->rng, 2) == 0) {
        operation->kind = "commit-begin";
        (void)step_add(operation, SHAPE_NONE, "BEGIN");
        (void)step_add(operation, SHAPE_NONE, "ROLLBACK");
    } else {
        operation->kind = "commit-chain";
        (void)step_add(operation, SHAPE_NONE, "COMMIT AND CHAIN");
        (void)step_add(operation, SHAPE_NONE, "ROLLBACK");
    }
    if (no_autocommit) {
        (void)step_add(operation, SHAPE_NONE, "SET autocommit = 1");
    }
}

/* write_two - two options by one statement, or by a transaction that may be rolled back. */
static bool write_two(struct visitor *visitor, unsigned site)
{
    static const char *const begins[] = {"BEGIN", "START TRANSACTION", "SET autocommit = 0"};
    struct operation *operation = &visitor->operation;
    const uint32_t dice = rng_below(&visitor->load->rng, 8);
    const struct reg *a = claim_option(visitor, site);
    const struct reg *b = a == NULL ? NULL : claim_option(visitor, site);
    const char *begin = begins[dice % 3];
    const bool row = reach_of(site) == REACH_ROW;
    char names[2][60];
    char table[60];

    if (b == NULL || !a->is_there || !b->is_there) {
        return false;
    }
    spell_option(visitor, a, row, names[0], sizeof(names[0]));
    spell_option(visitor, b, row, names[1], sizeof(names[1]));
    (void)spell_table(visitor, site, "wp_options", table, sizeof(table));
    if (dice < 2 && !row) {
        operation->kind = "two";
        (void)step_add(operation, SHAPE_NONE,
                       "UPDATE %s SET option_value = '%" PRId64 "' WHERE option_name IN (%s, %s)",
                       table, operation->value, names[0], names[1]);
        return true;
    }
    operation->is_undone = dice == 2;
    operation->kind = operation->is_undone ? "rollback" : "commit";
    (void)step_add(operation, SHAPE_NONE, "%s", begin);
    (void)step_add(operation, SHAPE_NONE,
                   "UPDATE %s SET option_value = '%" PRId64 "' WHERE option_name = %s", table,
                   operation->value, names[0]);
    if (operation->is_undone) {
        (void)step_add(operation, SHAPE_VALUE,
                       "SELECT option_value FROM %s WHERE option_name = %s LIMIT 1", table,
                       names[0]);
    } else {
        (void)step_add(operation, SHAPE_NONE,
                       "UPDATE %s SET option_value = '%" PRId64 "' WHERE option_name = %s", table,
                       operation->value, names[1]);
    }
    end_transaction(visitor, begin);
    return true;
}

static bool write_post(struct visitor *visitor, unsigned site)
{
    struct operation *operation = &visitor->operation;
    const bool foreign = visitor->load->is_foreign;
    const struct reg *reg = foreign ? claim(visitor, site, REGISTER_FOREIGN_POST, FOREIGN)
                                    : claim(visitor, site, REGISTER_POST, POSTS);
    const uint32_t dice = rng_below(&visitor->load->rng, 4);
    unsigned id;
    char table[60];

    if (reg == NULL) {
        return false;
    }
    id = foreign ? FOREIGN_POST + reg->number : 1 + reg->number;
    (void)spell_table(visitor, site, "wp_posts", table, sizeof(table));
    if (dice == 0) {
        operation->kind = "delete-post";
        operation->value = ABSENT;
        operation->is_row_there = false;
        (void)step_add(operation, SHAPE_NONE, "DELETE FROM %s WHERE ID = %u", table, id);
    } else if (dice == 1 || !reg->is_there) {
        operation->kind = "insert-post";
        (void)step_add(operation, SHAPE_NONE,
                       "INSERT INTO %s (ID, n) VALUES (%u, %" PRId64 ") ON DUPLICATE KEY UPDATE"
                       " n = VALUES(n)",
                       table, id, operation->value);
    } else {
        operation->kind = "update-post";
        operation->must_affect = true;
        (void)step_add(operation, SHAPE_NONE, "UPDATE %s SET n = %" PRId64 " WHERE ID = %u", table,
                       operation->value, id);
    }
    return true;
}

/* write_meta - a meta, alone or together with its post. */
static bool write_meta(struct visitor *visitor, unsigned site)
{
    struct operation *operation = &visitor->operation;
    const struct reg *reg = claim(visitor, site, REGISTER_META, POSTS);
    struct reg *post;
    char posts[60];
    char metas[60];

    if (reg == NULL) {
        return false;
    }
    (void)spell_table(visitor, site, "wp_postmeta", metas, sizeof(metas));
    (void)spell_table(visitor, site, "wp_posts", posts, sizeof(posts));
    operation->must_affect = true;
    post = register_of_post(visitor->load, site, 1 + reg->number);
    if (post->is_claimed || !post->is_there || rng_below(&visitor->load->rng, 2) == 0) {
        operation->kind = "update-meta";
        (void)step_add(operation, SHAPE_NONE, "UPDATE %s SET n = %" PRId64 " WHERE post_id = %u",
                       metas, operation->value, 1 + reg->number);
        return true;
    }
    post->is_claimed = true;
    operation->regs[operation->n_regs++] = post;
    operation->kind = "update-join";
    (void)step_add(operation, SHAPE_NONE,
                   "UPDATE %s AS p INNER JOIN %s AS m ON m.post_id = p.ID SET p.n = %" PRId64
                   ", m.n = %" PRId64 " WHERE p.ID = %u",
                   posts, metas, operation->value, operation->value, 1 + reg->number);
    return true;
}

static bool write_flip(struct visitor *visitor, unsigned site)
{
    struct operation *operation = &visitor->operation;
    const struct reg *reg = claim(visitor, site, REGISTER_FLIP, 1);
    char table[60];

    if (reg == NULL) {
        return false;
    }
    (void)spell_table(visitor, site, "flip", table, sizeof(table));
    if (!reg->is_there) {
        operation->kind = "fill";
        (void)step_add(operation, SHAPE_NONE, "REPLACE INTO %s (id, n) VALUES (1, %" PRId64 ")",
                       table, operation->value);
    } else if (rng_below(&visitor->load->rng, 3) == 0) {
        operation->kind = "truncate";
        operation->value = ABSENT;
        operation->is_row_there = false;
        (void)step_add(operation, SHAPE_NONE, "TRUNCATE TABLE %s", table);
    } else {
        operation->kind = "alter";
        (void)step_add(operation, SHAPE_NONE,
                       "ALTER TABLE %s DROP COLUMN n, ADD COLUMN n BIGINT NOT NULL"
                       " DEFAULT %" PRId64,
                       table, operation->value);
    }
    return true;
}

bool plan_write(struct visitor *visitor, unsigned site)
{
    struct operation *operation = &visitor->operation;
    const uint32_t dice = rng_below(&visitor->load->rng, 100);
    bool planned;

    operation->is_write = true;
    operation->is_row_there = true;
    operation->value = ++visitor->load->value;
    if (dice < 45) {
        planned = write_option(visitor, site);
    } else if (dice < 60) {
        planned = write_two(visitor, site);
    } else if (dice < 80 || visitor->load->is_foreign) {
        planned = write_post(visitor, site);
    } else if (dice < 98 || reach_of(site) != REACH_SCHEMA) {
        planned = write_meta(visitor, site);
    } else {
        planned = write_flip(visitor, site);
    }
    for (unsigned i = 0; !planned && i < operation->n_regs; i++) {
        operation->regs[i]->is_claimed = false;
    }
    return planned;
}

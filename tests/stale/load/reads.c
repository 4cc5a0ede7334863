/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reads - the ways to read a site.
 */
#include <inttypes.h>

#include "tests/stale/load/stale.h"

#define PREPARED_READ "SELECT option_value FROM wp_options WHERE option_name = ? LIMIT 1"

static const struct reg *any(struct visitor *visitor, unsigned site, enum register_kind kind,
                             unsigned n)
{
    struct operation *operation = &visitor->operation;
    struct reg *reg =
        &visitor->load->regs[site][register_first(kind) + rng_below(&visitor->load->rng, n)];

    operation->regs[operation->n_regs++] = reg;
    return reg;
}

static const struct reg *any_option(struct visitor *visitor, unsigned site)
{
    return rng_below(&visitor->load->rng, OPTIONS + FOREIGN) < OPTIONS
               ? any(visitor, site, REGISTER_OPTION, OPTIONS)
               : any(visitor, site, REGISTER_FOREIGN_OPTION, FOREIGN);
}

static unsigned post_id(const struct reg *reg)
{
    return reg->kind == REGISTER_FOREIGN_POST ? FOREIGN_POST + reg->number : 1 + reg->number;
}

/* plan_option - one option, looked up by its name in some way. */
static void plan_option(struct visitor *visitor, unsigned site)
{
    static const struct {
        const char *kind;
        const char *head, *middle, *tail; /* around the table and the name */
    } forms[] = {
        {"option", "SELECT option_value FROM ", " WHERE option_name = ", " LIMIT 1"},
        {"option", "SELECT option_value FROM ", " WHERE option_name = ", ""},
        {"alias", "SELECT o.option_value FROM ", " AS o WHERE o.option_name = ", ""},
        {"and", "SELECT option_value FROM ", " WHERE option_value <> '-' AND option_name = ", ""},
        {"in", "SELECT option_value FROM ", " WHERE option_name IN (", ")"},
        {"derived", "SELECT d.option_value FROM (SELECT option_name, option_value FROM ",
         ") AS d WHERE d.option_name = ", ""},
        {"with", "WITH w AS (SELECT * FROM ",
         ") SELECT option_value FROM w WHERE option_name = ", ""},
        {"union", "SELECT '1' FROM wp_posts WHERE ID = 0 UNION SELECT option_value FROM ",
         " WHERE option_name = ", ""},
    };
    struct operation *operation = &visitor->operation;
    const unsigned form = rng_below(&visitor->load->rng, 4) != 0
                              ? 0
                              : rng_below(&visitor->load->rng, sizeof(forms) / sizeof(forms[0]));
    char table[60];
    char name[60];

    spell_option(visitor, any_option(visitor, site), false, name, sizeof(name));
    operation->kind = forms[form].kind;
    (void)step_add(operation, SHAPE_VALUE, "%s%s%s%s%s", forms[form].head,
                   spell_table(visitor, site, "wp_options", table, sizeof(table)),
                   forms[form].middle, name, forms[form].tail);
}

static void plan_prepared(struct visitor *visitor, unsigned site)
{
    const struct reg *reg = any_option(visitor, site);
    struct operation *operation = &visitor->operation;
    const char *texts[1];
    char name[16];

    operation->kind = "prepared";
    if (visitor->read_id == 0) {
        step_add(operation, SHAPE_NONE, PREPARED_READ)->command = WIRE_COM_STMT_PREPARE;
        return;
    }
    (void)snprintf(name, sizeof(name), "%c_%u", reg->kind == REGISTER_OPTION ? 'k' : 'x',
                   reg->number);
    texts[0] = name;
    step_add_execute(operation, SHAPE_BINARY, visitor->read_id, texts, 1);
}

static void plan_posts(struct visitor *visitor, unsigned site)
{
    struct operation *operation = &visitor->operation;
    const unsigned a = post_id(any(visitor, site, REGISTER_POST, POSTS));
    const bool foreign = rng_below(&visitor->load->rng, 4) == 0;
    const unsigned b = post_id(foreign ? any(visitor, site, REGISTER_FOREIGN_POST, FOREIGN)
                                       : any(visitor, site, REGISTER_POST, POSTS));
    char table[60];
    char meta[60];

    (void)spell_table(visitor, site, "wp_posts", table, sizeof(table));
    switch (rng_below(&visitor->load->rng, 3)) {
    case 0:
        operation->kind = "posts";
        (void)step_add(operation, SHAPE_POSTS, "SELECT ID, n FROM %s WHERE ID IN (%u,%u)", table, a,
                       b);
        break;
    case 1:
        operation->kind = "or";
        (void)step_add(operation, SHAPE_POSTS,
                       "SELECT p.ID, p.n FROM %s p WHERE p.ID = %u OR p.ID = %u", table, a, b);
        break;
    default:
        operation->kind = "subquery";
        (void)step_add(operation, SHAPE_POSTS,
                       "SELECT ID, (SELECT q.n FROM %s AS q WHERE q.ID = p.post_id) AS n FROM"
                       " (SELECT post_id AS ID, post_id FROM %s) AS p WHERE ID IN (%u,%u)"
                       " HAVING n IS NOT NULL",
                       table, spell_table(visitor, site, "wp_postmeta", meta, sizeof(meta)), a, b);
        break;
    }
}

/* plan_whole - whole tables. */
static void plan_whole(struct visitor *visitor, unsigned site)
{
    struct operation *operation = &visitor->operation;
    const bool view = visitor->load->views && rng_below(&visitor->load->rng, 4) == 0;
    char posts[60];
    char meta[60];

    (void)spell_table(visitor, site, view ? "v_posts" : "wp_posts", posts, sizeof(posts));
    switch (rng_below(&visitor->load->rng, 4)) {
    case 0:
    case 1:
        (void)any(visitor, site, REGISTER_OPTION, OPTIONS);
        operation->kind = view ? "view" : "options";
        (void)step_add(
            operation, SHAPE_OPTIONS,
            "SELECT option_name, option_value FROM %s WHERE autoload = 'yes'",
            spell_table(visitor, site, view ? "v_options" : "wp_options", meta, sizeof(meta)));
        break;
    case 2:
        (void)any(visitor, site, REGISTER_POST, POSTS);
        operation->kind = view ? "view-join" : "join";
        (void)step_add(operation, SHAPE_JOIN,
                       "SELECT p.ID, p.n, m.n FROM %s AS p INNER JOIN %s AS m"
                       " ON m.post_id = p.ID ORDER BY p.ID",
                       posts, spell_table(visitor, site, "wp_postmeta", meta, sizeof(meta)));
        break;
    default:
        (void)any(visitor, site, REGISTER_POST, POSTS);
        operation->kind = view ? "view-found" : "found";
        (void)step_add(operation, SHAPE_FIRST,
                       "SELECT SQL_CALC_FOUND_ROWS ID, n FROM %s WHERE n >= 0 ORDER BY ID"
                       " LIMIT 0, %u",
                       posts, FIRST_POSTS);
        (void)step_add(operation, SHAPE_COUNT, "SELECT FOUND_ROWS()");
        break;
    }
}

static void plan_one(struct visitor *visitor, unsigned site)
{
    struct operation *operation = &visitor->operation;
    char table[60];

    switch (rng_below(&visitor->load->rng, reach_of(site) == REACH_SCHEMA ? 3 : 2)) {
    case 0:
        operation->kind = "flip";
        (void)any(visitor, site, REGISTER_FLIP, 1);
        (void)step_add(operation, SHAPE_VALUE, "SELECT n FROM %s WHERE id = 1",
                       spell_table(visitor, site, "flip", table, sizeof(table)));
        break;
    case 1:
        operation->kind = "meta";
        (void)step_add(operation, SHAPE_VALUE, "SELECT n FROM %s WHERE post_id = %u",
                       spell_table(visitor, site, "wp_postmeta", table, sizeof(table)),
                       post_id(any(visitor, site, REGISTER_META, POSTS)));
        break;
    default:
        operation->kind = "function";
        (void)step_add(operation, SHAPE_VALUE, "SELECT %s(%u) FROM wp_postmeta WHERE post_id = 1",
                       spell_table(visitor, site, "n_of", table, sizeof(table)),
                       post_id(any(visitor, site, REGISTER_META, POSTS)));
        break;
    }
}

void plan_read(struct visitor *visitor, unsigned site)
{
    struct operation *operation = &visitor->operation;
    const uint32_t dice = rng_below(&visitor->load->rng, 20);

    for (unsigned i = 0; i < REGISTERS; i++) {
        operation->seen[i] = NOT_SEEN;
    }
    operation->n_found = NOT_SEEN;
    if (dice < 8) {
        plan_option(visitor, site);
    } else if (dice < 10 && site == visitor->home) {
        plan_prepared(visitor, site);
    } else if (dice < 13) {
        plan_posts(visitor, site);
    } else if (dice < 18) {
        plan_whole(visitor, site);
    } else {
        plan_one(visitor, site);
    }
}

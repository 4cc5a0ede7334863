/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server_stmt.c - statements prepared on a server connection; no node is needed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "pool/pool.h"
#include "pool/server_stmt.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "protocol/stmt.h"
#include "tests/unit/test.h"

#define MAX_STMTS 3

struct fixture {
    struct conf conf;
    struct pool *pool;
    struct server server;
    uint8_t bytes[64];
    struct writer close;
};

static void make(struct fixture *f)
{
    *f = (struct fixture){.pool = mem_new(MEM_POOL, sizeof(struct pool))};
    f->conf.vars.mysql_max_stmts_per_connection = MAX_STMTS;
    pool_init(f->pool, 0);
    f->pool->conf = &f->conf;
    f->server.pool = f->pool;
    list_init(&f->server.stmts);
    f->close = writer_of(f->bytes, sizeof(f->bytes));
}

static void done(struct fixture *f)
{
    server_stmts_drop(&f->server);
    pool_fini(f->pool); /* aborts when a text or a profile is left */
    mem_free(MEM_POOL, f->pool);
    assert_int_equal(mem_blocks(MEM_STMT), 0);
}

/* Prepare a text under the default variables. */
static struct server_stmt *add(struct fixture *f, const char *text, uint32_t id)
{
    struct stmt_text *t = stmt_text_get(f->pool, slice_of(text));
    struct server_stmt *stmt;

    assert_non_null(t);
    stmt = server_stmt_add(&f->server, t, NULL, f->pool->profiles.empty, id, 0, &f->close);
    assert_non_null(stmt);
    stmt_text_unref(f->pool, t); /* the statement has its own reference */
    return stmt;
}

static struct server_stmt *find(struct fixture *f, const char *text)
{
    struct stmt_text *t = stmt_text_get(f->pool, slice_of(text));
    struct server_stmt *stmt;

    stmt = server_stmt_find(&f->server, t, NULL, f->pool->profiles.empty, 0);
    stmt_text_unref(f->pool, t);
    return stmt;
}

/* The one COM_STMT_CLOSE that was written; and none is there any more. */
static uint32_t closed_id(struct fixture *f)
{
    struct reader r = reader_of(f->bytes, f->close.len);
    uint32_t id;

    assert_false(f->close.failed);
    assert_int_equal(f->close.len, PACKET_HEADER + 5);
    assert_int_equal(packet_length(f->bytes), 5);
    assert_int_equal(packet_sequence(f->bytes), 0);
    (void)get_u32(&r);
    assert_int_equal(get_u8(&r), COM_STMT_CLOSE);
    id = get_u32(&r);
    f->close = writer_of(f->bytes, sizeof(f->bytes));
    return id;
}

TEST(server_stmt_text_is_shared_and_freed_with_the_last_user)
{
    struct fixture f;
    struct stmt_text *a;
    struct slice sql = SLICE("SELECT 1");
    char *text = malloc(sql.len);

    assert_non_null(text);
    memcpy(text, sql.data, sql.len);
    make(&f);
    a = stmt_text_get(f.pool, (struct slice){text, 8});
    free(text);
    assert_int_equal(a->len, 8);
    assert_string_equal(a->text, "SELECT 1"); /* a copy */
    assert_ptr_equal(stmt_text_get(f.pool, SLICE("SELECT 1")), a);
    stmt_text_unref(f.pool, a);
    assert_string_equal(a->text, "SELECT 1");
    stmt_text_unref(f.pool, a);
    assert_int_equal(f.pool->stmt_texts.count, 0);
    done(&f);
}

TEST(server_stmt_is_found_under_the_same_schema_and_variables)
{
    struct fixture f;
    struct account account = {.id = 1};
    struct server_stmt *stmt;
    struct stmt_text *text;
    struct schema *schema;

    make(&f);
    text = stmt_text_get(f.pool, SLICE("SELECT ?"));
    schema = schema_get(&f.pool->schemas, &account, SLICE("s"));
    assert_null(server_stmt_find(&f.server, text, NULL, f.pool->profiles.empty, 0));
    stmt = server_stmt_add(&f.server, text, schema, f.pool->base_profile, 7, 0, &f.close);
    assert_int_equal(stmt->id, 7);
    assert_int_equal(f.close.len, 0);
    assert_ptr_equal(server_stmt_find(&f.server, text, schema, f.pool->base_profile, 0), stmt);
    assert_null(server_stmt_find(&f.server, text, NULL, f.pool->base_profile, 0));
    assert_null(server_stmt_find(&f.server, text, schema, f.pool->profiles.empty, 0));
    assert_null(find(&f, "SELECT ??"));
    stmt_text_unref(f.pool, text);
    done(&f);
}

TEST(server_stmt_with_an_owner_is_nobody_elses_and_does_not_leave)
{
    struct fixture f;
    struct server_stmt *own;
    char text[16];

    make(&f);
    own = add(&f, "SELECT 1", 1);
    own->owner = 5;
    assert_null(find(&f, "SELECT 1"));
    assert_ptr_not_equal(add(&f, "SELECT 1", 2), own);
    assert_int_equal(f.close.len, 0);
    assert_int_equal(find(&f, "SELECT 1")->id, 2);
    assert_ptr_equal(
        server_stmt_find(&f.server, own->text, NULL, f.pool->profiles.empty, own->owner), own);
    for (uint32_t id = 3; id < 3 + 2 * MAX_STMTS;
         id++) { /* each but the first few drives one out */
        snprintf(text, sizeof(text), "SELECT %u", (unsigned)id);
        (void)add(&f, text, id);
        f.close = writer_of(f.bytes, sizeof(f.bytes));
    }
    assert_int_equal(own->id, 1);
    assert_int_equal(f.server.stmts.count, MAX_STMTS);
    LIST_FOREACH (it, &f.server.stmts) {
        CONTAINER_OF(it, struct server_stmt, in_server)->owner = 5;
    }
    (void)add(&f, "SELECT 0", 99); /* more than the limit rather than what is open */
    assert_int_equal(f.close.len, 0);
    assert_int_equal(f.server.stmts.count, MAX_STMTS + 1);
    done(&f);
}

TEST(server_stmt_least_recently_used_leaves_when_full)
{
    struct fixture f;

    make(&f);
    (void)add(&f, "a", 1);
    (void)add(&f, "b", 2);
    (void)add(&f, "c", 3);
    assert_int_equal(f.close.len, 0);
    assert_int_equal(find(&f, "a")->id, 1); /* used: b is the oldest now */
    (void)add(&f, "d", 4);
    assert_int_equal(closed_id(&f), 2);
    assert_null(find(&f, "b"));
    assert_non_null(find(&f, "c"));
    (void)add(&f, "e", 5);
    assert_int_equal(closed_id(&f), 1);
    done(&f);
}

TEST(server_stmt_prepared_twice_closes_the_first_id)
{
    struct fixture f;
    struct server_stmt *stmt;

    make(&f);
    stmt = add(&f, "a", 1);
    assert_ptr_equal(add(&f, "a", 9), stmt);
    assert_int_equal(closed_id(&f), 1);
    assert_int_equal(find(&f, "a")->id, 9);
    assert_int_equal(f.server.stmts.count, 1);
    done(&f);
}

TEST(server_stmt_dropped_ones_are_gone)
{
    struct fixture f;

    make(&f);
    (void)add(&f, "a", 1);
    (void)add(&f, "b", 2);
    server_stmts_drop(&f.server);
    assert_null(find(&f, "a"));
    assert_null(find(&f, "b"));
    assert_int_equal(f.pool->stmt_texts.count, 0);
    done(&f);
}

TEST(server_stmt_prepared_again_gets_the_id_of_the_reply)
{
    static const uint8_t reply[] = {0, 0x2a, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0};
    struct fixture f;

    make(&f);
    f.server.preparing = add(&f, "a", STMT_ID_LAST);
    for (size_t cut = 0; cut < 9; cut++) {
        uint8_t *part = malloc(cut + 1); /* of size 1 at least */

        assert_non_null(part);
        memcpy(part, reply, cut);
        assert_int_equal(server_stmt_prepared(&f.server, part, cut), ERR_NODE_PROTOCOL);
        free(part);
    }
    assert_int_equal(server_stmt_prepared(&f.server, reply, sizeof(reply)), 0);
    server_stmt_prepare_done(&f.server, NULL);
    assert_null(f.server.preparing);
    assert_int_equal(find(&f, "a")->id, 0x2a);
    done(&f);
}

TEST(server_stmt_refused_by_the_node_is_forgotten)
{
    const struct err err = {.number = 1146, .sqlstate = "42S02"};
    struct fixture f;

    make(&f);
    f.server.preparing = add(&f, "a", STMT_ID_LAST);
    server_stmt_prepare_done(&f.server, &err);
    assert_null(f.server.preparing);
    assert_null(find(&f, "a"));
    server_stmt_prepare_done(&f.server, &err); /* nothing is being prepared */
    done(&f);
}

TEST(server_stmt_that_is_removed_while_prepared_is_not_touched)
{
    static const uint8_t reply[] = {0, 0x2a, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0};
    struct fixture f;

    make(&f);
    f.server.preparing = add(&f, "a", STMT_ID_LAST);
    server_stmts_drop(&f.server);
    assert_null(f.server.preparing);
    assert_int_equal(server_stmt_prepared(&f.server, reply, sizeof(reply)), 0);
    server_stmt_prepare_done(&f.server, NULL);
    done(&f);
}

TEST(server_stmt_without_memory_is_refused)
{
    struct stmt_text *text = NULL;
    struct server_stmt *stmt = NULL;
    struct fixture f;

    make(&f);
    for (unsigned n = 1; text == NULL; n++) {
        mem_fail_at(n);
        text = stmt_text_get(f.pool, SLICE("a"));
        mem_fail_at(0);
        assert_int_equal(f.pool->stmt_texts.count, text == NULL ? 0 : 1);
    }
    for (unsigned n = 1; stmt == NULL; n++) {
        mem_fail_at(n);
        stmt = server_stmt_add(&f.server, text, NULL, f.pool->profiles.empty, 1, 0, &f.close);
        mem_fail_at(0);
        assert_int_equal(f.server.stmts.count, stmt == NULL ? 0 : 1);
    }
    stmt_text_unref(f.pool, text);
    done(&f);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_stmt.c - see server_stmt.h.
 */
#include "pool/server_stmt.h"

#include "base/err.h"
#include "base/mem.h"
#include "pool/pool.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "protocol/stmt.h"

struct stmt_text *stmt_text_get(struct pool *pool, struct slice text)
{
    struct stmt_text *t = map_get(&pool->stmt_texts, text);

    if (t != NULL) {
        t->refs++;
        return t;
    }
    t = mem_try(MEM_STMT, sizeof(*t) + text.len + 1);
    if (t == NULL) {
        return NULL;
    }
    t->refs = 1;
    t->len = text.len;
    memcpy(t->text, text.data, text.len);
    t->text[text.len] = '\0';
    if (map_put(&pool->stmt_texts, (struct slice){t->text, t->len}, t) != 0) {
        mem_free(MEM_STMT, t);
        return NULL;
    }
    return t;
}

bool stmt_text_has_room(const struct pool *pool, struct slice text)
{
    return pool->stmt_texts.count < STMT_TEXTS_MAX || map_get(&pool->stmt_texts, text) != NULL;
}

void stmt_text_unref(struct pool *pool, struct stmt_text *text)
{
    CHECK(text->refs > 0);
    if (--text->refs == 0) {
        CHECK(map_remove(&pool->stmt_texts, (struct slice){text->text, text->len}) == text);
        mem_free(MEM_STMT, text);
    }
}

struct server_stmt *server_stmt_find(struct server *s, const struct stmt_text *text,
                                     const struct schema *schema, const struct profile *profile,
                                     uint32_t owner)
{
    LIST_FOREACH (it, &s->stmts) {
        struct server_stmt *stmt = CONTAINER_OF(it, struct server_stmt, in_server);

        if (stmt->text == text && stmt->schema == schema && stmt->profile == profile &&
            stmt->owner == owner) {
            list_remove(&s->stmts, &stmt->in_server);
            list_push_front(&s->stmts, &stmt->in_server);
            return stmt;
        }
    }
    return NULL;
}

void server_stmt_remove(struct server *s, struct server_stmt *stmt)
{
    if (s->preparing == stmt) {
        s->preparing = NULL;
    }
    list_remove(&s->stmts, &stmt->in_server);
    stmt_text_unref(s->pool, stmt->text);
    profile_unref(&s->pool->profiles, stmt->profile);
    mem_free(MEM_STMT, stmt);
}

static void write_close(struct writer *w, uint32_t id)
{
    size_t at = packet_begin(w);

    put_u8(w, COM_STMT_CLOSE);
    put_u32(w, id);
    packet_end(w, at, 0);
}

/* The one that nobody used for the longest time; NULL = something is open in each. */
static struct server_stmt *oldest_without_owner(const struct server *s)
{
    struct server_stmt *oldest = NULL;

    LIST_FOREACH (it, &s->stmts) {
        struct server_stmt *stmt = CONTAINER_OF(it, struct server_stmt, in_server);

        oldest = stmt->owner == 0 ? stmt : oldest;
    }
    return oldest;
}

struct server_stmt *server_stmt_add(struct server *s, struct stmt_text *text, struct schema *schema,
                                    struct profile *profile, uint32_t id, uint32_t owner,
                                    struct writer *close)
{
    struct server_stmt *stmt = server_stmt_find(s, text, schema, profile, owner);

    if (stmt != NULL) { /* prepared twice: the old one is not needed any more */
        write_close(close, stmt->id);
        stmt->id = id;
        return stmt;
    }
    if (s->stmts.count >= (size_t)s->pool->conf->vars.mysql_max_stmts_per_connection) {
        struct server_stmt *oldest = oldest_without_owner(s);

        if (oldest != NULL) {
            write_close(close, oldest->id);
            server_stmt_remove(s, oldest);
        }
    }
    stmt = mem_try(MEM_STMT, sizeof(*stmt));
    if (stmt == NULL) {
        return NULL;
    }
    *stmt = (struct server_stmt){
        .text = text, .schema = schema, .profile = profile_ref(profile), .id = id, .owner = owner};
    text->refs++;
    list_push_front(&s->stmts, &stmt->in_server);
    return stmt;
}

void server_stmts_drop(struct server *s)
{
    while (!list_is_empty(&s->stmts)) {
        server_stmt_remove(s, CONTAINER_OF(list_front(&s->stmts), struct server_stmt, in_server));
    }
}

int server_stmt_prepared(struct server *s, const uint8_t *payload, size_t len)
{
    struct prepare_ok p;

    if (prepare_ok_decode(&p, payload, len) != 0) {
        return ERR_NODE_PROTOCOL;
    }
    if (s->preparing != NULL) {
        s->preparing->id = p.stmt_id;
    }
    return 0;
}

void server_stmt_prepare_done(struct server *s, const struct err *err)
{
    struct server_stmt *stmt = s->preparing;

    s->preparing = NULL;
    if (err != NULL && stmt != NULL) {
        server_stmt_remove(
            s, stmt); /* the execute behind it fails: the node has no statement prepared last */
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/stmt_types.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/packet.h"
#include "proxy/client_stmt.h"
#include "proxy/task.h"

int stmt_types_keep(struct client_stmt *stmt, const struct execute *e)
{
    if (stmt->types == NULL) {
        stmt->types = mem_try(MEM_STMT, e->types.len + 1);
        if (stmt->types == NULL) {
            return ERR_MEMORY;
        }
    }
    stmt->types_len = e->types.len;
    memcpy(stmt->types, e->types.data, e->types.len);
    return 0;
}

int stmt_types_put(struct task *task, const struct execute *e, uint32_t id)
{
    struct client_stmt *stmt = task->stmt;
    size_t extra = stmt->types_len;
    uint8_t *bytes = mem_try(MEM_PENDING, task->len + extra);
    struct writer w;

    if (bytes == NULL) {
        return ERR_MEMORY;
    }
    w = writer_of(bytes + PACKET_HEADER, task->len + extra - PACKET_HEADER);
    execute_encode(&w, e, id, (struct slice){(const char *)stmt->types, stmt->types_len});
    if (w.failed) {
        mem_free(MEM_PENDING, bytes);
        return ERR_LIMIT;
    }
    packet_write_header(bytes, task->payload + (uint32_t)extra, 0);
    if (task->is_heap) {
        mem_free(MEM_PENDING, task->bytes);
    }
    task->bytes = bytes;
    task->is_heap = true;
    task->len = PACKET_HEADER + w.len;
    return 0;
}

int stmt_types_ahead(struct server *s, const struct client_stmt *stmt, uint32_t id,
                     struct writer *prefix)
{
    const struct execute e = {.is_bulk = true};
    size_t at = packet_begin(prefix);

    if ((s->caps & CAP_STMT_BULK) == 0) {
        return ERR_LIMIT;
    }
    execute_encode(prefix, &e, id, (struct slice){(const char *)stmt->types, stmt->types_len});
    packet_end(prefix, at, 0);
    server_expect(s, EXPECT_PRIME, FOLLOW_RESULT);
    return 0;
}

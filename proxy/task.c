/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.c - see task.h.
 */
#include "proxy/task.h"

#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "proxy/client_cache.h"

struct task *task_new(struct tasks *tasks, size_t len)
{
    struct task *task = tasks->free;
    uint8_t *bytes = NULL;

    if (len > TASK_INLINE_BYTES) {
        bytes = mem_try(MEM_PENDING, len);
        if (bytes == NULL) {
            return NULL;
        }
    }
    if (task != NULL) {
        tasks->free = task->next_free;
        tasks->n_free--;
    } else {
        task = mem_try(MEM_PENDING, sizeof(*task));
    }
    if (task == NULL) {
        mem_free(MEM_PENDING, bytes);
        return NULL;
    }
    memset(task, 0, offsetof(struct task, facts));
    memset(&task->facts, 0, offsetof(struct facts, tables)); /* tables are counted by n_tables */
    memset(&task->facts.column_name, 0, sizeof(task->facts) - offsetof(struct facts, column_name));
    memset(&task->new_schema, 0, offsetof(struct task, peek) - offsetof(struct task, new_schema));
    task->rows.n = 0;
    task->verdict = VERDICT_NONE;
    task->is_heap = bytes != NULL;
    task->bytes = bytes != NULL ? bytes : task->inline_bytes;
    task->len = len;
    return task;
}

int task_replace_text(struct task *task, struct slice text)
{
    size_t len = PACKET_HEADER + 1 + text.len;
    uint8_t *bytes = task->inline_bytes;

    CHECK(text.len + 1 < PACKET_MAX);
    if (len > TASK_INLINE_BYTES) {
        bytes = mem_try(MEM_PENDING, len);
        if (bytes == NULL) {
            return ERR_MEMORY;
        }
    }
    if (task->is_heap) {
        mem_free(MEM_PENDING, task->bytes);
    }
    packet_write_header(bytes, (uint32_t)text.len + 1, 0);
    bytes[PACKET_HEADER] = task->command;
    memcpy(bytes + PACKET_HEADER + 1, text.data, text.len);
    task->is_heap = bytes != task->inline_bytes;
    task->bytes = bytes;
    task->len = len;
    task->payload = (uint32_t)text.len + 1;
    return 0;
}

void task_free(struct tasks *tasks, struct task *task)
{
    client_cache_drop(task);
    mem_free(MEM_STMT, task->said);
    if (task->is_heap) {
        mem_free(MEM_PENDING, task->bytes);
    }
    if (tasks->n_free < TASKS_KEPT) {
        task->next_free = tasks->free;
        tasks->free = task;
        tasks->n_free++;
    } else {
        mem_free(MEM_PENDING, task);
    }
}

void tasks_fini(struct tasks *tasks)
{
    while (tasks->free != NULL) {
        struct task *task = tasks->free;

        tasks->free = task->next_free;
        mem_free(MEM_PENDING, task);
    }
    tasks->n_free = 0;
}

struct slice task_text(const struct task *task)
{
    const size_t head = PACKET_HEADER + 1;

    return task->command == COM_QUERY && task->len >= head
               ? (struct slice){(const char *)task->bytes + head, task->len - head}
               : task->facts.body;
}

bool task_sets_completion(const struct task *task)
{
    return (task->facts.flags & FACT_UNTRACKED_SET) != 0 &&
           slice_behind_nocase(task_text(task), SLICE("completion_type")).data != NULL;
}

static struct slice trim_end(struct slice text)
{
    while (text.len > 0 && strchr(" \t\n\r\f\v;", text.data[text.len - 1]) != NULL) {
        text.len--;
    }
    return text;
}

bool task_has_reply(const struct task *task)
{
    return task->command != COM_STMT_SEND_LONG_DATA && task->command != COM_STMT_CLOSE;
}

bool task_is_statement(const struct task *task)
{
    switch (task->command) {
    case COM_PING:
    case COM_INIT_DB:
    case COM_RESET_CONNECTION: /* rolls back: as if it had not been */
    case COM_CHANGE_USER:
    case COM_STATISTICS:
    case COM_FIELD_LIST:
    case COM_PROCESS_INFO:
    case COM_STMT_PREPARE:
    case COM_STMT_SEND_LONG_DATA:
    case COM_STMT_CLOSE:
    case COM_STMT_RESET:
    case COM_STMT_FETCH: return false;
    default: return true;
    }
}

bool task_may_commit(const struct task *task)
{
    const struct facts *f = &task->facts;

    if (!task_is_statement(task)) {
        return false;
    }
    if ((f->flags & FACT_MULTI) != 0) {
        return true;
    }
    switch (f->verb) {
    case VERB_SELECT:
    case VERB_WITH:
    case VERB_VALUES:
    case VERB_INSERT:
    case VERB_REPLACE:
    case VERB_UPDATE:
    case VERB_DELETE:
    case VERB_DO:
    case VERB_HANDLER:
    case VERB_USE:
    case VERB_PREPARE:
    case VERB_DEALLOCATE:
    case VERB_ROLLBACK:
    case VERB_SAVEPOINT:
    case VERB_RELEASE_SAVEPOINT: return false;
    case VERB_LOAD: return f->n_tables == 0; /* LOAD INDEX INTO CACHE does */
    default: return (f->flags & FACT_READ) == 0;
    }
}

bool task_is_plain_rollback(const struct task *task)
{
    struct slice text = trim_end(task_text(task));

    return task->command == COM_QUERY && (slice_eq_nocase(text, SLICE("rollback")) ||
                                          slice_eq_nocase(text, SLICE("rollback work")));
}

static bool ends_with(struct slice text, struct slice word)
{
    return text.len > word.len &&
           slice_eq_nocase((struct slice){text.data + text.len - word.len, word.len}, word);
}

static bool ends_with_release(struct slice text)
{
    const struct slice word = SLICE("release");

    text = trim_end(text);
    return ends_with(text, word) &&
           !ends_with(trim_end((struct slice){text.data, text.len - word.len}), SLICE("no"));
}

bool task_ends_with_release(const struct task *task)
{
    return ends_with_release(task->facts.body) ||
           ((task->facts.flags & FACT_MULTI) != 0 && ends_with_release(task_text(task)));
}

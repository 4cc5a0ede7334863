/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.c - see task.h.
 */
#include "proxy/task.h"

#include "base/mem.h"

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
    task->is_heap = bytes != NULL;
    task->bytes = bytes != NULL ? bytes : task->inline_bytes;
    task->len = len;
    return task;
}

void task_free(struct tasks *tasks, struct task *task)
{
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

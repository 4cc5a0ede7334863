/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_task.c - commands that are worked on, and their free list.
 */
#include "base/err.h"
#include "base/mem.h"
#include "protocol/packet.h"
#include "proxy/task.h"
#include "tests/unit/test.h"

TEST(task_bytes_have_the_length_asked_for)
{
    static const size_t lengths[] = {0, 1, TASK_INLINE_BYTES, TASK_INLINE_BYTES + 1, 1 << 20};
    struct tasks tasks = {0};

    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        struct task *task = task_new(&tasks, lengths[i]);

        assert_non_null(task);
        assert_int_equal(task->len, lengths[i]);
        assert_non_null(task->bytes);
        memset(task->bytes, 'b', lengths[i]);
        task_free(&tasks, task);
    }
    tasks_fini(&tasks);
    assert_int_equal(mem_blocks(MEM_PENDING), 0);
}

/* What the first user left behind is not seen by the second. */
TEST(task_from_the_free_list_is_as_new)
{
    struct tasks tasks = {0};
    struct task *task = task_new(&tasks, 100);
    struct task *again;

    task->command = 3;
    task->follow = FOLLOW_ROWS;
    task->is_streaming = task->is_unseen = task->is_fit_only = true;
    task->payload = 1;
    task->upload_left = 1;
    task->facts.flags = UINT32_MAX;
    task->stmt = (struct client_stmt *)(void *)task;
    task->route.n = 3;
    task->route.is_writer = true;
    task->since_ms = task->queued_ms = 1;
    task->retries = 1;
    task->reply_begun = task->sent = task->state_changed = true;
    task->tracked_known = task->tracked_other = task->tracked_charset = true;
    task->peek_len = 7;
    task_free(&tasks, task);
    again = task_new(&tasks, 5);
    assert_ptr_equal(again, task); /* else nothing is tested here */
    assert_int_equal(again->len, 5);
    assert_int_equal(again->command, 0);
    assert_int_equal(again->follow, 0);
    assert_false(again->is_streaming || again->is_unseen || again->is_fit_only);
    assert_int_equal(again->payload, 0);
    assert_int_equal(again->upload_left, 0);
    assert_int_equal(again->facts.flags, 0);
    assert_null(again->stmt);
    assert_int_equal(again->route.n, 0);
    assert_false(again->route.is_writer);
    assert_int_equal(again->since_ms + again->queued_ms, 0);
    assert_int_equal(again->retries, 0);
    assert_false(again->reply_begun || again->sent || again->state_changed);
    assert_false(again->tracked_known || again->tracked_other || again->tracked_charset);
    assert_int_equal(again->peek_len, 0);
    task_free(&tasks, again);
    tasks_fini(&tasks);
}

static void assert_zeros(const struct task *task, size_t from, size_t to)
{
    const uint8_t *bytes = (const uint8_t *)task;

    for (size_t i = from; i < to; i++) {
        if (bytes[i] != 0) {
            fail_msg("the byte at %zu of the task, of %zu to %zu, is %u", i, from, to, bytes[i]);
        }
    }
}

/* But for arrays that are counted, and what every task has of its own. */
TEST(task_has_nothing_of_another)
{
    struct tasks tasks = {0};
    struct task *task = task_new(&tasks, 5);

    task_free(&tasks, task);
    memset(task, 0xa5, sizeof(*task));
    task->next_free = NULL;
    assert_ptr_equal(task_new(&tasks, 5), task); /* else nothing is tested here */
    assert_zeros(task, offsetof(struct task, command), offsetof(struct task, is_heap));
    assert_zeros(task, offsetof(struct task, facts), offsetof(struct task, facts.tables));
    assert_zeros(task, offsetof(struct task, facts.column_name), offsetof(struct task, rows));
    assert_int_equal(task->rows.n, 0);
    assert_zeros(task, offsetof(struct task, rows) + sizeof(task->rows),
                 offsetof(struct task, verdict));
    assert_zeros(task, offsetof(struct task, said_by), offsetof(struct task, peek));
    task_free(&tasks, task);
    tasks_fini(&tasks);
}

TEST(task_free_list_allocates_nothing_for_small_ones)
{
    struct tasks tasks = {0};
    struct task *task = task_new(&tasks, TASK_INLINE_BYTES);

    task_free(&tasks, task);
    mem_fail_at(1);
    task = task_new(&tasks, TASK_INLINE_BYTES);
    mem_fail_at(0);
    assert_non_null(task);
    task_free(&tasks, task);
    tasks_fini(&tasks);
}

TEST(task_large_bytes_go_with_the_task)
{
    struct tasks tasks = {0};
    uint64_t bytes;
    struct task *task = task_new(&tasks, 1);

    task_free(&tasks, task);
    bytes = mem_bytes(MEM_PENDING);
    task = task_new(&tasks, 10 * TASK_INLINE_BYTES);
    assert_true(mem_bytes(MEM_PENDING) > bytes);
    task_free(&tasks, task);
    assert_int_equal(mem_bytes(MEM_PENDING), bytes); /* only the small part is kept */
    tasks_fini(&tasks);
}

TEST(task_free_list_is_bounded)
{
    static struct task *all[TASKS_KEPT + 10];
    struct tasks tasks = {0};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        all[i] = task_new(&tasks, 1);
        assert_non_null(all[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        task_free(&tasks, all[i]);
    }
    assert_int_equal(mem_blocks(MEM_PENDING), TASKS_KEPT);
    tasks_fini(&tasks);
    assert_int_equal(mem_blocks(MEM_PENDING), 0);
}

TEST(task_without_memory_is_refused)
{
    struct tasks tasks = {0};
    struct task *task = NULL;
    unsigned n = 0;

    while (task == NULL) {
        mem_fail_at(++n);
        task = task_new(&tasks, TASK_INLINE_BYTES + 1);
        mem_fail_at(0);
        assert_true(task != NULL || mem_blocks(MEM_PENDING) == 0);
    }
    assert_int_equal(n, 3); /* the bytes, the task */
    task_free(&tasks, task);
    tasks_fini(&tasks);
}

TEST(task_text_is_replaced_whatever_the_lengths)
{
    static char text[3 * TASK_INLINE_BYTES];
    static const size_t lengths[] = {0, 10, TASK_INLINE_BYTES, 5, 3 * TASK_INLINE_BYTES, 7};
    struct tasks tasks = {0};
    struct task *task = task_new(&tasks, 100);

    memset(text, 't', sizeof(text));
    task->command = 3;
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        assert_int_equal(task_replace_text(task, (struct slice){text, lengths[i]}), 0);
        assert_int_equal(task->len, 5 + lengths[i]);
        assert_int_equal(task->payload, 1 + lengths[i]);
        assert_int_equal(packet_length(task->bytes), 1 + lengths[i]);
        assert_int_equal(task->bytes[4], 3);
        assert_memory_equal(task->bytes + 5, text, lengths[i]);
    }
    mem_fail_at(1);
    assert_int_equal(task_replace_text(task, (struct slice){text, sizeof(text)}), ERR_MEMORY);
    assert_int_equal(task->len, 5 + 7);
    task_free(&tasks, task);
    tasks_fini(&tasks);
    assert_int_equal(mem_blocks(MEM_PENDING), 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_users.c - users of the nodes: what is found, who is asked for, who waits; without a node.
 */
#include <stdio.h>

#include "base/mem.h"
#include "pool/users_inside.h"
#include "tests/unit/test.h"

#define PRIV_X "{\"authentication_string\":\"*B69027D44F6E5EDC07F1AEAD1477967B16F28227\"}"

static const struct users_server server = {0};

static unsigned n_told, n_known;
static uint64_t last_told;

static void on_asked(void *arg, const struct users_waiter *waiter, bool is_known)
{
    (void)arg;
    n_told++;
    n_known += is_known;
    last_told = waiter->client_id;
}

static struct users *followed(void)
{
    const struct users_events events = {.on_asked = on_asked};
    struct users *u = users_new(&events);

    u->hostgroup = 10;
    return u;
}

static void set_all(struct users *u, const char *const (*rows)[2], size_t n)
{
    struct user_list list = {0};

    for (size_t i = 0; i < n; i++) {
        user_list_add(&list, rows[i][1], rows[i][0], PRIV_X);
    }
    users_set(u, 10, &list, &server);
    assert_null(list.items);
}

static enum users_answer find(struct users *u, const char *name, const char *peer)
{
    struct users_found found;

    return users_find(u, slice_of(name), peer, &found);
}

TEST(users_find_the_most_specific_account)
{
    static const char *const rows[][2] = {{"a", "%"}, {"b", "%"}, {"a", "10.%"}, {"a", "10.0.0.1"}};
    struct users *u = followed();
    struct users_view view;

    set_all(u, rows, ARRAY_SIZE(rows));
    assert_int_equal(find(u, "a", "10.0.0.1"), USERS_FOUND);
    assert_int_equal(find(u, "b", "10.0.0.1"), USERS_FOUND);
    assert_int_equal(find(u, "c", "10.0.0.1"), USERS_UNKNOWN);
    assert_string_equal(
        ((struct user *)map_get(&u->by_name, SLICE("a")))->accounts[0].record->host_text,
        "10.0.0.1");
    assert_true(users_has(u, SLICE("a")) && !users_has(u, SLICE("c")));
    assert_true(!users_view(u, &view)); /* no thread has begun */
    assert_int_equal(view.n_users, 2);
    assert_int_equal(view.n_accounts, 4);
    set_all(u, rows + 1, 1); /* a is gone */
    assert_int_equal(find(u, "a", "10.0.0.1"), USERS_UNKNOWN);
    users_free(u);
}

static uint64_t sum_of(const char *const (*rows)[3], size_t n)
{
    struct user_list list = {0};
    uint64_t sum;

    for (size_t i = 0; i < n; i++) {
        user_list_add(&list, rows[i][0], rows[i][1], rows[i][2]);
    }
    sum = list.sum;
    user_list_fini(&list);
    return sum;
}

/* In whatever order they come; also of a role, and of who cannot be understood. */
TEST(users_rows_that_change_have_another_sum)
{
    static const char *const rows[][3] = {{"%", "a", PRIV_X}, {"", "r", "{\"is_role\":true}"}};
    static const char *const again[][3] = {{"", "r", "{\"is_role\":true}"}, {"%", "a", PRIV_X}};
    static const char *const role[][3] = {{"%", "a", PRIV_X},
                                          {"", "r", "{\"access\":1,\"is_role\":true}"}};
    static const char *const host[][3] = {{"%a", "", PRIV_X}, {"", "r", "{\"is_role\":true}"}};
    static const char *const bad[][3] = {{"%", "a", "{"}, {"", "r", "{\"is_role\":true}"}};
    uint64_t sum = sum_of(rows, 2);

    assert_true(sum == sum_of(again, 2));
    assert_true(sum != sum_of(rows, 1) && sum != sum_of(role, 2));
    assert_true(sum != sum_of(host, 2) && sum != sum_of(bad, 2));
}

TEST(users_are_nobody_when_not_followed)
{
    static const char *const rows[][2] = {{"a", "%"}};
    struct users *u = followed();

    set_all(u, rows, 1);
    u->hostgroup = -1;
    assert_int_equal(find(u, "a", "10.0.0.1"), USERS_NOT_FOLLOWED);
    assert_int_equal(find(NULL, "a", "10.0.0.1"), USERS_NOT_FOLLOWED);
    assert_false(users_has(u, SLICE("a")) || users_has(NULL, SLICE("a")));
    u->hostgroup = 20; /* what was read of another hostgroup is not used */
    set_all(u, rows, 1);
    users_free(u);
}

TEST(users_of_another_hostgroup_are_passed_over)
{
    static const char *const rows[][2] = {{"a", "%"}};
    struct users_asked asked = {.n = 1, .names = {"a"}};
    struct users *u = followed();
    struct user_list list = {0};

    u->hostgroup = 20;
    set_all(u, rows, 1);
    user_list_add(&list, "%", "a", PRIV_X);
    users_set_asked(u, 10, &asked, &list);
    assert_int_equal(find(u, "a", "10.0.0.1"), USERS_UNKNOWN);
    users_free(u);
}

TEST(users_ask_once_and_remember)
{
    struct users *u = followed();
    struct users_asked asked;
    struct user_list list = {0};

    assert_false(users_take_asked(u, &asked));
    assert_int_equal(users_ask(u, SLICE("a"), (struct users_waiter){0, 1}), USERS_ASK_WAIT);
    assert_int_equal(users_ask(u, SLICE("b"), (struct users_waiter){0, 2}), USERS_ASK_WAIT);
    assert_int_equal(users_ask(u, SLICE("a"), (struct users_waiter){1, 3}), USERS_ASK_WAIT);
    assert_true(users_take_asked(u, &asked));
    assert_int_equal(asked.n, 2);
    assert_int_equal(users_ask(u, SLICE("a"), (struct users_waiter){0, 4}), USERS_ASK_WAIT);
    user_list_add(&list, "%", "a", PRIV_X);
    users_set_asked(u, 10, &asked, &list);
    users_end_wait(u, asked.batch, true);
    assert_int_equal(n_told, 3); /* the fourth waits for the next question */
    assert_int_equal(n_known, 3);
    assert_int_equal(find(u, "a", "10.0.0.1"), USERS_FOUND);
    assert_int_equal(find(u, "b", "10.0.0.1"), USERS_NONE);
    assert_int_equal(users_ask(u, SLICE("b"), (struct users_waiter){0, 5}), USERS_ASK_FRESH);
    assert_int_equal(users_ask(u, SLICE("a"), (struct users_waiter){0, 5}), USERS_ASK_FRESH);
    assert_true(users_take_asked(u, &asked));
    users_end_wait(u, asked.batch, false);
    assert_int_equal(n_told, 4);
    assert_int_equal(n_known, 3);
    assert_int_equal(last_told, 4);
    users_poke(u); /* a statement changed users: ask again */
    assert_int_equal(find(u, "b", "10.0.0.1"), USERS_UNKNOWN);
    users_free(u);
}

TEST(users_asked_for_are_replaced)
{
    static const char *const rows[][2] = {{"a", "%"}, {"b", "%"}, {"c", "%"}};
    struct users_asked asked = {.n = 2, .names = {"a", "b"}};
    struct users *u = followed();
    struct user_list list = {0};

    set_all(u, rows, ARRAY_SIZE(rows));
    user_list_add(&list, "10.%", "b", PRIV_X);
    user_list_add(&list, "%", "c", PRIV_X); /* not asked for, and there twice */
    users_set_asked(u, 10, &asked, &list);
    assert_int_equal(find(u, "a", "10.0.0.1"), USERS_NONE);
    assert_int_equal(find(u, "b", "10.0.0.1"), USERS_FOUND);
    assert_int_equal(find(u, "b", "11.0.0.1"), USERS_NONE);
    assert_int_equal(find(u, "c", "10.0.0.1"), USERS_FOUND);
    users_free(u);
}

TEST(users_ask_for_a_bounded_number)
{
    struct users *u = followed();
    struct users_view view;
    struct users_asked asked;
    unsigned n_waiting = 0;
    char name[64];

    for (uint64_t i = 0; i < 10000; i++) {
        (void)snprintf(name, sizeof(name), "made_up_%u", (unsigned)i);
        n_waiting += users_ask(u, slice_of(name), (struct users_waiter){0, i}) == USERS_ASK_WAIT;
    }
    assert_int_equal(n_waiting, USERS_NAMES_MAX);
    for (uint64_t i = 0; i < 10000; i++) {
        n_waiting +=
            users_ask(u, SLICE("made_up_1"), (struct users_waiter){0, i}) == USERS_ASK_WAIT;
    }
    assert_int_equal(n_waiting, USERS_WAITING_MAX);
    (void)users_view(u, &view);
    assert_int_equal(view.n_waiting, USERS_WAITING_MAX);
    assert_int_equal(view.n_refused, 20000 - USERS_WAITING_MAX);
    assert_true(users_take_asked(u, &asked));
    users_end_wait(u, asked.batch, false);
    assert_int_equal(n_told, USERS_WAITING_MAX);
    assert_int_equal(users_ask(u, SLICE(""), (struct users_waiter){0, 1}), USERS_ASK_FULL);
    users_free(u);
}

TEST(users_remember_no_more_than_a_table)
{
    struct users *u = followed();
    struct users_asked asked = {.n = USERS_NAMES_MAX};
    uint64_t before;

    before = mem_bytes(MEM_POOL);
    for (unsigned turn = 0; turn < 1000; turn++) {
        struct user_list list = {0};

        for (size_t i = 0; i < asked.n; i++) {
            (void)snprintf(asked.names[i], sizeof(asked.names[i]), "made_up_%u_%zu", turn, i);
        }
        users_set_asked(u, 10, &asked, &list);
        assert_int_equal(find(u, asked.names[asked.n - 1], "10.0.0.1"), USERS_NONE);
    }
    assert_int_equal(mem_bytes(MEM_POOL), before);
    users_free(u);
}

static void join(void *arg, const struct users_row *row)
{
    char *text = arg;
    size_t len = strlen(text);

    (void)snprintf(text + len, 256 - len, "%s: %s\n", row->name, row->accounts);
}

TEST(users_walk_tells_accounts_and_no_passwords)
{
    struct users *u = followed();
    struct user_list list = {0};
    char text[256] = "";

    user_list_add(&list, "%", "a", "{\"account_locked\":true," PRIV_X);
    user_list_add(&list, "%", "a",
                  "{\"account_locked\":true,\"authentication_string\":"
                  "\"*B69027D44F6E5EDC07F1AEAD1477967B16F28227\"}");
    user_list_add(&list, "10.%", "a", "{\"plugin\":\"pam\"}");
    user_list_add(&list, "%", "a", "garbage");
    assert_int_equal(list.n_malformed, 2);
    users_set(u, 10, &list, &server);
    users_walk(u, join, text);
    assert_string_equal(text, "a: '10.%' (only by plugin pam), '%' (locked)\n");
    users_free(u);
}

TEST(users_are_asked_for_while_they_change)
{
    struct users_asked asked = {.n = 1, .names = {"a"}};
    struct users *u = followed();
    struct user_list list = {0};

    users_expect(u);
    users_set_asked(u, 10, &asked, &list);
    assert_int_equal(find(u, "a", "10.0.0.1"), USERS_UNKNOWN);
    assert_int_equal(users_ask(u, SLICE("a"), (struct users_waiter){0, 1}), USERS_ASK_WAIT);
    users_free(u);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/loadgen/wp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQL_MODE       "ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION"
#define POSTS_PER_PAGE 10u
#define NO_MARK        (-1)

/* The counters of a site: this option, and the last column of its newest post. */
#define COUNTER_OPTION_NAME "can_compress_scripts"
#define COUNTER_POST_COLUMN 17

struct step {
    enum wire_command command;
    int mark_column;  /* the field that begins with the site's mark */
    unsigned rows;    /* of the answer */
    const char *head; /* the statement, or its part before the ids */
    const char *tail; /* NULL: no ids */
};

#define OPTION(name, n_rows)                                                                   \
    {                                                                                          \
        WIRE_COM_QUERY, 0, n_rows,                                                             \
            "SELECT option_value FROM wp_options WHERE option_name = '" name "' LIMIT 1", NULL \
    }

/* clang-format off */
static const struct step steps[WP_STEPS] = {
    {WIRE_COM_QUERY, NO_MARK, 0, "SET NAMES utf8mb4", NULL},
    {WIRE_COM_QUERY, NO_MARK, 0, "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_520_ci'", NULL},
    {WIRE_COM_QUERY, NO_MARK, 1, "SELECT @@SESSION.sql_mode", NULL},
    {WIRE_COM_QUERY, NO_MARK, 0, "SET SESSION sql_mode='" SQL_MODE "'", NULL},
    {WIRE_COM_INIT_DB, NO_MARK, 0, "", NULL},
    [WP_OPTIONS] =
    {WIRE_COM_QUERY, 1, 150,
     "SELECT option_name, option_value FROM wp_options WHERE autoload = 'yes'", NULL},
    OPTION("WPLANG", 1),
    OPTION("theme_switched", 0),
    OPTION(COUNTER_OPTION_NAME, 1),
    {WIRE_COM_QUERY, NO_MARK, POSTS_PER_PAGE,
     "SELECT SQL_CALC_FOUND_ROWS wp_posts.ID FROM wp_posts WHERE 1=1 AND"
     " ((wp_posts.post_type = 'post' AND (wp_posts.post_status = 'publish')))"
     " ORDER BY wp_posts.post_date DESC LIMIT 0, 10", NULL},
    {WIRE_COM_QUERY, NO_MARK, 1, "SELECT FOUND_ROWS()", NULL},
    {WIRE_COM_QUERY, 5, POSTS_PER_PAGE,
     "SELECT wp_posts.* FROM wp_posts WHERE ID IN (", ")"},
    {WIRE_COM_QUERY, NO_MARK, 2 * POSTS_PER_PAGE,
     "SELECT DISTINCT t.term_id, tr.object_id FROM wp_terms AS t"
     " INNER JOIN wp_term_taxonomy AS tt ON t.term_id = tt.term_id"
     " INNER JOIN wp_term_relationships AS tr ON tr.term_taxonomy_id = tt.term_taxonomy_id"
     " WHERE tt.taxonomy IN ('category', 'post_tag', 'post_format') AND tr.object_id IN (",
     ") ORDER BY t.name ASC"},
    {WIRE_COM_QUERY, 1, 8,
     "SELECT t.term_id, t.name, t.slug, tt.taxonomy, tt.count FROM wp_terms AS t"
     " INNER JOIN wp_term_taxonomy AS tt ON t.term_id = tt.term_id"
     " WHERE t.term_id IN (1,2,3,4,5,6,7,8)", NULL},
    {WIRE_COM_QUERY, 2, 3 * POSTS_PER_PAGE,
     "SELECT post_id, meta_key, meta_value FROM wp_postmeta WHERE post_id IN (",
     ") ORDER BY meta_id ASC"},
    OPTION("_transient_doing_cron", 1),
    OPTION("site_logo", 0),
    OPTION("rewrite_rules", 1),
    [WP_WRITE] =
    {WIRE_COM_QUERY, NO_MARK, 0, "", NULL},
    {WIRE_COM_QUERY, NO_MARK, 0, "", NULL},
    OPTION(COUNTER_OPTION_NAME, 1),
    {WIRE_COM_QUERY, 5, POSTS_PER_PAGE,
     "SELECT wp_posts.* FROM wp_posts WHERE ID IN (", ")"},
    [WP_PROBE] =
    {WIRE_COM_QUERY, NO_MARK, 1,
     "SELECT CURRENT_USER(), DATABASE(), @@SESSION.sql_mode, @@SESSION.collation_connection",
     NULL},
};
/* clang-format on */

enum {
    STEP_SQL_MODE = 2,
    STEP_USE = 4,
    STEP_COUNTER = 8,
    STEP_POST_IDS = 9,
    STEP_FOUND_ROWS = 10,
    STEP_POSTS = 11,
};

static struct visitor *visitor_of(struct client *client)
{
    return (struct visitor *)(void *)((char *)client - offsetof(struct visitor, client));
}

/* found_wrong - say it once for each answer. */
static void found_wrong(struct visitor *visitor, const char *what, struct wire_field got)
{
    if (visitor->wrong) {
        return;
    }
    visitor->wrong = true;
    bench_wrong(visitor->bench, "site %u, step %u, %s: \"%.*s\"", visitor->site, visitor->step,
                what, (int)(got.len < 80 ? got.len : 80),
                got.data == NULL ? "" : (const char *)got.data);
}

void wp_lost(struct visitor *visitor, const char *why)
{
    bench_wrong(visitor->bench, "site %u, step %u, connection lost: %s", visitor->site,
                visitor->step, why);
}

bool wp_open(struct visitor *visitor, struct bench *bench, unsigned site,
             const struct client_events *events)
{
    int rc;

    visitor->bench = bench;
    visitor->site = site;
    visitor->step = 0;
    visitor->published = 50 + site % 20;
    visitor->begun_ns = stats_now_ns();
    visitor->mark_len = (size_t)snprintf(visitor->mark, sizeof(visitor->mark), "s%u;", site);
    (void)snprintf(visitor->name, sizeof(visitor->name), "site_%u", site);
    (void)snprintf(visitor->password, sizeof(visitor->password), "secret_%u", site);
    rc = client_open(&visitor->client, &bench->loop, events,
                     &(struct wire_account){visitor->name, visitor->password, NULL});
    if (rc < 0) {
        wp_lost(visitor, strerror(-rc));
    }
    return rc == 0;
}

/* post_ids - the ids of the newest posts of the site, as WordPress lists them. */
static size_t post_ids(const struct visitor *visitor, char *out, size_t cap)
{
    size_t len = 0;

    for (unsigned i = 0; i < POSTS_PER_PAGE; i++) {
        len += (size_t)snprintf(out + len, cap - len, "%s%u", i == 0 ? "" : ",",
                                visitor->published - i);
    }
    return len;
}

/* write_text - raise a counter. An option is written in both of WordPress's ways. */
static int write_text(struct visitor *visitor, unsigned number, char *text, size_t cap)
{
    uint64_t value;

    if (number == WP_WRITE_POST) {
        return snprintf(text, cap,
                        "UPDATE `wp_posts` SET `comment_count` = %" PRIu64 " WHERE `ID` = %u",
                        counter_next(&visitor->counters[COUNTER_POST]), visitor->published);
    }
    value = counter_next(&visitor->counters[COUNTER_OPTION]);
    if (rng_below(&visitor->bench->rng, 2) == 0) {
        return snprintf(text, cap,
                        "UPDATE `wp_options` SET `option_value` = '%s%" PRIu64
                        "' WHERE `option_name` = '" COUNTER_OPTION_NAME "'",
                        visitor->mark, value);
    }
    return snprintf(text, cap,
                    "INSERT INTO `wp_options` (`option_name`, `option_value`, `autoload`)"
                    " VALUES ('" COUNTER_OPTION_NAME "', '%s%" PRIu64 "', 'yes')"
                    " ON DUPLICATE KEY UPDATE `option_name` = VALUES(`option_name`),"
                    " `option_value` = VALUES(`option_value`), `autoload` = VALUES(`autoload`)",
                    visitor->mark, value);
}

bool wp_ask(struct visitor *visitor, unsigned number)
{
    const struct step *step = &steps[number];
    char text[1024];
    char ids[64];
    int len;
    int rc;

    if (number == STEP_USE) {
        len = snprintf(text, sizeof(text), "%s", visitor->name);
    } else if (number == WP_WRITE || number == WP_WRITE_POST) {
        len = write_text(visitor, number, text, sizeof(text));
    } else if (step->tail != NULL) {
        (void)post_ids(visitor, ids, sizeof(ids));
        len = snprintf(text, sizeof(text), "%s%s%s", step->head, ids, step->tail);
    } else {
        len = snprintf(text, sizeof(text), "%s", step->head);
    }
    visitor->step = number;
    visitor->wrong = false;
    for (unsigned i = 0; visitor->counters != NULL && i < COUNTERS; i++) {
        visitor->least[i] = visitor->counters[i].acknowledged;
    }
    visitor->asked_ns = stats_now_ns();
    rc = client_command(&visitor->client, step->command, text, (size_t)len);
    if (rc < 0) {
        wp_lost(visitor, strerror(-rc));
    }
    return rc == 0;
}

static bool field_is(struct wire_field field, const char *text)
{
    return field.data != NULL && field.len == strlen(text) &&
           memcmp(field.data, text, field.len) == 0;
}

static bool field_is_number(struct wire_field field, unsigned number)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", number);
    return field_is(field, text);
}

/* check_probe - user, schema and session variables are those that this page has set. */
static void check_probe(struct visitor *visitor, struct wire_row row)
{
    char user[24];
    const char *expected[] = {user, visitor->name, SQL_MODE, "utf8mb4_unicode_520_ci"};
    struct wire_field field;

    (void)snprintf(user, sizeof(user), "%s@%%", visitor->name);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (!wire_next_field(&row, &field) || !field_is(field, expected[i])) {
            found_wrong(visitor, "the session is another one's", field);
        }
    }
}

/* check_counter - the value is not older than what had been written when it was asked for. */
static void check_counter(struct visitor *visitor, enum counter_name name, struct wire_field field)
{
    static const char *const places[] = {"some page", "the page that wrote", "the page after it"};
    const struct counter *counter = &visitor->counters[name];
    const size_t mark_len = name == COUNTER_OPTION ? visitor->mark_len : 0;
    struct bench *bench = visitor->bench;
    char digits[24];
    uint64_t value;

    if (field.data == NULL || field.len < mark_len || field.len - mark_len >= sizeof(digits)) {
        found_wrong(visitor, "not a counter", field);
        return;
    }
    memcpy(digits, field.data + mark_len, field.len - mark_len);
    digits[field.len - mark_len] = '\0';
    value = strtoull(digits, NULL, 10);
    switch (counter_seen(counter, value, visitor->least[name], visitor->place, &bench->counted)) {
    case COUNTER_RIGHT: break;
    case COUNTER_UNKNOWN: found_wrong(visitor, "a counter that nobody wrote", field); break;
    case COUNTER_STALE:
        bench_stale(bench, "site %u, step %u of %s: %" PRIu64 ", written before: %" PRIu64,
                    visitor->site, visitor->step, places[visitor->place], value,
                    visitor->least[name]);
        break;
    }
}

/* look_for_counter - in a row of any step. */
static void look_for_counter(struct visitor *visitor, struct wire_row row)
{
    struct wire_field field = {0};
    int column = 0;

    switch (visitor->step) {
    case STEP_COUNTER:
    case WP_READ:
        if (wire_next_field(&row, &field)) {
            check_counter(visitor, COUNTER_OPTION, field);
        }
        break;
    case WP_OPTIONS:
        if (wire_next_field(&row, &field) && field_is(field, COUNTER_OPTION_NAME) &&
            wire_next_field(&row, &field)) {
            check_counter(visitor, COUNTER_OPTION, field);
        }
        break;
    case STEP_POSTS:
    case WP_READ_POST:
        if (!wire_next_field(&row, &field) || !field_is_number(field, visitor->published)) {
            break;
        }
        while (column < COUNTER_POST_COLUMN && wire_next_field(&row, &field)) {
            column++;
        }
        check_counter(visitor, COUNTER_POST,
                      column == COUNTER_POST_COLUMN ? field : (struct wire_field){0});
        break;
    default: break;
    }
}

void wp_on_row(struct client *client, const uint8_t *packet, size_t len)
{
    struct visitor *visitor = visitor_of(client);
    const struct step *step = &steps[visitor->step];
    const unsigned n_before = (unsigned)client->reply.n_rows - 1;
    struct wire_row row = {packet, packet + len};
    struct wire_field field = {0};

    if (visitor->step == WP_PROBE) {
        check_probe(visitor, row);
        return;
    }
    if (visitor->counters != NULL) {
        look_for_counter(visitor, row);
    }
    for (int column = 0; column <= (step->mark_column > 0 ? step->mark_column : 0); column++) {
        if (!wire_next_field(&row, &field)) {
            found_wrong(visitor, "a malformed row", (struct wire_field){0});
            return;
        }
    }
    if (step->mark_column != NO_MARK &&
        (field.len < visitor->mark_len ||
         memcmp(field.data, visitor->mark, visitor->mark_len) != 0)) {
        found_wrong(visitor, "a row of another site", field);
    }
    if (visitor->step == STEP_POST_IDS && !field_is_number(field, visitor->published - n_before)) {
        found_wrong(visitor, "not the site's newest posts", field);
    }
    if (visitor->step == STEP_FOUND_ROWS && !field_is_number(field, visitor->published)) {
        found_wrong(visitor, "not the site's number of posts", field);
    }
}

void wp_check(struct visitor *visitor, const struct wire_reply *reply)
{
    const struct step *step = &steps[visitor->step];
    char text[32];

    visitor->bench->n_statements++;
    visitor->bench->progress_ns = stats_now_ns();
    if (reply->error_code == 0 && (visitor->step == WP_WRITE || visitor->step == WP_WRITE_POST)) {
        counter_written(
            &visitor->counters[visitor->step == WP_WRITE ? COUNTER_OPTION : COUNTER_POST],
            &visitor->bench->counted);
    }
    if (reply->error_code != 0) {
        found_wrong(visitor, "an error",
                    (struct wire_field){(const uint8_t *)reply->message, strlen(reply->message)});
    } else if (reply->n_rows != step->rows) {
        (void)snprintf(text, sizeof(text), "%" PRIu64 " instead of %u", reply->n_rows, step->rows);
        found_wrong(visitor, "number of rows",
                    (struct wire_field){(const uint8_t *)text, strlen(text)});
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_made.c - rules for tests.
 */
#include "tests/unit/rules_made.h"

#include "base/err.h"
#include "base/mem.h"
#include "router/facts.h"

static void print_faults(const struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        print_message("%s:%d: %s\n", faults->items[i].file, faults->items[i].line,
                      faults->items[i].text);
    }
}

void rules_make(struct rules_made *made, const char *file)
{
    struct faults faults = {0};

    memset(made, 0, sizeof(*made));
    if (conf_load_text(&made->conf, "t.cnf", slice_of(file), &faults) != 0 ||
        rules_new(&made->rules, made->conf, &faults) != 0) {
        print_faults(&faults);
        fail();
    }
    faults_fini(&faults);
    made->cache = rules_cache_new(&made->stats);
    made->in = (struct rules_input){.username = SLICE("u"),
                                    .schemaname = SLICE("s"),
                                    .client_addr = SLICE("10.0.0.7"),
                                    .proxy_addr = SLICE("127.0.0.1"),
                                    .proxy_port = 6033};
}

void rules_unmake(struct rules_made *made)
{
    rules_cache_free(made->cache);
    rules_free(made->rules);
    conf_unref(made->conf);
    assert_int_equal(mem_blocks(MEM_ROUTER), 0);
    assert_int_equal(mem_blocks(MEM_CONF), 0);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void assert_same(const struct rules_result *a, const struct rules_result *b)
{
    assert_int_equal(a->hostgroup, b->hostgroup);
    assert_int_equal(a->applied, b->applied);
    assert_int_equal(a->cache_ttl_ms, b->cache_ttl_ms);
    assert_int_equal(a->timeout_ms, b->timeout_ms);
    assert_int_equal(a->delay_ms, b->delay_ms);
    assert_int_equal(a->retries, b->retries);
    assert_int_equal(a->next_flag_in, b->next_flag_in);
    assert_int_equal(a->mirror_hostgroup, b->mirror_hostgroup);
    assert_int_equal(a->mirror_flag_out, b->mirror_flag_out);
    assert_int_equal(a->flag_in, b->flag_in);
    assert_int_equal(a->is_by_lot, b->is_by_lot);
    assert_int_equal(a->multiplex, b->multiplex);
    assert_true(same_text(a->error_msg, b->error_msg) && same_text(a->ok_msg, b->ok_msg));
    assert_true(same_text(a->firewall_text, b->firewall_text));
    assert_int_equal(a->firewall_detected, b->firewall_detected);
    assert_int_equal(a->n_hits, b->n_hits);
    assert_memory_equal(a->hits, b->hits, a->n_hits * sizeof(a->hits[0]));
    assert_int_equal(a->is_rewritten, b->is_rewritten);
    assert_int_equal(a->rewritten.len, b->rewritten.len);
    if (a->is_rewritten) {
        assert_memory_equal(a->rewritten.data, b->rewritten.data, a->rewritten.len);
    }
}

const struct rules_result *rules_ask(struct rules_made *made, const char *sql)
{
    struct rules_trace trace = {0};
    struct rules_result cached;
    struct facts facts;
    char text[sizeof(made->text)];

    facts_scan(&facts, slice_of(sql), made->in.mode);
    made->in.digest = facts.digest;
    made->in.text = slice_of(sql);
    rules_match(made->rules, NULL, &made->in, &made->out, made->text, sizeof(made->text), &trace);
    for (int i = 0; i < 2; i++) {
        rules_match(made->rules, made->cache, &made->in, &cached, text, sizeof(text), NULL);
        assert_same(&made->out, &cached);
    }
    for (size_t i = 0; i < made->out.n_hits; i++) {
        rules_hit(made->rules, made->out.hits[i]);
    }
    rules_trace_fini(&trace);
    return &made->out;
}

static void expect(const char *file, bool is_error, int line, const char *says)
{
    struct faults faults = {0};
    struct rules *rules = NULL;
    struct conf *conf = NULL;
    bool found = false;

    if (conf_load_text(&conf, "t.cnf", slice_of(file), &faults) == 0) {
        assert_int_equal(rules_new(&rules, conf, &faults), is_error ? ERR_CONFIG : 0);
    }
    assert_int_equal(faults.errors, is_error ? 1 : 0);
    for (size_t i = 0; i < faults.count; i++) {
        found |= faults.items[i].is_error == is_error && faults.items[i].line == line &&
                 strstr(faults.items[i].text, says) != NULL;
    }
    if (!found) {
        print_faults(&faults);
        fail_msg("line %d: no fault says: %s", line, says);
    }
    rules_free(rules);
    conf_unref(conf);
    faults_fini(&faults);
    assert_int_equal(mem_blocks(MEM_ROUTER), 0);
    assert_int_equal(mem_blocks(MEM_CONF), 0);
}

void rules_refused(const char *file, int line, const char *says)
{
    expect(file, true, line, says);
}

void rules_warned(const char *file, int line, const char *says)
{
    expect(file, false, line, says);
}

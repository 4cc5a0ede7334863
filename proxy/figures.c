/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures.c - see figures.h.
 */
#include "proxy/figures.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "router/digest.h"

#define STEP_BITS 3 /* eight steps for each power of two */

/* --- texts ----------------------------------------------------------------------------------- */

struct figures_text *figures_text_new(struct slice text)
{
    struct figures_text *t = mem_try(MEM_FIGURES, sizeof(*t) + text.len + 1);

    if (t == NULL) {
        return NULL;
    }
    atomic_init(&t->refs, 1);
    t->len = (uint32_t)text.len;
    memcpy(t->bytes, text.data, text.len);
    t->bytes[text.len] = '\0';
    return t;
}

struct figures_text *figures_text_ref(struct figures_text *text)
{
    if (text != NULL) {
        atomic_fetch_add_explicit(&text->refs, 1, memory_order_relaxed);
    }
    return text;
}

void figures_text_unref(struct figures_text *text)
{
    if (text != NULL && atomic_fetch_sub(&text->refs, 1) == 1) {
        mem_free(MEM_FIGURES, text);
    }
}

/* --- keys ------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t mix_pointer(uint64_t hash, const void *pointer)
{
    return mix(hash, (uint64_t)(uintptr_t)pointer);
}

static uint64_t mix_text(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        hash = mix(hash, (uint8_t)text.data[i]);
    }
    return hash;
}

static struct slice slice_of_text(const struct figures_text *text)
{
    return text == NULL ? (struct slice){"", 0} : (struct slice){text->bytes, text->len};
}

static bool digest_is_of(const void *record, const void *key)
{
    const struct figures_digest *d = record;
    const struct figures_statement *s = key;

    return d->digest == s->digest && d->account == s->account && d->schema == s->schema &&
           d->hostgroup == s->hostgroup &&
           (s->address.len == 0 ? d->address == NULL
                                : slice_eq(slice_of_text(d->address), s->address));
}

static void digest_release(void *record)
{
    struct figures_digest *d = record;

    figures_text_unref(d->text);
    figures_text_unref(d->address);
}

static bool error_is_of(const void *record, const void *key)
{
    const struct figures_error *e = record;
    const struct figures_error *k = key;

    return e->node == k->node && e->account == k->account && e->schema == k->schema &&
           e->hostgroup == k->hostgroup && e->number == k->number &&
           strcmp(e->address, k->address) == 0;
}

static bool pin_is_of(const void *record, const void *key)
{
    const struct figures_pin *p = record;
    const struct figures_pin *k = key;

    return p->account == k->account && p->digest == k->digest && p->pin == k->pin;
}

/* Its end is still to be counted. */
static bool pin_may_leave(const void *record)
{
    return ((const struct figures_pin *)record)->now == 0;
}

static bool site_is_of(const void *record, const void *key)
{
    const struct figures_site *site = record;
    const struct figures_site *k = key;

    return site->account == k->account && site->schema == k->schema;
}

static void site_release(void *record)
{
    mem_free(MEM_FIGURES, ((struct figures_site *)record)->steps);
}

static const struct figures_kind digest_kind = {
    .size = sizeof(struct figures_digest), .is_of = digest_is_of, .release = digest_release};
static const struct figures_kind error_kind = {.size = sizeof(struct figures_error),
                                               .is_of = error_is_of};
static const struct figures_kind pin_kind = {
    .size = sizeof(struct figures_pin), .is_of = pin_is_of, .may_leave = pin_may_leave};
static const struct figures_kind site_kind = {
    .size = sizeof(struct figures_site), .is_of = site_is_of, .release = site_release};

/* --- life ------------------------------------------------------------------------------------ */

void figures_init(struct figures *f, size_t max_digests, const uint64_t *now_ms,
                  struct stat_set *stats)
{
    *f = (struct figures){.now_ms = now_ms, .stats = stats};
    figures_table_init(&f->digests, &digest_kind, max_digests);
    figures_table_init(&f->errors, &error_kind, FIGURES_ERRORS_MAX);
    figures_table_init(&f->pins, &pin_kind, FIGURES_PINS_MAX);
    figures_table_init(&f->sites, &site_kind, FIGURES_SITES_MAX);
    figures_tick(f);
}

void figures_fini(struct figures *f)
{
    figures_table_fini(&f->digests);
    figures_table_fini(&f->errors);
    figures_table_fini(&f->pins);
    figures_table_fini(&f->sites);
}

void figures_tick(struct figures *f)
{
    f->to_unix_us = clock_unix_us() - clock_now_us();
}

/* --- times ----------------------------------------------------------------------------------- */

static const uint64_t bucket_limits[FIGURES_BUCKETS] = {
    100, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000, 10000000, UINT64_MAX};

size_t figures_bucket(uint64_t us)
{
    size_t i = 0;

    while (us > bucket_limits[i]) {
        i++;
    }
    return i;
}

uint64_t figures_bucket_us(size_t bucket)
{
    return bucket_limits[bucket];
}

size_t figures_step(uint64_t us)
{
    unsigned power;
    size_t step;

    if (us < BIT(STEP_BITS)) {
        return us;
    }
    power = 63u - (unsigned)__builtin_clzll(us) - STEP_BITS;
    step = ((size_t)(power + 1) << STEP_BITS) + (us >> power) - BIT(STEP_BITS);
    return MIN(step, (size_t)FIGURES_STEPS - 1);
}

/* The middle of what a step stands for. */
static uint64_t step_us(size_t step)
{
    uint64_t power, low;

    if (step < BIT(STEP_BITS)) {
        return step;
    }
    power = (step >> STEP_BITS) - 1;
    low = (BIT(STEP_BITS) + (step & (BIT(STEP_BITS) - 1))) << power;
    return low + (UINT64_C(1) << power) / 2;
}

uint64_t figures_percentile(const uint64_t steps[FIGURES_STEPS], unsigned percent)
{
    uint64_t total = 0, seen = 0, wanted;

    for (size_t i = 0; i < FIGURES_STEPS; i++) {
        total += steps[i];
    }
    if (total == 0) {
        return 0;
    }
    wanted = (total * percent + 99) / 100;
    for (size_t i = 0; i < FIGURES_STEPS; i++) {
        seen += steps[i];
        if (seen >= wanted) {
            return step_us(i);
        }
    }
    UNREACHABLE();
}

/* --- counting -------------------------------------------------------------------------------- */

/* The text is made once, when a digest is seen for the first time. */
static void name_digest(struct figures_digest *d, const struct figures_statement *s,
                        const struct conf_vars *vars)
{
    size_t cap = (size_t)vars->mysql_query_digests_max_digest_length;
    struct figures_text *t;

    d->digest = s->digest;
    d->account = s->account;
    d->schema = s->schema;
    d->hostgroup = s->hostgroup;
    d->min_us = UINT64_MAX;
    d->address = s->address.len == 0 ? NULL : figures_text_new(s->address);
    /* The text of a digest is at most a little longer than the statement. */
    cap = MIN(cap, 2 * s->sql.len + 16);
    t = mem_try(MEM_FIGURES, sizeof(*t) + cap + 1);
    if (t != NULL) {
        atomic_init(&t->refs, 1);
        t->len = (uint32_t)digest_text(s->sql, s->mode, t->bytes, cap, NULL);
        t->bytes[t->len] = '\0';
    }
    d->text = t;
}

static void count_digest(struct figures *f, const struct figures_statement *s,
                         const struct conf_vars *vars)
{
    uint64_t hash = mix(mix_pointer(mix_pointer(s->digest, s->account), s->schema),
                        (uint64_t)(unsigned)s->hostgroup);
    uint64_t us = s->ended_us - s->began_us;
    struct figures_digest *d;
    bool is_new;

    d = figures_table_get(&f->digests, mix_text(hash, s->address), s, &is_new);
    if (d == NULL) {
        return;
    }
    if (is_new) {
        name_digest(d, s, vars);
        d->first_us = s->began_us + f->to_unix_us;
    }
    d->count++;
    d->last_us = s->began_us + f->to_unix_us;
    d->sum_us += us;
    d->min_us = MIN(d->min_us, us);
    d->max_us = MAX(d->max_us, us);
    d->rows_affected += s->rows_affected;
    d->rows_sent += s->rows_sent;
}

static struct figures_site *site_of(struct figures *f, const struct account *account,
                                    const struct schema *schema)
{
    struct figures_site key = {.account = account, .schema = schema};
    struct figures_site *site;
    bool is_new;

    site =
        figures_table_get(&f->sites, mix_pointer(mix_pointer(1, account), schema), &key, &is_new);
    if (site != NULL && is_new) {
        site->account = account;
        site->schema = schema;
        site->steps = mem_try(MEM_FIGURES, FIGURES_STEPS * sizeof(*site->steps));
        if (site->steps != NULL) {
            memset(site->steps, 0, FIGURES_STEPS * sizeof(*site->steps));
        }
    }
    return site;
}

void figures_count(struct figures *f, const struct figures_statement *s,
                   const struct conf_vars *vars)
{
    uint64_t us = s->ended_us - s->began_us;
    struct figures_site *site = s->is_copy ? NULL : site_of(f, s->account, s->schema);

    if (vars->mysql_commands_stats) {
        struct figures_counter *counter = &f->commands[s->command];

        counter->total_us += us;
        counter->count++;
        counter->buckets[figures_bucket(us)]++;
    }
    if (vars->mysql_query_digests) {
        count_digest(f, s, vars);
    }
    if (site != NULL) {
        site->statements++;
        site->errors += s->is_error ? 1 : 0;
        if (site->steps != NULL) {
            uint32_t *step = &site->steps[figures_step(us)];

            *step += *step == UINT32_MAX ? 0 : 1;
        }
    }
    if (s->hostgroup != FIGURES_HERE) {
        f->nodes_us += us;
    }
}

void figures_failed(struct figures *f, const struct figures_statement *s, const struct node *node,
                    uint16_t number, struct slice text)
{
    struct figures_error key = {.node = node,
                                .account = s->account,
                                .schema = s->schema,
                                .hostgroup = s->hostgroup,
                                .number = number};
    struct figures_error *e;
    uint64_t hash = mix(mix_pointer(mix_pointer(mix_pointer(2, node), s->account), s->schema),
                        (uint64_t)number << 32 | (unsigned)s->hostgroup);
    bool is_new;

    (void)snprintf(key.address, sizeof(key.address), "%.*s", SLICE_ARGS(s->address));
    e = figures_table_get(&f->errors, mix_text(hash, slice_of(key.address)), &key, &is_new);
    if (e == NULL) {
        return;
    }
    if (is_new) {
        key.head = e->head;
        key.first_us = s->ended_us + f->to_unix_us;
        *e = key;
    }
    e->count++;
    e->last_us = s->ended_us + f->to_unix_us;
    (void)snprintf(e->last, sizeof(e->last), "%.*s", SLICE_ARGS(text));
}

void figures_queued(struct figures *f, const struct account *account, const struct schema *schema,
                    uint64_t ms)
{
    struct figures_site *site = site_of(f, account, schema);

    if (site != NULL) {
        site->queued_ms += ms;
    }
}

void figures_waited(struct figures *f, int hostgroup, uint64_t ms)
{
    size_t i = 0;

    while (i < f->n_waits && f->waits[i].hostgroup != hostgroup) {
        i++;
    }
    if (i == f->n_waits) {
        if (i == FIGURES_HOSTGROUPS_MAX) {
            return;
        }
        f->waits[f->n_waits++] = (struct figures_wait){.hostgroup = hostgroup};
    }
    f->waits[i].longest_ms = MAX(f->waits[i].longest_ms, ms);
}

/* --- pins ------------------------------------------------------------------------------------ */

static uint64_t pin_hash(const struct figures_pin *key)
{
    return mix(mix_pointer(key->digest, key->account), key->pin);
}

void figures_pinned(struct figures *f, const struct account *account, enum pin pin, uint64_t digest,
                    uint64_t began_ms)
{
    struct figures_pin key = {.account = account, .digest = digest, .pin = (uint8_t)pin};
    struct figures_pin *p;
    bool is_new;

    stat_add(f->stats, STAT_PINS, 1);
    p = figures_table_get(&f->pins, pin_hash(&key), &key, &is_new);
    if (p == NULL) {
        return;
    }
    if (is_new) {
        key.head = p->head;
        *p = key;
    }
    p->count++;
    p->now++;
    p->began_ms += began_ms;
}

void figures_unpinned(struct figures *f, const struct account *account, enum pin pin,
                      uint64_t digest, uint64_t began_ms)
{
    struct figures_pin key = {.account = account, .digest = digest, .pin = (uint8_t)pin};
    struct figures_pin *p = figures_table_find(&f->pins, pin_hash(&key), &key);

    if (p == NULL || p->now == 0) { /* there was no room for it when it began */
        return;
    }
    p->now--;
    p->began_ms -= began_ms;
    p->ended_ms += *f->now_ms - began_ms;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_hook.c - see monitor_hook.h.
 */
#include "pool/monitor_hook.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

#define N_VARIABLES 6
#define VARIABLE_MAX \
    (MAX(MONITOR_EVENT_TEXT, MONITOR_EVENT_ADDRESS) + 32) /* name=value of one variable */

struct hook {
    uv_process_t process;
    uv_timer_t timer;
    struct hooks *hooks;
    bool is_running;
    unsigned n_handles; /* not closed yet */
    uint64_t event;
};

struct hooks {
    uv_loop_t *loop; /* borrowed */
    unsigned limit_ms;
    bool is_closing;
    unsigned n_used;
    struct hook items[HOOKS_MAX];
    struct hook_counts counts;
};

struct hooks *hooks_new(uv_loop_t *loop, unsigned limit_ms)
{
    struct hooks *hooks = mem_new(MEM_POOL, sizeof(*hooks));

    hooks->loop = loop;
    hooks->limit_ms = limit_ms;
    return hooks;
}

static void free_when_done(struct hooks *hooks)
{
    if (hooks->is_closing && hooks->n_used == 0) {
        mem_free(MEM_POOL, hooks);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct hook *hook = handle->data;

    hook->n_handles--;
    if (hook->n_handles == 0) {
        hook->hooks->n_used--;
        free_when_done(hook->hooks);
    }
}

static void close_hook(struct hook *hook)
{
    hook->is_running = false;
    uv_close((uv_handle_t *)&hook->process, on_closed);
    uv_close((uv_handle_t *)&hook->timer, on_closed);
}

static void on_exit_of(uv_process_t *process, int64_t status, int signal)
{
    struct hook *hook = CONTAINER_OF(process, struct hook, process);

    if (status != 0 || signal != 0) {
        hook->hooks->counts.n_failed++;
        log_warn(NULL, "the event hook for event %llu ended with status %lld, signal %d",
                 (unsigned long long)hook->event, (long long)status, signal);
    }
    close_hook(hook);
}

static void on_limit(uv_timer_t *timer)
{
    struct hook *hook = CONTAINER_OF(timer, struct hook, timer);

    log_warn(NULL, "the event hook for event %llu runs for more than %u ms: it is killed",
             (unsigned long long)hook->event, hook->hooks->limit_ms);
    (void)uv_process_kill(&hook->process, SIGKILL);
}

void hooks_close(struct hooks *hooks)
{
    hooks->is_closing = true;
    for (size_t i = 0; i < HOOKS_MAX; i++) {
        if (hooks->items[i].is_running) {
            (void)uv_process_kill(&hooks->items[i].process, SIGKILL);
            close_hook(&hooks->items[i]);
        }
    }
    free_when_done(hooks);
}

/* ISO 8601 in UTC, with milliseconds. */
static void write_time(char *out, size_t cap, uint64_t unix_us)
{
    time_t seconds = (time_t)(unix_us / 1000000);
    char text[32] = "";
    struct tm tm;

    if (gmtime_r(&seconds, &tm) != NULL) {
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    }
    (void)snprintf(out, cap, "GALEWAY_TIME=%s.%03uZ", text, (unsigned)(unix_us / 1000 % 1000));
}

static void write_variables(char v[N_VARIABLES][VARIABLE_MAX], const struct monitor_event *e)
{
    (void)snprintf(v[0], VARIABLE_MAX, "GALEWAY_NUMBER=%llu", (unsigned long long)e->number);
    write_time(v[1], VARIABLE_MAX, e->time_us);
    (void)snprintf(v[2], VARIABLE_MAX, "GALEWAY_EVENT=%s",
                   monitor_event_word((enum monitor_event_kind)e->kind));
    if (e->hostgroup >= 0) {
        (void)snprintf(v[3], VARIABLE_MAX, "GALEWAY_HOSTGROUP=%d", e->hostgroup);
    } else {
        (void)snprintf(v[3], VARIABLE_MAX, "GALEWAY_HOSTGROUP=");
    }
    if (e->port != 0) {
        (void)snprintf(v[4], VARIABLE_MAX, "GALEWAY_NODE=%s:%u", e->address, e->port);
    } else {
        (void)snprintf(v[4], VARIABLE_MAX, "GALEWAY_NODE=%s", e->address);
    }
    (void)snprintf(v[5], VARIABLE_MAX, "GALEWAY_CAUSE=%s", e->cause);
}

static int spawn(struct hook *hook, const char *path, const struct monitor_event *event)
{
    static const char *const inherited[] = {"PATH", "HOME", "LANG", "TZ"};
    char variables[N_VARIABLES][VARIABLE_MAX];
    char kept[ARRAY_SIZE(inherited)][4096];
    char *env[N_VARIABLES + ARRAY_SIZE(inherited) + 1];
    char program[4096];
    char *args[] = {program, NULL};
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    uv_process_options_t options = {.exit_cb = on_exit_of,
                                    .file = program,
                                    .args = args,
                                    .env = env,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    size_t n = 0;

    stdio[2].flags = UV_INHERIT_FD;
    stdio[2].data.fd = 2;
    (void)snprintf(program, sizeof(program), "%s", path);
    write_variables(variables, event);
    for (size_t i = 0; i < N_VARIABLES; i++) {
        env[n++] = variables[i];
    }
    for (size_t i = 0; i < ARRAY_SIZE(inherited); i++) {
        const char *value = getenv(inherited[i]); /* NOLINT(concurrency-mt-unsafe): never set */

        if (value != NULL) {
            (void)snprintf(kept[i], sizeof(kept[i]), "%s=%s", inherited[i], value);
            env[n++] = kept[i];
        }
    }
    env[n] = NULL;
    return uv_spawn(hook->hooks->loop, &hook->process, &options);
}

static struct hook *free_hook(struct hooks *hooks)
{
    for (size_t i = 0; i < HOOKS_MAX; i++) {
        if (hooks->items[i].n_handles == 0) {
            return &hooks->items[i];
        }
    }
    return NULL;
}

void hooks_run(struct hooks *hooks, const char *path, const struct monitor_event *event)
{
    struct hook *hook;
    int rc;

    if (path[0] == '\0' || hooks->is_closing) {
        return;
    }
    hook = free_hook(hooks);
    if (hook == NULL) {
        hooks->counts.n_dropped++;
        log_warn(NULL, "%d event hooks run already: none is run for event %llu", HOOKS_MAX,
                 (unsigned long long)event->number);
        return;
    }
    *hook = (struct hook){.hooks = hooks, .n_handles = 2, .event = event->number};
    hooks->n_used++;
    CHECK(uv_timer_init(hooks->loop, &hook->timer) == 0);
    hook->process.data = hook->timer.data = hook;
    rc = spawn(hook, path, event);
    if (rc != 0) {
        hooks->counts.n_failed++;
        log_warn(NULL, "the event hook %s cannot be run: %s", path, uv_strerror(rc));
        close_hook(hook);
        return;
    }
    hooks->counts.n_started++;
    hook->is_running = true;
    CHECK(uv_timer_start(&hook->timer, on_limit, hooks->limit_ms, 0) == 0);
}

struct hook_counts hooks_counts(const struct hooks *hooks)
{
    return hooks->counts;
}

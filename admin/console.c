/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.c - the control thread: its loop, its clock, and how others reach it.
 */
#include "admin/console.h"

#include <pthread.h>

#include "admin/console_client.h"
#include "base/err.h"
#include "base/mem.h"

#define TICK_MS 1000

struct console {
    struct console_core core;
    struct store *store; /* owned */
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t timer;
    struct { /* by any thread, under the lock */
        pthread_mutex_t lock;
        bool stop;
        void (*call)(void *arg); /* NULL = none */
        void *call_arg;
    } shared;
};

static void on_timer(uv_timer_t *timer)
{
    struct console *c = CONTAINER_OF(timer, struct console, timer);

    store_tick(c->store);
    console_core_tick(&c->core);
    console_listen_again(&c->core);
}

static void on_async(uv_async_t *async)
{
    struct console *c = CONTAINER_OF(async, struct console, async);
    void (*call)(void *arg);
    void *arg;
    bool stop;

    CHECK(pthread_mutex_lock(&c->shared.lock) == 0);
    call = c->shared.call;
    arg = c->shared.call_arg;
    stop = c->shared.stop;
    c->shared.call = NULL;
    CHECK(pthread_mutex_unlock(&c->shared.lock) == 0);
    if (call != NULL) {
        call(arg);
        console_listen_again(&c->core);
    }
    if (stop) {
        uv_stop(&c->loop);
    }
}

static void *run(void *arg)
{
    struct console *c = arg;

    (void)pthread_setname_np(pthread_self(), "console");
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static void init_loop(struct console *c)
{
    CHECK(uv_async_init(&c->loop, &c->async, on_async) == 0);
    CHECK(uv_timer_init(&c->loop, &c->timer) == 0);
    CHECK(uv_timer_start(&c->timer, on_timer, TICK_MS, TICK_MS) == 0);
}

/* No thread runs it (any more). */
static void finish(struct console *c)
{
    console_listen_close(&c->core);
    console_core_close(&c->core);
    uv_close((uv_handle_t *)&c->async, NULL);
    uv_close((uv_handle_t *)&c->timer, NULL);
    CHECK(uv_run(&c->loop, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&c->loop) == 0);
    console_core_fini(&c->core);
    store_close(c->store);
    (void)pthread_mutex_destroy(&c->shared.lock);
    mem_free(MEM_ADMIN, c);
}

int console_start(struct console **out, struct galeway *g, const char *config_file)
{
    struct console_engine engine = {
        .begin = store_session_init, .end = store_session_fini, .run = store_run};
    struct console *c = mem_new(MEM_ADMIN, sizeof(*c));
    int rc = uv_loop_init(&c->loop);

    if (rc != 0) {
        log_error(NULL, "the console has no event loop: %s", err_text(rc));
        mem_free(MEM_ADMIN, c);
        return rc;
    }
    CHECK(pthread_mutex_init(&c->shared.lock, NULL) == 0);
    init_loop(c);
    rc = store_open(&c->store, g, config_file);
    engine.store = c->store;
    if (rc == 0) {
        store_share(c->store, console_is_waited, &c->core);
    }
    console_core_init(&c->core, g, &c->loop, &engine);
    if (rc == 0) {
        rc = console_listen(&c->core);
    }
    if (rc == 0) {
        rc = -pthread_create(&c->thread, NULL, run, c);
    }
    if (rc != 0) {
        finish(c);
        return rc;
    }
    *out = c;
    return 0;
}

void console_stop(struct console *c)
{
    if (c == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&c->shared.lock) == 0);
    c->shared.stop = true;
    CHECK(pthread_mutex_unlock(&c->shared.lock) == 0);
    CHECK(uv_async_send(&c->async) == 0);
    CHECK(pthread_join(c->thread, NULL) == 0);
    finish(c);
}

void console_call(struct console *c, void (*fn)(void *arg), void *arg)
{
    CHECK(pthread_mutex_lock(&c->shared.lock) == 0);
    c->shared.call = fn;
    c->shared.call_arg = arg;
    CHECK(pthread_mutex_unlock(&c->shared.lock) == 0);
    CHECK(uv_async_send(&c->async) == 0);
}

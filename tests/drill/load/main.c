/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - clients of a drill: they go on whatever happens, and record what they were told.
 *
 *   load [-a ADDRESS] -p PORT -o FILE -r read=24,insert=12 [-n FIRST_NUMBER] [-u USERS]
 *        [-t THINK_MS] [-g GRACE]
 *
 * Users are drill_1 to drill_<USERS>, password drill, in turns. SIGTERM: what is under way may end
 * within GRACE seconds, then it is recorded as unanswered. Exit status 1 if nothing was recorded.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/drill/load/load.h"

#define MAX_VISITORS 1000u
#define TURN_MS      2

static volatile sig_atomic_t interrupted;

struct options {
    const char *address;
    unsigned port;
    const char *path;
    const char *roles;
    unsigned first;
    unsigned users;
    unsigned think_ms;
    unsigned grace_s;
};

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: load [-a ADDRESS] -p PORT -o FILE -r ROLE=N,... [-n FIRST] [-u USERS] "
                  "[-t THINK_MS] [-g GRACE_SECONDS]\n");
    return 2;
}

static unsigned number_of(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static bool read_options(struct options *options, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "a:p:o:r:n:u:t:g:")) != -1) {
        switch (option) {
        case 'a': options->address = optarg; break;
        case 'p': options->port = number_of(optarg); break;
        case 'o': options->path = optarg; break;
        case 'r': options->roles = optarg; break;
        case 'n': options->first = number_of(optarg); break;
        case 'u': options->users = number_of(optarg); break;
        case 't': options->think_ms = number_of(optarg); break;
        case 'g': options->grace_s = number_of(optarg); break;
        default: return false;
        }
    }
    return options->port > 0 && options->port < 65536 && options->path != NULL &&
           options->roles != NULL && options->users > 0 && options->think_ms < 60000;
}

/* add_visitors - "read=24,trx=4" becomes 28 visitors; 0 if it is not understood. */
static unsigned add_visitors(struct visitor *visitors, struct load *load,
                             const struct options *options)
{
    const char *at = options->roles;
    unsigned n = 0;

    while (*at != '\0') {
        const size_t len = strcspn(at, "=");
        const enum role role = role_by_name(at, len);
        char *rest;
        unsigned long count;

        if (role == ROLES || at[len] != '=') {
            return 0;
        }
        count = strtoul(at + len + 1, &rest, 10);
        if (count > MAX_VISITORS - n || (*rest != ',' && *rest != '\0')) {
            return 0;
        }
        for (unsigned long i = 0; i < count; i++, n++) {
            struct visitor *visitor = &visitors[n];

            *visitor = (struct visitor){.role = role, .number = options->first + n, .load = load};
            visitor->id = (int64_t)visitor->number * IDS_A_LIFE;
            visitor->due_us = load_now_us() + 1000u * n; /* not all at the same moment */
            (void)snprintf(visitor->user, sizeof(visitor->user), "drill_%u",
                           1 + visitor->number % options->users);
        }
        at = *rest == ',' ? rest + 1 : rest;
    }
    return n;
}

static bool is_waiting(const struct visitor *visitor)
{
    return visitor->phase == PHASE_BUSY || visitor->phase == PHASE_OPENING;
}

static void run(struct load *load, struct visitor *visitors, unsigned n)
{
    while (!interrupted) {
        const uint64_t now_us = load_now_us();

        for (unsigned i = 0; i < n; i++) {
            if (!is_waiting(&visitors[i]) && visitors[i].due_us <= now_us) {
                role_begin(&visitors[i]);
            }
        }
        loop_turn(&load->loop, TURN_MS);
    }
}

static void finish(struct load *load, struct visitor *visitors, unsigned n, unsigned grace_s)
{
    const uint64_t end_us = load_now_us() + UINT64_C(1000000) * grace_s;
    unsigned n_waiting = n;

    load->stopping = true;
    while (n_waiting > 0 && load_now_us() < end_us) {
        loop_turn(&load->loop, TURN_MS);
        n_waiting = 0;
        for (unsigned i = 0; i < n; i++) {
            n_waiting += is_waiting(&visitors[i]);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        role_give_up(&visitors[i]);
    }
}

int main(int argc, char **argv)
{
    static struct visitor visitors[MAX_VISITORS];
    static struct load load;
    struct options options = {.address = "127.0.0.1", .users = 8, .think_ms = 20, .grace_s = 20};
    unsigned n;
    bool written;

    if (!read_options(&options, argc, argv)) {
        return usage();
    }
    load = (struct load){.think_us = 1000u * options.think_ms, .rng = {.state = options.first}};
    n = add_visitors(visitors, &load, &options);
    if (n == 0) {
        return usage();
    }
    if (loop_init(&load.loop, (uint16_t)options.port) < 0) {
        perror("load: epoll");
        return 1;
    }
    if (inet_pton(AF_INET, options.address, &load.loop.address) != 1) {
        return usage();
    }
    load.record = fopen(options.path, "w");
    if (load.record == NULL) {
        perror(options.path);
        return 1;
    }
    (void)setvbuf(load.record, NULL, _IOLBF, 0); /* it is read while it grows */
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    run(&load, visitors, n);
    finish(&load, visitors, n, options.grace_s);
    loop_fini(&load.loop);
    written = fclose(load.record) == 0 && load.n_records > 0;
    return written ? 0 : 1;
}

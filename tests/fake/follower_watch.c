/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_watch.c - the monitor and the follower of a configuration, without a proxy: prints what
 * is told, a line each, until its input ends. A line on its input has the file read again.
 *
 *   follower_watch FILE [ROW_KEYS]
 *
 *   write SCHEMA TABLE COLUMN KEY     "-" for what is not told
 *   gap
 *   state WORD NODE                   each change
 *   current | not current             each change, as a worker sees it
 *
 * Lines begin with clock_now_us().
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/follower.h"
#include "pool/monitor.h"

#define FIRST_MS 1500
#define LOOK_MS  2

struct watched {
    struct nodes nodes;
    struct conf *conf;
    struct topology *topology;
    struct monitor *monitor;
    struct follower *follower;
    const char *file;
    const char *row_keys;
    int state;
    int is_current;
    char node[FOLLOW_NODE_MAX];
    char error[FOLLOW_ERROR_MAX];
};

static void print_part(struct slice s)
{
    if (s.data == NULL) {
        (void)printf(" -");
    } else {
        (void)printf(" %.*s", SLICE_ARGS(s));
    }
}

static void on_write(void *arg, struct slice schema, struct slice table, struct slice column,
                     struct slice key)
{
    (void)arg;
    flockfile(stdout);
    (void)printf("%" PRIu64 " write", clock_now_us());
    print_part(schema);
    print_part(table);
    print_part(column);
    print_part(key);
    (void)printf("\n");
    funlockfile(stdout);
}

static void on_gap(void *arg)
{
    (void)arg;
    (void)printf("%" PRIu64 " gap\n", clock_now_us());
}

static void on_nodes(void *arg)
{
    (void)arg;
}

static void look(struct watched *w)
{
    struct follower_view v;
    bool is_current = follower_is_current(w->follower, clock_now_us());

    if (follower_view(w->follower, 0, &v) &&
        (v.state != w->state || strcmp(v.node, w->node) != 0 || strcmp(v.error, w->error) != 0)) {
        w->state = v.state;
        (void)snprintf(w->error, sizeof(w->error), "%s", v.error);
        (void)snprintf(w->node, sizeof(w->node), "%s", v.node);
        (void)printf("%" PRIu64 " state %s %s lag %" PRIu64 " writes %" PRIu64 " gaps %" PRIu64
                     " position %s (%s)\n",
                     clock_now_us(), follow_state_word((enum follow_state)v.state),
                     v.node[0] == '\0' ? "-" : v.node, v.lag_ms, v.counts.writes, v.counts.gaps,
                     v.position, v.error);
    }
    if (is_current != w->is_current) {
        w->is_current = is_current;
        (void)printf("%" PRIu64 " %s\n", clock_now_us(), is_current ? "current" : "not current");
    }
}

static int load(struct watched *w, struct conf **out)
{
    struct faults faults = {0};
    struct topology *topology;
    int rc = conf_load(out, w->file, &faults);

    topology = rc == 0 ? topology_new(&w->nodes, *out, &faults) : NULL;
    for (size_t i = 0; i < faults.count; i++) {
        (void)fprintf(stderr, "%s\n", faults.items[i].text);
    }
    faults_fini(&faults);
    if (topology == NULL) {
        return 1;
    }
    topology_use(&w->nodes, topology);
    topology_free(w->topology);
    w->topology = topology;
    return 0;
}

/* false = the input has ended. */
static bool listen_for(struct watched *w)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char line[256];
    struct conf *conf;

    if (poll(&p, 1, LOOK_MS) <= 0) {
        return true;
    }
    if (read(STDIN_FILENO, line, sizeof(line)) <= 0) {
        return false;
    }
    if (load(w, &conf) == 0) {
        monitor_configure(w->monitor, conf);
        follower_configure(w->follower, conf, w->row_keys);
        conf_unref(w->conf);
        w->conf = conf;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct watched w = {.state = -1, .is_current = -1};
    struct follower_events events = {.on_write = on_write, .on_gap = on_gap};

    if (argc < 2) {
        (void)fprintf(stderr, "usage: follower_watch FILE [ROW_KEYS]\n");
        return 2;
    }
    w.file = argv[1];
    w.row_keys = argc > 2 ? argv[2] : "%options.option_name";
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    nodes_init(&w.nodes);
    if (load(&w, &w.conf) != 0 ||
        monitor_start(&w.monitor, &w.nodes, w.conf, FIRST_MS, on_nodes, NULL) != 0) {
        return 1;
    }
    follower_start(&w.follower, &w.nodes, w.conf, w.row_keys, monitor_log_of(w.monitor), &events);
    while (listen_for(&w)) {
        look(&w);
    }
    follower_stop(w.follower);
    monitor_stop(w.monitor);
    topology_free(w.topology);
    conf_unref(w.conf);
    nodes_fini(&w.nodes);
    return 0;
}

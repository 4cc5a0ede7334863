/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loadgen - load on a MySQL port of this machine, with every answer checked.
 *
 * It prints one line of key=value and exits 1 if any answer was wrong. The modes are in page.c,
 * point.c, hold.c, big.c and many.c; the data they expect is made by setup.sh.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/loadgen/bench.h"

#define STUCK_NS      (UINT64_C(20) * 1000000000)
#define WRONG_PRINTED 20

volatile sig_atomic_t bench_interrupted;

static const struct {
    const char *name;
    void (*run)(struct bench *bench);
} modes[] = {
    {"page", page_run}, {"point", point_run}, {"hold", hold_run},
    {"big", big_run},   {"many", many_run},
};

static void on_signal(int number)
{
    (void)number;
    bench_interrupted = 1;
}

void bench_wrong(struct bench *bench, const char *format, ...)
{
    va_list args;

    bench->n_wrong++;
    if (bench->n_wrong > WRONG_PRINTED) {
        return;
    }
    va_start(args, format);
    (void)fputs("WRONG ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
}

void bench_stale(struct bench *bench, const char *format, ...)
{
    uint64_t n = 0;
    va_list args;

    for (unsigned i = 0; i < COUNTER_PLACES; i++) {
        n += bench->counted.n_stale[i];
    }
    if (n > WRONG_PRINTED) {
        return;
    }
    va_start(args, format);
    (void)fputs("STALE ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
}

void bench_begin(struct bench *bench)
{
    bench->stats = (struct stats){0};
    bench->n_statements = 0;
    bench->counted = (struct counter_tally){0};
    bench->begun_ns = stats_now_ns();
    bench->ended_ns = bench->begun_ns;
    bench->progress_ns = bench->begun_ns;
}

void bench_done(struct bench *bench, uint64_t begun_ns)
{
    bench->ended_ns = stats_now_ns();
    bench->progress_ns = bench->ended_ns;
    stats_add(&bench->stats, bench->ended_ns - begun_ns);
}

bool bench_goes_on(const struct bench *bench)
{
    const struct options *options = &bench->options;

    if (bench_interrupted || (options->count != 0 && bench->stats.n >= options->count)) {
        return false;
    }
    return options->seconds == 0 ||
           bench->ended_ns - bench->begun_ns < options->seconds * UINT64_C(1000000000);
}

bool bench_is_stuck(const struct bench *bench)
{
    return stats_now_ns() - bench->progress_ns > STUCK_NS;
}

void bench_run_until_closed(struct bench *bench)
{
    while (bench->loop.n_open > 0) {
        loop_turn(&bench->loop, 100);
        if (bench_is_stuck(bench)) {
            bench_wrong(bench, "%u clients wait for an answer that does not come",
                        bench->loop.n_open);
            return;
        }
    }
}

static void report(const struct bench *bench)
{
    const double seconds = (double)(bench->ended_ns - bench->begun_ns) / 1e9;
    const double per_second = seconds > 0 ? 1 / seconds : 0;
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf(
        "mode=%s n=%llu errors=%llu seconds=%.3f throughput=%.1f p50_us=%.1f p95_us=%.1f "
        "p99_us=%.1f max_us=%.1f stmts=%llu stmts_per_s=%.1f bytes=%llu cpu_s=%.2f "
        "writes=%llu reads=%llu stale=%llu stale_new=%llu stale_other=%llu\n",
        bench->options.mode, (unsigned long long)bench->stats.n, (unsigned long long)bench->n_wrong,
        seconds, (double)bench->stats.n * per_second, stats_quantile_us(&bench->stats, 0.5),
        stats_quantile_us(&bench->stats, 0.95), stats_quantile_us(&bench->stats, 0.99),
        (double)bench->stats.max_ns / 1000.0, (unsigned long long)bench->n_statements,
        (double)bench->n_statements * per_second, (unsigned long long)bench->loop.n_bytes,
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
        (unsigned long long)bench->counted.n_writes, (unsigned long long)bench->counted.n_reads,
        (unsigned long long)bench->counted.n_stale[COUNTER_SAME],
        (unsigned long long)bench->counted.n_stale[COUNTER_NEW],
        (unsigned long long)bench->counted.n_stale[COUNTER_OTHER]);
}

/* raise_limit - room for so many descriptors; the hard limit too, if that is allowed. */
static void raise_limit(unsigned clients)
{
    struct rlimit limit;
    const rlim_t wanted = (rlim_t)clients + 64;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = wanted;
    limit.rlim_max = limit.rlim_max > wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        (void)fprintf(stderr, "loadgen: %u clients need more descriptors: %s\n", clients,
                      strerror(errno));
    }
}

static void usage(void)
{
    (void)fputs("usage: loadgen MODE --port N [--clients N] [--sites N] [--seconds N] [--count N]\n"
                "  [--seed N]\n"
                "  page   WordPress pages, each on a new connection [--write-percent N]\n"
                "         [--probe-percent N]\n"
                "  point  point SELECTs on persistent connections [--rows N of the table]\n"
                "         [--wide 1: of 64 KB, of 100 rows]\n"
                "  hold   log in, stay idle until SIGTERM, ask once more [--bare 1]\n"
                "  big    one SELECT of --rows N rows of 1000 bytes [--rate-mb N] [--pause-ms N]\n"
                "  many   short statements of many users [--per-conn N, 0 = long connections]\n",
                stderr);
}

/* read_number - a number from text, all of it; false if it is none. */
static bool read_number(const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool read_option(struct options *options, const char *name, const char *text)
{
    const struct {
        const char *name;
        unsigned *target;
    } small[] = {
        {"--port", &options->port},
        {"--clients", &options->clients},
        {"--sites", &options->sites},
        {"--seconds", &options->seconds},
        {"--rows", &options->rows},
        {"--rate-mb", &options->rate_mb},
        {"--pause-ms", &options->pause_ms},
        {"--per-conn", &options->per_conn},
        {"--write-percent", &options->write_percent},
        {"--probe-percent", &options->probe_percent},
        {"--wide", &options->wide},
        {"--bare", &options->bare},
    };
    uint64_t number;

    if (!read_number(text, &number)) {
        return false;
    }
    if (strcmp(name, "--count") == 0) {
        options->count = number;
        return true;
    }
    if (strcmp(name, "--seed") == 0) {
        options->seed = number;
        return true;
    }
    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
        if (strcmp(name, small[i].name) == 0 && number <= INT32_MAX) {
            *small[i].target = (unsigned)number;
            return true;
        }
    }
    return false;
}

static bool read_options(struct options *options, int argc, char **argv)
{
    *options =
        (struct options){.clients = 16, .sites = 100, .seed = 1, .rows = 10000, .per_conn = 10};
    if (argc < 2 || argc % 2 != 0) {
        return false;
    }
    options->mode = argv[1];
    for (int i = 2; i < argc; i += 2) {
        if (!read_option(options, argv[i], argv[i + 1])) {
            (void)fprintf(stderr, "loadgen: not understood: %s %s\n", argv[i], argv[i + 1]);
            return false;
        }
    }
    return options->port > 0 && options->port <= UINT16_MAX && options->clients > 0 &&
           options->sites > 0 && options->rows > 0;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    const struct sigaction action = {.sa_handler = on_signal};

    if (!read_options(&bench.options, argc, argv)) {
        usage();
        return 2;
    }
    bench.rng.state = bench.options.seed;
    raise_limit(bench.options.clients + bench.options.sites);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(bench.options.mode, modes[i].name) != 0) {
            continue;
        }
        if (loop_init(&bench.loop, (uint16_t)bench.options.port) < 0) {
            perror("loadgen: epoll");
            return 1;
        }
        bench_begin(&bench);
        modes[i].run(&bench);
        report(&bench);
        loop_fini(&bench.loop);
        return bench.n_wrong == 0 ? 0 : 1;
    }
    usage();
    return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * big - one result of many rows of 1000 bytes, read as fast as it comes or slowly.
 *
 * Each row is looked at, so a lost, doubled or damaged one shows.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/loadgen/bench.h"

#define TEXT_BYTES        1000u
#define SLICE_BYTES       (256u << 10) /* read between two looks at the clock when reading slowly */
#define PAUSE_AFTER_BYTES (1u << 20)
#define WAIT_MS           20000

struct eater {
    struct client client;
    struct bench *bench;
    uint64_t begun_ns;
    bool wrong;
    bool over;
};

static struct eater *eater_of(struct client *client)
{
    return (struct eater *)(void *)((char *)client - offsetof(struct eater, client));
}

static void on_login(struct client *client)
{
    struct eater *eater = eater_of(client);
    char text[80];
    const int len = snprintf(text, sizeof(text), "SELECT seq, REPEAT('x',%u) FROM seq_1_to_%u",
                             TEXT_BYTES, eater->bench->options.rows);
    int rc;

    eater->begun_ns = stats_now_ns();
    rc = client_command(client, WIRE_COM_QUERY, text, (size_t)len);
    if (rc < 0) {
        bench_wrong(eater->bench, "cannot send: %s", strerror(-rc));
        eater->over = true;
    }
}

static void on_row(struct client *client, const uint8_t *packet, size_t len)
{
    struct eater *eater = eater_of(client);
    struct wire_row row = {packet, packet + len};
    struct wire_field number;
    struct wire_field text;
    char expected[24];

    if (eater->wrong) {
        return;
    }
    (void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)client->reply.n_rows);
    if (!wire_next_field(&row, &number) || !wire_next_field(&row, &text) ||
        number.len != strlen(expected) || memcmp(number.data, expected, number.len) != 0 ||
        text.len != TEXT_BYTES || text.data[0] != 'x' ||
        memcmp(text.data, text.data + 1, TEXT_BYTES - 1) != 0) {
        eater->wrong = true;
        bench_wrong(eater->bench, "row %s is not what it should be", expected);
    }
}

static void on_reply(struct client *client, const struct wire_reply *reply)
{
    struct eater *eater = eater_of(client);

    eater->bench->n_statements++;
    eater->over = true;
    if (reply->error_code != 0 || reply->n_rows != eater->bench->options.rows) {
        bench_wrong(eater->bench, "the result ended after %llu rows: %s",
                    (unsigned long long)reply->n_rows, reply->message);
    }
    bench_done(eater->bench, eater->begun_ns);
    client_quit(client);
}

static void on_fail(struct client *client, const char *why)
{
    struct eater *eater = eater_of(client);

    eater->over = true;
    bench_wrong(eater->bench, "connection lost after %llu rows: %s",
                (unsigned long long)client->reply.n_rows, why);
}

static void sleep_ns(uint64_t ns)
{
    const struct timespec time = {.tv_sec = (time_t)(ns / 1000000000),
                                  .tv_nsec = (long)(ns % 1000000000)};

    (void)nanosleep(&time, NULL);
}

/* keep_pace - wait until as much time has gone by as the bytes read so far may take. */
static void keep_pace(const struct eater *eater)
{
    const struct options *options = &eater->bench->options;
    const uint64_t due_ns =
        options->rate_mb == 0 ? 0 : eater->bench->loop.n_bytes * 1000 / options->rate_mb;
    const uint64_t now_ns = stats_now_ns() - eater->bench->begun_ns;

    if (due_ns > now_ns) {
        sleep_ns(due_ns - now_ns);
    }
}

void big_run(struct bench *bench)
{
    static const struct client_events events = {
        .on_login = on_login, .on_reply = on_reply, .on_fail = on_fail, .on_row = on_row};
    static const struct wire_account account = {"bench", "bench", "bench"};
    struct eater eater = {.bench = bench};
    bool paused = bench->options.pause_ms == 0;
    struct pollfd readable;
    int rc = client_open(&eater.client, &bench->loop, &events, &account);

    if (rc < 0) {
        bench_wrong(bench, "cannot connect: %s", strerror(-rc));
        return;
    }
    while (!eater.over && !bench_interrupted) {
        if (!paused && bench->loop.n_bytes > PAUSE_AFTER_BYTES) {
            paused = true;
            sleep_ns(bench->options.pause_ms * UINT64_C(1000000));
        }
        readable = (struct pollfd){.fd = eater.client.fd, .events = POLLIN};
        if (poll(&readable, 1, WAIT_MS) == 0) {
            bench_wrong(bench, "no more bytes after %llu", (unsigned long long)bench->loop.n_bytes);
            break;
        }
        client_read(&eater.client, SLICE_BYTES);
        keep_pace(&eater);
    }
    client_close(&eater.client);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * point - point SELECTs by primary key on persistent connections of one user.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/loadgen/bench.h"

struct reader {
    struct client client;
    struct bench *bench;
    unsigned id;       /* the row asked for */
    bool right;        /* it has come */
    uint64_t begun_ns; /* of the statement */
};

static struct reader *reader_of(struct client *client)
{
    return (struct reader *)(void *)((char *)client - offsetof(struct reader, client));
}

static void ask(struct reader *reader)
{
    struct bench *bench = reader->bench;
    char text[64];
    int len;
    int rc;

    if (!bench_goes_on(bench)) {
        client_quit(&reader->client);
        return;
    }
    reader->id = 1 + rng_below(&bench->rng, bench->options.rows);
    reader->right = false;
    reader->begun_ns = stats_now_ns();
    len = snprintf(text, sizeof(text), "SELECT c FROM %s WHERE id=%u",
                   bench->options.wide != 0 ? "wide" : "points", reader->id);
    rc = client_command(&reader->client, WIRE_COM_QUERY, text, (size_t)len);
    if (rc < 0) {
        bench_wrong(bench, "cannot send: %s", strerror(-rc));
    }
}

static void on_login(struct client *client)
{
    ask(reader_of(client));
}

static void on_row(struct client *client, const uint8_t *packet, size_t len)
{
    struct reader *reader = reader_of(client);
    struct wire_row row = {packet, packet + len};
    struct wire_field field;
    char expected[24];
    const int expected_len = snprintf(expected, sizeof(expected), "row-%u-", reader->id);

    reader->right = wire_next_field(&row, &field) && field.len >= (size_t)expected_len &&
                    memcmp(field.data, expected, (size_t)expected_len) == 0 && row.at == row.end &&
                    client->reply.n_rows == 1;
}

static void on_reply(struct client *client, const struct wire_reply *reply)
{
    struct reader *reader = reader_of(client);

    reader->bench->n_statements++;
    if (!reader->right) {
        bench_wrong(reader->bench, "row %u: %s", reader->id,
                    reply->error_code != 0 ? reply->message : "not the row asked for");
    }
    bench_done(reader->bench, reader->begun_ns);
    ask(reader);
}

static void on_fail(struct client *client, const char *why)
{
    bench_wrong(reader_of(client)->bench, "connection lost: %s", why);
}

void point_run(struct bench *bench)
{
    static const struct client_events events = {
        .on_login = on_login, .on_reply = on_reply, .on_fail = on_fail, .on_row = on_row};
    static const struct wire_account account = {"bench", "bench", "bench"};
    struct reader *readers = calloc(bench->options.clients, sizeof(*readers));
    int rc;

    if (readers == NULL) {
        bench_wrong(bench, "out of memory");
        return;
    }
    for (unsigned i = 0; i < bench->options.clients; i++) {
        readers[i].bench = bench;
        rc = client_open(&readers[i].client, &bench->loop, &events, &account);
        if (rc < 0) {
            bench_wrong(bench, "cannot connect: %s", strerror(-rc));
        }
    }
    bench_run_until_closed(bench);
    for (unsigned i = 0; i < bench->options.clients; i++) {
        client_close(&readers[i].client);
    }
    free(readers);
}

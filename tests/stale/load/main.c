/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - clients that write and read sites at random, and record what they were told.
 *
 *   load -p PORT -o FILE [-a ADDRESS] [-c CLIENTS] [-s SITES] [-w WRITE_PERCENT] [-t THINK_US]
 *        [-x CROSS_PERCENT] [-r SEED] [-f] [-v]
 *
 * -x: so many name the tables of another site than the connection's;
 * -f: writes only what belongs to writers that do not pass through the proxy, and reads nothing;
 * -v: reads through views, too. Users are stale_1 to stale_<SITES>, password stale. SIGTERM: what
 * is under way may end within 20 seconds. Exit status 1 if nothing was recorded.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/stale/load/stale.h"

#define RETRY_US       20000u /* between two attempts to connect */
#define GRACE_US       20000000u
#define TURN_MS        1
#define FOREIGN_VALUES 1000000000 /* numbers of the two processes do not meet */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

uint64_t load_now_us(void)
{
    return stats_now_ns() / 1000;
}

static void rest(struct visitor *visitor, enum phase phase, uint64_t pause_us)
{
    visitor->phase = phase;
    visitor->due_us = load_now_us() + pause_us;
}

/* think - mostly not at all, now and then for longer: timings of all kinds meet. */
static uint64_t think(struct visitor *visitor)
{
    struct rng *rng = &visitor->load->rng;
    const unsigned think_us = visitor->load->think_us;

    switch (rng_below(rng, 8)) {
    case 0: return rng_below(rng, 20 * think_us + 1);
    case 1:
    case 2:
    case 3: return rng_below(rng, 2 * think_us + 1);
    default: return 0;
    }
}

/* settle - the operation is over; its registers may be written again. */
static void settle(struct visitor *visitor, enum outcome outcome)
{
    struct operation *operation = &visitor->operation;

    record_operation(visitor, outcome);
    for (unsigned i = 0; operation->is_write && i < operation->n_regs; i++) {
        struct reg *reg = operation->regs[i];

        reg->is_claimed = false;
        if (outcome != OUTCOME_UNDONE) {
            reg->is_there = outcome == OUTCOME_OK && operation->is_row_there;
        }
    }
    operation->kind = NULL;
}

/* outcome_of_failure - a write whose last word was never sent does not hold. */
static enum outcome outcome_of_failure(const struct operation *operation)
{
    return operation->is_undone || operation->begun_us == 0 ? OUTCOME_UNDONE : OUTCOME_DOUBT;
}

static void lose(struct visitor *visitor, const char *why)
{
    struct operation *operation = &visitor->operation;

    record_error(visitor, 0, why);
    if (visitor->phase == PHASE_BUSY && operation->is_write && operation->kind != NULL) {
        settle(visitor, outcome_of_failure(operation));
    }
    rest(visitor, PHASE_CLOSED, RETRY_US);
}

static void send_step(struct visitor *visitor)
{
    struct operation *operation = &visitor->operation;
    const struct step *step = &operation->steps[operation->at];
    int rc;

    rows_expect(visitor, step);
    visitor->phase = PHASE_BUSY;
    if (operation->at == operation->holds && step->command != WIRE_COM_STMT_PREPARE) {
        operation->begun_us = load_now_us();
    }
    rc = client_command(&visitor->client, step->command, step->text, step->len);
    if (rc < 0) {
        lose(visitor, strerror(-rc));
    }
}

static void next_operation(struct visitor *visitor)
{
    struct load *load = visitor->load;
    const unsigned site = rng_below(&load->rng, 100) < load->cross_percent
                              ? 1 + rng_below(&load->rng, load->sites)
                              : visitor->home;

    visitor->operation = (struct operation){.own = NOT_SEEN};
    if (load->is_foreign || rng_below(&load->rng, 100) < load->write_percent) {
        if (plan_write(visitor, site)) {
            send_step(visitor);
            return;
        }
        visitor->operation = (struct operation){.own = NOT_SEEN};
        if (load->is_foreign) {
            rest(visitor, PHASE_IDLE, load->think_us);
            return;
        }
    }
    plan_read(visitor, site);
    send_step(visitor);
}

static void on_row(struct client *client, const uint8_t *packet, size_t len)
{
    rows_take((struct visitor *)client, packet, len);
}

static void next_turn(struct visitor *visitor)
{
    if (rng_below(&visitor->load->rng, 4) == 0) {
        client_quit(&visitor->client);
        rest(visitor, PHASE_CLOSED, think(visitor));
    } else {
        rest(visitor, PHASE_IDLE, think(visitor));
    }
}

/* on_error - a transaction is rolled back; everything else is over. */
static void on_error(struct visitor *visitor, const struct wire_reply *reply)
{
    struct operation *operation = &visitor->operation;

    record_error(visitor, reply->error_code, reply->message);
    if (operation->is_write && operation->kind != NULL) {
        settle(visitor, outcome_of_failure(operation));
    }
    /* Whatever the session was in is left behind. */
    client_quit(&visitor->client);
    rest(visitor, PHASE_CLOSED, think(visitor));
}

static void take_statement(struct visitor *visitor, uint32_t id)
{
    if (visitor->operation.is_write) {
        visitor->write_id = id;
    } else {
        visitor->read_id = id;
    }
    for (unsigned i = 0; visitor->operation.is_write && i < visitor->operation.n_regs; i++) {
        visitor->operation.regs[i]->is_claimed = false;
    }
    rest(visitor, PHASE_IDLE, 0);
}

static void on_reply(struct client *client, const struct wire_reply *reply)
{
    struct visitor *visitor = (struct visitor *)client;
    struct operation *operation = &visitor->operation;
    const struct step *step = &operation->steps[operation->at];
    enum outcome outcome = operation->is_undone ? OUTCOME_UNDONE : OUTCOME_OK;

    if (reply->error_code != 0) {
        on_error(visitor, reply);
        return;
    }
    if (reply->is_prepare) {
        take_statement(visitor, reply->statement_id);
        return;
    }
    rows_end(visitor, step);
    if (operation->at == operation->holds) {
        operation->ended_us = load_now_us();
        if (operation->must_affect && operation->holds == 0 && reply->n_affected == 0) {
            outcome = OUTCOME_DOUBT;
            record_error(visitor, 0, "the write found no row");
        }
        if (operation->is_write) {
            settle(visitor, outcome);
        }
    }
    if (++operation->at < operation->n_steps) {
        send_step(visitor);
        return;
    }
    if (!operation->is_write) {
        settle(visitor, OUTCOME_OK);
    }
    next_turn(visitor);
}

static void on_login(struct client *client)
{
    struct visitor *visitor = (struct visitor *)client;

    visitor->phase = PHASE_IDLE;
    if (!visitor->load->stopping) {
        next_operation(visitor);
    }
}

static void on_fail(struct client *client, const char *why)
{
    lose((struct visitor *)client, why);
}

static void begin(struct visitor *visitor)
{
    static const struct client_events events = {
        .on_login = on_login, .on_reply = on_reply, .on_fail = on_fail, .on_row = on_row};
    struct load *load = visitor->load;
    struct wire_account account = {.user = visitor->user, .password = "stale"};
    int rc;

    if (visitor->phase == PHASE_IDLE) {
        next_operation(visitor);
        return;
    }
    visitor->home = 1 + rng_below(&load->rng, load->sites);
    (void)snprintf(visitor->user, sizeof(visitor->user), "stale_%u", visitor->home);
    account.schema = visitor->user;
    visitor->phase = PHASE_OPENING;
    visitor->read_id = 0;
    visitor->write_id = 0;
    rc = client_open(&visitor->client, &load->loop, &events, &account);
    if (rc < 0) {
        lose(visitor, strerror(-rc));
    }
}

static bool is_waiting(const struct visitor *visitor)
{
    return visitor->phase == PHASE_OPENING || visitor->phase == PHASE_BUSY;
}

static void run(struct load *load, unsigned n)
{
    while (!interrupted) {
        const uint64_t now_us = load_now_us();

        for (unsigned i = 0; i < n; i++) {
            if (!is_waiting(&load->visitors[i]) && load->visitors[i].due_us <= now_us) {
                begin(&load->visitors[i]);
            }
        }
        loop_turn(&load->loop, TURN_MS);
    }
}

static void finish(struct load *load, unsigned n)
{
    const uint64_t end_us = load_now_us() + GRACE_US;
    unsigned n_waiting = n;

    load->stopping = true;
    while (n_waiting > 0 && load_now_us() < end_us) {
        loop_turn(&load->loop, TURN_MS);
        n_waiting = 0;
        for (unsigned i = 0; i < n; i++) {
            n_waiting += is_waiting(&load->visitors[i]);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (is_waiting(&load->visitors[i])) {
            client_close(&load->visitors[i].client);
            lose(&load->visitors[i], "never answered");
        }
        client_quit(&load->visitors[i].client);
    }
}

struct arguments {
    const char *address;
    const char *path;
    unsigned port, clients, seed;
};

static bool read_arguments(struct arguments *arguments, struct load *load, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "a:p:o:c:s:w:t:r:x:fv")) != -1) {
        const unsigned number = optarg == NULL ? 0 : (unsigned)strtoul(optarg, NULL, 10);

        switch (option) {
        case 'a': arguments->address = optarg; break;
        case 'p': arguments->port = number; break;
        case 'o': arguments->path = optarg; break;
        case 'c': arguments->clients = number; break;
        case 's': load->sites = number; break;
        case 'w': load->write_percent = number; break;
        case 't': load->think_us = number; break;
        case 'r': arguments->seed = number; break;
        case 'x': load->cross_percent = number; break;
        case 'f': load->is_foreign = true; break;
        case 'v': load->views = true; break;
        default: return false;
        }
    }
    return arguments->port > 0 && arguments->port < 65536 && arguments->path != NULL &&
           load->sites > 0 && load->sites <= MAX_SITES && arguments->clients > 0 &&
           arguments->clients <= MAX_VISITORS && load->think_us < 1000000;
}

int main(int argc, char **argv)
{
    static struct load load = {
        .sites = 4, .write_percent = 20, .cross_percent = 10, .think_us = 1000};
    struct arguments arguments = {.address = "127.0.0.1", .clients = 32, .seed = 1};

    if (!read_arguments(&arguments, &load, argc, argv)) {
        (void)fputs(
            "usage: load -p PORT -o FILE [-a ADDRESS] [-c CLIENTS] [-s SITES]\n"
            "            [-w WRITE_PERCENT] [-t THINK_US] [-x CROSS_PERCENT] [-r SEED] [-f] [-v]\n",
            stderr);
        return 2;
    }
    load.rng.state = arguments.seed;
    load.value = load.is_foreign ? FOREIGN_VALUES : 0;
    registers_init(&load);
    if (loop_init(&load.loop, (uint16_t)arguments.port) < 0) {
        perror("load: epoll");
        return 1;
    }
    load.record = fopen(arguments.path, "w");
    if (load.record == NULL || inet_pton(AF_INET, arguments.address, &load.loop.address) != 1) {
        perror(arguments.path);
        return 1;
    }
    for (unsigned i = 0; i < arguments.clients; i++) {
        load.visitors[i] = (struct visitor){.number = i, .load = &load};
    }
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    run(&load, arguments.clients);
    finish(&load, arguments.clients);
    loop_fini(&load.loop);
    return fclose(load.record) == 0 && load.n_records > 0 ? 0 : 1;
}

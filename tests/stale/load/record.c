/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - one line for each thing that judge.py must know, with fields between tabs.
 *
 *   W begun ended client kind outcome register value      outcome: ok, doubt, undone; value or -
 *   R begun ended client kind register=value ...          count=N is FOUND_ROWS()
 *   O begun ended client kind register value own          a transaction's own read
 *   E when client code text
 */
#include <inttypes.h>
#include <string.h>

#include "tests/stale/load/stale.h"

static void put_register(FILE *out, const struct reg *reg)
{
    (void)fprintf(out, "%u.%c%u", reg->site, "opmdxy"[reg->kind], reg -> number);
}

static void put_value(FILE *out, int64_t value)
{
    if (value == ABSENT) {
        (void)fputc('-', out);
    } else {
        (void)fprintf(out, "%" PRId64, value);
    }
}

static void put_head(struct visitor *visitor, char letter)
{
    const struct operation *operation = &visitor->operation;

    /* "other": from a connection of another site. */
    (void)fprintf(visitor->load->record, "%c\t%" PRIu64 "\t%" PRIu64 "\t%u\t%s%s", letter,
                  operation->begun_us, operation->ended_us, visitor->number, operation->kind,
                  operation->regs[0]->site == visitor->home ? "" : ",other");
    visitor->load->n_records++;
}

static void record_write(struct visitor *visitor, enum outcome outcome)
{
    static const char *const outcomes[] = {"ok", "doubt", "undone"};
    const struct operation *operation = &visitor->operation;
    FILE *out = visitor->load->record;

    for (unsigned i = 0; i < operation->n_regs; i++) {
        put_head(visitor, 'W');
        (void)fprintf(out, "\t%s\t", outcomes[outcome]);
        put_register(out, operation->regs[i]);
        (void)fputc('\t', out);
        put_value(out, operation->value);
        (void)fputc('\n', out);
    }
    if (operation->own != NOT_SEEN && operation->is_undone) {
        put_head(visitor, 'O');
        (void)fputc('\t', out);
        put_register(out, operation->regs[0]);
        (void)fprintf(out, "\t%" PRId64 "\t%" PRId64 "\n", operation->value, operation->own);
    }
}

void record_operation(struct visitor *visitor, enum outcome outcome)
{
    struct operation *operation = &visitor->operation;
    FILE *out = visitor->load->record;
    const unsigned site = operation->regs[0]->site;

    if (operation->ended_us < operation->begun_us || operation->begun_us == 0) {
        operation->ended_us = load_now_us();
    }
    if (operation->is_write) {
        record_write(visitor, outcome);
        return;
    }
    put_head(visitor, 'R');
    for (unsigned i = 0; i < REGISTERS; i++) {
        if (operation->seen[i] != NOT_SEEN) {
            (void)fputc('\t', out);
            put_register(out, &visitor->load->regs[site][i]);
            (void)fputc('=', out);
            put_value(out, operation->seen[i]);
        }
    }
    if (operation->n_found != NOT_SEEN) {
        (void)fprintf(out, "\t%u.count=%" PRId64, site, operation->n_found);
    }
    (void)fputc('\n', out);
}

void record_error(struct visitor *visitor, unsigned code, const char *text)
{
    char line[120];

    (void)snprintf(line, sizeof(line), "%s", text);
    for (char *at = line; *at != '\0'; at++) {
        *at = *at == '\t' || *at == '\n' ? ' ' : *at;
    }
    (void)fprintf(visitor->load->record, "E\t%" PRIu64 "\t%u\t%u\t%s\t%s\n", load_now_us(),
                  visitor->number, code,
                  visitor->operation.kind == NULL ? "login" : visitor->operation.kind, line);
    visitor->load->n_records++;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows - what an answer says of the registers.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/stale/load/stale.h"

static unsigned place_of(const struct visitor *visitor, const struct reg *reg)
{
    return (unsigned)(reg - visitor->load->regs[reg->site]);
}

static int64_t number_of(struct wire_field field)
{
    char digits[24];

    if (field.data == NULL || field.len == 0 || field.len >= sizeof(digits)) {
        return NOT_SEEN;
    }
    memcpy(digits, field.data, field.len);
    digits[field.len] = '\0';
    return strtoll(digits, NULL, 10);
}

static void expect_kind(struct operation *operation, enum register_kind kind)
{
    const unsigned end =
        kind + 1 < REGISTER_KINDS ? register_first((enum register_kind)(kind + 1)) : REGISTERS;

    for (unsigned i = register_first(kind); i < end; i++) {
        operation->seen[i] = ABSENT;
    }
}

void rows_expect(struct visitor *visitor, const struct step *step)
{
    struct operation *operation = &visitor->operation;

    operation->n_rows = 0;
    if (operation->is_write) {
        return;
    }
    switch (step->shape) {
    case SHAPE_VALUE:
    case SHAPE_BINARY:
    case SHAPE_POSTS:
        for (unsigned i = 0; i < operation->n_regs; i++) {
            operation->seen[place_of(visitor, operation->regs[i])] = ABSENT;
        }
        break;
    case SHAPE_OPTIONS:
        expect_kind(operation, REGISTER_OPTION);
        expect_kind(operation, REGISTER_FOREIGN_OPTION);
        break;
    case SHAPE_JOIN:
    case SHAPE_FIRST:
        expect_kind(operation, REGISTER_POST);
        expect_kind(operation, REGISTER_FOREIGN_POST);
        break;
    case SHAPE_NONE:
    case SHAPE_COUNT: break;
    }
}

static void see(struct visitor *visitor, const struct reg *reg, int64_t value)
{
    if (reg != NULL) {
        visitor->operation.seen[place_of(visitor, reg)] = value;
    }
}

/* take_binary - one column of text: a zero, the NULL bits, the text. */
static int64_t take_binary(const uint8_t *packet, size_t len)
{
    struct wire_row row = {packet + 2, packet + len};
    struct wire_field field;

    return len > 2 && packet[0] == 0 && packet[1] == 0 && wire_next_field(&row, &field)
               ? number_of(field)
               : NOT_SEEN;
}

void rows_take(struct visitor *visitor, const uint8_t *packet, size_t len)
{
    struct operation *operation = &visitor->operation;
    const enum shape shape = operation->steps[operation->at].shape;
    const unsigned site = operation->regs[0]->site;
    struct wire_row row = {packet, packet + len};
    struct wire_field fields[3] = {0};
    uint64_t id;

    operation->n_rows++;
    if (shape == SHAPE_BINARY) {
        see(visitor, operation->regs[0], take_binary(packet, len));
        return;
    }
    for (unsigned i = 0; i < 3 && wire_next_field(&row, &fields[i]); i++) {
    }
    id = (uint64_t)number_of(fields[0]);
    if (operation->is_write) {
        operation->own = number_of(fields[0]);
    } else if (shape == SHAPE_VALUE) {
        see(visitor, operation->regs[0], number_of(fields[0]));
    } else if (shape == SHAPE_OPTIONS && fields[0].data != NULL) {
        see(visitor,
            register_of_option(visitor->load, site, (const char *)fields[0].data, fields[0].len),
            number_of(fields[1]));
    } else if (shape == SHAPE_POSTS || shape == SHAPE_FIRST || shape == SHAPE_JOIN) {
        see(visitor, register_of_post(visitor->load, site, id), number_of(fields[1]));
        if (shape == SHAPE_JOIN) {
            see(visitor, register_of_meta(visitor->load, site, id), number_of(fields[2]));
        }
    } else if (shape == SHAPE_COUNT) {
        operation->n_found = number_of(fields[0]);
    }
}

void rows_end(struct visitor *visitor, const struct step *step)
{
    struct operation *operation = &visitor->operation;
    unsigned last = 0;

    if (operation->is_write && step->shape == SHAPE_VALUE && operation->n_rows == 0) {
        operation->own = ABSENT;
    }
    if (step->shape != SHAPE_FIRST || operation->n_rows < FIRST_POSTS) {
        return;
    }
    /* The LIMIT has cut it off: nothing is said of what stands behind the last row. */
    for (unsigned i = 0; i < REGISTERS; i++) {
        last = operation->seen[i] >= 0 ? i : last;
    }
    for (unsigned i = last + 1; i < REGISTERS; i++) {
        operation->seen[i] = NOT_SEEN;
    }
}

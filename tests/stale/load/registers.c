/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/stale/load/stale.h"

static const unsigned counts[REGISTER_KINDS] = {
    [REGISTER_OPTION] = OPTIONS,
    [REGISTER_POST] = POSTS,
    [REGISTER_META] = POSTS,
    [REGISTER_FLIP] = 1,
    [REGISTER_FOREIGN_OPTION] = FOREIGN,
    [REGISTER_FOREIGN_POST] = FOREIGN,
};

unsigned register_first(enum register_kind kind)
{
    unsigned first = 0;

    for (unsigned i = 0; i < (unsigned)kind; i++) {
        first += counts[i];
    }
    return first;
}

static struct reg *find(struct load *load, unsigned site, enum register_kind kind, uint64_t number)
{
    return number < counts[kind] ? &load->regs[site][register_first(kind) + (unsigned)number]
                                 : NULL;
}

struct reg *register_of_option(struct load *load, unsigned site, const char *name, size_t len)
{
    const char *mark = memchr(name, '_', len);
    char digits[8] = "";
    enum register_kind kind;

    if (mark == NULL || (size_t)(name + len - mark) > sizeof(digits)) {
        return NULL;
    }
    memcpy(digits, mark + 1, (size_t)(name + len - mark) - 1);
    kind = name[0] == 'x' || name[0] == 'X' ? REGISTER_FOREIGN_OPTION : REGISTER_OPTION;
    return find(load, site, kind, strtoul(digits, NULL, 10));
}

struct reg *register_of_post(struct load *load, unsigned site, uint64_t id)
{
    return id >= FOREIGN_POST ? find(load, site, REGISTER_FOREIGN_POST, id - FOREIGN_POST)
                              : find(load, site, REGISTER_POST, id - 1);
}

struct reg *register_of_meta(struct load *load, unsigned site, uint64_t id)
{
    return find(load, site, REGISTER_META, id - 1);
}

void registers_init(struct load *load)
{
    for (unsigned site = 1; site <= load->sites; site++) {
        struct reg *reg = load->regs[site];

        for (unsigned kind = 0; kind < REGISTER_KINDS; kind++) {
            for (unsigned number = 0; number < counts[kind]; number++) {
                *reg++ = (struct reg){.kind = (enum register_kind)kind,
                                      .site = site,
                                      .number = number,
                                      .is_there = true};
            }
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.c - the list of what is wrong.
 *
 * A fault that cannot be kept (too many, or no memory) is counted as dropped, and an error still
 * counts as an error: a configuration never passes because its faults did not fit.
 */
#include "conf/faults.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

#define TEXT_MAX   1024
#define FIRST_ROOM 16

/* The items grow by doubling: there is no room when the count is 0 or a power of two >= 16. */
static bool has_room(struct faults *faults)
{
    size_t n = faults->count;

    if (n >= FAULTS_MAX) {
        return false;
    }
    if (n == 0 || (n >= FIRST_ROOM && (n & (n - 1)) == 0)) {
        size_t room = n == 0 ? FIRST_ROOM : n * 2;
        struct fault *items = mem_try_grow(MEM_CONF, faults->items, room * sizeof(*items));

        if (items == NULL) {
            return false;
        }
        faults->items = items;
    }
    return true;
}

static void add(struct faults *faults, bool is_error, const char *file, int line, const char *text)
{
    faults->errors += is_error ? 1 : 0;
    if (!has_room(faults)) {
        faults->dropped++;
        return;
    }
    faults->items[faults->count++] = (struct fault){
        .is_error = is_error,
        .line = line,
        .file = mem_copy(MEM_CONF, slice_of(file)),
        .text = mem_copy(MEM_CONF, slice_of(text)),
    };
}

void fault_error(struct faults *faults, const char *file, int line, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add(faults, true, file, line, text);
}

void fault_warning(struct faults *faults, const char *file, int line, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add(faults, false, file, line, text);
}

void faults_fini(struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        mem_free(MEM_CONF, faults->items[i].file);
        mem_free(MEM_CONF, faults->items[i].text);
    }
    mem_free(MEM_CONF, faults->items);
    *faults = (struct faults){0};
}

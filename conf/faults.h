/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.h - what is wrong with a configuration: all of it, in order, with file and line.
 */
#ifndef CONF_FAULTS_H
#define CONF_FAULTS_H

#include "base/base.h"

struct fault {
    bool is_error; /* else a warning */
    int line;      /* 0 = the file as a whole */
    char *file;    /* owned */
    char *text;    /* owned: names what, where and what is allowed */
};

struct faults {
    struct fault *items; /* owned */
    size_t count;
    size_t errors;
    size_t dropped; /* beyond FAULTS_MAX */
};

#define FAULTS_MAX 1000

void fault_error(struct faults *faults, const char *file, int line, const char *format, ...)
    PRINTF_LIKE(4, 5);
void fault_warning(struct faults *faults, const char *file, int line, const char *format, ...)
    PRINTF_LIKE(4, 5);
void faults_fini(struct faults *faults);

#endif

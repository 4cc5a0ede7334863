/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h - the text of a configuration with the files it includes, and where each line is from.
 *
 * @include "path" at the start of a line is replaced by that file; a relative path counts from the
 * folder of the file that names it. libconfig could do this too, but from the working directory
 * only, without bounds, and it ends the process when the path is a folder.
 */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include "base/base.h"
#include "conf/faults.h"

#define SOURCE_DEPTH_MAX 10
#define SOURCE_FILES_MAX 1000

/* From this line of the whole text on, lines are those of a file. */
struct source_part {
    int line;
    int file_line;
    size_t file; /* index of its name */
};

struct source {
    char *text; /* owned, terminated */
    size_t len;
    size_t room;
    int lines;    /* complete ones */
    char **files; /* owned names; the first is the file itself */
    size_t n_files;
    struct source_part *parts; /* owned, by line */
    size_t n_parts;
    size_t n_read; /* files read, the same one twice counts twice */
};

/*
 * source_read - read a file and what it includes. source: zeroed.
 * Returns 0, ERR_FILE (the file itself cannot be read) or ERR_CONFIG; faults says why.
 */
int source_read(struct source *source, const char *path, struct faults *faults) MUST_CHECK;

/* source_take_text - the same from memory; @include is an error. */
int source_take_text(struct source *source, const char *name, struct slice text,
                     struct faults *faults) MUST_CHECK;

/* source_place - the file and its line behind a line of the whole text. */
const char *source_place(const struct source *source, int line, int *file_line);

/* source_fini - frees all but names that were taken (files = NULL). A zeroed source is fine. */
void source_fini(struct source *source);

#endif

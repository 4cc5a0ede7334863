/* SPDX-License-Identifier: Apache-2.0 */
/*
 * corpus.h - a fuzzer runs over its seeds in every build.
 *
 * The file of a fuzzer is included with its entry, which has the name that libFuzzer wants, under
 * another one. Tests are run from the root of the tree.
 */
#ifndef TESTS_UNIT_CORPUS_H
#define TESTS_UNIT_CORPUS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/test.h"

typedef int (*fuzz_fn)(const uint8_t *data, size_t size);

/* corpus_read - a file: how long it is; no more than cap. */
static inline size_t corpus_read(const char *path, uint8_t *out, size_t cap)
{
    FILE *file = fopen(path, "rb");
    size_t n;

    assert_non_null(file);
    n = fread(out, 1, cap, file);
    (void)fclose(file);
    return n;
}

static inline void corpus_run_file(fuzz_fn fuzz, const char *path)
{
    static uint8_t room[1 << 16];
    size_t n = corpus_read(path, room, sizeof(room));
    uint8_t *exact = malloc(n + 1);

    assert_non_null(exact);
    memcpy(exact + 1, room, n); /* up to the block's end, where a sanitizer watches */
    assert_int_equal(fuzz(exact + 1, n), 0);
    free(exact);
}

/* corpus_run - the seeds of a folder below tests/fuzz: "corpus/follow". */
static inline void corpus_run(fuzz_fn fuzz, const char *folder)
{
    char path[512];
    const struct dirent *entry;
    unsigned n_files = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "tests/fuzz/%s", folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "tests/fuzz/%s/%s", folder, entry->d_name);
            corpus_run_file(fuzz, path);
            n_files++;
        }
    }
    (void)closedir(dir);
    assert_true(n_files > 0);
}

#endif

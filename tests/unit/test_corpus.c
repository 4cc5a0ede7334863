/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_corpus.c - the fuzzers of protocol/ (and of what a binary log is for) run over their seeds, so that each build does.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/test.h"

/* A fuzzer has one entry, of a name that libFuzzer gives. */
/* NOLINTBEGIN(bugprone-suspicious-include,readability-identifier-naming) */
#define LLVMFuzzerTestOneInput fuzz_binlog
#include "tests/fuzz/fuzz_binlog.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_compress
#include "tests/fuzz/fuzz_compress.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_follow
#include "tests/fuzz/fuzz_follow.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_greet
#include "tests/fuzz/fuzz_greet.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_proxy_header
#include "tests/fuzz/fuzz_proxy_header.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_reply
#include "tests/fuzz/fuzz_reply.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_stmt
#include "tests/fuzz/fuzz_stmt.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_track
#include "tests/fuzz/fuzz_track.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_user
#include "tests/fuzz/fuzz_user.c"
#undef LLVMFuzzerTestOneInput
/* NOLINTEND(bugprone-suspicious-include,readability-identifier-naming) */

typedef int (*fuzz_fn)(const uint8_t *data, size_t size);

static void run_file(fuzz_fn fuzz, const char *path)
{
    static uint8_t room[1 << 16];
    FILE *file = fopen(path, "rb");
    uint8_t *exact;
    size_t n;

    assert_non_null(file);
    n = fread(room, 1, sizeof(room), file);
    (void)fclose(file);
    exact = malloc(n + 1);
    assert_non_null(exact);
    memcpy(exact + 1, room, n); /* up to the block's end, where a sanitizer watches */
    assert_int_equal(fuzz(exact + 1, n), 0);
    free(exact);
}

/* The tests are run from the root of the tree. */
static void run_corpus(fuzz_fn fuzz, const char *name)
{
    char path[512];
    const struct dirent *entry;
    unsigned n_files = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "tests/fuzz/corpus/%s", name);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "tests/fuzz/corpus/%s/%s", name, entry->d_name);
            run_file(fuzz, path);
            n_files++;
        }
    }
    (void)closedir(dir);
    assert_true(n_files > 0);
}

TEST(corpus_of_binlog)
{
    run_corpus(fuzz_binlog, "binlog");
}

TEST(corpus_of_compress)
{
    run_corpus(fuzz_compress, "compress");
}

TEST(corpus_of_follow)
{
    run_corpus(fuzz_follow, "follow");
}

TEST(corpus_of_greet)
{
    run_corpus(fuzz_greet, "greet");
}

TEST(corpus_of_proxy_header)
{
    run_corpus(fuzz_proxy_header, "proxy_header");
}

TEST(corpus_of_reply)
{
    run_corpus(fuzz_reply, "reply");
}

TEST(corpus_of_stmt)
{
    run_corpus(fuzz_stmt, "stmt");
}

TEST(corpus_of_track)
{
    run_corpus(fuzz_track, "track");
}

TEST(corpus_of_user)
{
    run_corpus(fuzz_user, "user");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_corpus.c - the fuzzers of protocol/ (and of what a binary log is for) run over their seeds,
 * so that each build does.
 */
#include "tests/unit/corpus.h"

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
#define LLVMFuzzerTestOneInput fuzz_texts
#include "tests/fuzz/fuzz_texts.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_track
#include "tests/fuzz/fuzz_track.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_user
#include "tests/fuzz/fuzz_user.c"
#undef LLVMFuzzerTestOneInput
/* NOLINTEND(bugprone-suspicious-include,readability-identifier-naming) */

TEST(corpus_of_binlog)
{
    corpus_run(fuzz_binlog, "corpus/binlog");
}

TEST(corpus_of_compress)
{
    corpus_run(fuzz_compress, "corpus/compress");
}

TEST(corpus_of_follow)
{
    corpus_run(fuzz_follow, "corpus/follow");
}

TEST(corpus_of_greet)
{
    corpus_run(fuzz_greet, "corpus/greet");
}

TEST(corpus_of_proxy_header)
{
    corpus_run(fuzz_proxy_header, "corpus/proxy_header");
}

TEST(corpus_of_reply)
{
    corpus_run(fuzz_reply, "corpus/reply");
}

TEST(corpus_of_stmt)
{
    corpus_run(fuzz_stmt, "corpus/stmt");
}

TEST(corpus_of_texts)
{
    corpus_run(fuzz_texts, "corpus/texts");
}

TEST(corpus_of_track)
{
    corpus_run(fuzz_track, "corpus/track");
}

TEST(corpus_of_user)
{
    corpus_run(fuzz_user, "corpus/user");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_corpus_login.c - fuzz_login runs over its seeds and over what once broke something, and over
 * some of them with memory that runs out.
 */
#include "tests/unit/corpus.h"

/* NOLINTBEGIN(bugprone-suspicious-include,readability-identifier-naming) */
#define LLVMFuzzerTestOneInput fuzz_login
#include "tests/fuzz/fuzz_login.c"
#undef LLVMFuzzerTestOneInput
/* NOLINTEND(bugprone-suspicious-include,readability-identifier-naming) */

TEST(corpus_of_login)
{
    corpus_run(fuzz_login, "corpus/login");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_corpus_console.c - fuzz_console runs over its seeds and over what once broke something, and
 * over some of them with memory that runs out.
 */
#include "tests/unit/corpus.h"

/* NOLINTBEGIN(bugprone-suspicious-include,readability-identifier-naming) */
#define LLVMFuzzerTestOneInput fuzz_console
#include "tests/fuzz/fuzz_console.c"
#undef LLVMFuzzerTestOneInput
/* NOLINTEND(bugprone-suspicious-include,readability-identifier-naming) */

TEST(corpus_of_console)
{
    corpus_run(fuzz_console, "corpus/console");
}

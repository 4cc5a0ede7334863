/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_cnf.c - any bytes as a configuration: either a snapshot or at least one error.
 */
#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses a string that is cut off by a syntax error. Our own memory is counted. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    struct slice text = {(const char *)data, size};
    int rc = conf_load_text(&conf, "fuzz", size == 0 ? SLICE("") : text, &faults);

    CHECK((rc == 0) == (conf != NULL));
    CHECK((rc == 0) == (faults.errors == 0));
    if (conf != NULL) {
        (void)conf_user_find(conf, SLICE("u"));
        (void)conf_galera_of_writer(conf, 1);
    }
    conf_unref(conf);
    faults_fini(&faults);
    CHECK(mem_blocks(MEM_CONF) == 0);
    return 0;
}

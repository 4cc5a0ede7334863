/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_user.c - a row of mysql.global_priv, and whom its host fits.
 *
 * Input: host, zero, address of a client, zero, the JSON.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "pool/user_record.h"
#include "protocol/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void user_check(const struct user_record *r, const char *peer)
{
    struct user_host any;
    struct secret secret;

    user_host_read(&any, "%");
    CHECK(user_host_fits(&any, peer, false));
    CHECK(user_host_compare(&r->host, &r->host) == 0);
    CHECK((user_host_compare(&r->host, &any) < 0) == (user_host_compare(&any, &r->host) > 0));
    (void)user_host_fits(&r->host, peer, true);
    user_record_secret(r, &secret);
    CHECK(secret.is_empty == r->is_empty);
    CHECK(!secret_fits_clear(&secret, SLICE("fuzz")) || r->is_empty || secret.has_stage2);
    (void)user_record_is_expired(r, 1795333734, 0);
    secret_wipe(&secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(data, size);
    struct slice host = get_zero(&r), peer = get_zero(&r), priv = get_rest(&r);
    char *texts[3];
    struct user_record *record = NULL;

    if (r.failed) {
        return 0;
    }
    texts[0] = mem_copy(MEM_OTHER, host);
    texts[1] = mem_copy(MEM_OTHER, peer);
    texts[2] = mem_copy(MEM_OTHER, priv);
    if (user_record_new(&record, texts[0], "fuzz", texts[2]) == 0) {
        user_check(record, texts[1]);
        user_record_free(record);
    }
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        mem_free(MEM_OTHER, texts[i]);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_scene.h - certificates in files, contexts made of them, and two ends of TLS in memory.
 */
#ifndef TESTS_UNIT_TLS_SCENE_H
#define TESTS_UNIT_TLS_SCENE_H

#include "protocol/tls.h"
#include "tests/unit/test.h"

/* A folder with ca.pem, cert.pem, key.pem. */
struct tls_files {
    char folder[64];
    char ca[96], cert[96], key[96];
};

void tls_files_make(struct tls_files *f);
void tls_files_remove(struct tls_files *f);

/* Settings of a server with these files, and of a client that trusts their authority. */
struct tls_settings tls_server_settings(const struct tls_files *f);
struct tls_settings tls_client_settings(const struct tls_files *f);

/* tls_must - a context; the test fails when there is none. tls_must_not - why there is none. */
struct tls_context *tls_must(const struct tls_settings *settings);
const char *tls_must_not(const struct tls_settings *settings); /* overwritten by the next call */

/* One end, and what it has sent that the other has not taken yet. */
struct tls_end {
    struct tls *tls;
    uint8_t out[256 * 1024];
    size_t n_out;
};

struct tls_pair {
    struct tls_end server, client;
};

/* tls_pair_make - on the heap; the contexts are borrowed. */
struct tls_pair *tls_pair_make(struct tls_context *server, struct tls_context *client,
                               const char *host);
void tls_pair_free(struct tls_pair *p);

/*
 * tls_pair_shake - until both are done or one has failed; piece bytes at a time. Their last results
 * are given: 0, 1 (it waits), or an error.
 */
void tls_pair_shake(struct tls_pair *p, size_t piece, int *server_rc, int *client_rc);

#endif

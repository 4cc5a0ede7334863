/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificates.h - what clients are offered TLS with: read from the files that the configuration
 * names, or made at the first start, and replaced while clients come.
 *
 * Read and replaced by the control thread; workers keep a reference and ask for another when the
 * number of changes is another.
 */
#ifndef PROXY_CERTIFICATES_H
#define PROXY_CERTIFICATES_H

#include <pthread.h>
#include <stdatomic.h>

#include "conf/conf.h"
#include "protocol/tls.h"

struct certificates {
    pthread_mutex_t lock;
    struct tls_context *context; /* a reference; NULL = clients are not offered TLS */
    atomic_uint changes;
    char *made_of; /* owned: the settings of the context as one text; NULL = there is none */
};

/* What was read, before it is used. */
struct certificates_read {
    struct tls_context *context; /* a reference */
    char *made_of;               /* owned */
    bool is_same;                /* nothing was read: what is in use is as the configuration says */
};

void certificates_init(struct certificates *c);
void certificates_fini(struct certificates *c);

/*
 * certificates_read - the files, when they are others than those in use; again: in any case, their
 * contents may be others. makes: make galeway-{ca,cert,key}.pem in the data directory when these
 * are to be used and are not there; what hinders that is logged, and TLS is not offered then.
 *
 * Returns 0 and what was read in *out, or ERR_CONFIG and an error in faults.
 */
int certificates_read(const struct certificates *c, const struct conf *conf, bool again, bool makes,
                      struct certificates_read *out, struct faults *faults) MUST_CHECK;

/* certificates_use - from the next client on. certificates_drop - do not. */
void certificates_use(struct certificates *c, struct certificates_read *read);
void certificates_drop(struct certificates_read *read);

/*
 * certificates_refresh - *context and *changes are a worker's copy: make them the ones in use. Any
 * thread, each its own copy.
 */
void certificates_refresh(struct certificates *c, struct tls_context **context, unsigned *changes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_keylog.c - the file of TLS secrets, in the form that Wireshark reads (NSS key log). See
 * tls.h.
 *
 * One for the process, behind a lock that is taken a few times in a handshake, and only while the
 * secrets are logged.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>

#include "protocol/tls_inside.h"

static pthread_mutex_t keylog_lock = PTHREAD_MUTEX_INITIALIZER;
static int keylog_fd = -1; /* under the lock */

int tls_keylog_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    return fd >= 0 ? fd : -errno;
}

void tls_keylog_use(int fd)
{
    int old;

    CHECK(pthread_mutex_lock(&keylog_lock) == 0);
    old = keylog_fd;
    keylog_fd = fd;
    CHECK(pthread_mutex_unlock(&keylog_lock) == 0);
    if (old >= 0) {
        (void)close(old);
    }
}

/* A line that cannot be written is lost: nobody's connection is to suffer. */
void tls_keylog_write(const SSL *ssl, const char *line)
{
    struct iovec parts[] = {{(void *)(uintptr_t)line, strlen(line)}, {(void *)(uintptr_t) "\n", 1}};

    (void)ssl;
    CHECK(pthread_mutex_lock(&keylog_lock) == 0);
    if (keylog_fd >= 0) {
        (void)!writev(keylog_fd, parts, 2);
    }
    CHECK(pthread_mutex_unlock(&keylog_lock) == 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.c - loaded into the shipped program (LD_PRELOAD): memory that is not to be had, a disk
 * that is full, and connections that break before their end was read, when a test says so.
 *
 * FAULTS_FILE names a file of 64 bytes that the test maps, too: struct faults below.
 *
 * Left alone are allocations whose failure ends the process by design, and with a message: those of
 * mem_new() (calloc called by the program itself; base/mem.h says what it is for), of libconfig
 * (only an administrator's configuration), and libuv's table of descriptors (16 bytes for each,
 * realloc). With takes_fatal they fail as well.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct faults {
    atomic_llong fail_at;   /* the n-th allocation from now on fails; 0 = none */
    atomic_llong n_allocs;  /* that could have failed, since the start */
    atomic_llong n_failed;  /* that did */
    atomic_llong disk_full; /* 1 = regular files take nothing more */
    atomic_llong n_refused; /* writes that were refused */
    atomic_llong takes_fatal;
    atomic_llong fail_all; /* every one from fail_at on fails, until it is set to 0 */
    atomic_llong
        broken_port; /* what is written to this port finds the connection broken; 0 = none */
};

struct range {
    uintptr_t from, to;
};

enum module { MODULE_PROGRAM, MODULE_LIBUV, MODULE_LIBCONFIG, N_MODULES };

static struct faults *faults;
static struct range ranges[N_MODULES];

static int note_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    const char *name = info->dlpi_name;
    enum module module = N_MODULES;

    (void)size;
    (void)arg;
    if (name[0] == '\0') {
        module = MODULE_PROGRAM;
    } else if (strstr(name, "libuv") != NULL) {
        module = MODULE_LIBUV;
    } else if (strstr(name, "libconfig") != NULL) {
        module = MODULE_LIBCONFIG;
    }
    for (int i = 0; module != N_MODULES && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
            ranges[module].from = info->dlpi_addr + p->p_vaddr;
            ranges[module].to = ranges[module].from + p->p_memsz;
        }
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS_FILE");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *page;

    if (fd < 0) {
        return;
    }
    page = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    (void)dl_iterate_phdr(note_module, NULL);
    if (page != MAP_FAILED) {
        faults = page;
    }
}

static bool is_in(enum module module, const void *caller)
{
    uintptr_t at = (uintptr_t)caller;

    return at >= ranges[module].from && at < ranges[module].to;
}

static bool fails(bool is_fatal)
{
    long long left;

    if (faults == NULL || (is_fatal && atomic_load(&faults->takes_fatal) == 0)) {
        return false;
    }
    (void)atomic_fetch_add(&faults->n_allocs, 1);
    left = atomic_load(&faults->fail_at);
    while (left > 0) {
        long long next = left == 1 && atomic_load(&faults->fail_all) != 0 ? 1 : left - 1;

        if (atomic_compare_exchange_weak(&faults->fail_at, &left, next)) {
            if (left == 1) {
                (void)atomic_fetch_add(&faults->n_failed, 1);
                errno = ENOMEM;
            }
            return left == 1;
        }
    }
    return false;
}

/* --- memory ----------------------------------------------------------------------------------- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    const void *caller = __builtin_return_address(0);

    return fails(is_in(MODULE_LIBCONFIG, caller)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    const void *caller = __builtin_return_address(0);

    return fails(is_in(MODULE_PROGRAM, caller) || is_in(MODULE_LIBCONFIG, caller))
               ? NULL
               : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    const void *caller = __builtin_return_address(0);

    return fails(is_in(MODULE_LIBUV, caller) || is_in(MODULE_LIBCONFIG, caller))
               ? NULL
               : __libc_realloc(old, size);
}

/* --- the disk --------------------------------------------------------------------------------- */

static bool is_full(int fd)
{
    struct stat st;

    if (faults == NULL || atomic_load(&faults->disk_full) == 0 || fstat(fd, &st) != 0 ||
        !S_ISREG(st.st_mode)) {
        return false;
    }
    (void)atomic_fetch_add(&faults->n_refused, 1);
    errno = ENOSPC;
    return true;
}

static bool is_broken(int fd)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    long long port = faults == NULL ? 0 : atomic_load(&faults->broken_port);

    if (port == 0 || getpeername(fd, (struct sockaddr *)&peer, &len) != 0 ||
        peer.sin_family != AF_INET || ntohs(peer.sin_port) != port) {
        return false;
    }
    (void)atomic_fetch_add(&faults->n_refused, 1);
    errno = EPIPE;
    return true;
}

ssize_t write(int fd, const void *data, size_t len)
{
    static ssize_t (*real)(int, const void *, size_t);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    }
    return is_full(fd) || is_broken(fd) ? -1 : real(fd, data, len);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    static ssize_t (*real)(int, const struct iovec *, int);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "writev");
    }
    return is_full(fd) || is_broken(fd) ? -1 : real(fd, parts, n);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    }
    return is_full(fd) ? -1 : real(fd, data, len, at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return pwrite64(fd, data, len, at);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificates.c - see certificates.h.
 */
#include "proxy/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#define PATH_BYTES 4200
#define SOON_DAYS  30 /* before a certificate expires that is said */

/* The files of the data directory. */
struct made_files {
    char ca[PATH_BYTES], cert[PATH_BYTES], key[PATH_BYTES];
};

static void name_files(struct made_files *f, const char *datadir)
{
    (void)snprintf(f->ca, sizeof(f->ca), "%.4095s/galeway-ca.pem", datadir);
    (void)snprintf(f->cert, sizeof(f->cert), "%.4095s/galeway-cert.pem", datadir);
    (void)snprintf(f->key, sizeof(f->key), "%.4095s/galeway-key.pem", datadir);
}

void certificates_init(struct certificates *c)
{
    *c = (struct certificates){.context = NULL};
    CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
}

void certificates_fini(struct certificates *c)
{
    tls_context_unref(c->context);
    mem_free(MEM_TLS, c->made_of);
    (void)pthread_mutex_destroy(&c->lock);
}

/* --- making them ------------------------------------------------------------------------------ */

struct made_file {
    const char *path, *text;
    mode_t mode;
    char
        fresh[PATH_BYTES + 8]; /* it is written under this name first: nobody may find half of it */
};

static int write_fresh(struct made_file *f)
{
    size_t len = strlen(f->text);
    int fd, rc = 0;

    (void)snprintf(f->fresh, sizeof(f->fresh), "%s.new", f->path);
    (void)unlink(f->fresh); /* of a start that did not end well */
    fd = open(f->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, f->mode);
    if (fd < 0) {
        return -errno;
    }
    errno = 0;
    if (write(fd, f->text, len) != (ssize_t)len || fsync(fd) != 0) {
        rc = errno != 0 ? -errno : ERR_FILE;
    }
    if (close(fd) != 0 && rc == 0) {
        rc = -errno;
    }
    return rc;
}

/* Names that were given before stay given, should the machine stop now. */
static int sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    if (fd < 0) {
        return -errno;
    }
    rc = fsync(fd) == 0 ? 0 : -errno;
    (void)close(fd);
    return rc;
}

/*
 * A key without a certificate is of a start that was cut off, or somebody's who waits for his
 * certificate: who knows may take it back.
 */
static int keep_old_key(const char *key)
{
    char old[PATH_BYTES + 8];

    (void)snprintf(old, sizeof(old), "%s.old", key);
    if (rename(key, old) != 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    log_warn(NULL, "%s had no certificate: it is %s now, and a new one is made", key, old);
    return 0;
}

/* The last one gets its name last: where it is, all are. *what: the path that it was about. */
static int write_all(struct made_file *files, size_t n, const char *datadir, const char **what)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        *what = files[i].path;
        rc = write_fresh(&files[i]);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        *what = datadir;
        rc = i + 1 == n ? sync_folder(datadir) : 0;
        if (rc != 0) {
            break;
        }
        *what = files[i].path;
        rc = rename(files[i].fresh, files[i].path) == 0 ? 0 : -errno;
    }
    for (size_t i = 0; i < n && rc != 0; i++) {
        (void)unlink(files[i].fresh);
    }
    return rc;
}

static int write_files(const struct made_files *f, const char *datadir, const char **what)
{
    char host[TLS_NAME_MAX] = "";
    struct tls_made made;
    int rc;

    *what = datadir;
    if (mkdir(datadir, 0750) != 0 && errno != EEXIST) {
        return -errno;
    }
    (void)gethostname(host, sizeof(host) - 1);
    *what = f->cert;
    rc = tls_make(&made, host);
    if (rc == 0) {
        struct made_file files[] = {{.path = f->key, .text = made.key, .mode = 0600},
                                    {.path = f->ca, .text = made.ca, .mode = 0644},
                                    {.path = f->cert, .text = made.cert, .mode = 0644}};

        *what = f->key;
        rc = keep_old_key(f->key);
        rc = rc != 0 ? rc : write_all(files, ARRAY_SIZE(files), datadir, what);
        tls_made_free(&made);
    }
    return rc;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/*
 * The files of the data directory are to be used: are they there, or can they be made? Without a
 * certificate the others are of a start that was cut off, and are made anew.
 */
static bool has_own_files(const struct certificates *c, const struct made_files *f,
                          const char *datadir, bool makes)
{
    bool are_in_use = c->made_of != NULL && strncmp(c->made_of, f->cert, strlen(f->cert)) == 0;
    const char *what;
    int rc;

    if (is_there(f->cert) || (are_in_use && is_there(f->key))) {
        return true; /* one without the other is an error that reading them finds */
    }
    if (!makes) {
        return false;
    }
    rc = write_files(f, datadir, &what);
    if (rc != 0) {
        log_warn(NULL, "clients are not offered TLS: cannot make %s: %s", what, err_text(rc));
        return false;
    }
    log_info(NULL, "made %s, its key and %s, which signs it: clients may check it with that",
             f->cert, f->ca);
    return true;
}

/* --- reading them ----------------------------------------------------------------------------- */

static char *describe(const struct tls_settings *s)
{
    size_t size = strlen(s->cert) + strlen(s->key) + strlen(s->ca) + strlen(s->crl) +
                  strlen(s->ciphers) + strlen(s->versions) + 32;
    char *text = mem_new(MEM_TLS, size);

    (void)snprintf(text, size, "%s\n%s\n%s\n%s\n%s\n%s\n%u %d", s->cert, s->key, s->ca, s->crl,
                   s->ciphers, s->versions, s->session_s, s->logs_keys);
    return text;
}

static void read_files(const struct conf *conf, const struct tls_settings *settings,
                       struct certificates_read *out, struct faults *faults)
{
    char why[TLS_WHY_MAX] = "";

    if (tls_context_new(&out->context, settings, why) != 0) {
        fault_error(faults, conf->n_files > 0 ? conf->files[0] : "", 0,
                    "mysql-have_ssl: clients cannot be offered TLS: %s", why);
    }
}

int certificates_read(const struct certificates *c, const struct conf *conf, bool again, bool makes,
                      struct certificates_read *out, struct faults *faults)
{
    const struct conf_vars *vars = &conf->vars;
    struct made_files own = {.ca = ""};
    struct tls_settings s = {.is_server = true,
                             .cert = vars->mysql_ssl_cert,
                             .key = vars->mysql_ssl_key,
                             .ca = vars->mysql_ssl_ca,
                             .ca_path = "",
                             .crl = vars->mysql_ssl_crl,
                             .crl_path = "",
                             .ciphers = vars->mysql_ssl_cipher,
                             .versions = vars->mysql_tls_version,
                             .session_s = (unsigned)vars->mysql_ssl_session_timeout,
                             .logs_keys = vars->admin_ssl_keylog_file[0] != '\0'};

    *out = (struct certificates_read){.context = NULL};
    if (!vars->mysql_have_ssl) {
        out->is_same = c->made_of == NULL;
        return 0;
    }
    if (s.cert[0] == '\0' && s.key[0] == '\0') {
        name_files(&own, conf->datadir);
        if (!has_own_files(c, &own, conf->datadir, makes)) {
            out->is_same = c->made_of == NULL;
            return 0;
        }
        s.cert = own.cert;
        s.key = own.key;
    }
    out->made_of = describe(&s);
    if (!again && c->made_of != NULL && strcmp(c->made_of, out->made_of) == 0) {
        out->is_same = true;
        return 0;
    }
    read_files(conf, &s, out, faults);
    if (out->context == NULL) {
        certificates_drop(out);
        return ERR_CONFIG;
    }
    return 0;
}

void certificates_drop(struct certificates_read *read)
{
    tls_context_unref(read->context);
    mem_free(MEM_TLS, read->made_of);
    *read = (struct certificates_read){.context = NULL};
}

/* --- using them ------------------------------------------------------------------------------- */

static void say_used(const struct certificates_read *read)
{
    int days;

    if (read->context == NULL) {
        log_info(NULL, "clients are not offered TLS");
        return;
    }
    days = tls_context_days(read->context);
    if (days < SOON_DAYS) {
        log_warn(NULL, "clients are offered TLS with %.*s, which %s",
                 (int)strcspn(read->made_of, "\n"), read->made_of,
                 days < 0 ? "has expired" : "expires within a month");
    } else {
        log_info(NULL, "clients are offered TLS with %.*s, good for %d days",
                 (int)strcspn(read->made_of, "\n"), read->made_of, days);
    }
}

void certificates_use(struct certificates *c, struct certificates_read *read)
{
    struct tls_context *old;

    if (read->is_same) {
        certificates_drop(read);
        return;
    }
    say_used(read);
    CHECK(pthread_mutex_lock(&c->lock) == 0);
    old = c->context;
    c->context = read->context;
    atomic_fetch_add(&c->changes, 1);
    CHECK(pthread_mutex_unlock(&c->lock) == 0);
    tls_context_unref(old);
    mem_free(MEM_TLS, c->made_of);
    c->made_of = read->made_of;
    *read = (struct certificates_read){.context = NULL};
}

void certificates_refresh(struct certificates *c, struct tls_context **context, unsigned *changes)
{
    if (atomic_load_explicit(&c->changes, memory_order_acquire) == *changes) {
        return;
    }
    tls_context_unref(*context);
    CHECK(pthread_mutex_lock(&c->lock) == 0);
    *context = tls_context_ref(c->context);
    *changes = atomic_load(&c->changes);
    CHECK(pthread_mutex_unlock(&c->lock) == 0);
}

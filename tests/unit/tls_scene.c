/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_scene.c - see tls_scene.h.
 */
#include "tests/unit/tls_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"

static void write_file(char path[96], const char *folder, const char *name, const char *text)
{
    FILE *f;

    (void)snprintf(path, 96, "%.60s/%s", folder, name);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

void tls_files_make(struct tls_files *f)
{
    struct tls_made made;

    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/galeway-tls-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(tls_make(&made, "db.example"), 0);
    write_file(f->ca, f->folder, "ca.pem", made.ca);
    write_file(f->cert, f->folder, "cert.pem", made.cert);
    write_file(f->key, f->folder, "key.pem", made.key);
    tls_made_free(&made);
    assert_null(made.key);
}

void tls_files_remove(struct tls_files *f)
{
    (void)unlink(f->ca);
    (void)unlink(f->cert);
    (void)unlink(f->key);
    assert_int_equal(rmdir(f->folder), 0);
}

static const struct tls_settings nothing = {.cert = "",
                                            .key = "",
                                            .ca = "",
                                            .ca_path = "",
                                            .crl = "",
                                            .crl_path = "",
                                            .ciphers = "",
                                            .versions = ""};

struct tls_settings tls_server_settings(const struct tls_files *f)
{
    struct tls_settings s = nothing;

    s.is_server = true;
    s.cert = f->cert;
    s.key = f->key;
    s.session_s = 300;
    return s;
}

struct tls_settings tls_client_settings(const struct tls_files *f)
{
    struct tls_settings s = nothing;

    s.ca = f->ca;
    return s;
}

struct tls_context *tls_must(const struct tls_settings *settings)
{
    struct tls_context *context = NULL;
    char why[TLS_WHY_MAX] = "";

    if (tls_context_new(&context, settings, why) != 0) {
        fail_msg("no context: %s", why);
    }
    return context;
}

const char *tls_must_not(const struct tls_settings *settings)
{
    static char why[TLS_WHY_MAX];
    struct tls_context *context = NULL;

    why[0] = '\0';
    assert_int_equal(tls_context_new(&context, settings, why), ERR_CONFIG);
    assert_null(context);
    return why;
}

static int sink(void *arg, const uint8_t *data, size_t len)
{
    struct tls_end *e = arg;

    assert_true(e->n_out + len <= sizeof(e->out));
    memcpy(e->out + e->n_out, data, len);
    e->n_out += len;
    return 0;
}

struct tls_pair *tls_pair_make(struct tls_context *server, struct tls_context *client,
                               const char *host)
{
    struct tls_pair *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->server.tls = tls_new(server, "");
    p->client.tls = tls_new(client, host);
    assert_non_null(p->server.tls);
    assert_non_null(p->client.tls);
    tls_use_sink(p->server.tls, sink, &p->server);
    tls_use_sink(p->client.tls, sink, &p->client);
    return p;
}

void tls_pair_free(struct tls_pair *p)
{
    tls_free(p->server.tls);
    tls_free(p->client.tls);
    free(p);
}

/* What comes behind the handshake: tickets, or an alert. */
static void read_on(struct tls *tls, int *rc)
{
    uint8_t none[16];
    int64_t n = tls_open(tls, none, sizeof(none));

    assert_true(n <= 0);
    *rc = (int)n;
}

/* What `from` has sent goes to `to`, a piece at a time. */
static void hand_over(struct tls_end *from, struct tls_end *to, size_t piece, int *rc)
{
    for (size_t at = 0; at < from->n_out && *rc >= 0;) {
        size_t n = MIN(piece, from->n_out - at);

        tls_give(to->tls, from->out + at, n);
        if (*rc == 1) {
            *rc = tls_shake(to->tls);
        }
        if (*rc == 0 && tls_has_input(to->tls)) {
            read_on(to->tls, rc);
        }
        tls_drop_input(to->tls);
        at += n;
    }
    from->n_out = 0;
}

void tls_pair_shake(struct tls_pair *p, size_t piece, int *server_rc, int *client_rc)
{
    *server_rc = 1;
    *client_rc = tls_shake(p->client.tls);
    for (unsigned i = 0; i < 10; i++) {
        if (p->client.n_out > 0 && *server_rc >= 0) {
            hand_over(&p->client, &p->server, piece, server_rc);
        }
        if (p->server.n_out > 0 && *client_rc >= 0) {
            hand_over(&p->server, &p->client, piece, client_rc);
        }
    }
}

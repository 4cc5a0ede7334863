/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_audit.c - see console_audit.h.
 */
#include "admin/console_audit.h"

#include <ctype.h>

#include "base/clock.h"
#include "proxy/audit.h"
#include "router/digest.h"

#define CUT "..."

static const struct slice secret_words[] = {
    {"password", 8}, {"credential", 10}, {"mysql_users", 11}, {"secret", 6}, {"identified", 10}};

/* Behind the whole word that ends at p. */
static const char *word_end(const char *p, const char *end)
{
    while (p < end && (isalnum((unsigned char)*p) || *p == '_' || *p == '-')) {
        p++;
    }
    return p;
}

/* How much of it may be kept: all, or up to where something secret may follow. */
static size_t kept_length(struct slice text)
{
    const char *end = text.data + text.len;
    const char *cut = end;

    for (size_t i = 0; i < ARRAY_SIZE(secret_words); i++) {
        struct slice behind = slice_behind_nocase(text, secret_words[i]);

        if (behind.data != NULL) {
            const char *at = word_end(behind.data, end);

            cut = at < cut ? at : cut;
        }
    }
    if (text.len >= 4 && slice_eq_nocase((struct slice){text.data, 4}, SLICE("SET "))) {
        const char *equals = memchr(text.data, '=', text.len);

        cut = equals != NULL && equals < cut ? equals + 1 : cut;
    }
    return (size_t)(cut - text.data);
}

size_t console_audit_statement(struct slice sql, char out[CONSOLE_AUDIT_STATEMENT_MAX])
{
    const size_t room = CONSOLE_AUDIT_STATEMENT_MAX - (sizeof(CUT) - 1);
    size_t len = digest_text(sql, FACTS_NO_BACKSLASH_ESCAPES, out, room, NULL);
    size_t kept = kept_length((struct slice){out, len});

    if (kept < len || len == room) { /* it was cut there */
        memcpy(out + kept, CUT, sizeof(CUT) - 1);
        kept += sizeof(CUT) - 1;
    }
    return kept;
}

static const char *user_of(const struct console_client *c)
{
    return c->has_session ? c->session.user : "";
}

static void write_event(const struct console_client *c, struct audit_event e)
{
    struct galeway *g = c->core->galeway;
    char client[AUDIT_NAME_MAX], proxy[AUDIT_NAME_MAX];

    audit_socket_name(&c->stream.u.uv, true, client, sizeof(client));
    audit_socket_name(&c->stream.u.uv, false, proxy, sizeof(proxy));
    e.thread_id = c->id;
    e.is_tls = c->stream.tls != NULL;
    e.client_addr = slice_of(client);
    e.proxy_addr = slice_of(proxy);
    e.now_us = clock_unix_us();
    e.age_us = (uv_now(c->core->streams.uv) - c->created_ms) * 1000;
    e.schemaname = slice_of(c->has_session ? c->session.schema : "");
    audit_write(g, &e);
}

void console_audit(const struct console_client *c, enum console_audit what, const char *user,
                   const char *extra_info)
{
    static const char *const names[] = {
        [CONSOLE_AUDIT_CONNECT_OK] = "Admin_Connect_OK",
        [CONSOLE_AUDIT_CONNECT_ERR] = "Admin_Connect_ERR",
        [CONSOLE_AUDIT_QUIT] = "Admin_Quit",
        [CONSOLE_AUDIT_CLOSE] = "Admin_Close",
    };

    if (audit_is_on(c->core->galeway)) {
        write_event(c, (struct audit_event){
                           .event = names[what],
                           .username = slice_of(user != NULL ? user : user_of(c)),
                           .extra_info = slice_of(extra_info),
                           .has_age = what == CONSOLE_AUDIT_CLOSE,
                       });
    }
}

void console_audit_run(const struct console_client *c, struct slice sql, const struct reply *reply)
{
    char text[CONSOLE_AUDIT_STATEMENT_MAX];

    if (audit_is_on(c->core->galeway)) {
        size_t len = console_audit_statement(sql, text);

        write_event(c, (struct audit_event){
                           .event = "Admin_Statement",
                           .username = slice_of(user_of(c)),
                           .statement = {text, len},
                           .error = reply->kind == REPLY_ERROR ? reply->number : 0,
                       });
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * example.c - every variable that is acted on, with its unit, default, range and help.
 */
#include "conf/example.h"

#include <stdbool.h>

#include "conf/keys.h"

#define WRAP 96 /* columns of a comment */

static const char head[] =
    "# Galeway's configuration: libconfig, with ProxySQL's layout and names. A ProxySQL file "
    "works\n"
    "# as it is: what is not acted on yet gives a warning. `galeway --check -c FILE` says every\n"
    "# fault with file and line. @include \"path\" at the start of a line reads another file.\n"
    "#\n"
    "# This file is generated. Every setting in it is a comment and shows its default.\n"
    "\n"
    "#datadir=\"/var/lib/galeway\"\n";

static const char rows[] =
    "\n"
    "# Database servers. A node may be in several hostgroups. port is 0 or left out when address "
    "is\n"
    "# the path of a unix socket. status: ONLINE, SHUNNED, OFFLINE_SOFT, OFFLINE_HARD.\n"
    "#mysql_servers=\n"
    "#(\n"
    "#    { address=\"10.0.0.1\"; port=3306; hostgroup=10; weight=3; max_connections=100; },\n"
    "#    { address=\"10.0.0.2\"; port=3306; hostgroup=10; weight=2; max_connections=100; },\n"
    "#    { address=\"10.0.0.3\"; port=3306; hostgroup=10; weight=1; max_connections=100;\n"
    "#      status=\"ONLINE\"; comment=\"third node\"; }\n"
    "#)\n"
    "\n"
    "# Who may log in. password: in clear, as * and 40 hex digits (mysql_native_password), or as\n"
    "# $A$005$... (caching_sha2_password). default_hostgroup: where statements go that no rule\n"
    "# sends elsewhere. max_connections: clients of this user at a time.\n"
    "#mysql_users=\n"
    "#(\n"
    "#    { username=\"site1\"; password=\"secret\"; default_hostgroup=10; active=1;\n"
    "#      default_schema=\"\"; max_connections=10000; comment=\"\"; }\n"
    "#)\n"
    "\n"
    "# A Galera cluster: its servers are those of its four hostgroups. The max_writers of highest\n"
    "# weight write; without a monitor only those of writer_hostgroup. Who reads is up to\n"
    "# writer_is_also_reader: 0 or 2 = those that do not write, 1 = all. The four must differ.\n"
    "#mysql_galera_hostgroups=\n"
    "#(\n"
    "#    { writer_hostgroup=10; backup_writer_hostgroup=11; reader_hostgroup=12;\n"
    "#      offline_hostgroup=13; active=1; max_writers=1; writer_is_also_reader=2;\n"
    "#      max_transactions_behind=100; }\n"
    "#)\n"
    "\n"
    "# What is to be done with statements, by rule_id. A rule looks at username, schemaname, "
    "flagIN,\n"
    "# client_addr (% at its end), proxy_addr, proxy_port, digest, match_digest (the statement "
    "with ?\n"
    "# for literals), match_pattern (the statement). Reads and writes are told apart without "
    "rules.\n"
    "#mysql_query_rules=\n"
    "#(\n"
    "#    { rule_id=10; active=1; username=\"report\"; destination_hostgroup=12; apply=1; },\n"
    "#    { rule_id=20; active=1; match_digest=\"^SELECT SLEEP\"; error_msg=\"not here\"; apply=1; "
    "},\n"
    "#    { rule_id=30; active=1; match_pattern=\"old_(\\\\w+)\"; replace_pattern=\"new_\\\\1\";\n"
    "#      re_modifiers=\"CASELESS,GLOBAL\"; }\n"
    "#)\n"
    "\n"
    "# Whole users or schemas elsewhere, any number of them; looked up when no rule with apply=1\n"
    "# matched.\n"
    "#mysql_query_rules_fast_routing=\n"
    "#(\n"
    "#    { username=\"site1\"; schemaname=\"site1\"; flagIN=0; destination_hostgroup=10; "
    "comment=\"\"; }\n"
    "#)\n";

static void write_help(FILE *out, const char *help)
{
    size_t column = 0;

    while (*help != '\0') {
        size_t n = strcspn(help, " ");

        if (column == 0 || column + 1 + n > WRAP) {
            column = (size_t)fprintf(out, "%s    #", column == 0 ? "" : "\n") - 1;
        }
        column += 1 + n;
        (void)fprintf(out, " %.*s", (int)n, help);
        help += n;
        help += *help == ' ' ? 1 : 0;
    }
    (void)fputc('\n', out);
}

static void write_key(FILE *out, const struct key *key)
{
    bool quoted = key->type == KEY_STRING || key->type == KEY_CHOICE;
    const char *quote = quoted ? "\"" : "";
    char allowed[512];

    (void)key_allowed(key, allowed, sizeof(allowed));
    (void)fputc('\n', out);
    write_help(out, key->help);
    (void)fprintf(out, "    # %s. A change counts: %s.\n", allowed, key_reload_text(key));
    (void)fprintf(out, "    #%s=%s%s%s\n", key->short_name, quote, key->preset, quote);
}

static void write_group(FILE *out, const char *group)
{
    (void)fprintf(out, "\n%s_variables=\n{", group);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct key *key = key_at((enum key_id)i);

        if (key_is_acted_on(key) && strcmp(key->group, group) == 0) {
            write_key(out, key);
        }
    }
    (void)fputs("}\n", out);
}

void conf_write_example(FILE *out)
{
    (void)fputs(head, out);
    write_group(out, "mysql");
    write_group(out, "admin");
    (void)fputs(rows, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manual.c - see manual.h.
 */
#include "conf/manual.h"

#include <inttypes.h>
#include <string.h>

#include "conf/columns.h"
#include "conf/keys.h"

#define WRAP 78 /* columns of the source */

static const char head[] =
    ".\\\" SPDX-License-Identifier: Apache-2.0\n"
    ".\\\" Generated: see conf/README.md. Do not edit.\n"
    ".Dd November 22, 2026\n"
    ".Dt GALEWAY.CNF 5\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm galeway.cnf\n"
    ".Nd configuration of the MySQL proxy Galeway\n"
    ".Sh DESCRIPTION\n"
    "The file is read by\n"
    ".Xr galeway 8\n"
    "at its start and on\n"
    ".Dv SIGHUP .\n"
    "It is in the syntax of libconfig and has the layout and the names of\n"
    "ProxySQL's file, which works as it is:\n"
    "what is not acted on gives a warning.\n"
    ".Bd -literal -offset indent\n"
    "datadir=\"/var/lib/galeway\"\n"
    "mysql_variables=\n"
    "{\n"
    "    interfaces=\"0.0.0.0:6033;/run/galeway/galeway.sock\"\n"
    "    monitor_username=\"monitor\"\n"
    "    monitor_password=\"secret\"\n"
    "}\n"
    "mysql_galera_hostgroups=\n"
    "(\n"
    "    { writer_hostgroup=10; backup_writer_hostgroup=11;\n"
    "      reader_hostgroup=12; offline_hostgroup=13; }\n"
    ")\n"
    "mysql_servers=\n"
    "(\n"
    "    { address=\"10.0.0.1\"; hostgroup=10; },\n"
    "    { address=\"10.0.0.2\"; hostgroup=10; },\n"
    "    { address=\"10.0.0.3\"; hostgroup=10; }\n"
    ")\n"
    "mysql_users=\n"
    "(\n"
    "    { username=\"site1\"; password=\"secret\"; default_hostgroup=10; }\n"
    ")\n"
    ".Ed\n"
    ".Pp\n"
    "A line that begins with\n"
    ".Ql #\n"
    "is a comment, one that begins with\n"
    ".Ql @include \"path\"\n"
    "reads another file, whose path counts from the folder of this one.\n"
    "Texts are quoted; numbers and booleans may be.\n"
    "Unknown names are errors.\n"
    "Each fault is told with its file and line,\n"
    "and a file that has one changes nothing;\n"
    ".Nm galeway Fl -check\n"
    "tells them without a start.\n"
    ".Pp\n"
    ".Ic datadir\n"
    "names the folder of the console's database\n"
    ".Pa ( galeway.db )\n"
    "and of certificates that are made at the first start; the default is\n"
    ".Pa /var/lib/galeway .\n"
    "What was saved in that database on the console counts more than this file,\n"
    "section by section.\n"
    ".Pp\n"
    "The file has passwords: nobody but the server's group should be able to read it.\n";

static const char tail[] = ".Sh FILES\n"
                           ".Bl -tag -width Ds\n"
                           ".It Pa /etc/galeway.cnf\n"
                           "where the service looks for it\n"
                           ".El\n"
                           ".Sh SEE ALSO\n"
                           ".Xr galeway 8\n";

/* A word at the start of a line must not be taken for a request. */
static void write_word(FILE *out, const char *word, size_t n, bool at_start)
{
    if (at_start && (word[0] == '.' || word[0] == '\'')) {
        (void)fputs("\\&", out);
    }
    for (size_t i = 0; i < n; i++) {
        const char *escaped = word[i] == '\\' ? "\\e" : word[i] == '-' ? "\\-" : NULL;

        if (escaped != NULL) {
            (void)fputs(escaped, out);
        } else {
            (void)fputc(word[i], out);
        }
    }
}

/* Filled lines; a new one for each sentence, as mdoc wants it. */
static void write_text(FILE *out, const char *text)
{
    size_t column = 0;
    bool ends = false; /* a sentence */

    while (*text != '\0') {
        size_t n = strcspn(text, " ");

        if (column > 0 && (ends || column + 1 + n > WRAP)) {
            (void)fputc('\n', out);
            column = 0;
        } else if (column > 0) {
            (void)fputc(' ', out);
            column++;
        }
        write_word(out, text, n, column == 0);
        column += n;
        ends = n > 0 && text[n - 1] == '.';
        text += n;
        text += strspn(text, " ");
    }
    (void)fputc('\n', out);
}

static void write_key(FILE *out, const struct key *key)
{
    const char *quote = key->type == KEY_STRING || key->type == KEY_CHOICE ? "\"" : "";
    char allowed[512], text[2048];

    (void)key_allowed(key, allowed, sizeof(allowed));
    (void)snprintf(text, sizeof(text), "%s Default: %s%s%s. Values: %s. A change counts: %s.",
                   key->help, quote, key->preset, quote, allowed, key_reload_text(key));
    (void)fprintf(out, ".It Va %s\n", key->short_name);
    write_text(out, text);
}

static void write_group(FILE *out, const char *group)
{
    (void)fprintf(out, ".Ss %s_variables\n.Bl -tag -width Ds\n", group);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct key *key = key_at((enum key_id)i);

        if (key_is_acted_on(key) && strcmp(key->group, group) == 0) {
            write_key(out, key);
        }
    }
    (void)fputs(".El\n", out);
}

static void write_allowed(FILE *out, const struct column *column)
{
    switch (column->type) {
    case COL_TEXT: (void)fprintf(out, "text of up to %" PRId64 " bytes", column->max); break;
    case COL_BOOL: (void)fputs("0 or 1", out); break;
    case COL_INT:
    case COL_I64:
    case COL_U32:
    case COL_U16:
    case COL_U8: (void)fprintf(out, "%" PRId64 " to %" PRId64, column->min, column->max); break;
    case COL_WORD: (void)fprintf(out, "one of %s", column->words); break;
    case COL_DIGEST: (void)fputs("0x and hexadecimal digits", out); break;
    case COL_MODIFIERS: (void)fputs("CASELESS, GLOBAL or both, with a comma", out); break;
    }
}

static void write_column(FILE *out, const struct table *table, const struct column *column)
{
    const struct column *first = &table->columns[column_first(table, column)];

    (void)fprintf(out, ".It Va %s\n", column->name);
    if (first != column) {
        (void)fprintf(out, "another name of\n.Va %s\n", first->name);
        return;
    }
    write_allowed(out, column);
    if (column->preset == NULL) {
        (void)fputs("; must be given\n", out);
    } else if (column->preset == column_null) {
        (void)fputs("; left out: any, or nothing\n", out);
    } else {
        (void)fprintf(out, "; default %s\n", column->preset[0] != '\0' ? column->preset : "empty");
    }
}

static void write_table(FILE *out, const struct table *table)
{
    (void)fprintf(out, ".Ss %s\n.Bl -tag -width Ds -compact\n", table->name);
    for (size_t i = 0; i < table->n_columns; i++) {
        write_column(out, table, &table->columns[i]);
    }
    (void)fputs(".El\n", out);
}

void conf_write_manual(FILE *out)
{
    const struct table *table;

    (void)fputs(head, out);
    (void)fputs(".Sh VARIABLES\n"
                "On the console a variable has the name of its section before its own:\n"
                ".Va mysql-threads .\n",
                out);
    write_group(out, "mysql");
    write_group(out, "admin");
    (void)fputs(".Sh TABLES\n"
                "Lists of groups, each with the columns of ProxySQL's table of that name.\n"
                "A warning names those that are not acted on.\n",
                out);
    for (size_t i = 0; (table = table_at(i)) != NULL; i++) {
        if (!table->later) {
            write_table(out, table);
        }
    }
    (void)fputs(tail, out);
}

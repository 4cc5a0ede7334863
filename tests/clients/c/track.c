/* SPDX-License-Identifier: Apache-2.0 */
/*
 * track.c - MariaDB Connector/C: prints what the server says of the session after each statement.
 */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

static void print_changes(MYSQL *db)
{
    for (int type = SESSION_TRACK_BEGIN; type <= SESSION_TRACK_END; type++) {
        const char *text;
        size_t len;

        if (mysql_session_track_get_first(db, (enum enum_session_state_type)type, &text, &len) !=
            0) {
            continue;
        }
        do {
            printf("  %d: %.*s\n", type, (int)len, text);
        } while (
            mysql_session_track_get_next(db, (enum enum_session_state_type)type, &text, &len) == 0);
    }
}

static void run(MYSQL *db, const char *sql)
{
    MYSQL_RES *result;

    printf("%s\n", sql);
    if (mysql_query(db, sql) != 0) {
        printf("  error %u\n", mysql_errno(db));
        return;
    }
    result = mysql_store_result(db);
    if (result != NULL) {
        printf("  %llu rows\n", (unsigned long long)mysql_num_rows(result));
        mysql_free_result(result);
    }
    print_changes(db);
}

int main(void)
{
    static const char *const statements[] = {
        "SET time_zone='+01:00'",
        "SET NAMES latin1",
        "SET sql_mode=''",
        "SET session_track_system_variables='sql_mode', session_track_transaction_info='STATE'",
        "SET sql_mode='ANSI', time_zone='SYSTEM'",
        "BEGIN",
        "CREATE TEMPORARY TABLE x (a INT)",
        "INSERT INTO x VALUES (1)",
        "SELECT * FROM x",
        "COMMIT",
        "USE information_schema",
        "SET session_track_schema=0, session_track_state_change=1",
        "USE information_schema",
        "SET @a=1",
        "SELECT @@session_track_system_variables",
        "nonsense",
    };
    MYSQL *db = mysql_init(NULL);

    if (db == NULL ||
        mysql_real_connect(db, getenv("DB_HOST"), getenv("DB_USER"), getenv("DB_PASSWORD"),
                           getenv("DB_NAME"), (unsigned)atoi(getenv("DB_PORT")), NULL, 0) == NULL) {
        fprintf(stderr, "no connection: %s\n", db == NULL ? "" : mysql_error(db));
        return 1;
    }
    printf("login\n");
    print_changes(db);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        run(db, statements[i]);
    }
    printf("reset %d\n", mysql_reset_connection(db));
    print_changes(db);
    printf("select_db %d\n", mysql_select_db(db, "information_schema"));
    print_changes(db);
    mysql_close(db);
    return 0;
}

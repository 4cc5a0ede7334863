/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_admin.c - any bytes as a statement on the console; the first byte says who: even = an
 * administrator, odd = a statistics user.
 *
 * What must hold: the process lives, the answer is well formed, no transaction stays open, a
 * statistics user changes nothing. Statements that name files or end the process are left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "admin/reply.h"
#include "admin/store_data.h"
#include "base/mem.h"
#include "proxy/galeway.h"

#define FOLDER  "build/fuzz/admin-data" /* run.sh is in the root of the tree */
#define SQL_MAX 4096
#define TIDY_UP 500 /* inputs after which the tables are as at the start */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct galeway galeway;
static struct store *store;
static struct store_session admin, guest;
static unsigned n_inputs;

static const char config[] =
    "datadir=\"" FOLDER "\"\n"
    "mysql_servers=( { address=\"127.0.0.1\"; port=3306; hostgroup=10 } )\n"
    "mysql_galera_hostgroups=( { writer_hostgroup=10; backup_writer_hostgroup=11; "
    "reader_hostgroup=12; offline_hostgroup=13 } )\n"
    "mysql_users=( { username=\"wp\"; password=\"secret\"; default_hostgroup=10 } )\n"
    "mysql_query_rules=( { rule_id=1; active=1; match_digest=\"^SELECT\"; apply=1 } )\n";

static void begin(void)
{
    static const char path[] = FOLDER "/fuzz.cnf";
    struct faults faults = {0};
    FILE *file;

    (void)mkdir("build", 0755);
    (void)mkdir("build/fuzz", 0755);
    (void)mkdir(FOLDER, 0755);
    file = fopen(path, "w");
    CHECK(file != NULL && fputs(config, file) >= 0 && fclose(file) == 0);
    nodes_init(&galeway.nodes);
    accounts_init(&galeway.accounts);
    CHECK(pthread_mutex_init(&galeway.snapshot_lock, NULL) == 0);
    CHECK(galeway_load(&galeway, path, &faults) == 0);
    faults_fini(&faults);
    CHECK(store_open(&store, &galeway, path) == 0);
    store_session_init(&admin, "admin", true);
    store_session_init(&guest, "stats", false);
}

static bool names(const char *sql, const char *word)
{
    return strcasestr(sql, word) != NULL;
}

static void check_reply(const struct reply *reply)
{
    CHECK(reply->kind <= REPLY_ROWS);
    if (reply->kind == REPLY_ERROR) {
        CHECK(reply->number != 0 && strlen(reply->sqlstate) == 5 && reply->message != NULL);
    } else if (reply->kind == REPLY_ROWS) {
        CHECK(reply->n_columns > 0 && reply->n_values % reply->n_columns == 0);
    }
}

static void run(struct store_session *who, const char *sql)
{
    struct reply reply = {0};

    store_run(store, who, slice_of(sql), &reply);
    check_reply(&reply);
    CHECK(sqlite3_get_autocommit(store->db) != 0 && store->is_internal == 0);
    reply_fini(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char sql[SQL_MAX];

    if (store == NULL) {
        begin();
    }
    if (size < 2 || size > sizeof(sql)) {
        return 0;
    }
    memcpy(sql, data + 1, size - 1);
    sql[size - 1] = '\0';
    if (names(sql, "file") || names(sql, "shutdown") || names(sql, "kill")) {
        return 0;
    }
    if ((data[0] & 1) != 0) {
        store->write_table[0] = '\0';
        run(&guest, sql);
        CHECK(store->write_table[0] == '\0'); /* not even allowed to */
    } else {
        run(&admin, sql);
    }
    if (++n_inputs % TIDY_UP == 0) {
        run(&admin, "GALEWAY READWRITE");
        run(&admin, "LOAD CONFIG FROM CONFIG");
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_check.h - CHECK CLUSTER: what a farm needs of its nodes, tried on them.
 *
 *   cluster_check.c   the job: asks node by node, then judges; not on the console's thread
 *   check_ask.c       what one node says, over a short-lived follow_link with the monitor's account
 *   check_judge.c     what differs, what is missing (pure)
 */
#ifndef ADMIN_CLUSTER_CHECK_H
#define ADMIN_CLUSTER_CHECK_H

#include "admin/cluster_view.h"
#include "admin/reply.h"

#define CHECK_MS        10000 /* for all of it */
#define CHECK_STEP_MS   2000  /* for an answer of a node */
#define CHECK_TEXT_MAX  512
#define CHECK_USERS_MAX 100000

enum check_result { CHECK_GOOD, CHECK_WARNING, CHECK_ERROR };

/*
 * What is asked for: code, name on the node, what it must be (NULL = the same on all), only of
 * Galera nodes, what it is when it is not so, why that matters.
 */
/* clang-format off */
#define CHECK_VALUES(X) \
    X(VALUE_VERSION, "version", NULL, false, CHECK_WARNING, "statements may mean different things") \
    X(VALUE_PROVIDER, "wsrep_provider_version", NULL, true, CHECK_WARNING, "only while the nodes are upgraded one by one") \
    X(VALUE_CHARSET, "character_set_server", NULL, false, CHECK_ERROR, "new sessions differ from node to node") \
    X(VALUE_COLLATION, "collation_server", NULL, false, CHECK_ERROR, "new sessions differ from node to node") \
    X(VALUE_SQL_MODE, "sql_mode", NULL, false, CHECK_ERROR, "the same statement may fail on one node only") \
    X(VALUE_LOWER_CASE, "lower_case_table_names", NULL, false, CHECK_ERROR, "a table may not be found on one node") \
    X(VALUE_TIME_ZONE, "time_zone", NULL, false, CHECK_ERROR, "NOW() differs from node to node") \
    X(VALUE_PACKET, "max_allowed_packet", NULL, false, CHECK_WARNING, "a large statement may fail on one node only") \
    X(VALUE_ENGINE, "default_storage_engine", "InnoDB", true, CHECK_ERROR, "other tables are not replicated") \
    X(VALUE_AUTOINC, "innodb_autoinc_lock_mode", "2", true, CHECK_ERROR, "write sets that are applied at once would deadlock") \
    X(VALUE_BINLOG, "binlog_format", "ROW", true, CHECK_ERROR, "Galera replicates rows") \
    X(VALUE_FLUSH, "innodb_flush_log_at_trx_commit", NULL, true, CHECK_WARNING, "one node may lose its last second") \
    X(VALUE_APPLIERS, "wsrep_slave_threads", NULL, true, CHECK_WARNING, "the slowest applier slows all writers") \
    X(VALUE_SYNC_WAIT, "wsrep_sync_wait", NULL, true, CHECK_WARNING, "reads wait on one node and not on another") \
    X(VALUE_OSU, "wsrep_OSU_method", NULL, true, CHECK_WARNING, "DDL acts differently from node to node") \
    X(VALUE_AUTO_CONTROL, "wsrep_auto_increment_control", "ON", true, CHECK_WARNING, "offsets must be kept apart by hand") \
    X(VALUE_ON, "wsrep_on", "ON", true, CHECK_ERROR, "what is written there stays there")
/* clang-format on */

enum check_value {
#define X(code, name, wanted, galera, result, why) code,
    CHECK_VALUES(X)
#undef X
        CHECK_VALUE_COUNT
};

struct check_user {
    char *name, *what; /* owned: what = a hash of password, plugin and rights on all hosts */
};

/* What one node said. */
struct check_facts {
    const char *node;           /* borrowed: "10.0.0.1:3306" */
    char fault[CHECK_TEXT_MAX]; /* "" = it has answered */
    bool is_writer;
    char values[CHECK_VALUE_COUNT][CHECK_TEXT_MAX]; /* "" = it has no such variable */
    uint64_t max_connections;
    uint64_t pool_limit; /* of Galeway */
    int64_t skew_ms;     /* its clock less ours */
    /* users */
    struct check_user *users; /* owned, by name */
    size_t n_users;
    char users_fault[CHECK_TEXT_MAX]; /* "" = users is valid */
    /* the probe: a row written on the writer */
    char probe_fault[CHECK_TEXT_MAX];
    bool has_probe;
    bool probe_is_right;          /* error of rights: say what to grant */
    uint64_t probe_ms;            /* until it was read here */
    char account[CHECK_TEXT_MAX]; /* whom the node takes the monitor for: 'monitor'@'%' */
};

void check_facts_fini(struct check_facts *facts);

/* One cluster's facts and what is to be compared with them. */
struct check_input {
    int hostgroup;
    bool is_galera;
    size_t n;
    const struct check_facts *facts;
    const struct conf *conf; /* its users must be on all nodes */
};

/* check_judge - appends rows (hostgroup, check, result, detail). Any thread. */
void check_judge(const struct check_input *in, struct reply *out);

/* --- check_ask.c: blocks */

struct check_ask {
    const struct node *node;
    const char *user, *password; /* the monitor's */
    uint64_t until_ms;           /* clock_now_ms() */
};

struct follow_link;

/* check_connect - NULL: facts->fault says why. */
struct follow_link *check_connect(const struct check_ask *question, struct check_facts *facts);
void check_close(struct follow_link *link);

/* check_read - values, limits, clock, users. */
void check_read(struct follow_link *link, bool is_galera, struct check_facts *facts);

/*
 * check_probe_write - a row with this mark; check_probe_read - wait until it is there. facts: of
 * the node.
 */
void check_probe_write(struct follow_link *link, uint64_t mark, struct check_facts *facts);
void check_probe_read(struct follow_link *link, uint64_t mark, struct check_facts *facts);

/* --- cluster_check.c */

/*
 * cluster_check_job - of all clusters, or of the one with this hostgroup (-1 = all); NULL = there
 * is none.
 */
struct reply_job *cluster_check_job(struct galeway *g, int hostgroup);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster_check.c - see cluster_check.h: the job behind CHECK CLUSTER.
 */
#include "admin/cluster_check.h"

#include "admin/command.h"
#include "base/clock.h"
#include "base/mem.h"

struct check_job {
    struct reply_job base;
    struct galeway *galeway; /* borrowed: outlives the console */
    struct conf *conf;       /* a reference */
    int hostgroup;           /* -1 = all */
};

/* One cluster that is being asked. */
struct asking {
    const struct check_job *job;
    const struct cluster_view *view;
    uint64_t until_ms;
    struct check_facts *facts;  /* owned: one for each node */
    struct follow_link **links; /* owned: NULL = it did not answer */
};

static bool goes_on(const struct asking *a)
{
    return !atomic_load(&a->job->base.is_abandoned) && clock_now_ms() < a->until_ms;
}

static void ask_node(struct asking *a, size_t i)
{
    const struct cluster_node *n = &a->view->nodes[i];
    const struct check_ask question = {.node = n->node,
                                       .user = a->job->conf->vars.mysql_monitor_username,
                                       .password = a->job->conf->vars.mysql_monitor_password,
                                       .until_ms = goes_on(a) ? a->until_ms : 0};
    struct check_facts *facts = &a->facts[i];

    facts->node = n->node->text;
    facts->pool_limit = atomic_load(&n->node->shared.max_connections);
    facts->is_writer = strcmp(cluster_role_word(a->view, n), "writer") == 0;
    a->links[i] = check_connect(&question, facts);
    if (a->links[i] != NULL) {
        check_read(a->links[i], a->view->is_galera, facts);
    }
}

/* One writer writes; then all others must have it. */
static void probe(struct asking *a)
{
    uint64_t mark = clock_unix_us();
    size_t writer = a->view->n;

    for (size_t i = 0; i < a->view->n; i++) {
        if (a->facts[i].is_writer && a->links[i] != NULL && writer == a->view->n) {
            writer = i;
        }
    }
    if (writer == a->view->n || !goes_on(a)) {
        return;
    }
    check_probe_write(a->links[writer], mark, &a->facts[writer]);
    for (size_t i = 0; i < a->view->n && a->facts[writer].has_probe; i++) {
        if (i != writer && a->links[i] != NULL && goes_on(a)) {
            check_probe_read(a->links[i], mark, &a->facts[i]);
            a->facts[i].is_writer = false; /* of several writers this one reads */
        }
    }
}

static void check_one(const struct check_job *job, const struct cluster_view *view,
                      uint64_t until_ms, struct reply *out)
{
    struct asking a = {.job = job, .view = view, .until_ms = until_ms};
    struct check_input in = {
        .hostgroup = view->writer, .is_galera = view->is_galera, .n = view->n, .conf = job->conf};

    a.facts = mem_new(MEM_ADMIN, MAX(view->n, (size_t)1) * sizeof(*a.facts));
    a.links = mem_new(MEM_ADMIN, MAX(view->n, (size_t)1) * sizeof(struct follow_link *));
    for (size_t i = 0; i < view->n; i++) {
        ask_node(&a, i);
    }
    if (view->is_galera) {
        probe(&a);
    }
    in.facts = a.facts;
    check_judge(&in, out);
    for (size_t i = 0; i < view->n; i++) {
        check_close(a.links[i]);
        check_facts_fini(&a.facts[i]);
    }
    mem_free(MEM_ADMIN, a.links);
    mem_free(MEM_ADMIN, a.facts);
}

static void run_job(struct reply_job *base, struct reply *out)
{
    static const char *const columns[] = {"hostgroup", "check", "result", "detail"};
    const struct check_job *job = CONTAINER_OF(base, struct check_job, base);
    uint64_t until_ms = clock_now_ms() + CHECK_MS;
    struct cluster_view *view;

    reply_columns(out, ARRAY_SIZE(columns), columns);
    for (size_t i = 0; (view = cluster_view_new(job->galeway, job->conf, i)) != NULL; i++) {
        if (job->hostgroup < 0 || cluster_has_hostgroup(view, job->hostgroup)) {
            check_one(job, view, until_ms, out);
        }
        mem_free(MEM_ADMIN, view);
    }
}

static void free_job(struct reply_job *base)
{
    struct check_job *job = CONTAINER_OF(base, struct check_job, base);

    conf_unref(job->conf);
    mem_free(MEM_ADMIN, job);
}

static bool is_there(struct galeway *g, const struct conf *conf, int hostgroup)
{
    struct cluster_view *view;
    bool found = false;

    for (size_t i = 0; !found && (view = cluster_view_new(g, conf, i)) != NULL; i++) {
        found = hostgroup < 0 || cluster_has_hostgroup(view, hostgroup);
        mem_free(MEM_ADMIN, view);
    }
    return found;
}

struct reply_job *cluster_check_job(struct galeway *g, int hostgroup)
{
    struct snapshot *snapshot = galeway_snapshot(g);
    struct check_job *job = NULL;

    if (is_there(g, snapshot->conf, hostgroup)) {
        job = mem_new(MEM_ADMIN, sizeof(*job));
        job->base.run = run_job;
        job->base.free = free_job;
        job->galeway = g;
        job->conf = conf_ref(snapshot->conf);
        job->hostgroup = hostgroup;
    }
    snapshot_unref(snapshot);
    return job == NULL ? NULL : &job->base;
}

/* --- the command ------------------------------------------------------------------------------ */

void command_check_cluster(struct run *run, size_t at)
{
    int64_t hostgroup = -1;
    struct reply_job *job;

    if (!words_at_end(&run->words, at) &&
        (!word_number(&run->words, at, &hostgroup) || hostgroup < 0 || hostgroup > INT32_MAX ||
         !words_at_end(&run->words, at + 1))) {
        command_syntax(run, at, "a hostgroup of a cluster, or the end of the command");
        return;
    }
    job = cluster_check_job(run->store->galeway, (int)hostgroup);
    if (job == NULL) {
        reply_error(run->reply, 1105, "HY000",
                    "There is no such cluster in mysql_galera_hostgroups or "
                    "mysql_replication_hostgroups");
        return;
    }
    reply_later(run->reply, job);
}

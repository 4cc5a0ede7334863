/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.c - see frame.h.
 */
#include "tests/fuzz/frame/frame.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "pool/cluster.h"
#include "pool/roles.h"
#include "protocol/caps.h"
#include "proxy/events_log.h"

#define START_US   UINT64_C(1000000000) /* where the clock begins */
#define ROUNDS_MAX 20000                /* a script is short: more is a loop */

static struct frame frame;
static struct galeway *galeway; /* large, and mostly not touched: pages of its own */
static struct worker *worker;
static struct conf *confs[FRAME_VARIANTS];
static char folder[32];
static uint16_t tcp_port;
static struct tls_context *tls_server;
static struct rsa_key *rsa;
static uint64_t blocks_before[MEM_KIND_COUNT];

static const char *const variants[FRAME_VARIANTS] = {
    /* little of everything, so that limits are reached */
    "threshold_query_length=1024;max_allowed_packet=65536;query_cache_auto=false;"
    "max_stmts_per_connection=2;stmts_per_client=3;min_idle_per_node=0;queue_max_length=2;",
    "query_cache_auto=true;query_cache_size_MB=1;enable_load_data_local_infile=true;",
    "multiplexing=false;max_allowed_packet=65536;threshold_query_length=1024;"
    "enable_load_data_local_infile=true;learn_answers=false;",
    "query_cache_auto=true;query_cache_size_MB=1;site_home_nodes=true;causal_window_ms=0;",
    "pending_connects_per_node=1;query_retries_on_failure=2;connection_max_age_ms=5000;"
    "idle_timeout_server_ms=1000;max_transaction_time=2000;wait_timeout=3000;"
    "default_query_timeout=2000;kill_backend_connection_when_disconnect=false;",
    "firewall_whitelist_enabled=false;query_cache_auto=true;query_cache_size_MB=1;"
    "query_digests_max_query_length=64;query_digests_max_digest_length=32;",
    /* FRAME_LOGINS */
    "proxy_protocol_networks=\"127.0.0.0/8\";client_host_error_counts=3;"
    "client_host_cache_size=4;max_connections_per_address=3;failed_login_delay_ms=100;"
    "max_connections=5;",
};

static const char login_users[] =
    ",{username=\"native\";password=\"*196BDEDE2AE4F84CA44C47D54D78478C7E2BD7B7\";" /* pass */
    "default_hostgroup=10;default_schema=\"s1\"},"
    "{username=\"tls\";password=\"pass\";default_hostgroup=10;use_ssl=1},"
    "{username=\"off\";password=\"pass\";default_hostgroup=10;active=0}";

static const char rules[] =
    "mysql_query_rules=("
    "{rule_id=1;active=1;match_pattern=\"delayed\";delay=50;apply=1},"
    "{rule_id=2;active=1;match_pattern=\"forbidden\";error_msg=\"no\";apply=1},"
    "{rule_id=3;active=1;match_pattern=\"answered\";OK_msg=\"yes\";apply=1},"
    "{rule_id=4;active=1;match_pattern=\"from t3\";replace_pattern=\"from t4\";apply=0},"
    "{rule_id=5;active=1;match_pattern=\"mirrored\";mirror_hostgroup=20;apply=0},"
    "{rule_id=6;active=1;match_pattern=\"limited\";timeout=500;apply=0},"
    "{rule_id=7;active=1;match_digest=\"^SELECT b\";cache_ttl=2000;apply=1},"
    "{rule_id=8;active=1;match_pattern=\"retried\";retries=3;apply=0})\n";

/* --- once in a process ------------------------------------------------------------------------ */

static void remove_folder(void)
{
    for (unsigned i = 0; i < FRAME_NODES; i++) {
        (void)unlink(frame.nodes[i].path);
    }
    (void)unlink(frame.client_path);
    (void)rmdir(folder);
}

/* A port that is free now, and stays so as long as nobody asks for it by number. */
static uint16_t find_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *a = (struct sockaddr *)(void *)&at;
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && bind(fd, a, len) == 0 && getsockname(fd, a, &len) == 0);
    (void)close(fd);
    return ntohs(at.sin_port);
}

void frame_tcp_address(struct sockaddr_in *out)
{
    *out = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons(tcp_port)};
}

static void write_file(char *path, size_t cap, const char *name, const char *text)
{
    FILE *file;

    (void)snprintf(path, cap, "%s/%s", folder, name);
    file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* Both ends of TLS, and a key for passwords without it: once, it takes a while. */
static void make_secrets(void)
{
    char cert[64], key[64], why[TLS_WHY_MAX];
    struct tls_settings s = {.is_server = true,
                             .cert = cert,
                             .key = key,
                             .ca = "",
                             .ca_path = "",
                             .crl = "",
                             .crl_path = "",
                             .ciphers = "",
                             .versions = "",
                             .session_s = 300};
    struct tls_made made;

    CHECK(tls_make(&made, "frame") == 0);
    write_file(cert, sizeof(cert), "cert", made.cert);
    write_file(key, sizeof(key), "key", made.key);
    tls_made_free(&made);
    CHECK(tls_context_new(&tls_server, &s, why) == 0);
    (void)unlink(cert);
    (void)unlink(key);
    s = (struct tls_settings){.cert = "",
                              .key = "",
                              .ca = "",
                              .ca_path = "",
                              .crl = "",
                              .crl_path = "",
                              .ciphers = "",
                              .versions = ""};
    CHECK(tls_context_new(&frame.tls, &s, why) == 0);
    rsa = rsa_key_new();
    CHECK(rsa != NULL);
    frame.rsa = rsa;
}

static struct conf *load(unsigned variant)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    char text[4096], port[32] = "";

    if (variant == FRAME_LOGINS) {
        (void)snprintf(port, sizeof(port), ";127.0.0.1:%u", tcp_port);
    }
    (void)snprintf(text, sizeof(text),
                   "datadir=\"%s\"\n"
                   "mysql_variables={interfaces=\"%s/client%s\";threads=1;have_ssl=false;"
                   "query_digests_max_entries=64;connect_timeout_server=1000;"
                   "connect_timeout_server_max=3000;shun_recovery_time_sec=1;%s}\n"
                   "mysql_servers=({address=\"%s\";port=0;hostgroup=10;max_connections=3},"
                   "{address=\"%s\";port=0;hostgroup=20;max_connections=3})\n"
                   "mysql_galera_hostgroups=({writer_hostgroup=10;backup_writer_hostgroup=30;"
                   "reader_hostgroup=20;offline_hostgroup=40;max_writers=1;"
                   "writer_is_also_reader=0})\n"
                   "mysql_users=({username=\"u0\";password=\"\";default_hostgroup=10},"
                   "{username=\"u1\";password=\"\";default_hostgroup=10;max_connections=2},"
                   "{username=\"u2\";password=\"pass\";default_hostgroup=10}%s)\n%s",
                   folder, folder, port, variants[variant], frame.nodes[0].path,
                   frame.nodes[1].path, variant == FRAME_LOGINS ? login_users : "",
                   variant == 4 || variant == 5 ? rules : "");
    if (conf_load_text(&conf, "frame", slice_of(text), &faults) != 0) {
        (void)fprintf(stderr, "variant %u: %s\n", variant,
                      faults.count > 0 ? faults.items[0].text : "?");
        abort();
    }
    faults_fini(&faults);
    return conf;
}

static void *new_pages(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(pages != MAP_FAILED);
    return pages;
}

static void begin_process(void)
{

    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(folder, sizeof(folder), "/tmp/galeway-frame-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    CHECK(atexit(remove_folder) == 0);
    for (unsigned i = 0; i < FRAME_NODES; i++) {
        (void)snprintf(frame.nodes[i].path, sizeof(frame.nodes[i].path), "%s/node%u", folder, i);
        frame.nodes[i].listener = -1;
    }
    for (unsigned i = 0; i < FRAME_LINKS; i++) {
        frame.links[i].fd = -1;
    }
    for (unsigned i = 0; i < FRAME_CLIENTS; i++) {
        frame.clients[i].fd = -1;
    }
    (void)snprintf(frame.client_path, sizeof(frame.client_path), "%s/client", folder);
    tcp_port = find_port();
    for (unsigned i = 0; i < FRAME_VARIANTS; i++) {
        confs[i] = load(i);
    }
    worker = new_pages(sizeof(*worker));
    galeway = new_pages(sizeof(*galeway));
    CHECK(log_open(getenv("FRAME_LOG") != NULL ? getenv("FRAME_LOG") : "/dev/null") == 0);
}

/* --- once for each input ---------------------------------------------------------------------- */

static void galeway_begin(struct galeway *g, struct conf *conf)
{
    struct faults faults = {0};

    CHECK(madvise(g, sizeof(*g), MADV_DONTNEED) == 0); /* zeros again */
    g->started_ms = 1;
    galeway_init(g);
    queue_init(&g->queue, 2, 4096);
    if (!conf->vars.mysql_query_cache_auto && conf->n_rules == 0) { /* large, and of no use */
        cache_free(g->cache);
        g->cache = NULL;
    }
    CHECK(galeway_apply(g, conf_ref(conf), &faults) == 0);
    faults_fini(&faults);
    atomic_store(&log_level_now, LOG_DEBUG);
    g->started = conf_ref(conf);
    g->n_workers = 1;
    atomic_store(&g->n_listening, 1);
}

static void galeway_end(struct galeway *g)
{
    g->rsa = NULL; /* the frame's */
    queue_fini(&g->queue);
    galeway_fini(g);
}

struct frame *frame_begin(unsigned variant, unsigned fail_at)
{
    struct frame *f = &frame;

    mem_fail_at(0);
    if (worker == NULL) {
        begin_process();
    }
    frame_clock_set(START_US);
    f->g = galeway;
    f->w = worker;
    f->n_marks = 0;
    f->n_opened = 0;
    f->has_silent = false;
    for (unsigned i = 0; i < FRAME_NODES; i++) {
        struct frame_node *n = &f->nodes[i];

        n->is_silent = n->is_bad = false;
        n->greeting = 0;
        n->n_plans = 0;
        frame_node_listen(n);
    }
    if (variant == FRAME_LOGINS && rsa == NULL) {
        make_secrets();
    }
    for (unsigned i = 0; i < MEM_KIND_COUNT; i++) {
        blocks_before[i] = mem_blocks((enum mem_kind)i);
    }
    galeway_begin(galeway, confs[variant]);
    if (variant == FRAME_LOGINS) {
        galeway->rsa = rsa;
        galeway->certificates.context = tls_context_ref(tls_server);
        atomic_fetch_add(&galeway->certificates.changes, 1);
    }
    CHECK(worker_init(worker, galeway, 0) == 0);
    mem_fail_at(fail_at);
    galeway->workers[0] = worker;
    galeway->pools[0] = &worker->pool;
    return f;
}

/* --- running ---------------------------------------------------------------------------------- */

static bool pump(struct frame *f)
{
    bool has_moved = false;

    uint64_t opened = stat_sum((struct stat_set *const[]){&f->w->stats}, 1, STAT_SERVERS_CREATED);

    for (unsigned i = 0; i < FRAME_NODES && (opened != f->n_opened || f->has_silent); i++) {
        while (frame_node_pump(f, i)) {
            has_moved = true;
        }
    }
    f->n_opened = opened;
    for (unsigned i = 0; i < FRAME_LINKS; i++) {
        has_moved |= f->links[i].fd >= 0 && frame_link_pump(f, &f->links[i]);
    }
    for (unsigned i = 0; i < FRAME_CLIENTS; i++) {
        has_moved |= f->clients[i].fd >= 0 && frame_client_pump(f, &f->clients[i]);
    }
    return has_moved;
}

/* Is there something that libuv would not wait for, or mail? */
static bool has_work(const struct frame *f)
{
    return uv_backend_timeout(&f->w->loop) == 0 || f->w->mailbox.first != NULL;
}

void frame_run(struct frame *f)
{
    unsigned rounds = 0;
    bool goes_on;

    do {
        uint64_t reads = f->w->streams.n_reads;

        (void)uv_run(&f->w->loop, UV_RUN_NOWAIT);
        goes_on = pump(f);
        goes_on |= f->w->streams.n_reads != reads || has_work(f);
        if (++rounds == ROUNDS_MAX) {
            (void)fprintf(stderr, "the loop does not come to rest\n");
            abort();
        }
    } while (goes_on);
}

void frame_pass(struct frame *f, uint64_t ms)
{
    uint64_t step = MAX(ms / 4, (uint64_t)1);

    while (ms > 0) {
        uint64_t n = MIN(step, ms);

        frame_clock_set(frame_clock_us() + n * 1000);
        ms -= n;
        frame_run(f);
    }
}

struct frame_client *frame_client_find(struct frame *f, unsigned n)
{
    for (unsigned i = 0; i < FRAME_CLIENTS; i++) {
        struct frame_client *c = &f->clients[(n + i) % FRAME_CLIENTS];

        if (c->fd >= 0) {
            return c;
        }
    }
    return NULL;
}

struct frame_link *frame_link_find(struct frame *f, unsigned n)
{
    for (unsigned i = 0; i < FRAME_LINKS; i++) {
        struct frame_link *link = &f->links[(n + i) % FRAME_LINKS];

        if (link->fd >= 0) {
            return link;
        }
    }
    return NULL;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void expect_zero(const char *what, uint64_t n)
{
    if (n != 0) {
        (void)fprintf(stderr, "not back to zero: %s is %llu\n", what, (unsigned long long)n);
        abort();
    }
}

static void expect_idle(struct frame *f)
{
    struct worker *w = f->w;

    expect_zero("clients", w->clients.count + (uint64_t)atomic_load(&f->g->n_clients));
    expect_zero("clients by id", w->clients_by_id.count + f->g->clients.accounts.count);
    expect_zero("clients that wait", w->waiting.count + w->warned.count + w->n_delayed);
    expect_zero("statements in the queue", atomic_load(&f->g->queue.n_waiting));
    expect_zero("bytes in the queue", atomic_load(&f->g->queue.n_bytes));
    expect_zero("server connections", w->pool.all.count);
    expect_zero("statements' texts", w->pool.stmt_texts.count);
    expect_zero("queued bytes", w->streams.queued_bytes);
    expect_zero("bytes gathered for the cache", w->gathering);
    expect_zero("questions about schemas", w->n_looks);
    expect_zero("connected clients",
                stat_sum((struct stat_set *const[]){&w->stats}, 1, STAT_CLIENTS_CONNECTED));
    expect_zero("connected servers",
                stat_sum((struct stat_set *const[]){&w->stats}, 1, STAT_SERVERS_CONNECTED));
    for (unsigned i = 0; i < atomic_load(&f->g->nodes.count); i++) {
        const struct node *n = f->g->nodes.items[i];

        expect_zero("connections of a node", atomic_load(&n->shared.n_connections));
        expect_zero("connections under way", atomic_load(&n->shared.n_connecting));
        expect_zero("lent connections", w->pool.per_node[i].n_lent);
        expect_zero("free connections", w->pool.per_node[i].free.count);
    }
    for (size_t i = 0; i < w->pool.n_traffic; i++) {
        expect_zero("connections in use", w->pool.traffic[i].used);
    }
}

static void expect_accounts_idle(struct frame *f)
{
    static const char *const names[] = {"u0", "u1", "u2"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct account *a = account_find(&f->g->accounts, slice_of(names[i]));

        CHECK(a != NULL);
        expect_zero("clients of an account", (uint64_t)atomic_load(&a->n_clients));
        expect_zero("connections of an account", (uint64_t)atomic_load(&a->n_servers));
    }
}

/* The kernel delivers what went over TCP as soon as it can, which is later on a busy machine. */
static bool tcp_may_come(const struct frame *f)
{
    return f->w->snapshot->balancers.n > 0 && f->w->clients.count > 0;
}

static void heal_nodes(struct frame *f)
{
    const struct roles roles = {.writers = 1, .readers = 2};
    struct cluster *cluster = cluster_get(&f->g->nodes, 10);

    for (unsigned i = 0; i < FRAME_NODES; i++) {
        struct node *n = f->g->nodes.items[i];

        f->nodes[i].n_plans = f->nodes[i].greeting = 0;
        f->nodes[i].is_silent = false;
        frame_node_listen(&f->nodes[i]);
        atomic_store(&n->shared.health, HEALTH_UP);
    }
    CHECK(cluster != NULL);
    cluster_publish(cluster, &roles, false);
    atomic_fetch_add(&f->g->nodes.n_changes, 1);
    worker_post(f->w, mail_new(MAIL_NODES));
    frame_pass(f, 60000); /* they were left out for a while */
    for (unsigned i = 0; i < FRAME_NODES; i++) {
        atomic_store(&f->g->nodes.items[i]->shared.applied_us, frame_clock_us());
    }
}

/* Whatever has happened: who comes now is served. */
static void expect_service(struct frame *f)
{
    struct frame_client *c;

    mem_fail_at(0);
    f->n_marks -= f->n_marks > 0 ? 1 : 0; /* a script may have used all */
    heal_nodes(f);
    c = frame_client_open(f, "u0", "s1", CAP_TRANSACTIONS);
    if (c != NULL) {
        frame_client_query(f, c, "INSERT INTO t1 VALUES(1)");
        frame_run(f);
    }
    if (c == NULL || c->n_commands != 2 || c->n_answers != 2 || c->follow.is_error) {
        (void)fprintf(stderr, "the next client is not served\n");
        abort();
    }
    frame_client_close(f, c);
    frame_run(f);
}

void frame_end(struct frame *f)
{
    for (unsigned i = 0; i < FRAME_CLIENTS; i++) {
        if (f->clients[i].fd >= 0) {
            frame_client_close(f, &f->clients[i]);
        }
    }
    frame_run(f);
    for (unsigned i = 0; i < 2000 && tcp_may_come(f); i++) {
        (void)usleep(1000); /* the kernel brings TCP bytes when it likes; the clock is ours alone */
        frame_run(f);
    }
    for (unsigned i = 0; i < FRAME_NODES; i++) {
        frame_node_down(f, i);
    }
    frame_run(f);
    expect_service(f);
    for (unsigned i = 0; i < FRAME_NODES; i++) {
        frame_node_down(f, i);
    }
    frame_run(f);
    frame_pass(f, 20000); /* what is closed late: alarms, and what waits for a node */
    expect_idle(f);
    expect_accounts_idle(f);
    worker_fini(f->w);
    galeway_end(f->g);
    mem_fail_at(0);
    frame_clock_set(0);
    for (unsigned i = 0; i < MEM_KIND_COUNT; i++) {
        if (mem_blocks((enum mem_kind)i) != blocks_before[i]) {
            (void)fprintf(stderr, "%llu blocks of %s are left\n",
                          (unsigned long long)(mem_blocks((enum mem_kind)i) - blocks_before[i]),
                          mem_kind_name((enum mem_kind)i));
            abort();
        }
    }
}

size_t script_bytes(struct script *s, uint8_t *out, size_t n)
{
    n = MIN(n, (size_t)(s->end - s->pos));
    for (size_t i = 0; i < n; i++) {
        out[i] = s->pos[i] == (uint8_t)FRAME_MARK[0] ? '_' : s->pos[i];
    }
    s->pos += n;
    return n;
}

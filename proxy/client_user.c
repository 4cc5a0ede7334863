/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_user.c - see client_user.h.
 */
#include "proxy/client_user.h"

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/err.h"
#include "conf/attributes.h"
#include "pool/cluster.h"
#include "protocol/auth_check.h"
#include "protocol/command.h"
#include "protocol/tls.h"
#include "proxy/client_peer.h"
#include "proxy/rights.h"
#include "proxy/worker.h"

/* --- who it is -------------------------------------------------------------------------------- */

static void find_followed(const struct client *c, struct login_user *out)
{
    static char no_schema[] = "";
    char peer[ADDRESS_TEXT_MAX];
    struct slice name = slice_of(c->login->user);

    switch (users_find(c->worker->galeway->users, name, client_peer_name(c, peer), &out->found)) {
    case USERS_FOUND: break;
    case USERS_UNKNOWN: out->source = USER_UNKNOWN; return;
    case USERS_NONE:
    case USERS_NOT_FOLLOWED: return;
    }
    out->source = USER_FOLLOWED;
    out->secret = out->found.secret;
    secret_wipe(&out->found.secret);
    out->row = (struct conf_user){.username = c->login->user,
                                  .default_hostgroup = out->found.hostgroup,
                                  .default_schema = no_schema,
                                  .max_connections = out->found.max_connections};
}

void client_user_find(const struct client *c, struct login_user *out)
{
    const struct conf *conf = c->worker->snapshot->conf;
    struct slice name = slice_of(c->login->user);
    const struct conf_user *row = conf_user_find(conf, name);

    *out = (struct login_user){
        .source = USER_NONE, .accounts = &c->worker->galeway->accounts, .tls = c->stream.tls};
    if (row == NULL && !conf_user_is_named(conf, name)) {
        find_followed(c, out);
    } else if (row != NULL) {
        out->account = account_find(out->accounts, name);
        out->source = out->account == NULL ? USER_NONE : USER_CONFIGURED;
        out->row = *row;
        if (out->account != NULL) {
            account_secret(out->account, &out->secret);
        }
    }
}

void login_user_wipe(struct login_user *user)
{
    secret_wipe(&user->secret);
}

enum users_ask client_user_ask(struct client *c)
{
    const struct users_waiter waiter = {.worker = c->worker->index, .client_id = c->id};

    if (c->login->has_asked) {
        return USERS_ASK_FRESH;
    }
    c->login->has_asked = true;
    return users_ask(c->worker->galeway->users, slice_of(c->login->user), waiter);
}

/* --- may he ----------------------------------------------------------------------------------- */

/* What was proven is enough for logging in to nodes, and for the next clients. */
static void learn(struct account *account, const struct secret *secret,
                  const struct auth_learnt *learnt)
{
    if (learnt->has_stage1 &&
        (!secret->has_stage1 || CRYPTO_memcmp(secret->stage1, learnt->stage1, SHA1_LEN) != 0)) {
        account_learn_stage1(account, learnt->stage1);
    }
    if (learnt->clear.len > 0) {
        account_learn_clear(account, learnt->clear);
    }
}

/* What of TLS he must come with, and has not; NULL = nothing. */
static const char *lacks(const struct login_user *user)
{
    struct tls_need need;

    if (user->source == USER_FOLLOWED) {
        return tls_lacks(user->tls, &user->found.need);
    }
    if (user->row.attributes[0] == '\0') {
        return user->row.use_ssl && user->tls == NULL ? "TLS" : NULL;
    }
    (void)!attributes_tls_need(user->row.attributes,
                               &need); /* who cannot be understood, lacks it */
    need.tls |= user->row.use_ssl;
    return tls_lacks(user->tls, &need);
}

/* In a node's order, behind TLS. */
static int check_conditions(const struct users_found *found)
{
    if (found->is_locked) {
        return ERR_ACCOUNT_LOCKED;
    }
    if (found->is_expired && found->cuts_expired) {
        return ERR_PASSWORD_EXPIRED;
    }
    return found->is_shut ? ERR_USER_LIMIT : 0;
}

int client_user_accept(struct login_user *user, const struct auth_learnt *learnt)
{
    int rc;

    user->lacks = lacks(user);
    rc = user->lacks != NULL             ? ERR_ACCESS_DENIED
         : user->source == USER_FOLLOWED ? check_conditions(&user->found)
                                         : 0;
    if (rc != 0) {
        return rc;
    }
    if (user->source == USER_FOLLOWED) {
        user->account = account_follow(user->accounts, slice_of(user->row.username),
                                       user->found.host, &user->secret);
        if (user->account == NULL) {
            return ERR_LIMIT;
        }
    }
    learn(user->account, &user->secret, learnt);
    return account_can_log_in(user->account) ? 0 : ERR_NODE_LOGIN;
}

/* --- an expired password ---------------------------------------------------------------------- */

static bool is_word(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
}

/* The next word; empty where something else stands. */
static struct slice next_word(struct slice *rest)
{
    struct slice word;

    while (rest->len > 0 &&
           (rest->data[0] == ' ' || (rest->data[0] >= '\t' && rest->data[0] <= '\r'))) {
        rest->data++;
        rest->len--;
    }
    word = (struct slice){rest->data, 0};
    while (rest->len > 0 && is_word(rest->data[0])) {
        rest->data++;
        rest->len--;
        word.len++;
    }
    return word;
}

/* Is this the word behind its verb? */
static bool says(struct slice body, struct slice what)
{
    (void)next_word(&body);
    return slice_eq_nocase(next_word(&body), what);
}

static bool sets_password(const struct facts *f)
{
    return (f->verb == VERB_SET && says(f->body, SLICE("PASSWORD"))) ||
           (f->verb == VERB_ALTER && says(f->body, SLICE("USER")));
}

bool client_user_may_send(const struct client *c, uint8_t command)
{
    return !c->session.must_set_password || command == COM_QUIT || command == COM_QUERY ||
           command == COM_PING || command == COM_CHANGE_USER || command == COM_STMT_CLOSE ||
           command == COM_STMT_SEND_LONG_DATA ||
           command == COM_STMT_EXECUTE; /* of a statement that it cannot have */
}

/* NULL = users are not followed, or the statement does not change them. */
static struct users *changed_users(const struct client *c)
{
    const struct conf_vars *vars = worker_vars(c->worker);
    bool is_followed = vars->mysql_users_from_hostgroup >= 0;

    return is_followed && c->task->facts.changes_rights ? c->worker->galeway->users : NULL;
}

bool client_user_may_run(struct client *c)
{
    const struct facts *f = &c->task->facts;
    struct users *users = changed_users(c);

    if (users != NULL) {
        users_expect(users);
    }
    if (!c->session.must_set_password || (f->verb == VERB_SET && (f->flags & FACT_MULTI) == 0) ||
        sets_password(f)) {
        return true;
    }
    client_task_failed(c, ERR_MUST_SET_PASSWORD);
    return false;
}

void client_user_after(struct client *c)
{
    const struct facts *f = &c->task->facts;
    const struct conf *conf = c->worker->snapshot->conf;
    struct users *users = changed_users(c);

    if (users == NULL) {
        return;
    }
    if (sets_password(f) && conf_user_find(conf, slice_of(c->session.account->name)) == NULL) {
        c->session.must_set_password = false;
        /* Was it his own, no other connection can be opened until he logs in with the new one. */
        session_pin(&c->session, PIN_PASSWORD, f->digest, c->worker->now_ms);
    }
    users_poke(users);
}

/* --- what the thread that reads them asks for ------------------------------------------------- */

static size_t add_nodes(const struct galeway *g, uint64_t mask, uint64_t *seen,
                        struct node *out[NODES_MAX], size_t n)
{
    unsigned count = atomic_load(&g->nodes.count);
    uint64_t now = clock_now_ms();

    for (unsigned i = 0; i < count; i++) {
        if ((mask & ~*seen) >> i & 1 && node_is_up(g->nodes.items[i], now)) {
            out[n++] = g->nodes.items[i];
        }
    }
    *seen |= mask;
    return n;
}

static uint64_t mask_of(const struct hostgroup *hostgroup)
{
    uint64_t mask = 0;

    for (size_t i = 0; hostgroup != NULL && i < hostgroup->n; i++) {
        mask |= hostgroup->members[i].status == SERVER_ONLINE
                    ? UINT64_C(1) << hostgroup->members[i].node->index
                    : 0;
    }
    return mask;
}

/* Who writes comes first: it has what was acknowledged. */
static size_t nodes_of(void *arg, int hostgroup, struct node *out[NODES_MAX])
{
    struct galeway *g = arg;
    struct snapshot *s = galeway_snapshot(g);
    bool reads;
    const struct role_set *role = topology_named(s->topology, hostgroup, &reads);
    uint64_t seen = 0;
    size_t n = 0;

    if (role != NULL && role->cluster != NULL && atomic_load(&role->cluster->shared.is_decided)) {
        n = add_nodes(g, atomic_load(&role->cluster->shared.writers), &seen, out, n);
        n = add_nodes(g, atomic_load(&role->cluster->shared.backups), &seen, out, n);
        n = add_nodes(g, atomic_load(&role->cluster->shared.readers), &seen, out, n);
    } else if (role != NULL) {
        n = add_nodes(g, mask_of(role->writers), &seen, out, n);
        n = add_nodes(g, mask_of(role->readers), &seen, out, n);
    }
    snapshot_unref(s);
    return n;
}

static void on_asked(void *arg, const struct users_waiter *waiter, bool is_known)
{
    struct galeway *g = arg;
    struct mail *mail = mail_new(MAIL_LOGIN);

    mail->client_id = waiter->client_id;
    mail->is_known = is_known;
    worker_post(g->workers[waiter->worker], mail);
}

static void on_rights(void *arg)
{
    rights_seen(arg);
}

struct users *client_users_new(struct galeway *g)
{
    const struct users_events events = {
        .arg = g, .nodes = nodes_of, .on_asked = on_asked, .on_rights = on_rights};

    return users_new(&events);
}

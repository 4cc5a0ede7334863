/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_stream.c - see follower_inside.h: one stream, from the first question to its end.
 *
 * Two connections to the node. On one it sends its log; on the other it is asked, every beat, for
 * what it has received and what it has committed, and the other nodes for what they have. All that
 * was committed anywhere when they were asked is told when the log has come to that number, or
 * when a heartbeat says that the log has ended and the node has committed it.
 *
 * A node that does not answer may have committed what the followed one is applying, or has not even
 * been given: the group hands a write to a node before it hands it to the next, and while a node
 * is dying seconds lie between. Who was lost is left out when the followed one is in a newer view
 * than he was: before a view changes, each member is given all that any was.
 */
#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "pool/follower_inside.h"

#define BEATS_IN_LAG 5
#define BEAT_MIN_MS  10
#define BEAT_MAX_MS  500
#define BLOCKED_US   1000 /* who waited for so long found nothing there at first */
#define CARRY_TRIES  5    /* for a node to have what another one had */
#define STUCK_MAX    3    /* an event that is too large ends a stream without a word of its size */
#define BORN_SLACK_S 3    /* the same start, computed twice */

static unsigned beat_ms(const struct follow_cluster *c)
{
    return MAX(MIN(follow_max_lag_ms(c) / BEATS_IN_LAG, (unsigned)BEAT_MAX_MS),
               (unsigned)BEAT_MIN_MS);
}

static void fail(struct follow_error *error, const char *text)
{
    error->number = 0;
    (void)snprintf(error->text, sizeof(error->text), "%s", text);
}

/* --- what the node is ------------------------------------------------------------------------- */

static bool is_true(const char *text)
{
    return text != NULL && (strcmp(text, "1") == 0 || strcmp(text, "ON") == 0);
}

static uint64_t number_of(const char *text)
{
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static void on_variables(void *arg, char *const *columns, unsigned n)
{
    struct follow_facts *facts = arg;

    if (n < 6) {
        return;
    }
    facts->is_wsrep = is_true(columns[0]);
    facts->has_log = is_true(columns[1]);
    facts->has_updates = is_true(columns[2]);
    facts->has_gtid_mode = is_true(columns[3]);
    facts->gtid_domain = (uint32_t)number_of(columns[4]);
    facts->is_position_good = binlog_gtids_parse(&facts->position, slice_of(columns[5])) == 0;
}

static void on_status(void *arg, char *const *columns, unsigned n)
{
    struct follow_facts *facts = arg;

    if (n < 2 || columns[0] == NULL || columns[1] == NULL) {
        return;
    }
    if (strcmp(columns[0], "wsrep_last_committed") == 0) {
        facts->committed = number_of(columns[1]);
    } else if (strcmp(columns[0], "wsrep_cluster_conf_id") == 0) {
        uint64_t view = number_of(columns[1]);

        facts->view = view == UINT64_MAX ? 0 : view;
    } else if (strcmp(columns[0], "wsrep_local_recv_queue") == 0) {
        facts->recv_queue = number_of(columns[1]);
    } else if (strcmp(columns[0], "wsrep_local_state") == 0) {
        facts->local_state = (unsigned)number_of(columns[1]);
    } else if (strcmp(columns[0], "wsrep_local_state_uuid") == 0) {
        (void)snprintf(facts->uuid, sizeof(facts->uuid), "%s", columns[1]);
    } else if (strcmp(columns[0], "Uptime") == 0) {
        facts->uptime_s = number_of(columns[1]);
    }
}

/* Where its log ends; binlog_do_db and binlog_ignore_db: writes that are not in it. */
static void on_master_status(void *arg, char *const *columns, unsigned n)
{
    struct follow_facts *facts = arg;

    if (n >= 2 && columns[0] != NULL) {
        (void)snprintf(facts->file, sizeof(facts->file), "%s", columns[0]);
        facts->offset = number_of(columns[1]);
    }
    facts->has_filter |= n >= 4 && ((columns[2] != NULL && columns[2][0] != '\0') ||
                                    (columns[3] != NULL && columns[3][0] != '\0'));
}

#define ASK_VARIABLES                                                          \
    "SELECT @@global.wsrep_on, @@global.log_bin, @@global.log_slave_updates, " \
    "@@global.wsrep_gtid_mode, @@global.wsrep_gtid_domain_id, @@global.gtid_binlog_pos"
#define ASK_UPTIME    "SHOW GLOBAL STATUS LIKE 'Uptime'"
#define ASK_STATUS    "SHOW GLOBAL STATUS LIKE 'wsrep_l%'"
#define ASK_FILTER    "SHOW MASTER STATUS"
#define ASK_VIEW      "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_conf_id'"
#define ASK_COMMITTED "SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'"

static enum follow_end end_of(const struct follow_error *error)
{
    return follow_error_is_denied(error) ? FOLLOW_END_DENIED : FOLLOW_END_LOST;
}

/* true = it can be followed. */
static bool ask_all(struct follow_cluster *c, enum follow_end *end, struct follow_error *error)
{
    struct follow_facts *facts = &c->facts;

    *facts = (struct follow_facts){0};
    if (!follow_link_ask(c->side, ASK_VARIABLES, on_variables, facts, error)) {
        *end = error->number == ER_UNKNOWN_SYSTEM_VARIABLE ? FOLLOW_END_REFUSED : end_of(error);
        return false;
    }
    if (!facts->is_wsrep || !facts->has_log || !facts->has_updates || !facts->is_position_good) {
        fail(error, !facts->is_wsrep      ? "wsrep_on is OFF"
                    : !facts->has_log     ? "log_bin is OFF"
                    : !facts->has_updates ? "log_slave_updates is OFF"
                                          : "its gtid_binlog_pos cannot be read");
        *end = FOLLOW_END_REFUSED;
        return false;
    }
    if (!follow_link_ask(c->side, ASK_FILTER, on_master_status, facts, error) ||
        !follow_link_ask(c->side, ASK_UPTIME, on_status, facts, error) ||
        !follow_link_ask(c->side, ASK_STATUS, on_status, facts, error)) {
        *end = end_of(error);
        return false;
    }
    if (facts->has_filter) {
        fail(error, "binlog_do_db or binlog_ignore_db leaves writes out of its log");
        *end = FOLLOW_END_REFUSED;
        return false;
    }
    return true;
}

/* --- where to begin --------------------------------------------------------------------------- */

static uint64_t born_s(const struct follow_facts *facts)
{
    return clock_unix_us() / 1000000 - facts->uptime_s;
}

static bool is_same_start(const struct follow_cluster *c)
{
    uint64_t born = born_s(&c->facts);

    return c->node == c->place.node && born <= c->place.started_s + BORN_SLACK_S &&
           c->place.started_s <= born + BORN_SLACK_S;
}

static bool is_same_history(const struct follow_cluster *c)
{
    return c->place.has_gtid_mode && c->facts.has_gtid_mode &&
           c->place.gtid_domain == c->facts.gtid_domain;
}

enum begin { BEGIN_GOES_ON, BEGIN_GAP, BEGIN_LATER };

/*
 * Our position with another node. The cluster's domain means the same there, others do not: where
 * they were written to, somebody writes without wsrep_gtid_mode.
 */
static enum begin carry(const struct follow_cluster *c, struct binlog_gtids *out)
{
    const struct binlog_gtid *ours = binlog_gtids_get(&c->apply->position, c->facts.gtid_domain);
    const struct binlog_gtid *here = binlog_gtids_get(&c->facts.position, c->facts.gtid_domain);

    *out = c->facts.position;
    if (ours == NULL || here == NULL || c->apply->n_elsewhere > 0) {
        return BEGIN_GAP;
    }
    if (here->sequence < ours->sequence) {
        return c->n_failures < CARRY_TRIES ? BEGIN_LATER : BEGIN_GAP;
    }
    return binlog_gtids_put(out, ours) ? BEGIN_GOES_ON : BEGIN_GAP;
}

static enum begin find_begin(const struct follow_cluster *c, struct binlog_gtids *out)
{
    bool is_known = c->place.node != NULL && !c->apply->is_position_lost &&
                    strcmp(c->place.uuid, c->facts.uuid) == 0;
    enum begin how = BEGIN_GAP;

    if (is_known && is_same_start(c)) {
        *out = c->apply->position;
        return BEGIN_GOES_ON;
    }
    if (is_known && is_same_history(c)) {
        how = carry(c, out);
    }
    if (how == BEGIN_GAP) {
        *out = c->facts.position;
    }
    return how;
}

/*
 * At the end of the log by its file and offset, as the node would have to look for a GTID; what
 * stands between the two, which were asked for one after the other, is told or was a gap.
 */
static bool set_up(struct follow_cluster *c, const struct binlog_gtids *position, bool at_end,
                   struct follow_error *error)
{
    char text[BINLOG_GTIDS_TEXT + 2];
    char sql[BINLOG_GTIDS_TEXT + 512];
    const struct follow_facts *facts = &c->facts;

    text[0] = '\'';
    binlog_gtids_format(position, text + 1);
    (void)snprintf(text + strlen(text), 2, "'");
    (void)snprintf(sql, sizeof(sql),
                   "SET @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 0, "
                   "@slave_gtid_ignore_duplicates = 0, "
                   "@master_binlog_checksum = @@global.binlog_checksum, "
                   "@master_heartbeat_period = %llu, "
                   "@slave_connect_state = %s",
                   (unsigned long long)beat_ms(c) * 1000000, at_end ? "NULL" : text);
    return follow_link_ask(c->stream, sql, NULL, NULL, error) &&
           follow_link_stream(c->stream, c->follower->server_id, at_end ? facts->file : "",
                              at_end ? facts->offset : 4, error);
}

/* --- how old it is ---------------------------------------------------------------------------- */

static void reach_marks(struct follow_cluster *c, uint64_t seqno)
{
    unsigned n = 0;

    while (n < c->n_marks && c->marks[n].seqno <= seqno) {
        c->told_us = c->marks[n].asked_us;
        n++;
    }
    if (n > 0) {
        c->n_marks -= n;
        memmove(c->marks, c->marks + n, c->n_marks * sizeof(c->marks[0]));
    }
}

static void add_mark(struct follow_cluster *c, uint64_t asked_us, uint64_t seqno)
{
    if (c->n_marks == FOLLOW_MARKS_MAX) {
        c->n_marks--; /* the newest: those before it are reached sooner */
    }
    c->marks[c->n_marks++] = (struct follow_mark){asked_us, seqno};
}

/* In the view that the followed node is in, or a newer one, as far as is known. */
static bool is_member(const struct follow_cluster *c, const struct follow_peer *peer)
{
    return peer->view != 0 && peer->view >= c->facts.view &&
           clock_now_ms() < peer->answered_ms + FOLLOW_VOTE_MS;
}

static void peer_answered(struct follow_peer *peer, const struct follow_facts *facts)
{
    peer->view = facts->view;
    peer->answered_ms = clock_now_ms();
}

/*
 * What another node has committed: the one that is followed may still be applying it, which its own
 * queue does not show. false = it does not answer.
 */
static bool ask_peer(struct follow_cluster *c, const struct node *node, uint64_t *committed)
{
    struct follow_peer *peer = &c->peers[node->index];
    struct follow_facts facts = {0};
    struct follow_error error;
    struct follow_target target = follow_target_of(c, node);

    if (clock_now_ms() < peer->again_ms) {
        return false;
    }
    target.connect_ms = target.answer_ms = FOLLOW_PEER_MS;
    if (peer->link == NULL) {
        peer->link = follow_link_open(&target, &error);
    }
    if (peer->link == NULL ||
        !follow_link_ask(peer->link, ASK_COMMITTED, on_status, &facts, &error) ||
        !follow_link_ask(peer->link, ASK_VIEW, on_status, &facts, &error)) {
        follow_link_close(peer->link);
        peer->link = NULL;
        peer->again_ms = clock_now_ms() + FOLLOW_PEER_AGAIN_MS;
        return false;
    }
    peer_answered(peer, &facts);
    *committed = MAX(*committed, facts.committed);
    return true;
}

/* The most that the others have committed. c->missing: who may have more. */
static uint64_t ask_peers(struct follow_cluster *c)
{
    unsigned n = atomic_load(&c->follower->nodes->count);
    uint64_t newest = 0;

    c->missing = NULL;
    for (unsigned i = 0; i < n; i++) {
        const struct node *node = c->follower->nodes->items[i];
        bool is_asked = follow_serves(c, node) && atomic_load(&node->shared.health) == HEALTH_UP;

        if (node != c->node && (is_asked || is_member(c, &c->peers[i])) &&
            !ask_peer(c, node, &newest) && is_member(c, &c->peers[i])) {
            c->missing = node;
        }
    }
    return newest;
}

static void close_peers(struct follow_cluster *c)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        follow_link_close(c->peers[i].link);
        c->peers[i].link = NULL;
        c->peers[i].again_ms = 0;
    }
}

/* Ask the node. false = see error. */
static bool ask_beat(struct follow_cluster *c, struct follow_error *error)
{
    uint64_t asked_us = clock_now_us();
    uint64_t waits_us, newest;

    if (!follow_link_ask(c->side, ASK_VIEW, on_status, &c->facts, error)) {
        return false;
    }
    newest = ask_peers(c);
    if (!follow_link_ask(c->side, ASK_STATUS, on_status, &c->facts, error)) {
        return false;
    }
    peer_answered(&c->peers[c->node->index], &c->facts);
    c->asked_ms = clock_now_ms(); /* who is silent takes time: the stream gets some in between */
    if (c->facts.local_state != WSREP_SYNCED) {
        fail(error, "it is not Synced");
        return false;
    }
    newest = MAX(newest, c->facts.committed + c->facts.recv_queue);
    if (c->missing == NULL) {
        add_mark(c, asked_us, newest);
    }
    apply_settle(c->apply, c->facts.committed);
    waits_us = apply_waits_us(c->apply);
    if (waits_us != 0 && asked_us > waits_us + (uint64_t)FOLLOW_SETTLE_MS * 1000) {
        apply_settle_all(c->apply);
    }
    c->n_settled++;
    follow_publish(c);
    return true;
}

/* --- the stream ------------------------------------------------------------------------------- */

static enum follow_end stream_ended(const struct follow_error *error)
{
    bool is_passed = error->number == ER_MASTER_FATAL_ERROR_READING_BINLOG ||
                     error->number == ER_NET_PACKET_TOO_LARGE ||
                     error->number == CR_NET_PACKET_TOO_LARGE;

    return is_passed ? FOLLOW_END_PASSED : end_of(error);
}

/* One event, or the silence in its place. false = it has ended. */
static bool read_one(struct follow_cluster *c, enum follow_end *end, struct follow_error *error)
{
    uint64_t began_us = clock_now_us();
    struct slice event;
    enum follow_read read = follow_link_read(c->stream, beat_ms(c), &event, error);
    uint64_t now_us = clock_now_us();

    if (read == FOLLOW_LOST) {
        *end = stream_ended(error);
        return false;
    }
    if (read == FOLLOW_SILENCE) {
        unsigned limit = c->has_begun ? FOLLOW_SILENCE_MS + beat_ms(c) : FOLLOW_SEEK_MS;

        if (now_us / 1000 > c->heard_ms + limit) {
            fail(error, "it is silent");
            *end = FOLLOW_END_LOST;
            return false;
        }
        return true;
    }
    c->heard_ms = now_us / 1000;
    if (apply_event(c->apply, event.data, event.len, now_us) != 0) {
        fail(error, "an event of its log cannot be read");
        *end = FOLLOW_END_PASSED;
        return false;
    }
    reach_marks(c, c->apply->seqno);
    if (apply_is_heartbeat(event)) {
        c->has_begun = true;
        if (now_us - began_us >= BLOCKED_US) {
            reach_marks(c, c->facts.committed); /* nothing is left that it has committed */
        }
    }
    c->has_begun |= c->apply->is_in_group;
    return true;
}

/* Another configuration: is it the same for us? Each LOAD brings one. */
static bool goes_on_as(struct follow_cluster *c)
{
    struct conf *old = conf_ref(c->conf);
    const struct conf_vars *a = &old->vars;
    bool is_same = follow_take_mail(c) && c->is_on;
    const struct conf_vars *b = &c->conf->vars;

    is_same = is_same && strcmp(a->mysql_monitor_username, b->mysql_monitor_username) == 0 &&
              strcmp(a->mysql_monitor_password, b->mysql_monitor_password) == 0 &&
              a->mysql_query_cache_follow_max_lag_ms == b->mysql_query_cache_follow_max_lag_ms;
    conf_unref(old);
    return is_same;
}

/* Between two groups if it can be: within one nothing can be settled. */
static bool is_time_to_ask(const struct follow_cluster *c)
{
    uint64_t due_ms = c->asked_ms + beat_ms(c) * (c->apply->is_in_group ? 2 : 1);

    return apply_is_full(c->apply) || clock_now_ms() >= due_ms;
}

static bool follows_on(struct follow_cluster *c, enum follow_end *end, struct follow_error *error)
{
    if (follow_has_mail(c) && !goes_on_as(c)) {
        *end = FOLLOW_END_ASKED;
        return false;
    }
    if (!read_one(c, end, error)) {
        return false;
    }
    if (is_time_to_ask(c)) {
        if (!follow_serves(c, c->node)) {
            fail(error, "it is out");
            *end = FOLLOW_END_LOST;
            return false;
        }
        if (!ask_beat(c, error)) {
            *end = FOLLOW_END_LOST;
            return false;
        }
    }
    follow_judge(c);
    return true;
}

static void begin_place(struct follow_cluster *c)
{
    c->place = (struct follow_place){.node = c->node,
                                     .has_gtid_mode = c->facts.has_gtid_mode,
                                     .gtid_domain = c->facts.gtid_domain,
                                     .started_s = born_s(&c->facts)};
    (void)snprintf(c->place.uuid, sizeof(c->place.uuid), "%s", c->facts.uuid);
    c->n_marks = 0;
    c->missing = NULL;
    c->n_settled = 0;
    c->has_begun = false;
    c->asked_ms = 0;
    c->heard_ms = clock_now_ms();
}

/*
 * The first event: it may take long, as the node reads a file up to the position, and keeps what it
 * sends until it is there. Meanwhile it has to answer.
 */
static bool read_first(struct follow_cluster *c, struct slice *event, enum follow_end *end,
                       struct follow_error *error)
{
    uint64_t until_ms = clock_now_ms() + FOLLOW_SEEK_MS;

    for (;;) {
        enum follow_read read = follow_link_read(c->stream, beat_ms(c), event, error);

        if (read == FOLLOW_EVENT) {
            return true;
        }
        if (read == FOLLOW_LOST) {
            *end = stream_ended(error);
            return false;
        }
        if (clock_now_ms() > until_ms || !follow_serves(c, c->node)) {
            fail(error, "it does not send its log");
            return false;
        }
        if (follow_has_mail(c) ||
            !follow_link_ask(c->side, ASK_COMMITTED, on_status, &c->facts, error)) {
            return false;
        }
    }
}

/* The node has taken the position when its first event comes. */
static bool begin_reading(struct follow_cluster *c, const struct binlog_gtids *position,
                          bool has_gap, enum follow_end *end, struct follow_error *error)
{
    struct slice event;

    if (!read_first(c, &event, end, error)) {
        if (*end == FOLLOW_END_PASSED && has_gap) {
            *end = FOLLOW_END_LOST; /* that was its own end: try again, but not at once */
        }
        return false;
    }
    begin_place(c);
    c->told_us = has_gap ? 0 : c->told_us;
    c->n_connects++;
    c->apply->domain = c->facts.gtid_domain;
    apply_begin(c->apply, position, has_gap, clock_now_us());
    if (apply_event(c->apply, event.data, event.len, clock_now_us()) != 0) {
        fail(error, "an event of its log cannot be read");
        return false;
    }
    return true;
}

static bool begin(struct follow_cluster *c, enum follow_end *end, struct follow_error *error)
{
    struct follow_target target = follow_target_of(c, c->node);
    struct binlog_gtids position;
    enum begin how;

    *end = FOLLOW_END_LOST;
    c->side = follow_link_open(&target, error);
    if (c->side == NULL) {
        *end = end_of(error);
        return false;
    }
    if (!ask_all(c, end, error)) {
        return false;
    }
    how = find_begin(c, &position);
    if (how == BEGIN_LATER || c->facts.local_state != WSREP_SYNCED) {
        fail(error,
             how == BEGIN_LATER ? "it has not applied what another node had" : "it is not Synced");
        return false;
    }
    c->stream = follow_link_open(&target, error);
    if (c->stream == NULL || !set_up(c, &position, how == BEGIN_GAP, error)) {
        *end = end_of(error);
        return false;
    }
    return begin_reading(c, &position, how == BEGIN_GAP, end, error);
}

enum follow_end follow_stream(struct follow_cluster *c, const struct node *node,
                              struct follow_error *error)
{
    enum follow_end end;

    c->node = node;
    if (begin(c, &end, error)) {
        uint64_t n_groups = c->apply->counts.groups;

        while (follows_on(c, &end, error)) {
        }
        c->n_stuck =
            end == FOLLOW_END_LOST && c->apply->counts.groups == n_groups ? c->n_stuck + 1 : 0;
        if (c->n_stuck >= STUCK_MAX) {
            c->n_stuck = 0;
            end = FOLLOW_END_PASSED;
        }
    }
    follow_link_close(c->stream);
    follow_link_close(c->side);
    close_peers(c);
    c->stream = c->side = NULL;
    c->node = NULL;
    return follow_has_mail(c) ? FOLLOW_END_ASKED : end; /* an interruption looks like a loss */
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_check.c - see monitor_check.h.
 */
#include "pool/monitor_check.h"

#include <errno.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <strings.h>

const char *const check_sql =
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_connected', "
    "'wsrep_cluster_status', 'wsrep_local_state', 'wsrep_local_index', 'wsrep_cluster_size', "
    "'wsrep_cluster_conf_id', 'wsrep_cluster_state_uuid', 'wsrep_local_recv_queue', "
    "'wsrep_flow_control_paused_ns', 'wsrep_last_committed', 'wsrep_provider_name'); "
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_desync', "
    "'wsrep_reject_queries', 'wsrep_sst_donor_rejects_queries', 'read_only', 'version', "
    "'max_connections')";

#define CATCH_UP_SQL "SET STATEMENT wsrep_sync_wait = 15 FOR SELECT 1"
#define NUMBER_SQL   "SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'"

const char *const check_catch_up_sql = CATCH_UP_SQL;
const char *const check_number_sql = NUMBER_SQL;
const char *const check_proof_sql = CATCH_UP_SQL "; " NUMBER_SQL;

void check_begin(struct node_report *figures)
{
    *figures =
        (struct node_report){.conf_id = UINT64_MAX, .read_only = true}; /* until it says no */
}

/* A number that is not one is as if it had not been said. */
static bool read_number(const char *value, uint64_t *out)
{
    char *end = NULL;
    unsigned long long n;

    errno = 0;
    n = strtoull(value, &end, 10);
    if (errno != 0 || end == value || *value == '-') {
        return false;
    }
    *out = n;
    return true;
}

static void to_unsigned(unsigned *out, const char *value)
{
    uint64_t n;

    if (read_number(value, &n)) {
        *out = (unsigned)MIN(n, (uint64_t)UINT32_MAX);
    }
}

/* What a node says goes to logs, tables and the hook's environment: a line of text. */
static void copy_text(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%s", text);
    for (char *c = out; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
}

static bool is_on(const char *value)
{
    return strcasecmp(value, "ON") == 0 || strcmp(value, "1") == 0;
}

static bool is_named(const char *name, const char *wanted)
{
    return strcasecmp(name, wanted) == 0;
}

static bool figure_of_view(struct node_report *r, const char *name, const char *value)
{
    if (is_named(name, "wsrep_cluster_status")) {
        r->primary = strcasecmp(value, "Primary") == 0;
    } else if (is_named(name, "wsrep_local_index")) {
        to_unsigned(&r->local_index, value);
    } else if (is_named(name, "wsrep_cluster_size")) {
        to_unsigned(&r->cluster_size, value);
    } else if (is_named(name, "wsrep_cluster_conf_id")) {
        (void)read_number(value, &r->conf_id);
    } else if (is_named(name, "wsrep_cluster_state_uuid")) {
        copy_text(r->state_uuid, sizeof(r->state_uuid), value);
    } else if (is_named(name, "wsrep_last_committed")) {
        (void)read_number(value, &r->last_committed);
    } else {
        return false;
    }
    return true;
}

static bool figure_of_node(struct node_report *r, const char *name, const char *value)
{
    if (is_named(name, "wsrep_ready")) {
        r->ready = is_on(value);
    } else if (is_named(name, "wsrep_connected")) {
        r->connected = is_on(value);
    } else if (is_named(name, "wsrep_local_state")) {
        to_unsigned(&r->local_state, value);
    } else if (is_named(name, "wsrep_local_recv_queue")) {
        (void)read_number(value, &r->recv_queue);
    } else if (is_named(name, "wsrep_flow_control_paused_ns")) {
        (void)read_number(value, &r->flow_paused_ns);
    } else if (is_named(name, "wsrep_desync")) {
        r->desync = is_on(value);
    } else if (is_named(name, "wsrep_reject_queries")) {
        r->rejects = strcasecmp(value, "NONE") != 0;
    } else if (is_named(name, "wsrep_sst_donor_rejects_queries")) {
        r->donor_rejects = is_on(value);
    } else {
        return false;
    }
    return true;
}

void check_figure(struct node_report *figures, const char *name, const char *value)
{
    if (name == NULL || value == NULL || figure_of_view(figures, name, value) ||
        figure_of_node(figures, name, value)) {
        return;
    }
    if (is_named(name, "wsrep_provider_name")) {
        figures->is_galera = value[0] != '\0'; /* comes first: status before variables */
    } else if (is_named(name, "wsrep_on")) {
        figures->is_galera = figures->is_galera && is_on(value);
    } else if (is_named(name, "read_only")) {
        figures->read_only = strcasecmp(value, "OFF") != 0 && strcmp(value, "0") != 0;
    } else if (is_named(name, "version")) {
        copy_text(figures->version, sizeof(figures->version), value);
    } else if (is_named(name, "max_connections")) {
        to_unsigned(&figures->max_connections, value);
    }
}

static void copy_failure(struct node_report *report, const struct sql_result *result)
{
    report->kind = (uint8_t)result->kind;
    report->error = result->error;
    copy_text(report->error_text, sizeof(report->error_text), result->text);
    report->n_timeouts = result->kind == REPORT_TIMEOUT ? report->n_timeouts + 1 : 0;
}

static uint64_t view_since(const struct node_report *before, const struct node_report *now,
                           uint64_t now_ms)
{
    bool is_same = before->answered_ms != 0 && before->conf_id == now->conf_id &&
                   strcmp(before->state_uuid, now->state_uuid) == 0;

    return is_same ? before->view_ms : now_ms;
}

void check_end(struct node_report *report, const struct node_report *figures,
               const struct sql_result *result, uint64_t now_ms)
{
    if (result->kind == REPORT_OK) {
        uint64_t view_ms = view_since(report, figures, now_ms);

        *report = *figures;
        report->view_ms = view_ms;
        report->kind = REPORT_OK;
        report->answered_ms = now_ms;
    } else if (result->error == ER_UNKNOWN_COM_ERROR) {
        report->kind = REPORT_OK;
        report->n_timeouts = 0;
        report->ready = false;
        report->is_galera = true;
        report->answered_ms = now_ms;
    } else {
        copy_failure(report, result);
    }
    report->at_ms = now_ms;
    report->took_us = result->took_us;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - what one check of a node said. Plain values; made by the monitor, judged by roles.h.
 *
 * Names and values of the wsrep figures: MariaDB 10.11 with Galera 26.4, SHOW GLOBAL STATUS and
 * SHOW GLOBAL VARIABLES.
 */
#ifndef POOL_REPORT_H
#define POOL_REPORT_H

#include "base/base.h"

#define REPORT_UUID_MAX    40
#define REPORT_VERSION_MAX 96
#define REPORT_ERROR_MAX   200
#define REPORT_TLS_ERROR   2026 /* CR_SSL_CONNECTION_ERROR: no TLS handshake */

enum report_kind {
    REPORT_NONE,    /* not checked yet */
    REPORT_OK,      /* it answered: the figures are valid */
    REPORT_BROKEN,  /* refused, no route, or what answers is no database that can be used */
    REPORT_LOST,    /* the connection ended before the answer: it was killed, or its node ends */
    REPORT_TIMEOUT, /* connected or not, it did not answer in time */
    REPORT_DENIED /* it answers, but not us: login refused, full (1040, 1045, 1203, 1226): nothing else is known */
};

/* report_is_broken - the connection of the check is of no more use. */
static inline bool report_is_broken(enum report_kind kind)
{
    return kind == REPORT_BROKEN || kind == REPORT_LOST;
}

enum report_local_state { /* wsrep_local_state */
                          WSREP_JOINING = 1,
                          WSREP_DONOR = 2,
                          WSREP_JOINED = 3,
                          WSREP_SYNCED = 4
};

struct node_report {
    /* the check */
    uint8_t kind;         /* enum report_kind */
    unsigned n_timeouts;  /* in a row; 0 when it answered */
    uint64_t at_ms;       /* clock_now_ms() when it ended; 0 = never */
    uint64_t took_us;     /* from the first byte sent to the last received */
    uint64_t answered_ms; /* when the figures below were read; 0 = never */
    unsigned error;       /* of the client library or the node; 0 = none */
    char error_text[REPORT_ERROR_MAX];
    /* figures; stay as they were when a later check fails */
    bool is_galera;     /* wsrep_on and a provider: the figures of wsrep are valid */
    bool ready;         /* wsrep_ready */
    bool connected;     /* wsrep_connected */
    bool primary;       /* wsrep_cluster_status = Primary */
    bool desync;        /* wsrep_desync */
    bool rejects;       /* wsrep_reject_queries is not NONE */
    bool donor_rejects; /* wsrep_sst_donor_rejects_queries */
    bool read_only;
    unsigned local_state; /* enum report_local_state, 0 = none */
    unsigned local_index;
    unsigned cluster_size;
    uint64_t conf_id; /* wsrep_cluster_conf_id: of the view; UINT64_MAX = none */
    uint64_t view_ms; /* when this conf_id was read here for the first time; 0 = as answered_ms */
    char state_uuid[REPORT_UUID_MAX];
    uint64_t recv_queue;     /* wsrep_local_recv_queue: write sets that wait to be applied */
    uint64_t flow_paused_ns; /* wsrep_flow_control_paused_ns, since its start */
    uint64_t last_committed; /* wsrep_last_committed: sequence number */
    unsigned max_connections;
    char version[REPORT_VERSION_MAX];
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - one worker of Galeway, scripted clients on one side of it and scripted nodes on the
 * other, all in one thread and with a clock that only the script moves.
 *
 *   clients (unix sockets) --> worker's loop --> nodes (unix sockets)
 *
 * Nothing waits: the loop is run as long as anything is ready, so what happens depends on the input
 * alone. Whatever a script did, frame_end() closes both sides and checks that everything is back:
 * clients, server connections, waiting statements, queued bytes, memory of each kind.
 *
 * Each client of a script has a mark of its own, which stands in its statements and which nodes put
 * into what they answer them: a client that gets another one's mark was given foreign bytes. A
 * client that sent k commands must not get more than k answers.
 */
#ifndef TESTS_FUZZ_FRAME_H
#define TESTS_FUZZ_FRAME_H

#include <netinet/in.h>

#include "protocol/follow.h"
#include "protocol/packet.h"
#include "proxy/worker.h"

#define FRAME_CLIENTS  4 /* at a time */
#define FRAME_NODES    2 /* 0 writes, 1 reads */
#define FRAME_LINKS    24
#define FRAME_COMMANDS 64
#define FRAME_PLANS    16
#define FRAME_BYTES    ((size_t)1 << 16)

#define FRAME_MARK     "~#=&^" /* and a character of the client's own, and the end */
#define FRAME_MARK_END '$'     /* what a cut mark runs into is none */
#define FRAME_MARK_LEN 7
#define FRAME_STMTS    256 /* of a connection to a node: a script has fewer */

/* --- the input -------------------------------------------------------------------------------- */

/* Bytes of the input; zeros when it is used up. */
struct script {
    const uint8_t *pos;
    const uint8_t *end;
};

static inline bool script_is_over(const struct script *s)
{
    return s->pos == s->end;
}

static inline uint8_t script_u8(struct script *s)
{
    return s->pos == s->end ? 0 : *s->pos++;
}

static inline uint16_t script_u16(struct script *s)
{
    unsigned low = script_u8(s);

    return (uint16_t)(low | (unsigned)script_u8(s) << 8);
}

/* At most n bytes, and no mark among them. Returns how many. */
size_t script_bytes(struct script *s, uint8_t *out, size_t n);
void frame_tcp_address(struct sockaddr_in *out);

/* --- clients ---------------------------------------------------------------------------------- */

struct frame_client {
    int fd; /* -1 = none */
    char mark[FRAME_MARK_LEN + 1];
    bool is_greeted;   /* the login is over: what comes is replies */
    bool is_unchecked; /* what it sent has no known number of answers */
    bool reads;
    bool is_in_reply;
    bool has_ended;     /* the other side has closed */
    bool said_last;     /* an error that was not asked for: the end must follow */
    bool tracks;        /* it has asked for session changes */
    uint8_t keeps_file; /* LOCAL INFILE: it is not sent by itself */
    uint32_t last_stmt;
    unsigned n_answers, n_commands;
    uint8_t kinds[FRAME_COMMANDS]; /* enum follow_kind: replies to come */
    unsigned first_kind, n_kinds;
    struct follow follow;
    /* the commands that it sends, whatever made them */
    uint8_t head[PACKET_HEADER + 1 + 5];
    size_t n_head;
    size_t left; /* of the packet */
    bool is_file;
    /* bytes not dealt with */
    uint8_t in[FRAME_BYTES];
    size_t n_in;
};

/* --- nodes ------------------------------------------------------------------------------------ */

enum answer_kind {
    ANSWER_USUAL,
    ANSWER_OK,
    ANSWER_TRACK, /* an OK with session changes */
    ANSWER_ERR,
    ANSWER_ROWS,
    ANSWER_MORE, /* an OK that another answer follows */
    ANSWER_FILE, /* LOCAL INFILE */
    ANSWER_PREPARED,
    ANSWER_SWITCH, /* of authentication */
    ANSWER_AUTH_MORE,
    ANSWER_EOF,
    ANSWER_HUGE, /* the header of a packet that does not come */
    ANSWER_RAW,
    ANSWER_NONE,
    ANSWER_KIND_COUNT
};

struct answer {
    uint8_t kind;
    uint8_t flags; /* ANSWER_* below */
    uint8_t a, b;  /* what they mean depends on the kind */
    uint16_t status;
    uint16_t cut; /* 0 = whole */
    uint8_t raw[48];
    uint8_t n_raw;
};

#define ANSWER_FOR_ANY        0x01 /* also for what is no client's */
#define ANSWER_WRONG_SEQUENCE 0x02
#define ANSWER_THEN_CLOSE     0x04
#define ANSWER_THEN_MORE      0x08 /* bytes that nobody asked for */
#define ANSWER_IN_PIECES      0x10

enum link_phase { LINK_GREETED, LINK_SWITCHED, LINK_READY };

/* A command that was not answered yet. */
struct link_command {
    uint8_t command;
    uint8_t sequence; /* of the answer */
    char mark[FRAME_MARK_LEN + 1];
    char text[64]; /* its start */
    size_t n_params;
    uint32_t stmt;
};

/* A connection of Galeway to a node. */
struct frame_link {
    int fd; /* -1 = none */
    unsigned node;
    uint8_t phase; /* enum link_phase */
    uint16_t status;
    uint8_t in[FRAME_BYTES];
    size_t n_in;
    size_t skips; /* of a packet that is too long to be looked at */
    bool takes_file;
    struct link_command commands[FRAME_PLANS];
    unsigned first_command, n_commands;
    char stmt_marks[FRAME_STMTS][FRAME_MARK_LEN + 1];
    uint32_t n_stmts;
};

struct frame_node {
    int listener; /* -1 = down */
    char path[64];
    bool is_silent;   /* takes connections, reads and says nothing */
    uint8_t greeting; /* how it begins: see frame_node.c */
    struct answer plans[FRAME_PLANS];
    unsigned first_plan, n_plans;
    bool is_bad; /* said what no node says: answers are not counted any more */
};

/* --- all of it -------------------------------------------------------------------------------- */

struct frame {
    struct galeway *g;
    struct worker *w;
    char client_path[64];
    struct frame_client clients[FRAME_CLIENTS];
    unsigned n_marks;
    struct frame_node nodes[FRAME_NODES];
    struct frame_link links[FRAME_LINKS];
    uint64_t n_moved; /* bytes and connections that the fakes saw: is anything still moving? */
    struct tls_context *tls; /* a client's end, with FRAME_LOGINS */
    const struct rsa_key *rsa;
    uint64_t n_opened; /* connections to nodes, when they were looked for last */
    bool has_silent;   /* some node does not take them, or did not */
};

/*
 * frame_begin - a fresh process with configuration number variant (see frame.c). There is one at a
 * time; everything is static. fail_at: the n-th mem_try() from then on finds no memory; 0 = none.
 * frame_end - close both sides, run until idle, check that all is back, take it apart.
 */
#define FRAME_VARIANTS 7
#define FRAME_LOGINS   6 /* the variant for logins: TLS, many users, a TCP port behind a balancer */
struct frame *frame_begin(unsigned variant, unsigned fail_at);
void frame_end(struct frame *f);

/* frame_run - until nothing is ready. frame_pass - let time pass, in some steps. */
void frame_run(struct frame *f);
void frame_pass(struct frame *f, uint64_t ms);

/* frame_find - an open one, counted from n; NULL = there is none. */
struct frame_client *frame_client_find(struct frame *f, unsigned n);
struct frame_link *frame_link_find(struct frame *f, unsigned n);

/* frame_client.c; by TCP only with FRAME_LOGINS */
struct frame_client *frame_client_connect(struct frame *f, bool by_tcp);
/* The same with a descriptor that is connected to what is tested. */
struct frame_client *frame_client_take(struct frame *f, int fd);
void frame_client_login(struct frame *f, struct frame_client *c, const char *user,
                        const char *password, const char *schema, uint32_t caps);
/* Connects and logs in, as a client that does everything right. NULL = there is no room. */
struct frame_client *frame_client_open(struct frame *f, const char *user, const char *schema,
                                       uint32_t caps);
void frame_client_send(struct frame *f, struct frame_client *c, const uint8_t *data, size_t len);
/* A command in one packet; cut: only so many bytes of it are sent (SIZE_MAX = all). */
void frame_client_command(struct frame *f, struct frame_client *c, uint8_t command,
                          const void *data, size_t len, size_t cut);
void frame_client_query(struct frame *f, struct frame_client *c, const char *text);
void frame_client_close(struct frame *f, struct frame_client *c);
bool frame_client_pump(struct frame *f, struct frame_client *c);

/* frame_node.c */
void frame_node_listen(struct frame_node *n);
void frame_node_down(struct frame *f, unsigned node);
bool frame_node_pump(struct frame *f, unsigned node);
bool frame_link_pump(struct frame *f, struct frame_link *link);
void frame_link_send(struct frame *f, struct frame_link *link, const uint8_t *data, size_t len);
void frame_link_close(struct frame *f, struct frame_link *link);
void frame_plan(struct frame *f, unsigned node, const struct answer *answer);
/* Read from the script. */
struct answer frame_answer_read(struct script *s);
/* frame_answer.c: the bytes of an answer; tells what the node would think of it. */
size_t frame_answer_make(struct frame_link *link, const struct answer *a,
                         const struct link_command *c, uint8_t *out, size_t cap);

/* frame_clock.c: 0 = the real one */
void frame_clock_set(uint64_t us);
uint64_t frame_clock_us(void);

#endif

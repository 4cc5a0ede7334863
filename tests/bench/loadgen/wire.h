/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - the client's half of the MySQL protocol, as far as a load needs it.
 *
 * Pure: bytes in, bytes out. It shares no line with Galeway's own codecs on purpose, so that a
 * fault in those cannot hide here. No DEPRECATE_EOF and no SESSION_TRACK, as PHP's mysqlnd.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_HEADER     4u        /* three bytes length, one byte sequence */
#define WIRE_MAX_PACKET 0xffffffu /* a packet of this length goes on in the next one */
#define WIRE_SALT       20u

enum wire_command {
    WIRE_COM_QUIT = 1,
    WIRE_COM_INIT_DB = 2,
    WIRE_COM_QUERY = 3,
    WIRE_COM_STMT_PREPARE = 22,
    WIRE_COM_STMT_EXECUTE = 23,
};

struct wire_greeting {
    uint32_t capabilities;   /* the server's */
    uint8_t charset;         /* the server's default collation */
    uint8_t salt[WIRE_SALT]; /* for mysql_native_password */
};

struct wire_account {
    const char *user;
    const char *password;
    const char *schema; /* NULL: none in the handshake */
};

enum wire_phase {
    WIRE_FIRST,
    WIRE_COLUMNS,
    WIRE_ROWS,
    WIRE_DEFINITIONS, /* of a prepared statement: parameters and columns */
    WIRE_DONE,
};

enum wire_event {
    WIRE_MORE, /* feed the next packet */
    WIRE_ROW,  /* this packet was a row; feed the next */
    WIRE_END,  /* the answer is complete */
    WIRE_BAD,  /* not an answer to a statement */
};

/* An answer while it comes in, and what is known of it at its end. */
struct wire_reply {
    enum wire_phase phase;
    uint64_t columns_left; /* definitions still to come */
    bool is_prepare;       /* of COM_STMT_PREPARE: set before the first packet */
    uint32_t statement_id; /* of the prepared statement */
    unsigned sets_left;    /* of it: sets of definitions still to come, each with an EOF */
    uint64_t n_rows;
    uint64_t n_affected;
    uint16_t status;     /* of the last OK or EOF */
    uint16_t error_code; /* 0: no error */
    char message[200];   /* the server's words if error_code != 0 */
};

/* A field of a text row, inside the row's packet; data == NULL is NULL. */
struct wire_field {
    const uint8_t *data;
    size_t len;
};

/* A walk over the fields of one row. */
struct wire_row {
    const uint8_t *at;
    const uint8_t *end;
};

static inline size_t wire_length(const uint8_t *header)
{
    return (size_t)header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
}

/* wire_put_header - write the four bytes in front of a packet of len bytes. */
void wire_put_header(uint8_t *out, size_t len, uint8_t sequence);

/* wire_read_greeting - false if it is an error packet or not a protocol 10 greeting. */
bool wire_read_greeting(const uint8_t *packet, size_t len, struct wire_greeting *greeting);

/*
 * wire_build_login - the payload of the login packet, with mysqlnd's capabilities.
 *
 * Returns its length, 0 if it does not fit.
 */
size_t wire_build_login(uint8_t *out, size_t cap, const struct wire_greeting *greeting,
                        const struct wire_account *account);

/* wire_scramble - the 20 bytes that prove the password; 0 bytes for an empty password. */
size_t wire_scramble(uint8_t *out, const uint8_t *salt, const char *password);

/* wire_read_switch - the new salt of an auth switch to mysql_native_password, else false. */
bool wire_read_switch(const uint8_t *packet, size_t len, uint8_t *salt);

/* wire_read_error - take code and words out of an error packet. */
void wire_read_error(const uint8_t *packet, size_t len, struct wire_reply *reply);

/* wire_feed - go on with an answer by one packet. A zeroed reply is the start. */
enum wire_event wire_feed(struct wire_reply *reply, const uint8_t *packet, size_t len);

/* wire_next_field - the next field of a text row; false at the end or if the row is malformed. */
bool wire_next_field(struct wire_row *row, struct wire_field *field);

#endif

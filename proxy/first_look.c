/* SPDX-License-Identifier: Apache-2.0 */
/*
 * first_look.c - before clients are let in: which version the nodes are, and what they can do. One
 * greeting tells.
 *
 * Clients choose features by the version and the capabilities in the greeting, and the first of
 * them comes before any server connection was opened. No node up: they are told a fallback, until
 * one was seen.
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/greet.h"
#include "protocol/packet.h"
#include "proxy/galeway.h"

#define LOOK_MS      300 /* for connecting to a node, and for each read */
#define NODES_LOOKED 5
#define GREETING_MAX 512

static socklen_t address_length(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_UNIX   ? sizeof(struct sockaddr_un)
           : address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                           : sizeof(struct sockaddr_in6);
}

static int connect_to(const struct node *node)
{
    struct timeval limit = {.tv_usec = LOOK_MS * 1000};
    int fd = socket(node->sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        connect(fd, (const struct sockaddr *)(const void *)&node->sockaddr,
                address_length(&node->sockaddr)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static bool read_greeting(int fd, struct greeting *g, uint8_t bytes[GREETING_MAX])
{
    uint8_t header[PACKET_HEADER];
    size_t len;

    if (recv(fd, header, sizeof(header), MSG_WAITALL) != (ssize_t)sizeof(header)) {
        return false;
    }
    len = packet_length(header);
    return len <= GREETING_MAX && recv(fd, bytes, len, MSG_WAITALL) == (ssize_t)len &&
           greeting_decode(g, bytes, len) == 0;
}

static bool look_at(struct galeway *g, struct node *node)
{
    uint8_t bytes[GREETING_MAX];
    struct greeting greeting;
    int fd = node->is_resolved ? connect_to(node) : -1;
    bool done;

    if (fd < 0) {
        return false;
    }
    done = read_greeting(fd, &greeting, bytes);
    if (done) {
        galeway_learn_version(g, greeting.version, greeting.charset);
        node_offers(node, greeting.caps);
        node_says_mode(node, greeting.status);
    }
    (void)close(fd);
    return done;
}

void galeway_first_look(struct galeway *g)
{
    unsigned n = MIN(atomic_load(&g->nodes.count), (unsigned)NODES_LOOKED);
    bool seen = false;

    for (unsigned i = 0; i < n && !seen; i++) {
        seen = look_at(g, g->nodes.items[i]);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.h - the four bytes before each packet: length (3, little endian) and sequence number.
 *
 * A payload of 16 MiB - 1 bytes says that another packet of the same message follows (MariaDB
 * documentation, "0-packet").
 */
#ifndef PROTOCOL_PACKET_H
#define PROTOCOL_PACKET_H

#include "protocol/bytes.h"

#define PACKET_HEADER 4
#define PACKET_MAX    0xffffffu /* payload bytes; a packet this long is continued */

static inline uint32_t packet_length(const uint8_t *header)
{
    return (uint32_t)header[0] | (uint32_t)header[1] << 8 | (uint32_t)header[2] << 16;
}

static inline uint8_t packet_sequence(const uint8_t *header)
{
    return header[3];
}

static inline void packet_set_sequence(uint8_t *header, uint8_t sequence)
{
    header[3] = sequence;
}

static inline void packet_write_header(uint8_t *header, uint32_t length, uint8_t sequence)
{
    header[0] = (uint8_t)length;
    header[1] = (uint8_t)(length >> 8);
    header[2] = (uint8_t)(length >> 16);
    header[3] = sequence;
}

/*
 * packet_begin - reserve a header in w; returns where it is.
 * packet_end - fill it in with what was put since. Fails w when the payload is PACKET_MAX or more.
 */
size_t packet_begin(struct writer *w);
void packet_end(struct writer *w, size_t at, uint8_t sequence);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_host.h - the host of an account ('10.0.%', '10.0.0.0/255.255.0.0', 'localhost'): whom it
 * matches, and which of several comes first. Pure.
 *
 * As MariaDB 10.11 has it (seen): the pattern that the fewest names fit comes first, an address
 * with a netmask counts as one without wildcards; among equal ones the greater text comes first.
 */
#ifndef POOL_USER_HOST_H
#define POOL_USER_HOST_H

#include "base/base.h"

#define USER_HOST_MAX 255 /* characters of a host, as mysql.global_priv has it */

struct user_host {
    const char *text; /* borrowed, terminated; "" = '%' */
    bool has_mask;
    uint32_t address, mask; /* IPv4, host byte order */
    uint16_t rank[5];       /* how many fit it: compared one after the other */
};

/* user_host_read - text: borrowed for its life. */
void user_host_read(struct user_host *host, const char *text);

/*
 * user_host_fits - peer: an address as text, or "localhost" (a unix socket). is_resolved: nodes ask
 * for names (skip_name_resolve is off), so 127.0.0.1 and ::1 are localhost, too.
 */
bool user_host_fits(const struct user_host *host, const char *peer, bool is_resolved);

/* user_host_compare - < 0 = a is asked first. */
int user_host_compare(const struct user_host *a, const struct user_host *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_made.h - rows of a configuration, for tests of what is made of them.
 */
#ifndef TESTS_UNIT_CONF_MADE_H
#define TESTS_UNIT_CONF_MADE_H

#include "conf/conf.h"

/* server_of - a row of mysql_servers. Borrows address. */
static inline struct conf_server server_of(int hostgroup, const char *address, uint32_t weight)
{
    return (struct conf_server){
        .hostgroup = hostgroup,
        .address = (char *)(uintptr_t)address,
        .status = SERVER_ONLINE,
        .weight = weight,
        .max_connections = 100,
    };
}

#endif

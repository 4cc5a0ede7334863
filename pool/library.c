/* SPDX-License-Identifier: Apache-2.0 */
#include "pool/library.h"

#include <mysql.h>
#include <netdb.h>
#include <sys/socket.h>

struct st_mysql *library_new(unsigned long packet_max)
{
    MYSQL *mysql = mysql_init(NULL);
    unsigned off = 0;

    if (mysql != NULL && (mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max) != 0 ||
                          mysql_options(mysql, MYSQL_OPT_NONBLOCK, NULL) != 0 ||
                          mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off) != 0 ||
                          mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4") != 0)) {
        mysql_close(mysql);
        return NULL;
    }
    return mysql;
}

bool library_host(const struct node *node, char *out, size_t cap)
{
    socklen_t len = node->sockaddr.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                         : sizeof(struct sockaddr_in);

    return node->is_resolved && getnameinfo((const struct sockaddr *)&node->sockaddr, len, out,
                                            (socklen_t)cap, NULL, 0, NI_NUMERICHOST) == 0;
}

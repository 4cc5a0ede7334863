/* SPDX-License-Identifier: Apache-2.0 */
#include "pool/library.h"

/* clang-format off */
#include <mysql.h> /* the other needs it before it */
#include <errmsg.h>
/* clang-format on */
#include <netdb.h>
#include <sys/socket.h>

/*
 * What a node may ask for: no plugin that sends the password as it is (mysql_clear_password,
 * dialog). The library has all that it finds a file of, and a node chooses.
 */
#define PLUGINS "mysql_native_password,client_ed25519,caching_sha2_password"

/*
 * Of the library's first buffer. 1 MB is also what it takes as a packet of a login (3.3.20): it
 * frees a buffer that is too short for one, and reads it afterwards for the text of an error. Pages
 * that nothing was written to take no memory.
 */
#define BUFFER_BYTES 1048576

struct st_mysql *library_new(unsigned long packet_max)
{
    MYSQL *mysql = mysql_init(NULL);
    size_t buffer = BUFFER_BYTES;
    unsigned off = 0;

    if (mysql != NULL && (mysql_options(mysql, MYSQL_OPT_NET_BUFFER_LENGTH, &buffer) != 0 ||
                          mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max) != 0 ||
                          mysql_options(mysql, MYSQL_OPT_NONBLOCK, NULL) != 0 ||
                          mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off) != 0 ||
                          mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, PLUGINS) != 0 ||
                          mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4") != 0)) {
        mysql_close(mysql);
        return NULL;
    }
    return mysql;
}

/*
 * Which plugin it was is not told: the library (3.3.20) takes the name from where the greeting was,
 * in a buffer that has been written over.
 */
const char *library_why(struct st_mysql *mysql)
{
    return mysql_errno(mysql) == CR_PLUGIN_NOT_ALLOWED
               ? "it wants the login by another plugin than " PLUGINS
               : mysql_error(mysql);
}

bool library_host(const struct node *node, char *out, size_t cap)
{
    socklen_t len = node->sockaddr.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                         : sizeof(struct sockaddr_in);

    return node->is_resolved && getnameinfo((const struct sockaddr *)&node->sockaddr, len, out,
                                            (socklen_t)cap, NULL, 0, NI_NUMERICHOST) == 0;
}

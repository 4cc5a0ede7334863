/* SPDX-License-Identifier: Apache-2.0 */
/*
 * banned.h - functions that must not compile: no bound on what they write, hidden shared state, or
 * no way to see an error. The build force-includes this file before each source file.
 *
 * The headers that declare them come first, or the macros would hit the declarations. Macros, not
 * GCC's poison: mysql.h names strcpy in macros of its own that nobody here expands.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANNED(name) name##_is_banned_see_base_banned_h

/* NOLINTBEGIN(readability-identifier-naming): these are other people's names */

/* Unbounded writes, or a result that may lack its final zero: snprintf, memcpy with a length. */
#undef strcpy
#define strcpy(...) BANNED(strcpy)
#undef strcat
#define strcat(...) BANNED(strcat)
#undef strncpy
#define strncpy(...) BANNED(strncpy)
#undef strncat
#define strncat(...) BANNED(strncat)
#undef sprintf
#define sprintf(...) BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf)
#undef gets
#define gets(...) BANNED(gets)

/* No errors: strtoll and its end pointer. */
#undef atoi
#define atoi(...) BANNED(atoi)
#undef atol
#define atol(...) BANNED(atol)

/* State shared by all threads: strtok_r, localtime_r, gmtime_r, strftime. */
#undef strtok
#define strtok(...) BANNED(strtok)
#undef localtime
#define localtime(...) BANNED(localtime)
#undef gmtime
#define gmtime(...) BANNED(gmtime)
#undef ctime
#define ctime(...) BANNED(ctime)
#undef asctime
#define asctime(...) BANNED(asctime)

/* NOLINTEND(readability-identifier-naming) */

#endif

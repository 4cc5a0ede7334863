/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - is a configuration sound as a whole? What one value may be is known in keys.def and
 * rows.c; here is what values mean together.
 */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/conf.h"

/*
 * conf_check - say every fault.
 *
 * keys: KEY_COUNT places, where each variable was written; those that were not have no file.
 */
void conf_check(const struct conf *conf, const struct conf_place *keys, struct faults *faults);

/*
 * conf_check_rules - the same for mysql_query_rules and the other tables (check_rules.c);
 * conf_check calls it.
 */
void conf_check_rules(const struct conf *conf, struct faults *faults);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * named.h - schemas that a statement names, where its tables are not sure.
 */
#ifndef ROUTER_NAMED_H
#define ROUTER_NAMED_H

#include "base/base.h"

/*
 * named_schemas - calls on_name for each name that may be a schema's: in front of a dot, behind
 * USE. Aliases and tables are among them, and a name may come twice. in_strings: of dynamic SQL,
 * also those in its strings. mode: as for facts_scan().
 * Pure; any bytes are allowed. The name is borrowed from the text.
 */
void named_schemas(struct slice text, uint32_t mode, bool in_strings,
                   void (*on_name)(void *arg, struct slice name), void *arg);

#endif

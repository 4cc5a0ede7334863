/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.h - "did you mean ...?" behind an error that names a table, a column or a command that is
 * not there.
 *
 * For the files of the store.
 */
#ifndef ADMIN_SUGGEST_H
#define ADMIN_SUGGEST_H

#include "admin/command.h"

/*
 * suggest_add - lengthen the error of the statement, if a name is near. A reply that is no error
 * stays as it is.
 */
void suggest_add(struct run *run);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * example.h - the commented example file, made from the registry of variables.
 */
#ifndef CONF_EXAMPLE_H
#define CONF_EXAMPLE_H

#include <stdio.h>

/* conf_write_example - write conf/galeway.cnf. Errors of the stream are the caller's to check. */
void conf_write_example(FILE *out);

#endif

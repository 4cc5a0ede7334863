/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manual.h - the manual page of the configuration file, made from the registry of variables and
 * the tables of columns.
 */
#ifndef CONF_MANUAL_H
#define CONF_MANUAL_H

#include <stdio.h>

/* conf_write_manual - write conf/galeway.cnf.5 (mdoc). Errors of the stream are the caller's. */
void conf_write_manual(FILE *out);

#endif

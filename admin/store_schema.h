/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_schema.h - the schema information_schema: what tools ask for before they show or dump
 * tables.
 *
 * For the files of the store.
 */
#ifndef ADMIN_STORE_SCHEMA_H
#define ADMIN_STORE_SCHEMA_H

#include "admin/store_data.h"

/*
 * store_schema_fill - when all other tables are there, which are then fixed. Returns 0, or an error
 * that is logged.
 */
int store_schema_fill(struct store *store) MUST_CHECK;

#endif

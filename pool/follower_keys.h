/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follower_keys.h - which values of the columns that rows are looked up by (conf/row_pattern.h) can
 * be told from each other whatever the collation is. Pure.
 */
#ifndef POOL_FOLLOWER_KEYS_H
#define POOL_FOLLOWER_KEYS_H

#include "base/base.h"

#define ROW_KEY_MAX 191 /* bytes of a value; a longer one is not plain */

/*
 * row_key_plain - the value as keys are compared: letters made lower, spaces at the end cut. False
 * = not plain: other characters than ASCII letters, digits, _ - . : / @ and space, or it begins
 * with something else than a letter or _, so that it may be equal to another text.
 * out: room for ROW_KEY_MAX bytes.
 */
bool row_key_plain(char out[ROW_KEY_MAX], size_t *len, struct slice value);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * near.h - "did you mean": of many names, the one a person most likely wanted to write.
 */
#ifndef CONF_NEAR_H
#define CONF_NEAR_H

#include "base/base.h"

/* The i-th name, or NULL for one that does not take part. */
typedef const char *(*near_name_fn)(const void *ctx, size_t i);

/*
 * near_find - the nearest of the names 0 .. n - 1, case ignored; NULL when none is near enough to
 * be worth saying.
 */
const char *near_find(struct slice wrong, near_name_fn name, const void *ctx, size_t n);

#endif

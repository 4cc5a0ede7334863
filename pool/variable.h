/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POOL_VARIABLE_H
#define POOL_VARIABLE_H
#include "router/set.h"
#endif

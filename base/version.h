/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version.h - the version, here and nowhere else.
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define GALEWAY_VERSION "0.1.0"

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - monotonic time. Tests may set it.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* clock_now_us - microseconds of CLOCK_MONOTONIC, read now. Any thread. */
uint64_t clock_now_us(void);

/* clock_now_ms - the same in milliseconds. */
uint64_t clock_now_ms(void);

/* clock_unix_us - microseconds since 1970, for logs and tables. */
uint64_t clock_unix_us(void);

/* clock_set_us - tests: from now on clock_now_* returns this; 0 = the real clock again. */
void clock_set_us(uint64_t us);

#endif

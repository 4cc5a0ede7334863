/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - monotonic and calendar time.
 */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic uint64_t test_us; /* 0 = the real clock */

static uint64_t read_us(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now); /* cannot fail for the two clocks used here */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_now_us(void)
{
    uint64_t us = atomic_load_explicit(&test_us, memory_order_relaxed);

    return us != 0 ? us : read_us(CLOCK_MONOTONIC);
}

uint64_t clock_now_ms(void)
{
    return clock_now_us() / 1000;
}

uint64_t clock_unix_us(void)
{
    return read_us(CLOCK_REALTIME);
}

void clock_set_us(uint64_t us)
{
    atomic_store_explicit(&test_us, us, memory_order_relaxed);
}

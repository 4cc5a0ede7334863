/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame_clock.c - the monotonic clock of the process, libuv's too: real until it is set.
 */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/frame/frame.h"

static uint64_t now_us;

void frame_clock_set(uint64_t us)
{
    now_us = us;
}

uint64_t frame_clock_us(void)
{
    return now_us;
}

/* In place of the C library's: shared libraries find this one first. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
    if (now_us == 0 || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)) {
        return (int)syscall(SYS_clock_gettime, id, ts);
    }
    ts->tv_sec = (time_t)(now_us / 1000000);
    ts->tv_nsec = (long)(now_us % 1000000) * 1000;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pin.c - see pin.h.
 */
#include "proxy/pin.h"

#include "base/base.h"

const char *pin_name(enum pin pin)
{
    static const char *const names[] = {
#define X(code, name, reset) [code] = name,
        PIN_TABLE(X)
#undef X
    };

    return names[pin];
}

uint32_t pins_that_reset(void)
{
    return 0
#define X(code, name, reset) | ((reset) != 0 ? BIT(code) : 0)
        PIN_TABLE(X)
#undef X
            ;
}

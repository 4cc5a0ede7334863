/* SPDX-License-Identifier: Apache-2.0 */
/*
 * networks.c - see networks.h.
 */
#include "conf/networks.h"

#include "base/err.h"
#include "conf/items.h"

int networks_read(struct networks *out, struct slice text, const char **why)
{
    struct slice rest = text;

    *out = (struct networks){.n = 0};
    if (slice_eq(items_next(&rest, ','), SLICE("*")) && rest.len == 0) {
        out->is_any = true;
        return 0;
    }
    while (text.len > 0) {
        struct slice item = items_next(&text, ',');

        if (out->n == NETWORKS_MAX) {
            *why = "is one too many: there may be 64";
            return ERR_CONFIG;
        }
        if (network_parse(&out->at[out->n], item) != 0) {
            *why = "is no network: write 10.0.0.0/8, fd00::/8, an address, or * alone for all";
            return ERR_CONFIG;
        }
        out->n++;
    }
    return 0;
}

bool networks_have(const struct networks *networks, const struct address *a)
{
    if (a->family == ADDRESS_NONE) {
        return false;
    }
    for (unsigned i = 0; i < networks->n; i++) {
        if (network_has(&networks->at[i], a)) {
            return true;
        }
    }
    return networks->is_any;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_texts.c - small texts of a file or of a DBA, taken apart: networks, users of the console,
 * interfaces, row keys, attributes, passwords and stored keys, positions, TLS versions; and the
 * first packet of a prepare reply. What is taken for a network or an address is written and read
 * again as the same.
 *
 * Input: which (1), then the text.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "conf/attributes.h"
#include "conf/credential.h"
#include "conf/iface.h"
#include "conf/networks.h"
#include "conf/row_pattern.h"
#include "protocol/auth.h"
#include "protocol/binlog.h"
#include "protocol/stmt.h"
#include "protocol/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(struct slice part, struct slice whole)
{
    return part.len == 0 ||
           (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void try_networks(struct slice text)
{
    struct networks networks;
    const char *why = NULL;

    if (networks_read(&networks, text, &why) != 0) {
        CHECK(why != NULL);
        return;
    }
    for (unsigned i = 0; i < networks.n; i++) {
        CHECK(networks_have(&networks, &networks.at[i].base));
    }
}

static void try_address(struct slice text)
{
    struct address a, again;
    char out[ADDRESS_TEXT_MAX];

    if (address_parse(&a, text) == 0) {
        CHECK(address_parse(&again, slice_of(address_text(&a, out))) == 0);
        CHECK(address_is_same(&a, &again));
    }
}

static void try_credentials(struct slice text)
{
    struct slice rest = text;
    struct credential c, found;

    while (credential_next(&rest, &c) == 1) {
        CHECK(c.user.len > 0 && lies_in(c.user, text) && lies_in(c.password, text));
        CHECK(credential_find(text, c.user, &found));
    }
}

static void try_interfaces(struct slice text)
{
    struct slice rest = text;
    struct iface iface;
    const char *why = NULL;
    int more;

    while ((more = iface_next(&rest, &iface, &why)) == 1) {
        CHECK(lies_in(iface.host, text) && (iface.is_unix || iface.port != 0));
    }
    CHECK(more == 0 || why != NULL);
}

static void try_row_keys(struct slice text)
{
    struct row_key_patterns patterns;
    const char *why = NULL;

    if (row_key_patterns_read(&patterns, text, &why) == 0) {
        (void)row_key_pattern_find(&patterns, SLICE("wp_options"));
        (void)row_key_pattern_find(&patterns, text);
    }
}

static void try_secret(struct slice text)
{
    struct secret s;
    uint8_t key[ED25519_KEY_LEN];

    if (secret_parse(&s, text) == 0) {
        (void)secret_fits_clear(&s, SLICE("no")); /* slow forms have a bound, too */
        secret_wipe(&s);
    }
    (void)!ed25519_parse(key, text);
}

static void try_terminated(uint8_t which, struct slice text)
{
    char *copy = mem_copy(MEM_OTHER, text);
    int64_t window;
    struct binlog_gtids gtids;

    if (which == 6) {
        (void)!attributes_causal_window(copy, &window);
    } else if (which == 7) {
        (void)tls_versions_are_good(copy);
    } else {
        (void)!binlog_gtids_parse(&gtids, text);
    }
    mem_free(MEM_OTHER, copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data + 1, size - 1};
    struct prepare_ok ok;

    if (size < 2) {
        return 0;
    }
    switch (data[0] % 10) {
    case 0: try_networks(text); break;
    case 1: try_address(text); break;
    case 2: try_credentials(text); break;
    case 3: try_interfaces(text); break;
    case 4: try_row_keys(text); break;
    case 5: try_secret(text); break;
    case 9: (void)!prepare_ok_decode(&ok, data + 1, size - 1); break;
    default: try_terminated(data[0] % 10, text); break;
    }
    return 0;
}

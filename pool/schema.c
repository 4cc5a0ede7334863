/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.c - see schema.h.
 */
#include "pool/schema.h"

#include <xxhash.h>

#include "base/mem.h"
#include "pool/account.h"

void schemas_init(struct schemas *t)
{
    map_init(&t->by_key, MEM_POOL, SCHEMAS_MAX);
}

void schemas_fini(struct schemas *t)
{
    struct schema *schema;
    size_t pos = 0;

    while ((schema = map_next(&t->by_key, &pos)) != NULL) {
        (void)atomic_fetch_sub(&schema->account->n_schemas, 1);
        mem_free(MEM_POOL, schema);
    }
    map_fini(&t->by_key);
}

/* On a node with lower_case_table_names names that differ in case are one schema. */
uint32_t schema_hash(struct slice name)
{
    char lower[SCHEMA_NAME_MAX];
    size_t n = MIN(name.len, sizeof(lower));

    for (size_t i = 0; i < n; i++) {
        char c = name.data[i];

        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return n == 0 ? 0 : (uint32_t)XXH3_64bits(lower, n);
}

struct schema *schema_get(struct schemas *t, struct account *account, struct slice name)
{
    const uintptr_t id = (uintptr_t)account; /* accounts live as long as the process */
    char key[sizeof(id) + SCHEMA_NAME_MAX];
    struct schema *schema;
    size_t len = sizeof(id) + name.len;

    if (name.len == 0 || name.len > SCHEMA_NAME_MAX) {
        return NULL;
    }
    memcpy(key, &id, sizeof(id));
    memcpy(key + sizeof(id), name.data, name.len);
    schema = map_get(&t->by_key, (struct slice){key, len});
    if (schema != NULL) {
        return schema;
    }
    if (atomic_load(&account->n_schemas) >= SCHEMAS_OF_ONE) {
        mem_refused();
        return NULL;
    }
    schema = mem_try(MEM_POOL, sizeof(*schema) + len + 1);
    if (schema == NULL) {
        return NULL;
    }
    *schema = (struct schema){.account = account};
    memcpy(schema->key, key, len);
    schema->key[len] = '\0';
    schema->name = (struct slice){schema->key + sizeof(id), name.len};
    schema->hash = schema_hash(name);
    if (map_put(&t->by_key, (struct slice){schema->key, len}, schema) != 0) {
        mem_free(MEM_POOL, schema);
        return NULL;
    }
    (void)atomic_fetch_add(&account->n_schemas, 1);
    return schema;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.c - see walk.h.
 */
#include "conf/walk.h"

#include "base/err.h"
#include "conf/cnf.h"

struct walk {
    conf_walk_fn fn;
    void *ctx;
};

static void walk_group(const struct walk *walk, const char *section, size_t row,
                       const config_setting_t *group)
{
    int n = config_setting_length(group);

    for (int i = 0; i < n; i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        char buffer[CNF_NUMBER_MAX];
        struct slice value;

        if (cnf_scalar(setting, buffer, &value) == 0) {
            walk->fn(walk->ctx, section, row, config_setting_name(setting), value);
        }
    }
}

static void walk_list(const struct walk *walk, const char *section, const config_setting_t *list)
{
    int n = config_setting_length(list);

    for (int i = 0; i < n; i++) {
        const config_setting_t *group = config_setting_get_elem(list, (unsigned)i);

        if (config_setting_type(group) == CONFIG_TYPE_GROUP) {
            walk_group(walk, section, (size_t)i, group);
            walk->fn(walk->ctx, section, (size_t)i, NULL, (struct slice){NULL, 0});
        }
    }
}

static int walk_source(const struct source *source, struct faults *faults, const struct walk *walk)
{
    const config_setting_t *root;
    config_t config;
    int rc = 0;

    if (cnf_parse(&config, source, faults) != 0) {
        rc = ERR_CONFIG;
    } else {
        root = config_root_setting(&config);
        for (int i = 0; i < config_setting_length(root); i++) {
            const config_setting_t *section = config_setting_get_elem(root, (unsigned)i);

            if (config_setting_type(section) == CONFIG_TYPE_GROUP) {
                walk_group(walk, config_setting_name(section), 0, section);
            } else if (config_setting_type(section) == CONFIG_TYPE_LIST) {
                walk_list(walk, config_setting_name(section), section);
            }
        }
    }
    config_destroy(&config);
    return rc;
}

int conf_walk(const char *path, struct faults *faults, conf_walk_fn fn, void *ctx)
{
    struct walk walk = {fn, ctx};
    struct source source = {0};
    int rc = source_read(&source, path, faults);

    if (rc == 0) {
        rc = walk_source(&source, faults, &walk);
    }
    source_fini(&source);
    return rc;
}

int conf_walk_text(const char *name, struct slice text, struct faults *faults, conf_walk_fn fn,
                   void *ctx)
{
    struct walk walk = {fn, ctx};
    struct source source = {0};
    int rc = source_take_text(&source, name, text, faults);

    if (rc == 0) {
        rc = walk_source(&source, faults, &walk);
    }
    source_fini(&source);
    return rc;
}

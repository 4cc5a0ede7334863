/* SPDX-License-Identifier: Apache-2.0 */
/*
 * homes.c - see conf.h: are home nodes on for a hostgroup?
 */
#include <jansson.h>

#include "conf/conf.h"

/* -1 = the settings do not say, or say no boolean. */
static int setting_of(const char *settings)
{
    json_t *json = json_loads(settings, 0, NULL);
    const json_t *value = json_object_get(json, "site_home_nodes"); /* NULL of what is no object */
    int says = json_is_boolean(value) ? json_is_true(value) : -1;

    json_decref(json);
    return says;
}

bool conf_has_homes(const struct conf *conf, int writer_hostgroup)
{
    for (size_t i = 0; i < conf->n_hostgroups; i++) {
        const struct conf_hostgroup *row = &conf->hostgroups[i];
        int says = row->hostgroup == writer_hostgroup ? setting_of(row->hostgroup_settings) : -1;

        if (says >= 0) {
            return says > 0;
        }
    }
    return conf->vars.mysql_site_home_nodes;
}

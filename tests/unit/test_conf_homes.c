/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf_homes.c - for which hostgroups home nodes are on.
 */
#include <stdio.h>

#include "conf/conf.h"
#include "tests/unit/test.h"

/* With a row of mysql_hostgroup_attributes for hostgroup 10; "" = without. */
static struct conf *load(bool everywhere, const char *settings, unsigned n_errors)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    char text[1000];
    bool is_said = false;
    int rc;

    (void)snprintf(text, sizeof(text),
                   "mysql_variables={site_home_nodes=%s}\n"
                   "mysql_servers=({address=\"127.0.0.1\";port=1;hostgroup=10})\n"
                   "mysql_hostgroup_attributes=(%s%s%s)\n",
                   everywhere ? "true" : "false",
                   settings[0] == '\0' ? "" : "{hostgroup_id=10;hostgroup_settings=\"", settings,
                   settings[0] == '\0' ? "" : "\"}");
    rc = conf_load_text(&conf, "test", slice_of(text), &faults);
    assert_int_equal(faults.errors, n_errors);
    assert_int_equal(rc == 0, n_errors == 0);
    for (size_t i = 0; n_errors != 0 && i < faults.count; i++) {
        is_said |= strstr(faults.items[i].text, "site_home_nodes of hostgroup 10") != NULL;
    }
    assert_int_equal(is_said, n_errors != 0);
    faults_fini(&faults);
    return conf;
}

static void expect(bool everywhere, const char *settings, bool here, bool elsewhere)
{
    struct conf *conf = load(everywhere, settings, 0);

    assert_int_equal(conf_has_homes(conf, 10), here);
    assert_int_equal(conf_has_homes(conf, 20), elsewhere);
    conf_unref(conf);
}

TEST(conf_homes_are_on_by_the_variable_or_by_the_hostgroup)
{
    expect(false, "", false, false);
    expect(true, "", true, true);
    expect(false, "{\\\"site_home_nodes\\\": true}", true, false);
    expect(true, "{\\\"site_home_nodes\\\": false}", false, true);
    expect(true, "{\\\"other\\\": 1}", true, true);
    expect(true, "[1]", true, true);
}

TEST(conf_homes_are_a_boolean)
{
    conf_unref(load(false, "{\\\"site_home_nodes\\\": 1}", 1));
    conf_unref(load(false, "{\\\"site_home_nodes\\\": \\\"true\\\"}", 1));
}

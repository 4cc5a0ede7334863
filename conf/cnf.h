/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cnf.h - from libconfig's tree to a configuration: sections, variables, rows.
 *
 * For conf/ itself; others use conf.h.
 */
#ifndef CONF_CNF_H
#define CONF_CNF_H

#include <libconfig.h>

#include "conf/conf.h"
#include "conf/source.h"

/* One run of the reader. */
struct cnf {
    struct conf *conf;           /* borrowed: what is filled in */
    struct faults *faults;       /* borrowed */
    const struct source *source; /* borrowed: where lines come from */
    struct conf_place *keys;     /* borrowed, KEY_COUNT of them: where each variable is */
    unsigned n_without_effect;   /* variables and sections not acted on that change nothing */
};

struct table;

#define CNF_NUMBER_MAX 32 /* a number as text */

/*
 * cnf_read - parse the text and fill cnf->conf, which has its defaults. All faults are collected.
 */
void cnf_read(struct cnf *cnf);

/*
 * cnf_parse - the text as settings, each with its name and value. Returns 0 or ERR_CONFIG, which
 * was told.
 * config: to be destroyed in both cases.
 */
int cnf_parse(config_t *config, const struct source *source, struct faults *faults) MUST_CHECK;

/* cnf_place - where a setting was written. The name lives as long as the source's names. */
struct conf_place cnf_place(const struct cnf *cnf, const config_setting_t *setting);

/*
 * cnf_scalar - a string, a number or a boolean as text, in *out or in the buffer.
 * Returns 0 or ERR_CONFIG: a float, a group or a list.
 */
int cnf_scalar(const config_setting_t *setting, char buffer[CNF_NUMBER_MAX],
               struct slice *out) MUST_CHECK;

/* cnf_type_text - "a group", for messages. */
const char *cnf_type_text(const config_setting_t *setting);

/*
 * cnf_not_acted_on - tell of a section that is only accepted; one that changes nothing is counted.
 */
void cnf_not_acted_on(struct cnf *cnf, const config_setting_t *section, bool changes_nothing);

/* cnf_rows - a section that is a list of groups: the rows of a table (rows.c). */
void cnf_rows(struct cnf *cnf, const struct table *table, const config_setting_t *section);

#endif

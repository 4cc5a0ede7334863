/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf.c - files: what is read, includes, references, the example file, memory that is out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/example.h"
#include "conf/manual.h"
#include "tests/unit/test.h"

/* As an administrator of ProxySQL would have it; nothing in it is ours. */
static const char proxysql_file[] =
    "datadir=\"/var/lib/proxysql\"\n"
    "errorlog=\"/var/lib/proxysql/proxysql.log\"\n"
    "admin_variables=\n"
    "{\n"
    "    admin_credentials=\"admin:admin\"\n"
    "    mysql_ifaces=\"0.0.0.0:6032\"\n"
    "}\n"
    "mysql_variables=\n"
    "{\n"
    "    threads=4\n"
    "    max_connections=2048\n"
    "    default_query_delay=0\n"
    "    default_query_timeout=36000000\n"
    "    have_compress=true\n"
    "    poll_timeout=2000\n"
    "    interfaces=\"0.0.0.0:6033\"\n"
    "    default_schema=\"information_schema\"\n"
    "    stacksize=1048576\n"
    "    server_version=\"5.5.30\"\n"
    "    connect_timeout_server=3000\n"
    "    monitor_username=\"monitor\"\n"
    "    monitor_password=\"monitor\"\n"
    "    monitor_history=600000\n"
    "    monitor_connect_interval=60000\n"
    "    monitor_ping_interval=10000\n"
    "    monitor_read_only_interval=1500\n"
    "    monitor_read_only_timeout=500\n"
    "    ping_interval_server_msec=120000\n"
    "    ping_timeout_server=500\n"
    "    commands_stats=true\n"
    "    sessions_sort=true\n"
    "    connect_retries_on_failure=10\n"
    "}\n"
    "mysql_servers =\n"
    "(\n"
    "    { address = \"127.0.0.1\" , port = 3306 , hostgroup = 0 , status = \"ONLINE\" ,\n"
    "      weight = 1 , compression = 0 , max_replication_lag = 10 },\n"
    "    { hostname = \"/var/lib/mysql/mysql.sock\", hostgroup_id = 1, max_connections = 200 }\n"
    ")\n"
    "mysql_users:\n"
    "(\n"
    "    { username = \"root\" , password = \"\" , default_hostgroup = 0 , active = 1 ,\n"
    "      max_connections=1000 , default_schema=\"test\" },\n"
    "    { username = \"old\" , password = \"*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29\",\n"
    "      default_hostgroup = 1, active = 0 }\n"
    ")\n"
    "mysql_query_rules:\n"
    "(\n"
    "    { rule_id=1; active=1; match_pattern=\"^SELECT .* FOR UPDATE$\";\n"
    "      destination_hostgroup=0; apply=1; }\n"
    ")\n"
    "scheduler=\n(\n  { id=1; active=0; interval_ms=10000; filename=\"/x\" }\n)\n"
    "mysql_replication_hostgroups=\n"
    "(\n    { writer_hostgroup=30; reader_hostgroup=40; comment=\"test\" }\n)\n"
    "pgsql_variables=\n{\n    threads=2\n}\n";

static void print_faults(const struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        print_message("%s:%d: %s\n", faults->items[i].file, faults->items[i].line,
                      faults->items[i].text);
    }
}

static struct conf *must_load(const char *text)
{
    struct faults faults = {0};
    struct conf *conf = NULL;

    if (conf_load_text(&conf, "test.cnf", slice_of(text), &faults) != 0) {
        print_faults(&faults);
        fail();
    }
    faults_fini(&faults);
    return conf;
}

TEST(conf_a_file_of_proxysql_starts_as_it_is)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    uint64_t before = mem_blocks(MEM_CONF);
    int rc = conf_load_text(&conf, "p.cnf", slice_of(proxysql_file), &faults);

    print_faults(&faults);
    assert_int_equal(rc, 0);
    assert_int_equal(faults.errors, 0);
    assert_true(faults.count > 10);
    assert_int_equal(faults.items[0].line, 2); /* errorlog */
    assert_string_equal(conf->datadir, "/var/lib/proxysql");
    assert_int_equal(conf->vars.mysql_threads, 4);
    assert_int_equal(conf->vars.mysql_max_connections, 2048);
    assert_int_equal(conf->n_servers, 2);
    assert_int_equal(conf->servers[0].max_connections, 1000);
    assert_int_equal(conf->servers[0].max_replication_lag, 10);
    assert_string_equal(conf->servers[1].address, "/var/lib/mysql/mysql.sock");
    assert_int_equal(conf->servers[1].port, 0);
    assert_int_equal(conf->n_users, 2);
    assert_string_equal(conf_user_find(conf, SLICE("root"))->default_schema, "test");
    assert_null(conf_user_find(conf, SLICE("old"))); /* not active */
    assert_null(conf_user_find(conf, SLICE("Root")));
    assert_int_equal(conf->n_rules, 1);
    assert_string_equal(conf->rules[0].match_pattern, "^SELECT .* FOR UPDATE$");
    assert_int_equal(conf->rules[0].rule_id, 1);
    assert_int_equal(conf->n_schedulers, 1);
    assert_int_equal(conf->replications[0].reader_hostgroup, 40);
    conf_unref(conf);
    faults_fini(&faults);
    assert_int_equal(mem_blocks(MEM_CONF), before);
}

TEST(conf_an_empty_file_has_all_defaults)
{
    struct conf *conf = must_load("");
    struct conf *second = must_load("# nothing\n");

    assert_int_equal(conf->vars.mysql_max_connections, 10000);
    assert_int_equal(conf->n_servers + conf->n_users + conf->n_galera, 0);
    assert_true(second->version > conf->version);
    conf_unref(conf);
    conf_unref(second);
    conf_unref(NULL);
}

TEST(conf_lives_until_the_last_unref)
{
    uint64_t before = mem_blocks(MEM_CONF);
    struct conf *conf = must_load("datadir=\"/d\"\n");

    assert_ptr_equal(conf_ref(conf), conf);
    conf_unref(conf);
    assert_string_equal(conf->datadir, "/d");
    conf_unref(conf);
    assert_int_equal(mem_blocks(MEM_CONF), before);
}

TEST(conf_galera_rows_are_found_by_writer)
{
    struct conf *conf =
        must_load("mysql_servers=({address=\"a\"; hostgroup=10}, {address=\"b\"; hostgroup=20})\n"
                  "mysql_users=({username=\"u\"; password=\"p\"; default_hostgroup=12})\n"
                  "mysql_galera_hostgroups=(\n"
                  "{writer_hostgroup=10; backup_writer_hostgroup=11; reader_hostgroup=12;\n"
                  " offline_hostgroup=13; max_writers=1; writer_is_also_reader=2},\n"
                  "{writer_hostgroup=20; backup_writer_hostgroup=21; reader_hostgroup=22;\n"
                  " offline_hostgroup=23; active=0})\n");

    assert_int_equal(conf_galera_of_writer(conf, 10)->reader_hostgroup, 12);
    assert_int_equal(conf_galera_of_writer(conf, 10)->writer_is_also_reader, 2);
    assert_null(conf_galera_of_writer(conf, 12));
    assert_null(conf_galera_of_writer(conf, 20)); /* not active */
    conf_unref(conf);
}

/* --- files ----------------------------------------------------------------------------------- */

static char dir[] = "/tmp/galeway-conf-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fclose(file), 0);
}

static int load_file(const char *name, struct conf **conf, struct faults *faults)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return conf_load(conf, path, faults);
}

static void remove_file(const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)remove(path);
}

TEST(conf_includes_are_read_and_named_in_faults)
{
    struct faults faults = {0};
    struct conf *conf = NULL;

    assert_non_null(mkdtemp(dir));
    write_file("main.cnf", "/* a comment\n@include \"nowhere\"\n*/\n"
                           "  @include \"vars.cnf\"\n"
                           "mysql_servers=({address=\"a\"; prt=1})\n");
    write_file("vars.cnf", "mysql_variables=\n{\n    threads=300\n}");
    assert_int_equal(load_file("main.cnf", &conf, &faults), ERR_CONFIG);
    assert_null(conf);
    assert_int_equal(faults.errors, 2);
    assert_non_null(strstr(faults.items[0].file, "/vars.cnf"));
    assert_int_equal(faults.items[0].line, 3);
    assert_non_null(strstr(faults.items[1].file, "/main.cnf"));
    assert_int_equal(faults.items[1].line, 5);
    assert_non_null(strstr(faults.items[1].text, "did you mean \"port\"?"));
    faults_fini(&faults);
    remove_file("main.cnf");
    remove_file("vars.cnf");
    assert_int_equal(rmdir(dir), 0);
}

TEST(conf_includes_that_cannot_be_are_faults)
{
    struct faults faults = {0};
    struct conf *conf = NULL;

    assert_non_null(mkdtemp(dir));
    write_file("self.cnf", "\n@include \"self.cnf\"\n");
    write_file("folder.cnf", "@include \"/\"\n");
    write_file("none.cnf", "\n\n@include \"absent.cnf\"\n");
    assert_int_not_equal(load_file("self.cnf", &conf, &faults), 0);
    assert_non_null(strstr(faults.items[0].text, "too often"));
    assert_int_not_equal(load_file("folder.cnf", &conf, &faults), 0);
    assert_non_null(strstr(faults.items[1].text, "not a regular file"));
    assert_int_not_equal(load_file("none.cnf", &conf, &faults), 0);
    assert_int_equal(faults.items[2].line, 3);
    assert_int_equal(load_file("absent.cnf", &conf, &faults), ERR_FILE);
    assert_int_equal(load_file("", &conf, &faults), ERR_FILE);
    assert_int_equal(faults.errors, 5);
    faults_fini(&faults);
    remove_file("self.cnf");
    remove_file("folder.cnf");
    remove_file("none.cnf");
    assert_int_equal(rmdir(dir), 0);
}

TEST(conf_a_huge_or_binary_file_is_refused)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    char path[256];

    assert_non_null(mkdtemp(dir));
    write_file("big.cnf", "");
    (void)snprintf(path, sizeof(path), "%s/big.cnf", dir);
    assert_int_equal(truncate(path, 65 << 20), 0);
    assert_int_equal(load_file("big.cnf", &conf, &faults), ERR_FILE);
    assert_non_null(strstr(faults.items[0].text, "larger than 64 MiB"));
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(load_file("big.cnf", &conf, &faults), ERR_CONFIG);
    assert_non_null(strstr(faults.items[1].text, "zero byte"));
    faults_fini(&faults);
    remove_file("big.cnf");
    assert_int_equal(rmdir(dir), 0);
}

/* --- the example ----------------------------------------------------------------------------- */

static char *read_whole(FILE *file, size_t *n)
{
    char *text = calloc(1, 1 << 20);

    assert_non_null(text);
    *n = fread(text, 1, (1 << 20) - 1, file);
    return text;
}

/* To write the files anew after a change of keys.def: run these tests with UPDATE_EXAMPLE=1. */
static void compare_with_file(void (*write_it)(FILE *out), const char *path)
{
    FILE *made = tmpfile(), *kept;
    size_t n_made, n_kept;
    char *made_text, *kept_text;

    assert_non_null(made);
    write_it(made);
    rewind(made);
    made_text = read_whole(made, &n_made);
    if (getenv("UPDATE_EXAMPLE") != NULL) {
        kept = fopen(path, "w");
        assert_non_null(kept);
        assert_int_equal(fwrite(made_text, 1, n_made, kept), n_made);
        assert_int_equal(fclose(kept), 0);
    }
    kept = fopen(path, "r");
    assert_non_null(kept);
    kept_text = read_whole(kept, &n_kept);
    assert_string_equal(kept_text, made_text);
    (void)fclose(kept);
    (void)fclose(made);
    free(made_text);
    free(kept_text);
}

TEST(conf_example_file_is_what_keys_def_gives)
{
    compare_with_file(conf_write_example, "conf/galeway.cnf");
}

TEST(conf_example_manual_is_what_keys_def_and_the_tables_give)
{
    compare_with_file(conf_write_manual, "conf/galeway.cnf.5");
}

TEST(conf_example_file_loads_with_and_without_its_comment_signs)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    FILE *made = tmpfile();
    char *text, *to;
    size_t n;

    assert_non_null(made);
    conf_write_example(made);
    rewind(made);
    text = read_whole(made, &n);
    (void)fclose(made);
    conf = must_load(text);
    conf_unref(conf);
    /* "# text" stays a comment, "#name=..." and "#    { ... }" become settings. */
    to = text;
    for (const char *from = text; *from != '\0'; from++) {
        bool is_setting = *from == '#' && (from[1] != ' ' || from[2] == ' ') && from[1] != '\n';

        if (!is_setting) {
            *to++ = *from;
        }
    }
    *to = '\0';
    if (conf_load_text(&conf, "example", slice_of(text), &faults) != 0) {
        print_faults(&faults);
        fail();
    }
    assert_int_equal(conf->n_servers, 3);
    assert_int_equal(conf->n_users, 1);
    assert_int_equal(conf->n_galera, 1);
    assert_int_equal(conf->n_rules, 3);
    assert_string_equal(conf->rules[2].replace_pattern, "new_\\1");
    assert_int_equal(conf->n_fast_routes, 1);
    assert_int_equal(faults.count, 0);
    conf_unref(conf);
    free(text);
}

/* --- no memory ------------------------------------------------------------------------------- */

TEST(conf_without_memory_is_an_error_and_leaks_nothing)
{
    uint64_t before = mem_blocks(MEM_CONF);
    int rc = -1;

    for (unsigned n = 1; rc != 0; n++) {
        struct faults faults = {0};
        struct conf *conf = NULL;

        mem_fail_at(n);
        rc = conf_load_text(&conf, "p.cnf", slice_of(proxysql_file), &faults);
        mem_fail_at(0);
        assert_true(n < 1000);
        assert_int_equal(rc == 0, conf != NULL);
        assert_int_equal(rc == 0, faults.errors == 0);
        conf_unref(conf);
        faults_fini(&faults);
        assert_int_equal(mem_blocks(MEM_CONF), before);
    }
}

TEST(conf_faults_beyond_the_maximum_are_counted)
{
    struct faults faults = {0};

    for (int i = 0; i < FAULTS_MAX + 10; i++) {
        fault_error(&faults, "f", i, "no. %d", i);
    }
    assert_int_equal(faults.count, FAULTS_MAX);
    assert_int_equal(faults.errors, FAULTS_MAX + 10);
    assert_int_equal(faults.dropped, 10);
    assert_string_equal(faults.items[FAULTS_MAX - 1].text, "no. 999");
    faults_fini(&faults);
}

# SPDX-License-Identifier: Apache-2.0
"""What well-known applications and libraries say, in their order."""
import wire

from . import on, seq

WPDB = (
    "SET NAMES utf8mb4",
    "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_520_ci'",
    "SELECT @@SESSION.sql_mode",
    "SET SESSION sql_mode='ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION'",
    ("init_db", "$db"),
)
SEE = "SELECT @@sql_mode, @@collation_connection, @@character_set_client, DATABASE()"
OPTIONS = (
    "CREATE TABLE wp_options (option_id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, option_name "
    "VARCHAR(191) NOT NULL DEFAULT '', option_value LONGTEXT NOT NULL, autoload VARCHAR(20) NOT NULL "
    "DEFAULT 'yes', UNIQUE KEY option_name (option_name), KEY autoload (autoload)) COLLATE utf8mb4_unicode_520_ci",
    "INSERT INTO wp_options (option_name, option_value) VALUES ('siteurl','http://a'),('blogname','é😀'),('cron','')",
    "CREATE TABLE wp_posts (ID BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, post_title TEXT, post_status VARCHAR(20), "
    "post_date DATETIME)",
    "INSERT INTO wp_posts (post_title, post_status, post_date) SELECT CONCAT('Post ', seq), 'publish', "
    "'2024-01-01' + INTERVAL seq DAY FROM seq_1_to_30",
)


def wordpress(name, *steps, **options):
    return seq("wordpress-" + name, *WPDB, *steps, db=None, setup=OPTIONS, **options)


SEQUENCES = [
    wordpress("connect", SEE),
    wordpress("page", "SELECT option_name, option_value FROM wp_options WHERE autoload = 'yes'",
              "SELECT option_value FROM wp_options WHERE option_name = 'WPLANG' LIMIT 1",
              "SELECT SQL_CALC_FOUND_ROWS  wp_posts.ID\n\t\t\t\t\tFROM wp_posts \n\t\t\t\t\tWHERE 1=1  AND "
              "wp_posts.post_status = 'publish'\n\t\t\t\t\t\n\t\t\t\t\tORDER BY wp_posts.post_date DESC\n\t\t\t\t\tLIMIT 0, 10",
              "SELECT FOUND_ROWS()", "SELECT wp_posts.* FROM wp_posts WHERE ID IN (1,4,7)", ("quit",)),
    wordpress("options", "INSERT INTO `wp_options` (`option_name`, `option_value`, `autoload`) VALUES ('x', 'y', 'yes') "
              "ON DUPLICATE KEY UPDATE `option_name` = VALUES(`option_name`), `option_value` = VALUES(`option_value`)",
              "UPDATE `wp_options` SET `option_value` = 'z' WHERE `option_name` = 'x'",
              "SELECT option_value FROM wp_options WHERE option_name = 'x'",
              "INSERT IGNORE INTO `wp_options` ( `option_name`, `option_value`, `autoload` ) VALUES ('core.lock', '1', 'no') /* LOCK */",
              "INSERT IGNORE INTO `wp_options` ( `option_name`, `option_value`, `autoload` ) VALUES ('core.lock', '1', 'no') /* LOCK */",
              "DELETE FROM `wp_options` WHERE `option_name` = 'core.lock'", SEE),
    wordpress("schema", "SHOW FULL COLUMNS FROM `wp_options`", "DESCRIBE wp_posts", "SHOW TABLES LIKE 'wp\\_%'",
              "SHOW VARIABLES LIKE 'sql_mode'", "SHOW INDEX FROM wp_options", "SELECT VERSION()", "DO 1"),
    wordpress("errors", "SELECT * FROM wp_missing", SEE, "INSERT INTO wp_options (option_name) VALUES ('siteurl')", SEE),
    wordpress("plugins", "SET SESSION group_concat_max_len = 1000000", "SET SQL_BIG_SELECTS=1", "SET SESSION wait_timeout=600",
              "SELECT GET_LOCK('$db.plugin', 1)", "SELECT option_value FROM wp_options WHERE option_name='cron' FOR UPDATE",
              "SELECT RELEASE_LOCK('$db.plugin')", "SELECT @@group_concat_max_len, @@wait_timeout", SEE),
    wordpress("two-sites", *on("b", *WPDB[:4], ("init_db", "$db"), "SET sql_mode=''", SEE), SEE, ("on", "b", SEE)),
    wordpress("mysqli-real-connect-again", ("quit",)),
    seq("wordpress-bad-schema", *WPDB[:4], ("init_db", "$db_missing"), "SELECT DATABASE()", ("init_db", "wp_1"), SEE, db=None),
    seq("wordpress-bad-collation", "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_0900_ai_ci'", SEE,
        "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_520_ci'", SEE),
    seq("woocommerce", *WPDB, "START TRANSACTION", "SELECT option_value FROM wp_options WHERE option_id=1 FOR UPDATE",
        "UPDATE wp_options SET option_value='1' WHERE option_id=1", "SELECT SQL_CALC_FOUND_ROWS ID FROM wp_posts LIMIT 2",
        "SELECT FOUND_ROWS()", "INSERT INTO wp_posts (post_title) VALUES ('order')", "SELECT LAST_INSERT_ID()", "COMMIT",
        SEE, setup=OPTIONS),
    seq("pdo-connect", "SET NAMES 'utf8mb4'", "SET sql_mode='STRICT_ALL_TABLES'", ("prepare", "s", "SELECT * FROM t WHERE id = ?"),
        ("execute", "s", ["2"]), ("stmt_close", "s"), "SET autocommit=0", "INSERT INTO t (a) VALUES (4)", "ROLLBACK",
        "SET autocommit=1", SEE),
    seq("doctrine", "SET NAMES utf8mb4", "SELECT VERSION()", "START TRANSACTION", "SAVEPOINT DOCTRINE_2",
        "INSERT INTO t (a) VALUES (1)", "ROLLBACK TO SAVEPOINT DOCTRINE_2", "COMMIT", "SELECT COUNT(*) FROM t"),
    seq("laravel", "use `$db`;", "set names 'utf8mb4' collate 'utf8mb4_unicode_ci'",
        "set session sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
        "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'", SEE, ("prepare", "s", "select * from `t` where `id` = ? limit 1"),
        ("execute", "s", [1]), ("stmt_close", "s")),
    seq("drupal", "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci",
        "SET sql_mode = 'ANSI,TRADITIONAL'", "SET SESSION sql_mode='ANSI,STRICT_TRANS_TABLES,STRICT_ALL_TABLES,"
        "NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO'", 'SELECT "id" FROM "t" WHERE "id" = 1', SEE,
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SELECT @@tx_isolation"),
    seq("joomla", "SET NAMES `utf8mb4`", "SET @@SESSION.sql_mode = ''", SEE),
    seq("phpmyadmin", "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci';", "SET lc_messages = 'en_US';",
        "SELECT @@version, @@version_comment", "SELECT CURRENT_USER();", "SELECT @@lower_case_table_names",
        "SELECT DATABASE()", "SHOW SESSION VARIABLES LIKE 'FOREIGN_KEY_CHECKS'", "SHOW WARNINGS"),
    seq("connector-j", "set autocommit=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')",
        "SELECT @@max_allowed_packet,@@system_time_zone,@@time_zone,@@auto_increment_increment",
        "/* mysql-connector-java-8 */SELECT  @@session.auto_increment_increment AS auto_increment_increment, "
        "@@character_set_client AS character_set_client, @@sql_mode AS sql_mode", "SET character_set_results = NULL",
        "set session transaction read only", "select @@session.tx_read_only", "set session transaction read write",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SHOW WARNINGS", SEE),
    seq("django", "SET SQL_AUTO_IS_NULL = 0", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SELECT @@sql_auto_is_null, @@tx_isolation", "SET autocommit=0", "SELECT VERSION(), @@sql_mode, "
        "@@default_storage_engine, @@sql_auto_is_null, @@lower_case_table_names, CONVERT_TZ('2001-01-01 01:00:00', 'UTC', "
        "'UTC') IS NOT NULL", "COMMIT", "SET autocommit=1"),
    seq("rails", "SET NAMES utf8mb4,  @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'),  "
        "@@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483", SEE, "SELECT @@wait_timeout",
        "SHOW FULL FIELDS FROM `t`", "BEGIN", "SAVEPOINT active_record_1", "INSERT INTO `t` (`a`) VALUES (9)",
        "RELEASE SAVEPOINT active_record_1", "COMMIT"),
    seq("mysqldump", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "/*!40100 SET @@SQL_MODE='' */",
        "/*!40103 SET TIME_ZONE='+00:00' */", "START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */",
        "/*!80000 SET SESSION information_schema_stats_expiry=0 */", "SET SESSION NET_READ_TIMEOUT= 86400",
        "SAVEPOINT sp", "show table status like 'nothing'", "SET SQL_QUOTE_SHOW_CREATE=1", "SET SESSION character_set_results = 'binary'",
        "show create table `t`", "SET SESSION character_set_results = 'utf8mb4'", "show fields from `t`",
        "SELECT /*!40001 SQL_NO_CACHE */ `id`, `a`, `s` FROM `t`", "SET SESSION character_set_results = 'binary'",
        "use `$db`", "select @@collation_database", "ROLLBACK TO SAVEPOINT sp", "RELEASE SAVEPOINT sp", "UNLOCK TABLES"),
    seq("action-scheduler", "UPDATE t SET s='claim', a=a+1 WHERE a IS NOT NULL ORDER BY a ASC, id LIMIT 2",
        "SELECT id FROM t WHERE s='claim' ORDER BY id", "SELECT id FROM t WHERE a > 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"),
    seq("persistent-php", "SET NAMES latin1", "SET @a=1", ("change_user", "tenant", "tenant", "$db"), *WPDB, SEE,
        ("change_user", "tenant", "tenant", "$db"), SEE, "SELECT @a"),
    seq("mysqli-multi-query", "SELECT 1; SELECT 2", ("set_option", 0), "SELECT 3", ("set_option", 1), "SELECT 4; SELECT 5",
        caps=wire.MULTI_STATEMENTS | wire.LOCAL_FILES),
]

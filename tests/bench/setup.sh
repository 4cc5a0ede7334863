#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# setup.sh - put the data of the benchmark into a node; what is there already stays.
#
#   setup.sh PORT [SITES] [HOST]      as user galeway with password galeway (or USER_NAME, PASSWORD)
#
# Sites: user site_<i>, password secret_<i>, schema site_<i>, with the tables of a small WordPress.
# Every value begins with "s<i>;", and 50 + i % 20 of the 70 posts are published (loadgen checks
# both). User bench, password bench, schema bench: points and wide for loadgen, sbtest1 for
# sysbench.

set -euo pipefail

port=${1:?usage: setup.sh PORT [SITES] [HOST]}
sites=${2:-500}
host=${3:-127.0.0.1}
streams=2
version=1 # of the data: raise it when the data changes

sql() {
    mariadb --no-defaults --protocol=tcp --host="$host" --port="$port" \
        --user="${USER_NAME:-galeway}" --password="${PASSWORD:-galeway}" \
        --default-character-set=utf8mb4 --batch --skip-column-names "$@"
}

# The layout of WordPress's tables, as far as its queries see it.
template_tables() {
    cat <<'SQL'
CREATE DATABASE bench DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
USE bench;
CREATE TABLE wp_options (
    option_id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    option_name varchar(191) NOT NULL DEFAULT '',
    option_value longtext NOT NULL,
    autoload varchar(20) NOT NULL DEFAULT 'yes',
    UNIQUE KEY option_name (option_name),
    KEY autoload (autoload));
CREATE TABLE wp_posts (
    ID bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    post_author bigint unsigned NOT NULL DEFAULT 0,
    post_date datetime NOT NULL,
    post_date_gmt datetime NOT NULL,
    post_content longtext NOT NULL,
    post_title text NOT NULL,
    post_excerpt text NOT NULL,
    post_status varchar(20) NOT NULL DEFAULT 'publish',
    comment_status varchar(20) NOT NULL DEFAULT 'open',
    ping_status varchar(20) NOT NULL DEFAULT 'open',
    post_password varchar(255) NOT NULL DEFAULT '',
    post_name varchar(200) NOT NULL DEFAULT '',
    post_modified datetime NOT NULL,
    post_parent bigint unsigned NOT NULL DEFAULT 0,
    guid varchar(255) NOT NULL DEFAULT '',
    menu_order int NOT NULL DEFAULT 0,
    post_type varchar(20) NOT NULL DEFAULT 'post',
    comment_count bigint NOT NULL DEFAULT 0,
    KEY post_name (post_name),
    KEY type_status_date (post_type, post_status, post_date, ID));
CREATE TABLE wp_postmeta (
    meta_id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    post_id bigint unsigned NOT NULL DEFAULT 0,
    meta_key varchar(255) DEFAULT NULL,
    meta_value longtext,
    KEY post_id (post_id));
CREATE TABLE wp_terms (
    term_id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(200) NOT NULL DEFAULT '',
    slug varchar(200) NOT NULL DEFAULT '',
    KEY name (name));
CREATE TABLE wp_term_taxonomy (
    term_taxonomy_id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    term_id bigint unsigned NOT NULL DEFAULT 0,
    taxonomy varchar(32) NOT NULL DEFAULT '',
    count bigint NOT NULL DEFAULT 0,
    UNIQUE KEY term_taxonomy (term_id, taxonomy));
CREATE TABLE wp_term_relationships (
    object_id bigint unsigned NOT NULL DEFAULT 0,
    term_taxonomy_id bigint unsigned NOT NULL DEFAULT 0,
    PRIMARY KEY (object_id, term_taxonomy_id),
    KEY term_taxonomy_id (term_taxonomy_id));
SQL
}

# 150 autoload options of 23 KB together, 70 posts of 1 to 3 KB, three meta values and two terms
# for each post.
template_rows() {
    cat <<'SQL'
INSERT INTO wp_options (option_name, option_value, autoload)
SELECT CONCAT('option_', seq),
    REPEAT('o', CASE WHEN seq % 50 = 0 THEN 4000 WHEN seq % 10 = 0 THEN 400 ELSE 1 + seq % 60 END),
    'yes' FROM seq_1_to_147;
INSERT INTO wp_options (option_name, option_value, autoload) VALUES
    ('WPLANG', '', 'yes'), ('can_compress_scripts', '1', 'yes'),
    ('rewrite_rules', REPEAT('r', 6000), 'yes'), ('_transient_doing_cron', '0', 'no');
INSERT INTO wp_options (option_name, option_value, autoload)
SELECT CONCAT('_transient_', seq), REPEAT('t', 20), 'no' FROM seq_1_to_30;
INSERT INTO wp_posts (ID, post_author, post_date, post_date_gmt, post_content, post_title,
    post_excerpt, post_name, post_modified, guid)
SELECT seq, 1, '2024-01-01' + INTERVAL seq HOUR, '2024-01-01' + INTERVAL seq HOUR,
    REPEAT('words ', 170 + seq * 7 % 330), CONCAT('Post ', seq), '', CONCAT('post-', seq),
    '2024-01-01' + INTERVAL seq HOUR, CONCAT('http://localhost/?p=', seq) FROM seq_1_to_70;
INSERT INTO wp_postmeta (post_id, meta_key, meta_value)
SELECT 1 + (seq - 1) DIV 3, ELT(1 + seq % 3, '_edit_last', '_edit_lock', '_thumbnail_id'), seq
FROM seq_1_to_210;
INSERT INTO wp_terms (term_id, name, slug)
SELECT seq, CONCAT('Term ', seq), CONCAT('term-', seq) FROM seq_1_to_8;
INSERT INTO wp_term_taxonomy (term_taxonomy_id, term_id, taxonomy, count)
SELECT seq, seq, IF(seq <= 4, 'category', 'post_tag'), 17 FROM seq_1_to_8;
INSERT INTO wp_term_relationships (object_id, term_taxonomy_id)
SELECT seq, 1 + seq % 4 FROM seq_1_to_70 UNION ALL SELECT seq, 5 + seq % 4 FROM seq_1_to_70;
SQL
}

bench_tables() {
    cat <<'SQL'
CREATE TABLE points (id int NOT NULL PRIMARY KEY, c char(120) NOT NULL);
INSERT INTO points SELECT seq, CONCAT('row-', seq, '-', REPEAT('p', 100)) FROM seq_1_to_10000;
CREATE TABLE sbtest1 (
    id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
    k int NOT NULL DEFAULT 0,
    c char(120) NOT NULL DEFAULT '',
    pad char(60) NOT NULL DEFAULT '',
    KEY k_1 (k));
INSERT INTO sbtest1 (k, c, pad)
SELECT 1 + seq * 7919 % 100000, REPEAT(LPAD(seq * 7919 % 99999989, 11, '0'), 10),
    REPEAT(LPAD(seq * 104729 % 99999989, 11, '0'), 5) FROM seq_1_to_100000;
CREATE USER IF NOT EXISTS 'bench'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('bench');
GRANT ALL PRIVILEGES ON bench.* TO 'bench'@'%';
CREATE TABLE made (what varchar(64) NOT NULL PRIMARY KEY);
SQL
}

# made WHAT - whether this part is in place, in this version.
made() {
    [ "$(sql -e "SELECT COUNT(*) FROM bench.made WHERE what = '$1.$version'" 2>/dev/null)" = 1 ]
}

make_template() {
    made template && return
    {
        echo "DROP DATABASE IF EXISTS bench;"
        template_tables
        template_rows
        bench_tables
        echo "INSERT INTO made VALUES ('template.$version');"
    } | sql
}

# 100 rows of 64 KB and some.
make_wide() {
    made wide && return
    sql <<SQL
DROP TABLE IF EXISTS bench.wide;
CREATE TABLE bench.wide (id int NOT NULL PRIMARY KEY, c mediumtext NOT NULL);
INSERT INTO bench.wide SELECT seq, CONCAT('row-', seq, '-', REPEAT('w', 65536)) FROM
    bench.seq_1_to_100;
INSERT INTO bench.made VALUES ('wide.$version');
SQL
}

site_sql() {
    local i=$1 user="'site_$1'@'%'" table
    cat <<SQL
DROP DATABASE IF EXISTS site_$i;
CREATE DATABASE site_$i DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE USER IF NOT EXISTS $user IDENTIFIED VIA mysql_native_password USING PASSWORD('secret_$i');
GRANT ALL PRIVILEGES ON \`site\\_$i\`.* TO $user;
USE site_$i;
SQL
    for table in options posts postmeta terms term_taxonomy term_relationships; do
        echo "CREATE TABLE wp_$table LIKE bench.wp_$table;"
    done
    cat <<SQL
BEGIN;
INSERT INTO wp_options SELECT option_id, option_name, CONCAT('s$i;', option_value), autoload
    FROM bench.wp_options;
INSERT INTO wp_posts SELECT ID, post_author, post_date, post_date_gmt, post_content,
    CONCAT('s$i;', post_title), post_excerpt, IF(ID <= $((50 + i % 20)), 'publish', 'draft'),
    comment_status, ping_status, post_password, post_name, post_modified, post_parent, guid,
    menu_order, post_type, comment_count FROM bench.wp_posts;
INSERT INTO wp_postmeta SELECT meta_id, post_id, meta_key, CONCAT('s$i;', meta_value)
    FROM bench.wp_postmeta;
INSERT INTO wp_terms SELECT term_id, CONCAT('s$i;', name), slug FROM bench.wp_terms;
INSERT INTO wp_term_taxonomy SELECT * FROM bench.wp_term_taxonomy;
INSERT INTO wp_term_relationships SELECT * FROM bench.wp_term_relationships;
INSERT IGNORE INTO bench.made VALUES ('site_$i.$version');
COMMIT;
SQL
}

# make_sites K - every site whose number leaves K when divided by the number of streams.
make_sites() {
    local i
    local -A have=()
    while read -r what; do have[$what]=1; done < <(sql -e "SELECT what FROM bench.made")
    for ((i = 1; i <= sites; i++)); do
        [ $((i % streams)) = "$1" ] && [ -z "${have[site_$i.$version]:-}" ] || continue
        site_sql "$i"
    done | sql
}

make_template
make_wide
pids=()
for ((k = 0; k < streams; k++)); do
    make_sites "$k" &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done

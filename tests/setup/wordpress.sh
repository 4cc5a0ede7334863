#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# wordpress.sh - a WordPress site of its own, from Debian's package, without a web server.
#
#   wordpress.sh install DIR HOST:PORT SCHEMA USER PASSWORD URL
#   wordpress.sh serve DIR HOST:PORT
#
# DIR gets links to Debian's files, the plain theme, its own wp-config.php and debug.log.
# The administrator of the site is admin, password admin. WORDPRESS_TLS_CA=FILE, for both commands: the
# database is asked over TLS, and its certificate checked with FILE.

set -euo pipefail

SOURCE=${WORDPRESS_SOURCE:-/usr/share/wordpress}
HERE=$(cd "$(dirname "$0")" && pwd)

PHP=(php)
[ -z "${WORDPRESS_TLS_CA:-}" ] || PHP+=(-d "openssl.cafile=$WORDPRESS_TLS_CA")

die() { printf 'wordpress: %s\n' "$*" >&2; exit 1; }

# Real copies of the few files that find others by their own path, links for the rest.
make_tree() {
    local f
    mkdir -p "$1/wp-content/uploads"
    for f in "$SOURCE"/*.php; do cp "$f" "$1/"; done
    # A link would be resolved by __DIR__, and lead to the package's own wp-config.php.
    cp -rT "$SOURCE/wp-admin" "$1/wp-admin"
    ln -sfn "$SOURCE/wp-includes" "$1/wp-includes"
    mkdir -p "$1/wp-content/plugins" "$1/wp-content/themes"
    ln -sfn "$HERE/theme" "$1/wp-content/themes/plain"
}

write_config() { # DIR DBHOST SCHEMA USER PASSWORD URL
    cat >"$1/wp-config.php" <<PHP
<?php
define('DB_HOST', '$2');
define('DB_NAME', '$3');
define('DB_USER', '$4');
define('DB_PASSWORD', '$5');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('WP_HOME', '$6');
define('WP_SITEURL', '$6');
ini_set('log_errors', '1');
ini_set('error_log', __DIR__ . '/debug.log');
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);
define('WP_CONTENT_DIR', __DIR__ . '/wp-content');
define('WP_DEFAULT_THEME', 'plain');
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as \$name) {
    define(\$name . '_KEY', 'key of this test site');
    define(\$name . '_SALT', 'salt of this test site');
}
${WORDPRESS_TLS_CA:+define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL);}
\$table_prefix = 'wp_';
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
PHP
}

cmd_install() {
    [ $# = 6 ] || die "usage: wordpress.sh install DIR HOST:PORT SCHEMA USER PASSWORD URL"
    [ -e "$SOURCE/wp-load.php" ] || die "Debian's wordpress package is not installed"
    mkdir -p "$1"
    make_tree "$1"
    write_config "$@"
    "${PHP[@]}" -d display_errors=stderr "$HERE/wordpress_install.php" "$1"
}

cmd_serve() {
    [ $# = 2 ] || die "usage: wordpress.sh serve DIR HOST:PORT"
    exec "${PHP[@]}" -S "$2" -t "$1" "$HERE/wordpress_router.php"
}

command=${1:-}
case $command in
install | serve)
    shift
    "cmd_$command" "$@"
    ;;
*) die "usage: wordpress.sh install|serve ..." ;;
esac

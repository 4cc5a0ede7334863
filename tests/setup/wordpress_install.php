<?php
# SPDX-License-Identifier: Apache-2.0
#
# Install a WordPress site (argument: its folder) without a browser.

define('WP_INSTALLING', true);
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REQUEST_METHOD'] = 'GET';
require $argv[1] . '/wp-load.php';
$_SERVER['HTTP_HOST'] = parse_url(WP_HOME, PHP_URL_HOST) . ':' . parse_url(WP_HOME, PHP_URL_PORT);
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

# A test site sends no mail.
function wp_mail_nobody()
{
    return true;
}
add_filter('pre_wp_mail', 'wp_mail_nobody');

if (is_blog_installed()) {
    echo 'already installed: ', WP_HOME, "\n";
    exit(0);
}
$title = 'Site of ' . DB_NAME;
$result = wp_install($title, 'admin', 'admin@example.org', true, '', 'admin');
if ($wpdb->last_error !== '' || empty($result['user_id'])) {
    fwrite(STDERR, 'installation failed: ' . $wpdb->last_error . "\n");
    exit(1);
}
$wp_rewrite->set_permalink_structure('/%postname%/');
create_initial_taxonomies();
$wp_rewrite->flush_rules(false);
echo "installed: $title, ", WP_HOME, ", user admin, password admin\n";

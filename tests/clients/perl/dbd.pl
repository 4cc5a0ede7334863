#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# DBD::mysql, with client-side and server-side prepared statements.

use strict;
use warnings;
use DBI;
use Test::More;

my $where = "host=$ENV{DB_HOST};port=$ENV{DB_PORT};database=$ENV{DB_NAME}"
    . ($ENV{DB_COMPRESS} ? ';mysql_compression=1' : '');
# Debian's cannot demand TLS itself ("Enforcing SSL encryption is not supported"): the server does.
$where .= ";mysql_ssl=1;mysql_ssl_optional=1;mysql_ssl_ca_file=$ENV{DB_TLS_CA}" if $ENV{DB_TLS_CA};
my %options = (RaiseError => 1, PrintError => 0, mysql_enable_utf8mb4 => 1);

sub connect_with {
    my ($more) = @_;
    return DBI->connect("DBI:mysql:$where$more", $ENV{DB_USER}, $ENV{DB_PASSWORD}, {%options});
}

for my $server (0, 1) {
    my $db = connect_with(";mysql_server_prepare=$server");
    my $kind = $server ? 'server' : 'client';
    $db->do('CREATE TABLE d (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(50), n DOUBLE)');
    my $insert = $db->prepare('INSERT INTO d (s, n) VALUES (?, ?)');
    $insert->execute("row $_", $_ / 4) for 1 .. 10;
    ok($db->{mysql_insertid} > 0, "$kind: insert id");
    is($db->selectrow_array('SELECT LAST_INSERT_ID()'), $db->{mysql_insertid}, "$kind: last insert id");
    my $select = $db->prepare('SELECT s FROM d WHERE n > ? ORDER BY id');
    $select->execute(2);
    is_deeply($select->fetchall_arrayref, [['row 9'], ['row 10']], "$kind: rows");
    is($db->do('UPDATE d SET n = 0'), 10, "$kind: affected rows");
    $db->begin_work;
    $db->do('DELETE FROM d');
    $db->rollback;
    is($db->selectrow_array('SELECT COUNT(*) FROM d'), 10, "$kind: rollback");
    eval { $db->do('SELECT * FROM nowhere') };
    is($db->err, 1146, "$kind: error number");
    is($db->state, '42S02', "$kind: error state");
    $db->do('CREATE TEMPORARY TABLE temp (a INT)');
    $db->do('INSERT INTO temp VALUES (?)', undef, 42);
    is($db->selectrow_array('SELECT a FROM temp'), 42, "$kind: temporary table");
    $db->do(q{SET @v = 'kept'});
    is($db->selectrow_array('SELECT @v'), 'kept', "$kind: user variable");
    ok($db->ping, "$kind: ping");
    $db->do('DROP TABLE d');
    $db->disconnect;
}

my $db = connect_with(';mysql_multi_statements=1');
my $multi = $db->prepare('SELECT 1; SELECT 2');
$multi->execute;
is($multi->fetchrow_arrayref->[0], 1, 'first result');
ok($multi->more_results, 'there is a second');
is($multi->fetchrow_arrayref->[0], 2, 'second result');
$db->disconnect;

my $stream = connect_with('');
my $rows = $stream->prepare('SELECT seq FROM seq_1_to_10000', {mysql_use_result => 1});
$rows->execute;
my $count = 0;
$count++ while $rows->fetch;
is($count, 10000, 'streamed rows');
$stream->disconnect;

done_testing();

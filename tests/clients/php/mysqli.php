<?php
# SPDX-License-Identifier: Apache-2.0
#
# mysqli, the driver of WordPress: queries, escaping, prepared statements, multi_query,
# transactions, persistent connections, large values, and files it must not read.

require __DIR__ . '/check.php';

function connect(string $prefix = ''): mysqli
{
    global $host, $port, $user, $password, $schema;
    return connect_as($prefix . $host, $user, $password, $schema, $port);
}

# Over TLS, and the certificate is checked, when DB_TLS_CA names the authority.
function connect_as(string $host, string $user, string $password, string $schema, int $port, ?string $unix = null,
                    int $infile = 0): mysqli
{
    $db = mysqli_init();
    $db->options(MYSQLI_OPT_LOCAL_INFILE, $infile);
    $ca = getenv('DB_TLS_CA');
    if ($ca) {
        $db->ssl_set(null, null, $ca, null, null);
    }
    $flags = ($ca ? MYSQLI_CLIENT_SSL : 0) | ($GLOBALS['compresses'] ? MYSQLI_CLIENT_COMPRESS : 0);
    $db->real_connect($host, $user, $password, $schema, $port, $unix, $flags);
    return $db;
}

function value(mysqli $db, string $sql)
{
    return $db->query($sql)->fetch_row()[0];
}

function test_queries(): void
{
    global $schema;
    $db = connect();
    check(str_contains($db->server_info, 'MariaDB'), 'the version says MariaDB: ' . $db->server_info);
    same($schema, value($db, 'SELECT DATABASE()'), 'schema');
    $db->query('CREATE TABLE q (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(50), n INT)');
    $db->query("INSERT INTO q (s, n) VALUES ('one', 1), ('two', 2), ('three', 3)");
    same(3, $db->affected_rows, 'affected rows');
    $id = $db->insert_id;
    check($id > 0, 'insert id');
    same((string) $id, value($db, 'SELECT LAST_INSERT_ID()'), 'last insert id');
    $rows = $db->query('SELECT s FROM q ORDER BY n')->fetch_all();
    same([['one'], ['two'], ['three']], $rows, 'rows');
    $db->query('UPDATE q SET n = n + 1 WHERE n > 1');
    same('Rows matched: 2  Changed: 2  Warnings: 0', $db->info, 'info');
    $db->query('SELECT SQL_CALC_FOUND_ROWS * FROM q LIMIT 1')->free();
    same('3', value($db, 'SELECT FOUND_ROWS()'), 'found rows');
    same(1146, error_of(fn () => $db->query('SELECT * FROM nowhere')), 'missing table');
    same('42S02', $db->sqlstate, 'sqlstate');
    $db->query("SELECT CAST('x' AS INT)")->free();
    same(1, $db->warning_count, 'warnings');
    same('Truncated incorrect INTEGER value: \'x\'', $db->get_warnings()->message, 'warning text');
    $big = $db->query('SELECT seq, REPEAT("x", 1000) FROM seq_1_to_20000', MYSQLI_USE_RESULT);
    for ($n = 0; $big->fetch_row(); $n++) {
    }
    same(20000, $n, 'unbuffered rows');
    $big->free();
    check($db->ping(), 'ping');
    check(str_contains($db->stat(), 'Uptime'), 'stat');
    $db->query('DROP TABLE q');
    $db->close();
}

function test_escaping(): void
{
    $db = connect();
    $nasty = "a'b\\c\"d\0e\n";
    $db->set_charset('utf8mb4');
    foreach (['', 'NO_BACKSLASH_ESCAPES', '', 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', 'ANSI_QUOTES'] as $mode) {
        $db->query("SET SESSION sql_mode='$mode'");
        # Whatever packet came last must have told the driver how to escape.
        $db->select_db($GLOBALS['schema']);
        $text = $db->real_escape_string($nasty);
        same($nasty, value($db, "SELECT '$text'"), "escaping under '$mode'");
        value($db, 'SELECT 1');
        check($db->ping(), 'ping');
        $text = $db->real_escape_string("\\'; DROP TABLE x; --");
        same("\\'; DROP TABLE x; --", value($db, "SELECT '$text'"), "injection under '$mode'");
    }
    $db->close();
}

function test_charsets(): void
{
    $db = connect();
    foreach (['utf8mb4', 'latin1', 'utf8', 'utf8mb4'] as $charset) {
        $db->set_charset($charset);
        same($charset, $db->character_set_name(), 'charset of the driver');
        same($charset === 'utf8' ? 'utf8mb3' : $charset, value($db, 'SELECT @@character_set_client'), 'of the session');
    }
    $db->query("SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_520_ci'");
    same('utf8mb4_unicode_520_ci', value($db, 'SELECT @@collation_connection'), 'collation');
    same('é😀', value($db, "SELECT 'é😀'"), 'round trip');
    $db->close();
}

function test_prepared(): void
{
    $db = connect();
    $db->query('CREATE TABLE p (id INT PRIMARY KEY, s TEXT, d DOUBLE, n BIGINT)');
    $insert = $db->prepare('INSERT INTO p VALUES (?, ?, ?, ?)');
    $select = $db->prepare('SELECT s, d, n FROM p WHERE id = ?');
    for ($i = 0; $i < 20; $i++) {
        $s = $i % 3 ? "text $i" : null;
        $insert->execute([$i, $s, $i / 4, PHP_INT_MAX - $i]);
        same(1, $insert->affected_rows, 'inserted');
        $select->bind_param('i', $i);
        $select->execute();
        same([$s, (float) ($i / 4), PHP_INT_MAX - $i], $select->get_result()->fetch_row(), "row $i");
    }
    $i = 19;
    $select->bind_result($s, $d, $n);
    $select->execute();
    $select->store_result();
    same(1, $select->num_rows, 'stored rows');
    $select->fetch();
    same(19 / 4, $d, 'bound result');
    same(1062, error_of(fn () => $insert->execute([1, 'again', 0.0, 0])), 'duplicate');
    same(1064, error_of(fn () => $db->prepare('SELEC')), 'bad statement');
    $many = [];
    for ($i = 0; $i < 40; $i++) {
        $many[] = $db->prepare("SELECT $i + ?");
    }
    foreach ($many as $i => $statement) {
        $statement->execute([1000]);
        same($i + 1000, (int) $statement->get_result()->fetch_row()[0], "statement $i of many");
        $statement->close();
    }
    $cursor = $db->prepare('SELECT id FROM p ORDER BY id');
    $cursor->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    $cursor->execute();
    $cursor->bind_result($id);
    for ($i = 0; $cursor->fetch(); $i++) {
        same($i, $id, 'row by cursor');
    }
    same(20, $i, 'rows by cursor');
    $cursor->close();
    $db->query('DROP TABLE p');
    $db->close();
}

function test_multi_query(): void
{
    $db = connect();
    $db->multi_query('SELECT 1; SET @m = 5; SELECT @m; SELECT * FROM nowhere; SELECT 9');
    same('1', $db->store_result()->fetch_row()[0], 'first result');
    check($db->more_results() && $db->next_result(), 'second result');
    check($db->next_result(), 'third result');
    same('5', $db->store_result()->fetch_row()[0], 'third value');
    same(1146, error_of(fn () => $db->next_result()), 'the fourth fails');
    same('7', value($db, 'SELECT 7'), 'the connection goes on');
    # Outside multi_query a second statement must be refused.
    same(1064, error_of(fn () => $db->query('SELECT 1; SELECT 2')), 'stacked statement');
    $db->close();
}

function test_transactions(): void
{
    $db = connect();
    $other = connect();
    $db->query('CREATE TABLE x (a INT PRIMARY KEY)');
    $db->begin_transaction();
    $db->query('INSERT INTO x VALUES (1)');
    same('1', value($db, 'SELECT COUNT(*) FROM x'), 'own row');
    same('0', value($other, 'SELECT COUNT(*) FROM x'), 'not yet seen');
    $db->rollback();
    same('0', value($db, 'SELECT COUNT(*) FROM x'), 'rolled back');
    $db->autocommit(false);
    $db->query('INSERT INTO x VALUES (2)');
    $db->savepoint('s');
    $db->query('INSERT INTO x VALUES (3)');
    $db->query('ROLLBACK TO s');
    $db->commit();
    $db->autocommit(true);
    same([['2']], $db->query('SELECT a FROM x')->fetch_all(), 'committed');
    $db->begin_transaction(MYSQLI_TRANS_START_READ_ONLY);
    same(1792, error_of(fn () => $db->query('INSERT INTO x VALUES (4)')), 'read only');
    $db->rollback();
    $db->query('DROP TABLE x');
    $db->close();
    $other->close();
}

function test_persistent(): void
{
    global $schema, $user, $password;
    $db = connect('p:');
    $id = $db->thread_id;
    $db->query('SET @past = 1, sql_mode = "ANSI", time_zone = "+01:00"');
    $db->query('CREATE TEMPORARY TABLE past (a INT)');
    $db->begin_transaction();
    $db->close();
    $db = connect('p:');
    same($id, $db->thread_id, 'the same connection again');
    same(null, value($db, 'SELECT @past'), 'user variable is gone');
    same('SYSTEM', value($db, 'SELECT @@time_zone'), 'time zone is back');
    same('0', value($db, 'SELECT @@in_transaction'), 'transaction is gone');
    same(1146, error_of(fn () => $db->query('SELECT * FROM past')), 'temporary table is gone');
    check($db->change_user($user, $password, $schema), 'change user');
    same($schema, value($db, 'SELECT DATABASE()'), 'schema after change user');
    same(1045, error_of(fn () => $db->change_user($user, 'wrong', $schema)), 'change user, wrong password');
}

function test_large(): void
{
    $db = connect();
    $db->query('CREATE TABLE b (id INT PRIMARY KEY, d LONGBLOB)');
    $blob = random_bytes(1 << 20);
    $blob = str_repeat($blob, 18) . 'end';
    $insert = $db->prepare('INSERT INTO b VALUES (1, ?)');
    $null = null;
    $insert->bind_param('b', $null);
    foreach (str_split($blob, 4000000) as $part) {
        $insert->send_long_data(0, $part);
    }
    $insert->execute();
    $row = $db->query('SELECT LENGTH(d), MD5(d), d FROM b')->fetch_row();
    same((string) strlen($blob), $row[0], 'length of the stored value');
    same(md5($blob), $row[1], 'checksum of the stored value');
    check($blob === $row[2], 'the value that came back');
    $text = $db->real_escape_string(substr($blob, 0, 17 << 20));
    $db->query("INSERT INTO b VALUES (2, '$text')");
    same(md5(substr($blob, 0, 17 << 20)), value($db, 'SELECT MD5(d) FROM b WHERE id=2'), 'statement over 16 MB');
    $db->query('DROP TABLE b');
    $db->close();
}

function test_infile(): void
{
    global $host, $port, $user, $password, $schema;
    $db = connect_as($host, $user, $password, $schema, $port, null, 1);
    $db->query('CREATE TABLE l (s TEXT)');
    $file = tempnam(sys_get_temp_dir(), 'galeway');
    file_put_contents($file, "first\nsecond\n");
    $load = fn () => $db->query("LOAD DATA LOCAL INFILE '$file' INTO TABLE l");
    if (getenv('DB_LOCAL_INFILE') === 'refused') {
        same(4166, error_of($load), 'LOAD DATA LOCAL is refused');
        same('0', value($db, 'SELECT COUNT(*) FROM l'), 'nothing was loaded');
    } else {
        same(0, error_of($load), 'LOAD DATA LOCAL works');
        same('2', value($db, 'SELECT COUNT(*) FROM l'), 'two lines were loaded');
    }
    unlink($file);
    $db->query('DROP TABLE l');
    $db->close();
}

function test_login(): void
{
    global $host, $port, $user, $password, $schema, $unix;
    same(1045, error_of(fn () => connect_as($host, $user, 'wrong', $schema, $port)), 'wrong password');
    same(1045, error_of(fn () => connect_as($host, 'nobody_here', '', '', $port)), 'unknown user');
    same(1044, error_of(fn () => connect_as($host, $user, $password, 'mysql', $port)), 'forbidden schema');
    if (!getenv('DB_TLS_CA')) { # mysqlnd has no TLS on a unix socket
        $db = connect_as('localhost', $user, $password, $schema, 0, $unix);
        same($schema, value($db, 'SELECT DATABASE()'), 'unix socket');
        $db->close();
    }
}

test_login();
test_queries();
test_escaping();
test_charsets();
test_prepared();
test_multi_query();
test_transactions();
test_persistent();
test_large();
test_infile();
done();

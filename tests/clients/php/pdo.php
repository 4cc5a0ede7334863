<?php
# SPDX-License-Identifier: Apache-2.0
#
# PDO with emulated and with native prepared statements.

require __DIR__ . '/check.php';

function connect(bool $emulate, array $more = []): PDO
{
    global $host, $port, $user, $password, $schema, $compresses;
    $ca = getenv('DB_TLS_CA');
    $more += $ca ? [PDO::MYSQL_ATTR_SSL_CA => $ca] : [];
    return new PDO("mysql:host=$host;port=$port;dbname=$schema;charset=utf8mb4", $user, $password, $more + [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_EMULATE_PREPARES => $emulate,
        PDO::MYSQL_ATTR_COMPRESS => $compresses,
    ]);
}

function test_statements(PDO $db, string $kind): void
{
    $db->exec('CREATE TABLE d (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100), n INT NULL)');
    $insert = $db->prepare('INSERT INTO d (s, n) VALUES (:s, :n)');
    $ids = [];
    foreach (["it's", 'é😀', 'back\\slash', "line\nbreak", ''] as $i => $text) {
        $insert->execute(['s' => $text, 'n' => $i % 2 ? $i : null]);
        $ids[] = $db->lastInsertId();
    }
    same(5, count(array_unique($ids)), "$kind: five ids");
    $select = $db->prepare('SELECT s, n FROM d WHERE id = ?');
    $select->execute([$ids[2]]);
    same('back\\slash', $select->fetchColumn(), "$kind: text");
    $select->execute([$ids[1]]);
    same(['é😀', 1], array_values($select->fetch(PDO::FETCH_ASSOC)), "$kind: row");
    same(5, $db->query('SELECT COUNT(*) FROM d')->fetchColumn() + 0, "$kind: count");
    $update = $db->prepare('UPDATE d SET n = n + 1 WHERE n IS NOT NULL');
    $update->execute();
    same(2, $update->rowCount(), "$kind: row count");
    $limit = $db->prepare('SELECT id FROM d ORDER BY id LIMIT :l');
    $limit->bindValue('l', 2, PDO::PARAM_INT);
    $limit->execute();
    same(2, count($limit->fetchAll()), "$kind: limit");
    same(1062, error_of(fn () => $db->exec("INSERT INTO d (id) VALUES ({$ids[0]})")), "$kind: duplicate");
    $db->exec('DROP TABLE d');
}

function test_transaction(PDO $db, string $kind): void
{
    $db->exec('CREATE TABLE x (a INT)');
    $db->beginTransaction();
    check($db->inTransaction(), "$kind: in transaction");
    $db->exec('INSERT INTO x VALUES (1)');
    $db->rollBack();
    same(0, (int) $db->query('SELECT COUNT(*) FROM x')->fetchColumn(), "$kind: rolled back");
    $db->beginTransaction();
    $db->exec('INSERT INTO x VALUES (2)');
    $db->commit();
    check(!$db->inTransaction(), "$kind: no transaction");
    same(2, (int) $db->query('SELECT a FROM x')->fetchColumn(), "$kind: committed");
    $db->setAttribute(PDO::ATTR_AUTOCOMMIT, 0);
    $db->exec('INSERT INTO x VALUES (3)');
    $db->exec('ROLLBACK');
    $db->setAttribute(PDO::ATTR_AUTOCOMMIT, 1);
    same(1, (int) $db->query('SELECT COUNT(*) FROM x')->fetchColumn(), "$kind: autocommit off");
    $db->exec('DROP TABLE x');
}

function test_results(PDO $db, string $kind): void
{
    $db->exec('CREATE PROCEDURE two() BEGIN SELECT 1 AS a; SELECT 2 AS b; END');
    $call = $db->query('CALL two()');
    same([['a' => 1]], array_map(fn ($r) => ['a' => (int) $r['a']], $call->fetchAll(PDO::FETCH_ASSOC)), "$kind: first");
    check($call->nextRowset(), "$kind: next result");
    same(2, (int) $call->fetchColumn(), "$kind: second");
    $call->closeCursor();
    $db->exec('DROP PROCEDURE two');
    $big = $db->query('SELECT seq FROM seq_1_to_30000');
    $sum = 0;
    foreach ($big as $row) {
        $sum += $row[0];
    }
    same(450015000, $sum, "$kind: 30000 rows");
}

function test_unbuffered(): void
{
    $db = connect(false, [PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false]);
    $statement = $db->prepare('SELECT seq FROM seq_1_to_1000 WHERE seq > ?');
    $statement->execute([500]);
    same(501, (int) $statement->fetchColumn(), 'unbuffered first row');
    $statement->closeCursor();
    same(7, (int) $db->query('SELECT 7')->fetchColumn(), 'after closeCursor');
}

function test_options(): void
{
    global $user;
    $db = connect(true, [
        PDO::MYSQL_ATTR_INIT_COMMAND => "SET SESSION sql_mode='ANSI_QUOTES', time_zone='+03:00'",
        PDO::MYSQL_ATTR_FOUND_ROWS => true,
    ]);
    same('+03:00', $db->query('SELECT @@time_zone')->fetchColumn(), 'init command');
    $db->exec('CREATE TABLE f (a INT)');
    $db->exec('INSERT INTO f VALUES (1), (1)');
    same(2, $db->exec('UPDATE f SET a = 1'), 'found rows');
    same(0, connect(true)->exec('UPDATE f SET a = 1'), 'changed rows');
    $db->exec('DROP TABLE f');
    $safe = connect(true, [PDO::MYSQL_ATTR_MULTI_STATEMENTS => false]);
    same(1064, error_of(fn () => $safe->exec('SELECT 1; SELECT 2')), 'stacked statement');
    same("'it''s\\'", (function () use ($db) {
        $db->exec("SET sql_mode='NO_BACKSLASH_ESCAPES'");
        return $db->quote("it's\\");
    })(), 'quoting without backslashes');
    same("it's\\", $db->query('SELECT ' . $db->quote("it's\\"))->fetchColumn(), 'what was quoted');
}

foreach (['emulated' => true, 'native' => false] as $kind => $emulate) {
    $db = connect($emulate);
    test_statements($db, $kind);
    test_transaction($db, $kind);
    test_results($db, $kind);
    $db = null;
}
test_unbuffered();
test_options();
done();

<?php
# SPDX-License-Identifier: Apache-2.0
#
# The console by mysqli and PDO: text, native and emulated prepared statements, several results, errors.

require __DIR__ . '/check.php';

const TEXTS = ['plain', "it's", 'back\\slash', 'é😀', '; -- ?'];

function with_pdo(bool $emulate): void
{
    global $host, $port, $user, $password, $schema;
    $kind = $emulate ? 'emulated' : 'native';
    $db = new PDO("mysql:host=$host;port=$port;dbname=$schema;charset=utf8mb4", $user, $password,
        [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => $emulate]);
    $db->exec('DELETE FROM mysql_servers WHERE hostgroup_id = 82');
    $insert = $db->prepare('INSERT INTO mysql_servers (hostgroup_id, hostname, port, comment) VALUES (82, ?, ?, ?)');
    foreach (TEXTS as $i => $text) {
        $insert->execute(['db', $i, $text]);
        same(1, $insert->rowCount(), "$kind: inserted");
    }
    $select = $db->prepare('SELECT comment FROM mysql_servers WHERE hostgroup_id = ? ORDER BY port');
    $select->execute([82]);
    same(TEXTS, $select->fetchAll(PDO::FETCH_COLUMN), "$kind: texts");
    same(1146, error_of(fn () => $db->query('SELECT * FROM nowhere')), "$kind: error");
    same(5, $db->exec('DELETE FROM mysql_servers WHERE hostgroup_id = 82'), "$kind: deleted");
}

function with_mysqli(): void
{
    global $host, $port, $user, $password, $schema;
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
    $db = new mysqli($host, $user, $password, $schema, (int) $port);
    $db->set_charset('utf8mb4');
    foreach (TEXTS as $text) {
        same($text, $db->query("SELECT '" . $db->real_escape_string($text) . "'")->fetch_row()[0], 'escaped');
        same($text, $db->execute_query('SELECT ?', [$text])->fetch_row()[0], 'bound');
    }
    check($db->multi_query('SELECT 1; SELECT 2'), 'several statements');
    same('1', $db->store_result()->fetch_row()[0], 'the first result');
    check($db->next_result(), 'a second result');
    same('2', $db->store_result()->fetch_row()[0], 'the second result');
    check($db->select_db('stats'), 'another schema');
    $db->close();
}

with_pdo(true);
with_pdo(false);
with_mysqli();
echo "ok\n";

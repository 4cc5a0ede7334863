<?php
# SPDX-License-Identifier: Apache-2.0
#
# What the PHP clients share: where to connect (environment), and checks that end the program.

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
ini_set('memory_limit', '-1');

$host = getenv('DB_HOST');
$port = (int) getenv('DB_PORT');
$unix = getenv('DB_SOCKET');
$user = getenv('DB_USER');
$password = getenv('DB_PASSWORD');
$schema = getenv('DB_NAME');
$compresses = getenv('DB_COMPRESS') !== false;
$checks = 0;

function check($ok, string $what): void
{
    global $checks;
    if (!$ok) {
        $where = debug_backtrace()[0];
        fwrite(STDERR, "FAILED {$where['file']}:{$where['line']}: $what\n");
        exit(1);
    }
    $checks++;
}

function same($want, $got, string $what): void
{
    if ($want !== $got) {
        $where = debug_backtrace()[0];
        $shown = substr(var_export($got, true), 0, 300);
        $wanted = substr(var_export($want, true), 0, 300);
        fwrite(STDERR, "FAILED {$where['file']}:{$where['line']}: $what: wanted $wanted, got $shown\n");
        exit(1);
    }
    global $checks;
    $checks++;
}

# The error number that $action fails with; 0 when it does not fail.
function error_of(callable $action): int
{
    try {
        $action();
    } catch (mysqli_sql_exception $e) {
        return $e->getCode();
    } catch (PDOException $e) {
        return $e->errorInfo[1] ?? (int) $e->getCode();
    }
    return 0;
}

function done(): void
{
    global $checks;
    echo "ok, $checks checks\n";
}

# SPDX-License-Identifier: Apache-2.0
"""Every column type and its edge values, in the text and in the binary protocol."""
from . import seq

COLUMNS = {
    "tinyint": ("TINYINT", ("-128", "127", "0", "NULL")),
    "tinyint-unsigned": ("TINYINT UNSIGNED", ("0", "255", "NULL")),
    "bool": ("BOOL", ("TRUE", "FALSE", "NULL")),
    "smallint": ("SMALLINT", ("-32768", "32767", "NULL")),
    "smallint-zerofill": ("SMALLINT ZEROFILL", ("7", "65535", "NULL")),
    "mediumint": ("MEDIUMINT", ("-8388608", "8388607", "NULL")),
    "int": ("INT", ("-2147483648", "2147483647", "NULL")),
    "int-unsigned": ("INT UNSIGNED", ("0", "4294967295", "NULL")),
    "bigint": ("BIGINT", ("-9223372036854775808", "9223372036854775807", "NULL")),
    "bigint-unsigned": ("BIGINT UNSIGNED", ("0", "18446744073709551615", "NULL")),
    "decimal": ("DECIMAL(30,10)", ("-12345678901234567890.0123456789", "0", "0.5", "NULL")),
    "decimal-integer": ("DECIMAL(65)", ("1e64", "-1", "NULL")),
    "float": ("FLOAT", ("1.5", "-3.4e38", "1e-38", "0", "NULL")),
    "float-digits": ("FLOAT(7,3)", ("1.5", "1234.5678", "NULL")),
    "double": ("DOUBLE", ("1.7e308", "-2.2e-308", "0.1", "NULL")),
    "bit1": ("BIT", ("0", "1", "NULL")),
    "bit64": ("BIT(64)", ("0", "b'101'", "18446744073709551615", "NULL")),
    "date": ("DATE", ("'2024-02-29'", "'0000-00-00'", "'9999-12-31'", "NULL")),
    "datetime": ("DATETIME", ("'2024-02-29 23:59:59'", "'2024-02-29'", "'1000-01-01'", "NULL")),
    "datetime6": ("DATETIME(6)", ("'2024-02-29 23:59:59.123456'", "'2024-01-01'", "NULL")),
    "timestamp": ("TIMESTAMP NULL", ("'2024-02-29 23:59:59'", "'1970-01-02'", "NULL")),
    "timestamp3": ("TIMESTAMP(3) NULL", ("'2024-02-29 23:59:59.123'", "NULL")),
    "time": ("TIME", ("'23:59:59'", "'-838:59:59'", "'838:59:59'", "'00:00:00'", "NULL")),
    "time6": ("TIME(6)", ("'12:00:00.000001'", "'-00:00:00.5'", "NULL")),
    "year": ("YEAR", ("1901", "2155", "0", "NULL")),
    "char": ("CHAR(10)", ("''", "'abc'", "'abc   '", "'éü'", "NULL")),
    "varchar": ("VARCHAR(300)", ("''", "'abc  '", "REPEAT('é', 300)", "'\\0\\n\\'\"\\\\'", "NULL")),
    "varchar-latin1": ("VARCHAR(50) CHARACTER SET latin1", ("'é'", "'abc'", "''", "NULL")),
    "varchar-ucs2": ("VARCHAR(50) CHARACTER SET ucs2", ("'é'", "'abc'", "''", "NULL")),
    "char-bin": ("CHAR(3) COLLATE utf8mb4_bin", ("'aBc'", "NULL")),
    "emoji": ("VARCHAR(10) CHARACTER SET utf8mb4", ("'😀'", "'𝕏'", "NULL")),
    "binary": ("BINARY(5)", ("''", "'abc'", "x'00FF00FF00'", "NULL")),
    "varbinary": ("VARBINARY(300)", ("''", "x'00FF'", "REPEAT(x'FE', 300)", "NULL")),
    "tinytext": ("TINYTEXT", ("''", "REPEAT('a', 255)", "NULL")),
    "text": ("TEXT", ("''", "REPEAT('b', 65535)", "NULL")),
    "mediumtext": ("MEDIUMTEXT", ("''", "REPEAT('c', 70000)", "NULL")),
    "longtext": ("LONGTEXT", ("''", "REPEAT('d', 200000)", "NULL")),
    "tinyblob": ("TINYBLOB", ("''", "x'00'", "NULL")),
    "blob": ("BLOB", ("''", "x'FB00'", "REPEAT(x'FF', 300)", "NULL")),
    "longblob": ("LONGBLOB", ("''", "REPEAT(x'00', 100000)", "NULL")),
    "enum": ("ENUM('a','b','é')", ("'a'", "'é'", "NULL")),
    "set": ("SET('x','y','z')", ("''", "'x'", "'x,z'", "NULL")),
    "json": ("JSON", ("'{\"a\": [1, 2, {\"b\": null}]}'", "'[]'", "'\"é\"'", "NULL")),
    "uuid": ("UUID", ("'123e4567-e89b-12d3-a456-426655440000'", "NULL")),
    "inet4": ("INET4", ("'192.0.2.1'", "NULL")),
    "inet6": ("INET6", ("'::1'", "'2001:db8::ffff'", "'::ffff:192.0.2.1'", "NULL")),
    "point": ("POINT", ("POINT(1.5, -2)", "NULL")),
    "geometry": ("GEOMETRY", ("ST_GeomFromText('LINESTRING(0 0,1 1,2 2)')", "NULL")),
    "compressed": ("TEXT COMPRESSED", ("REPEAT('pack', 1000)", "''", "NULL")),
    "generated": ("INT, y INT AS (x * 2) VIRTUAL", None),
    "default-now": ("INT DEFAULT 5, y VARCHAR(9) DEFAULT 'dflt' NOT NULL", None),
}


def both_protocols(name, column, values):
    setup = ["SET SESSION sql_mode=''", f"CREATE TABLE c (n INT AUTO_INCREMENT PRIMARY KEY, x {column})"]
    if values is None:
        setup.append("INSERT INTO c (x) VALUES (3), (NULL)")
    else:
        setup += [f"INSERT INTO c (x) VALUES ({value})" for value in values]
    return seq(name, "SELECT * FROM c ORDER BY n", ("prepare", "s", "SELECT * FROM c ORDER BY n"),
               ("execute", "s"), ("prepare", "w", "SELECT n FROM c WHERE x <=> ?"),
               ("execute", "w", [None]), ("execute", "w", ["abc"]), ("execute", "w", [1]),
               ("execute", "s", [], {"cursor": 1}), ("fetch", "s", 1), ("fetch", "s", 100),
               "SELECT MAX(x), MIN(x), COUNT(x) FROM c", "SHOW FULL COLUMNS FROM c", ("field_list", "c"),
               setup=tuple(setup), tables=False)


SEQUENCES = [both_protocols(name, *column) for name, column in COLUMNS.items()] + [
    seq("expressions", "SELECT 1, -1, 1.5, 1e10, 'a', NULL, TRUE, x'41', DATE'2024-01-01', "
        "TIME'10:00:00', TIMESTAMP'2024-01-01 00:00:00.5', b'11', _latin1'é', JSON_ARRAY(1,2)",
        ("prepare", "s", "SELECT 1, -1, 1.5, 1e10, 'a', NULL, TRUE, x'41', DATE'2024-01-01', "
         "TIME'10:00:00', TIMESTAMP'2024-01-01 00:00:00.5', b'11', _latin1'é', JSON_ARRAY(1,2)"),
        ("execute", "s")),
    seq("long-metadata", "SELECT a AS `" + "n" * 255 + "` FROM t AS `" + "m" * 60 + "`",
        "SELECT '" + "v" * 300 + "'"),
    seq("null-bitmap", ("prepare", "s", "SELECT " + ",".join("NULL" if i % 3 else str(i) for i in range(70))),
        ("execute", "s")),
    seq("time-zones", "SET time_zone='+00:00'", "SELECT x FROM c", "SET time_zone='+05:30'", "SELECT x FROM c",
        ("prepare", "s", "SELECT x FROM c"), ("execute", "s"), "SET time_zone='-08:00'", ("execute", "s"),
        setup=("SET time_zone='+00:00'", "CREATE TABLE c (x TIMESTAMP)",
               "INSERT INTO c VALUES ('2024-06-01 12:00:00')")),
]

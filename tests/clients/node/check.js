// SPDX-License-Identifier: Apache-2.0
//
// Where to connect, and the statements that both drivers are tried with.

'use strict';
const assert = require('assert');
const fs = require('fs');

exports.where = {
    host: process.env.DB_HOST,
    port: Number(process.env.DB_PORT),
    user: process.env.DB_USER,
    password: process.env.DB_PASSWORD,
    database: process.env.DB_NAME,
    compress: 'DB_COMPRESS' in process.env,
    ...(process.env.DB_TLS_CA ? { ssl: { ca: fs.readFileSync(process.env.DB_TLS_CA) } } : {}),
};

// query and execute resolve to the rows, or to {affectedRows, insertId}.
exports.tryStatements = async function (query, execute) {
    await query('CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(50), d DOUBLE, j JSON)');
    for (let i = 0; i < 10; i++) {
        const done = await execute('INSERT INTO n (s, d) VALUES (?, ?)', ['é😀 ' + i, i / 4]);
        assert.equal(done.affectedRows, 1);
        assert.ok(Number(done.insertId) > 0);
    }
    const rows = await execute('SELECT s, d FROM n WHERE d >= ? ORDER BY id', [2]);
    assert.deepEqual(rows.map((r) => [r.s, r.d]), [['é😀 8', 2], ['é😀 9', 2.25]]);
    const found = await query('SELECT SQL_CALC_FOUND_ROWS id FROM n LIMIT 2');
    assert.equal(found.length, 2);
    assert.equal(Number((await query('SELECT FOUND_ROWS() AS n'))[0].n), 10);
    await assert.rejects(query('SELECT * FROM nowhere'), (e) => e.errno === 1146 && e.sqlState === '42S02');
    await query('START TRANSACTION');
    await query('DELETE FROM n');
    await query('ROLLBACK');
    assert.equal(Number((await query('SELECT COUNT(*) AS n FROM n'))[0].n), 10);
    await query("SET SESSION sql_mode='ANSI_QUOTES', time_zone='+02:00'");
    assert.equal((await query('SELECT @@time_zone AS z'))[0].z, '+02:00');
    await query('SET @x = 5');
    assert.equal(Number((await query('SELECT @x AS x'))[0].x), 5);
    const big = await query("SELECT REPEAT('x', 17000000) AS big");
    assert.equal(big[0].big.length, 17000000);
    const many = await Promise.all([...Array(50).keys()].map((i) => execute('SELECT ? AS i', [i])));
    assert.deepEqual(many.map((r) => Number(r[0].i)), [...Array(50).keys()]);
    await query('DROP TABLE n');
};

exports.main = function (run) {
    run().then(
        () => console.log('ok'),
        (error) => {
            console.error(error);
            process.exit(1);
        });
};

// SPDX-License-Identifier: Apache-2.0
//
// The console by mysql2 or mariadb (the argument): text and prepared statements, several results, errors, a pool.

'use strict';
const assert = require('assert');
const { where, main } = require('./check');

const drivers = {
    mysql2: () => {
        const mysql = require('mysql2/promise');
        const wrap = (db) => ({
            query: async (q) => (await db.query(q))[0],
            execute: async (q, v) => (await db.execute(q, v))[0],
            end: () => db.end(),
        });
        return {
            connect: async (options) => wrap(await mysql.createConnection(options)),
            pool: (options) => wrap(mysql.createPool(options)),
        };
    },
    mariadb: () => {
        const mariadb = require('mariadb');
        return {
            connect: (options) => mariadb.createConnection(options),
            pool: (options) => mariadb.createPool(options),
        };
    },
};

main(async () => {
    const driver = drivers[process.argv[2]]();
    const db = await driver.connect({ ...where, multipleStatements: true });
    await db.query('DELETE FROM mysql_servers WHERE hostgroup_id = 80');
    const texts = ['plain', "it's", 'back\\slash', 'é😀', '; -- ?'];
    for (const [i, text] of texts.entries()) {
        const done = await db.execute(
            'INSERT INTO mysql_servers (hostgroup_id, hostname, port, comment) VALUES (?, ?, ?, ?)',
            [80, 'db', i, text]);
        assert.equal(Number(done.affectedRows), 1);
    }
    const rows = await db.execute(
        'SELECT comment, port FROM mysql_servers WHERE hostgroup_id = ? AND port >= ? ORDER BY port LIMIT ?',
        [80, 1, 3]);
    assert.deepEqual(rows.map((r) => [r.comment, Number(r.port)]),
        texts.slice(1, 4).map((text, i) => [text, i + 1]));
    assert.deepEqual((await db.execute('SELECT ? AS a', [null])).map((r) => r.a), [null]);
    const two = await db.query('SELECT 1 AS a; SELECT 2 AS b');
    assert.deepEqual(two.map((r) => Number(r[0].a || r[0].b)), [1, 2]);
    await assert.rejects(db.query('SELECT * FROM nowhere'), (e) => e.errno === 1146 && e.sqlState === '42S02');
    await assert.rejects(db.execute('SELECT * FROM nowhere WHERE a = ?', [1]), (e) => e.errno === 1146);
    await db.query('DELETE FROM mysql_servers WHERE hostgroup_id = 80');
    await db.end();

    const pool = driver.pool({ ...where, connectionLimit: 5 });
    const answers = await Promise.all([...Array(100).keys()].map((i) => pool.execute('SELECT ? AS i', [i])));
    assert.deepEqual(answers.map((r) => Number(r[0].i)), [...Array(100).keys()]);
    await pool.end();
    await assert.rejects(driver.connect({ ...where, password: 'wrong' }), (e) => e.errno === 1045);
});

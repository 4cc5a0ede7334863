// SPDX-License-Identifier: Apache-2.0
//
// mysql2: text and prepared statements, a pool, several results, change of user.

'use strict';
const assert = require('assert');
const mysql = require('mysql2/promise');
const { where, tryStatements, main } = require('./check');

main(async () => {
    const db = await mysql.createConnection({ ...where, multipleStatements: true });
    await tryStatements(async (q) => (await db.query(q))[0], async (q, v) => (await db.execute(q, v))[0]);
    const [two] = await db.query('SELECT 1 AS a; SELECT 2 AS b');
    assert.deepEqual(two, [[{ a: 1 }], [{ b: 2 }]]);
    await db.query('SET @x = 1');
    await db.changeUser({ user: where.user, password: where.password, database: where.database });
    assert.equal((await db.query('SELECT @x AS x'))[0][0].x, null);
    await db.ping();
    await db.end();

    const pool = mysql.createPool({ ...where, connectionLimit: 10 });
    const answers = await Promise.all([...Array(200).keys()].map((i) => pool.query('SELECT ? AS i', [i])));
    answers.forEach(([rows], i) => assert.equal(rows[0].i, i));
    await pool.end();
    await assert.rejects(mysql.createConnection({ ...where, password: 'wrong' }), (e) => e.errno === 1045);
});

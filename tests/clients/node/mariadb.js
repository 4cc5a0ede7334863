// SPDX-License-Identifier: Apache-2.0
//
// mariadb: text and prepared statements, batches, streams, a pool, change of user.

'use strict';
const assert = require('assert');
const mariadb = require('mariadb');
const { where, tryStatements, main } = require('./check');

main(async () => {
    const db = await mariadb.createConnection({ ...where, multipleStatements: true });
    await tryStatements((q) => db.query(q), (q, v) => db.execute(q, v));
    const two = await db.query('SELECT 1 AS a; SELECT 2 AS b');
    assert.equal(two.length, 2);
    await db.query('CREATE TABLE b (a INT, s VARCHAR(20))');
    const batch = await db.batch('INSERT INTO b VALUES (?, ?)', [...Array(100).keys()].map((i) => [i, 'row ' + i]));
    // One result when the server offers bulk execution (Galeway does not), else one for each row.
    const affected = Array.isArray(batch) ? batch.map((r) => r.affectedRows).reduce((a, b) => a + b) : batch.affectedRows;
    assert.equal(affected, 100);
    let sum = 0;
    for await (const row of db.queryStream('SELECT a FROM b')) {
        sum += row.a;
    }
    assert.equal(sum, 4950);
    await db.query('DROP TABLE b');
    await db.query('SET @x = 1');
    await db.changeUser({ user: where.user, password: where.password, database: where.database });
    assert.equal((await db.query('SELECT @x AS x'))[0].x, null);
    await db.reset();
    await db.ping();
    await db.end();

    const pool = mariadb.createPool({ ...where, connectionLimit: 10 });
    const answers = await Promise.all([...Array(200).keys()].map((i) => pool.query('SELECT ? AS i', [i])));
    answers.forEach((rows, i) => assert.equal(Number(rows[0].i), i));
    await pool.end();
    await assert.rejects(mariadb.createConnection({ ...where, password: 'wrong' }), (e) => e.errno === 1045);
});

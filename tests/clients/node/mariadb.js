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
    // Bulk execution, which has one result: else there would be one for each row.
    const batch = await db.batch('INSERT INTO b VALUES (?, ?)', [...Array(100).keys()].map((i) => [i, 'row ' + i]));
    assert.equal(batch.affectedRows, 100);
    const filler = 'é'.repeat(200);
    await db.query('CREATE TABLE c (a INT PRIMARY KEY, s TEXT, t DATETIME(3))');
    for (let round = 0; round < 2; round++) {
        const many = await db.batch('INSERT INTO c VALUES (?, ?, ?)', [...Array(5000).keys()].map(
            (i) => [round * 5000 + i, i === 1 ? null : filler, '2024-02-29 12:00:00.5']));
        assert.equal(many.affectedRows, 5000);
    }
    assert.deepEqual((await db.query('SELECT COUNT(*) AS n, COUNT(s) AS s, COUNT(t) AS t FROM c')).map(
        (r) => [r.n, r.s, r.t].map(Number)), [[10000, 9998, 10000]]);
    await assert.rejects(db.batch('INSERT INTO c VALUES (?, ?, NULL)', [[-1, 'x'], [5, 'y'], [-2, 'z']]),
        (e) => e.errno === 1062);
    await db.batch('UPDATE c SET s = ? WHERE a = ?', [['one', 1], ['two', 2]]);
    assert.deepEqual((await db.query('SELECT s FROM c WHERE a IN (1, 2) ORDER BY a')).map((r) => r.s), ['one', 'two']);
    const meta = await db.query("SELECT JSON_COMPACT('{\"a\": 1}') AS j, POINT(1, 2) AS p");
    assert.equal(meta[0].p.type, 'Point');
    await db.query('DROP TABLE c');
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

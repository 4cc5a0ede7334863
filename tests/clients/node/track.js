// SPDX-License-Identifier: Apache-2.0
//
// mysql2 and mariadb: prints what they know of their session from what the server reports.

'use strict';
const mysql = require('mysql2/promise');
const mariadb = require('mariadb');
const { where, main } = require('./check');

const statements = [
    "SET time_zone='+01:00'", 'SET NAMES latin1', "SET sql_mode=''", "SET NAMES utf8mb4",
    "SET session_track_system_variables='*'", "SET sql_mode='ANSI', time_zone='SYSTEM'",
    'USE information_schema', 'DO 0', "SET session_track_schema=0", `USE ${where.database}`,
];

// Sorted: a node has no order of its own.
function told(changes) {
    const variables = (changes && changes.systemVariables) || {};
    return JSON.stringify([changes && changes.schema, Object.entries(variables).sort()]);
}

main(async () => {
    const db = await mysql.createConnection(where);
    for (const sql of statements) {
        const [result] = await db.query(sql);
        console.log(sql, told(result.stateChanges));
    }
    await db.end();

    const other = await mariadb.createConnection(where);
    for (const sql of statements) {
        await other.query(sql);
        console.log(sql, other.info.database, other.info.collation && other.info.collation.charset);
    }
    await other.end();
});

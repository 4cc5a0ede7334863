// SPDX-License-Identifier: Apache-2.0
//
// MariaDB Connector/J: text and binary protocol, batches, streaming, cursors, procedures.

import java.sql.*;
import java.util.Arrays;
import java.util.Properties;

public class Clients {
    static int checks;

    static void same(Object want, Object got, String what) {
        if (!String.valueOf(want).equals(String.valueOf(got))) {
            System.err.println("FAILED " + what + ": wanted " + want + ", got " + got);
            System.exit(1);
        }
        checks++;
    }

    static Connection connect(String options) throws SQLException {
        String url = "jdbc:mariadb://" + System.getenv("DB_HOST") + ":" + System.getenv("DB_PORT") + "/"
            + System.getenv("DB_NAME") + "?useCompression=" + (System.getenv("DB_COMPRESS") != null)
            + (options.isEmpty() ? "" : "&" + options);
        Properties login = new Properties();
        login.setProperty("user", System.getenv("DB_USER"));
        login.setProperty("password", System.getenv("DB_PASSWORD"));
        if (System.getenv("DB_TLS_CA") != null) {
            login.setProperty("useSsl", "true"); // Connector/J 2
            login.setProperty("sslMode", "verify-full"); // 3
            login.setProperty("serverSslCert", System.getenv("DB_TLS_CA"));
        }
        return DriverManager.getConnection(url, login);
    }

    static String value(Connection db, String sql) throws SQLException {
        try (Statement s = db.createStatement(); ResultSet r = s.executeQuery(sql)) {
            r.next();
            return r.getString(1);
        }
    }

    static void statements(String kind, Connection db) throws SQLException {
        try (Statement s = db.createStatement()) {
            s.execute("CREATE TABLE j (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(50), n BIGINT, t DATETIME(6))");
        }
        try (PreparedStatement p = db.prepareStatement("INSERT INTO j (s, n, t) VALUES (?, ?, ?)",
                                                       Statement.RETURN_GENERATED_KEYS)) {
            for (int i = 0; i < 10; i++) {
                p.setString(1, "row é " + i);
                p.setLong(2, Long.MAX_VALUE - i);
                p.setTimestamp(3, Timestamp.valueOf("2024-02-29 12:34:56.123456"));
                p.executeUpdate();
                ResultSet keys = p.getGeneratedKeys();
                same(true, keys.next() && keys.getInt(1) > 0, kind + ": generated key");
            }
        }
        try (PreparedStatement p = db.prepareStatement("SELECT s, n, t FROM j WHERE n = ?")) {
            p.setLong(1, Long.MAX_VALUE - 3);
            ResultSet r = p.executeQuery();
            same(true, r.next(), kind + ": a row");
            same("row é 3", r.getString(1), kind + ": text");
            same(Long.MAX_VALUE - 3, r.getLong(2), kind + ": number");
            same("2024-02-29 12:34:56.123456", r.getTimestamp(3), kind + ": time");
        }
        try (PreparedStatement p = db.prepareStatement("UPDATE j SET s = ? WHERE id < ?")) {
            for (int i = 0; i < 3; i++) {
                p.setString(1, "batch " + i);
                p.setInt(2, 1000000);
                p.addBatch();
            }
            same("[10, 10, 10]", Arrays.toString(p.executeBatch()), kind + ": batch");
        }
        try (Statement s = db.createStatement()) {
            s.executeQuery("SELECT * FROM nowhere");
            same("an error", "none", kind);
        } catch (SQLException e) {
            same("1146 42S02", e.getErrorCode() + " " + e.getSQLState(), kind + ": error");
        }
        try (Statement s = db.createStatement()) {
            s.execute("DROP TABLE j");
        }
    }

    static void transactions(Connection db) throws SQLException {
        try (Statement s = db.createStatement()) {
            s.execute("CREATE TABLE x (a INT)");
            db.setAutoCommit(false);
            s.execute("INSERT INTO x VALUES (1)");
            Savepoint point = db.setSavepoint();
            s.execute("INSERT INTO x VALUES (2)");
            db.rollback(point);
            db.commit();
            s.execute("INSERT INTO x VALUES (3)");
            db.rollback();
            db.setAutoCommit(true);
            same("1", value(db, "SELECT GROUP_CONCAT(a) FROM x"), "transactions");
            db.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            same("READ-COMMITTED", value(db, "SELECT @@tx_isolation"), "isolation");
            db.setReadOnly(true);
            db.setReadOnly(false);
            s.execute("DROP TABLE x");
        }
    }

    static void results(Connection db) throws SQLException {
        try (Statement s = db.createStatement()) {
            s.setFetchSize(100);
            ResultSet r = s.executeQuery("SELECT seq FROM seq_1_to_20000");
            long sum = 0;
            while (r.next()) {
                sum += r.getLong(1);
            }
            same(200010000, sum, "streamed rows");
            r.close();
            s.execute("CREATE PROCEDURE two(IN a INT, OUT b INT) BEGIN SELECT a; SET b = a * 2; END");
        }
        try (CallableStatement c = db.prepareCall("{call two(?, ?)}")) {
            c.setInt(1, 21);
            c.registerOutParameter(2, Types.INTEGER);
            c.execute();
            same(42, c.getInt(2), "out parameter");
        }
        try (Statement s = db.createStatement()) {
            s.execute("DROP PROCEDURE two");
        }
        DatabaseMetaData meta = db.getMetaData();
        same("MariaDB", meta.getDatabaseProductName(), "product");
        same(true, db.isValid(5), "valid");
        db.setCatalog("information_schema");
        same("information_schema", value(db, "SELECT DATABASE()"), "catalog");
        db.setCatalog(System.getenv("DB_NAME"));
    }

    /* COM_STMT_BULK_EXECUTE: many rows, NULL among them, more bytes than a proxy takes at a time. */
    static void bulk(Connection db) throws SQLException {
        final int rows = 4000;
        String filler = "é".repeat(200);
        try (Statement s = db.createStatement()) {
            s.execute("CREATE TABLE k (id INT PRIMARY KEY, s VARCHAR(400), n BIGINT)");
        }
        for (int round = 0; round < 2; round++) {
            try (PreparedStatement p = db.prepareStatement("INSERT INTO k VALUES (?, ?, ?)")) {
                for (int i = 0; i < rows; i++) {
                    p.setInt(1, round * rows + i);
                    p.setString(2, i % 3 == 0 ? null : filler);
                    p.setLong(3, (long) i << 33);
                    p.addBatch();
                }
                same(rows, p.executeBatch().length, "bulk: rows of a batch");
            }
        }
        same(2 * rows, value(db, "SELECT COUNT(*) FROM k"), "bulk: rows");
        same(2 * (rows / 3 + 1), value(db, "SELECT COUNT(*) FROM k WHERE s IS NULL"), "bulk: nulls");
        same(rows * (rows - 1), value(db, "SELECT SUM(n >> 33) FROM k"), "bulk: numbers");
        try (PreparedStatement p = db.prepareStatement("INSERT INTO k VALUES (?, 'again', 0)")) {
            for (int i : new int[] {-1, 5, -2}) {
                p.setInt(1, i);
                p.addBatch();
            }
            p.executeBatch();
            same("an error", "none", "bulk: a duplicate");
        } catch (BatchUpdateException e) {
            same(1062, e.getErrorCode(), "bulk: a duplicate");
        }
        try (Statement s = db.createStatement()) {
            s.execute("DROP TABLE k");
        }
    }

    public static void main(String[] args) throws Exception {
        String[][] kinds = {
            {"text", "useServerPrepStmts=false"},
            {"binary", "useServerPrepStmts=true"},
            {"rewritten", "rewriteBatchedStatements=true"},
            {"no pipeline", "usePipelineAuth=false&useBatchMultiSend=false&useServerPrepStmts=true"},
            {"variables", "sessionVariables=sql_mode='ANSI_QUOTES',wait_timeout=600"},
        };
        for (String[] kind : kinds) {
            try (Connection db = connect(kind[1])) {
                statements(kind[0], db);
            }
        }
        try (Connection db = connect("useBulkStmts=true&rewriteBatchedStatements=false"
                                     + "&useServerPrepStmts=true")) {
            bulk(db);
        }
        try (Connection db = connect("allowMultiQueries=true")) {
            transactions(db);
            results(db);
            try (Statement s = db.createStatement()) {
                same(true, s.execute("SELECT 1; SELECT 2"), "multi");
                same(true, s.getMoreResults(), "second result");
            }
        }
        System.out.println("ok, " + checks + " checks");
    }
}

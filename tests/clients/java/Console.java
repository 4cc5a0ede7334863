// SPDX-License-Identifier: Apache-2.0
//
// The console by MariaDB Connector/J: text and binary protocol, batches, errors.

import java.sql.*;
import java.util.Properties;

public class Console {
    static void same(Object want, Object got, String what) {
        if (!String.valueOf(want).equals(String.valueOf(got))) {
            System.err.println("FAILED " + what + ": wanted " + want + ", got " + got);
            System.exit(1);
        }
    }

    static Connection connect(String options) throws SQLException {
        Properties login = new Properties();
        login.setProperty("user", System.getenv("DB_USER"));
        login.setProperty("password", System.getenv("DB_PASSWORD"));
        return DriverManager.getConnection("jdbc:mariadb://" + System.getenv("DB_HOST") + ":"
            + System.getenv("DB_PORT") + "/" + System.getenv("DB_NAME") + "?" + options, login);
    }

    static void statements(String kind, Connection db) throws SQLException {
        String[] texts = {"plain", "it's", "back\\slash", "é😀", "; -- ?"};
        try (Statement s = db.createStatement()) {
            s.executeUpdate("DELETE FROM mysql_servers WHERE hostgroup_id = 81");
        }
        try (PreparedStatement p = db.prepareStatement(
                 "INSERT INTO mysql_servers (hostgroup_id, hostname, port, comment) VALUES (?, ?, ?, ?)")) {
            for (int i = 0; i < texts.length; i++) {
                p.setInt(1, 81);
                p.setString(2, "db");
                p.setLong(3, i);
                p.setString(4, texts[i]);
                same(1, p.executeUpdate(), kind + ": inserted");
            }
        }
        try (PreparedStatement p = db.prepareStatement(
                 "SELECT comment, port FROM mysql_servers WHERE hostgroup_id = ? ORDER BY port")) {
            p.setInt(1, 81);
            ResultSet r = p.executeQuery();
            for (int i = 0; i < texts.length; i++) {
                same(true, r.next(), kind + ": a row");
                same(texts[i], r.getString(1), kind + ": text");
                same(i, r.getInt("port"), kind + ": number");
            }
            same(false, r.next(), kind + ": the end");
        }
        try (Statement s = db.createStatement()) {
            s.executeQuery("SELECT * FROM nowhere");
            same("an error", "none", kind);
        } catch (SQLException e) {
            same("1146 42S02", e.getErrorCode() + " " + e.getSQLState(), kind + ": error");
        }
        try (Statement s = db.createStatement()) {
            same(texts.length, s.executeUpdate("DELETE FROM mysql_servers WHERE hostgroup_id = 81"), kind + ": deleted");
        }
        same(true, db.isValid(5), kind + ": valid");
        db.setCatalog("stats");
        db.setCatalog("main");
    }

    public static void main(String[] args) throws Exception {
        String[] kinds = {"useServerPrepStmts=false", "useServerPrepStmts=true",
                          "useServerPrepStmts=true&usePipelineAuth=false&useBatchMultiSend=false",
                          "rewriteBatchedStatements=true&allowMultiQueries=true"};
        for (String kind : kinds) {
            try (Connection db = connect(kind)) {
                statements(kind, db);
            }
        }
        System.out.println("ok");
    }
}

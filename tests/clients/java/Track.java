// SPDX-License-Identifier: Apache-2.0
//
// MariaDB Connector/J: prints what it knows of its session from what the server reports.

import java.sql.*;
import java.util.Properties;

public class Track {
    public static void main(String[] none) throws SQLException {
        String url = "jdbc:mariadb://" + System.getenv("DB_HOST") + ":" + System.getenv("DB_PORT") + "/"
            + System.getenv("DB_NAME");
        Properties login = new Properties();
        login.setProperty("user", System.getenv("DB_USER"));
        login.setProperty("password", System.getenv("DB_PASSWORD"));
        login.setProperty("sessionVariables", "session_track_schema=1");
        try (Connection db = DriverManager.getConnection(url, login); Statement s = db.createStatement()) {
            for (String sql : new String[] {"DO 0", "USE information_schema", "SET time_zone='+01:00'",
                                            "SET autocommit=0", "SELECT 1", "COMMIT", "SET autocommit=1",
                                            "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                                            "USE " + System.getenv("DB_NAME")}) {
                s.execute(sql);
                System.out.println(sql + ": " + db.getCatalog() + " " + db.getAutoCommit() + " "
                    + db.getTransactionIsolation());
            }
        }
    }
}

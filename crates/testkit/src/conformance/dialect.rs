//! What the servers spell differently.

use crate::{Family, Kind};

/// `id`, `note`, `qty`: a whole-number key, a text, a number; both nullable.
pub(crate) fn items(kind: Kind, table: &str) -> String {
    match kind.family() {
        Family::Postgres => format!("CREATE TABLE {table} (id integer PRIMARY KEY, note text, qty integer)"),
        Family::Mysql => format!("CREATE TABLE {table} (id int PRIMARY KEY, note longtext, qty int)"),
        Family::Sqlite => format!("CREATE TABLE {table} (id integer PRIMARY KEY, note text, qty integer)"),
    }
}

/// As [`items`], with a unique `code`.
pub(crate) fn coded(kind: Kind, table: &str) -> String {
    match kind.family() {
        Family::Postgres => {
            format!("CREATE TABLE {table} (id integer PRIMARY KEY, code varchar(20) NOT NULL UNIQUE)")
        }
        Family::Mysql => {
            format!("CREATE TABLE {table} (id int PRIMARY KEY, code varchar(20) NOT NULL UNIQUE)")
        }
        Family::Sqlite => {
            format!("CREATE TABLE {table} (id integer PRIMARY KEY, code varchar(20) NOT NULL UNIQUE)")
        }
    }
}

/// Fills `table` (as [`items`]) with ids from 1 to `rows` (at most 100,000), in one statement, by way of a table `digits`.
pub(crate) fn fill(table: &str, rows: u32) -> Vec<String> {
    let number = "a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 1";
    vec![
        "CREATE TABLE digits (d int PRIMARY KEY)".to_owned(),
        "INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)".to_owned(),
        format!(
            "INSERT INTO {table} (id, note, qty) SELECT {number}, 'a note that takes some room in the log', a.d
             FROM digits a, digits b, digits c, digits e, digits f WHERE {number} <= {rows}"
        ),
    ]
}

/// Text that no page compression makes small, so that PostgreSQL stores it out of line.
pub(crate) fn bulky() -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state % 26) as u8)
    };
    (0..20_000).map(|_| letter()).collect()
}

/// Columns of every kind, and rows of them: `(name, type)`, then literals.
pub(crate) fn wide(kind: Kind) -> (Vec<(&'static str, &'static str)>, Vec<Vec<&'static str>>) {
    match kind.family() {
        Family::Postgres => postgres(),
        Family::Mysql => mysql(),
        Family::Sqlite => sqlite(),
    }
}

/// Turns a list of `(type, [literals])` into columns and rows.
fn columns(
    kinds: &[(&'static str, [&'static str; 3])],
) -> (Vec<(&'static str, &'static str)>, Vec<Vec<&'static str>>) {
    let names = NAMES.iter().zip(kinds).map(|(name, (kind, _))| (*name, *kind)).collect();
    let rows = (0..3).map(|row| kinds.iter().map(|(_, literals)| literals[row]).collect()).collect();
    (names, rows)
}

const NAMES: [&str; 26] = [
    "ca", "cb", "cc", "cd", "ce", "cf", "cg", "ch", "ci", "cj", "ck", "cl", "cm", "cn", "co", "cp", "cq",
    "cr", "cs", "ct", "cu", "cv", "cw", "cx", "cy", "cz",
];

fn postgres() -> (Vec<(&'static str, &'static str)>, Vec<Vec<&'static str>>) {
    columns(&[
        ("boolean", ["true", "false", "NULL"]),
        ("smallint", ["-32768", "32767", "NULL"]),
        ("bigint", ["-9223372036854775808", "9223372036854775807", "NULL"]),
        ("numeric", ["123456789012345678901234567890.000100", "'NaN'", "NULL"]),
        ("numeric(12,2)", ["-0.50", "9999999999.99", "NULL"]),
        ("real", ["0.1", "'-Infinity'", "NULL"]),
        ("double precision", ["0.1", "'NaN'", "NULL"]),
        ("text", ["'ä😀 \\ \"'", "''", "NULL"]),
        ("char(5)", ["'ab'", "''", "NULL"]),
        ("bytea", ["'\\x00ff5c'", "''", "NULL"]),
        ("date", ["'2024-02-29'", "'0044-03-15 BC'", "'infinity'"]),
        ("time", ["'24:00'", "'12:34:56.000001'", "NULL"]),
        ("timetz", ["'12:00+05:30'", "'00:00-08'", "NULL"]),
        ("timestamp", ["'2024-01-01 00:00:00.5'", "'-infinity'", "NULL"]),
        ("timestamptz", ["'2024-06-01 12:00:00.123456+02'", "'0001-01-01 00:00:00+00 BC'", "NULL"]),
        ("interval", ["'1 year -2 days 3.000001 seconds'", "'-00:00:01'", "NULL"]),
        (
            "uuid",
            ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'", "NULL"],
        ),
        ("json", ["'{\"b\": 1.0, \"a\": [null]}'", "'null'", "NULL"]),
        ("jsonb", ["'{\"b\": 1.0, \"a\": [null]}'", "'\"x\"'", "NULL"]),
        ("integer[]", ["'{1,NULL,3}'", "'{}'", "'[0:1][2:3]={{1,2},{3,4}}'"]),
        ("text[]", ["'{\"a,b\",\"c\\\"d\",\"NULL\",NULL,\"\"}'", "'{}'", "NULL"]),
        ("bit(10)", ["B'1010000001'", "B'0000000000'", "NULL"]),
        ("varbit", ["B'101'", "B''", "NULL"]),
        ("inet", ["'10.0.0.1/8'", "'::1'", "NULL"]),
        ("int4range", ["'[1,5)'", "'empty'", "NULL"]),
        ("varchar(40)", ["'trailing  '", "E'\\n\\t'", "NULL"]),
    ])
}

fn mysql() -> (Vec<(&'static str, &'static str)>, Vec<Vec<&'static str>>) {
    columns(&[
        ("tinyint(1)", ["1", "0", "NULL"]),
        ("tinyint", ["-128", "127", "NULL"]),
        ("mediumint", ["-8388608", "-1", "NULL"]),
        ("int unsigned", ["4294967295", "0", "NULL"]),
        ("bigint unsigned", ["18446744073709551615", "0", "NULL"]),
        ("bigint", ["-9223372036854775808", "9223372036854775807", "NULL"]),
        (
            "decimal(65,30)",
            ["-12345678901234567890123456789012345.000000000000000000000000000001", "0", "NULL"],
        ),
        ("float", ["0.1", "-1e30", "NULL"]),
        ("double", ["0.1", "1e300", "NULL"]),
        ("varchar(50) CHARACTER SET utf8mb4", ["'ä😀 \\\\ \"'", "''", "NULL"]),
        ("varchar(50) CHARACTER SET latin1", ["'äöü'", "''", "NULL"]),
        ("char(5)", ["'ab'", "''", "NULL"]),
        ("binary(5)", ["0x00ff000000", "0x0000000000", "NULL"]),
        ("varbinary(50)", ["0x00ff5c", "''", "NULL"]),
        ("longblob", ["0x00ff5c0a", "''", "NULL"]),
        ("mediumtext", ["'many\\nlines'", "''", "NULL"]),
        ("date", ["'2024-02-29'", "'1000-01-01'", "NULL"]),
        ("time(6)", ["'-838:59:59'", "'12:34:56.000001'", "NULL"]),
        ("datetime(6)", ["'2024-01-01 00:00:00.5'", "'9999-12-31 23:59:59.999999'", "NULL"]),
        ("timestamp(6) NULL", ["'2024-06-01 12:00:00.123456'", "'1970-01-02 00:00:01'", "NULL"]),
        ("year", ["2024", "0", "NULL"]),
        ("json", ["'{\"b\": 1.0, \"a\": [null, \"ä\", 18446744073709551615]}'", "'null'", "NULL"]),
        ("enum('small','it''s')", ["'it''s'", "'small'", "NULL"]),
        ("set('a','b','c')", ["'a,c'", "''", "NULL"]),
        ("bit(10)", ["b'1010000001'", "b'0'", "NULL"]),
        ("bit(64)", ["b'1000000000000000000000000000000000000000000000000000000000000001'", "b'1'", "NULL"]),
    ])
}

fn sqlite() -> (Vec<(&'static str, &'static str)>, Vec<Vec<&'static str>>) {
    columns(&[
        ("integer", ["-9223372036854775808", "9223372036854775807", "NULL"]),
        ("real", ["0.1", "1e300", "NULL"]),
        ("text", ["'ä😀 \\ \"'", "''", "NULL"]),
        ("blob", ["x'00ff5c'", "x''", "NULL"]),
        ("numeric(12,2)", ["12.5", "-3", "NULL"]),
        ("varchar(40)", ["'trailing  '", "char(10)", "NULL"]),
        ("bigint", ["0", "1", "NULL"]),
        ("double", ["-0.5", "3", "NULL"]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server;

    #[tokio::test]
    async fn every_server_understands_its_statements() {
        for kind in Kind::ALL {
            let Some(server) = server(kind) else { continue };
            let db = server.fresh_database("dialect").await;
            let (columns, rows) = wide(kind);
            let columns: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
            let mut script = vec![items(kind, "orders"), coded(kind, "coded")];
            script.push(format!("CREATE TABLE wide (id int PRIMARY KEY, {})", columns.join(", ")));
            script.extend(
                rows.iter()
                    .enumerate()
                    .map(|(n, row)| format!("INSERT INTO wide VALUES ({n}, {})", row.join(", "))),
            );
            script.extend(fill("orders", 50_000));
            for statement in script {
                db.execute(&statement).await.unwrap();
            }
            assert_eq!(
                db.value("SELECT count(*) FROM orders").await.unwrap().as_deref(),
                Some("50000"),
                "{kind}"
            );
            assert_eq!(
                db.value("SELECT max(id) FROM orders").await.unwrap().as_deref(),
                Some("50000"),
                "{kind}"
            );
            let wide = db.query("SELECT * FROM wide ORDER BY id").await.unwrap();
            assert!(wide[2].iter().filter(|value| value.is_none()).count() >= 6, "{kind}");
        }
    }
}

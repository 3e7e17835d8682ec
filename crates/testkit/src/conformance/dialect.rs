//! The suite's tables and rows; what each family spells in its own way is in [`crate::kind`].

use crate::Kind;

/// `id`, `note`, `qty`: a whole-number key, a text, a number; both nullable.
pub(crate) fn items(kind: Kind, table: &str) -> String {
    let text = kind.language().dialect().long_text;
    format!("CREATE TABLE {table} (id integer PRIMARY KEY, note {text}, qty integer)")
}

/// A whole-number key and a unique `code`.
pub(crate) fn coded(table: &str) -> String {
    format!("CREATE TABLE {table} (id integer PRIMARY KEY, code varchar(20) NOT NULL UNIQUE)")
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
pub(crate) fn wide(kind: Kind) -> (Vec<(String, &'static str)>, Vec<Vec<&'static str>>) {
    let columns = kind.language().dialect().wide;
    let names = columns.iter().enumerate().map(|(n, (native, _))| (format!("c{n}"), *native)).collect();
    let rows = (0..3).map(|row| columns.iter().map(|(_, literals)| literals[row]).collect()).collect();
    (names, rows)
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
            let mut script = vec![items(kind, "orders"), coded("coded")];
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

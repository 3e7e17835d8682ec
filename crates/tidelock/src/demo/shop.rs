//! The small shop: customers, products, orders and their lines; 2,000 rows at one side, nothing at the other.

use super::random::Random;
use rusqlite::{Connection, Result, Transaction, params};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Customers at the start, from 1 on.
pub const CUSTOMERS: i64 = 300;
/// Products, from 1 on.
pub const PRODUCTS: i64 = 100;
/// Orders at the start, from 1 on.
pub const ORDERS: i64 = 500;
const LINES: i64 = 1_100;

const SCHEMA: &str = "
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, city VARCHAR(80) NOT NULL, credit DECIMAL(10,2) NOT NULL DEFAULT 0,
        updated_at DATETIME NOT NULL
    );
    CREATE TABLE products (
        id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, price DECIMAL(10,2) NOT NULL, stock INTEGER NOT NULL,
        updated_at DATETIME NOT NULL
    );
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id), status VARCHAR(20) NOT NULL,
        updated_at DATETIME NOT NULL
    );
    CREATE INDEX orders_customer ON orders (customer_id);
    CREATE TABLE order_lines (
        order_id INTEGER NOT NULL REFERENCES orders (id), line INTEGER NOT NULL,
        product_id INTEGER NOT NULL REFERENCES products (id), quantity INTEGER NOT NULL, updated_at DATETIME NOT NULL,
        PRIMARY KEY (order_id, line)
    );
";

const FIRST: &[&str] =
    &["Ada", "Bo", "Chidi", "Dora", "Emeka", "Freya", "Goran", "Hana", "Ines", "Jun", "Kofi", "Lena"];
const LAST: &[&str] =
    &["Almeida", "Berg", "Costa", "Dahl", "Evans", "Fischer", "García", "Horvat", "Ito", "Jansen"];
const CITIES: &[&str] =
    &["Aarhus", "Bergen", "Cádiz", "Dakar", "Essen", "Faro", "Gdańsk", "Haifa", "İzmir", "Jena"];
const THINGS: &[&str] =
    &["rope", "anchor", "lantern", "compass", "chart", "bell", "oar", "sail", "buoy", "kettle"];
const KINDS: &[&str] = &["brass", "small", "blue", "folding", "old", "heavy", "red", "spare", "fine", "oak"];

/// Both files; the second is an empty database.
pub fn create(full: &Path, empty: &Path) -> Result<()> {
    open(empty)?;
    let mut connection = open(full)?;
    connection.execute_batch(SCHEMA)?;
    let transaction = connection.transaction()?;
    fill(&transaction, &mut Random::new(1))?;
    transaction.commit()
}

/// Opens a database as any program would.
pub fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    Ok(connection)
}

/// Now, as `2026-01-31 12:34:56.789012`.
pub fn now() -> String {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64;
    let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let (year, month, day) = tidelock_model::civil_from_days(days);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
}

/// A new customer.
pub fn insert_customer(t: &Transaction<'_>, id: i64, random: &mut Random) -> Result<()> {
    let name = format!("{} {}", random.pick(FIRST), random.pick(LAST));
    t.prepare_cached(
        "INSERT INTO customers (id, name, city, credit, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![id, name, random.pick(CITIES), random.below(500), now()])?;
    Ok(())
}

/// A new order with one to three lines.
pub fn insert_order(
    t: &Transaction<'_>,
    id: i64,
    customer: i64,
    lines: i64,
    random: &mut Random,
) -> Result<()> {
    t.prepare_cached(
        "INSERT INTO orders (id, customer_id, status, updated_at) VALUES (?1, ?2, 'pending', ?3)",
    )?
    .execute(params![id, customer, now()])?;
    let mut statement = t.prepare_cached(
        "INSERT INTO order_lines (order_id, line, product_id, quantity, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for line in 1..=lines {
        statement.execute(params![id, line, 1 + random.below(PRODUCTS), 1 + random.below(5), now()])?;
    }
    Ok(())
}

fn fill(t: &Transaction<'_>, random: &mut Random) -> Result<()> {
    for id in 1..=CUSTOMERS {
        insert_customer(t, id, random)?;
    }
    for id in 1..=PRODUCTS {
        let name = format!("{} {}", random.pick(KINDS), random.pick(THINGS));
        let price = format!("{}.{:02}", 1 + random.below(200), random.below(100));
        t.prepare_cached(
            "INSERT INTO products (id, name, price, stock, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![id, name, price, 1_000 + random.below(1_000), now()])?;
    }
    for id in 1..=ORDERS {
        let lines = LINES / ORDERS + i64::from(id <= LINES % ORDERS);
        insert_order(t, id, 1 + random.below(CUSTOMERS), lines, random)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_has_two_thousand_rows() {
        let directory = tempfile::tempdir().unwrap();
        let (full, empty) = (directory.path().join("a.db"), directory.path().join("b.db"));
        create(&full, &empty).unwrap();
        let connection = open(&full).unwrap();
        let count = |table: &str| {
            connection
                .query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!(["customers", "products", "orders", "order_lines"].map(count).iter().sum::<i64>(), 2_000);
        let broken: i64 =
            connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |r| r.get(0)).unwrap();
        assert_eq!(broken, 0);
    }

    #[test]
    fn times_are_written_to_the_microsecond() {
        let now = now();
        assert_eq!(now.len(), "2026-01-31 12:34:56.789012".len(), "{now}");
        assert!(now.as_str() > "2026-01-01", "{now}");
    }
}

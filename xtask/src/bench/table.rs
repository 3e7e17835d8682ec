//! The table that is measured: ten columns as an application has them, and rows made by the server itself.

use super::unmeasured;
use tidelock_testkit::Family;

/// Its name.
pub const TABLE: &str = "orders";

/// The statement that makes it, with its key and nothing else.
pub fn create(family: Family) -> &'static str {
    match family {
        Family::Mysql => {
            "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int NOT NULL, quantity smallint NOT NULL, \
             price decimal(12,2) NOT NULL, status varchar(20) NOT NULL, email varchar(200) NOT NULL, note text, \
             paid boolean NOT NULL, ordered_at datetime(6) NOT NULL, shipped_at timestamp(6) NULL) \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin"
        }
        Family::Postgres => {
            "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id integer NOT NULL, quantity smallint NOT NULL, \
             price numeric(12,2) NOT NULL, status varchar(20) NOT NULL, email varchar(200) NOT NULL, note text, \
             paid boolean NOT NULL, ordered_at timestamp NOT NULL, shipped_at timestamptz)"
        }
        other => unmeasured(other),
    }
}

/// The statement that inserts the rows `first` to `last`.
pub fn insert(family: Family, first: u64, last: u64) -> String {
    let rows = match family {
        Family::Mysql => format!("FROM seq_{first}_to_{last}"),
        Family::Postgres => format!("FROM generate_series({first}, {last}) seq"),
        other => unmeasured(other),
    };
    format!("INSERT INTO orders SELECT {} {rows}", values(family, "seq"))
}

/// The statement, or block of statements, that inserts the rows 1 to `last` in transactions of one row each.
pub fn insert_singly(family: Family, last: u64) -> String {
    let row = values(family, "i");
    match family {
        Family::Mysql => format!(
            "BEGIN NOT ATOMIC DECLARE i bigint DEFAULT 1; WHILE i <= {last} DO INSERT INTO orders SELECT {row}; \
             SET i = i + 1; END WHILE; END"
        ),
        Family::Postgres => format!(
            "DO $$ BEGIN FOR i IN 1..{last}::bigint LOOP INSERT INTO orders SELECT {row}; COMMIT; END LOOP; END $$"
        ),
        other => unmeasured(other),
    }
}

/// The columns of row number `n`, an expression.
pub fn values(family: Family, n: &str) -> String {
    let text = match family {
        Family::Mysql => {
            "{n}, {n} * 7919 % 100000, {n} % 50 + 1, ({n} * 104729 % 1000000) / 100, \
             ELT({n} % 5 + 1, 'pending', 'paid', 'shipped', 'delivered', 'cancelled'), \
             CONCAT('customer', {n} * 7919 % 100000, '@example.org'), \
             IF({n} % 3 = 0, NULL, CONCAT('left at the door, code ', MD5({n}))), {n} % 4 <> 0, \
             TIMESTAMP('2024-01-01') + INTERVAL {n} * 17 SECOND, \
             IF({n} % 5 IN (2, 3), TIMESTAMP('2024-01-03 00:00:00.25') + INTERVAL {n} * 17 SECOND, NULL)"
        }
        Family::Postgres => {
            "{n}, {n} * 7919::bigint % 100000, {n} % 50 + 1, ({n} * 104729::bigint % 1000000) / 100.0, \
             (ARRAY['pending', 'paid', 'shipped', 'delivered', 'cancelled'])[{n} % 5 + 1], \
             'customer' || {n} * 7919::bigint % 100000 || '@example.org', \
             CASE WHEN {n} % 3 <> 0 THEN 'left at the door, code ' || md5({n}::text) END, {n} % 4 <> 0, \
             timestamp '2024-01-01' + {n} * interval '17 s', \
             CASE WHEN {n} % 5 IN (2, 3) THEN timestamptz '2024-01-03 00:00:00.25+00' + {n} * interval '17 s' END"
        }
        other => unmeasured(other),
    };
    text.replace("{n}", n)
}

/// A summary that is the same text where the rows are the same.
pub const SUMMARY: &str = "SELECT count(*), sum(id), sum(customer_id), sum(price), count(note), sum(length(email)), count(shipped_at) FROM orders";

/// How `from` writes the rows for `into`'s own fast way of loading, by their command line clients.
pub fn read(from: Family, into: Family) -> String {
    match (from, into) {
        (Family::Mysql, _) => "SELECT * FROM orders".to_owned(),
        (_, Family::Mysql) => {
            "COPY (SELECT id, customer_id, quantity, price, status, email, note, paid::int, ordered_at, \
             shipped_at AT TIME ZONE 'UTC' FROM orders) TO STDOUT"
                .to_owned()
        }
        _ => "COPY orders TO STDOUT".to_owned(),
    }
}

/// How `into` loads what [`read`] wrote.
pub fn load(from: Family, into: Family) -> &'static str {
    match (from, into) {
        // The client writes NULL as a word.
        (Family::Mysql, Family::Mysql) => {
            "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE orders CHARACTER SET utf8mb4 (id, customer_id, quantity, price, \
             status, email, @note, paid, ordered_at, @shipped) SET note = NULLIF(@note, 'NULL'), shipped_at = NULLIF(@shipped, 'NULL')"
        }
        (_, Family::Mysql) => "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE orders CHARACTER SET utf8mb4",
        (Family::Mysql, _) => "COPY orders FROM STDIN WITH (NULL 'NULL')",
        _ => "COPY orders FROM STDIN",
    }
}

//! Columns that are there already with another type: converted when the job says so, refused until then; the same by snapshot, insert and update.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::{rows, run_all};
use tidelock_testkit::Kind;

/// Type at the source, type at the target, values with what they become there.
struct Turn(&'static str, &'static str, &'static [(&'static str, &'static str)]);

const POSTGRES_TO_MYSQL: &[Turn] = &[
    Turn(
        "numeric",
        "double",
        &[("1.5", "1.5"), ("0.1234567890123456789", "0.12345678901234568"), ("-3", "-3")],
    ),
    Turn("numeric(12,4)", "decimal(10,2)", &[("1.2350", "1.24"), ("-1.2350", "-1.24"), ("2.0049", "2")]),
    Turn("bigint", "double", &[("9007199254740993", "9.007199254740992e15"), ("7", "7")]),
    Turn("double precision", "float", &[("0.5", "0.5"), ("-2", "-2")]),
    Turn(
        "timestamp(6)",
        "datetime",
        &[
            ("'2024-02-29 23:59:59.500000'", "2024-03-01 00:00:00"),
            ("'2024-01-01 00:00:00.4'", "2024-01-01 00:00:00"),
        ],
    ),
    Turn("timestamp", "date", &[("'2024-02-29 23:59:59'", "2024-02-29")]),
    Turn("time(6)", "time", &[("'12:34:56.4'", "12:34:56"), ("'12:34:56.5'", "12:34:57")]),
    Turn("timestamptz", "datetime(6)", &[("'2024-06-01 12:00:00+02'", "2024-06-01 10:00:00")]),
    Turn("inet", "longtext", &[("'10.0.0.1/8'", "10.0.0.1/8")]),
    Turn("interval", "longtext", &[("'1 day'", "P1D")]),
    Turn("integer[]", "json", &[("'{1,NULL,3}'", "[1, null, 3]")]),
    Turn("numeric(6,2)", "longtext", &[("12.50", "12.50")]),
];

const MYSQL_TO_POSTGRES: &[Turn] = &[
    Turn("decimal(20,10)", "double precision", &[("1.5", "1.5"), ("0.1234567890", "0.123456789")]),
    Turn("decimal(12,4)", "numeric(10,2)", &[("1.2350", "1.24"), ("-1.2350", "-1.24")]),
    Turn(
        "bigint unsigned",
        "double precision",
        &[("18446744073709551615", "1.8446744073709552e+19"), ("7", "7")],
    ),
    Turn("double", "real", &[("0.5", "0.5")]),
    Turn("datetime(6)", "timestamp(0)", &[("'2024-02-29 23:59:59.5'", "2024-03-01 00:00:00")]),
    Turn("datetime", "date", &[("'2024-02-29 23:59:59'", "2024-02-29")]),
    Turn("timestamp NULL", "timestamp(0)", &[("'2024-06-01 12:00:00'", "2024-06-01 12:00:00")]),
    Turn("time(3)", "text", &[("'12:34:56.789'", "12:34:56.789")]),
    Turn("decimal(6,2)", "text", &[("12.50", "12.50")]),
    Turn("bit(3)", "text", &[("b'101'", "101")]),
];

#[tokio::test(flavor = "multi_thread")]
async fn existing_columns_take_converted_values_by_consent_postgres_to_mysql() {
    consented(Kind::Postgres18, Kind::Mysql97, POSTGRES_TO_MYSQL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_columns_take_converted_values_by_consent_postgres_to_mariadb() {
    // JSON is kept as it is written there.
    consented(Kind::Postgres15, Kind::Mariadb1011, &POSTGRES_TO_MYSQL[..10]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_columns_take_converted_values_by_consent_mysql_to_postgres() {
    consented(Kind::Mysql97, Kind::Postgres18, MYSQL_TO_POSTGRES).await;
}

async fn consented(from: Kind, to: Kind, turns: &[Turn]) {
    let Some(side) = Lockstep::new("consented", from, to, "all").await else { return };
    for (n, Turn(here, there, values)) in turns.iter().enumerate() {
        side.run(&[format!("CREATE TABLE t{n} (id integer PRIMARY KEY, v {here})")]).await;
        run_all(&side.there, &[format!("CREATE TABLE t{n} (id integer PRIMARY KEY, v {there})")]).await;
        for (i, (value, _)) in values.iter().enumerate() {
            side.run(&[format!("INSERT INTO t{n} VALUES ({i}, {value}), ({}, NULL)", 200 + i)]).await;
        }
    }
    let told: Vec<String> = (0..turns.len()).map(|n| format!("t{n}.v: ")).collect();
    let told: Vec<&str> =
        told.iter().map(String::as_str).chain(["TL-PLAN-TYPE-LOSSY", "allow it in the job"]).collect();
    side.refused(&told);
    let tables: Vec<String> =
        (0..turns.len()).map(|n| format!("{{ name: t{n}, types: {{ v: allow }} }}")).collect();
    side.over(&format!("[{}]", tables.join(", ")));
    side.place.run(&["sync"]).done();
    for (n, Turn(_, _, values)) in turns.iter().enumerate() {
        for (i, (value, _)) in values.iter().enumerate() {
            side.run(&[
                format!("INSERT INTO t{n} VALUES ({}, {value})", 100 + i),
                format!("UPDATE t{n} SET v = {value} WHERE id = {}", 200 + i),
            ])
            .await;
        }
    }
    side.place.run(&["sync"]).done();
    for (n, Turn(here, there, values)) in turns.iter().enumerate() {
        for (i, (value, expected)) in values.iter().enumerate() {
            for id in [i, 100 + i, 200 + i] {
                let found = rows(&side.there, &format!("SELECT v FROM t{n} WHERE id = {id}")).await;
                let same = found.first().and_then(|r| r[0].clone()).is_some_and(|v| equal(&v, expected));
                assert!(same, "{here} {value} in {there}, row {id}: {found:?}, and not {expected}");
            }
        }
    }
    side.place.run(&["verify", "job"]).done();
}

/// Numbers may be spelled in two ways.
fn equal(found: &str, expected: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    found == expected || number(found).is_some_and(|n| number(expected) == Some(n))
}

pairs! { in_a_key:
    a_column_of_the_key_is_converted_by_nobodys_word_postgres_to_mysql: Postgres18 => Mysql97;
    a_column_of_the_key_is_converted_by_nobodys_word_mysql_to_postgres: Mysql97 => Postgres18;
}

async fn in_a_key(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("in_a_key", from, to, "[{ name: items, types: { id: allow } }]").await
    else {
        return;
    };
    side.run(&["CREATE TABLE items (id decimal(12,4) PRIMARY KEY)"]).await;
    run_all(&side.there, &["CREATE TABLE items (id decimal(10,2) PRIMARY KEY)"]).await;
    side.refused(&["items.id", "keys are not converted: two of them could become one", "TL-PLAN-TYPE-LOSSY"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_of_an_extension_that_the_target_lacks_is_refused_with_what_to_make() {
    let Some(side) = Lockstep::new("extension", Kind::Postgres15, Kind::Postgres18, "[items]").await else {
        return;
    };
    side.run(&["CREATE EXTENSION hstore", "CREATE TABLE items (id integer PRIMARY KEY, v hstore)"]).await;
    side.run(&["INSERT INTO items VALUES (1, 'a=>1')"]).await;
    side.refused(&["hstore", "TL-PG-NO-TYPE", "CREATE EXTENSION"]);
    run_all(&side.there, &["CREATE EXTENSION hstore"]).await;
    side.arrives(&["SELECT id, v FROM items"]).await;
}

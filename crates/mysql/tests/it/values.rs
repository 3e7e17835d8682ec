//! The same value, whichever way it comes: snapshot, log, and a second table that we wrote.

use crate::common::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Delta, Endpoint, WriteMode};
use tidelock_model::{Batch, Image, Operation, Record, Rows, Table, Value};
use tidelock_testkit::Kind;

const COMMON: &str = "id int primary key, t tinyint, tu tinyint unsigned, s smallint, su smallint unsigned, m mediumint, mu mediumint unsigned, \
    i int, iu int unsigned, b bigint, bu bigint unsigned, y year, d1 decimal(10,2), d2 decimal(65,30), d3 decimal(5,0), d4 decimal(9,9), f float, \
    db double, c char(10), v varchar(100), tx text, l1 varchar(50) character set latin1, uc varchar(20) character set ucs2, cu char(5) character set utf16, u3 varchar(20) \
    character set utf8mb3, bn binary(8), vb varbinary(300), bl blob, lb longblob, b1 bit(1), b7 bit(7), b64 bit(64), da date, ti time, ti3 time(3), ti6 time(6), dt datetime, \
    dt2 datetime(2), dt6 datetime(6), ts timestamp null, ts1 timestamp(1) null, ts6 timestamp(6) null, e enum('a','it''s','ü','x,y'), st set('one','two','drei'), st9 \
    set('1','2','3','4','5','6','7','8','9'), g geometry, j json, z decimal(6,2) unsigned zerofill";

const ROWS: &[&str] = &[
    "1, -128, 255, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, -9223372036854775808, 18446744073709551615, 0, -99999999.99, \
     '-12345678901234567890123456789012345.123456789012345678901234567890', -99999, -0.999999999, 1.1, 1.7976931348623157e308, 'abc  ', 'trailing  ', \
     'tab\\tnew\\nline\\\\ \\0 ''quote''', '€é\u{81}', '€ü', 'aß', 'üñ', x'0100', x'', x'00ff00', x'', b'1', b'1000001', \
     b'1000000000000000000000000000000000000000000000000000000000000001', '0000-00-00', '-838:59:59', '-00:00:00.5', '-12:34:56.000001', '0000-00-00 00:00:00', \
     '2020-00-10 01:02:03.04', '0001-01-01 00:00:00.000001', '0000-00-00 00:00:00', '1970-01-01 00:00:01.5', '2038-01-19 03:14:07.999999', 'it''s', 'one,drei', '9', \
     ST_GeomFromText('POINT(1 2)'), '{\"b\": [1, -2, 3.5, null, true, false, \"x\\\\n\\\\u0001ü\\\\\"\"], \"a\": {}, \"long key\": []}', 1.5",
    "2, 127, 0, 32767, 0, 8388607, 0, 2147483647, 0, 9223372036854775807, 0, 1901, 0.01, 0, 1, 0.000000001, -0.0000123, -5e-324, '', '', '', '', '', '', '', \
     x'0000000000000000', repeat('a', 300), repeat(x'ff', 5000), repeat('z', 70000), b'0', b'0', 0, '9999-12-31', '838:59:59', '838:59:59', '838:59:58.999999', '9999-12-31 23:59:59', \
     '1000-01-01 00:00:00', '9999-12-31 23:59:59.999999', '2001-09-09 01:46:40', '2001-09-09 01:46:40', '2001-09-09 01:46:40', 'ü', '', '', \
     ST_GeomFromText('LINESTRING(0 0, 1 1)'), '\"text\"', 0",
    "3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, \
     null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null",
    "4, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, 2155, 12345678.9, 0.000000000000000000000000000001, 0, 0.5, 3.4028234e38, 0.1, '日本', '😀', repeat('ä', 20000), 'plain', '日本', '日', '日', \
     x'ff00000000000001', 'x', 'y', 'z', 1, 127, 18446744073709551615, '2024-02-29', '00:00:00', '00:00:00.001', '12:00:00', '2024-02-29 12:00:00', '2024-02-29 12:00:00.99', \
     '2024-02-29 12:00:00.123456', '2024-02-29 12:00:00', '2024-02-29 12:00:00.9', '2024-02-29 12:00:00.000001', 'x,y', 'two', '1,9', null, \
     '{\"n\": [0, 32767, 32768, -32769, 2147483648, 4294967296, 9223372036854775807, 18446744073709551615, 1e20, 1.0, 1e-7, 123456789012345680, -0.0]}', 9999.99",
];

/// As MySQL prints them; MariaDB keeps what was typed.
const JSON_NUMBERS: &str = "{\"n\": [0, 32767, 32768, -32769, 2147483648, 4294967296, 9223372036854775807, 18446744073709551615, 1e20, 1.0, \
    0.0000001, 123456789012345680, -0.0]}";

async fn insert(db: &tidelock_testkit::Database, table: &str) {
    let settings =
        "SET NAMES utf8mb4; SET time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,ALLOW_INVALID_DATES'";
    db.execute(settings).await.unwrap();
    for row in ROWS {
        db.execute(&format!("INSERT INTO {table} VALUES ({row})")).await.unwrap();
    }
}

fn by_id(images: impl Iterator<Item = Vec<u8>>) -> BTreeMap<i64, Vec<u8>> {
    images
        .map(|bytes| match Image::from_bytes(&bytes).slot(0).unwrap().value() {
            Some(Value::Int(id)) => (id, bytes),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn of_rows(rows: &[Rows]) -> BTreeMap<i64, Vec<u8>> {
    by_id(rows.iter().flat_map(|r| r.images().map(|i| i.unwrap().as_bytes().to_vec()).collect::<Vec<_>>()))
}

fn inserted(batches: &[Batch]) -> BTreeMap<i64, Vec<u8>> {
    let images = batches.iter().flat_map(|b| b.records()).filter_map(|record| match record.unwrap() {
        Record::Change(change) if change.operation == Operation::Insert => {
            change.after.map(|a| a.as_bytes().to_vec())
        }
        _ => None,
    });
    by_id(images)
}

fn same(table: &Table, a: &BTreeMap<i64, Vec<u8>>, b: &BTreeMap<i64, Vec<u8>>, what: &str) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{what}");
    for (id, bytes) in a {
        let (x, y) = (Image::from_bytes(bytes), Image::from_bytes(&b[id]));
        for ((column, x), y) in table.columns.iter().zip(x.slots()).zip(y.slots()) {
            assert_eq!(x.unwrap(), y.unwrap(), "{what}: row {id}, column {}", column.name);
        }
    }
}

/// Loads and upserts the rows into tables that we make, and reads them back.
async fn through_us(
    endpoint: &dyn Endpoint,
    table: &Arc<Table>,
    rows: &[Rows],
    load: bool,
) -> BTreeMap<i64, Vec<u8>> {
    let name = if load { "loaded" } else { "applied" };
    let made = Arc::new(Table { name: tidelock_model::TableName::new(name), ..(**table).clone() });
    let mut target = endpoint.target("job").await.unwrap();
    target.prepare("mysql", std::slice::from_ref(&made)).await.unwrap();
    let checkpoint = Checkpoint { job: "job".into(), lane: name.into(), state: "{}".into() };
    if load {
        let mut loader = target.loader().await.unwrap();
        loader.begin(&made, WriteMode::Insert, "shop").await.unwrap();
        for rows in rows {
            loader.load(&rows.clone().of(made.clone())).await.unwrap();
        }
        loader.commit(&checkpoint).await.unwrap();
    } else {
        let images: Vec<Image<'_>> = rows.iter().flat_map(|r| r.images()).map(|i| i.unwrap()).collect();
        target.begin("shop").await.unwrap();
        target.apply(&[Delta { upserts: images, ..Delta::new(&made) }]).await.unwrap();
        target.commit(&checkpoint, &[]).await.unwrap();
    }
    of_rows(&snapshot_rows(endpoint, &made, 3).await)
}

async fn every_type(kind: Kind, setup: &str, test: &str) {
    let Some(db) = database(kind, test).await else { return };
    db.execute(&format!("CREATE TABLE t ({COMMON}) CHARACTER SET utf8mb4")).await.unwrap();
    let endpoint = endpoint(&db.url);
    let mut tail = Tail::open(&*endpoint, &["t"]).await;
    if !setup.is_empty() {
        db.execute(setup).await.unwrap();
    }
    insert(&db, "t").await;
    let streamed = inserted(&tail.catch_up(&*endpoint).await);
    let table = table(&*endpoint, "t").await;
    let rows = snapshot_rows(&*endpoint, &table, 2).await;
    let read = of_rows(&rows);
    assert_eq!(read.len(), ROWS.len());
    same(&table, &read, &streamed, "snapshot and stream");
    same(&table, &read, &through_us(&*endpoint, &table, &rows, true).await, "after a load");
    same(&table, &read, &through_us(&*endpoint, &table, &rows, false).await, "after an apply");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_mariadb_is_the_same_from_snapshot_stream_and_our_own_tables() {
    every_type(Kind::Mariadb1011, "", "every_type").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_mysql_is_the_same_from_snapshot_stream_and_our_own_tables() {
    every_type(Kind::Mysql97, "", "every_type").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_transactions_of_mysql_are_read() {
    every_type(Kind::Mysql97, "SET SESSION binlog_transaction_compression = ON", "compressed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_values_are_what_they_were_meant_to_be() {
    for kind in KINDS {
        let Some(db) = database(kind, "edges").await else { continue };
        db.execute(&format!("CREATE TABLE t ({COMMON}) CHARACTER SET utf8mb4")).await.unwrap();
        insert(&db, "t").await;
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let rows = snapshot_rows(&*endpoint, &table, 100).await;
        let all = of_rows(&rows);
        let value = |id: i64, column: &str| {
            let slot = Image::from_bytes(&all[&id]).slot(table.column(column).unwrap()).unwrap();
            text(&slot.value().unwrap())
        };
        for (id, column, expected) in [
            (1, "m", "-8388608"),
            (1, "bu", "18446744073709551615"),
            (1, "y", "0"),
            (4, "y", "2155"),
            (1, "d1", "-99999999.99"),
            (1, "ti", "-838:59:59"),
            (1, "ti3", "-00:00:00.5"),
            (1, "dt", "0000-00-00 00:00:00"),
            (1, "dt2", "2020-00-10 01:02:03.04"),
            (1, "ts", "0000-00-00 00:00:00"),
            (1, "c", "abc"),
            (1, "v", "trailing  "),
            (1, "l1", "€é\u{81}"),
            (1, "b7", "1000001"),
            (1, "st", "one,drei"),
            (1, "e", "it's"),
            (1, "z", "1.50"),
            (
                4,
                "j",
                match kind {
                    Kind::Mysql97 => JSON_NUMBERS,
                    _ => {
                        "{\"n\": [0, 32767, 32768, -32769, 2147483648, 4294967296, 9223372036854775807, 18446744073709551615, 1e20, 1.0, 1e-7, 123456789012345680, -0.0]}"
                    }
                },
            ),
        ] {
            assert_eq!(value(id, column), expected, "{kind}: row {id}, column {column}");
        }
    }
}

/// A small generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_of_mysql_is_rendered_letter_for_letter_as_the_server_prints_it() {
    let Some(db) = database(Kind::Mysql97, "json").await else { return };
    db.execute("CREATE TABLE t (id int primary key, j json)").await.unwrap();
    let endpoint = endpoint(&db.url);
    let mut tail = Tail::open(&*endpoint, &["t"]).await;
    let mut dice = Dice(88_172_645_463_325_252);
    let mut rows = Vec::new();
    for id in 0..400 {
        let mut doubles = Vec::new();
        while doubles.len() < 5 {
            let x = match dice.next() % 2 {
                0 => f64::from_bits(dice.next()),
                _ => (dice.next() % 1_000_000) as f64 / 10_f64.powi((dice.next() % 30) as i32),
            };
            if x.is_finite() {
                doubles.push(format!("{x:e}"));
            }
        }
        rows.push(format!("({id}, '[{}]')", doubles.join(",")));
    }
    // Large objects and arrays have wider offsets; opaque values are of SQL types.
    rows.push(
        "(1000, JSON_OBJECT('k', REPEAT('x', 70000), 'l', JSON_ARRAY(1, 70000, 5000000000, 'y'), 'm', true))"
            .into(),
    );
    rows.push("(1001, JSON_ARRAY(CAST('2024-02-29 12:00:00.5' AS DATETIME(6)), CAST('2024-02-29' AS DATE), CAST('-12:30:00.25' AS TIME(6)), CAST(-12.340 AS DECIMAL(10,3)), \
        b'101', x'00ff', CAST(0 AS DECIMAL(5,2)), -0.0))".into());
    rows.push(
        "(1002, '{\"\": {\"\": []}, \"ü\": \"\\\\u0000\\\\u001f\\\\b\\\\f\\\\n\\\\r\\\\t\\\\\\\\/\\\\\"\"}')"
            .into(),
    );
    rows.push("(1003, 'null'), (1004, 'true'), (1005, '-32768'), (1006, '[]')".into());
    db.execute("SET NAMES utf8mb4").await.unwrap();
    db.execute(&format!("INSERT INTO t VALUES {}", rows.join(","))).await.unwrap();
    let streamed = inserted(&tail.catch_up(&*endpoint).await);
    let table = table(&*endpoint, "t").await;
    let read = of_rows(&snapshot_rows(&*endpoint, &table, 10_000).await);
    same(&table, &read, &streamed, "json");
    assert_eq!(read.len(), 407);
}

#[tokio::test(flavor = "multi_thread")]
async fn uuids_of_mariadb_are_put_in_order_whatever_their_version() {
    let Some(db) = database(Kind::Mariadb1011, "uuid").await else { return };
    db.execute("CREATE TABLE t (id int primary key, u uuid)").await.unwrap();
    let endpoint = endpoint(&db.url);
    let mut tail = Tail::open(&*endpoint, &["t"]).await;
    let mut dice = Dice(42);
    let mut rows = vec![
        "(0, '00000000-0000-0000-0000-000000000000')".to_owned(),
        "(1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')".to_owned(),
    ];
    for id in 2..6000 {
        let hex = format!("{:016x}{:016x}", dice.next(), dice.next());
        let version = id % 16;
        rows.push(format!(
            "({id}, '{}-{}-{version:x}{}-{}-{}')",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[16..20],
            &hex[20..]
        ));
    }
    // What the server does not take for a UUID becomes NULL.
    db.execute(&format!("INSERT IGNORE INTO t VALUES {}", rows.join(","))).await.unwrap();
    assert_ne!(
        db.value("SELECT count(*) > 4000 FROM t WHERE u IS NOT NULL").await.unwrap().as_deref(),
        Some("0")
    );
    let streamed = inserted(&tail.catch_up(&*endpoint).await);
    let table = table(&*endpoint, "t").await;
    same(&table, &of_rows(&snapshot_rows(&*endpoint, &table, 1000).await), &streamed, "uuid");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_mariadb_are_spelled_as_the_server_spells_them() {
    let Some(db) = database(Kind::Mariadb1011, "addresses").await else { return };
    db.execute("CREATE TABLE t (id int primary key, a inet6, b inet4)").await.unwrap();
    let endpoint = endpoint(&db.url);
    let mut tail = Tail::open(&*endpoint, &["t"]).await;
    let mut dice = Dice(7);
    let rows: Vec<String> = (0..3000)
        .map(|id| {
            // Runs of zeros at every place, and every kind of address that ends in one of IPv4.
            let mask = dice.next();
            let mut words: Vec<u64> = (0..8)
                .map(|i| if mask >> i & 1 == 0 { 0 } else { dice.next() >> (mask >> 8 & 63) & 0xffff })
                .collect();
            if id % 5 == 0 {
                words[..5].fill(0);
                words[5] = [0, 0xffff][id % 2];
            }
            let six = words.iter().map(|w| format!("{w:x}")).collect::<Vec<_>>().join(":");
            let four = dice.next().to_le_bytes();
            format!(
                "({id}, '{six}', '{}.{}.{}.{}')",
                four[0],
                four[1],
                four[2],
                if id % 3 == 0 { 0 } else { four[3] }
            )
        })
        .collect();
    db.execute(&format!("INSERT INTO t VALUES {}", rows.join(","))).await.unwrap();
    let streamed = inserted(&tail.catch_up(&*endpoint).await);
    let table = table(&*endpoint, "t").await;
    same(&table, &of_rows(&snapshot_rows(&*endpoint, &table, 1000).await), &streamed, "addresses");
    assert_eq!(streamed.len(), 3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_every_character_set_is_the_same_from_snapshot_and_stream() {
    for kind in KINDS {
        let Some(db) = database(kind, "charsets").await else { continue };
        let sets = "SELECT character_set_name FROM information_schema.character_sets WHERE character_set_name NOT IN \
                    ('binary', 'ujis', 'eucjpms', 'gb18030') ORDER BY 1";
        let names: Vec<String> =
            db.query(sets).await.unwrap().into_iter().filter_map(|r| r[0].clone()).collect();
        let columns =
            names.iter().map(|n| format!("{n} text CHARACTER SET {n}")).collect::<Vec<_>>().join(", ");
        db.execute(&format!("CREATE TABLE t (id int primary key, {columns})")).await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        // What a set does not have becomes a question mark, at the server.
        for (id, text) in ["äöüß€", "żółć łódź", "Ελληνικά", "Привет", "שלום", "漢字カナ中文한글", "~\\\\|^`"]
            .iter()
            .enumerate()
        {
            let values = names.iter().map(|_| format!("'{text}'")).collect::<Vec<_>>().join(", ");
            db.execute(&format!("SET NAMES utf8mb4; INSERT IGNORE INTO t VALUES ({id}, {values})"))
                .await
                .unwrap();
        }
        let streamed = inserted(&tail.catch_up(&*endpoint).await);
        let table = table(&*endpoint, "t").await;
        let read = of_rows(&snapshot_rows(&*endpoint, &table, 1000).await);
        same(&table, &read, &streamed, &format!("{kind}: character sets"));
        assert_eq!(read.len(), 7, "{kind}");
    }
}

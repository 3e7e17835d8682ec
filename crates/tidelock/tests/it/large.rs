//! What is large: tables with as many columns as a database has, values of 64 MB.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::{config, rows};
use crate::support::Place;
use tidelock_testkit::lab::Options;
use tidelock_testkit::{Family, Kind, private_server, server};

fn wide(columns: usize) -> String {
    let columns: Vec<String> = (2..=columns).map(|n| format!("c{n} integer")).collect();
    format!("CREATE TABLE wide (id integer NOT NULL PRIMARY KEY, {})", columns.join(", "))
}

pairs! { widest:
    a_table_as_wide_as_can_be_postgres_to_postgres: Postgres15 => Postgres18;
    a_table_as_wide_as_can_be_postgres_to_sqlite: Postgres18 => Sqlite;
    a_table_as_wide_as_can_be_mysql_to_postgres: Mysql97 => Postgres18;
    a_table_as_wide_as_can_be_postgres_to_mysql: Postgres18 => Mysql97;
    a_table_as_wide_as_can_be_mysql_to_mariadb: Mysql97 => Mariadb1011;
    a_table_as_wide_as_can_be_sqlite_to_postgres: Sqlite => Postgres15;
}

/// 1,600 columns are what PostgreSQL has, 1,017 what InnoDB has, 990 what can be captured of SQLite.
async fn widest(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("wide", from, to, "[wide]").await else { return };
    let most = |kind: Kind| match kind.family() {
        Family::Postgres => 1600,
        Family::Mysql => 1017,
        _ => 990,
    };
    // A SQLite file that is only written to has more.
    let width = if to == Kind::Sqlite { most(from) } else { most(from).min(most(to)) };
    let ones = vec!["1"; width - 1].join(", ");
    side.run(&[wide(width), format!("INSERT INTO wide VALUES (1, {ones}), (2, {ones})")]).await;
    let all = ["SELECT * FROM wide ORDER BY id"];
    side.arrives(&all).await;
    side.run(&[
        format!("UPDATE wide SET c2 = 7, c{width} = NULL WHERE id = 1"),
        format!("INSERT INTO wide VALUES (3, {ones})"),
        "DELETE FROM wide WHERE id = 2".to_owned(),
    ])
    .await;
    side.arrives(&all).await;
}

pairs! { too_wide:
    a_table_that_is_too_wide_for_the_target_is_refused_with_the_number_that_it_takes_postgres_to_mysql: Postgres18 => Mysql97;
    a_table_that_is_too_wide_for_the_target_is_refused_with_the_number_that_it_takes_postgres_to_mariadb: Postgres15 => Mariadb1011;
    a_table_that_is_too_wide_for_the_target_is_refused_with_the_number_that_it_takes_sqlite_to_mysql: Sqlite => Mysql97;
}

async fn too_wide(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("too_wide", from, to, "[wide]").await else { return };
    side.run(&[wide(1018)]).await;
    let told = if from == Kind::Sqlite {
        "it has 1018 columns; triggers can capture 990"
    } else {
        "it has 1018 columns, and a table has at most 1017 there"
    };
    side.refused(&["wide", told]);
    let made =
        rows(&side.there, "SELECT count(*) FROM information_schema.tables WHERE table_schema = database()")
            .await;
    assert_eq!(made, [[Some("0".to_owned())]]);
}

pairs! { heavy:
    values_of_many_megabytes_postgres_to_mysql: Postgres18 => Mysql97;
    values_of_many_megabytes_mysql_to_postgres: Mysql97 => Postgres18;
    values_of_many_megabytes_sqlite_to_postgres: Sqlite => Postgres18;
    values_of_many_megabytes_postgres_to_sqlite: Postgres15 => Sqlite;
    values_of_many_megabytes_postgres_to_postgres: Postgres15 => Postgres18;
}

/// Of each value. A server of MySQL's kind takes 64 MB in one piece as it comes (`max_allowed_packet`, 16 at MariaDB), and octets are two letters each in a statement.
fn megabytes(kinds: [Kind; 2]) -> usize {
    if kinds.iter().any(|k| k.family() == Family::Mysql) { 24 } else { 64 }
}

/// A text and octets of that size; the row beside them stays small.
async fn heavy(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("heavy", from, to, "[files]").await else { return };
    arrive_whole(&side, megabytes([from, to])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_many_megabytes_from_and_to_a_mariadb_that_takes_larger_pieces() {
    heavier(Kind::Mariadb1011).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_many_megabytes_from_and_to_a_mysql_that_takes_larger_pieces() {
    heavier(Kind::Mysql97).await;
}

/// 64 MB, where a server of MySQL's kind is told to take so much.
async fn heavier(kind: Kind) {
    let options = Options::default().with("max-allowed-packet", "256M");
    let Some(private) = private_server(kind, options).await else { return };
    let Some(postgres) = server(Kind::Postgres18) else { return };
    for into in [true, false] {
        let mine = private.server.fresh_database("heavy").await;
        let other = postgres.fresh_database("heavy").await;
        let (here, there) = if into { (other, mine) } else { (mine, other) };
        let place =
            Place::with_config(&config(&here, &there, "{ source: here, target: there, tables: [files] }"));
        arrive_whole(&Lockstep { place, here, there }, 64).await;
    }
}

async fn arrive_whole(side: &Lockstep, megabytes: usize) {
    let (from, to) = (side.here.kind(), side.there.kind());
    let (octets, text) = match from.family() {
        Family::Postgres => ("bytea", "text"),
        Family::Mysql => ("longblob", "longtext"),
        _ => ("BLOB", "TEXT"),
    };
    side.run(&[
        format!("CREATE TABLE files (id integer NOT NULL PRIMARY KEY, b {octets}, t {text})"),
        format!("INSERT INTO files VALUES (1, {}, NULL), (2, NULL, 'small')", big_octets(from, megabytes)),
    ])
    .await;
    // Digests of both servers are compared: what they are made of does not go through this process.
    let digest = |kind: Kind| match kind.family() {
        Family::Sqlite => {
            "SELECT id, length(b), length(t), CASE WHEN b IS NOT NULL THEN hex(substr(b, -9)) END, substr(t, -9) FROM files ORDER BY id"
        }
        Family::Mysql => {
            "SELECT id, length(b), char_length(t), hex(right(b, 9)), right(t, 9), sha2(b, 256), sha2(t, 256) FROM files ORDER BY id"
        }
        _ => {
            "SELECT id, length(b), length(t), upper(encode(substr(b, length(b) - 8), 'hex')), right(t, 9), encode(sha256(b), 'hex'), encode(sha256(convert_to(t, 'UTF8')), 'hex') FROM files ORDER BY id"
        }
    };
    let equal = async || {
        side.place.run(&["sync"]).done();
        let (mut here, mut there) =
            (rows(&side.here, digest(from)).await, rows(&side.there, digest(to)).await);
        let columns = here[0].len().min(there[0].len());
        here.iter_mut().chain(&mut there).for_each(|row| row.truncate(columns));
        assert_eq!(there, here);
    };
    equal().await;
    side.run(&[
        format!("INSERT INTO files VALUES (3, NULL, {})", big_text(from, megabytes)),
        "UPDATE files SET t = 'beside it' WHERE id = 1".to_owned(),
        "UPDATE files SET id = 4 WHERE id = 1".to_owned(),
    ])
    .await;
    equal().await;
}

pairs! { too_heavy:
    a_value_that_the_target_takes_in_no_piece_is_refused_by_that_reason_postgres_to_mysql: Postgres18 => Mysql97;
    a_value_that_the_target_takes_in_no_piece_is_refused_by_that_reason_sqlite_to_mysql: Sqlite => Mysql97;
}

async fn too_heavy(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("too_heavy", from, to, "[files]").await else { return };
    side.run(&[
        "CREATE TABLE files (id integer NOT NULL PRIMARY KEY, t text)",
        "INSERT INTO files VALUES (1, 'small')",
    ])
    .await;
    side.arrives(&["SELECT id, t FROM files"]).await;
    side.run(&[format!("INSERT INTO files VALUES (2, {})", big_text(from, 64))]).await;
    side.stops(&[
        "TL-MY-ROW-SIZE",
        "is larger than the server takes",
        "raise max_allowed_packet at the server",
    ]);
    assert_eq!(rows(&side.there, "SELECT id FROM files").await, [[Some("1".to_owned())]]);
}

fn big_octets(kind: Kind, megabytes: usize) -> String {
    let half = megabytes << 19;
    match kind.family() {
        Family::Postgres => format!("decode(repeat('00ff', {half}), 'hex')"),
        Family::Mysql => format!("repeat(x'00ff', {half})"),
        _ => format!("zeroblob({})", megabytes << 20),
    }
}

fn big_text(kind: Kind, megabytes: usize) -> String {
    let half = megabytes << 19;
    match kind.family() {
        Family::Sqlite => format!("replace(hex(zeroblob({half})), '00', 'ab')"),
        _ => format!("repeat('ab', {half})"),
    }
}

//! Names that are hard to write down, and names that a target cannot have.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::{config, quoted, rows, run_all};
use crate::support::Place;
use tidelock_testkit::lab::Options;
use tidelock_testkit::{Database, Kind, private_server, server};

/// Tables, each with a column of the same kind of name.
const ODD: [(&str, &str); 6] = [
    ("select", "where"),
    ("a table.with dots", "a column.with dots"),
    ("it's \"quoted\" `twice`", "per%cent \\ 'and' \"so\" `on`"),
    ("UpperCase", "LowerCase"),
    ("$dollar#hash;semi--comment", "tab\there"),
    ("größe 名前", "ключ"),
];

fn written(kind: Kind, name: &str) -> String {
    let mark = if quoted(kind, "x").starts_with('`') { '`' } else { '"' };
    quoted(kind, &name.replace(mark, &format!("{mark}{mark}")))
}

pairs! { odd:
    names_with_quotes_dots_blanks_and_reserved_words_stay_as_they_are_postgres_to_mysql: Postgres18 => Mysql97;
    names_with_quotes_dots_blanks_and_reserved_words_stay_as_they_are_postgres_to_sqlite: Postgres15 => Sqlite;
    names_with_quotes_dots_blanks_and_reserved_words_stay_as_they_are_mysql_to_postgres: Mysql97 => Postgres18;
    names_with_quotes_dots_blanks_and_reserved_words_stay_as_they_are_mariadb_to_mysql: Mariadb1011 => Mysql97;
    names_with_quotes_dots_blanks_and_reserved_words_stay_as_they_are_sqlite_to_mariadb: Sqlite => Mariadb1011;
    names_with_quotes_dots_blanks_and_reserved_words_stay_as_they_are_sqlite_to_postgres: Sqlite => Postgres18;
}

async fn odd(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("odd_names", from, to, "all").await else { return };
    named(&side, &ODD).await;
}

/// Tables with these names follow, and are found by them at both sides.
async fn named(side: &Lockstep, names: &[(&str, &str)]) {
    let both =
        |db: &Database, table: &str, column: &str| (written(db.kind(), table), written(db.kind(), column));
    for (table, column) in names {
        let (t, c) = both(&side.here, table, column);
        side.run(&[
            format!("CREATE TABLE {t} ({c} integer NOT NULL, name varchar(20), PRIMARY KEY ({c}))"),
            format!("INSERT INTO {t} VALUES (1, 'one'), (2, 'two')"),
        ])
        .await;
    }
    let equal = async || {
        side.place.run(&["sync"]).done();
        for (table, column) in names {
            let all = async |db: &Database| {
                let (t, c) = both(db, table, column);
                rows(db, &format!("SELECT {c}, name FROM {t} ORDER BY {c}")).await
            };
            assert_eq!(all(&side.there).await, all(&side.here).await, "{table}");
        }
        side.place.run(&["verify", "job"]).done();
    };
    equal().await;
    for (table, column) in names {
        let (t, c) = both(&side.here, table, column);
        side.run(&[
            format!("UPDATE {t} SET name = 'changed' WHERE {c} = 1"),
            format!("UPDATE {t} SET {c} = 5 WHERE {c} = 2"),
            format!("INSERT INTO {t} VALUES (3, 'three')"),
        ])
        .await;
    }
    equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_as_long_as_a_server_allows_come_whole() {
    // 63 octets are what PostgreSQL has, 64 characters what MySQL has.
    let (octets, characters) = ("x".repeat(63), "ü".repeat(64));
    let emoji = format!("😀{}", "y".repeat(59));
    let long = |name: &str| (name.to_owned(), name.to_owned());
    for (from, to, name) in [
        (Kind::Postgres18, Kind::Mysql97, &octets),
        (Kind::Postgres15, Kind::Postgres18, &emoji),
        (Kind::Postgres15, Kind::Sqlite, &emoji),
        (Kind::Mysql97, Kind::Mariadb1011, &characters),
        (Kind::Mysql97, Kind::Sqlite, &characters),
        (Kind::Mariadb1011, Kind::Postgres18, &octets),
    ] {
        let Some(side) = Lockstep::new("long_names", from, to, "all").await else { continue };
        let (table, column) = long(name);
        named(&side, &[(&table, &column)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_target_would_cut_or_cannot_spell_is_refused_before_anything_is_made() {
    let (cut, emoji) = ("ü".repeat(32), "smile 😀".to_owned());
    for (from, to, name, why) in [
        (Kind::Mysql97, Kind::Postgres18, &cut, "64 octets long, and names have at most 63 there"),
        (Kind::Sqlite, Kind::Postgres15, &cut, "64 octets long, and names have at most 63 there"),
        (Kind::Sqlite, Kind::Mysql97, &"z".repeat(65), "65 characters long, and names have at most 64 there"),
        (Kind::Postgres18, Kind::Mysql97, &emoji, "has the character 😀, which names cannot have there"),
        (Kind::Sqlite, Kind::Mariadb1011, &emoji, "has the character 😀, which names cannot have there"),
    ] {
        let Some(side) = Lockstep::new("names_refused", from, to, "all").await else { continue };
        let n = written(from, name);
        side.run(&[
            format!("CREATE TABLE {n} (id integer PRIMARY KEY, name varchar(20))"),
            format!("CREATE TABLE other (id integer PRIMARY KEY, {n} varchar(20))"),
        ])
        .await;
        let told = [why, "TL-PLAN-NAME", "with `to:`", "with `rename:`"];
        side.refused(&told);
        side.over(&format!(
            "[{{ name: '{name}', to: short }}, {{ name: other, rename: {{ '{name}': short }} }}]"
        ));
        side.run(&[
            format!("INSERT INTO {n} VALUES (1, 'one')"),
            "INSERT INTO other VALUES (2, 'two')".to_owned(),
        ])
        .await;
        side.place.run(&["sync"]).done();
        let both = rows(&side.there, "SELECT s.id, s.name, o.id, o.short FROM short s, other o").await;
        assert_eq!(both, [["1", "one", "2", "two"].map(|v| Some(v.to_owned()))], "{from} {to}");
    }
}

pairs! { schemas:
    tables_of_one_name_in_several_schemas_postgres_to_mysql: Postgres18 => Mysql97;
    tables_of_one_name_in_several_schemas_postgres_to_sqlite: Postgres15 => Sqlite;
    tables_of_one_name_in_several_schemas_postgres_to_postgres: Postgres15 => Postgres18;
}

async fn schemas(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("schemas", from, to, "all").await else { return };
    side.run(&[
        "CREATE SCHEMA \"North.East\"",
        "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20))",
        "CREATE TABLE \"North.East\".items (id integer PRIMARY KEY, name varchar(20), more integer)",
        "INSERT INTO items VALUES (1, 'public')",
        "INSERT INTO \"North.East\".items VALUES (1, 'north', 7)",
    ])
    .await;
    let other = if from.family() == to.family() {
        "\"North.East\".items"
    } else {
        side.refused(&["North.East.items", "would both become items", "TL-PLAN-SAME-NAME", "with `to:`"]);
        side.over("[items, { name: 'North.East.items', to: north_items }]");
        "north_items"
    };
    let equal = async || {
        side.place.run(&["sync"]).done();
        for (list, here, there) in
            [("id, name", "items", "items"), ("id, name, more", "\"North.East\".items", other)]
        {
            let all = |table: &str| format!("SELECT {list} FROM {table} ORDER BY id");
            assert_eq!(rows(&side.there, &all(there)).await, rows(&side.here, &all(here)).await, "{there}");
        }
        side.place.run(&["verify", "job"]).done();
    };
    equal().await;
    side.run(&[
        "UPDATE \"North.East\".items SET name = 'changed'",
        "INSERT INTO items VALUES (2, 'more')",
        "DELETE FROM items WHERE id = 1",
    ])
    .await;
    equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_names_of_tables_in_any_case_is_read_and_written_by_the_names_it_has() {
    let options = Options::default().with("lower-case-table-names", "1");
    let Some(private) = private_server(Kind::Mariadb1011, options).await else { return };
    let Some(postgres) = server(Kind::Postgres18) else { return };
    let folding = private.server.fresh_database("lower_case").await;
    let exact = postgres.fresh_database("lower_case").await;
    // Into it: what is there in other letters is written to, and two that would be one are refused.
    run_all(
        &exact,
        &[
            "CREATE TABLE \"Items\" (id integer PRIMARY KEY, name varchar(20))",
            "INSERT INTO \"Items\" VALUES (1, 'one')",
        ],
    )
    .await;
    let place = Place::with_config(&config(&exact, &folding, "{ source: here, target: there }"));
    place.run(&["sync"]).done();
    run_all(&exact, &["UPDATE \"Items\" SET name = 'changed'", "INSERT INTO \"Items\" VALUES (2, 'two')"])
        .await;
    place.run(&["sync"]).done();
    place.run(&["verify", "job"]).done();
    let all = "SELECT id, name FROM ITEMS ORDER BY id";
    assert_eq!(rows(&folding, all).await, rows(&exact, &all.replace("ITEMS", "\"Items\"")).await);
    run_all(&exact, &["CREATE TABLE items (id integer PRIMARY KEY)"]).await;
    let ran = place.run(&["check"]);
    assert!(ran.code == 1 && ran.out.contains("TL-PLAN-SAME-NAME"), "{}", ran.transcript());
    // Out of it: whoever names the table in other letters there, its changes come.
    let back = postgres.fresh_database("lower_case_back").await;
    let place =
        Place::with_config(&config(&folding, &back, "{ source: here, target: there, tables: [items] }"));
    place.run(&["sync"]).done();
    run_all(
        &folding,
        &["UPDATE ItEmS SET name = 'again' WHERE id = 2", "INSERT INTO ITEMS VALUES (3, 'three')"],
    )
    .await;
    place.run(&["sync"]).done();
    let all = "SELECT id, name FROM items ORDER BY id";
    assert_eq!(rows(&back, all).await, rows(&folding, all).await);
}

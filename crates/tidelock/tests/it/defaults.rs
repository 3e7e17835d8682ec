//! Defaults and columns that are computed: what the target can express comes along, what it cannot is told, and no value is ever made up.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::rows;
use tidelock_testkit::{Database, Family, Kind};

pairs! { computed:
    generated_columns_are_left_to_each_side_postgres_to_mysql: Postgres18 => Mysql97;
    generated_columns_are_left_to_each_side_postgres_to_postgres: Postgres15 => Postgres18;
    generated_columns_are_left_to_each_side_sqlite_to_postgres: Sqlite => Postgres18;
    generated_columns_are_left_to_each_side_mysql_to_mysql: Mysql97 => Mysql97;
}

/// Where the target computes one by another rule, its own stays.
async fn computed(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("computed", from, to, "[items]").await else { return };
    let made = |rule: &str| {
        format!(
            "CREATE TABLE items (twice integer GENERATED ALWAYS AS ({rule}) STORED, id integer NOT NULL PRIMARY KEY, net integer, name varchar(20))"
        )
    };
    side.run(&[
        made("net * 2").as_str(),
        "INSERT INTO items (id, net, name) VALUES (1, 1, 'one'), (2, 2, NULL)",
    ])
    .await;
    side.there.execute(&made("net * 3")).await.unwrap();
    let all = ["SELECT id, net, name FROM items ORDER BY id"];
    side.arrives(&all).await;
    side.run(&[
        "UPDATE items SET net = 10 WHERE id = 1",
        "UPDATE items SET id = 5 WHERE id = 2",
        "INSERT INTO items (id, net, name) VALUES (3, 3, 'three')",
    ])
    .await;
    side.arrives(&all).await;
    let own = rows(&side.there, "SELECT twice FROM items ORDER BY id").await;
    assert_eq!(own, ["30", "9", "6"].map(|v| [Some(v.to_owned())]));
}

/// What a row gets that names only its key: every default of the table.
async fn given(db: &Database, id: i32, columns: &str) -> Vec<Option<String>> {
    db.execute(&format!("INSERT INTO items (id) VALUES ({id})")).await.unwrap();
    rows(db, &format!("SELECT {columns} FROM items WHERE id = {id}")).await.remove(0)
}

pairs! { expressed:
    defaults_that_the_target_cannot_express_are_told_and_not_made_up_postgres_to_mysql: Postgres18 => Mysql97;
    defaults_that_the_target_cannot_express_are_told_and_not_made_up_postgres_to_mariadb: Postgres15 => Mariadb1011;
    defaults_that_the_target_cannot_express_are_told_and_not_made_up_postgres_to_sqlite: Postgres18 => Sqlite;
    defaults_that_the_target_cannot_express_are_told_and_not_made_up_mysql_to_postgres: Mysql97 => Postgres18;
    defaults_that_the_target_cannot_express_are_told_and_not_made_up_mariadb_to_sqlite: Mariadb1011 => Sqlite;
    defaults_that_the_target_cannot_express_are_told_and_not_made_up_sqlite_to_mysql: Sqlite => Mysql97;
}

async fn expressed(from: Kind, to: Kind) {
    let tables = match from.family() {
        Family::Postgres => "[{ name: items, types: { many: allow, span: allow } }]",
        _ => "[items]",
    };
    let Some(side) = Lockstep::new("defaults", from, to, tables).await else {
        return;
    };
    let columns = "n, t, quoted, d, at";
    let (more, told): (&str, &[&str]) = match from.family() {
        Family::Postgres => (
            "u uuid DEFAULT gen_random_uuid(), low text DEFAULT lower('ABC'), later timestamptz DEFAULT 'infinity', then_ timestamptz DEFAULT '2024-01-01 00:00:00+02', \
             many integer[] DEFAULT '{1,2}', span interval DEFAULT '1 day', bits bit(3) DEFAULT B'101', octets bytea DEFAULT '\\x00ff', truth boolean DEFAULT true, \
             doc jsonb DEFAULT '{\"a\": 1}', time_ timestamp DEFAULT now()",
            &["items.u", "items.low", "items.later", "items.many", "items.span"],
        ),
        Family::Mysql => (
            "u char(36) DEFAULT (uuid()), low varchar(9) DEFAULT (lower('ABC')), zero date DEFAULT '0000-00-00', bits bit(3) DEFAULT b'101', \
             octets varbinary(9) DEFAULT 'ab', truth boolean DEFAULT true, label enum('a','b') DEFAULT 'b', moment timestamp DEFAULT CURRENT_TIMESTAMP",
            &["items.u", "items.low", "items.zero"],
        ),
        _ => (
            "low TEXT DEFAULT (lower('ABC')), r INTEGER DEFAULT (random()), octets BLOB DEFAULT x'00ff', moment DATETIME DEFAULT CURRENT_TIMESTAMP",
            &["items.low", "items.r"],
        ),
    };
    // What the target could not even hold as a value is given none.
    let (not, null) = match from.family() {
        Family::Postgres => (", later", ", NULL"),
        Family::Mysql => (", zero", ", NULL"),
        _ => ("", ""),
    };
    let row = |id: i32| format!("INSERT INTO items (id{not}) VALUES ({id}{null})");
    if from.family() == Family::Mysql {
        side.run(&["SET sql_mode = 'ALLOW_INVALID_DATES'"]).await;
    }
    side.run(&[
        format!(
            "CREATE TABLE items (id integer NOT NULL PRIMARY KEY, n integer DEFAULT 7, t varchar(20) DEFAULT 'it''s', quoted varchar(20) DEFAULT '\"%', \
             d decimal(10,2) NOT NULL DEFAULT 1.50, at date DEFAULT '2024-02-29', {more})"
        ),
        row(1),
    ])
    .await;
    let ran = side.place.run(&["check"]).done();
    // A SQLite file holds infinite dates and zero ones, as texts; intervals too.
    let holds =
        |subject: &str| to == Kind::Sqlite && ["items.later", "items.span", "items.zero"].contains(&subject);
    let told: Vec<&str> = told.iter().filter(|s| !holds(s)).copied().collect();
    for subject in &told {
        let line =
            ran.out.lines().find(|l| l.contains(&format!("{subject}:")) && l.contains("TL-PLAN-DEFAULT"));
        assert!(
            line.is_some_and(|l| l.contains("default") && l.contains("does not come along")),
            "{subject}\n{}",
            ran.transcript()
        );
    }
    let all = [format!("SELECT id, {columns} FROM items ORDER BY id")];
    side.arrives(&all).await;
    side.run(&[row(2), format!("INSERT INTO items (id, n, t{not}) VALUES (3, NULL, NULL{null})")]).await;
    side.arrives(&all).await;
    let (here, there) = (given(&side.here, 100, columns).await, given(&side.there, 100, columns).await);
    assert_eq!(there, here);
    // What cannot be expressed is NULL there.
    for subject in &told {
        let column = subject.trim_start_matches("items.");
        let left = rows(&side.there, &format!("SELECT {column} FROM items WHERE id = 100")).await;
        assert_eq!(left, [[None]], "{subject}");
    }
}

//! Tables that a job takes by a pattern: those that come later are taken, too, and those that it leaves out never are.

use crate::catalog::tables;
use crate::lockstep::{Lockstep, pairs};
use crate::schema::{LONG, holds};
use crate::service::{Service, phase};
use tidelock_testkit::Kind;

const BY_NAME: &str = r#"["log_*", items]"#;
const BY_BOTH: &str = r#"{ include: ["log_*", items], exclude: ["log_tmp*", "*_old"] }"#;

pairs! { between:
    tables_that_a_pattern_covers_are_copied_by_the_next_sync_postgres_to_mysql: Postgres18 => Mysql97;
    tables_that_a_pattern_covers_are_copied_by_the_next_sync_mysql_to_postgres: Mysql97 => Postgres18;
    tables_that_a_pattern_covers_are_copied_by_the_next_sync_sqlite_to_postgres: Sqlite => Postgres15;
    tables_that_a_pattern_covers_are_copied_by_the_next_sync_mariadb_to_sqlite: Mariadb1011 => Sqlite;
}

fn made(name: &str) -> [String; 2] {
    [
        format!("CREATE TABLE {name} (id integer PRIMARY KEY, note varchar(20))"),
        format!("INSERT INTO {name} VALUES (1, 'first of {name}')"),
    ]
}

async fn between(from: Kind, to: Kind) {
    for (patterns, excluded) in [(BY_NAME, false), (BY_BOTH, true)] {
        let Some(side) = Lockstep::new("patterns", from, to, patterns).await else { return };
        for name in ["items", "log_a", "logs", "other"] {
            side.run(&made(name)).await;
        }
        side.arrives(&["SELECT id, note FROM log_a"]).await;
        assert_eq!(tables(&side.there).await, ["items", "log_a"]);
        for name in ["log_b", "log_tmp1", "log_c_old", "dialog_b"] {
            side.run(&made(name)).await;
        }
        side.run(&["UPDATE log_a SET note = 'changed'", "UPDATE log_b SET note = 'changed, too'"]).await;
        side.arrives(&["SELECT id, note FROM log_a", "SELECT id, note FROM log_b"]).await;
        let expected: &[&str] = if excluded {
            &["items", "log_a", "log_b"]
        } else {
            &["items", "log_a", "log_b", "log_c_old", "log_tmp1"]
        };
        assert_eq!(tables(&side.there).await, expected, "{patterns}");
        side.run(&["INSERT INTO log_b VALUES (2, 'followed')", "DELETE FROM log_b WHERE id = 1"]).await;
        side.arrives(&["SELECT id, note FROM log_b"]).await;
    }
}

pairs! { running:
    tables_that_a_pattern_covers_are_followed_while_it_runs_postgres_to_mysql: Postgres18 => Mysql97;
    tables_that_a_pattern_covers_are_followed_while_it_runs_mysql_to_postgres: Mysql97 => Postgres18;
    tables_that_a_pattern_covers_are_followed_while_it_runs_sqlite_to_mysql: Sqlite => Mysql97;
}

async fn running(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("patterns", from, to, BY_BOTH).await else { return };
    for name in ["items", "log_a"] {
        side.run(&made(name)).await;
    }
    let mut service = Service::start(&side.place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    // The one that is left out comes first: when the other has arrived it would be there, too.
    side.run(&made("log_tmp")).await;
    side.run(&made("log_b")).await;
    holds(&mut service, &side.there, "SELECT note FROM log_b", "first of log_b").await;
    side.run(&["UPDATE log_b SET note = 'followed'", "UPDATE log_tmp SET note = 'not followed'"]).await;
    holds(&mut service, &side.there, "SELECT note FROM log_b", "followed").await;
    // Under another name the pattern takes it, or takes it no more.
    side.run(&["ALTER TABLE log_tmp RENAME TO log_kept", "ALTER TABLE log_a RENAME TO log_a_old"]).await;
    holds(&mut service, &side.there, "SELECT note FROM log_kept", "not followed").await;
    side.run(&["UPDATE log_a_old SET note = 'out of the job'", "UPDATE log_kept SET note = 'in the job'"])
        .await;
    holds(&mut service, &side.there, "SELECT note FROM log_kept", "in the job").await;
    service.stop();
    assert_eq!(tables(&side.there).await, ["items", "log_a", "log_b", "log_kept"]);
    let left = side.there.value("SELECT note FROM log_a").await.unwrap();
    assert_eq!(left.as_deref(), Some("first of log_a"));
    side.place.run(&["verify", "job"]).done();
}

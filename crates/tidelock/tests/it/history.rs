//! What was done because a table changed is told: in the log while it is done, and by `status` for whoever comes later.

use crate::lockstep::pairs;
use crate::schema::{JOB, LONG, copied, holds};
use crate::service::{Service, phase};
use crate::support::Place;
use serde_json::Value;
use tidelock_testkit::{Family, Kind};

const FOUND: &str = "table items is copied anew";

pairs! { told:
    a_change_that_was_followed_is_told_with_its_statement_postgres_to_mysql: Postgres18 => Mysql97;
    a_change_that_was_followed_is_told_with_its_statement_mysql_to_postgres: Mysql97 => Postgres18;
    a_change_that_was_followed_is_told_with_its_statement_mariadb_to_sqlite: Mariadb1011 => Sqlite;
}

/// What each end's own way of quoting leaves of a statement.
fn statement(kind: Kind, column: &str) -> String {
    match kind.family() {
        Family::Mysql => format!("ADD COLUMN `{column}` int"),
        Family::Postgres => format!("ADD COLUMN \"{column}\" integer"),
        _ => format!("ADD COLUMN \"{column}\""),
    }
}

async fn told(from: Kind, to: Kind) {
    let Some((place, here, there)) = copied("history", from, to, JOB).await else { return };
    here.execute("ALTER TABLE items ADD COLUMN more integer").await.unwrap();
    here.execute("UPDATE items SET more = 1").await.unwrap();
    let ran = place.run(&["sync"]).done();
    let lines: Vec<&str> = ran.err.lines().filter(|l| l.starts_with("job: here → there: ")).collect();
    let (first, second) = (statement(to, "more"), statement(to, "later"));
    for words in [FOUND, &first] {
        assert!(lines.iter().any(|l| l.contains(words)), "{words}: {}", ran.transcript());
    }
    known(&place, &[&first]);

    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    here.execute("ALTER TABLE items ADD COLUMN later integer").await.unwrap();
    here.execute("UPDATE items SET later = 2").await.unwrap();
    holds(&mut service, &there, "SELECT later FROM items WHERE id = 1", "2").await;
    assert!(service.told(|e| e["event"] == "schema_change" && e["table"] == "items"));
    let ran = |e: &Value| e["event"] == "schema_change" && e["what"].as_str().unwrap().contains(&second);
    assert!(service.told(ran));
    known(&place, &[&first, &second]);
    service.stop();
    known(&place, &[&first, &second]);
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    known(&place, &[&first, &second]);
    service.stop();
    known(&place, &[&first, &second]);
}

/// `status` tells that the table was found to be another one and each of these statements, in words and as JSON.
fn known(place: &Place, statements: &[&str]) {
    let (out, json) = (place.run(&["status"]).done().out, place.run(&["status", "--json"]).done().json());
    let changes = json.last().unwrap()["schema_changes"].as_array().unwrap().clone();
    for change in &changes {
        let when = change["at"].as_i64().unwrap();
        assert!(when > 0 && change["job"] == "job" && change["flow"] == "here → there", "{change}");
    }
    assert!(changes.iter().any(|c| c["table"] == "items" && c["what"] != ""), "{changes:#?}");
    let line = |words: &str| out.lines().any(|l| l.contains(" ago: here → there: ") && l.contains(words));
    assert!(line(FOUND), "{out}");
    for statement in statements {
        assert!(line(statement) && line("ran ALTER TABLE"), "{statement}: {out}");
        let told =
            changes.iter().any(|c| c["table"] == "" && c["what"].as_str().unwrap().contains(statement));
        assert!(told, "{statement}: {changes:#?}");
    }
}

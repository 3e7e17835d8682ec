//! Tables that are altered as `gh-ost` and `pt-online-schema-change` do it: beside the table a ghost of it is filled while the table is written to, and at the end the two change their
//! names in one statement.
//!
//! ```text
//!   writer    puts and removes rows of `items`, all the time, and keeps in mind what must be there at the end
//!   pt-osc    three triggers write the ghost ── chunks by INSERT IGNORE … SELECT ── RENAME of both ── DROP of the old one and the triggers
//!   gh-ost    changes read from the log are applied to the ghost ── chunks alike ── LOCK, the rest of the changes, RENAME waits, DROP of the sentry, UNLOCK
//! ```

use crate::following::Chance;
use crate::schema::LONG;
use crate::service::{Service, phase};
use crate::sides::{config, pair, rows, run_all};
use crate::support::Place;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidelock_testkit::{Database, Kind, Session, until};

/// Rows before anything begins.
const ROWS: u64 = 2_000;
const CHUNK: u64 = 250;
const COLUMNS: &str = "id, name, qty";

/// One change of a row, as the log tells it.
#[derive(Clone, Debug)]
enum Change {
    Put(u64, String, u64),
    Gone(u64),
}

impl Change {
    /// As it is applied to a ghost.
    fn applied(&self, ghost: &str) -> String {
        match self {
            Change::Put(id, name, qty) => {
                format!("REPLACE INTO {ghost} ({COLUMNS}) VALUES ({id}, '{name}', {qty})")
            }
            Change::Gone(id) => format!("DELETE FROM {ghost} WHERE id = {id}"),
        }
    }
}

/// What the writer shares with whoever migrates.
#[derive(Default)]
struct Written {
    stop: AtomicBool,
    /// Everything in the order of its commits.
    log: Mutex<Vec<Change>>,
}

impl Written {
    fn count(&self) -> usize {
        self.log.lock().unwrap().len()
    }
}

/// Writes until it is stopped; gives back the rows that must be there.
async fn write(url: String, written: Arc<Written>) -> BTreeMap<u64, (String, u64)> {
    let mut session = Session::connect(&url).await.unwrap();
    let mut chance = Chance::from(11);
    let mut all: BTreeMap<u64, (String, u64)> = (1..=ROWS).map(|n| (n, (format!("row {n}"), n))).collect();
    let mut step = 0;
    while !written.stop.load(Ordering::Relaxed) {
        step += 1;
        let id = 1 + chance.below(ROWS + step);
        let (statement, changes) = match (chance.below(4), all.get(&id).cloned()) {
            (0, Some(_)) => (format!("DELETE FROM items WHERE id = {id}"), vec![Change::Gone(id)]),
            (1, Some((name, qty))) => {
                let other = 1_000_000 + step;
                let put = Change::Put(other, name, qty);
                (format!("UPDATE items SET id = {other} WHERE id = {id}"), vec![Change::Gone(id), put])
            }
            (_, Some(_)) => {
                let put = Change::Put(id, format!("step {step}"), step);
                (format!("UPDATE items SET name = 'step {step}', qty = {step} WHERE id = {id}"), vec![put])
            }
            (_, None) => {
                let put = Change::Put(id, format!("new {step}"), step);
                (format!("INSERT INTO items ({COLUMNS}) VALUES ({id}, 'new {step}', {step})"), vec![put])
            }
        };
        // A deadlock with a chunk: it is another one's turn.
        if session.execute(&statement).await.is_ok() {
            for change in &changes {
                match change {
                    Change::Put(id, name, qty) => all.insert(*id, (name.clone(), *qty)),
                    Change::Gone(id) => all.remove(id),
                };
            }
            written.log.lock().unwrap().extend(changes);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    all
}

/// The ghost, with other columns than the table.
fn ghost(name: &str) -> [String; 2] {
    [
        format!("CREATE TABLE {name} LIKE items"),
        format!(
            "ALTER TABLE {name} MODIFY id bigint NOT NULL, MODIFY name varchar(60), ADD COLUMN more integer NOT NULL DEFAULT 7, ADD INDEX (qty)"
        ),
    ]
}

/// Copies what was there when it began, chunk by chunk, up to the key that was the last one then.
async fn fill(here: &Database, ghost: &str, mut between: impl AsyncFnMut()) {
    let number = async |sql: String| here.value(&sql).await.ok().flatten().map(|n| n.parse::<u64>().unwrap());
    let last = number("SELECT max(id) FROM items".to_owned()).await.unwrap();
    let mut from = 1;
    while from <= last {
        let next = format!(
            "SELECT id FROM items FORCE INDEX (PRIMARY) WHERE id >= {from} ORDER BY id LIMIT {CHUNK}, 1"
        );
        let next = number(next).await.unwrap_or(last + 1);
        let chunk = format!(
            "INSERT IGNORE INTO {ghost} ({COLUMNS}) SELECT {COLUMNS} FROM items FORCE INDEX (PRIMARY) WHERE id >= {from} AND id < {next} LOCK IN SHARE MODE"
        );
        at_last(here, &chunk).await;
        between().await;
        from = next;
    }
}

/// A statement that may meet a deadlock with the writer.
async fn at_last(here: &Database, statement: &str) {
    let mut tries = 0;
    while let Err(error) = here.execute(statement).await {
        tries += 1;
        assert!(tries < 50, "{error:#}");
    }
}

/// Three triggers; a handler as its own have it would hide what fails here.
async fn pt_osc(here: &Database) {
    run_all(here, &ghost("_items_new")).await;
    run_all(
        here,
        &[
            "CREATE TRIGGER pt_osc_items_del AFTER DELETE ON items FOR EACH ROW DELETE IGNORE FROM _items_new WHERE _items_new.id <=> OLD.id",
            "CREATE TRIGGER pt_osc_items_upd AFTER UPDATE ON items FOR EACH ROW BEGIN \
             DELETE IGNORE FROM _items_new WHERE NOT (OLD.id <=> NEW.id) AND _items_new.id <=> OLD.id; \
             REPLACE INTO _items_new (id, name, qty) VALUES (NEW.id, NEW.name, NEW.qty); END",
            "CREATE TRIGGER pt_osc_items_ins AFTER INSERT ON items FOR EACH ROW REPLACE INTO _items_new (id, name, qty) VALUES (NEW.id, NEW.name, NEW.qty)",
        ],
    )
    .await;
    fill(here, "_items_new", async || ()).await;
    run_all(
        here,
        &[
            "ANALYZE TABLE _items_new",
            "RENAME TABLE items TO _items_old, _items_new TO items",
            "DROP TABLE IF EXISTS _items_old",
            "DROP TRIGGER IF EXISTS pt_osc_items_del",
            "DROP TRIGGER IF EXISTS pt_osc_items_upd",
            "DROP TRIGGER IF EXISTS pt_osc_items_ins",
        ],
    )
    .await;
}

/// Applies what was not applied yet.
async fn apply(here: &Database, written: &Written, applied: &mut usize) {
    let new: Vec<Change> = written.log.lock().unwrap()[*applied..].to_vec();
    for change in &new {
        at_last(here, &change.applied("_items_gho")).await;
    }
    *applied += new.len();
}

/// Waits until somebody waits for a lock of this type on the table.
async fn asked_for(here: &Database, table: &str, lock: &str) {
    let sql = format!(
        "SELECT count(*) FROM performance_schema.metadata_locks WHERE lock_status = 'PENDING' AND lock_type = '{lock}' \
         AND object_schema = database() AND object_name = '{table}'"
    );
    until(&format!("{table} is asked for"), async || {
        here.value(&sql).await.is_ok_and(|n| n.as_deref() == Some("1"))
    })
    .await;
}

async fn gh_ost(here: &Database, written: &Written) {
    here.execute("CREATE TABLE _items_ghc (id bigint AUTO_INCREMENT PRIMARY KEY, hint varchar(64), value varchar(4096))")
        .await
        .unwrap();
    let mut applied = written.count();
    run_all(here, &ghost("_items_gho")).await;
    fill(here, "_items_gho", async || {
        apply(here, written, &mut applied).await;
        here.execute("INSERT INTO _items_ghc (hint, value) VALUES ('heartbeat', now(6))").await.unwrap();
    })
    .await;
    // The cut-over: nobody writes while the last changes are applied, and the names change before anybody writes again.
    let (mut holding, mut renaming) = (here.session().await.unwrap(), here.session().await.unwrap());
    holding
        .execute("CREATE TABLE _items_del (id integer PRIMARY KEY) COMMENT = 'ghost-cut-over-sentry'")
        .await
        .unwrap();
    holding.execute("LOCK TABLES items WRITE, _items_del WRITE").await.unwrap();
    asked_for(here, "items", "SHARED_WRITE").await;
    apply(here, written, &mut applied).await;
    let rename = tokio::spawn(async move {
        renaming.execute("RENAME TABLE items TO _items_del, _items_gho TO items").await
    });
    // It asks for the sentry first: a writer that is let go before it asks for the table writes into the old one.
    asked_for(here, "_items_del", "EXCLUSIVE").await;
    holding.execute("DROP TABLE _items_del").await.unwrap();
    asked_for(here, "items", "EXCLUSIVE").await;
    holding.execute("UNLOCK TABLES").await.unwrap();
    rename.await.unwrap().unwrap();
    run_all(here, &["DROP TABLE _items_del", "DROP TABLE _items_ghc"]).await;
}

/// Whose ways are taken.
#[derive(Clone, Copy)]
enum Tool {
    PtOsc,
    GhOst,
}

async fn migrated(from: Kind, to: Kind, tool: Tool, tables: &str) {
    let Some((here, there)) = pair("ghosts", from, to).await else { return };
    here.execute("CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), qty integer)").await.unwrap();
    let values: Vec<String> = (1..=ROWS).map(|n| format!("({n}, 'row {n}', {n})")).collect();
    here.execute(&format!("INSERT INTO items VALUES {}", values.join(", "))).await.unwrap();
    let job = format!("{{ source: here, target: there, tables: {tables} }}");
    let place = Place::with_config(&config(&here, &there, &job));
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;

    let written = Arc::new(Written::default());
    let writer = tokio::spawn(write(here.url.clone(), written.clone()));
    until("the writer is at work", async || written.count() > 50).await;
    // Twice: the second one finds the names of the first one used before.
    for _ in 0..2 {
        let before = written.count();
        match tool {
            Tool::PtOsc => pt_osc(&here).await,
            Tool::GhOst => gh_ost(&here, &written).await,
        }
        let migrated = written.count();
        assert!(migrated > before, "nothing was written meanwhile");
        until("the writer goes on behind the swap", async || written.count() > migrated + 50).await;
        service.must_run("the table is swapped");
        here.execute("ALTER TABLE items DROP COLUMN more").await.unwrap();
    }
    written.stop.store(true, Ordering::Relaxed);
    let expected = writer.await.unwrap();
    here.execute("INSERT INTO items (id, name, qty) VALUES (9000000, 'the mark', 0)").await.unwrap();
    crate::schema::holds(&mut service, &there, "SELECT name FROM items WHERE id = 9000000", "the mark").await;
    service.stop();
    place.run(&["sync"]).done();
    place.run(&["verify", "job"]).done();
    for db in [&here, &there] {
        let all = rows(db, "SELECT id, name, qty FROM items WHERE id <> 9000000 ORDER BY id").await;
        let wanted = expected
            .iter()
            .map(|(id, (name, qty))| [id.to_string(), name.clone(), qty.to_string()].map(Some).to_vec());
        assert!(
            all == wanted.collect::<Vec<_>>(),
            "{} rows at {}, {} were to be",
            all.len(),
            db.kind(),
            expected.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_pt_osc_alters_under_a_writer_loses_nothing_mysql_to_postgres() {
    migrated(Kind::Mysql97, Kind::Postgres18, Tool::PtOsc, "[items]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_pt_osc_alters_under_a_writer_loses_nothing_mariadb_to_mysql() {
    migrated(Kind::Mariadb1011, Kind::Mysql97, Tool::PtOsc, "[items]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_gh_ost_alters_under_a_writer_loses_nothing_mysql_to_postgres() {
    migrated(Kind::Mysql97, Kind::Postgres18, Tool::GhOst, "[items]").await;
}

/// Of MySQL only: MariaDB tells in no table who waits for which lock.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_gh_ost_alters_under_a_writer_loses_nothing_mysql_to_mariadb() {
    migrated(Kind::Mysql97, Kind::Mariadb1011, Tool::GhOst, "[items]").await;
}

/// The ghosts are tables of the job, too, while they are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_swapped_loses_nothing_where_the_job_takes_every_table() {
    migrated(Kind::Mysql97, Kind::Postgres18, Tool::GhOst, "all").await;
}

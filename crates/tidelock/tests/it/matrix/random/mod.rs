//! Tables and rows drawn by chance: several columns of any types together under keys of several kinds, changes of every kind, and both sides equal at the end.
//!
//! The seed is printed; `TIDELOCK_SEED` gives another one.

mod dice;
mod drawn;
mod literals;

use super::judge::{rendered, same};
use super::postgres;
use super::run::prepare;
use crate::sides::{begin, config, pair, run_all};
use crate::support::Place;
use dice::Dice;
use drawn::Drawn;
use std::collections::BTreeMap;
use std::io::Write as _;
use tidelock_testkit::{Database, Kind};

pub async fn tables(from: Kind, to: Kind) {
    let Some((here, there)) = pair("random", from, to).await else { return };
    prepare(&here, postgres::SETUP).await;
    prepare(&there, postgres::SETUP_THERE).await;
    let seed = seed(from, to);
    let mut dice = Dice::new(seed);
    let drawn = Drawn::some(from, to, &mut dice);
    for table in &drawn {
        here.execute(&table.created(from)).await.unwrap();
        for id in 0..20 {
            here.execute(&table.insert(id, from, to, &mut dice)).await.unwrap();
        }
    }
    let names: Vec<&str> = drawn.iter().map(|t| t.name.as_str()).collect();
    let job = format!("{{ source: here, target: there, tables: [{}] }}", names.join(", "));
    let place = Place::with_config(&config(&here, &there, &job));
    for _ in 0..2 {
        place.run(&["sync"]).done();
        for _ in 0..40 {
            transaction(&here, &drawn, to, &mut dice).await;
        }
    }
    place.run(&["sync"]).done();
    for table in &drawn {
        equal(&here, &there, table, seed).await;
    }
    place.run(&["verify", "job"]).done();
}

/// Told whatever the test harness keeps to itself.
fn seed(from: Kind, to: Kind) -> u64 {
    let chosen = std::env::var("TIDELOCK_SEED").ok().map(|s| s.parse().expect("TIDELOCK_SEED is a number"));
    let seed = chosen.unwrap_or(0x5eed_0001 + 31 * from as u64 + 7 * to as u64);
    // A closed standard error is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "random tables: {from} → {to}: TIDELOCK_SEED={seed}");
    seed
}

/// Some changes together, of rows that may or may not be there.
async fn transaction(here: &Database, drawn: &[Drawn], to: Kind, dice: &mut Dice) {
    let from = here.kind();
    let mut statements = vec![begin(from).to_owned()];
    for _ in 0..1 + dice.below(4) {
        let table = dice.of(drawn);
        let (id, other) = (dice.below(40), 40 + dice.below(1_000_000));
        let (name, found) = (&table.name, table.key.found(id));
        match dice.below(6) {
            0 => statements.push(format!("DELETE FROM {name} WHERE {found}")),
            1 => statements.push(format!("UPDATE {name} SET {} WHERE {found}", table.key.moved(other))),
            2 => {
                statements.push(format!("DELETE FROM {name} WHERE {found}"));
                statements.push(table.insert(id, from, to, dice));
            }
            _ => {
                let place = dice.below(table.columns.len());
                let value = literals::value(table.columns[place], from, to, dice);
                statements.push(format!("UPDATE {name} SET c{place} = {value} WHERE {found}"));
            }
        }
    }
    let end = if dice.below(10) == 0 { "ROLLBACK" } else { "COMMIT" };
    statements.push(end.to_owned());
    run_all(here, &statements).await;
}

/// Rows are found by their key: each database has its own order of texts.
async fn equal(here: &Database, there: &Database, table: &Drawn, seed: u64) {
    for (place, sample) in table.columns.iter().enumerate() {
        let rows = async |db: &Database| -> BTreeMap<String, Option<String>> {
            let family = db.kind().family();
            let (asked, key) = (rendered(sample.class, family), table.key.rendered(family));
            let sql =
                format!("SELECT {key}, {asked} FROM (SELECT s.*, c{place} AS v FROM {} s) t", table.name);
            let rows = db.query(&sql).await.unwrap();
            rows.into_iter().map(|mut r| (r[0].take().expect("a key is never NULL"), r[1].take())).collect()
        };
        let (a, b) = (rows(here).await, rows(there).await);
        let keys = |rows: &BTreeMap<String, Option<String>>| rows.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&a), keys(&b), "rows of {}, seed {seed}", table.name);
        for ((key, x), y) in a.iter().zip(b.values()) {
            let fine = match (x, y) {
                (Some(x), Some(y)) => same(sample.class, &[here, there], x, y).await,
                (x, y) => x == y,
            };
            let what = format!("{} {key} c{place} {}", table.name, sample.native);
            assert!(fine, "{what}: {x:?} became {y:?}, seed {seed}");
        }
    }
}

//! Tables and rows drawn by chance: several columns of any types together, changes of every kind, and both sides equal at the end.
//!
//! `TIDELOCK_SEED` draws others; a failure names its seed.

use super::expect::{Fate, fate, samples, value_is_refused};
use super::judge::{rendered, same};
use super::postgres;
use super::run::prepare;
use super::sample::{Class, Sample};
use crate::sides::{begin, config, pair, run_all};
use crate::support::Place;
use tidelock_testkit::{Database, Family, Kind, Row};

/// A small generator.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// One drawn table; its key is `id`.
struct Drawn {
    name: String,
    columns: Vec<&'static Sample>,
}

pub async fn tables(from: Kind, to: Kind) {
    let Some((here, there)) = pair("random", from, to).await else { return };
    prepare(&here, postgres::SETUP).await;
    prepare(&there, postgres::SETUP_THERE).await;
    let chosen = std::env::var("TIDELOCK_SEED").ok().and_then(|s| s.parse().ok());
    let seed = chosen.unwrap_or(0x5eed_0001 + 31 * from as u64 + 7 * to as u64);
    let mut dice = Dice(seed);
    let exact: Vec<&'static Sample> = samples(from)
        .into_iter()
        .filter(|s| fate(s, from, to) == Fate::Exact && (s.native != "ANY" && !s.native.is_empty()))
        .collect();
    let drawn: Vec<Drawn> = (0..6)
        .map(|n| Drawn {
            name: format!("d{n}"),
            columns: (0..1 + dice.below(9)).map(|_| *dice.of(&exact)).collect(),
        })
        .collect();
    for table in &drawn {
        let columns = table.columns.iter().enumerate().map(|(i, s)| format!(", c{i} {}", s.native));
        let columns: String = columns.collect();
        here.execute(&format!("CREATE TABLE {} (id integer PRIMARY KEY{columns})", table.name))
            .await
            .unwrap();
        for id in 0..20 {
            here.execute(&insert(table, id, from, to, &mut dice)).await.unwrap();
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

/// A value of the sample, or NULL.
fn value(sample: &Sample, from: Kind, to: Kind, dice: &mut Dice) -> String {
    if dice.below(8) == 0 {
        return "NULL".to_owned();
    }
    if dice.below(3) > 0
        && let Some(drawn) = by_chance(sample, from, dice)
    {
        return drawn;
    }
    let fine = |e: &&super::sample::Edge| !value_is_refused(sample.class, e.1, from, to);
    let values: Vec<&str> = sample.values.iter().filter(fine).map(|e| e.0).collect();
    (*dice.of(&values)).to_owned()
}

/// Where a literal can be drawn that every database of the source's family reads alike.
fn by_chance(sample: &Sample, from: Kind, dice: &mut Dice) -> Option<String> {
    let day = format!("{:04}-{:02}-{:02}", 1000 + dice.below(8999), 1 + dice.below(12), 1 + dice.below(28));
    let clock = format!("{:02}:{:02}:{:02}", dice.below(24), dice.below(60), dice.below(60));
    Some(match (sample.class, sample.native) {
        (Class::Int, "bigint" | "BIGINT" | "INTEGER") => (dice.next() as i64).to_string(),
        (Class::Int, "int" | "integer") => (dice.next() as i32).to_string(),
        (Class::Decimal, "numeric" | "decimal(65,30)") => {
            format!("{}.{:018}", dice.next() as i64, dice.next() % 1_000_000_000_000_000_000)
        }
        (Class::Decimal, "numeric(12,2)" | "decimal(10,2)") => {
            format!("{}.{:02}", dice.next() as i32 % 99_999_999, dice.below(100))
        }
        (Class::Float, "double precision" | "double" | "REAL") => loop {
            let x = f64::from_bits(dice.next());
            if x.is_normal() {
                break format!(
                    "{}{x:e}{}",
                    if from.family() == Family::Postgres { "'" } else { "" },
                    if from.family() == Family::Postgres { "'" } else { "" }
                );
            }
        },
        (Class::Text, "text" | "longtext" | "mediumtext" | "TEXT") => text(dice),
        (Class::Date, _) => format!("'{day}'"),
        (Class::DateTime, _) => format!("'{day} {clock}'"),
        _ => return None,
    })
}

/// Any characters but NUL and what literals take for more than itself.
fn text(dice: &mut Dice) -> String {
    let characters = (0..dice.below(60)).map(|_| {
        let most = [0x7f, 0x7ff, 0xffff, 0x10_ffff][dice.below(4)];
        let c = char::from_u32((1 + dice.next() % most) as u32).unwrap_or('ß');
        if matches!(c, '\'' | '\\') { '"' } else { c }
    });
    format!("'{}'", characters.collect::<String>())
}

fn insert(table: &Drawn, id: usize, from: Kind, to: Kind, dice: &mut Dice) -> String {
    let values = table.columns.iter().map(|s| format!(", {}", value(s, from, to, dice)));
    format!("INSERT INTO {} VALUES ({id}{})", table.name, values.collect::<String>())
}

/// Some changes together, of rows that may or may not be there.
async fn transaction(here: &Database, drawn: &[Drawn], to: Kind, dice: &mut Dice) {
    let from = here.kind();
    let mut statements = vec![begin(from).to_owned()];
    for _ in 0..1 + dice.below(4) {
        let table = dice.of(drawn);
        let (id, other) = (dice.below(40), 40 + dice.below(1_000_000));
        let name = &table.name;
        match dice.below(6) {
            0 => statements.push(format!("DELETE FROM {name} WHERE id = {id}")),
            1 => statements.push(format!("UPDATE {name} SET id = {other} WHERE id = {id}")),
            2 => {
                statements.push(format!("DELETE FROM {name} WHERE id = {id}"));
                statements.push(insert(table, id, from, to, dice));
            }
            _ => {
                let place = dice.below(table.columns.len());
                let value = value(table.columns[place], from, to, dice);
                statements.push(format!("UPDATE {name} SET c{place} = {value} WHERE id = {id}"));
            }
        }
    }
    let end = if dice.below(10) == 0 { "ROLLBACK" } else { "COMMIT" };
    statements.push(end.to_owned());
    run_all(here, &statements).await;
}

async fn equal(here: &Database, there: &Database, table: &Drawn, seed: u64) {
    for (place, sample) in table.columns.iter().enumerate() {
        let rows = async |db: &Database| -> Vec<Row> {
            let asked = rendered(sample.class, db.kind().family());
            let name = &table.name;
            let sql = format!("SELECT id, {asked} FROM (SELECT id, c{place} AS v FROM {name}) s ORDER BY id");
            db.query(&sql).await.unwrap()
        };
        let (a, b) = (rows(here).await, rows(there).await);
        assert_eq!(a.len(), b.len(), "rows of {}, seed {seed}", table.name);
        for (x, y) in a.iter().zip(&b) {
            let fine = x[0] == y[0]
                && match (&x[1], &y[1]) {
                    (Some(x), Some(y)) => same(sample.class, &[here, there], x, y).await,
                    (x, y) => x == y,
                };
            assert!(fine, "{} c{place} {}: {x:?} became {y:?}, seed {seed}", table.name, sample.native);
        }
    }
}

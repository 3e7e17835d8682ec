//! Values that are refused: by name and with the reason, whichever way they come, and nothing of them stands at the target.

use super::judge::rendered;
use super::run::{Home, Kept, Refused, Sides, configured, make, rule};
use super::sample::Sample;
use super::tally::Tally;
use crate::support::{Place, Ran};
use tidelock_testkit::{Database, Row};

/// As a value comes, and what is done at the source before the target is first filled, and after.
type Way = (&'static str, &'static str, &'static str);

/// Values of one place: each job has connections of its own.
const TOGETHER: usize = 25;

const WAYS: [Way; 3] = [
    ("snapshot", "INSERT INTO {} VALUES (1, {value})", ""),
    ("insert", "", "INSERT INTO {} VALUES (1, {value})"),
    ("update", "INSERT INTO {} VALUES (1, {other})", "UPDATE {} SET v = {value} WHERE id = 1"),
];

pub async fn none_arrives(sides: &Sides, never: &[Refused], tally: &mut Tally) {
    for r in never {
        *tally.refused.entry(r.phrase).or_default() += WAYS.len();
    }
    // What the source cannot read stops all that is read there.
    let (here, there): (Vec<&Refused>, Vec<&Refused>) = never.iter().partition(|r| r.at_source);
    for r in here {
        for way in WAYS {
            together(sides, &[r], &[way]).await;
        }
    }
    for part in there.chunks(TOGETHER) {
        together(sides, part, &WAYS[..1]).await;
        together(sides, part, &WAYS[1..]).await;
    }
}

/// In one place, with a job for each value and way.
async fn together(sides: &Sides, never: &[&Refused], ways: &[Way]) {
    for r in never {
        for (way, before, _) in ways {
            make(&sides.here, &table(r, way), r.sample).await;
            act(&sides.here, r, way, before).await;
        }
    }
    let place = Place::with_config(&jobs(sides, never, ways));
    let mut first = Vec::new();
    if ways.iter().any(|(_, _, after)| !after.is_empty()) {
        place.run(&["sync"]).done();
        for r in never {
            for (way, _, after) in ways {
                first.push(held(&sides.there, &table(r, way), r.sample).await);
                act(&sides.here, r, way, after).await;
            }
        }
    }
    let ran = place.run(&["sync"]);
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    let mut faults = Vec::new();
    for (n, (r, (way, ..))) in never.iter().flat_map(|r| ways.iter().map(move |way| (r, way))).enumerate() {
        let name = table(r, way);
        let what = format!("{:.60} {:.100} by {way}", r.sample.native, r.value);
        let part = if r.at_source && !first.is_empty() { "reading here" } else { &name };
        if let Err(told) = stopped(&ran, part, &name, r.phrase) {
            faults.push(format!("{what}: not “{}”: {told}", r.phrase));
        }
        let rows = held(&sides.there, &name, r.sample).await;
        if rows != first.get(n).cloned().unwrap_or_default() {
            faults.push(format!("{what}: there is {rows:?}"));
        }
    }
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), ran.transcript());
    for r in never.iter().filter(|r| r.at_source) {
        for (way, ..) in ways {
            sides.here.execute(&format!("DROP TABLE {}", table(r, way))).await.unwrap();
        }
    }
}

fn table(r: &Refused, way: &str) -> String {
    format!("{}_{way}", r.table)
}

async fn act(here: &Database, r: &Refused, way: &str, sql: &str) {
    if !sql.is_empty() {
        // The table first: values have braces of their own.
        let sql = sql.replace("{}", &table(r, way)).replace("{value}", r.value).replace("{other}", r.other);
        here.execute(&sql).await.unwrap();
    }
}

/// A job for each table.
fn jobs(sides: &Sides, never: &[&Refused], ways: &[Way]) -> String {
    let tables = never.iter().flat_map(|r| ways.iter().map(|(way, ..)| (table(r, way), r.lossy)));
    let jobs: Vec<_> = tables.map(|(t, lossy)| (t.clone(), vec![rule(&t, lossy)])).collect();
    let jobs: Vec<_> = jobs.iter().map(|(name, tables)| (name.as_str(), tables.clone())).collect();
    configured(&sides.here, &sides.there, &jobs)
}

/// The job, or what reads for it, stopped at the column for this reason; else what it told.
fn stopped(ran: &Ran, part: &str, table: &str, phrase: &str) -> Result<(), String> {
    let line = ran.err.lines().find(|l| l.starts_with(&format!("{part}: stopped: "))).unwrap_or_default();
    let named = line.contains("column v") || line.contains(&format!("{table}.v"));
    if named && line.contains(phrase) { Ok(()) } else { Err(format!("{line:?}")) }
}

async fn held(there: &Database, table: &str, sample: &Sample) -> Vec<Row> {
    let asked = rendered(sample.class, there.kind().family());
    there.query(&format!("SELECT id, {asked} FROM {table} ORDER BY id")).await.unwrap()
}

/// What the other database holds and their own kind does not take back, for it is of another type there.
pub async fn none_comes_home(sides: &Sides, kept: &[Kept]) {
    let away = kept.iter().filter_map(|k| match k.home {
        Home::Refused(phrase) => Some((k, phrase)),
        _ => None,
    });
    let away: Vec<(&Kept, &str)> = away.collect();
    if away.is_empty() {
        return;
    }
    let jobs: Vec<_> = away.iter().map(|(k, _)| (k.table.as_str(), vec![k.table.clone()])).collect();
    let place = Place::with_config(&configured(&sides.there, &sides.back, &jobs));
    let ran = place.run(&["sync"]);
    for (k, phrase) in away {
        let told = stopped(&ran, &k.table, &k.table, phrase);
        assert!(
            told.is_ok(),
            "{} home again: not “{phrase}”: {told:?}\n{}",
            k.sample.native,
            ran.transcript()
        );
        let rows = held(&sides.back, &k.table, k.sample).await;
        assert!(rows.is_empty(), "{} home again: {rows:?}", k.sample.native);
    }
}

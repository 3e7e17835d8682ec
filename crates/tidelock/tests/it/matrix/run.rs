//! One ordered pair: all samples through one job, and what must be refused through a job for each value.

use super::arrive::all_arrive;
use super::expect::{Fate, fate, refusal, refusal_at_home, samples};
use super::postgres;
use super::refuse::{none_arrives, none_comes_home};
use super::sample::{Hazard, Sample};
use super::tally::{Tally, told};
use crate::sides::{pair, run_all};
use crate::support::Place;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use tidelock_testkit::{Database, Family, Kind, server};

/// The three databases of a pair: values go from the first to the second, and from there to the third, which is of the first one's kind.
pub struct Sides {
    pub here: Database,
    pub there: Database,
    pub back: Database,
}

/// Values of a sample that arrive, in a table of their own.
pub struct Kept {
    pub table: String,
    pub sample: &'static Sample,
    pub values: Vec<&'static str>,
    pub home: Home,
}

/// Whether values come home again, to another database of the source's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    Comes,
    /// They are refused there, with this phrase: the other database made another type of theirs.
    Refused(&'static str),
    /// They were converted, and the job said so.
    Converted,
}

/// A value that does not arrive: in a table of its own.
pub struct Refused {
    pub table: String,
    pub sample: &'static Sample,
    pub value: &'static str,
    /// One that does, or NULL.
    pub other: &'static str,
    pub lossy: bool,
    /// It cannot be read there.
    pub at_source: bool,
    pub phrase: &'static str,
}

pub async fn every_type(from: Kind, to: Kind) {
    let Some((here, there)) = pair("matrix", from, to).await else { return };
    let back = server(from).expect("it is there").fresh_database("matrix_back").await;
    prepare(&here, postgres::SETUP).await;
    prepare(&there, postgres::SETUP_THERE).await;
    prepare(&back, postgres::SETUP_THERE).await;
    let sides = Sides { here, there, back };
    let samples = samples(from);
    let place = Place::new();
    types_are_refused(&place, &sides, &samples).await;
    let mut tally = Tally::default();
    let (mut kept, mut never) = (Vec::new(), Vec::new());
    for (n, sample) in samples.iter().enumerate() {
        match fate(sample, from, to) {
            Fate::Refused => tally.types += 1,
            fate => {
                let lossy = fate == Fate::Lossy;
                kept.extend(arriving(n, sample, lossy, from, to));
                never.extend(refused(n, sample, lossy, from, to));
            }
        }
    }
    all_arrive(&place, &sides, &kept, &mut tally).await;
    none_comes_home(&sides, &kept).await;
    none_arrives(&sides, &never, &mut tally).await;
    told(from, to, &tally);
}

/// The tables of a sample's values that arrive: those that come home again stand apart from others.
fn arriving(n: usize, sample: &'static Sample, lossy: bool, from: Kind, to: Kind) -> Vec<Kept> {
    let mut kept = vec![(format!("t{n}"), if lossy { Home::Converted } else { Home::Comes }, Vec::new())];
    for edge in sample.values.iter().filter(|e| refusal(sample.class, e.1, from, to).is_none()) {
        let home = match refusal_at_home(sample.class, edge.1, from, to) {
            Some(phrase) if !lossy => Home::Refused(phrase),
            _ => kept[0].1,
        };
        match kept.iter_mut().find(|k| k.1 == home) {
            Some(k) => k.2.push(edge.0),
            None => kept.push((format!("t{n}_{}", kept.len()), home, vec![edge.0])),
        }
    }
    kept.into_iter().map(|(table, home, values)| Kept { table, sample, values, home }).collect()
}

/// Those that do not.
fn refused(n: usize, sample: &'static Sample, lossy: bool, from: Kind, to: Kind) -> Vec<Refused> {
    let phrase = |hazard| refusal(sample.class, hazard, from, to);
    let other = sample.values.iter().find(|e| phrase(e.1).is_none()).map_or("NULL", |e| e.0);
    let never = sample.values.iter().enumerate().filter_map(|(m, edge)| {
        let (table, value) = (format!("r{n}_{m}"), edge.0);
        let at_source = matches!(edge.1, Hazard::InfiniteSpan | Hazard::NotUtf8);
        phrase(edge.1).map(|phrase| Refused { table, sample, value, other, lossy, at_source, phrase })
    });
    never.collect()
}

/// What the samples need in a database.
pub async fn prepare(db: &Database, setup: &[&str]) {
    match db.kind().family() {
        Family::Postgres => run_all(db, setup).await,
        Family::Mysql => {
            let modes =
                "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES'";
            db.execute(modes).await.unwrap();
        }
        _ => {}
    }
}

pub async fn make(db: &Database, table: &str, sample: &Sample) {
    let strict = if sample.native == "ANY" { " STRICT" } else { "" };
    let sql = format!("CREATE TABLE {table} (id integer PRIMARY KEY, v {}){strict}", sample.native);
    if let Err(e) = db.execute(&sql).await {
        panic!("{sql}: {e:#}");
    }
}

/// `check` names each type that is, or that needs a word, and no other.
async fn types_are_refused(place: &Place, sides: &Sides, samples: &[&'static Sample]) {
    for (n, sample) in samples.iter().enumerate() {
        make(&sides.here, &format!("t{n}"), sample).await;
    }
    let tables: Vec<String> = (0..samples.len()).map(|n| format!("t{n}")).collect();
    place.write("tidelock.yaml", &configured(&sides.here, &sides.there, &[("all", tables)]));
    let ran = place.run(&["check", "--json"]);
    let findings = ran.json().remove(0)["reports"][0]["findings"].clone();
    let told = |f: &serde_json::Value, what: &str| f[what].as_str().unwrap_or_default().to_owned();
    let errors = findings.as_array().unwrap().iter().filter(|f| f["severity"] == "error");
    let named: BTreeSet<String> =
        errors.map(|f| format!("{} {}", told(f, "subject"), told(f, "code"))).collect();
    let fates = samples.iter().map(|s| fate(s, sides.here.kind(), sides.there.kind())).enumerate();
    let expected: BTreeSet<String> = fates
        .filter_map(|(n, fate)| match fate {
            Fate::Exact => None,
            Fate::Lossy => Some(format!("t{n}.v TL-PLAN-TYPE-LOSSY")),
            Fate::Refused => Some(format!("t{n}.v TL-PLAN-TYPE-REFUSED")),
        })
        .collect();
    let native = |subject: &str| {
        let n = subject.strip_prefix('t').and_then(|s| s.split_once('.')?.0.parse::<usize>().ok());
        n.map_or(String::new(), |n| format!("{subject} ({})", samples[n].native))
    };
    let differ: Vec<_> = named.symmetric_difference(&expected).map(|subject| native(subject)).collect();
    assert!(differ.is_empty(), "found or expected, and not both: {differ:?}\n{}", ran.transcript());
}

/// Jobs over tables, by name.
pub fn configured(from: &Database, to: &Database, jobs: &[(&str, Vec<String>)]) -> String {
    let mut text = format!("endpoints: {{ here: '{}', there: '{}' }}\njobs:\n", from.url, to.url);
    for (name, tables) in jobs {
        // Writing to a String does not fail.
        let _ =
            writeln!(text, "  {name}: {{ source: here, target: there, tables: [{}] }}", tables.join(", "));
    }
    text
}

/// A table of a job, which allows its conversion.
pub fn rule(table: &str, lossy: bool) -> String {
    if lossy { format!("{{ name: {table}, types: {{ v: allow }} }}") } else { table.to_owned() }
}

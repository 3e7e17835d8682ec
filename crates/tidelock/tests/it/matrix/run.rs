//! One ordered pair: all samples through one job, and what must be refused through a job for each value.

use super::expect::{Fate, comes_home, fate, samples, value_is_refused};
use super::judge::{converted, rendered, same};
use super::postgres;
use super::sample::{Edge, Sample};
use crate::sides::{pair, run_all};
use crate::support::Place;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidelock_testkit::{Database, Family, Kind, server};

/// A sample and the values of it that arrive, in a table of its own.
struct Kept {
    table: String,
    sample: &'static Sample,
    values: Vec<&'static str>,
    /// They are converted, and the job says so.
    lossy: bool,
    /// They come home again, to another database of the source's kind.
    home: bool,
}

/// A value that does not: in a table of its own.
struct Refused {
    table: String,
    sample: &'static Sample,
    value: &'static str,
}

pub async fn every_type(from: Kind, to: Kind) {
    let Some((here, there)) = pair("matrix", from, to).await else { return };
    let back = server(from).expect("it is there").fresh_database("matrix_back").await;
    prepare(&here, postgres::SETUP).await;
    prepare(&there, postgres::SETUP_THERE).await;
    prepare(&back, postgres::SETUP_THERE).await;
    let samples = samples(from);
    let place = Place::new();
    types_are_refused(&place, &here, &there, &samples).await;

    let refused = |s: &Sample, e: &&Edge| value_is_refused(s.class, e.1, from, to);
    let mut kept = Vec::new();
    let mut never = Vec::new();
    for (n, sample) in samples.iter().enumerate() {
        let fate = fate(sample, from, to);
        if fate == Fate::Refused {
            continue;
        }
        let values = sample.values.iter().filter(|e| !refused(sample, e)).map(|e| e.0).collect();
        let lossy = fate == Fate::Lossy;
        let home = !lossy && sample.values.iter().filter(|e| !refused(sample, e)).all(|e| comes_home(e.1));
        kept.push(Kept { table: format!("t{n}"), sample, values, lossy, home });
        for (m, edge) in sample.values.iter().enumerate().filter(|(_, e)| refused(sample, e)) {
            never.push(Refused { table: format!("r{n}_{m}"), sample, value: edge.0 });
        }
    }
    let [equal, lossy, home] = all_arrive(&place, &here, &there, &back, &kept).await;
    none_arrives(&place, &here, &there, &never).await;
    told(from, to, [equal, home, lossy, never.len() * 2, samples.len() - kept.len()]);
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

async fn make(db: &Database, table: &str, sample: &Sample) {
    let strict = if sample.native == "ANY" { " STRICT" } else { "" };
    let sql = format!("CREATE TABLE {table} (id integer PRIMARY KEY, v {}){strict}", sample.native);
    db.execute(&sql).await.unwrap();
}

/// `check` names each type that is, or that needs a word, and no other.
async fn types_are_refused(place: &Place, here: &Database, there: &Database, samples: &[&'static Sample]) {
    for (n, sample) in samples.iter().enumerate() {
        make(here, &format!("t{n}"), sample).await;
    }
    let tables: Vec<String> = (0..samples.len()).map(|n| format!("t{n}")).collect();
    place.write("tidelock.yaml", &configured(here, there, &[("all", tables)]));
    let ran = place.run(&["check", "--json"]);
    let findings = ran.json().remove(0)["reports"][0]["findings"].clone();
    let named: BTreeSet<String> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["severity"] == "error")
        .map(|f| {
            format!(
                "{} {}",
                f["subject"].as_str().unwrap_or_default(),
                f["code"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let fates = samples.iter().map(|s| fate(s, here.kind(), there.kind())).enumerate();
    let expected: BTreeSet<String> = fates
        .filter_map(|(n, fate)| match fate {
            Fate::Exact => None,
            Fate::Lossy => Some(format!("t{n}.v TL-PLAN-TYPE-LOSSY")),
            Fate::Refused => Some(format!("t{n}.v TL-PLAN-TYPE-REFUSED")),
        })
        .collect();
    let differ: Vec<_> = named.symmetric_difference(&expected).collect();
    assert!(differ.is_empty(), "found or expected, and not both: {differ:?}");
}

/// Jobs over tables, by name.
fn configured(here: &Database, there: &Database, jobs: &[(&str, Vec<String>)]) -> String {
    let mut text = format!("endpoints: {{ here: '{}', there: '{}' }}\njobs:\n", here.url, there.url);
    for (name, tables) in jobs {
        // Writing to a String does not fail.
        let _ =
            writeln!(text, "  {name}: {{ source: here, target: there, tables: [{}] }}", tables.join(", "));
    }
    text
}

/// Ids of the three ways: what was there before, what came by an insert, what came by an update.
const WAYS: [(&str, usize); 3] = [("snapshot", 0), ("insert", 1000), ("update", 2000)];

/// How many values are equal at the target, converted there, and equal at home again.
async fn all_arrive(
    place: &Place,
    here: &Database,
    there: &Database,
    back: &Database,
    kept: &[Kept],
) -> [usize; 3] {
    for Kept { table, values, .. } in kept {
        for (i, value) in values.iter().enumerate() {
            let other = values[(i + 1) % values.len()];
            let other = if values.len() == 1 { "NULL" } else { other };
            run_all(
                here,
                &[
                    format!("INSERT INTO {table} VALUES ({i}, {value})"),
                    format!("INSERT INTO {table} VALUES ({}, {other})", 2000 + i),
                ],
            )
            .await;
        }
        run_all(here, &[format!("INSERT INTO {table} VALUES (999, NULL)")]).await;
    }
    let rule = |k: &Kept| match k.lossy {
        true => format!("{{ name: {}, types: {{ v: allow }} }}", k.table),
        false => k.table.clone(),
    };
    let tables = kept.iter().map(rule).collect();
    place.write("tidelock.yaml", &configured(here, there, &[("all", tables)]));
    // And home again, to another database of the source's kind.
    let home = Place::new();
    let exact: Vec<&Kept> = kept.iter().filter(|k| k.home).collect();
    let tables = exact.iter().map(|k| k.table.clone()).collect();
    home.write("tidelock.yaml", &configured(there, back, &[("home", tables)]));
    let sync = || [place, &home].iter().for_each(|place| drop(place.run(&["sync"]).done()));
    sync();
    for Kept { table, values, .. } in kept {
        for (i, value) in values.iter().enumerate() {
            run_all(
                here,
                &[
                    format!("INSERT INTO {table} VALUES ({}, {value})", 1000 + i),
                    format!("UPDATE {table} SET v = {value} WHERE id = {}", 2000 + i),
                ],
            )
            .await;
        }
        run_all(here, &[format!("INSERT INTO {table} VALUES (1999, NULL)")]).await;
    }
    sync();
    let (mut cells, mut faults) = ([0, 0, 0], Vec::new());
    for k in kept {
        compare(here, there, &[here, there], k, &mut cells[usize::from(k.lossy)], &mut faults).await;
    }
    for k in exact {
        compare(here, back, &[here, there, back], k, &mut cells[2], &mut faults).await;
    }
    assert!(faults.is_empty(), "{} of {cells:?} values differ:\n{}", faults.len(), faults.join("\n"));
    cells
}

async fn compare(
    here: &Database,
    there: &Database,
    judges: &[&Database],
    kept: &Kept,
    cells: &mut usize,
    faults: &mut Vec<String>,
) {
    let Kept { table, sample, values, lossy, .. } = kept;
    let family = here.kind().family();
    let (asked, class) =
        if *lossy { converted(sample, family) } else { (rendered(sample.class, family), sample.class) };
    let rows = async |db: &Database, asked: String| {
        db.query(&format!("SELECT id, {asked} FROM {table} ORDER BY id")).await.unwrap()
    };
    let (a, b) = (rows(here, asked).await, rows(there, rendered(class, there.kind().family())).await);
    let find = |rows: &[tidelock_testkit::Row], id: usize| {
        rows.iter().find(|r| r[0].as_deref() == Some(&id.to_string())).map(|r| r[1].clone())
    };
    for (i, value) in values.iter().enumerate() {
        for (way, first) in WAYS {
            *cells += 1;
            let (x, y) = (find(&a, first + i), find(&b, first + i));
            let fine = match (&x, &y) {
                (Some(Some(x)), Some(Some(y))) => same(class, judges, x, y).await,
                _ => false,
            };
            if !fine {
                let shown =
                    |v: &Option<Option<String>>| format!("{v:?}").chars().take(120).collect::<String>();
                faults.push(format!(
                    "{} {value} by {way} at {}: {} became {}",
                    sample.native,
                    there.kind(),
                    shown(&x),
                    shown(&y)
                ));
            }
        }
    }
    for id in [999, 1999] {
        *cells += 1;
        if find(&b, id) != Some(None) {
            faults.push(format!("{} NULL became {:?}", sample.native, find(&b, id)));
        }
    }
}

/// Each is refused by name, by the snapshot and by the stream, and nothing else stands at the target.
async fn none_arrives(place: &Place, here: &Database, there: &Database, never: &[Refused]) {
    if never.is_empty() {
        return;
    }
    for way in ["before", "after"] {
        let mut jobs = Vec::new();
        for Refused { table, sample, value } in never {
            let table = format!("{table}_{way}");
            make(here, &table, sample).await;
            if way == "before" {
                here.execute(&format!("INSERT INTO {table} VALUES (1, {value})")).await.unwrap();
            }
            jobs.push((table.clone(), vec![table]));
        }
        let jobs: Vec<(&str, Vec<String>)> = jobs.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        place.write("tidelock.yaml", &configured(here, there, &jobs));
        if way == "after" {
            place.run(&["sync"]).done();
            for Refused { table, value, .. } in never {
                here.execute(&format!("INSERT INTO {table}_after VALUES (1, {value})")).await.unwrap();
            }
        }
        let ran = place.run(&["sync"]);
        assert_eq!(ran.code, 1, "{}", ran.transcript());
        for Refused { table, sample, value } in never {
            let name = format!("{table}_{way}");
            let line = ran.err.lines().find(|l| l.starts_with(&format!("{name}: stopped: ")));
            let told = line.is_some_and(|l| l.contains("column v") || l.contains(&format!("{name}.v")));
            assert!(told, "{} {value} by {way}: {line:?}\n{}", sample.native, ran.transcript());
            let rows = there.value(&format!("SELECT count(*) FROM {name}")).await.unwrap();
            assert_eq!(rows.as_deref(), Some("0"), "{} {value} by {way}", sample.native);
        }
    }
}

/// Told whatever the test harness keeps to itself, with the sum over all pairs of this process.
fn told(from: Kind, to: Kind, counts: [usize; 5]) {
    static CELLS: [AtomicUsize; 5] = [const { AtomicUsize::new(0) }; 5];
    let add = |(cell, n): (&AtomicUsize, usize)| cell.fetch_add(n, Ordering::Relaxed) + n;
    let sum: Vec<usize> = CELLS.iter().zip(counts).map(add).collect();
    let words = |n: &[usize]| {
        let [equal, home, lossy, refused, types] = n[..] else { return String::new() };
        format!(
            "{equal} equal, {home} equal at home again, {lossy} lossy by consent, {refused} refused, {types} types refused"
        )
    };
    // A closed standard error is no reason to fail a test.
    let _ =
        writeln!(std::io::stderr(), "matrix: {from} → {to}: {} (so far: {})", words(&counts), words(&sum));
}

//! Values that arrive: the same by a snapshot, an insert and an update, at the target and at home again.

use super::judge::{converted, rendered, same};
use super::run::{Home, Kept, Sides, configured, make, rule};
use super::tally::Tally;
use crate::sides::run_all;
use crate::support::Place;
use tidelock_testkit::{Database, Row};

/// Ids of the three ways: what was there before, what came by an insert, what came by an update.
const WAYS: [(&str, usize); 3] = [("snapshot", 0), ("insert", 1000), ("update", 2000)];

pub async fn all_arrive(place: &Place, sides: &Sides, kept: &[Kept], tally: &mut Tally) {
    let Sides { here, there, back } = sides;
    for k in kept {
        fill(here, k).await;
    }
    let tables = kept.iter().map(|k| rule(&k.table, k.home == Home::Converted)).collect();
    place.write("tidelock.yaml", &configured(here, there, &[("all", tables)]));
    // And home again, to another database of the source's kind.
    let home = Place::new();
    let coming: Vec<&Kept> = kept.iter().filter(|k| k.home == Home::Comes).collect();
    let tables = coming.iter().map(|k| k.table.clone()).collect();
    home.write("tidelock.yaml", &configured(there, back, &[("home", tables)]));
    let sync = || [place, &home].iter().for_each(|place| drop(place.run(&["sync"]).done()));
    sync();
    for k in kept {
        change(here, k).await;
    }
    sync();
    let mut faults = Vec::new();
    for k in kept {
        let n = compare(here, there, &[here, there], k, &mut faults).await;
        *if k.home == Home::Converted { &mut tally.lossy } else { &mut tally.equal } += n;
        match k.home {
            Home::Comes => tally.home += compare(here, back, &[here, there, back], k, &mut faults).await,
            Home::Refused(reason) => *tally.away.entry(reason).or_default() += n,
            Home::Converted => *tally.away.entry("converted by consent").or_default() += n,
        }
    }
    assert!(faults.is_empty(), "{} values differ, of {tally}:\n{}", faults.len(), faults.join("\n"));
}

/// What is there before.
async fn fill(here: &Database, kept: &Kept) {
    let Kept { table, values, sample, .. } = kept;
    if table.contains('_') {
        make(here, table, sample).await;
    }
    for (i, value) in values.iter().enumerate() {
        let other = if values.len() == 1 { "NULL" } else { values[(i + 1) % values.len()] };
        for (id, value) in [(i, *value), (2000 + i, other)] {
            let sql = format!("INSERT INTO {table} VALUES ({id}, {value})");
            if let Err(e) = here.execute(&sql).await {
                panic!("{} {sql:.200}: {e:#}", sample.native);
            }
        }
    }
    run_all(here, &[format!("INSERT INTO {table} VALUES (999, NULL)")]).await;
}

/// What comes after.
async fn change(here: &Database, kept: &Kept) {
    let Kept { table, values, .. } = kept;
    for (i, value) in values.iter().enumerate() {
        let inserted = format!("INSERT INTO {table} VALUES ({}, {value})", 1000 + i);
        let updated = format!("UPDATE {table} SET v = {value} WHERE id = {}", 2000 + i);
        run_all(here, &[inserted, updated]).await;
    }
    run_all(here, &[format!("INSERT INTO {table} VALUES (1999, NULL)")]).await;
}

/// How many values there were.
async fn compare(
    here: &Database,
    there: &Database,
    judges: &[&Database],
    kept: &Kept,
    faults: &mut Vec<String>,
) -> usize {
    let Kept { table, sample, values, home } = kept;
    let family = here.kind().family();
    let (asked, class) = match home {
        Home::Converted => converted(sample, family),
        _ => (rendered(sample.class, family), sample.class),
    };
    let rows = async |db: &Database, asked: String| {
        db.query(&format!("SELECT id, {asked} FROM {table} ORDER BY id")).await.unwrap()
    };
    let (a, b) = (rows(here, asked).await, rows(there, rendered(class, there.kind().family())).await);
    for (i, value) in values.iter().enumerate() {
        for (way, first) in WAYS {
            let (x, y) = (find(&a, first + i), find(&b, first + i));
            let fine = match (&x, &y) {
                (Some(Some(x)), Some(Some(y))) => same(class, judges, x, y).await,
                _ => false,
            };
            if !fine {
                let (native, at) = (sample.native, there.kind());
                faults.push(format!(
                    "{native:.60} {value:.100} by {way} at {at}: {} became {}",
                    shown(&x),
                    shown(&y)
                ));
            }
        }
    }
    for id in [999, 1999] {
        if find(&b, id) != Some(None) {
            faults.push(format!("{} NULL became {:?}", sample.native, find(&b, id)));
        }
    }
    values.len() * WAYS.len() + 2
}

fn find(rows: &[Row], id: usize) -> Option<Option<String>> {
    rows.iter().find(|r| r[0].as_deref() == Some(&id.to_string())).map(|r| r[1].clone())
}

fn shown(value: &Option<Option<String>>) -> String {
    format!("{value:?}").chars().take(120).collect()
}

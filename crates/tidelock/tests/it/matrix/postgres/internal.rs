//! No type of the server is forgotten: each has a sample, or a reason why no value of it can be written.

use super::{POSTGRES_18, SETUP, samples};
use crate::matrix::run::prepare;
use std::collections::BTreeSet;
use tidelock_testkit::{Database, Kind, database};

/// The server's own notes: their input functions refuse every text, so that nobody can put them into a table.
const NEVER_WRITTEN: &[&str] = &[
    "gtsvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
];

const EVERY_TYPE: &str = "SELECT t.oid::regtype::text FROM pg_type t \
    WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'r', 'm') AND t.typisdefined \
    AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)";

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_postgres_15_has_a_sample_or_is_never_written() {
    let Some(db) = database(Kind::Postgres15, "every_type").await else { return };
    none_is_forgotten(&db, samples().iter().map(|s| s.native).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_postgres_18_has_a_sample_or_is_never_written() {
    let Some(db) = database(Kind::Postgres18, "every_type").await else { return };
    none_is_forgotten(&db, samples().into_iter().chain(POSTGRES_18).map(|s| s.native).collect()).await;
}

async fn none_is_forgotten(db: &Database, samples: Vec<&str>) {
    prepare(db, SETUP).await;
    let mut known: BTreeSet<String> = NEVER_WRITTEN.iter().map(|t| (*t).to_owned()).collect();
    for native in samples {
        let named = db.value(&format!("SELECT to_regtype('{native}')::text")).await.unwrap();
        known.insert(named.unwrap_or_else(|| panic!("{native} is no type")));
    }
    let there = db.query(EVERY_TYPE).await.unwrap();
    let there: BTreeSet<String> = there.into_iter().filter_map(|mut row| row.remove(0)).collect();
    let forgotten: Vec<&String> = there.difference(&known).collect();
    assert!(forgotten.is_empty(), "neither sample nor reason: {forgotten:?}");
    for never in NEVER_WRITTEN {
        let told = format!("{:#}", db.query(&format!("SELECT ''::{never}")).await.unwrap_err());
        assert!(told.contains("(0A000)"), "{never}: {told}");
    }
}

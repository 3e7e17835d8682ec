use super::*;
use tidelock_endpoint::{CaptureKind, TlsMode};
use tidelock_model::TableName;
use tidelock_sync::job::{ColumnSelection, Route, TableSelection};

const VARIABLES: &[(&str, &str)] =
    &[("PW", "s3cr3t"), ("SIZE", "50"), ("WORD", "s3cr3t"), ("URL", "postgrs://u:s3cr3t@h/d")];

fn faults(text: &str) -> String {
    let faults = Config::from_text(text, VARIABLES).unwrap_err().to_string();
    assert!(!faults.contains("s3cr3t"), "a secret is shown:\n{faults}");
    faults
}

/// A configuration with this text as its only job, from the second column on.
fn job(text: &str) -> String {
    let indented: String =
        text.lines().map(|l| format!("    {}\n", l.trim_start_matches("      "))).collect();
    format!(
        "endpoints: {{shop: 'postgres://h/d', crm: 'mysql://h/d', till: 'sqlite:t.db'}}\njobs:\n  one:\n{indented}"
    )
}

#[test]
fn a_whole_configuration_is_read() {
    let config = Config::from_text(
        "
state: ./my-state
journal: { kind: disk, max_size: 2GiB, max_age: 36h }
endpoints:
  shop: postgres://sync:${PW}@127.0.0.1:5432/shop
  crm:
    url: mysql://h/crm
    tls: verify-full
    ca: ca.pem
jobs:
  b-job:
    source: shop
    target: crm
    tables:
      - users
      - name: orders
        to: sales_orders
        columns: [id, user_id]
        rename: { user_id: customer_id }
      - 'log_*'
    capture: log
    delivery: automatic
    batch_size: ${SIZE}
  a_job:
    between: [shop, crm]
    conflicts:
      resolve: last_update_wins
      version: updated_at
      priority: [crm, shop]
      tables: { orders: { version: changed } }
",
        VARIABLES,
    )
    .unwrap();
    assert_eq!(config.state, PathBuf::from("my-state"));
    assert_eq!(config.journal.max_bytes, 2 << 30);
    assert_eq!(config.journal.max_age.as_secs(), 36 * 3_600);
    assert_eq!(config.endpoints["shop"].url, "postgres://sync:s3cr3t@127.0.0.1:5432/shop");
    assert_eq!(config.endpoints["crm"].tls.mode, TlsMode::VerifyFull);
    assert!(!format!("{:?}", config.endpoints).contains("s3cr3t"));
    let [one, two] = config.jobs.as_slice() else { panic!("two jobs") };
    assert_eq!((one.name.as_str(), one.batch_size, one.capture), ("b-job", 50, Some(CaptureKind::Log)));
    let TableSelection::Only(rules) = &one.tables else { panic!("rules") };
    assert_eq!(rules[1].to.as_deref(), Some("sales_orders"));
    assert_eq!(rules[1].columns, ColumnSelection::Only(vec!["id".into(), "user_id".into()]));
    assert_eq!(two.route, Route::Between("shop".into(), "crm".into()));
    let policy = two.conflicts.as_ref().unwrap();
    assert_eq!(policy.priority, ["crm", "shop"]);
    assert_eq!(policy.version_for(&TableName::new("orders")), Some("changed"));
}

#[test]
fn a_word_that_other_yaml_takes_for_false_stays_text() {
    let config =
        Config::from_text(&job("source: shop\ntarget: crm\ntables: [no, on, 1.10, 0x1F]"), &[]).unwrap();
    assert_eq!(config.jobs[0].tables.spelled_out(), ["no", "on", "1.10", "0x1F"]);
}

#[test]
fn an_alias_stands_for_what_it_names() {
    let config = Config::from_text(
        "endpoints: {aa: &u 'sqlite:a.db', bb: 'sqlite:b.db'}\njobs: {one: {source: aa, target: bb, tables: &t [x]}, two: {source: bb, target: aa, tables: *t}}",
        &[],
    )
    .unwrap();
    assert_eq!(config.jobs[0].tables, config.jobs[1].tables);
}

#[test]
fn misspelt_keys_are_told_with_what_was_meant() {
    insta::assert_snapshot!(faults(&job("source: shop\ntarget: crm\ntabels: all\nbatchsize: 5")), @r#"
    tidelock.yaml has 2 mistakes

      tidelock.yaml:6:5  jobs.one.tabels
        unknown key `tabels` (TL-CFG-UNKNOWN-KEY)
        did you mean `tables`?
        allowed: batch_size, between, capture, conflicts, delivery, schema_changes, source, tables, target, types

      tidelock.yaml:7:5  jobs.one.batchsize
        unknown key `batchsize` (TL-CFG-UNKNOWN-KEY)
        did you mean `batch_size`?
        allowed: batch_size, between, capture, conflicts, delivery, schema_changes, source, tables, target, types
    "#);
}

#[test]
fn several_mistakes_are_told_in_one_go() {
    insta::assert_snapshot!(faults(
        "
stat: ./x
journal: { max_size: lots, max_age: 7 }
endpoints:
  shop: postgrs://sync:s3cr3t@h/d
  c: mysql://h/d
  till: { url: 'sqlite:t.db', tls: verify-ful }
jobs:
  one:
    source: shpo
    target: till
    batch_size: many
  two:
    source: shop
    target: shop
    capture: logs
"
    ), @r#"
    tidelock.yaml has 10 mistakes

      tidelock.yaml:2:1  stat
        unknown key `stat` (TL-CFG-UNKNOWN-KEY)
        did you mean `state`?
        allowed: endpoints, jobs, journal, state

      tidelock.yaml:3:22  journal.max_size
        found `lots` (TL-CFG-VALUE)
        allowed: a size from 1MiB on, such as 512MiB or 16GiB

      tidelock.yaml:3:37  journal.max_age
        found `7` (TL-CFG-VALUE)
        allowed: an age such as 90m, 12h or 7d

      tidelock.yaml:5:9  endpoints.shop
        there is no engine for URLs that begin with postgrs: (TL-CFG-SCHEME)
        did you mean `postgres`?
        allowed: postgres://user:password@host:5432/database, mysql://… (MySQL and MariaDB), sqlite:./file.db

      tidelock.yaml:6:6  endpoints.c
        `c` is no name (TL-CFG-NAME)
        allowed: 2–50 letters, digits, `-`, `_`

      tidelock.yaml:7:36  endpoints.till.tls
        found `verify-ful` (TL-CFG-VALUE)
        did you mean `verify-full`?
        allowed: disable, prefer, require, verify-ca, verify-full

      tidelock.yaml:10:13  jobs.one.source
        there is no endpoint `shpo` (TL-CFG-NO-ENDPOINT)
        did you mean `shop`?
        allowed: the names of `endpoints`: shop, c, till

      tidelock.yaml:12:17  jobs.one.batch_size
        found `many` (TL-CFG-VALUE)
        allowed: a whole number from 1 to 100000

      tidelock.yaml:15:13  jobs.two.target
        source and target are one endpoint (TL-CFG-CONFLICT)
        allowed: two different endpoints

      tidelock.yaml:16:14  jobs.two.capture
        found `logs` (TL-CFG-VALUE)
        did you mean `log`?
        allowed: log, trigger
    "#);
}

#[test]
fn wrong_types_are_told_with_what_is_allowed() {
    insta::assert_snapshot!(faults(&job(
        "source: [shop]\ntarget: {name: crm}\ntables: {name: users}\nbatch_size: '10'\nconflicts: yes\ncapture:"
    )), @r#"
    tidelock.yaml has 6 mistakes

      tidelock.yaml:4:13  jobs.one.source
        found a list (TL-CFG-TYPE)
        allowed: text

      tidelock.yaml:5:13  jobs.one.target
        found a mapping (TL-CFG-TYPE)
        allowed: text

      tidelock.yaml:6:14  jobs.one.tables.name
        unknown key `name` (TL-CFG-UNKNOWN-KEY)
        allowed: exclude, include

      tidelock.yaml:7:17  jobs.one.batch_size
        found the text "10" (TL-CFG-TYPE)
        allowed: a whole number

      tidelock.yaml:8:16  jobs.one.conflicts
        found `yes` (TL-CFG-TYPE)
        allowed: a mapping with the keys priority, resolve, tables, version

      tidelock.yaml:9:12  jobs.one.capture
        has no value; give it one, or leave the key out (TL-CFG-TYPE)
        allowed: log, trigger
    "#);
}

#[test]
fn numbers_out_of_range_are_refused() {
    insta::assert_snapshot!(faults(&job("source: shop\ntarget: crm\nbatch_size: 0")), @r#"
    tidelock.yaml has a mistake

      tidelock.yaml:6:17  jobs.one.batch_size
        found `0` (TL-CFG-VALUE)
        allowed: a whole number from 1 to 100000
    "#);
    insta::assert_snapshot!(faults(&job("source: shop\ntarget: crm\nbatch_size: ${WORD}")), @r#"
    tidelock.yaml has a mistake

      tidelock.yaml:6:17  jobs.one.batch_size
        found `${WORD}`, which holds a variable (TL-CFG-VALUE)
        allowed: a whole number from 1 to 100000
    "#);
}

#[test]
fn a_missing_variable_is_told_with_its_path() {
    insta::assert_snapshot!(faults(
        "endpoints:\n  shop: postgres://u:${SHOP_PW}@h/d\n  crm: mysql://h/d\njobs:\n  one:\n    source: shop\n    target: crm\n    batch_size: ${N}\n    tables: [\"${T\"]"
    ), @r#"
    tidelock.yaml has 3 mistakes

      tidelock.yaml:2:9  endpoints.shop
        the variable SHOP_PW is set neither in the environment nor in .env (TL-CFG-VARIABLE)
        allowed: `${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`

      tidelock.yaml:8:17  jobs.one.batch_size
        the variable N is set neither in the environment nor in .env (TL-CFG-VARIABLE)
        allowed: `${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`

      tidelock.yaml:9:14  jobs.one.tables[0]
        `${` is not closed by `}` (TL-CFG-VARIABLE)
        allowed: `${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`
    "#);
}

#[test]
fn a_secret_is_never_shown() {
    insta::assert_snapshot!(faults(
        "endpoints:\n  shop: ${URL}\n  crm: postgres:u:s3cr3t@h\n  till: {url: 'mysq://u:s3cr3t@h/d', tls: '${WORD}'}\njobs:\n  one:\n    source: postgres://u:s3cr3t@h/d\n    target: ${WORD:-s3cr3t}\n    batch_size: ${WORD}\n    capture: ${WORD}\n    tables: {include: [a], exclude: '${WORD}'}"
    ), @r#"
    tidelock.yaml has 8 mistakes

      tidelock.yaml:2:9  endpoints.shop
        there is no engine for URLs that begin with postgrs: (TL-CFG-SCHEME)
        did you mean `postgres`?
        allowed: postgres://user:password@host:5432/database, mysql://… (MySQL and MariaDB), sqlite:./file.db

      tidelock.yaml:4:15  endpoints.till.url
        there is no engine for URLs that begin with mysq: (TL-CFG-SCHEME)
        did you mean `mysql`?
        allowed: postgres://user:password@host:5432/database, mysql://… (MySQL and MariaDB), sqlite:./file.db

      tidelock.yaml:4:43  endpoints.till.tls
        found `${WORD}`, which holds a variable (TL-CFG-VALUE)
        allowed: disable, prefer, require, verify-ca, verify-full

      tidelock.yaml:7:13  jobs.one.source
        there is no endpoint `postgres://u:***@h/d` (TL-CFG-NO-ENDPOINT)
        allowed: the names of `endpoints`: shop, crm, till

      tidelock.yaml:8:13  jobs.one.target
        there is no endpoint `${WORD:-…}`, which holds a variable (TL-CFG-NO-ENDPOINT)
        allowed: the names of `endpoints`: shop, crm, till

      tidelock.yaml:9:17  jobs.one.batch_size
        found `${WORD}`, which holds a variable (TL-CFG-VALUE)
        allowed: a whole number from 1 to 100000

      tidelock.yaml:10:14  jobs.one.capture
        found `${WORD}`, which holds a variable (TL-CFG-VALUE)
        allowed: log, trigger

      tidelock.yaml:11:37  jobs.one.tables.exclude
        found `${WORD}`, which holds a variable (TL-CFG-TYPE)
        allowed: a list
    "#);
}

#[test]
fn a_secret_in_the_place_of_a_key_is_not_shown_either() {
    let text = "endpoints:\n  postgres://u:s3cr3t@h/d\njobs:\n  ? mysql://u:s3cr3t@h/d?x=y\n  : {source: a}\n  ? mysql://u:s3cr3t@h/d?x=y\n  : {source: a}\n";
    for text in [text, &text.replace("/d\njobs", "/d: 1\njobs")] {
        let faults = faults(text);
        assert!(!faults.contains("s3cr3t") && faults.contains("u:***@h/d"), "{faults}");
    }
}

#[test]
fn a_key_given_twice_is_a_mistake() {
    insta::assert_snapshot!(faults(&job("source: shop\ntarget: crm\nsource: till")), @r#"
    tidelock.yaml has a mistake

      tidelock.yaml:6:5  jobs.one.source
        the key `source` stands here twice, first in line 4 (TL-CFG-DUPLICATE)
        allowed: each key once
    "#);
}

#[test]
fn what_a_later_version_brings_is_known_and_refused() {
    insta::assert_snapshot!(faults(
        "
server: { listen: '127.0.0.1:1', api_keys: [s3cr3t] }
journal: { kind: kafka }
endpoints: { shop: 'postgres://h/d', docs: 'mongodb://u:s3cr3t@h/d', crm: 'mysql://h/d' }
alerts: []
jobs:
  one:
    source: shop
    target: crm
    tables: [{ name: users, deletes: soft }]
    capture: outbox
    delivery: auto-check
    check_every: 5m
  two:
    between: [shop, crm]
    conflicts: { resolve: rank, version: v }
  three:
    source: shop
    target: docs
    documents: []
"
    ), @r#"
    tidelock.yaml has 10 mistakes

      tidelock.yaml:2:1  server
        `server` is not supported in this version (TL-CFG-LATER)
        allowed: endpoints, jobs, journal, state

      tidelock.yaml:3:18  journal.kind
        `kafka` is not supported in this version (TL-CFG-LATER)
        allowed: disk

      tidelock.yaml:4:44  endpoints.docs
        mongodb is not supported in this version (TL-CFG-LATER)
        allowed: postgres://user:password@host:5432/database, mysql://… (MySQL and MariaDB), sqlite:./file.db

      tidelock.yaml:5:1  alerts
        `alerts` is not supported in this version (TL-CFG-LATER)
        allowed: endpoints, jobs, journal, state

      tidelock.yaml:10:29  jobs.one.tables[0].deletes
        `deletes` is not supported in this version (TL-CFG-LATER)
        allowed: columns, compute, mask, name, rename, to, types, where

      tidelock.yaml:11:14  jobs.one.capture
        `outbox` is not supported in this version (TL-CFG-LATER)
        allowed: log, trigger

      tidelock.yaml:12:15  jobs.one.delivery
        `auto-check` is not supported in this version (TL-CFG-LATER)
        allowed: automatic

      tidelock.yaml:13:5  jobs.one.check_every
        `check_every` is not supported in this version (TL-CFG-LATER)
        allowed: batch_size, between, capture, conflicts, delivery, schema_changes, source, tables, target, types

      tidelock.yaml:16:27  jobs.two.conflicts.resolve
        `rank` is not supported in this version (TL-CFG-LATER)
        allowed: last_update_wins

      tidelock.yaml:20:5  jobs.three.documents
        `documents` is not supported in this version (TL-CFG-LATER)
        allowed: batch_size, between, capture, conflicts, delivery, schema_changes, source, tables, target, types
    "#);
}

#[test]
fn jobs_that_cannot_be_are_refused() {
    for (text, expected) in [
        ("tables: all", "does not say between which endpoints"),
        ("source: shop", "the key `target` is missing"),
        ("source: shop\ntarget: shop", "source and target are one endpoint"),
        ("source: shop\ntarget: crm\ntypes: { numeric: allow }", "`numeric` is no conversion"),
        ("source: shop\ntarget: crm\ntypes: { 'numeric -> double': yes }", "found `yes`"),
        ("source: shop\ntarget: crm\ntables: [{ name: users, types: [email] }]", "jobs.one.tables[0].types"),
        ("source: shop\nbetween: [shop, crm]", "`between` stands beside"),
        ("between: [shop]", "found 1 endpoints"),
        ("between: [shop, shop]", "both sides are one endpoint"),
        ("between: [shop, crm]", "must say what happens when both sides change"),
        (
            "source: shop\ntarget: crm\nconflicts: {resolve: last_update_wins, version: v}",
            "only the source is changed",
        ),
        (
            "between: [shop, crm]\nconflicts: {resolve: last_update_wins}",
            "needs a column that tells which row is newer",
        ),
        (
            "between: [shop, crm]\nconflicts: {resolve: last_update_wins, version: v, priority: [shop, till]}",
            "shop and crm, each once",
        ),
        (
            "between: [shop, crm]\ntables: [users]\nconflicts: {resolve: last_update_wins, version: v, tables: {user: {version: x}}}",
            "did you mean `users`?",
        ),
        (
            "between: [shop, crm]\ntables: [{name: users, to: people}]\nconflicts: {resolve: last_update_wins, version: v}",
            "`to` in a two-way job is not supported",
        ),
        ("source: shop\ntarget: crm\ntables: []", "the list is empty"),
        ("source: shop\ntarget: crm\ntables: [a, a]", "`a` stands in the list twice"),
        (
            "source: shop\ntarget: crm\ntables: [a, {name: b, to: a}]",
            "tables `a` and `b` would both be called `a`",
        ),
        ("source: shop\ntarget: crm\ntables: [{name: 'a*', to: b}]", "a pattern may match several tables"),
        ("source: shop\ntarget: crm\ntables: [{name: a, columns: []}]", "at least one column"),
        (
            "source: shop\ntarget: crm\ntables: [{name: a, columns: [x], rename: {y: z}}]",
            "column y is renamed, but does not take part",
        ),
        (
            "source: shop\ntarget: crm\ntables: [{name: a, columns: [x, z], rename: {x: z}}]",
            "columns z and x would both be called `z`",
        ),
        ("source: shop\ntarget: crm\ntables: [{to: a}]", "the key `name` is missing"),
        ("source: shop\ntarget: nowhere", "there is no endpoint `nowhere`"),
    ] {
        let found = faults(&job(text));
        assert!(found.contains(expected), "{text}:\n{found}");
        assert!(found.contains("has a mistake"), "more than one mistake for {text}:\n{found}");
    }
}

#[test]
fn what_is_no_yaml_is_told_with_its_line() {
    for text in [
        "endpoints: [",
        "a: b: c",
        "a: 'x",
        "a:\n\tb: 1",
        "a: *nothing",
        "a: 1\n---\nb: 2",
        "a: !t x",
        "? [a]\n: b",
    ] {
        let found = faults(text);
        assert!(found.contains("TL-CFG-SYNTAX"), "{text}:\n{found}");
    }
    assert!(faults("").contains("the file is empty"));
    assert!(faults("# nothing\n").contains("the file is empty"));
    assert!(faults("- a\n").contains("found a list"));
}

#[test]
fn aliases_do_not_unfold_without_end() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let (this, before) = (format!("a{n}"), format!("*a{}", n - 1));
        text += &format!("{this}: &{this} [{}]\n", [before.as_str(); 10].join(", "));
    }
    assert!(faults(&text).contains("the document is too large"));
}

#[test]
fn a_file_url_is_relative_to_the_configuration() {
    let text = "endpoints: {aa: 'sqlite:a.db', bb: 'sqlite:/b.db'}\njobs: {one: {source: aa, target: bb}}";
    let config = Config::parse(text, FilePath::new("conf/t.yaml"), &Variables::default()).unwrap();
    assert_eq!(config.endpoints["aa"].url, "sqlite:conf/a.db");
    assert_eq!(config.endpoints["bb"].url, "sqlite:/b.db");
    assert_eq!(config.state, PathBuf::from("conf/tidelock-state"));
}

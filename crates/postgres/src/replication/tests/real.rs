//! Against the lab's servers.

use super::{PATIENCE, PUBLICATION, config, end, refusal, start};
use crate::names::{literal, quoted};
use crate::position::Lsn;
use crate::replication::{Feed, Field, Frame, Message, OldKind};
use std::collections::{BTreeMap, HashSet};
use std::time::Instant;
use tidelock_endpoint::{ErrorKind, TlsMode};
use tidelock_testkit::{Database, Kind, lab, private_server};
use tokio::time::timeout;

const KINDS: [Kind; 2] = [Kind::Postgres15, Kind::Postgres18];

/// A database with a table, a publication of all tables, and a slot of the database's name.
async fn database(kind: Kind, test: &str) -> Option<Database> {
    let db = tidelock_testkit::database(kind, test).await?;
    furnish(&db, "").await;
    Some(db)
}

async fn furnish(db: &Database, more: &str) {
    let publication = quoted(PUBLICATION);
    db.execute("CREATE TABLE items (id int PRIMARY KEY, name text)").await.unwrap();
    db.execute(more).await.unwrap();
    db.execute(&format!("CREATE PUBLICATION {publication} FOR ALL TABLES")).await.unwrap();
    let slot = literal(&db.name);
    db.query(&format!("SELECT pg_create_logical_replication_slot({slot}, 'pgoutput')")).await.unwrap();
}

async fn wait(db: &Database, what: &str, expected: &str) {
    let slot = literal(&db.name);
    let sql = format!("SELECT {what} FROM pg_replication_slots WHERE slot_name = {slot}");
    db.wait_for(&sql, expected, PATIENCE).await.unwrap();
}

async fn next(feed: &mut Feed) -> Vec<Frame> {
    timeout(PATIENCE, feed.next()).await.expect("nothing comes").unwrap()
}

/// What came until a number of commits, one line for each message; and the end of the last commit.
async fn lines(feed: &mut Feed, commits: usize) -> (Vec<String>, Lsn) {
    let (mut lines, mut last, mut count) = (Vec::new(), Lsn(0), 0);
    while count < commits {
        for frame in next(feed).await {
            let Frame::Message(bytes) = frame else { continue };
            let message = Message::parse(&bytes).unwrap();
            if let Message::Commit { end } = message {
                (last, count) = (end, count + 1);
            }
            lines.push(line(&message));
        }
    }
    (lines, last)
}

fn line(message: &Message<'_>) -> String {
    let row = |tuple: &super::super::Tuple<'_>| {
        let fields = tuple.fields().map(|field| match field.unwrap() {
            Field::Null => "-".to_owned(),
            Field::Unchanged => "=".to_owned(),
            Field::Text(text) => text.chars().take(10).collect(),
        });
        fields.collect::<Vec<_>>().join(",")
    };
    match message {
        Message::Begin { .. } => "begin".into(),
        Message::Commit { .. } => "commit".into(),
        Message::Relation(relation) => {
            let columns: Vec<_> =
                relation.columns.iter().map(|c| format!("{}:{}", c.name, c.type_oid)).collect();
            format!("{}.{}({})", relation.schema, relation.name, columns.join(","))
        }
        Message::Insert { new, .. } => format!("+{}", row(new)),
        Message::Update { old: None, new, .. } => format!("~{}", row(new)),
        Message::Update { old: Some((OldKind::Key, old)), new, .. } => {
            format!("key {}~{}", row(old), row(new))
        }
        Message::Update { old: Some((OldKind::Whole, old)), new, .. } => {
            format!("whole {}~{}", row(old), row(new))
        }
        Message::Delete { old: (OldKind::Key, old), .. } => format!("key {} gone", row(old)),
        Message::Delete { old: (OldKind::Whole, old), .. } => format!("whole {} gone", row(old)),
        Message::Logical { transactional, prefix, content } => {
            format!("{prefix}({transactional}) {}", content.escape_ascii())
        }
        Message::Truncate { relations } => format!("truncate {}", relations.len()),
        Message::Origin | Message::Type => format!("{message:?}"),
    }
}

#[tokio::test]
async fn changes_come_in_the_order_of_their_commits() {
    for kind in KINDS {
        let Some(db) = database(kind, "feed_order").await else { return };
        db.execute("CREATE TABLE all_of_it (v text); ALTER TABLE all_of_it REPLICA IDENTITY FULL")
            .await
            .unwrap();
        let mut feed = start(&config(&db.url), &db.name).await.unwrap();
        // Large and incompressible: stored out of line, so that an update of another column does not send it.
        let large = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n)";
        db.execute(&format!("INSERT INTO items VALUES (1, 'käse'), (2, NULL), (3, {large})")).await.unwrap();
        db.execute("UPDATE items SET name = 'x' WHERE id = 2; UPDATE items SET id = 4 WHERE id = 3; DELETE FROM items WHERE id = 1")
            .await
            .unwrap();
        db.execute("INSERT INTO all_of_it VALUES ('a'); UPDATE all_of_it SET v = 'b'; DELETE FROM all_of_it; TRUNCATE all_of_it, items")
            .await
            .unwrap();
        db.query("SELECT pg_logical_emit_message(true, 'tidelock', 'hello')").await.unwrap();
        let (mut lines, _) = lines(&mut feed, 4).await;
        // The server describes a relation again whenever its caches were dropped, which others bring about, too.
        let mut described = HashSet::new();
        lines.retain(|line| !line.starts_with("public.") || described.insert(line.clone()));
        let items = "public.items(id:23,name:25)";
        let all_of_it = "public.all_of_it(v:25)";
        #[rustfmt::skip]
        assert_eq!(lines, [
            "begin", items, "+1,käse", "+2,-", "+3,c4ca4238a0", "commit",
            "begin", "~2,x", "key 3,-~4,=", "key 1,- gone", "commit",
            "begin", all_of_it, "+a", "whole a~b", "whole b gone", "truncate 2", "commit",
            "begin", "tidelock(true) hello", "commit",
        ], "{kind}");
    }
}

#[tokio::test]
async fn what_is_acknowledged_may_be_forgotten_and_nothing_else() {
    for kind in KINDS {
        let Some(db) = database(kind, "feed_acknowledge").await else { return };
        let confirmed =
            format!("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{}'", db.name);
        let before = db.value(&confirmed).await.unwrap().unwrap();
        let mut feed = start(&config(&db.url), &db.name).await.unwrap();
        db.execute("INSERT INTO items VALUES (1, 'a')").await.unwrap();
        db.execute("INSERT INTO items VALUES (2, 'b')").await.unwrap();
        let (_, end) = lines(&mut feed, 2).await;
        let told = "SELECT count(*) FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid \
                    WHERE slot_name = current_database() AND reply_time > backend_start + interval '1 s'";
        db.wait_for(told, "1", PATIENCE).await.unwrap();
        assert_eq!(
            db.value(&confirmed).await.unwrap().unwrap(),
            before,
            "{kind}: claimed without an acknowledgement"
        );

        feed.acknowledge(end);
        feed.acknowledge(Lsn(1));
        wait(&db, "confirmed_flush_lsn", &end.to_string()).await;
        drop(feed);
        wait(&db, "active", "f").await;

        db.execute("INSERT INTO items VALUES (3, 'c')").await.unwrap();
        let mut feed = start(&config(&db.url), &db.name).await.unwrap();
        let (lines, _) = lines(&mut feed, 1).await;
        assert_eq!(lines[2], "+3,c", "{kind}");
    }
}

#[tokio::test]
async fn keepalives_tell_of_progress_without_changes_of_ours() {
    for kind in KINDS {
        let Some(db) = database(kind, "feed_keepalive").await else { return };
        let mut feed = start(&config(&db.url), &db.name).await.unwrap();
        let here = db.value("SELECT pg_current_wal_flush_lsn()").await.unwrap().unwrap();
        let here = Lsn::parse(&here).unwrap();
        let mut seen = Lsn(0);
        while seen < here {
            for frame in next(&mut feed).await {
                if let Frame::KeepAlive { end } = frame {
                    assert!(end >= seen);
                    seen = end;
                    feed.acknowledge(end);
                }
            }
        }
    }
}

/// Many rows, more than the queue and all buffers on the way hold.
async fn flood(db: &Database) {
    let text = "repeat(md5(n::text), 10)";
    db.execute(&format!("INSERT INTO items SELECT n, {text} FROM generate_series(1, 100000) n"))
        .await
        .unwrap();
}

/// Reading has stopped, as the queue is full.
async fn clogged(feed: &Feed) {
    let begun = Instant::now();
    while feed.waiting() < 4 << 20 {
        assert!(begun.elapsed() < PATIENCE, "{} bytes only", feed.waiting());
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_consumer_that_is_busy_for_long_is_not_disconnected_and_memory_is_bounded() {
    for kind in KINDS {
        let Some(db) = database(kind, "feed_stalled").await else { return };
        let url = format!("{}?options=-c%20wal_sender_timeout%3D2s", db.url);
        let mut feed = start(&config(&url), &db.name).await.unwrap();
        flood(&db).await;
        clogged(&feed).await;
        let heard = "SELECT count(*) FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid \
                     WHERE slot_name = current_database() AND reply_time > backend_start + interval '5 s'";
        db.wait_for(heard, "1", PATIENCE).await.unwrap();
        assert!(feed.waiting() < 5 << 20, "{kind}: {} bytes wait", feed.waiting());
        let mut rows = 0;
        let mut largest = 0;
        'all: loop {
            let run = next(&mut feed).await;
            largest =
                largest.max(run.iter().map(|f| if let Frame::Message(b) = f { b.len() } else { 0 }).sum());
            for frame in run {
                let Frame::Message(bytes) = frame else { continue };
                match Message::parse(&bytes).unwrap() {
                    Message::Insert { .. } => rows += 1,
                    Message::Commit { .. } => break 'all,
                    _ => {}
                }
            }
        }
        assert_eq!(rows, 100_000, "{kind}");
        assert!((128 << 10..300 << 10).contains(&largest), "{kind}: a run of {largest} bytes");
    }
}

#[tokio::test]
async fn a_message_of_many_megabytes_comes_whole() {
    let Some(db) = database(Kind::Postgres18, "feed_large").await else { return };
    let mut feed = start(&config(&db.url), &db.name).await.unwrap();
    db.execute("INSERT INTO items VALUES (1, repeat('long ', 6000000))").await.unwrap();
    let mut texts = Vec::new();
    while texts.is_empty() {
        for frame in next(&mut feed).await {
            let Frame::Message(bytes) = frame else { continue };
            if let Message::Insert { new, .. } = Message::parse(&bytes).unwrap() {
                let Some(Ok(Field::Text(text))) = new.fields().nth(1) else { panic!("no text") };
                texts.push(text.to_owned());
            }
        }
    }
    assert!(texts[0] == "long ".repeat(6_000_000));
}

#[tokio::test]
async fn the_slot_is_free_soon_after_the_feed_is_dropped() {
    for kind in KINDS {
        let Some(db) = database(kind, "feed_dropped").await else { return };
        let feed = start(&config(&db.url), &db.name).await.unwrap();
        wait(&db, "active", "t").await;
        let busy = refusal(&config(&db.url), &db.name).await;
        assert_eq!((busy.kind, busy.code), (ErrorKind::Contention, "TL-PG-IN-USE"), "{kind}: {busy}");
        drop(feed);
        wait(&db, "active", "f").await;

        let feed = start(&config(&db.url), &db.name).await.unwrap();
        flood(&db).await;
        clogged(&feed).await;
        drop(feed);
        wait(&db, "active", "f").await;
    }
}

#[tokio::test]
async fn a_wait_that_is_cancelled_loses_nothing() {
    let Some(db) = database(Kind::Postgres15, "feed_cancelled").await else { return };
    let mut feed = start(&config(&db.url), &db.name).await.unwrap();
    let mut insert = Box::pin(db.execute("INSERT INTO items SELECT n, 'x' FROM generate_series(1, 5000) n"));
    let mut seen = BTreeMap::<u8, usize>::new();
    let mut inserted = false;
    while !seen.contains_key(&b'C') {
        tokio::select! {
            biased;
            done = &mut insert, if !inserted => { done.unwrap(); inserted = true }
            () = tokio::task::yield_now() => {}
            run = feed.next() => for frame in run.unwrap() {
                if let Frame::Message(bytes) = frame {
                    *seen.entry(bytes[0]).or_default() += 1;
                }
            },
        }
    }
    assert_eq!(seen[&b'I'], 5000);
}

#[tokio::test]
async fn a_session_that_is_ended_by_the_server_is_unavailable_again_and_again() {
    for kind in KINDS {
        let Some(db) = database(kind, "feed_terminated").await else { return };
        let mut feed = start(&config(&db.url), &db.name).await.unwrap();
        let slot = literal(&db.name);
        let kill = format!(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = {slot}"
        );
        db.query(&kill).await.unwrap();
        let error = end(&mut feed).await;
        assert_eq!(error.kind, ErrorKind::Unavailable, "{kind}: {error}");
        assert!(error.message.contains("57P01"), "{kind}: {error}");
        assert_eq!(end(&mut feed).await.to_string(), error.to_string());
    }
}

#[tokio::test]
async fn a_server_that_shuts_down_is_unavailable_and_is_not_held_up() {
    let Some(private) = private_server(Kind::Postgres18, lab::Options::default()).await else { return };
    let db = private.server.fresh_database("feed_shutdown").await;
    furnish(&db, "").await;
    let mut feed = start(&config(&db.url), &db.name).await.unwrap();
    db.execute("INSERT INTO items VALUES (1, 'a')").await.unwrap();
    let down = tokio::task::spawn_blocking(move || {
        private.shut_down();
        private
    });
    // The server waits until all that it sent is acknowledged.
    let error = loop {
        match timeout(PATIENCE, feed.next()).await.expect("the server waits for us") {
            Err(error) => break error,
            Ok(run) => {
                for frame in run {
                    match frame {
                        Frame::KeepAlive { end } => feed.acknowledge(end),
                        Frame::Message(bytes) => {
                            if let Message::Commit { end } = Message::parse(&bytes).unwrap() {
                                feed.acknowledge(end);
                            }
                        }
                    }
                }
            }
        }
    };
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    let mut private = timeout(PATIENCE, down).await.expect("the server does not stop").unwrap();
    // So that the database can be dropped.
    tokio::task::spawn_blocking(move || private.restart().map(|()| private)).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_refuses_the_stream_is_told_by_its_kind() {
    for kind in KINDS {
        let Some(db) = database(kind, "feed_refused").await else { return };
        let lost = refusal(&config(&db.url), "tidelock_nobody").await;
        assert_eq!((lost.kind, lost.code), (ErrorKind::PositionLost, "TL-PG-SLOT-LOST"), "{lost}");
        assert!(lost.message.contains("tidelock_nobody"), "{lost}");

        let mut wrong = config(&db.url);
        wrong.password = Some("wrong".into());
        let refused = refusal(&wrong, &db.name).await;
        assert_eq!(refused.kind, ErrorKind::Authentication, "{refused}");

        wrong.password = None;
        let refused = refusal(&wrong, &db.name).await;
        assert_eq!(refused.kind, ErrorKind::Authentication, "{refused}");
        assert!(refused.message.contains("asks for a password"), "{refused}");

        let mut wrong = config(&db.url);
        wrong.database = "tidelock_no_such_database".into();
        assert_eq!(refusal(&wrong, &db.name).await.kind, ErrorKind::Precondition);

        let mut wrong = config(&db.url);
        // Of a service that nobody runs, and below those that programs are given.
        wrong.port = 1;
        assert_eq!(refusal(&wrong, &db.name).await.kind, ErrorKind::Unavailable);

        let (user, secret) = (format!("u_{}", db.name), "no-secret");
        db.execute(&format!("CREATE ROLE {user} LOGIN PASSWORD '{secret}'")).await.unwrap();
        let mut plain = config(&db.url);
        (plain.user, plain.password) = (user.clone(), Some(secret.into()));
        let refused = refusal(&plain, &db.name).await;
        db.execute(&format!("DROP ROLE {user}")).await.unwrap();
        assert_eq!(refused.kind, ErrorKind::Privilege, "{refused}");
    }
}

#[tokio::test]
async fn a_publication_that_is_missing_is_an_error_of_the_stream() {
    let Some(db) = database(Kind::Postgres15, "feed_no_publication").await else { return };
    let mut feed = Feed::start(&config(&db.url), &db.name, "nobody", Lsn(0)).await.unwrap();
    db.execute("INSERT INTO items VALUES (1, 'a')").await.unwrap();
    let error = end(&mut feed).await;
    assert!(error.message.contains("nobody"), "{error}");
}

#[tokio::test]
async fn every_tls_mode_does_what_it_says() {
    for kind in KINDS {
        let Some(db) = database(kind, "feed_tls").await else { return };
        let ca = db.server.ca_file.clone();
        let mut tried = config(&db.url);
        for (mode, with_ca, encrypted) in [
            (TlsMode::Disable, false, "f"),
            (TlsMode::Prefer, false, "t"),
            (TlsMode::Require, false, "t"),
            (TlsMode::VerifyCa, true, "t"),
            (TlsMode::VerifyFull, true, "t"),
        ] {
            if with_ca && ca.is_none() {
                continue;
            }
            (tried.tls.mode, tried.tls.ca) = (mode, ca.clone().filter(|_| with_ca));
            let feed = start(&tried, &db.name).await.unwrap();
            let ssl = "(SELECT ssl FROM pg_stat_ssl WHERE pid = active_pid)";
            wait(&db, ssl, encrypted).await;
            drop(feed);
            wait(&db, "active", "f").await;
        }
        if ca.is_some() {
            (tried.tls.mode, tried.tls.ca) = (TlsMode::VerifyFull, None);
            let error = refusal(&tried, &db.name).await;
            assert_eq!((error.kind, error.code), (ErrorKind::Authentication, "TL-PG-TLS"), "{error}");
        }
    }
}

/// By hand: `cargo test --release -p tidelock-postgres --lib -- --ignored --nocapture how_fast`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn how_fast_a_slot_is_drained() {
    for kind in KINDS {
        for (mode, transactions) in [("disable", 300), ("require", 300), ("disable", 300_000)] {
            let Some(db) = database(kind, "feed_speed").await else { return };
            let each = 300_000 / transactions;
            let script = format!(
                "DO $$ BEGIN FOR t IN 0..{transactions} - 1 LOOP \
                 INSERT INTO items SELECT t * {each} + n, md5(n::text) FROM generate_series(1, {each}) n; COMMIT; END LOOP; END $$"
            );
            db.execute("SET synchronous_commit = off").await.unwrap();
            db.execute(&script).await.unwrap();
            for _ in 0..2 {
                let cpu = cpu();
                let begun = Instant::now();
                let mut feed = start(&config(&format!("{}?sslmode={mode}", db.url)), &db.name).await.unwrap();
                let (mut rows, mut commits, mut runs) = (0, 0, 0);
                while commits < transactions {
                    runs += 1;
                    for frame in next(&mut feed).await {
                        let Frame::Message(bytes) = frame else { continue };
                        match Message::parse(&bytes).unwrap() {
                            Message::Insert { new, .. } => {
                                rows += usize::from(new.fields().all(|f| f.is_ok()))
                            }
                            Message::Commit { .. } => commits += 1,
                            _ => {}
                        }
                    }
                }
                let seconds = begun.elapsed().as_secs_f64();
                println!(
                    "{kind} {mode} {transactions} transactions: {rows} rows in {seconds:.2} s, {:.0} rows/s, {runs} runs, own cpu {:.2} s",
                    rows as f64 / seconds,
                    self::cpu() - cpu
                );
                drop(feed);
                wait(&db, "active", "f").await;
            }
        }
    }
}

/// Seconds of processor time of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    after.split(' ').skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / 100.0
}

//! Another process writes the file: this test binary, started again.

use crate::world::{World, until_true};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tidelock_endpoint::{Checkpoint, ErrorKind};
use tidelock_testkit::spawn_guarded;

const FILE: &str = "TIDELOCK_TEST_FILE";
const SCRIPT: &str = "TIDELOCK_TEST_SCRIPT";

/// Runs a script in another process, which then holds its connection open until it is killed, at the latest with this one.
fn process(world: &World, script: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "other_process::the_other_process", "--ignored", "--nocapture"]);
    command.env(FILE, &world.path).env(SCRIPT, script);
    let mut child = spawn_guarded(&command, Stdio::inherit()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("script done")), "the other process failed");
    child
}

#[test]
#[ignore = "the other process, not a test"]
fn the_other_process() {
    let Ok(file) = std::env::var(FILE) else { return };
    let db = rusqlite::Connection::open(file).unwrap();
    db.execute_batch(&std::env::var(SCRIPT).unwrap()).unwrap();
    println!("script done");
    loop {
        std::thread::park();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_commits_is_told_and_what_it_leaves_behind_is_not() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let mut follower = world.follow(&["t"]).await;
    let mut child = process(&world, "INSERT INTO t VALUES (1); BEGIN; INSERT INTO t VALUES (2)");
    assert_eq!(follower.changes(1).await, ["I t: Int(1)"]);
    child.kill().unwrap();
    child.wait().unwrap();
    world.writer().execute_batch("INSERT INTO t VALUES (3)").unwrap();
    assert_eq!(follower.changes(1).await, ["I t: Int(3)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_another_process_holds_is_told_as_contention_and_goes_with_the_process() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let mut target = world.endpoint.target("job").await.unwrap();
    target.prepare("sqlite", &[]).await.unwrap();
    let mut child = process(&world, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
    let error = target.begin("shop").await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Contention, "TL-SQLITE-BUSY"));
    child.kill().unwrap();
    child.wait().unwrap();
    target.begin("shop").await.unwrap();
    let checkpoint = Checkpoint { job: "job".into(), lane: "stream".into(), state: "1".into() };
    target.commit(&checkpoint, &[]).await.unwrap();
    assert_eq!(target.checkpoints().await.unwrap(), [checkpoint]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_file_does_not_keep_the_stream_from_reading_or_forgetting() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    db.execute_batch("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)").unwrap();
    follower.changes(2).await;
    let mut child = process(&world, "BEGIN IMMEDIATE");
    let last = follower.commits.last().unwrap().clone();
    follower.stream.acknowledge(&last).await.unwrap();
    // Several rounds of forgetting find the file locked.
    let quiet = tokio::time::timeout(Duration::from_millis(1500), follower.stream.next()).await;
    assert!(quiet.is_err(), "a busy file is no error of the stream");
    child.kill().unwrap();
    child.wait().unwrap();
    db.execute_batch("INSERT INTO t VALUES (3)").unwrap();
    assert_eq!(follower.changes(1).await, ["I t: Int(3)"]);
    until_true(&db, "what is durable is forgotten", "SELECT min(seq) >= 2 FROM tidelock_change").await;
}

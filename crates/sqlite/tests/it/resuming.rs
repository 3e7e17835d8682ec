use crate::world::{Follower, World, until_true};
use tidelock_endpoint::ErrorKind;
use tidelock_model::Position;
use tidelock_testkit::until;

const T: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY)";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_durable_is_forgotten_and_the_rest_comes_again() {
    let world = World::new(T);
    let mut follower = world.follow(&["t"]).await;
    let prepared = follower.prepared.clone().unwrap();
    let db = world.writer();
    for id in 1..=6 {
        db.execute(&format!("INSERT INTO t VALUES ({id})"), []).unwrap();
        follower.changes(1).await;
    }
    let durable = follower.commits[3].clone();
    follower.stream.acknowledge(&durable).await.unwrap();
    until_true(&db, "what is durable is forgotten", "SELECT count(*) <= 3 FROM tidelock_change").await;
    let Follower { source, .. } = follower;
    let mut again = Follower::of(source, &["t"], &durable, &prepared).await.unwrap();
    assert_eq!(again.changes(2).await, ["I t: Int(5)", "I t: Int(6)"]);
    // A new session finds the capture and where it begins.
    let (source, second) = world.captured(&["t"]).await;
    assert!(!second.created);
    assert_eq!(second.start, durable);
    let error = Follower::of(source, &["t"], &Position::new("seq:0"), &prepared).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::PositionLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_by_an_older_copy_is_a_lost_position() {
    let world = World::new(T);
    let mut follower = world.follow(&["t"]).await;
    let prepared = follower.prepared.clone().unwrap();
    let db = world.writer();
    db.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    follower.changes(1).await;
    let copy = world.path.with_extension("copy");
    db.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    db.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    follower.changes(1).await;
    let last = follower.commits.last().unwrap().clone();
    drop((db, follower));
    // Written over the file in place: the same inode, another history.
    let bytes = std::fs::read(&copy).unwrap();
    // Two that close at once leave the log to each other: whoever looks is the last.
    let closed = async || {
        let last = world.writer();
        last.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).unwrap();
        drop(last);
        !world.path.with_extension("db-wal").exists()
    };
    until("all sessions are closed", closed).await;
    std::fs::write(&world.path, bytes).unwrap();
    let (source, _) = world.captured(&["t"]).await;
    let shorter = Follower::of(source, &["t"], &last, &prepared).await.err().unwrap();
    assert_eq!(shorter.kind, ErrorKind::PositionLost, "{shorter}");
    // Even when the copy has by now as many changes as the file had.
    world.writer().execute_batch("INSERT INTO t VALUES (3); INSERT INTO t VALUES (4)").unwrap();
    let (source, _) = world.captured(&["t"]).await;
    let another = Follower::of(source, &["t"], &last, &prepared).await.err().unwrap();
    assert_eq!(another.kind, ErrorKind::PositionLost, "{another}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_is_a_lost_position() {
    let (world, other) = (World::new(T), World::new(T));
    let (_, prepared) = world.captured(&["t"]).await;
    let (source, _) = other.captured(&["t"]).await;
    let error = Follower::of(source, &["t"], &prepared.start, &prepared).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::PositionLost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_is_taken_away_ends_the_stream_loudly() {
    let world = World::new(T);
    let mut follower = world.follow(&["t"]).await;
    assert!(world.endpoint.cleanup(None, true).await.unwrap().len() >= 8);
    let error = loop {
        if let Err(error) = follower.step().await {
            break error;
        }
    };
    assert_eq!(error.kind, ErrorKind::PositionLost, "{error}");
    let left: i64 = world
        .writer()
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tidelock%'", [], |r| r.get(0))
        .unwrap();
    assert_eq!(left, 0);
    world.writer().execute_batch("INSERT INTO t VALUES (1)").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_capture_forgets_before_it_was_read_here_is_a_lost_position() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)");
    let (mut slow, mut fast) = (world.follow(&["t"]).await, world.follow(&["t"]).await);
    let db = world.writer();
    // Each is a batch of its own, and so many wait in nobody's channel.
    let rows = (1..=20).map(|id| format!("({id}, zeroblob(1200000))")).collect::<Vec<_>>().join(", ");
    db.execute_batch(&format!("INSERT INTO t VALUES {rows}")).unwrap();
    fast.changes(20).await;
    fast.stream.acknowledge(fast.commits.last().unwrap()).await.unwrap();
    until_true(&db, "what is durable is forgotten", "SELECT count(*) <= 1 FROM tidelock_change").await;
    let error = loop {
        match slow.step().await {
            Ok(()) => {
                assert!(slow.commits.is_empty(), "told as whole with {} changes of 20", slow.seen.len())
            }
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind, error.code), (ErrorKind::PositionLost, "TL-SQLITE-POSITION-LOST"), "{error}");
}

//! A way to a server: shut, open, held, led elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidelock_testkit::{Kind, Session, Way, database, until};

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_a_way_is_shut_is_turned_away_and_gets_through_later() {
    for kind in Kind::SERVERS {
        let Some(db) = database(kind, "way").await else { continue };
        let way = Way::closed();
        let url = way.through(&db.url);
        assert!(Session::connect(&url).await.is_err(), "{kind}");
        way.lead(&db.url);
        let mut session = Session::connect(&url).await.unwrap();
        let before = way.trips();
        for _ in 0..3 {
            session.execute("SELECT 1").await.unwrap();
        }
        assert_eq!(way.trips() - before, 3, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_when_the_door_lets_it() {
    let Some(db) = database(Kind::Postgres15, "door").await else { return };
    let (came, open) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (told, wait) = (came.clone(), open.clone());
    let way = Way::with_door(move || {
        told.store(true, Ordering::SeqCst);
        while !wait.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    });
    way.lead(&db.url);
    let url = way.through(&db.url);
    let client = tokio::spawn(async move { Session::connect(&url).await.map(drop) });
    until("the client comes", async || came.load(Ordering::SeqCst)).await;
    assert!(!client.is_finished());
    open.store(true, Ordering::SeqCst);
    client.await.unwrap().unwrap();
}

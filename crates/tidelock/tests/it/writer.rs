//! A program that knows nothing of tidelock and changes the source all the time.

use crate::following::Chance;
use crate::sides::begin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidelock_testkit::{Database, Kind, Session};

/// Rows of `items` before anything is copied: ids from 1.
pub const BASE: u32 = 500_000;
/// Ids that the writer gives; nobody else does.
const OWN: u64 = 5_000_000;
/// Between two transactions.
const PACE: Duration = Duration::from_millis(3);

/// At work on a thread of its own.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Counted>,
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// All transactions; counter 0 holds their number at the end.
    pub transactions: u64,
    /// What the counters must hold.
    pub counters: Vec<u64>,
}

impl Writer {
    /// Begins to write.
    pub fn start(db: &Database, seed: u64) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, kind, asked) = (db.url.clone(), db.kind(), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(write(&url, kind, seed, &asked))
        });
        Writer { stop, thread }
    }

    /// Ends the writing with a mark in counter 0.
    pub async fn finish(self) -> Counted {
        self.stop.store(true, Ordering::Relaxed);
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap()
    }
}

async fn write(url: &str, kind: Kind, seed: u64, stop: &AtomicBool) -> Counted {
    let mut session = Session::connect(url).await.unwrap();
    let mut chance = Chance::from(seed);
    let mut own = Own { next: OWN, customers: Vec::new() };
    let mut counted = Counted { transactions: 0, counters: vec![0; 10] };
    while !stop.load(Ordering::Relaxed) {
        let step = 1 + chance.below(9) as usize;
        let statements = statements(&mut chance, &mut own, step);
        commit(&mut session, kind, &statements).await;
        counted.counters[step] +=
            statements.iter().filter(|s| s.starts_with("UPDATE counter")).count() as u64;
        counted.transactions += 1;
        tokio::time::sleep(PACE).await;
    }
    counted.counters[0] = counted.transactions;
    let mark = format!("UPDATE counter SET n = {} WHERE id = 0", counted.transactions);
    commit(&mut session, kind, &[mark]).await;
    counted
}

/// A transaction is made whole or not at all: one that the server gave up (a deadlock, a busy file) is made again.
async fn commit(session: &mut Session, kind: Kind, statements: &[String]) {
    for _ in 0..50 {
        let mut script = vec![begin(kind).to_owned()];
        script.extend_from_slice(statements);
        script.push("COMMIT".to_owned());
        let mut failed = None;
        for statement in &script {
            if let Err(error) = session.execute(statement).await {
                failed = Some(error);
                break;
            }
        }
        let Some(error) = failed else { return };
        println!("the writer tries again: {error:#}");
        // Where the server has rolled back by itself there is nothing to roll back.
        let _ = session.execute("ROLLBACK").await;
    }
    panic!("the writer cannot write: {statements:?}");
}

/// What the writer made itself.
struct Own {
    next: u64,
    customers: Vec<u64>,
}

impl Own {
    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// One transaction. `step`: the counter that it may count in.
fn statements(chance: &mut Chance, own: &mut Own, step: usize) -> Vec<String> {
    // Not to the very end: a range that reaches it would wait for the big transaction's rows behind it.
    let old = 1 + chance.below(u64::from(BASE) - 200);
    let any = if chance.below(2) == 0 { old } else { OWN + 1 + chance.below(own.next - OWN + 1) };
    match chance.below(12) {
        0..4 => vec![format!("UPDATE counter SET n = n + 1 WHERE id = {step}")],
        4 => vec![format!(
            "INSERT INTO items (id, note, qty) VALUES ({}, 'new', {})",
            own.id(),
            chance.below(1000)
        )],
        5 => {
            vec![format!("UPDATE items SET qty = {}, note = 'changed' WHERE id = {any}", chance.below(1000))]
        }
        6 => vec![format!("DELETE FROM items WHERE id = {any}")],
        7 => vec![format!("UPDATE items SET id = {} WHERE id = {any}", own.id())],
        8 => swap(old, 1 + chance.below(u64::from(BASE) - 200), own.id()),
        9 => {
            let customer = own.id();
            own.customers.push(customer);
            let mut all = vec![format!("INSERT INTO customers VALUES ({customer}, 'customer {customer}')")];
            all.extend(
                (0..3).map(|n| format!("INSERT INTO orders VALUES ({}, {customer}, {n}.50)", own.id())),
            );
            all.push(format!("UPDATE counter SET n = n + 1 WHERE id = {step}"));
            all
        }
        10 if own.customers.len() > 20 => {
            let customer = own.customers.swap_remove(chance.below(own.customers.len() as u64) as usize);
            vec![
                format!("UPDATE counter SET n = n + 1 WHERE id = {step}"),
                format!("DELETE FROM orders WHERE customer_id = {customer}"),
                format!("DELETE FROM customers WHERE id = {customer}"),
                format!("UPDATE counter SET n = n + 1 WHERE id = {step}"),
            ]
        }
        // A hundred rows at a time, some of them twice.
        _ => vec![
            format!("UPDATE items SET qty = qty + 1 WHERE id >= {old} AND id < {}", old + 100),
            format!("DELETE FROM items WHERE id >= {} AND id < {}", old + 40, old + 45),
            format!("UPDATE items SET note = 'twice' WHERE id >= {} AND id < {}", old + 30, old + 50),
        ],
    }
}

/// Two rows change their keys with each other, where both are there.
fn swap(a: u64, b: u64, free: u64) -> Vec<String> {
    if a == b {
        return vec![format!("UPDATE items SET qty = 1 WHERE id = {a}")];
    }
    let change = |from, to| format!("UPDATE items SET id = {to} WHERE id = {from}");
    vec![change(a, free), change(b, a), change(free, b)]
}

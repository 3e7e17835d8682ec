//! Two programs that know nothing of tidelock: each changes its own database, and now and then both change the same row.
//!
//! Their new rows cannot collide: one counts in odd numbers, the other in even ones. They meet at fixed times to change the same row, so
//! that there is something to decide.

use super::random::Random;
use super::shop::{self, CUSTOMERS, ORDERS, PRODUCTS};
use rusqlite::{Connection, Result, params};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two transactions of one side.
const PACE: Duration = Duration::from_millis(25);
/// Between two meetings at one row.
const MEETING: Duration = Duration::from_millis(1_700);

/// One database to write to.
pub struct Side {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The file.
    pub file: PathBuf,
    /// 1 for odd ids, 2 for even ones.
    pub first_id: i64,
}

/// Both threads at work.
pub struct Writer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    failed: AtomicBool,
    written: [AtomicU64; 2],
}

impl Writer {
    /// Begins to write at both sides.
    pub fn start(sides: [Side; 2]) -> Writer {
        let shared = Arc::new(Shared::default());
        let began = Instant::now();
        let threads = sides.into_iter().enumerate().map(|(place, side)| {
            let shared = shared.clone();
            std::thread::spawn(move || {
                let done = write(&side, place, began, &shared);
                if done.is_err() {
                    shared.failed.store(true, Ordering::Relaxed);
                }
                done
            })
        });
        let threads = threads.collect();
        Writer { shared, threads }
    }

    /// Transactions written so far.
    pub fn written(&self) -> [u64; 2] {
        [0, 1].map(|i| self.shared.written[i].load(Ordering::Relaxed))
    }

    /// One of them cannot go on; `stop` tells why.
    pub fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Stops both; the transactions written. Blocks for as long as a transaction takes.
    pub fn stop(self) -> anyhow::Result<[u64; 2]> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut first = Ok(());
        for thread in self.threads {
            let done = match thread.join() {
                Ok(done) => done.map_err(anyhow::Error::from),
                Err(_) => Err(anyhow::anyhow!("a writer thread broke")),
            };
            first = first.and(done);
        }
        first?;
        Ok([0, 1].map(|i| self.shared.written[i].load(Ordering::Relaxed)))
    }
}

fn write(side: &Side, place: usize, began: Instant, shared: &Shared) -> Result<()> {
    let mut hand = Hand {
        connection: shop::open(&side.file)?,
        random: Random::new(100 + side.first_id.unsigned_abs()),
        next_customer: CUSTOMERS + side.first_id,
        next_order: ORDERS + side.first_id,
        own_orders: Vec::new(),
    };
    let mut meetings = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        if began.elapsed() >= MEETING * (meetings + 1) {
            meetings += 1;
            hand.meet(i64::from(meetings), side.name)?;
        } else {
            hand.step()?;
        }
        shared.written[place].fetch_add(1, Ordering::Relaxed);
        // Never sleeps over a meeting: both sides are to come at nearly the same moment.
        let until_meeting = (MEETING * (meetings + 1)).saturating_sub(began.elapsed());
        std::thread::sleep(PACE.min(until_meeting));
    }
    Ok(())
}

/// What one side writes with.
struct Hand {
    connection: Connection,
    random: Random,
    next_customer: i64,
    next_order: i64,
    own_orders: Vec<i64>,
}

impl Hand {
    /// One transaction of everyday work.
    fn step(&mut self) -> Result<()> {
        let random = &mut self.random;
        let t = self.connection.transaction()?;
        match random.below(100) {
            0..40 => {
                let id = self.next_order;
                let lines = 1 + random.below(3);
                shop::insert_order(&t, id, 1 + random.below(CUSTOMERS), lines, random)?;
                t.execute(
                    "UPDATE products SET stock = stock - 1, updated_at = ?2 WHERE id = ?1",
                    params![2 + 2 * random.below(PRODUCTS / 2) - id % 2, shop::now()],
                )?;
                self.next_order += 2;
                self.own_orders.push(id);
            }
            40..75 if !self.own_orders.is_empty() => {
                let order = self.own_orders[random.below(self.own_orders.len() as i64) as usize];
                let status = random.pick(&["paid", "packed", "shipped", "delivered"]);
                t.execute(
                    "UPDATE orders SET status = ?2, updated_at = ?3 WHERE id = ?1",
                    params![order, status, shop::now()],
                )?;
            }
            75..85 if self.own_orders.len() > 10 => {
                let order = self.own_orders.remove(0);
                t.execute("DELETE FROM order_lines WHERE order_id = ?1", params![order])?;
                t.execute("DELETE FROM orders WHERE id = ?1", params![order])?;
            }
            _ => {
                shop::insert_customer(&t, self.next_customer, random)?;
                self.next_customer += 2;
            }
        }
        t.commit()
    }

    /// The row that the other side changes too, at nearly the same moment.
    fn meet(&mut self, meeting: i64, name: &str) -> Result<()> {
        let (row, now) = (1 + meeting * 7 % CUSTOMERS, shop::now());
        let t = self.connection.transaction()?;
        if meeting % 3 == 0 {
            let price = format!("{}.{:02}", 1 + self.random.below(200), self.random.below(100));
            let row = 1 + meeting % PRODUCTS;
            t.execute(
                "UPDATE products SET price = ?2, updated_at = ?3 WHERE id = ?1",
                params![row, price, now],
            )?;
        } else {
            let city = format!("{name} #{meeting}");
            t.execute(
                "UPDATE customers SET city = ?2, updated_at = ?3 WHERE id = ?1",
                params![row, city, now],
            )?;
        }
        t.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_write_without_colliding_and_meet() {
        let directory = tempfile::tempdir().unwrap();
        let file = |n: &str| directory.path().join(n);
        shop::create(&file("a.db"), &file("x.db")).unwrap();
        shop::create(&file("b.db"), &file("y.db")).unwrap();
        let writer = Writer::start([
            Side { name: "aa", file: file("a.db"), first_id: 1 },
            Side { name: "bb", file: file("b.db"), first_id: 2 },
        ]);
        let met = |f: &str| {
            let c = shop::open(&file(f)).unwrap();
            c.query_row("SELECT count(*) FROM customers WHERE city LIKE '%#1'", [], |r| r.get::<_, i64>(0))
                .unwrap()
                == 1
        };
        let many = |f: &str| {
            let c = shop::open(&file(f)).unwrap();
            c.query_row("SELECT count(*) FROM orders WHERE id > ?1", [ORDERS], |r| r.get::<_, i64>(0))
                .unwrap()
                > 3
        };
        let end = Instant::now() + Duration::from_secs(60);
        while !["a.db", "b.db"].iter().all(|f| met(f) && many(f)) {
            assert!(Instant::now() < end, "the sides never met");
            std::thread::sleep(Duration::from_millis(20));
        }
        writer.stop().unwrap();
        let new = |f: &str| -> Vec<i64> {
            let c = shop::open(&file(f)).unwrap();
            let mut s = c.prepare("SELECT id FROM orders WHERE id > ?1").unwrap();
            s.query_map([ORDERS], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect()
        };
        assert!(new("a.db").iter().all(|id| id % 2 == 1));
        assert!(new("b.db").iter().all(|id| id % 2 == 0));
    }
}

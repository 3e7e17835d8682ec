//! Everything that reads octets or text from outside, each behind one function that takes anything.
//!
//! A target holds more than "no panic": what was read and printed reads as the same, what was encoded can be read, and no input makes us ask for more memory than a
//! multiple of its size. `cargo x fuzz TARGET` runs one under libFuzzer; the test beside this runs all of them on what is kept: `corpus/` (real octets
//! to begin with) and `found/` (what once broke something, by the name of its hazard).
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod model;
mod room;

pub use room::Counting;

/// One reader.
pub struct Target {
    /// Its name, and that of its folders.
    pub name: &'static str,
    run: fn(&[u8]),
    /// Bytes that it may hold for each octet of input.
    factor: usize,
}

/// What a target may hold whatever its input is: buffers, tables, a thread's first use of something.
const ALWAYS: usize = 256 << 10;

const fn target(name: &'static str, run: fn(&[u8]), factor: usize) -> Target {
    Target { name, run, factor }
}

/// All of them. What is compressed, and a row of which only a few columns were sent, may grow a thousandfold.
pub const TARGETS: &[Target] = &[
    target("postgres-pgoutput", tidelock_postgres::fuzzing::pgoutput, 64),
    target("postgres-text", tidelock_postgres::fuzzing::text, 64),
    target("mysql-events", tidelock_mysql::fuzzing::events, 8192),
    target("mysql-value", tidelock_mysql::fuzzing::value, 64),
    target("mysql-json", tidelock_mysql::fuzzing::json, 64),
    target("mysql-decimal", tidelock_mysql::fuzzing::decimal, 64),
    target("mysql-statement", tidelock_mysql::fuzzing::statement, 256),
    target("mysql-position", tidelock_mysql::fuzzing::position, 256),
    target("model-temporal", model::temporal, 64),
    target("model-batch", model::batch, 1024),
    target("model-json", model::json, 256),
];

/// The target of this name.
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}

impl Target {
    /// Reads `data`; panics where something does not hold.
    pub fn run(&self, data: &[u8]) {
        let (most, may) = (room::most(|| (self.run)(data)), ALWAYS + self.factor * data.len());
        assert!(most <= may, "{} octets made {} hold {most}, more than {may}", data.len(), self.name);
    }
}

//! A drawn table: its key and its columns.

use super::dice::Dice;
use super::literals::value;
use crate::matrix::expect::{Fate, fate, samples};
use crate::matrix::sample::Sample;
use crate::sides::unknown;
use tidelock_testkit::{Family, Kind};

pub struct Drawn {
    pub name: String,
    pub key: Key,
    pub columns: Vec<&'static Sample>,
}

/// What the key is of: its columns are `k`, and `l` where there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Integer,
    Text,
    Two,
    /// Beyond what a signed number of 64 bits holds.
    Unsigned,
    Uuid,
}

impl Drawn {
    /// One of each kind of key, and one more.
    pub fn some(from: Kind, to: Kind, dice: &mut Dice) -> Vec<Drawn> {
        let exact =
            |s: &&Sample| fate(s, from, to) == Fate::Exact && s.native != "ANY" && !s.native.is_empty();
        let exact: Vec<&'static Sample> = samples(from).into_iter().filter(exact).collect();
        let mut keys = vec![Key::Integer, Key::Integer, Key::Text, Key::Two, Key::Unsigned];
        // MySQL has none.
        keys.extend((from != Kind::Mysql97).then_some(Key::Uuid));
        let drawn = keys.into_iter().enumerate().map(|(n, key)| {
            let columns = (0..1 + dice.below(9)).map(|_| *dice.of(&exact)).collect();
            Drawn { name: format!("d{n}"), key, columns }
        });
        drawn.collect()
    }

    pub fn created(&self, from: Kind) -> String {
        let columns = self.columns.iter().enumerate().map(|(i, s)| format!(", c{i} {}", s.native));
        let (declared, key) = self.key.declared(from);
        format!("CREATE TABLE {} ({declared}{}, PRIMARY KEY ({key}))", self.name, columns.collect::<String>())
    }

    pub fn insert(&self, id: usize, from: Kind, to: Kind, dice: &mut Dice) -> String {
        let values = self.columns.iter().map(|s| format!(", {}", value(s, from, to, dice)));
        let key = self.key.literals(id).join(", ");
        format!("INSERT INTO {} VALUES ({key}{})", self.name, values.collect::<String>())
    }
}

impl Key {
    /// Its columns, and their order in the key.
    fn declared(self, from: Kind) -> (String, &'static str) {
        let one = |native: &str| (format!("k {native} NOT NULL"), "k");
        match (self, from.family()) {
            (Key::Integer, _) => one("integer"),
            (Key::Text, _) => one("varchar(40)"),
            (Key::Two, _) => ("k integer NOT NULL, l varchar(20) NOT NULL".to_owned(), "l, k"),
            (Key::Unsigned, Family::Postgres) => one("numeric(20,0)"),
            (Key::Unsigned, Family::Mysql) => one("bigint unsigned"),
            (Key::Unsigned, Family::Sqlite) => one("UNSIGNED_TEXT(20)"),
            (Key::Uuid, Family::Sqlite) => one("UUID_TEXT"),
            (Key::Uuid, _) => one("uuid"),
            (_, other) => unknown(other),
        }
    }

    /// The key of row number `id`.
    fn literals(self, id: usize) -> Vec<String> {
        match self {
            Key::Integer => vec![id.to_string()],
            Key::Text => vec![format!("'Schlüssel \"{id}\" 😀'")],
            Key::Two => vec![(id % 3).to_string(), format!("'{}'", id / 3)],
            Key::Unsigned => vec![format!("'{}'", u64::MAX - id as u64)],
            Key::Uuid => vec![format!("'a0eebc99-9c0b-4ef8-bb6d-{:012x}'", id as u64 * 0x10_0003)],
        }
    }

    pub fn found(self, id: usize) -> String {
        self.assigned(id).join(" AND ")
    }

    pub fn moved(self, id: usize) -> String {
        self.assigned(id).join(", ")
    }

    fn assigned(self, id: usize) -> Vec<String> {
        let literals = self.literals(id).into_iter();
        ["k", "l"].iter().zip(literals).map(|(name, value)| format!("{name} = {value}")).collect()
    }

    /// As one text that is the same everywhere.
    pub fn rendered(self, family: Family) -> String {
        let text = |name: &str| match family {
            Family::Mysql => format!("CAST({name} AS CHAR)"),
            _ => format!("CAST({name} AS TEXT)"),
        };
        match (self, family) {
            (Key::Two, Family::Mysql) => format!("concat({}, '/', l)", text("k")),
            (Key::Two, _) => format!("{} || '/' || l", text("k")),
            _ => text("k"),
        }
    }
}

//! What must be refused: known beforehand, so that a refusal that comes or goes is noticed.

use super::sample::{Class, Hazard, Sample};
use super::{mysql, postgres, sqlite};
use tidelock_testkit::{Family, Kind};

/// All samples of a source.
pub fn samples(kind: Kind) -> Vec<&'static Sample> {
    match kind {
        Kind::Postgres15 | Kind::Postgres18 => postgres::TYPES.iter().collect(),
        Kind::Mysql97 => mysql::TYPES.iter().chain(mysql::MYSQL).collect(),
        Kind::Mariadb1011 => mysql::TYPES.iter().chain(mysql::MARIADB).collect(),
        Kind::Sqlite => sqlite::TYPES.iter().collect(),
    }
}

/// What becomes of all values of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They arrive as they are.
    Exact,
    /// They are converted once the job allows it; without a word `check` refuses.
    Lossy,
    /// `check` refuses.
    Refused,
}

/// What becomes of a type from one database to the other.
pub fn fate(sample: &Sample, from: Kind, to: Kind) -> Fate {
    let foreign = from.family() != to.family() || from.is_mariadb() != to.is_mariadb();
    let vector = sample.native.starts_with("vector");
    let lossy = |lossy| if lossy { Fate::Lossy } else { Fate::Exact };
    match (sample.class, to.family()) {
        (Class::Native, _) => lossy(foreign),
        (Class::Geometry, _) if vector => lossy(foreign),
        (Class::Geometry, to) if to != Family::Mysql => Fate::Refused,
        (Class::Array, _) => lossy(from.family() != to.family()),
        (Class::Any, to) => lossy(to != Family::Sqlite),
        (Class::Bits(0) | Class::Interval | Class::TimeZone, Family::Mysql) => Fate::Lossy,
        _ => Fate::Exact,
    }
}

/// Whether the value is refused when it comes.
pub fn value_is_refused(class: Class, hazard: Hazard, from: Kind, to: Kind) -> bool {
    use Hazard::{
        After9999, BeforeChrist, Infinite, InfiniteNumber, NegativeZero, NoDay, NotANumber, Nul, Plain, Span,
        TwiceNamed, Wide, WideJson,
    };
    match (hazard, to.family()) {
        (Plain, _) => false,
        // It has none itself.
        (NegativeZero, _) if from.is_mariadb() => false,
        (NegativeZero, Family::Mysql) => to.is_mariadb(),
        (_, to) if to == from.family() && class != Class::Json => false,
        (Infinite | BeforeChrist | After9999 | Wide | NotANumber | InfiniteNumber, Family::Mysql) => true,
        (NotANumber, Family::Sqlite) => class == Class::Float,
        (InfiniteNumber, Family::Sqlite) => false,
        (NegativeZero, Family::Sqlite) => true,
        (Nul | NoDay | Span, Family::Postgres) => true,
        // PostgreSQL's json stays json there; all others become jsonb.
        (TwiceNamed, Family::Postgres) => from.family() != Family::Postgres,
        (WideJson | TwiceNamed, Family::Mysql) => !to.is_mariadb(),
        _ => false,
    }
}

/// Whether it can be written by its text at its own kind, once another database made JSON's own text of it: MySQL prints more digits of an SQL value inside of JSON than
/// it reads, and what was `json` at PostgreSQL comes home as `jsonb`.
pub fn comes_home(hazard: Hazard) -> bool {
    !matches!(hazard, Hazard::WideJson | Hazard::TwiceNamed)
}

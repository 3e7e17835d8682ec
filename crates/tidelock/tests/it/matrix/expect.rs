//! What must be refused, and why: known beforehand, so that a refusal that comes or goes, or tells another reason, is noticed.

use super::sample::{Class, Hazard, Sample};
use super::{mysql, postgres, sqlite};
use tidelock_testkit::{Family, Kind};

/// All samples of a source.
pub fn samples(kind: Kind) -> Vec<&'static Sample> {
    match kind {
        Kind::Postgres15 => postgres::samples(),
        Kind::Postgres18 => postgres::samples().into_iter().chain(postgres::POSTGRES_18).collect(),
        Kind::Mysql97 => mysql::samples().into_iter().chain(mysql::MYSQL).collect(),
        Kind::Mariadb1011 => mysql::samples().into_iter().chain(mysql::MARIADB).collect(),
        Kind::Sqlite => sqlite::samples(),
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

/// Why the value is refused when it comes: a phrase of what is told. None where it arrives.
pub fn refusal(class: Class, hazard: Hazard, from: Kind, to: Kind) -> Option<&'static str> {
    use Hazard::{
        After9999, BeforeChrist, Deep, Infinite, InfiniteNumber, InfiniteSpan, NegativeZero, NoDay,
        NotANumber, NotUtf8, Nul, Plain, Span, TwiceNamed, Wide, WideJson,
    };
    Some(match (hazard, to.family()) {
        (Plain, _) => return None,
        (InfiniteSpan, _) => "is not a finite interval",
        (NotUtf8, _) => "that is not UTF-8",
        // It has none itself.
        (NegativeZero, _) if from.is_mariadb() => return None,
        (NegativeZero, Family::Mysql) if to.is_mariadb() => "MariaDB keeps no sign of zero",
        (_, to) if to == from.family() && class != Class::Json => return None,
        (Infinite, Family::Mysql) => "MySQL has no infinite dates",
        (BeforeChrist | After9999, Family::Mysql) => "MySQL's dates end at the years 0 and 9999",
        (Wide, Family::Mysql) => "does not hold it exactly",
        (NotANumber | InfiniteNumber, Family::Mysql) if class == Class::Decimal => "does not hold it exactly",
        (NotANumber | InfiniteNumber, Family::Mysql) => "MySQL has neither NaN nor infinity",
        (NotANumber, Family::Sqlite) if class == Class::Float => "SQLite has no NaN",
        (NegativeZero, Family::Sqlite) => "keeps no sign of zero",
        (Nul, Family::Postgres) => "cannot hold the character NUL",
        (NoDay, Family::Postgres) => "PostgreSQL has no zero",
        (Span, Family::Postgres) => "a time of day is between 00:00 and 24:00",
        // PostgreSQL's json stays json there; all others become jsonb.
        (TwiceNamed, Family::Postgres) if from.family() != Family::Postgres => {
            "jsonb would keep one of the values named"
        }
        (WideJson, Family::Mysql) if !to.is_mariadb() => "MySQL's JSON would not keep the number",
        (TwiceNamed, Family::Mysql) if !to.is_mariadb() => "MySQL's JSON would keep one of the values named",
        // The server's own word: a constraint asks json_valid, which looks at 32 levels.
        (Deep, Family::Mysql) if to.is_mariadb() => "CONSTRAINT",
        _ => return None,
    })
}

/// The same when it comes home from `to`, which may have made another type of its own.
pub fn refusal_at_home(class: Class, hazard: Hazard, from: Kind, to: Kind) -> Option<&'static str> {
    match hazard {
        // It came without the sign.
        Hazard::NegativeZero if from.is_mariadb() => None,
        hazard => refusal(class, hazard, to, from),
    }
}

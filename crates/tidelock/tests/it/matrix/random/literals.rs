//! Literals: of the samples, or drawn where every database of the source's family reads them alike.

use super::dice::Dice;
use crate::matrix::expect::refusal;
use crate::matrix::sample::{Class, Edge, Sample};
use tidelock_testkit::{Family, Kind};

/// A value of the sample, or NULL.
pub fn value(sample: &Sample, from: Kind, to: Kind, dice: &mut Dice) -> String {
    if dice.below(8) == 0 {
        return "NULL".to_owned();
    }
    if dice.below(3) > 0
        && let Some(drawn) = by_chance(sample, from, dice)
    {
        return drawn;
    }
    let fine = |e: &&Edge| refusal(sample.class, e.1, from, to).is_none();
    let values: Vec<&str> = sample.values.iter().filter(fine).map(|e| e.0).collect();
    (*dice.of(&values)).to_owned()
}

/// Where a literal can be drawn that every database of the source's family reads alike.
fn by_chance(sample: &Sample, from: Kind, dice: &mut Dice) -> Option<String> {
    let day = format!("{:04}-{:02}-{:02}", 1000 + dice.below(8999), 1 + dice.below(12), 1 + dice.below(28));
    let clock = format!("{:02}:{:02}:{:02}", dice.below(24), dice.below(60), dice.below(60));
    Some(match (sample.class, sample.native) {
        (Class::Int, "bigint" | "BIGINT" | "INTEGER") => (dice.next() as i64).to_string(),
        (Class::Int, "int" | "integer") => (dice.next() as i32).to_string(),
        (Class::Decimal, "numeric" | "decimal(65,30)") => {
            format!("{}.{:018}", dice.next() as i64, dice.next() % 1_000_000_000_000_000_000)
        }
        (Class::Decimal, "numeric(12,2)" | "decimal(10,2)") => {
            format!("{}.{:02}", dice.next() as i32 % 99_999_999, dice.below(100))
        }
        (Class::Float, "double precision" | "double" | "REAL") => loop {
            let x = f64::from_bits(dice.next());
            if x.is_normal() {
                break format!(
                    "{}{x:e}{}",
                    if from.family() == Family::Postgres { "'" } else { "" },
                    if from.family() == Family::Postgres { "'" } else { "" }
                );
            }
        },
        (Class::Text, "text" | "longtext" | "mediumtext" | "TEXT") => text(dice),
        (Class::Date, _) => format!("'{day}'"),
        (Class::DateTime, _) => format!("'{day} {clock}'"),
        _ => return None,
    })
}

/// Any characters but NUL and what literals take for more than itself.
fn text(dice: &mut Dice) -> String {
    let characters = (0..dice.below(60)).map(|_| {
        let most = [0x7f, 0x7ff, 0xffff, 0x10_ffff][dice.below(4)];
        let c = char::from_u32((1 + dice.next() % most) as u32).unwrap_or('ß');
        if matches!(c, '\'' | '\\') { '"' } else { c }
    });
    format!("'{}'", characters.collect::<String>())
}

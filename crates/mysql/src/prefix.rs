//! Keys whose index looks at the beginning of a column only: `PRIMARY KEY (name(10))`.
//!
//! What differs by its beginning differs as a whole, so at a source such a key tells rows apart. At a target two keys that differ behind the beginning are one to
//! the index: rows are written by the way on which that is an error, and never by one on which the second row takes the first one's place.

use crate::Result;
use crate::catalog::Layout;
use crate::codec::Codec;
use crate::connect::quoted;
use crate::error::{self, protocol};
use crate::read::{Reading, put_value};
use tidelock_model::{Image, Slot};

/// For a key over a text or a blob that no index holds whole.
const WHOLE: u32 = 255;

/// `the first 10 characters of name`.
pub(crate) fn shown(layout: &Layout) -> String {
    let one = |(place, length): (&usize, &u64)| {
        let unit = match layout.columns[*place].codec {
            Codec::Bytes { .. } => "octets",
            _ => "characters",
        };
        format!("the first {length} {unit} of {}", layout.table.columns[*place].name)
    };
    layout.key_prefixes.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// The statement that makes a key over whole columns of it.
pub(crate) fn remedy(layout: &Layout) -> String {
    let columns = &layout.table.columns;
    let mut changes: Vec<String> = layout
        .key_prefixes
        .keys()
        .filter_map(|place| {
            let (name, native) = (quoted(&columns[*place].name), &columns[*place].native);
            let (kind, rest) = native.split_at(native.find(' ').unwrap_or(native.len()));
            let made = match (kind.ends_with("text"), kind.ends_with("blob")) {
                (true, _) => "varchar",
                (_, true) => "varbinary",
                _ => return None,
            };
            Some(format!("MODIFY {name} {made}({WHOLE}){rest} NOT NULL"))
        })
        .collect();
    let key: Vec<String> = layout.table.key.iter().map(|i| quoted(&columns[*i].name)).collect();
    changes.push(format!("DROP PRIMARY KEY, ADD PRIMARY KEY ({})", key.join(", ")));
    format!("ALTER TABLE {} {}", layout.sql_name(), changes.join(", "))
}

/// The condition on what the index takes for the key of `row`.
pub(crate) fn condition(reading: &Reading, row: Image<'_>) -> Result<String> {
    let mut terms = Vec::new();
    for column in &reading.table.key {
        let Slot::Value(value) = row.slot(*column).map_err(error::codec)? else {
            return Err(protocol(format!("a key of {} is not whole", reading.table.name)));
        };
        let mut literal = Vec::new();
        put_value(reading, *column, &value, &mut literal)?;
        let (name, literal) = (&reading.names[*column], String::from_utf8_lossy(&literal));
        terms.push(match reading.layout.key_prefixes.get(&reading.places[*column]) {
            Some(length) => format!("LEFT({name}, {length}) = LEFT({literal}, {length})"),
            None => format!("{name} = {literal}"),
        });
    }
    Ok(terms.join(" AND "))
}

//! Names in SQL: always quoted, letter for letter; and the names of what we make.

use tidelock_model::{Table, TableName};

/// Bytes of a name; the server would cut a longer one in silence.
pub(crate) const LONGEST: usize = 63;
/// Where tables without a schema are.
pub(crate) const DEFAULT_SCHEMA: &str = "public";

/// An identifier in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text literal (`standard_conforming_strings` is pinned).
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(crate) fn schema_of(name: &TableName) -> &str {
    name.schema.as_deref().unwrap_or(DEFAULT_SCHEMA)
}

/// `"schema"."table"`.
pub(crate) fn sql_name(name: &TableName) -> String {
    format!("{}.{}", quoted(schema_of(name)), quoted(&name.name))
}

/// The name in the model of a table in a schema.
pub(crate) fn table_name(schema: &str, name: &str) -> TableName {
    if schema == DEFAULT_SCHEMA { TableName::new(name) } else { TableName::qualified(schema, name) }
}

/// `"a", "b"` of columns by their places.
pub(crate) fn column_list(table: &Table, places: &[usize]) -> String {
    places.iter().map(|i| quoted(&table.columns[*i].name)).collect::<Vec<_>>().join(", ")
}

/// A name of at most 63 bytes: a longer one ends in a hash of the whole.
pub(crate) fn short(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let mut end = LONGEST - 9;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{:08x}", &name[..end], stable_hash(name))
}

/// The name of slot and publication: one for each endpoint and database, as slots of all databases of a server share their names. A hash
/// keeps those apart that the slot's alphabet cannot.
pub(crate) fn capture_name(endpoint: &str, database: &str) -> String {
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' };
    let head: String = endpoint.chars().map(plain).take(40).collect();
    format!("tidelock_{head}_{:08x}", stable_hash(&format!("{endpoint}\0{database}")))
}

/// FNV-1a: the same in every build, as what is stored at a server must be found again.
fn stable_hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_slots_keep_to_their_alphabet_and_stay_apart() {
        assert_ne!(capture_name("Shop", "d"), capture_name("shop", "d"));
        assert_ne!(capture_name("a-b", "d"), capture_name("a_b", "d"));
        assert_ne!(capture_name("a", "d"), capture_name("a", "e"));
        assert_eq!(capture_name("shop", "d"), "tidelock_shop_81de4cbd");
        for name in ["Shop", "käse", &"x".repeat(200), "a.b"] {
            let made = capture_name(name, "d");
            assert!(
                made.len() <= 63
                    && made.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
        }
    }

    #[test]
    fn quoting_keeps_every_letter() {
        assert_eq!(quoted("Wei\"rd"), "\"Wei\"\"rd\"");
        assert_eq!(literal("it's \\"), "'it''s \\'");
        assert!(short(&"ä".repeat(60)).len() <= 63);
    }
}

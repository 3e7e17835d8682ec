use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where the rows of a table are. What moves them as a whole (a partition that is attached, detached, dropped or truncated by itself, a conversion that keeps a column's type)
/// is in no log of row changes, and is seen here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// What holds the rows (the partitions, or the table itself) → the file of each, another one whenever its rows were written anew.
    pub parts: BTreeMap<String, String>,
    /// Those of which the log tells every row, from the first one on.
    #[serde(skip)]
    pub born: BTreeSet<String>,
    /// Of a table that is not partitioned: another one whenever a column was altered. Only then do other rows stand in another file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<String>,
}

/// What became of a table's rows beside what the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Nothing.
    No,
    /// Rows came, or are others.
    Came,
    /// Parts have other files: rows may have gone, and others come.
    Refiled,
    /// Rows went; others may have come.
    Went,
}

impl Stored {
    /// What became of them since they were so.
    pub fn since(&self, before: &Stored) -> Moved {
        if let (Some(now), Some(then)) = (&self.columns, &before.columns) {
            return if now != then && self.parts != before.parts { Moved::Came } else { Moved::No };
        }
        let new = |part: &String| !before.parts.contains_key(part) && !self.born.contains(part);
        if before.parts.keys().any(|part| !self.parts.contains_key(part)) {
            Moved::Went
        } else if before.parts.iter().any(|(part, file)| self.parts.get(part) != Some(file)) {
            Moved::Refiled
        } else if self.parts.keys().any(new) {
            Moved::Came
        } else {
            Moved::No
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(parts: &[(&str, &str)], born: &[&str], columns: Option<&str>) -> Stored {
        Stored {
            parts: parts.iter().map(|(p, f)| (p.to_string(), f.to_string())).collect(),
            born: born.iter().map(|p| p.to_string()).collect(),
            columns: columns.map(str::to_owned),
        }
    }

    #[test]
    fn rows_of_partitions_come_and_go_with_them() {
        let before = stored(&[("a", "1"), ("b", "2")], &[], None);
        for (parts, born, moved) in [
            (&[("a", "1"), ("b", "2")][..], &[][..], Moved::No),
            (&[("a", "1"), ("b", "2"), ("c", "3")], &["c"], Moved::No),
            (&[("a", "1"), ("b", "2"), ("c", "3")], &[], Moved::Came),
            (&[("a", "1")], &[], Moved::Went),
            (&[("a", "1"), ("b", "9")], &["b"], Moved::Refiled),
        ] {
            assert_eq!(stored(parts, born, None).since(&before), moved, "{parts:?}");
        }
    }

    #[test]
    fn a_table_that_was_only_rewritten_or_only_altered_has_the_same_rows() {
        let before = stored(&[("t", "1")], &[], Some("x"));
        for (file, columns, moved) in
            [("1", "x", Moved::No), ("2", "x", Moved::No), ("1", "y", Moved::No), ("2", "y", Moved::Came)]
        {
            assert_eq!(stored(&[("t", file)], &[], Some(columns)).since(&before), moved);
        }
    }
}

//! Cutting a table into ranges of its blocks.
//!
//! Ranges of blocks need no key, no sorting and no index; and whatever moves between two snapshots, the ranges of one snapshot hold each of its rows
//! exactly once: the last one has no end. A table that was rewritten (VACUUM FULL, CLUSTER, pg_repack) has its rows in other blocks, of another file; the chunks of before
//! may then not be read together with those of after, and each tells the file that it was cut from.

use crate::Result;
use crate::catalog::Layout;
use crate::error::{precondition, protocol};
use crate::reading::Reading;
use tidelock_endpoint::Chunk;

/// Rows of a block, of a table that was never analyzed.
const ROWS_OF_A_BLOCK: f64 = 60.0;

/// Which rows a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bounds {
    /// Of a partitioned table, whose blocks are its partitions', and of a view.
    Whole,
    /// Of a file: from a block on, up to another, that one excluded.
    Blocks(u32, u32, Option<u32>),
}

impl Bounds {
    fn text(self) -> String {
        match self {
            Bounds::Whole => "whole".to_owned(),
            Bounds::Blocks(file, from, Some(to)) => format!("{file}:{from}-{to}"),
            Bounds::Blocks(file, from, None) => format!("{file}:{from}-"),
        }
    }

    pub fn parse(text: &str) -> Result<Bounds> {
        let read = || {
            if text == "whole" {
                return Some(Bounds::Whole);
            }
            let (file, blocks) = text.split_once(':')?;
            let (from, to) = blocks.split_once('-')?;
            let to = if to.is_empty() { None } else { Some(to.parse().ok()?) };
            Some(Bounds::Blocks(file.parse().ok()?, from.parse().ok()?, to))
        };
        read().ok_or_else(|| protocol(format!("reading a chunk's bounds: '{text}' is none of this engine's")))
    }

    /// The condition that holds for its rows.
    pub fn condition(self) -> String {
        match self {
            Bounds::Whole | Bounds::Blocks(_, 0, None) => "true".to_owned(),
            Bounds::Blocks(_, from, None) => format!("ctid >= '({from},0)'::tid"),
            Bounds::Blocks(_, from, Some(to)) => {
                format!("ctid >= '({from},0)'::tid AND ctid < '({to},0)'::tid")
            }
        }
    }

    /// The table as the view has it is still in the file that was cut.
    pub fn hold_in(self, layout: &Layout) -> Result<()> {
        match self {
            Bounds::Blocks(file, ..) if file != layout.file => {
                let name = &layout.table.name;
                let message = format!(
                    "reading {name}: it was rewritten since its copy began (VACUUM FULL, CLUSTER, TRUNCATE, ALTER TABLE), and its rows have moved between the parts that are copied and those that are not"
                );
                Err(precondition("TL-PG-REWRITTEN", message)
                    .hint(format!("copy it anew with `tidelock sync --full --tables {name}`")))
            }
            _ => Ok(()),
        }
    }
}

/// Cuts the table into chunks of about `rows` rows.
pub(crate) fn cut(reading: &Reading, rows: u64) -> Vec<Chunk> {
    let layout = &reading.layout;
    let pages = layout.pages.max(1);
    let total = if layout.rows >= 0.0 { layout.rows } else { layout.pages as f64 * ROWS_OF_A_BLOCK };
    let chunk = |number: u64, bounds: Bounds, estimate: f64| Chunk {
        table: reading.table.name.clone(),
        number: number as u32,
        bounds: bounds.text(),
        estimate: estimate as u64,
    };
    if layout.partitioned || layout.view {
        return vec![chunk(0, Bounds::Whole, total)];
    }
    let per_page = (total / pages as f64).max(1.0);
    let step = ((rows as f64 / per_page).ceil() as u64).clamp(1, u64::from(u32::MAX));
    let count = pages.div_ceil(step);
    (0..count)
        .map(|n| {
            let from = (n * step) as u32;
            let end = (n + 1 < count).then(|| ((n + 1) * step) as u32);
            chunk(
                n,
                Bounds::Blocks(layout.file, from, end),
                (step.min(pages - n * step)) as f64 * total / pages as f64,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_back() {
        for bounds in [Bounds::Whole, Bounds::Blocks(16385, 0, Some(7)), Bounds::Blocks(16385, 7, None)] {
            assert_eq!(Bounds::parse(&bounds.text()).unwrap(), bounds);
        }
        for bad in ["", "7", "-", "1-2", "9:7", "9:-", "9:a-b", "9:1-2-3"] {
            assert!(Bounds::parse(bad).is_err(), "{bad}");
        }
    }
}

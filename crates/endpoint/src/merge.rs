//! What engines need when rows are found by key: exactness, and updates laid over whole rows.

use crate::Update;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tidelock_model::{CodecError, Image, Rows, RowsWriter, Slot, Table, canonical_hash};

/// Of `found` the rows whose key is one of `keys`, value for value: a collation may have found others.
pub fn exactly(keys: &Rows, found: &Rows) -> Result<Rows, CodecError> {
    let table = keys.table();
    let mut scratch = Vec::new();
    let wanted =
        keys.images().map(|key| hash(table, key?, &mut scratch)).collect::<Result<HashSet<_>, _>>()?;
    let mut kept = RowsWriter::new(found.table().clone());
    for image in found.images() {
        let image = image?;
        if wanted.contains(&hash(table, image, &mut scratch)?) {
            kept.image(image);
        }
    }
    Ok(kept.take())
}

/// Whole rows in place of updates: for an engine that cannot pass a unique value from one row to another by updates, and puts
/// whole rows in place of the old ones, which all go first.
#[derive(Debug)]
pub struct Merged<'u> {
    /// The keys of the rows that are there, before the update.
    pub keys: Vec<Image<'u>>,
    /// What they become.
    pub rows: Rows,
    /// Updates whose row is not there.
    pub missing: u64,
}

impl<'u> Merged<'u> {
    /// The keys of the rows that the updates speak of, to be read.
    pub fn wanted(table: &Arc<Table>, updates: &[Update<'u>]) -> Rows {
        let mut wanted = RowsWriter::new(table.clone());
        updates.iter().for_each(|update| wanted.image(update.key));
        wanted.take()
    }

    /// Lays the updates over the rows that are `there`.
    pub fn new(table: &Arc<Table>, updates: &[Update<'u>], there: &Rows) -> Result<Merged<'u>, CodecError> {
        let mut scratch = Vec::new();
        let mut found = HashMap::with_capacity(there.len());
        for image in there.images() {
            let image = image?;
            found.insert(hash(table, image, &mut scratch)?, image);
        }
        let mut rows = RowsWriter::new(table.clone());
        let (mut keys, mut missing) = (Vec::with_capacity(updates.len()), 0);
        for update in updates {
            let Some(row) = found.get(&hash(table, update.key, &mut scratch)?) else {
                missing += 1;
                continue;
            };
            keys.push(update.key);
            rows.row(|out| {
                for (old, new) in row.slots().zip(update.set.slots()) {
                    match new? {
                        Slot::NotSent => out.slot(&old?),
                        new => out.slot(&new),
                    }
                }
                Ok::<_, CodecError>(())
            })?;
        }
        Ok(Merged { keys, rows: rows.take(), missing })
    }
}

/// The canonical hash of a row's key.
fn hash(table: &Table, image: Image<'_>, scratch: &mut Vec<u8>) -> Result<u128, CodecError> {
    let mut fault = None;
    let key = table.key.iter().map_while(|i| image.slot(*i).map_err(|e| fault = Some(e)).ok());
    let hash = canonical_hash(key, scratch);
    fault.map_or(Ok(hash), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelock_model::{Column, ImageWriter, TableName, Type, Value};

    fn table() -> Arc<Table> {
        let columns = vec![Column::new("k", Type::text(), "text"), Column::new("v", Type::int(32), "int")];
        let (indexes, foreign_keys) = (Vec::new(), Vec::new());
        Arc::new(Table {
            name: TableName::new("t"),
            columns,
            key: vec![0],
            primary: true,
            indexes,
            foreign_keys,
        })
    }

    fn image(key: &str, value: Option<i64>) -> Vec<u8> {
        let mut buffer = Vec::new();
        let mut image = ImageWriter::new(&mut buffer);
        image.value(&Value::Text(key));
        match value {
            Some(n) => image.value(&Value::Int(n)),
            None => image.not_sent(),
        }
        buffer
    }

    fn rows(images: &[Vec<u8>]) -> Rows {
        let mut writer = RowsWriter::new(table());
        images.iter().for_each(|i| writer.image(Image::from_bytes(i)));
        writer.take()
    }

    #[test]
    fn a_row_that_only_looks_the_same_is_left_out() {
        let found = rows(&[image("a", Some(1)), image("A", Some(2))]);
        let kept = exactly(&rows(&[image("A", None)]), &found).unwrap();
        assert_eq!(
            kept.images().map(|i| i.unwrap().as_bytes().to_vec()).collect::<Vec<_>>(),
            [image("A", Some(2))]
        );
    }

    #[test]
    fn updates_are_laid_over_rows_and_missing_ones_counted() {
        let (old, gone, set) = (image("a", None), image("z", None), image("b", None));
        let [old, gone, set] = [&old, &gone, &set].map(|i| Image::from_bytes(i));
        let updates = [Update { key: old, set }, Update { key: gone, set }];
        let merged = Merged::new(&table(), &updates, &rows(&[image("a", Some(7))])).unwrap();
        assert_eq!((merged.keys.len(), merged.missing), (1, 1));
        assert_eq!(merged.rows.images().next().unwrap().unwrap().as_bytes(), image("b", Some(7)));
    }
}

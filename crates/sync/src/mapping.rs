//! From the source's table to the target's: another name, fewer columns, other column names, another order.
//!
//! One mapping serves snapshot and stream alike, so that a row looks the same whichever way it came. A version of the table that has not all of the columns, or others of
//! which the job may have to know, is told here, by name, rather than mapped by guess.
//! What is done with rows beyond that (`where`, `mask`, `compute`) stands in [`crate::rules`]; a table without rules pays nothing for it.

use crate::Result;
use crate::job::ColumnSelection;
use crate::rules::Rules;
use std::sync::Arc;
use tidelock_endpoint::Stored;
use tidelock_model::{
    CodecError, Column, Image, ImageWriter, Rows, RowsWriter, Slot, Table, Type, converted,
};

/// How rows of one source table become rows of one target table.
#[derive(Clone, Debug)]
pub struct TableMap {
    /// The source's table, its columns as images have them.
    pub source: Arc<Table>,
    /// The target's table.
    pub target: Arc<Table>,
    /// For each target column the source column it comes from; computed columns stand behind these and come from none.
    pub columns: Vec<usize>,
    /// For each target column the type that its values are converted to, by the user's word; mostly none.
    turned: Vec<Option<Type>>,
    /// The source columns that take part, those too that come later.
    taken: ColumnSelection,
    /// Source and target columns stand in the same order, and nothing is converted, masked or computed.
    identity: bool,
    rules: Option<Arc<Rules>>,
    /// Where the source's rows are, if the engine tells.
    pub stored: Option<Arc<Stored>>,
}

impl TableMap {
    /// `columns[i]` is the place in `source` of the i-th column of `target`.
    pub fn new(source: Arc<Table>, target: Arc<Table>, columns: Vec<usize>) -> TableMap {
        assert!(columns.len() <= target.columns.len());
        let identity =
            columns.len() == source.columns.len() && columns.iter().enumerate().all(|(i, c)| i == *c);
        TableMap {
            source,
            target,
            turned: vec![None; columns.len()],
            columns,
            taken: ColumnSelection::All,
            identity,
            rules: None,
            stored: None,
        }
    }

    /// With a filter, masks and computed columns.
    pub fn ruled(mut self, rules: Option<Rules>) -> TableMap {
        let rules = rules.filter(|r| !r.is_empty());
        let computed = rules.as_ref().map_or(0, |r| r.computed.len());
        assert_eq!(self.columns.len() + computed, self.target.columns.len());
        self.identity &= rules.as_ref().is_none_or(Rules::keeps_values);
        self.rules = rules.map(Arc::new);
        self
    }

    /// What is done with rows beyond choosing columns, if anything is.
    pub fn rules(&self) -> Option<&Arc<Rules>> {
        self.rules.as_ref()
    }

    /// Which rows belong to the target, as the job says it; none: all.
    pub fn filter(&self) -> Option<&str> {
        self.rules.as_ref()?.filter.as_ref().map(|f| f.text.as_str())
    }

    /// With values that are converted, for each target column; never those of the key.
    pub fn turning(mut self, turned: Vec<Option<Type>>) -> TableMap {
        assert_eq!(turned.len(), self.columns.len());
        self.identity &= turned.iter().all(Option::is_none);
        self.turned = turned;
        self
    }

    /// The table as it is.
    pub fn unchanged(table: &Arc<Table>) -> TableMap {
        TableMap::new(table.clone(), table.clone(), (0..table.columns.len()).collect())
    }

    /// What becomes of the table, in short: the target's name, and for each of its columns the source's. A hash; equal for equal mappings.
    pub fn shape(&self) -> String {
        let mut text = self.target.name.to_string();
        for (to, from) in self.target.columns.iter().zip(&self.columns) {
            let from = &self.source.columns[*from];
            text += &format!("\0{}\0{}\0{:?}", to.name, from.name, from.number);
        }
        for (place, becomes) in self.turned.iter().enumerate() {
            if let Some(becomes) = becomes {
                text += &format!("\0{place}\0{becomes:?}");
            }
        }
        text += &self.rules.as_ref().map_or_else(String::new, |r| r.shape());
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
    }

    /// Of the source's columns only these take part, those too that come later.
    pub fn taking(mut self, taken: ColumnSelection) -> TableMap {
        self.taken = taken;
        self
    }

    /// The same mapping for another version of the source's table; else what is in the way. The columns that take part must be the same by name and type; order
    /// may differ.
    pub fn for_version(&self, version: &Arc<Table>) -> std::result::Result<TableMap, String> {
        let mut differ = Vec::new();
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in self.columns.iter().map(|place| &self.source.columns[*place]) {
            match version.column(&column.name) {
                None => differ.push(format!("changes come without column {}", column.name)),
                Some(place) if version.columns[place].data_type != column.data_type => {
                    let native = &version.columns[place].native;
                    differ
                        .push(format!("column {} was {} and comes as {native}", column.name, column.native));
                }
                Some(place) if another(&version.columns[place], column) => {
                    differ.push(format!("column {} is another one of that name", column.name));
                }
                Some(place) => columns.push(place),
            }
        }
        let new = version.columns.iter().filter(|c| self.source.column(&c.name).is_none());
        let new = new.filter(|c| self.taken.takes(&c.name));
        differ.extend(new.map(|c| format!("changes come with column {}", c.name)));
        if !differ.is_empty() {
            return Err(differ.join(", "));
        }
        let rules = self.rules.as_ref().map(|r| r.at(version)).transpose()?;
        let map = TableMap::new(version.clone(), self.target.clone(), columns);
        Ok(map.turning(self.turned.clone()).taking(self.taken.clone()).ruled(rules))
    }

    /// The key of a row of another version, as [`TableMap::source`] has its columns: everything else is not sent. `None`: the key has other columns there.
    pub fn key_of_version(&self, version: &Table, image: Image<'_>) -> Result<Option<Vec<u8>>> {
        let mut out = Vec::new();
        let mut writer = ImageWriter::new(&mut out);
        for (place, column) in self.source.columns.iter().enumerate() {
            if !self.source.key.contains(&place) {
                writer.not_sent();
                continue;
            }
            let there =
                version.columns.iter().position(|c| c.name == column.name && c.data_type == column.data_type);
            match there.map(|place| image.slot(place)).transpose()? {
                Some(slot @ Slot::Value(_)) => writer.slot(&slot),
                Some(Slot::NotSent) | None => return Ok(None),
            }
        }
        Ok(Some(out))
    }

    /// Writes the target's row for a source row, at the end of `out`; whether the row belongs to the target is another question.
    pub fn map(&self, image: Image<'_>, out: &mut Vec<u8>) -> Result<()> {
        if self.identity {
            out.extend_from_slice(image.as_bytes());
            return Ok(());
        }
        if self.rules.is_some() {
            return self.map_slots(&self.slots(image)?, out);
        }
        let mut slots: Vec<&[u8]> = Vec::with_capacity(self.source.columns.len());
        let mut walk = image.slots();
        while let Some(slot) = walk.next_raw() {
            slots.push(slot?);
        }
        let mut writer = ImageWriter::new(out);
        let mut scratch = String::new();
        for (column, turned) in self.columns.iter().zip(&self.turned) {
            let slot = *slots.get(*column).ok_or(CodecError::Short("a row image"))?;
            match turned {
                None => writer.raw(slot),
                Some(becomes) => match Image::from_bytes(slot).slot(0)? {
                    Slot::Value(value) => writer.value(&converted(value, becomes, &mut scratch)),
                    Slot::NotSent => writer.not_sent(),
                },
            }
        }
        Ok(())
    }

    /// The columns of a source row.
    pub fn slots<'a>(&self, image: Image<'a>) -> Result<Vec<Slot<'a>>> {
        let mut slots = Vec::with_capacity(self.source.columns.len());
        for slot in image.slots() {
            slots.push(slot?);
        }
        Ok(slots)
    }

    /// As [`TableMap::map`], for a row that is taken apart already.
    pub fn map_slots(&self, slots: &[Slot<'_>], out: &mut Vec<u8>) -> Result<()> {
        let mut writer = ImageWriter::new(out);
        let mut scratch = String::new();
        let masks = self.rules.as_ref().map_or(&[][..], |r| &r.masks);
        for (place, column) in self.columns.iter().enumerate() {
            let slot = slots.get(*column).ok_or(CodecError::Short("a row image"))?;
            let mask = masks.get(place).and_then(Option::as_ref);
            match (slot, mask, &self.turned[place]) {
                (Slot::NotSent, ..) => writer.not_sent(),
                (Slot::Value(value), Some(mask), _) => mask.write(value, &mut writer, &mut scratch),
                (Slot::Value(value), None, Some(becomes)) => {
                    writer.value(&converted(*value, becomes, &mut scratch));
                }
                (Slot::Value(value), None, None) => writer.value(value),
            }
        }
        match &self.rules {
            Some(rules) => rules.compute(&self.source, slots, &mut writer),
            None => Ok(()),
        }
    }

    /// Writes the target's key for a source row, every other column as not sent, at the end of `out`.
    pub fn key_slots(&self, slots: &[Slot<'_>], out: &mut Vec<u8>) {
        let mut writer = ImageWriter::new(out);
        for place in 0..self.target.columns.len() {
            match self.columns.get(place).and_then(|c| slots.get(*c)) {
                Some(slot) if self.target.key.contains(&place) => writer.slot(slot),
                _ => writer.not_sent(),
            }
        }
    }

    /// Maps whole rows, those that belong to the target; without copying where nothing changes but the table.
    pub fn rows(&self, rows: Rows) -> Result<Rows> {
        let filter = self.rules.as_ref().filter(|r| r.filter.is_some());
        if self.identity && filter.is_none() {
            return Ok(rows.of(self.target.clone()));
        }
        let mut writer = RowsWriter::new(self.target.clone());
        let mut scratch = Vec::new();
        for image in rows.images() {
            let image = image?;
            scratch.clear();
            match filter {
                None => self.map(image, &mut scratch)?,
                Some(rules) => {
                    let slots = self.slots(image)?;
                    if rules.keeps(&self.source, &slots)? == Some(false) {
                        continue;
                    }
                    self.map_slots(&slots, &mut scratch)?;
                }
            }
            writer.image(Image::from_bytes(&scratch));
        }
        Ok(writer.take())
    }

    /// The source's key image for a target image: key slots filled, everything else not sent.
    pub fn source_key(&self, target_image: Image<'_>) -> Result<Vec<u8>> {
        let slots = target_image.slots().collect::<std::result::Result<Vec<_>, _>>()?;
        let mut out = Vec::new();
        let mut writer = ImageWriter::new(&mut out);
        for source in 0..self.source.columns.len() {
            let target = self.columns.iter().position(|c| *c == source);
            match target.filter(|t| self.target.key.contains(t)).and_then(|t| slots.get(t)) {
                Some(slot) => writer.slot(slot),
                None => writer.not_sent(),
            }
        }
        Ok(out)
    }
}

/// Both are of one name, and not the same column of their table.
fn another(one: &Column, other: &Column) -> bool {
    one.number.zip(other.number).is_some_and(|(one, other)| one != other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelock_model::{TableName, Value};

    fn table(name: &str, columns: &[&str]) -> Arc<Table> {
        Arc::new(Table {
            name: TableName::new(name),
            columns: columns.iter().map(|c| Column::new(*c, Type::int(64), "bigint")).collect(),
            key: vec![0],
            primary: true,
            indexes: vec![],
            foreign_keys: vec![],
        })
    }

    fn row(values: &[i64]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = ImageWriter::new(&mut out);
        values.iter().for_each(|v| writer.value(&Value::Int(*v)));
        out
    }

    #[test]
    fn columns_are_chosen_and_reordered_whatever_the_versions_order() {
        let map = TableMap::new(table("a", &["id", "x", "y"]), table("b", &["id", "y2"]), vec![0, 2]);
        let mut out = Vec::new();
        map.map(Image::from_bytes(&row(&[1, 2, 3])), &mut out).unwrap();
        assert_eq!(out, row(&[1, 3]));
        let other = map.for_version(&table("a", &["y", "x", "id"])).unwrap();
        out.clear();
        other.map(Image::from_bytes(&row(&[3, 2, 1])), &mut out).unwrap();
        assert_eq!(out, row(&[1, 3]));
        let key = map.source_key(Image::from_bytes(&row(&[7, 8]))).unwrap();
        let slots: Vec<_> = Image::from_bytes(&key).slots().map(|s| s.unwrap()).collect();
        assert_eq!(slots, [Slot::Value(Value::Int(7)), Slot::NotSent, Slot::NotSent]);
    }

    #[test]
    fn a_column_that_came_or_went_is_told_by_name() {
        let map = TableMap::new(table("a", &["id", "x"]), table("a", &["id", "x"]), vec![0, 1]);
        let error = map.for_version(&table("a", &["id", "z"])).unwrap_err();
        assert!(error.contains("without column x") && error.contains("with column z"), "{error}");
    }
}

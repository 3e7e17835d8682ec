//! What a table's mapping does with a row beyond choosing columns: `where`, `mask` and `compute`.
//!
//! Everything is decided from one image alone, so that snapshot, stream and comparison cannot differ. An image that lacks columns may leave a question open: then the answer is
//! "unknown", never a guess, and whoever asked reads the row at the source.

use crate::expression::{Expression, Kind, Sent, as_value};
use crate::mask::Masking;
use crate::{Result, SyncError};
use tidelock_model::{ImageWriter, Slot, Table};

/// The rules of one table. Masks and computed columns are those of the target's columns: first come the copied ones, each with a mask or none, then the computed ones.
#[derive(Debug, Default)]
pub struct Rules {
    /// Only rows for which this holds are at the target.
    pub filter: Option<Expression>,
    /// For each copied column its mask.
    pub masks: Vec<Option<Masking>>,
    /// The computed columns.
    pub computed: Vec<Computed>,
}

/// A column that only the target has.
#[derive(Debug)]
pub struct Computed {
    /// Its name there.
    pub name: String,
    /// What it is.
    pub expression: Expression,
    /// What that gives, if it is not NULL.
    pub kind: Kind,
}

impl Rules {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.filter.is_none() && self.keeps_values()
    }

    /// A row that stays is as it was.
    pub fn keeps_values(&self) -> bool {
        self.computed.is_empty() && self.masks.iter().all(Option::is_none)
    }

    /// The same for another version of the source's table; else what does not fit.
    pub fn at(&self, version: &Table) -> std::result::Result<Rules, String> {
        let at = |expression: &Expression| {
            let misfit = |fault| format!("`{}` does not fit any more: {fault}", expression.text);
            expression.at(version).map_err(misfit)
        };
        let computed = |c: &Computed| {
            Ok::<_, String>(Computed { name: c.name.clone(), expression: at(&c.expression)?, kind: c.kind })
        };
        Ok(Rules {
            filter: self.filter.as_ref().map(at).transpose()?,
            masks: self.masks.clone(),
            computed: self.computed.iter().map(computed).collect::<std::result::Result<_, _>>()?,
        })
    }

    /// Whether a row with these columns belongs to the target; `None` where one is not sent that the answer needs. `table` is the source's.
    pub fn keeps(&self, table: &Table, slots: &[Slot<'_>]) -> Result<Option<bool>> {
        let Some(filter) = &self.filter else { return Ok(Some(true)) };
        if filter.sent(slots) != Sent::All {
            return Ok(None);
        }
        filter.holds(slots).map(Some).map_err(|fault| failed(table, slots, "where", &filter.text, &fault))
    }

    /// Whether a computed column cannot be told from these columns, although one that it is made of may have changed.
    pub fn leaves_open(&self, slots: &[Slot<'_>]) -> bool {
        self.computed.iter().any(|c| c.expression.sent(slots) == Sent::Some)
    }

    /// Writes the computed columns; one none of whose own columns was sent is not sent either.
    pub fn compute(&self, table: &Table, slots: &[Slot<'_>], out: &mut ImageWriter<'_>) -> Result<()> {
        for column in &self.computed {
            let expression = &column.expression;
            if expression.sent(slots) != Sent::All {
                out.not_sent();
                continue;
            }
            expression
                .evaluate(slots, |value| as_value(value, column.kind, |v| out.value(v)))
                .map_err(|fault| failed(table, slots, &column.name, &expression.text, &fault))?;
        }
        Ok(())
    }

    /// For people, one each; `target` is the table at the target.
    pub fn told(&self, target: &Table) -> Vec<String> {
        let filter = self.filter.iter().map(|f| format!("where: {}", f.text));
        let masks = target.columns.iter().zip(&self.masks);
        let masks = masks.filter_map(|(c, mask)| Some(format!("{}: {}", c.name, mask.as_ref()?.name())));
        let computed = self.computed.iter().map(|c| format!("{} = {}", c.name, c.expression.text));
        filter.chain(masks).chain(computed).collect()
    }

    /// Tells these rules from others.
    pub fn shape(&self) -> String {
        let mut text = String::new();
        if let Some(filter) = &self.filter {
            text += &format!("\0where\0{}", filter.text);
        }
        for (place, mask) in self.masks.iter().enumerate() {
            if let Some(mask) = mask {
                text += &format!("\0mask\0{place}\0{}", mask.shape());
            }
        }
        for column in &self.computed {
            text += &format!("\0compute\0{}\0{}\0{:?}", column.name, column.expression.text, column.kind);
        }
        text
    }
}

fn failed(table: &Table, slots: &[Slot<'_>], what: &str, text: &str, fault: &str) -> SyncError {
    let key = table.key.iter().map(|place| {
        let name = &table.columns[*place].name;
        match slots.get(*place) {
            Some(Slot::Value(value)) => format!("{name}={value}"),
            _ => format!("{name}=(not sent)"),
        }
    });
    let key: Vec<String> = key.collect();
    let message = format!(
        "table {}, row {}: `{what}: {text}` cannot be decided: {fault}; say in the expression what becomes of such a row (of NULL by `column != null && …`), or change the row",
        table.name,
        key.join(", ")
    );
    SyncError::stopped("TL-SYNC-EXPRESSION", message)
}

use std::sync::Arc;
use tidelock_model::Table;

/// What is to be changed at a table of the target, so that it holds what the source's table holds by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// The target's table as it shall be, as far as it is written.
    pub table: Arc<Table>,
    /// One for each column, in this order.
    pub changes: Vec<ColumnChange>,
}

/// What becomes of one column. Places are those of [`Alteration::table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnChange {
    /// It is made, as in a table that is made; but NULL is allowed where there is no constant default for the rows that are there.
    Add(usize),
    /// It gets the type that would be made for it now; its values are converted by the server.
    Retype(usize),
    /// This column has another name now.
    Rename {
        /// The name that it has.
        from: String,
        /// The name that it gets.
        to: String,
    },
    /// NULL is allowed in this column: nothing writes it any more.
    Relax(String),
    /// This column is dropped, with its values.
    Drop(String),
}

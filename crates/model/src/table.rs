use crate::Type;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A table's name inside its endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// The schema, where it is not the endpoint's default one (PostgreSQL `public`, the connected MySQL database, SQLite `main`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The name, letter for letter.
    pub name: String,
}

impl TableName {
    /// A table of the default schema.
    pub fn new(name: impl Into<String>) -> Self {
        TableName { schema: None, name: name.into() }
    }

    /// A table of a named schema.
    pub fn qualified(schema: impl Into<String>, name: impl Into<String>) -> Self {
        TableName { schema: Some(schema.into()), name: name.into() }
    }
}

/// As the config writes it: `name`, or `schema.name`.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

/// A table as it was at one moment: an engine's catalogue in neutral terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// Its columns; images follow this order.
    pub columns: Vec<Column>,
    /// What tells rows apart: places in `columns`, in key order. The primary key, else a unique index whose columns are
    /// all NOT NULL; empty when there is neither.
    pub key: Vec<usize>,
    /// The key is a declared primary key.
    pub primary: bool,
    /// Further indexes, the key's own excepted.
    pub indexes: Vec<Index>,
    /// References to other tables.
    pub foreign_keys: Vec<ForeignKey>,
}

impl Table {
    /// The place of a column by its exact name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// The table as rows and changes carry it: without generated columns. Indexes, keys and references over such columns fall away.
    pub fn without_generated(&self) -> Table {
        let place = |c: &usize| {
            let before = self.columns[..*c].iter().filter(|c| c.generated).count();
            (!self.columns[*c].generated).then_some(c - before)
        };
        let places = |columns: &[usize]| columns.iter().map(place).collect::<Option<Vec<_>>>();
        let index = |i: &Index| Some(Index { columns: places(&i.columns)?, ..i.clone() });
        let reference = |f: &ForeignKey| Some(ForeignKey { columns: places(&f.columns)?, ..f.clone() });
        Table {
            name: self.name.clone(),
            columns: self.columns.iter().filter(|c| !c.generated).cloned().collect(),
            key: places(&self.key).unwrap_or_default(),
            primary: self.primary,
            indexes: self.indexes.iter().filter_map(index).collect(),
            foreign_keys: self.foreign_keys.iter().filter_map(reference).collect(),
        }
    }

    /// The key's columns, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|i| &self.columns[*i])
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, letter for letter.
    pub name: String,
    /// What may stand in it.
    #[serde(rename = "type")]
    pub data_type: Type,
    /// The type as its engine spells it, such as `numeric(10,2)` or `int unsigned`.
    pub native: String,
    /// NULL is allowed.
    pub nullable: bool,
    /// What stands there when nothing is given.
    pub default: Option<ColumnDefault>,
    /// The engine computes it from other columns; it is never written.
    pub generated: bool,
    /// The engine's own number of it, where it has one that no other column of the table ever gets, under whatever name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
}

impl Column {
    /// A nullable column without a default.
    pub fn new(name: impl Into<String>, data_type: Type, native: impl Into<String>) -> Self {
        Column {
            name: name.into(),
            data_type,
            native: native.into(),
            nullable: true,
            default: None,
            generated: false,
            number: None,
        }
    }
}

/// A column's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnDefault {
    /// A constant, as plain text without quotes: `0`, `pending`, `2024-01-01`, `true`. To be read as the column's type.
    Literal(String),
    /// The current date, time or timestamp, after the column's type.
    Now,
    /// The next number: serial, identity, AUTO_INCREMENT, SQLite rowid keys.
    AutoIncrement,
    /// An expression that only its own engine can read.
    Expression {
        /// The engine, by name.
        engine: String,
        /// The expression as that engine prints it.
        sql: String,
    },
}

/// An index over plain columns. Indexes over expressions, partial and special ones are not part of the model: engines tell of them in a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Places in the table's columns, in index order.
    pub columns: Vec<usize>,
    /// No two rows with the same values.
    pub unique: bool,
}

/// A reference to another table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Its name; may be empty where the engine has none.
    pub name: String,
    /// Places in the table's columns.
    pub columns: Vec<usize>,
    /// The table referred to.
    pub references: TableName,
    /// The columns there, by name, in the same order.
    pub referenced_columns: Vec<String>,
    /// When the row referred to is deleted.
    pub on_delete: ReferentialAction,
    /// When its key changes.
    pub on_update: ReferentialAction,
}

/// What a foreign key does when the row referred to goes or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferentialAction {
    /// Refuse (at the end of the statement or transaction).
    NoAction,
    /// Refuse at once.
    Restrict,
    /// Delete or change along.
    Cascade,
    /// Set to NULL.
    SetNull,
    /// Set to the default.
    SetDefault,
}

impl ReferentialAction {
    /// The action as SQL:2016 spells it.
    pub fn sql(self) -> &'static str {
        match self {
            ReferentialAction::NoAction => "NO ACTION",
            ReferentialAction::Restrict => "RESTRICT",
            ReferentialAction::Cascade => "CASCADE",
            ReferentialAction::SetNull => "SET NULL",
            ReferentialAction::SetDefault => "SET DEFAULT",
        }
    }
}

//! What the tables in the log look like: TABLE_MAP events held against the catalogue.
//!
//! The log tells how columns are stored, and with `binlog_row_metadata=FULL` also their names, signs and labels. What it does not tell comes from the
//! catalogue **as it is when the table is first met**, which may be later than the event. So the two are compared; where they differ the rows cannot be read, and
//! all that is told of them is that they changed (`Operation::Rewrite`). What cannot be seen in the log without FULL metadata, such as a renamed column, is told so
//! when the statement that changed it comes by, if rows before it were read with the later definition.

use crate::binlog::statement::{Doubt, Statement, same};
use crate::binlog::subject::Named;
use crate::binlog::table_map::{TableMap, Wire, table_id};
use crate::catalog::{Layout, MISSING, describe_one};
use crate::charset::Charset;
use crate::codec::{Codec, Fault};
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::error::{precondition, protocol};
use crate::places::head;
use crate::position::Place;
use crate::{CHECKPOINT_TABLE, Result};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use tidelock_model::{Column, Table, TableName, Type};

/// A table that is followed, as the log stores its rows.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// As rows and changes carry it: without generated columns.
    pub table: Arc<Table>,
    /// All columns in the log; one without a codec is in no image.
    pub columns: Vec<(Wire, Option<Codec>)>,
    /// For each column of `table` its place in the log.
    pub logged: Vec<usize>,
    /// It is our checkpoint table: its images hold the origin alone.
    pub own: bool,
    /// What is in the catalogue is not what the rows were written by.
    pub unreadable: bool,
}

/// The column of our own table that holds an origin, in every version of it.
const ORIGIN: usize = 3;

struct Known {
    layout: Layout,
    /// As rows and changes carry it.
    table: Arc<Table>,
    /// The end of the log when the catalogue was read.
    loaded: Place,
    /// Rows were decoded whose table map told no names.
    used_unnamed: bool,
}

type Key = (String, String);

/// The tables that are followed.
pub(crate) struct Definitions {
    config: Config,
    /// Kept while tables come, see [`Definitions::rest`].
    session: Option<Session>,
    fold: bool,
    wanted: HashMap<Key, TableName>,
    known: HashMap<Key, Known>,
    /// By number, with the event that gave it.
    numbers: HashMap<u64, (Vec<u8>, Option<Arc<Mapped>>)>,
}

impl Definitions {
    pub fn new(config: &Config, tables: &[TableName], fold: bool) -> Definitions {
        let mut definitions = Definitions {
            config: config.clone(),
            session: None,
            fold,
            wanted: HashMap::new(),
            known: HashMap::new(),
            numbers: HashMap::new(),
        };
        let own = TableName::new(CHECKPOINT_TABLE);
        for name in tables.iter().chain(std::iter::once(&own)) {
            let schema = name.schema.as_deref().unwrap_or(&config.database);
            definitions.wanted.insert(definitions.key(schema, &name.name), name.clone());
        }
        definitions
    }

    /// Nothing comes for now: a connection that is kept would grow old.
    pub fn rest(&mut self) {
        self.session = None;
    }

    fn key(&self, schema: &str, table: &str) -> Key {
        match self.fold {
            true => (schema.to_lowercase(), table.to_lowercase()),
            false => (schema.to_owned(), table.to_owned()),
        }
    }

    /// The table behind a number, `None` for one that is not followed.
    pub fn numbered(&self, number: u64) -> std::result::Result<Option<&Arc<Mapped>>, Fault> {
        let found = self.numbers.get(&number).ok_or(Fault::new("rows of a table that was not announced"))?;
        Ok(found.1.as_ref())
    }

    /// Numbers are given anew in every file.
    pub fn forget_numbers(&mut self) {
        self.numbers.clear();
    }

    /// Takes a TABLE_MAP event.
    pub async fn announce(&mut self, event: &[u8]) -> Result<()> {
        let at = |fault: Fault| protocol(format!("reading a table map: {}", fault.0));
        let number = table_id(event).map_err(at)?;
        if self.numbers.get(&number).is_some_and(|(known, _)| known == event) {
            return Ok(());
        }
        let (schema, table) = TableMap::names(event).map_err(at)?;
        let key = self.key(&String::from_utf8_lossy(schema), &String::from_utf8_lossy(table));
        let mapped = match self.wanted.contains_key(&key) {
            true => {
                let map = TableMap::parse(event).map_err(at)?;
                Some(if key.1 == CHECKPOINT_TABLE {
                    Arc::new(own(&map)?)
                } else {
                    self.map(&key, &map).await?
                })
            }
            false => None,
        };
        self.numbers.insert(number, (event.to_vec(), mapped));
        Ok(())
    }

    async fn map(&mut self, key: &Key, map: &TableMap) -> Result<Arc<Mapped>> {
        let fresh = !self.known.contains_key(key);
        let mut compared = self.compared(key, map).await?;
        if compared.is_err() && !fresh {
            self.known.remove(key);
            compared = self.compared(key, map).await?;
        }
        if let (Some(known), None) = (self.known.get_mut(key), &map.names) {
            known.used_unnamed = true;
        }
        Ok(Arc::new(compared.unwrap_or_else(|what| {
            tracing::warn!(
                table = map.table,
                what,
                "rows in the log are not those of the table in the catalogue"
            );
            // The next look may find what comes later in the log.
            self.known.remove(key);
            self.unreadable(key)
        })))
    }

    async fn compared(&mut self, key: &Key, map: &TableMap) -> Result<std::result::Result<Mapped, String>> {
        match self.known(key).await {
            Ok(known) => Ok(mapped(known, map)),
            Err(error) if error.code == MISSING => Ok(Err(error.message)),
            Err(error) => Err(error),
        }
    }

    fn unreadable(&self, key: &Key) -> Mapped {
        Mapped { table: self.bare(key), columns: vec![], logged: vec![], own: false, unreadable: true }
    }

    /// The table's name, for what is told of it as a whole.
    pub fn bare(&self, key: &Key) -> Arc<Table> {
        let name = self.wanted.get(key).cloned().unwrap_or_else(|| TableName::new(key.1.clone()));
        Arc::new(Table {
            name,
            columns: vec![],
            key: vec![],
            primary: false,
            indexes: vec![],
            foreign_keys: vec![],
        })
    }

    async fn known(&mut self, key: &Key) -> Result<&Known> {
        if !self.known.contains_key(key) {
            let known = self.look(key).await?;
            self.known.insert(key.clone(), known);
        }
        self.known.get(key).ok_or_else(|| protocol("a table that is not followed"))
    }

    async fn look(&mut self, key: &Key) -> Result<Known> {
        let name = self.wanted.get(key).ok_or_else(|| protocol("a table that is not followed"))?.clone();
        let session = match &mut self.session {
            Some(session) => session,
            None => self.session.insert(Session::connect(&self.config, Purpose::Look).await?),
        };
        let layout = describe_one(session, &self.config.database, &name).await?;
        let loaded = head(session).await?.place;
        let table = Arc::new(layout.table.without_generated());
        Ok(Known { layout, table, loaded, used_unnamed: false })
    }

    /// The followed tables that a statement speaks of (ours excepted).
    pub fn named(&self, statement: &Statement, schema: &[u8]) -> Vec<Key> {
        if let Some(subjects) = statement.subjects() {
            return self.meant(&subjects, schema);
        }
        let named = |key: &&Key| {
            statement.names(&key.0, &key.1, schema, self.fold)
                || statement.calls_into(&key.0, schema, self.fold)
        };
        self.followed().filter(named).cloned().collect()
    }

    /// The followed tables whose rows a statement takes away or writes anew, and whether they are still there under their keys.
    pub fn replaced(&self, statement: &Statement, schema: &[u8]) -> (Vec<Key>, bool) {
        let replaced = statement.replaces();
        if let Some(schema) = &replaced.schema {
            return (self.followed().filter(|key| self.same(schema, &key.0)).cloned().collect(), false);
        }
        (self.meant(&replaced.tables, schema), replaced.kept)
    }

    /// Ours excepted.
    fn followed(&self) -> impl Iterator<Item = &Key> {
        self.wanted.keys().filter(|key| key.1 != CHECKPOINT_TABLE)
    }

    fn same(&self, a: &str, b: &str) -> bool {
        same(a, b, self.fold)
    }

    /// The followed tables among these; `schema`: where names without one are.
    fn meant(&self, tables: &[Named], schema: &[u8]) -> Vec<Key> {
        let default = String::from_utf8_lossy(schema);
        let table = |key: &&Key| {
            tables.iter().any(|(schema, table)| {
                self.same(schema.as_deref().unwrap_or(&default), &key.0) && self.same(table, &key.1)
            })
        };
        self.followed().filter(table).cloned().collect()
    }

    /// A followed table that a statement may name without our seeing it.
    pub fn unseen(&self, statement: &Statement) -> Option<&Key> {
        self.followed().find(|key| match statement.doubt {
            Doubt::None => false,
            Doubt::Names => !key.0.is_ascii() || !key.1.is_ascii(),
            Doubt::Words => true,
        })
    }

    /// The table as it is, for what comes without a table map.
    pub async fn table(&mut self, key: &Key) -> Result<Arc<Table>> {
        Ok(self.known(key).await?.table.clone())
    }

    /// A statement at `at` may have changed these tables: the next table map decides. Answers those of which rows before it were read by the later definition, though it gave
    /// their columns another meaning.
    pub fn changed(&mut self, keys: &[Key], statement: &Statement, at: &Place) -> Vec<Key> {
        let mut misread = Vec::new();
        for key in keys {
            let Some(known) = self.known.remove(key) else { continue };
            let later = at.compare(&known.loaded) == Some(Ordering::Less);
            if known.used_unnamed && later && statement.changes_meaning() {
                misread.push(key.clone());
            }
        }
        if !keys.is_empty() {
            self.numbers.clear();
        }
        misread
    }
}

/// The catalogue's table with the log's way of storing it, or what differs.
fn mapped(known: &Known, map: &TableMap) -> std::result::Result<Mapped, String> {
    let layout = &known.layout;
    let columns = &layout.table.columns;
    if columns.len() != map.columns.len() {
        return Err(format!("{} columns in the log, {} in the catalogue", map.columns.len(), columns.len()));
    }
    if let Some(names) = &map.names {
        let differ = columns.iter().zip(names).find(|(c, n)| c.name != **n);
        if let Some((column, name)) = differ {
            return Err(format!("column {name} in the log is {} in the catalogue", column.name));
        }
    }
    let mut unsigned = map.unsigned.iter().flatten();
    let mut enums = map.enum_labels.iter().flatten();
    let mut sets = map.set_labels.iter().flatten();
    let mut stored = Vec::with_capacity(columns.len());
    for ((column, layout), wire) in columns.iter().zip(&layout.columns).zip(&map.columns) {
        if !column.generated && !wire.suits(&layout.codec, layout.room.octets) {
            return Err(format!(
                "column {} is {wire:?} in the log and {} in the catalogue",
                column.name, column.native
            ));
        }
        let number = matches!(wire, Wire::Int(_) | Wire::Float | Wire::Double | Wire::Decimal { .. });
        if number
            && let Some(unsigned) = unsigned.next()
            && let Codec::Int { unsigned: declared, .. } = layout.codec
            && *unsigned != declared
        {
            return Err(format!("column {} has another sign in the log", column.name));
        }
        let labels = match (&layout.codec, wire) {
            (Codec::Enum(labels), _) => enums.next().map(|l| (labels, l)),
            (Codec::Set(labels), _) => sets.next().map(|l| (labels, l)),
            _ => None,
        };
        // Labels that are not ASCII stand in their own character set in the log.
        if let Some((declared, told)) = labels
            && told.iter().all(|l| l.is_ascii())
            && declared.iter().all(|l| l.is_ascii())
            && declared[..] != told[..]
        {
            return Err(format!("column {} has other labels in the log", column.name));
        }
        stored.push((*wire, (!column.generated).then(|| layout.codec.clone())));
    }
    let logged = (0..columns.len()).filter(|i| !columns[*i].generated).collect();
    Ok(Mapped { table: known.table.clone(), columns: stored, logged, own: false, unreadable: false })
}

/// Our own table, of which only the origin is read. It is not looked up: by now it may be gone, or have been made anew.
fn own(map: &TableMap) -> Result<Mapped> {
    let place = match &map.names {
        Some(names) => names.iter().position(|n| n == "origin"),
        None => Some(ORIGIN),
    };
    let Some(place) = place.filter(|p| matches!(map.columns.get(*p), Some(Wire::Var { .. }))) else {
        let message =
            format!("table {CHECKPOINT_TABLE} in the log has no column origin where tidelock makes one");
        return Err(precondition("TL-MY-CHECKPOINT-CHANGED", message)
            .hint("it was altered by somebody else: let tidelock make it, then copy anew with `tidelock sync --full`"));
    };
    let codec = |i| (i == place).then_some(Codec::Text { charset: Charset::Utf8, fixed: false });
    let columns = map.columns.iter().enumerate().map(|(i, wire)| (*wire, codec(i))).collect();
    let table = Table {
        name: TableName::new(CHECKPOINT_TABLE),
        columns: vec![Column::new("origin", Type::Text { length: None, fixed: false }, "varchar")],
        key: vec![],
        primary: false,
        indexes: vec![],
        foreign_keys: vec![],
    };
    Ok(Mapped { table: Arc::new(table), columns, logged: vec![place], own: true, unreadable: false })
}

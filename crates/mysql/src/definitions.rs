//! What the tables in the log look like: TABLE_MAP events held against the catalogue.
//!
//! The log tells how columns are stored, and with `binlog_row_metadata=FULL` also their names, signs and labels. What it does not tell comes from the
//! catalogue **as it is when the table is first met**, which may be later than the event. So the two are compared; where they differ the stream stops
//! loudly (following a changed schema is not built yet). What cannot be seen in the log without FULL metadata, such as a renamed column, is caught
//! when the statement that changed it comes by, if rows before it were read with the later definition.

use crate::binlog::statement::Statement;
use crate::binlog::table_map::{TableMap, Wire, table_id};
use crate::catalog::{Layout, describe_one};
use crate::codec::{Codec, Fault};
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::error::{precondition, protocol};
use crate::position::Place;
use crate::snapshot::head;
use crate::{CHECKPOINT_TABLE, Result};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use tidelock_endpoint::EndpointError;
use tidelock_model::{Table, TableName};

/// A table that is followed, as the log stores its rows.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub table: Arc<Table>,
    pub columns: Vec<(Wire, Codec)>,
    /// It is our checkpoint table: this column holds an origin.
    pub origin: Option<usize>,
}

struct Known {
    layout: Arc<Layout>,
    /// The end of the log when the catalogue was read.
    loaded: Option<Place>,
    /// Rows were decoded whose table map told no names.
    used_unnamed: bool,
}

type Key = (String, String);

/// The tables that are followed.
pub(crate) struct Definitions {
    config: Config,
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
            true => Some(self.map(&key, &TableMap::parse(event).map_err(at)?).await?),
            false => None,
        };
        self.numbers.insert(number, (event.to_vec(), mapped));
        Ok(())
    }

    async fn map(&mut self, key: &Key, map: &TableMap) -> Result<Arc<Mapped>> {
        let fresh = !self.known.contains_key(key);
        let layout = self.layout(key).await?;
        let mut compared = mapped(&layout, map);
        if compared.is_err() && !fresh {
            self.known.remove(key);
            compared = mapped(&*self.layout(key).await?, map);
        }
        if let (Some(known), None) = (self.known.get_mut(key), &map.names) {
            known.used_unnamed = true;
        }
        compared.map(Arc::new).map_err(|what| changed(&map.table, &what))
    }

    async fn layout(&mut self, key: &Key) -> Result<Arc<Layout>> {
        if let Some(known) = self.known.get(key) {
            return Ok(known.layout.clone());
        }
        let name = self.wanted.get(key).ok_or_else(|| protocol("a table that is not followed"))?.clone();
        let (layout, loaded) = match self.ask(&name).await {
            Ok(found) => found,
            Err(error)
                if self.session.is_some() && error.kind == tidelock_endpoint::ErrorKind::Unavailable =>
            {
                self.session = None;
                self.ask(&name).await?
            }
            Err(error) => return Err(error),
        };
        let layout = Arc::new(layout);
        self.known.insert(key.clone(), Known { layout: layout.clone(), loaded, used_unnamed: false });
        Ok(layout)
    }

    async fn ask(&mut self, name: &TableName) -> Result<(Layout, Option<Place>)> {
        let session = match &mut self.session {
            Some(session) => session,
            None => self.session.insert(Session::connect(&self.config, Purpose::Look).await?),
        };
        let layout = describe_one(session, &self.config.database, name).await?;
        Ok((layout, Some(head(session).await?.place)))
    }

    /// The followed tables that a statement speaks of (ours excepted).
    pub fn named(&self, statement: &Statement, schema: &[u8]) -> Vec<Key> {
        let named =
            |key: &&Key| statement.names(&key.0, &key.1, schema, self.fold) && key.1 != CHECKPOINT_TABLE;
        self.wanted.keys().filter(named).cloned().collect()
    }

    /// The followed tables whose rows a statement takes away or writes anew.
    pub fn replaced(&self, statement: &Statement, schema: &[u8]) -> Vec<Key> {
        let replaced = statement.replaces();
        let same = |a: &str, b: &str| if self.fold { a.eq_ignore_ascii_case(b) } else { a == b };
        let meant = |key: &&Key| {
            let table = |(named, table): &(Option<String>, String)| {
                let place = match named {
                    Some(named) => same(named, &key.0),
                    None => same(&String::from_utf8_lossy(schema), &key.0),
                };
                place && same(table, &key.1)
            };
            replaced.schema.as_deref().is_some_and(|s| same(s, &key.0)) || replaced.tables.iter().any(table)
        };
        self.wanted.keys().filter(|key| key.1 != CHECKPOINT_TABLE).filter(meant).cloned().collect()
    }

    /// The table as it is, for what comes without a table map.
    pub async fn table(&mut self, key: &Key) -> Result<Arc<Table>> {
        Ok(self.layout(key).await?.table.clone())
    }

    /// A statement at `at` may have changed these tables: the next table map decides.
    pub fn changed(&mut self, keys: &[Key], statement: &Statement, at: &Place) -> Result<()> {
        for key in keys {
            let Some(known) = self.known.remove(key) else { continue };
            let later = known.loaded.as_ref().is_some_and(|l| at.compare(l) == Some(Ordering::Less));
            if known.used_unnamed && later && statement.changes_meaning() {
                return Err(changed(
                    &key.1,
                    &format!("a statement at {at} gave its columns another meaning, and rows before it were read with the later one"),
                )
                .hint("set binlog_row_metadata=FULL, then copy anew with `tidelock sync --full`"));
            }
        }
        if !keys.is_empty() {
            self.numbers.clear();
        }
        Ok(())
    }
}

fn changed(table: &str, what: &str) -> EndpointError {
    let message = format!("table {table} in the log is not the table in the catalogue: {what}");
    precondition("TL-MY-SCHEMA-CHANGED", message).hint(
        "it was changed while it was followed; bring the target's table to the same shape, then copy anew with `tidelock sync --full`",
    )
}

/// The catalogue's table with the log's way of storing it, or what differs.
fn mapped(layout: &Layout, map: &TableMap) -> std::result::Result<Mapped, String> {
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
        if !wire.suits(&layout.codec, layout.octets) {
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
        stored.push((*wire, layout.codec.clone()));
    }
    let own = layout.table.name == TableName::new(CHECKPOINT_TABLE);
    let origin = if own { layout.table.column("origin") } else { None };
    Ok(Mapped { table: layout.table.clone(), columns: stored, origin })
}

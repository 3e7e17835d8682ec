//! Messages of the stream → records of a [`Batch`].
//!
//! A transaction is begun in the batch with its first change that is ours: by then its origin is known, which travels as a message at its head;
//! and transactions without such a change leave no trace but progress.

use crate::Result;
use crate::capture::lost;
use crate::catalog::{Identity, Layout};
use crate::decode::Decoder;
use crate::error::protocol;
use crate::names::table_name;
use crate::position::Lsn;
use crate::reading::unreadable;
use crate::replication::{Field, Message, OldKind, Relation, Tuple};
use crate::transaction::ORIGIN;
use crate::types::Types;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tidelock_endpoint::EndpointError;
use tidelock_model::{Batch, BatchWriter, Column, ImageWriter, Table, TableName, Type, Value};

/// A batch is handed out at this size.
const BYTES: usize = 1 << 20;
const CHANGES: usize = 10_000;

/// A table as the stream tells it.
struct Followed {
    table: Arc<Table>,
    /// Beside the table's columns.
    decoders: Vec<Decoder>,
    /// The column is part of the key.
    key: Vec<bool>,
    /// The types that the columns are declared with, by id and modifier.
    declared: Vec<(u32, i32)>,
    /// The rows cannot be read: that they changed is all that is told.
    unreadable: bool,
    /// And they are not those of the table that has the name.
    gone: bool,
    /// A column had another type before: rows were rewritten, which the log does not tell. It is told before the next change.
    rewritten: bool,
    /// Old rows that are told as whole are whole. Those of a partitioned table are told by the table's identity, and written by the partition's, which may hold the key alone.
    whole: bool,
}

enum State {
    Outside,
    /// Begun at the source, but not in the batch.
    Begun {
        at: String,
        time: i64,
        origin: Option<String>,
    },
    Inside,
}

/// Collects what the stream tells.
pub(crate) struct Changes {
    wanted: HashSet<TableName>,
    /// By the server's id; none for tables that are not ours.
    relations: HashMap<u32, Option<Followed>>,
    state: State,
    writer: BatchWriter,
    /// Where reading may resume, as last told.
    reached: Lsn,
    octets: Vec<u8>,
}

impl Changes {
    pub fn new(tables: &[TableName], after: Lsn) -> Changes {
        Changes {
            wanted: tables.iter().cloned().collect(),
            relations: HashMap::new(),
            state: State::Outside,
            writer: BatchWriter::new(),
            reached: after,
            octets: Vec::new(),
        }
    }

    /// Enough for one batch.
    pub fn is_full(&self) -> bool {
        self.writer.bytes() >= BYTES || self.writer.changes() >= CHANGES
    }

    pub fn is_empty(&self) -> bool {
        self.writer.is_empty()
    }

    pub fn take(&mut self) -> Batch {
        self.writer.take()
    }

    /// The server has read its log up to here and found nothing more.
    pub fn keep_alive(&mut self, end: Lsn) {
        if matches!(self.state, State::Outside) && end > self.reached {
            self.reached = end;
            self.writer.reached(end.position());
        }
    }

    /// The name of a relation's table when it is ours.
    pub fn wants(&self, relation: &Relation) -> Option<TableName> {
        let name = table_name(&relation.schema, &relation.name);
        self.wanted.contains(&name).then_some(name)
    }

    /// A table that is none of ours.
    pub fn ignore(&mut self, relation: u32) {
        self.relations.insert(relation, None);
    }

    /// The shape of a table in the changes that follow; `layout` is the table as it is now, whose key and types are taken where both agree.
    pub fn follow(&mut self, relation: &Relation, layout: &Layout) {
        let there = &layout.table;
        let (mut columns, mut decoders) = (Vec::new(), Vec::new());
        let before = self.relations.get(&relation.id).and_then(Option::as_ref);
        let (mut unreadable, mut rewritten) = (false, before.is_some_and(|b| b.rewritten));
        for told in &relation.columns {
            let declared = (told.type_oid, told.typmod);
            let last = before.and_then(|b| Some(b.declared[b.table.column(&told.name)?]));
            rewritten |= last.is_some_and(|last| is_another(last, declared));
            let known = there.column(&told.name).filter(|i| layout.columns[*i].declared == declared);
            let (column, decoder) = match known {
                Some(i) => (there.columns[i].clone(), layout.columns[i].decoder.clone()),
                None => {
                    let past = Types::default().resolve(told.type_oid, told.typmod);
                    unreadable |= past.decoder == Decoder::Native;
                    (Column::new(&told.name, past.data_type, past.cast), past.decoder)
                }
            };
            columns.push(column);
            decoders.push(decoder);
        }
        let place = |i: &usize| columns.iter().position(|c| c.name == there.columns[*i].name);
        let key: Option<Vec<usize>> = there.key.iter().map(place).collect();
        unreadable |= key
            .as_ref()
            .is_none_or(|key| relation.identity != b'f' && !key.iter().all(|i| relation.columns[*i].key));
        let key = key.unwrap_or_default();
        let of_key = (0..columns.len()).map(|i| key.contains(&i)).collect();
        let table = Arc::new(Table {
            name: there.name.clone(),
            columns,
            key,
            primary: there.primary,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        });
        let table = before.map(|b| &b.table).filter(|t| **t == table).unwrap_or(&table).clone();
        let declared = relation.columns.iter().map(|c| (c.type_oid, c.typmod)).collect();
        let whole = relation.identity == b'f' && layout.identity == Identity::Full;
        let followed =
            Followed { table, decoders, key: of_key, declared, unreadable, rewritten, gone: false, whole };
        self.relations.insert(relation.id, Some(followed));
    }

    /// Changes of a table that is not the one of that name now: that its rows are others is all that is told.
    pub fn replaced(&mut self, relation: &Relation, name: TableName) {
        let (columns, key, indexes, foreign_keys) = (vec![], vec![], vec![], vec![]);
        let table = Arc::new(Table { name, columns, key, primary: false, indexes, foreign_keys });
        let followed = Followed {
            table,
            decoders: Vec::new(),
            key: Vec::new(),
            declared: Vec::new(),
            unreadable: true,
            rewritten: false,
            gone: true,
            whole: false,
        };
        self.relations.insert(relation.id, Some(followed));
    }

    /// Any message but a relation's.
    pub fn message(&mut self, message: &Message<'_>) -> Result<()> {
        match message {
            Message::Begin { final_lsn, time, xid } => {
                if !matches!(self.state, State::Outside) {
                    return Err(protocol("a transaction begins inside of another"));
                }
                self.state = State::Begun { at: format!("{final_lsn} {xid}"), time: *time, origin: None };
            }
            Message::Commit { end } => self.commit(*end)?,
            Message::Logical { transactional: true, prefix: ORIGIN, content } => self.origin(content),
            Message::Insert { relation, new } => self.row(*relation, true, |followed, octets, writer| {
                writer.insert(&followed.table, |image| followed.whole(*new, None, octets, image))
            })?,
            Message::Update { relation, old, new } => {
                self.row(*relation, false, |followed, octets, writer| {
                    let whole =
                        old.as_ref().filter(|(kind, _)| followed.is_whole(*kind)).map(|(_, tuple)| *tuple);
                    let mut more = Vec::new();
                    writer.update(
                        &followed.table,
                        |image| match old {
                            None => Ok(()),
                            Some(old) => followed.old(old, octets, image),
                        },
                        |image| followed.whole(*new, whole, &mut more, image),
                    )
                })?
            }
            Message::Delete { relation, old } => self.row(*relation, false, |followed, octets, writer| {
                writer.delete(&followed.table, |image| followed.old(old, octets, image))
            })?,
            Message::Truncate { relations } => {
                for relation in relations {
                    self.row(*relation, false, |followed, _, writer| {
                        writer.truncate(&followed.table);
                        Ok(())
                    })?;
                }
            }
            Message::Logical { .. } | Message::Origin | Message::Type | Message::Relation(_) => {}
        }
        Ok(())
    }

    /// Anyone may write such a message; ours come before the first change.
    fn origin(&mut self, content: &[u8]) {
        match (std::str::from_utf8(content), &mut self.state) {
            (Ok(name), State::Begun { origin, .. }) => *origin = Some(name.to_owned()),
            _ => tracing::warn!("a message {ORIGIN} that tidelock did not write is passed over"),
        }
    }

    fn commit(&mut self, end: Lsn) -> Result<()> {
        match self.state {
            State::Outside => return Err(protocol("a commit without a transaction")),
            State::Begun { .. } => self.writer.reached(end.position()),
            State::Inside => self.writer.commit(&end.position()),
        }
        self.state = State::Outside;
        self.reached = self.reached.max(end);
        Ok(())
    }

    /// Writes a change of one of our tables; the transaction is begun with the first. `kept`: where rows cannot be read, those that were there are still there.
    fn row(
        &mut self,
        relation: u32,
        kept: bool,
        write: impl FnOnce(&Followed, &mut Vec<u8>, &mut BatchWriter) -> Result<()>,
    ) -> Result<()> {
        let Some(followed) = self.relations.get_mut(&relation) else {
            return Err(protocol(format!("a change of the relation {relation}, which was not told")));
        };
        let Some(followed) = followed else { return Ok(()) };
        match &self.state {
            State::Outside => return Err(protocol("a change outside of a transaction")),
            State::Begun { at, time, origin } => {
                self.writer.begin(at, origin.as_deref(), *time);
                self.state = State::Inside;
            }
            State::Inside => {}
        }
        if std::mem::take(&mut followed.rewritten) {
            self.writer.rewrite(&followed.table);
        }
        match (followed.unreadable, kept && !followed.gone) {
            (false, _) => return write(followed, &mut self.octets, &mut self.writer),
            (true, true) => self.writer.rewrite(&followed.table),
            (true, false) => self.writer.replace(&followed.table),
        }
        Ok(())
    }
}

impl Followed {
    fn is_whole(&self, kind: OldKind) -> bool {
        self.whole && kind == OldKind::Whole
    }

    fn counted(&self, tuple: Tuple<'_>) -> Result<()> {
        if tuple.len() == self.decoders.len() {
            return Ok(());
        }
        let message = format!(
            "a row of {} with {} columns in place of {}",
            self.table.name,
            tuple.len(),
            self.decoders.len()
        );
        Err(protocol(message))
    }

    fn field(
        &self,
        column: usize,
        field: &Field<'_>,
        octets: &mut Vec<u8>,
        image: &mut ImageWriter<'_>,
    ) -> Result<()> {
        match field {
            Field::Null => image.value(&Value::Null),
            Field::Unchanged => image.not_sent(),
            Field::Text(text) => self.decoders[column]
                .put(text, octets, image)
                .map_err(|fault| unreadable(&self.table, column, &fault.0))?,
        }
        Ok(())
    }

    /// A new row. What did not change is taken from the old one where that was sent whole.
    fn whole(
        &self,
        new: Tuple<'_>,
        old: Option<Tuple<'_>>,
        octets: &mut Vec<u8>,
        image: &mut ImageWriter<'_>,
    ) -> Result<()> {
        self.counted(new)?;
        let mut old = old.map(|tuple| tuple.fields());
        for (column, field) in new.fields().enumerate() {
            let before = old.as_mut().and_then(Iterator::next).transpose()?;
            let field = match (field?, before) {
                (Field::Unchanged, Some(before)) => before,
                (field, _) => field,
            };
            self.field(column, &field, octets, image)?;
        }
        Ok(())
    }

    /// An old row. Of one that was sent for its key alone the other columns are NULL on the wire, which means nothing.
    fn old(
        &self,
        (kind, tuple): &(OldKind, Tuple<'_>),
        octets: &mut Vec<u8>,
        image: &mut ImageWriter<'_>,
    ) -> Result<()> {
        self.counted(*tuple)?;
        let key_only = !self.is_whole(*kind);
        for (column, field) in tuple.fields().enumerate() {
            match key_only {
                true if !self.key[column] => image.not_sent(),
                true if matches!(field, Ok(Field::Null)) => {
                    return Err(key_changed(&self.table.name));
                }
                _ => self.field(column, &field?, octets, image)?,
            }
        }
        Ok(())
    }
}

/// A column of this type and modifier holds other values than one of that: rows may have been rewritten, which the log does not tell.
fn is_another(one: (u32, i32), other: (u32, i32)) -> bool {
    let of = |declared: (u32, i32)| Types::default().resolve(declared.0, declared.1).data_type;
    one.0 != other.0
        || one.1 != other.1
            && match (of(one), of(other)) {
                (Type::Text { fixed: false, .. }, Type::Text { fixed: false, .. }) => false,
                (
                    Type::Decimal { precision: Some(_), scale: a },
                    Type::Decimal { precision: Some(_), scale: b },
                ) => a != b,
                _ => true,
            }
}

fn key_changed(table: &TableName) -> EndpointError {
    let message =
        format!("reading changes of {table}: the log tells rows by another key than the table has now");
    lost("TL-PG-KEY-CHANGED", message)
}

//! The server's catalogue in neutral terms, with what reading and writing a column needs to know beside it.

use crate::codec::Codec;
use crate::connect::{Answer, Session, literal};
use crate::encode::Room;
use crate::error::precondition;
use crate::server::Server;
use crate::types::{self, Native};
use crate::{CHECKPOINT_TABLE, Result};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tidelock_model::{Column, ColumnDefault, ForeignKey, Index, ReferentialAction, Table, TableName};

/// A table and how its rows are stored.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub table: Arc<Table>,
    /// The schema it is in, also where that is the default one.
    pub schema: String,
    pub columns: Vec<ColumnLayout>,
    /// The storage engine; none of a view.
    pub engine: String,
    /// The server's guess.
    pub rows: u64,
    /// Another unique index than the key's, of any kind.
    pub more_unique: bool,
    /// How many characters (or octets) of a column of the key its index looks at, by the column's place, where not at all of them.
    pub key_prefixes: BTreeMap<usize, u64>,
    /// Indexes that the model has no words for, by name.
    pub special_indexes: Vec<String>,
}

/// How one column is stored.
#[derive(Clone, Debug)]
pub(crate) struct ColumnLayout {
    pub codec: Codec,
    pub room: Room,
    /// The server changes it when a row changes and nothing is said of it.
    pub on_update: bool,
    /// Two values are equal only when they are the same letter for letter.
    pub exact: bool,
}

impl Layout {
    /// The qualified name for statements.
    pub fn sql_name(&self) -> String {
        sql_name(&self.schema, &self.table.name.name)
    }
}

/// `` `schema`.`table` ``.
pub(crate) fn sql_name(schema: &str, table: &str) -> String {
    format!("{}.{}", crate::connect::quoted(schema), crate::connect::quoted(table))
}

/// Which tables to describe.
pub(crate) enum Which<'a> {
    /// All that a user made in the connected database.
    All,
    Named(&'a [TableName]),
    /// Our own as well.
    Any(&'a [TableName]),
    /// Views as well: what can be read.
    Read(&'a [TableName]),
}

type Key = (String, String);

/// How often the catalogue is read, at most, while tables come and go.
const READINGS: usize = 5;

/// Describes tables; those that are not there are missing.
///
/// The catalogue is read by several statements, and each sees what is there at its moment: of a table that goes meanwhile there would be columns and no key. So it is read
/// again until the tables were the same before and behind; where they never are, those that changed are left out.
pub(crate) async fn describe(session: &mut Session, database: &str, which: Which<'_>) -> Result<Vec<Layout>> {
    let named = match which {
        Which::All => None,
        Which::Named(names) | Which::Any(names) | Which::Read(names) => Some(names),
    };
    if named.is_some_and(<[TableName]>::is_empty) {
        return Ok(Vec::new());
    }
    let any = matches!(which, Which::Any(_) | Which::Read(_));
    let views = matches!(which, Which::Read(_));
    let ours = |name: &str| name == CHECKPOINT_TABLE || name.starts_with("tidelock_");
    let mut readings = 0;
    let mut before = listed(session, database, named, views).await?;
    loop {
        let mut layouts = assembled(session, database, named, &before).await?;
        let behind = listed(session, database, named, views).await?;
        let stayed = |listed: &Listed| behind.iter().any(|other| other.same(listed));
        readings += 1;
        if readings == READINGS || before.iter().all(stayed) {
            let mut wanted = before.iter().map(|l| stayed(l) && (any || !ours(&l.key.1)));
            layouts.retain(|_| wanted.next().unwrap_or_default());
            return Ok(layouts);
        }
        before = behind;
    }
}

/// One line of the list of tables.
struct Listed {
    key: Key,
    engine: String,
    made: String,
    rows: u64,
}

impl Listed {
    /// It was not made anew meanwhile.
    fn same(&self, other: &Listed) -> bool {
        (&self.key, &self.made) == (&other.key, &other.made)
    }
}

async fn listed(
    session: &mut Session,
    database: &str,
    named: Option<&[TableName]>,
    views: bool,
) -> Result<Vec<Listed>> {
    let views = if views { ", 'VIEW'" } else { "" };
    let sql = format!(
        "SELECT table_schema, table_name, engine, table_rows, create_time FROM information_schema.tables WHERE table_type IN \
         ('BASE TABLE', 'SYSTEM VERSIONED'{views}) AND {} ORDER BY table_schema, table_name",
        filter("table_schema", "table_name", database, named)
    );
    let rows = session.query("reading the catalogue", sql).await?;
    let line = |row: &Answer| Listed {
        key: (row.string(0), row.string(1)),
        engine: row.string(2),
        made: row.string(4),
        rows: row.number(3).unwrap_or(0),
    };
    Ok(rows.iter().map(line).collect())
}

/// A layout for each of these.
async fn assembled(
    session: &mut Session,
    database: &str,
    named: Option<&[TableName]>,
    tables: &[Listed],
) -> Result<Vec<Layout>> {
    let filter = |schema: &str, table: &str| filter(schema, table, database, named);
    let json = json_checks(session, &filter("constraint_schema", "table_name")).await?;
    let mut columns = columns(session, &filter("table_schema", "table_name"), &json).await?;
    for (_, stored) in columns.values_mut().flatten() {
        if let Codec::Text { charset, .. } | Codec::UuidText(charset) | Codec::JsonText(charset) =
            &mut stored.codec
        {
            charset.complete(session).await?;
        }
    }
    let mut indexes = indexes(session, &filter("table_schema", "table_name")).await?;
    let mut keys = foreign_keys(session, &filter("k.table_schema", "k.table_name"), database).await?;
    let layout = |listed: &Listed| {
        let key = &listed.key;
        let found = columns.remove(key).unwrap_or_default();
        let indexes = indexes.remove(key).unwrap_or_default();
        let mut layout = assemble(key, database, found, indexes, keys.remove(key).unwrap_or_default());
        (layout.engine, layout.rows) = (listed.engine.clone(), listed.rows);
        layout
    };
    Ok(tables.iter().map(layout).collect())
}

/// What [`describe_one`] answers for a table that is not there.
pub(crate) const MISSING: &str = "TL-MY-TABLE-MISSING";

/// Describes one table that must be there.
pub(crate) async fn describe_one(session: &mut Session, database: &str, name: &TableName) -> Result<Layout> {
    let found = describe(session, database, Which::Any(std::slice::from_ref(name))).await?;
    // MariaDB's catalogue answers by names that differ in case or accents, whether or not these are the same to the server.
    let key = |n: &str| session.server.table_names.key(n);
    let exact = found.iter().position(|l| l.table.name == *name);
    let same = || found.iter().position(|l| key(&l.table.name.name) == key(&name.name));
    exact.or_else(same).and_then(|place| found.into_iter().nth(place)).ok_or_else(|| {
        precondition(MISSING, format!("table {name} is not there, or the user may not see it"))
    })
}

/// The condition on names of schemas and tables: those of the database, or those named.
pub(crate) fn filter(schema: &str, table: &str, database: &str, named: Option<&[TableName]>) -> String {
    let Some(named) = named else { return format!("{schema} = {}", literal(database)) };
    let one = |n: &TableName| {
        format!("({}, {})", literal(n.schema.as_deref().unwrap_or(database)), literal(&n.name))
    };
    format!("({schema}, {table}) IN ({})", named.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// MariaDB's JSON columns: texts with a check of their own.
async fn json_checks(session: &mut Session, filter: &str) -> Result<HashSet<(Key, String)>> {
    if !session.server.is_mariadb() {
        return Ok(HashSet::new());
    }
    let sql = format!(
        "SELECT constraint_schema, table_name, check_clause FROM information_schema.check_constraints WHERE \
         check_clause LIKE 'json_valid(%' AND {filter}"
    );
    let column = |clause: String| {
        let name = clause.strip_prefix("json_valid(`")?.strip_suffix("`)")?;
        Some(name.replace("``", "`"))
    };
    let rows = session.query("reading the catalogue", sql).await?;
    Ok(rows.iter().filter_map(|r| Some(((r.string(0), r.string(1)), column(r.string(2))?))).collect())
}

type Described = (Column, ColumnLayout);

async fn columns(
    session: &mut Session,
    filter: &str,
    json: &HashSet<(Key, String)>,
) -> Result<BTreeMap<Key, Vec<Described>>> {
    let server = session.server.clone();
    let sql = format!(
        "SELECT table_schema, table_name, column_name, data_type, column_type, character_maximum_length, character_octet_length, \
         numeric_precision, numeric_scale, datetime_precision, character_set_name, collation_name, is_nullable, column_default, \
         extra, column_comment, generation_expression FROM information_schema.columns WHERE {filter} \
         ORDER BY table_schema, table_name, ordinal_position"
    );
    let mut found: BTreeMap<Key, Vec<Described>> = BTreeMap::new();
    for row in session.query("reading the catalogue", sql).await? {
        let key = (row.string(0), row.string(1));
        let json_check = json.contains(&(key.clone(), row.string(2)));
        found.entry(key).or_default().push(column(&row, json_check, &server));
    }
    Ok(found)
}

fn column(row: &Answer, json_check: bool, server: &Server) -> Described {
    let number = |place| row.text(place).and_then(|t| t.parse().ok());
    let native = Native {
        data_type: row.string(3).to_ascii_lowercase(),
        column_type: row.string(4),
        length: number(5),
        precision: number(7),
        scale: number(8),
        fraction: number(9),
        charset: row.text(10),
        comment: row.string(15),
        json_check,
        mariadb: server.is_mariadb(),
        uuid: server.is_mariadb() && server.version >= (10, 11, 5),
    };
    let (data_type, codec) = types::read(&native);
    let (extra, expression) = (row.string(14), row.string(16));
    let lower = extra.to_ascii_lowercase();
    let collation = row.text(11);
    let on_update = lower.contains("on update");
    let mut spelled = if json_check { "json".to_owned() } else { native.column_type.clone() };
    if let (Some(charset), Some(collation), false) = (&native.charset, &collation, json_check) {
        spelled += &format!(" CHARACTER SET {charset} COLLATE {collation}");
    }
    if !expression.is_empty() {
        let kind = if lower.contains("virtual") { "VIRTUAL" } else { "STORED" };
        spelled += &format!(" GENERATED ALWAYS AS ({expression}) {kind}");
    }
    if on_update {
        let precision = native.fraction.filter(|f| *f > 0).map_or(String::new(), |f| format!("({f})"));
        spelled += &format!(" ON UPDATE CURRENT_TIMESTAMP{precision}");
    }
    let mut made = Column::new(row.string(2), data_type, spelled);
    made.nullable = row.string(12) == "YES";
    made.generated = !expression.is_empty();
    made.default = default(row.text(13), &lower, &native);
    // The other binary collations compare as if shorter text had blanks behind it.
    let exact = collation
        .is_none_or(|c| c.ends_with("0900_bin") || c.ends_with("nopad_bin") || c == "binary")
        || matches!(
            codec,
            Codec::Enum(_) | Codec::Set(_) | Codec::UuidText(_) | Codec::Uuid | Codec::JsonText(_)
        );
    let room = Room { length: native.length, octets: number(6) };
    (made, ColumnLayout { codec, room, on_update, exact })
}

/// MySQL tells constants bare and marks expressions; MariaDB tells what one would write.
fn default(text: Option<String>, extra: &str, native: &Native) -> Option<ColumnDefault> {
    if extra.contains("auto_increment") {
        return Some(ColumnDefault::AutoIncrement);
    }
    let text = text?;
    let now = text.to_ascii_lowercase();
    if ["current_timestamp", "now("].iter().any(|n| now.starts_with(n)) {
        return Some(ColumnDefault::Now);
    }
    let expression = |sql: String| Some(ColumnDefault::Expression { engine: crate::ENGINE.to_owned(), sql });
    let bits = native.data_type == "bit" || text.starts_with("0x") && native.data_type.contains("binary");
    if bits {
        return expression(text);
    }
    if !native.mariadb {
        return match extra.contains("default_generated") {
            true => expression(format!("({text})")),
            false => Some(ColumnDefault::Literal(text)),
        };
    }
    if text == "NULL" {
        return None;
    }
    if let Some(quoted) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        return Some(ColumnDefault::Literal(quoted.replace("''", "'").replace("\\\\", "\\")));
    }
    match text.bytes().all(|b| b.is_ascii_digit() || b".-+eE".contains(&b)) {
        true => Some(ColumnDefault::Literal(text)),
        false => expression(format!("({text})")),
    }
}

struct FoundIndex {
    name: String,
    unique: bool,
    /// None where it is no plain column.
    columns: Vec<Option<String>>,
    /// For each column how much of it, where not all.
    prefixes: Vec<Option<u64>>,
    plain: bool,
}

async fn indexes(session: &mut Session, filter: &str) -> Result<BTreeMap<Key, Vec<FoundIndex>>> {
    let sql = format!(
        "SELECT table_schema, table_name, index_name, non_unique, column_name, sub_part, index_type FROM \
         information_schema.statistics WHERE {filter} ORDER BY table_schema, table_name, index_name, seq_in_index"
    );
    let mut found: BTreeMap<Key, Vec<FoundIndex>> = BTreeMap::new();
    for row in session.query("reading the catalogue", sql).await? {
        let of_table = found.entry((row.string(0), row.string(1))).or_default();
        let name = row.string(2);
        if of_table.last().is_none_or(|i| i.name != name) {
            let unique = row.string(3) == "0";
            of_table.push(FoundIndex {
                name,
                unique,
                columns: Vec::new(),
                prefixes: Vec::new(),
                plain: true,
            });
        }
        let Some(index) = of_table.last_mut() else { continue };
        index.plain &= row.text(5).is_none() && matches!(row.string(6).as_str(), "BTREE" | "HASH");
        index.columns.push(row.text(4));
        index.prefixes.push(row.text(5).and_then(|n| n.parse().ok()));
    }
    Ok(found)
}

async fn foreign_keys(
    session: &mut Session,
    filter: &str,
    database: &str,
) -> Result<BTreeMap<Key, Vec<(ForeignKey, Vec<String>)>>> {
    let sql = format!(
        "SELECT k.table_schema, k.table_name, k.constraint_name, k.column_name, k.referenced_table_schema, k.referenced_table_name, \
         k.referenced_column_name, r.delete_rule, r.update_rule FROM information_schema.key_column_usage k JOIN \
         information_schema.referential_constraints r ON r.constraint_schema = k.constraint_schema AND r.constraint_name = \
         k.constraint_name AND r.table_name = k.table_name WHERE k.referenced_table_name IS NOT NULL AND {filter} \
         ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position"
    );
    let action = |text: String| match text.as_str() {
        "CASCADE" => ReferentialAction::Cascade,
        "SET NULL" => ReferentialAction::SetNull,
        "SET DEFAULT" => ReferentialAction::SetDefault,
        // RESTRICT and NO ACTION are one to InnoDB, and are told now as the one and now as the other.
        _ => ReferentialAction::NoAction,
    };
    let mut found: BTreeMap<Key, Vec<(ForeignKey, Vec<String>)>> = BTreeMap::new();
    for row in session.query("reading the catalogue", sql).await? {
        let of_table = found.entry((row.string(0), row.string(1))).or_default();
        if of_table.last().is_none_or(|(key, _)| key.name != row.string(2)) {
            of_table.push((
                ForeignKey {
                    name: row.string(2),
                    columns: Vec::new(),
                    references: name(&row.string(4), &row.string(5), database),
                    referenced_columns: Vec::new(),
                    on_delete: action(row.string(7)),
                    on_update: action(row.string(8)),
                },
                Vec::new(),
            ));
        }
        let Some((key, columns)) = of_table.last_mut() else { continue };
        columns.push(row.string(3));
        key.referenced_columns.push(row.string(6));
    }
    Ok(found)
}

/// The name in the model of a table in a schema.
pub(crate) fn name(schema: &str, table: &str, database: &str) -> TableName {
    if schema == database { TableName::new(table) } else { TableName::qualified(schema, table) }
}

fn assemble(
    key: &Key,
    database: &str,
    described: Vec<Described>,
    indexes: Vec<FoundIndex>,
    foreign: Vec<(ForeignKey, Vec<String>)>,
) -> Layout {
    let (mut columns, mut layouts) = (Vec::new(), Vec::new());
    for (column, layout) in described {
        columns.push(column);
        layouts.push(layout);
    }
    let place = |name: &str| columns.iter().position(|c: &Column| c.name == name);
    let places = |index: &FoundIndex| -> Option<Vec<usize>> {
        index.columns.iter().map(|c| c.as_deref().and_then(place)).collect()
    };
    // Rows do not carry what is computed, so it cannot tell them apart.
    let stored =
        |index: &&FoundIndex| places(index).is_some_and(|p| p.iter().all(|i| !columns[*i].generated));
    let not_null = |index: &&FoundIndex| {
        let column = |i: &usize| !columns[*i].nullable;
        index.unique && index.plain && stored(index) && places(index).is_some_and(|p| p.iter().all(column))
    };
    let primary = indexes.iter().find(|i| i.name == "PRIMARY").filter(stored);
    let chosen = primary.or_else(|| indexes.iter().find(not_null));
    let table_key = chosen.and_then(places).unwrap_or_default();
    let prefixes = chosen.into_iter().flat_map(|index| &index.prefixes);
    let key_prefixes = table_key.iter().zip(prefixes).filter_map(|(i, n)| Some((*i, (*n)?))).collect();
    let foreign_keys: Vec<ForeignKey> = foreign
        .into_iter()
        .map(|(key, names)| ForeignKey { columns: names.iter().filter_map(|n| place(n)).collect(), ..key })
        .collect();
    let mut more_unique = false;
    let (mut plain, mut special) = (Vec::new(), Vec::new());
    for index in indexes.iter().filter(|i| chosen.is_none_or(|c| c.name != i.name)) {
        more_unique |= index.unique;
        match places(index).filter(|_| index.plain) {
            None => special.push(index.name.clone()),
            // InnoDB made it by itself for the foreign key of that name.
            Some(columns)
                if !index.unique
                    && foreign_keys.iter().any(|f| f.name == index.name && f.columns == columns) => {}
            Some(columns) => plain.push(Index { name: index.name.clone(), columns, unique: index.unique }),
        }
    }
    let table = Table {
        name: name(&key.0, &key.1, database),
        key: table_key,
        primary: primary.is_some(),
        indexes: plain,
        foreign_keys,
        columns,
    };
    Layout {
        table: Arc::new(table),
        schema: key.0.clone(),
        columns: layouts,
        engine: String::new(),
        rows: 0,
        more_unique,
        key_prefixes,
        special_indexes: special,
    }
}

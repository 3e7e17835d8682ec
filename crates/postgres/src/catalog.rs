//! What tables are there, in neutral terms and in the server's own.

use crate::CHECKPOINT_TABLE;
use crate::Result;
use crate::connect::{Answer, Session};
use crate::defaults::default;
use crate::error::{precondition, protocol};
use crate::names::{literal, schema_of, table_name};
use crate::types::{Resolved, TypeRow, Types};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tidelock_endpoint::Stored;
use tidelock_model::{Column, ColumnDefault, ForeignKey, Index, ReferentialAction, Table, TableName};

/// Which tables are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    /// All that a user made.
    All,
    Named(&'a [TableName]),
    /// Views as well: what can be read.
    Read(&'a [TableName]),
}

/// How the old row of an update or delete is told in the log (`ALTER TABLE … REPLICA IDENTITY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// By the columns of the table's key.
    Key,
    /// By all columns.
    Full,
    /// By other columns, or not at all.
    Lacking,
}

/// What the user may do with a table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rights {
    pub select: bool,
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
    pub truncate: bool,
    pub owner: bool,
}

/// A table as it is there.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub oid: u32,
    /// With its generated columns.
    pub table: Arc<Table>,
    /// Beside the table's columns.
    pub columns: Vec<Resolved>,
    pub partitioned: bool,
    /// A view, or a materialised one: it can only be read.
    pub view: bool,
    /// The partitions that hold rows, as names in statements.
    pub leaves: Vec<String>,
    pub unlogged: bool,
    /// Of a partitioned table the weakest among its own and its partitions'.
    pub identity: Identity,
    /// The identity holds generated columns: since PostgreSQL 18 the server then refuses updates and deletes of a published table.
    pub identity_generated: bool,
    /// Columns of the key whose collation takes different texts for equal.
    pub loose_key: Vec<String>,
    /// Columns beside the key that are GENERATED ALWAYS AS IDENTITY.
    always: Vec<String>,
    /// A primary key that is DEFERRABLE: its name and columns. No row can be told by it in the log, nor written by it.
    pub late_key: Option<(String, Vec<String>)>,
    /// The unique index that could be the replica identity.
    pub identity_index: Option<String>,
    /// Something beside the key must be unique.
    pub more_unique: bool,
    /// Indexes that the model does not hold: over expressions, partial, not B-trees.
    pub special_indexes: Vec<String>,
    /// Another table's foreign key refers to it.
    pub referenced: bool,
    /// Triggers that a user made fire for its rows.
    pub triggers: bool,
    pub rights: Rights,
    pub pages: u64,
    /// The file that holds its rows: another one once the table was rewritten (VACUUM FULL, CLUSTER), 0 of a partitioned table.
    pub file: u32,
    /// By the last ANALYZE; below zero where there was none.
    pub rows: f64,
    /// A partition that was made as one is followed from its first row on. ATTACH writes the entries of all its columns anew, `PARTITION OF` writes them together with those of the
    /// system's columns, but for what a default changes. The file stands with the transactions that made the table and those above it parts.
    pub stored: Arc<Stored>,
}

impl Layout {
    /// The table as one that is written to: the server changes no value of a column that is GENERATED ALWAYS AS IDENTITY. (New keys it takes.)
    pub fn as_written(&self) -> Arc<Table> {
        if self.always.is_empty() {
            return self.table.clone();
        }
        let mut table = (*self.table).clone();
        table.columns.iter_mut().filter(|c| self.always.contains(&c.name)).for_each(|c| c.generated = true);
        Arc::new(table)
    }

    pub fn sql_name(&self) -> String {
        crate::names::sql_name(&self.table.name)
    }
}

/// The tables that are there, in no order; those that are not are missing in the answer.
pub(crate) async fn describe(session: &Session, which: Which<'_>) -> Result<Vec<Layout>> {
    if matches!(which, Which::Named([]) | Which::Read([])) {
        return Ok(Vec::new());
    }
    let rows = session.query("reading the catalogue", &script(which)).await?;
    let of = |kind: &'static str| rows.iter().filter(move |r| r.text(0) == kind);
    let mut types = Types::default();
    for row in of("type") {
        let row = type_row(row)?;
        types.0.insert(row.oid, row);
    }
    let mut parts: HashMap<u32, Parts<'_>> = HashMap::new();
    for kind in ["column", "index", "foreign"] {
        for row in of(kind) {
            let parts = parts.entry(row.number(1)?).or_default();
            match kind {
                "column" => parts.columns.push(row),
                "index" => parts.indexes.push(row),
                _ => parts.foreign_keys.push(row),
            }
        }
    }
    let version = session.server.version;
    of("table")
        .map(|row| layout(row, &parts.remove(&row.number(1)?).unwrap_or_default(), &types, version))
        .collect()
}

/// One table, which must be there.
pub(crate) async fn describe_one(session: &Session, name: &TableName) -> Result<Layout> {
    let found = describe(session, Which::Named(std::slice::from_ref(name))).await?;
    found.into_iter().next().ok_or_else(|| {
        precondition("TL-PG-NO-TABLE", format!("table {name} is not there"))
            .hint("was it dropped or renamed? `tidelock check` tells what is there")
    })
}

/// The search path is emptied meanwhile: so the server prints every name that is not its own with its schema.
fn script(which: Which<'_>) -> String {
    let wanted = match which {
        Which::All => format!(
            "NOT (n.nspname = 'public' AND c.relname = '{CHECKPOINT_TABLE}') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
             AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')"
        ),
        Which::Named(names) | Which::Read(names) => {
            let name = |t: &TableName| format!("({}, {})", literal(schema_of(t)), literal(&t.name));
            format!("(n.nspname, c.relname) IN ({})", names.iter().map(name).collect::<Vec<_>>().join(", "))
        }
    };
    let kinds = if matches!(which, Which::Read(_)) { "'r', 'p', 'v', 'm'" } else { "'r', 'p'" };
    let tables = format!(
        "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ({kinds}) AND NOT c.relispartition AND c.relpersistence <> 't' AND {wanted}"
    );
    format!(
        "SELECT set_config('tidelock.path', current_setting('search_path'), false), set_config('search_path', '', false); \
         {TYPES}; {}; {}; {}; {}; \
         SELECT set_config('search_path', current_setting('tidelock.path'), false)",
        TABLES.replace("{tables}", &tables),
        COLUMNS.replace("{tables}", &tables),
        INDEXES.replace("{tables}", &tables),
        FOREIGN_KEYS.replace("{tables}", &tables),
    )
}

const TYPES: &str = "SELECT 'type', t.oid, t.typtype, t.typbasetype, t.typtypmod, coalesce((SELECT e.oid FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid), 0), \
     coalesce((SELECT e.typdelim FROM pg_type e WHERE e.oid = t.typelem), ','), format_type(t.oid, -1), \
     (SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid) \
     FROM pg_type t WHERE t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')";

const TABLES: &str = "SELECT 'table', c.oid, n.nspname, c.relname, c.relkind = 'p', c.relpersistence = 'u', \
     CASE WHEN c.relkind = 'p' THEN (SELECT CASE WHEN bool_or(l = 'n') THEN 'n' WHEN bool_and(l = 'f') THEN 'f' WHEN bool_or(l = 'd') THEN 'd' ELSE 'k' END \
      FROM (SELECT CASE WHEN p.relreplident <> 'i' THEN p.relreplident::text WHEN EXISTS (SELECT FROM pg_index pi \
       JOIN pg_index ri ON ri.indexrelid = pg_partition_root(pi.indexrelid) WHERE pi.indrelid = p.oid AND pi.indisreplident \
       AND (ri.indisprimary OR ri.indisreplident AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary))) \
       THEN 'k' ELSE 'n' END AS l FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf OR t.level = 0) AS letters) \
      ELSE c.relreplident::text END, \
     has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'INSERT'), has_table_privilege(c.oid, 'UPDATE'), \
     has_table_privilege(c.oid, 'DELETE'), pg_has_role(c.relowner, 'USAGE'), \
     CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::int ELSE 0 END, c.reltuples, \
     EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = c.oid AND f.conrelid <> c.oid), \
     EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D'), \
     has_table_privilege(c.oid, 'TRUNCATE'), \
     CASE WHEN c.relkind = 'p' THEN (SELECT json_agg(t.relid::regclass::text ORDER BY t.relid::regclass::text) FROM pg_partition_tree(c.oid) t WHERE t.isleaf AND t.level > 0) END, \
     c.relreplident = 'f' OR EXISTS (SELECT FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid WHERE p.relreplident = 'f'), \
     coalesce(pg_relation_filenode(c.oid), 0), c.relkind IN ('v', 'm'), \
     CASE WHEN c.relkind = 'p' THEN (SELECT json_agg(json_build_array(t.relid::oid::text, coalesce(pg_relation_filenode(t.relid), 0) || \
      (SELECT string_agg(':' || i.xmin::text, '' ORDER BY a.relid) FROM pg_partition_ancestors(t.relid) a JOIN pg_inherits i ON i.inhrelid = a.relid WHERE a.relid <> c.oid), \
      CASE WHEN NOT EXISTS (SELECT FROM pg_partition_ancestors(t.relid) a JOIN pg_attribute k ON k.attrelid = a.relid AND k.attnum = -1 JOIN pg_inherits i ON i.inhrelid = a.relid \
       WHERE a.relid <> c.oid AND NOT (k.xmin::text = i.xmin::text AND EXISTS (SELECT FROM pg_attribute u WHERE u.attrelid = a.relid AND u.attnum > 0 \
        AND u.xmin::text = k.xmin::text AND u.cmin::text = k.cmin::text))) THEN 'born' ELSE '' END)) FROM pg_partition_tree(c.oid) t WHERE t.isleaf AND t.level > 0) END, \
     CASE WHEN c.relkind = 'r' THEN (SELECT md5(string_agg(a.attnum || ':' || a.xmin::text, ',' ORDER BY a.attnum)) FROM pg_attribute a \
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) END \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid IN ({tables})";

/// A domain, or an array of one, is told as what it is over in the end: that is what is made at another PostgreSQL.
const COLUMNS: &str = "SELECT 'column', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, \
     (WITH RECURSIVE under (type, modifier, depth) AS (SELECT a.atttypid, a.atttypmod, 0 UNION ALL \
       SELECT b.type, CASE WHEN b.modifier >= 0 THEN b.modifier ELSE u.modifier END, u.depth + 1 FROM under u CROSS JOIN LATERAL ( \
        SELECT d.typbasetype, d.typtypmod FROM pg_type d WHERE d.oid = u.type AND d.typtype = 'd' UNION ALL \
        SELECT e.typarray, d.typtypmod FROM pg_type r JOIN pg_type d ON d.oid = r.typelem AND d.typarray = r.oid AND d.typtype = 'd' \
         JOIN pg_type e ON e.oid = d.typbasetype WHERE r.oid = u.type) AS b (type, modifier)) \
      SELECT format_type(type, modifier) FROM under ORDER BY depth DESC LIMIT 1), \
     a.attnotnull OR t.typnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid), \
     EXISTS (SELECT FROM pg_collation k WHERE k.oid = a.attcollation AND NOT k.collisdeterministic) \
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
     WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN ({tables}) ORDER BY a.attrelid, a.attnum";

const INDEXES: &str = "SELECT 'index', i.indrelid, c.relname, i.indisunique, i.indisprimary, i.indisreplident, i.indimmediate AND i.indisvalid, \
     i.indpred IS NOT NULL OR i.indexprs IS NOT NULL OR m.amname <> 'btree', i.indisexclusion, \
     array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' ') \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam \
     WHERE i.indislive AND i.indrelid IN ({tables}) ORDER BY i.indrelid, c.relname";

const FOREIGN_KEYS: &str = "SELECT 'foreign', f.conrelid, f.conname, array_to_string(f.conkey, ' '), n.nspname, r.relname, \
     (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(f.confkey) WITH ORDINALITY AS k(attnum, n) \
      JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum), f.confdeltype, f.confupdtype \
     FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace \
     WHERE f.contype = 'f' AND f.conparentid = 0 AND f.conrelid IN ({tables}) ORDER BY f.conrelid, f.conname";

#[derive(Default)]
struct Parts<'r> {
    columns: Vec<&'r Answer>,
    indexes: Vec<&'r Answer>,
    foreign_keys: Vec<&'r Answer>,
}

fn type_row(row: &Answer) -> Result<TypeRow> {
    Ok(TypeRow {
        oid: row.number(1)?,
        kind: first(row, 2),
        base: row.number(3)?,
        base_typmod: row.number(4)?,
        element: row.number(5)?,
        delimiter: row.text(6).chars().next().unwrap_or(','),
        name: row.text(7).to_owned(),
        labels: list(row, 8)?,
    })
}

fn first(row: &Answer, column: usize) -> u8 {
    row.text(column).bytes().next().unwrap_or(b' ')
}

fn list(row: &Answer, column: usize) -> Result<Vec<String>> {
    match row.get(column) {
        None => Ok(Vec::new()),
        Some(json) => serde_json::from_str(json)
            .map_err(|e| protocol(format!("reading the catalogue: '{json}' is not a list of names: {e}"))),
    }
}

fn layout(row: &Answer, parts: &Parts<'_>, types: &Types, version: u32) -> Result<Layout> {
    let mut columns = Vec::with_capacity(parts.columns.len());
    let mut resolved = Vec::with_capacity(parts.columns.len());
    let mut places: HashMap<i16, usize> = HashMap::new();
    for row in &parts.columns {
        let found = types.resolve(row.number(4)?, row.number(5)?);
        places.insert(row.number(2)?, columns.len());
        columns.push(column(row, &found));
        resolved.push(found);
    }
    // An expression in an index counts as column 0.
    let of = |text: &str| -> Option<Vec<usize>> {
        text.split(' ').map(|n| places.get(&n.parse().ok()?).copied()).collect()
    };
    let indexes = Indexes::sort(&parts.indexes, &columns, of);
    let mut foreign_keys = Vec::new();
    for row in &parts.foreign_keys {
        foreign_keys.push(ForeignKey {
            name: row.text(2).to_owned(),
            columns: of(row.text(3)).ok_or_else(|| protocol("a foreign key over unknown columns"))?,
            references: table_name(row.text(4), row.text(5)),
            referenced_columns: list(row, 6)?,
            on_delete: action(first(row, 7)),
            on_update: action(first(row, 8)),
        });
    }
    let identity_generated = version >= 180_000 && generated_in_identity(row, &indexes, &columns);
    let identity = if identity_generated { Identity::Lacking } else { identity(row, &indexes) };
    let loose = indexes.key.iter().filter(|i| parts.columns[**i].flag(11));
    let loose_key = loose.map(|i| columns[*i].name.clone()).collect();
    let always =
        parts.columns.iter().enumerate().filter(|(i, c)| c.text(8) == "a" && !indexes.key.contains(i));
    let always = always.map(|(i, _)| columns[i].name.clone()).collect();
    let named = |places: &Vec<usize>| places.iter().map(|i| columns[*i].name.clone()).collect();
    let late_key = indexes.late.as_ref().map(|(name, places)| (name.clone(), named(places)));
    let table = Table {
        name: table_name(row.text(2), row.text(3)),
        columns,
        key: indexes.key,
        primary: indexes.primary,
        indexes: indexes.others,
        foreign_keys,
    };
    Ok(Layout {
        oid: row.number(1)?,
        table: Arc::new(table),
        columns: resolved,
        partitioned: row.flag(4),
        view: row.flag(20),
        leaves: list(row, 17)?,
        unlogged: row.flag(5),
        identity,
        identity_generated,
        loose_key,
        always,
        late_key,
        identity_index: indexes.key_name,
        more_unique: indexes.more_unique,
        special_indexes: indexes.special,
        rights: Rights {
            select: row.flag(7),
            insert: row.flag(8),
            update: row.flag(9),
            delete: row.flag(10),
            truncate: row.flag(16),
            owner: row.flag(11),
        },
        pages: row.number(12)?,
        file: row.number(19)?,
        rows: row.number(13)?,
        stored: Arc::new(stored(row)?),
        referenced: row.flag(14),
        triggers: row.flag(15),
    })
}

fn stored(row: &Answer) -> Result<Stored> {
    let columns = row.get(22).map(str::to_owned);
    if columns.is_some() {
        let parts = [(row.text(1).to_owned(), row.text(19).to_owned())].into();
        return Ok(Stored { parts, born: BTreeSet::new(), columns });
    }
    let parts: Vec<[String; 3]> = match row.get(21) {
        None => Vec::new(),
        Some(json) => serde_json::from_str(json).map_err(|e| {
            protocol(format!("reading the catalogue: '{json}' is no list of partitions: {e}"))
        })?,
    };
    let born = parts.iter().filter(|[_, _, how]| how == "born").map(|[part, ..]| part.clone()).collect();
    let parts = parts.into_iter().map(|[part, file, _]| (part, file)).collect();
    Ok(Stored { parts, born, columns })
}

fn identity(row: &Answer, indexes: &Indexes) -> Identity {
    match first(row, 6) {
        b'f' => Identity::Full,
        b'd' | b'k' if indexes.primary => Identity::Key,
        b'i' | b'k' if indexes.replica.as_ref().is_some_and(|r| same(r, &indexes.key)) => Identity::Key,
        _ => Identity::Lacking,
    }
}

/// Of the table or one of its partitions.
fn generated_in_identity(row: &Answer, indexes: &Indexes, columns: &[Column]) -> bool {
    let generated = |places: &[usize]| places.iter().any(|i| columns[*i].generated);
    let full = row.flag(18) && columns.iter().any(|c| c.generated);
    full || match first(row, 6) {
        b'i' | b'k' => indexes.replica.as_deref().is_some_and(generated),
        _ => generated(&indexes.key),
    }
}

fn same(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().all(|i| b.contains(i))
}

#[derive(Default)]
struct Indexes {
    key: Vec<usize>,
    key_name: Option<String>,
    primary: bool,
    replica: Option<Vec<usize>>,
    /// The primary key, where it is DEFERRABLE.
    late: Option<(String, Vec<usize>)>,
    others: Vec<Index>,
    special: Vec<String>,
    more_unique: bool,
}

impl Indexes {
    /// The primary key, else the first unique index over NOT NULL columns, is the key.
    fn sort(rows: &[&Answer], columns: &[Column], of: impl Fn(&str) -> Option<Vec<usize>>) -> Indexes {
        let mut sorted = Indexes::default();
        let plain = |row: &Answer| (!row.flag(7)).then(|| of(row.text(9))).flatten();
        let serves = |row: &&&Answer| {
            row.flag(3)
                && row.flag(6)
                && plain(row)
                    .is_some_and(|c| c.iter().all(|i| !columns[*i].nullable && !columns[*i].generated))
        };
        let key = rows.iter().find(|r| r.flag(4) && r.flag(6)).or_else(|| rows.iter().find(serves));
        for row in rows {
            let (name, places) = (row.text(2).to_owned(), plain(row));
            if row.flag(5) {
                sorted.replica.clone_from(&places);
            }
            if key.is_some_and(|key| key.text(2) == name) {
                sorted.key = places.unwrap_or_default();
                sorted.primary = row.flag(4);
                sorted.key_name = Some(name);
                continue;
            }
            if row.flag(4) && !row.flag(6) {
                sorted.late = places.clone().map(|places| (name.clone(), places));
            }
            sorted.more_unique |= row.flag(3) || row.flag(8);
            match places {
                Some(columns) if !row.flag(8) => {
                    sorted.others.push(Index { name, columns, unique: row.flag(3) });
                }
                _ => sorted.special.push(name),
            }
        }
        sorted
    }
}

fn action(letter: u8) -> ReferentialAction {
    match letter {
        b'r' => ReferentialAction::Restrict,
        b'c' => ReferentialAction::Cascade,
        b'n' => ReferentialAction::SetNull,
        b'd' => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}

fn column(row: &Answer, resolved: &Resolved) -> Column {
    let mut made = Column::new(row.text(3), resolved.data_type.clone(), row.text(6));
    made.nullable = !row.flag(7);
    made.number = row.text(2).parse().ok();
    made.generated = !row.text(9).is_empty();
    made.default = match row.get(10) {
        _ if !row.text(8).is_empty() => Some(ColumnDefault::AutoIncrement),
        Some(sql) if !made.generated => default(sql),
        _ => None,
    };
    made
}

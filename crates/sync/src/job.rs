//! What a job is: the config's words as plain data, without the file they came from.

use crate::mask::Mask;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_endpoint::CaptureKind;
use tidelock_model::{Column, TableName};

/// One configured synchronisation between endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// 2–50 letters, digits, `-`, `_`.
    pub name: String,
    /// Which endpoints, and which way.
    pub route: Route,
    /// Which tables.
    pub tables: TableSelection,
    /// How changes are read; none: the best that the source offers.
    pub capture: Option<CaptureKind>,
    /// Most rows applied together.
    pub batch_size: usize,
    /// Conversions with a loss that are allowed.
    pub types: Vec<Conversion>,
    /// What is done when the source's tables change their columns.
    pub schema_changes: SchemaChanges,
    /// How conflicts are decided; always there for a two-way job.
    pub conflicts: Option<ConflictPolicy>,
}

/// What is done when a table of the source changes its columns, is replaced, comes or goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaChanges {
    /// Whether the target's tables follow.
    pub policy: SchemaPolicy,
    /// Columns that the source dropped are dropped at the target too.
    pub drop: bool,
}

/// Whether the target's tables follow the source's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaPolicy {
    /// They do: columns are added, get another type, or allow NULL where the source has no column for them any more.
    #[default]
    Apply,
    /// The job stops until the target's table fits. A two-way job always does: which side would follow which?
    Pause,
    /// They stay as they are: what both sides have goes on.
    Ignore,
}

impl Job {
    /// Whether the job may write this table of this endpoint, as far as its words tell.
    pub fn may_write(&self, endpoint: &str, table: &TableName) -> bool {
        let to = self.route.directions().iter().any(|(_, to)| *to == endpoint);
        let named = |rule: &TableRule| match &rule.to {
            Some(to) => matches(to, table),
            None => matches(&rule.name, table) || rule.name.ends_with(&format!(".{}", table.name)),
        };
        to && match &self.tables {
            TableSelection::Only(rules) => rules.iter().any(named),
            selection => selection.rule(table).is_some(),
        }
    }

    /// Whether the values of a column may be converted to this type of the target with a loss.
    pub fn allows(&self, column: &Column, to: &str) -> bool {
        self.types.iter().any(|conversion| conversion.allows(&column.native, to))
    }
}

/// Between which endpoints a job runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// One way.
    OneWay {
        /// Read from.
        source: String,
        /// Written to.
        target: String,
    },
    /// Two ways; the two differ.
    Between(String, String),
}

impl Route {
    /// The directions, as (source, target).
    pub fn directions(&self) -> Vec<(&str, &str)> {
        match self {
            Route::OneWay { source, target } => vec![(source, target)],
            Route::Between(a, b) => vec![(a, b), (b, a)],
        }
    }
}

/// Which tables of the source take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableSelection {
    /// Every table that a user made.
    All,
    /// These, by name or pattern; the first rule that matches a table is its rule.
    Only(Vec<TableRule>),
    /// Those that match a pattern of the first list and none of the second.
    Patterns {
        /// Names or patterns; empty: all.
        include: Vec<String>,
        /// Names or patterns.
        exclude: Vec<String>,
    },
}

impl TableSelection {
    /// The rule for a table, if it takes part.
    pub fn rule(&self, table: &TableName) -> Option<TableRule> {
        match self {
            TableSelection::All => Some(TableRule::plain(table.to_string())),
            TableSelection::Only(rules) => rules.iter().find(|r| matches(&r.name, table)).cloned(),
            TableSelection::Patterns { include, exclude } => {
                let taken = include.is_empty() || include.iter().any(|p| matches(p, table));
                let left_out = exclude.iter().any(|p| matches(p, table));
                (taken && !left_out).then(|| TableRule::plain(table.to_string()))
            }
        }
    }

    /// Names without wildcards that the user spelled out: each must exist.
    pub fn spelled_out(&self) -> Vec<&str> {
        let plain = |s: &&str| !s.contains(['*', '?']);
        match self {
            TableSelection::All => Vec::new(),
            TableSelection::Only(rules) => rules.iter().map(|r| r.name.as_str()).filter(plain).collect(),
            TableSelection::Patterns { include, .. } => {
                include.iter().map(String::as_str).filter(plain).collect()
            }
        }
    }
}

/// What a job says of one table (or of all that match a pattern).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRule {
    /// Its name, `schema.name`, or a pattern with `*` and `?`.
    pub name: String,
    /// Another name at the target; never with a pattern.
    pub to: Option<String>,
    /// The columns that take part.
    pub columns: ColumnSelection,
    /// Other column names at the target, by the source's name.
    pub rename: BTreeMap<String, String>,
    /// Columns, by the source's name, whose values may be converted with a loss.
    pub types: BTreeSet<String>,
    /// Which rows take part: an expression, see [`crate::expression`]; none: all.
    pub filter: Option<String>,
    /// What stands at the target in place of a column's values, by the source's name.
    pub mask: BTreeMap<String, Mask>,
    /// Columns that only the target has, by their names there: expressions over the source's row.
    pub compute: BTreeMap<String, String>,
}

/// Which columns of a table take part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ColumnSelection {
    /// All.
    #[default]
    All,
    /// These.
    Only(Vec<String>),
    /// All but these.
    Exclude(Vec<String>),
}

impl ColumnSelection {
    /// Whether a column takes part.
    pub fn takes(&self, column: &str) -> bool {
        match self {
            ColumnSelection::All => true,
            ColumnSelection::Only(names) => names.iter().any(|n| n == column),
            ColumnSelection::Exclude(names) => !names.iter().any(|n| n == column),
        }
    }
}

impl TableRule {
    /// The whole table under its own name.
    pub fn plain(name: impl Into<String>) -> TableRule {
        TableRule {
            name: name.into(),
            to: None,
            columns: ColumnSelection::All,
            rename: BTreeMap::new(),
            types: BTreeSet::new(),
            filter: None,
            mask: BTreeMap::new(),
            compute: BTreeMap::new(),
        }
    }

    /// Whether a source column takes part.
    pub fn takes(&self, column: &str) -> bool {
        self.columns.takes(column)
    }

    /// What a source column is called at the target.
    pub fn target_column(&self, column: &str) -> String {
        self.rename.get(column).cloned().unwrap_or_else(|| column.to_owned())
    }

    /// Source columns that the rule names anywhere: each must exist.
    pub fn named_columns(&self) -> impl Iterator<Item = &str> {
        let named = match &self.columns {
            ColumnSelection::All => &[][..],
            ColumnSelection::Only(names) | ColumnSelection::Exclude(names) => names,
        };
        named.iter().chain(self.rename.keys()).chain(&self.types).chain(self.mask.keys()).map(String::as_str)
    }
}

/// A conversion with a loss that a user allowed, such as `numeric -> double`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The source's type.
    pub from: String,
    /// The target's.
    pub to: String,
}

impl Conversion {
    /// Of native types, as findings name it.
    pub fn of(from: &str, to: &str) -> Conversion {
        Conversion { from: plain_type(from), to: plain_type(to) }
    }

    /// Whether the word is given for a column of these native types. What is written without a length or precision stands for all of them.
    pub fn allows(&self, from: &str, to: &str) -> bool {
        let same = |word: &str, native: &str| {
            let word = word.trim().to_lowercase();
            word == native.to_lowercase() || word == plain_type(native)
        };
        same(&self.from, from) && same(&self.to, to)
    }
}

/// `<from> -> <to>`, as the config writes it.
impl std::fmt::Display for Conversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

impl std::str::FromStr for Conversion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("->").map(|(from, to)| (from.trim(), to.trim())) {
            Some((from, to)) if !from.is_empty() && !to.is_empty() => {
                Ok(Conversion { from: from.to_owned(), to: to.to_owned() })
            }
            _ => Err(format!(
                "`{text}` is no conversion; write `<type of the source> -> <type of the target>`"
            )),
        }
    }
}

/// `numeric(10,2)` is `numeric`, `timestamp(3) with time zone` is without its 3, and character sets and expressions are no part of a type's name.
fn plain_type(native: &str) -> String {
    let lower = native.to_lowercase();
    let cut = [" character set ", " collate ", " generated always ", " on update "]
        .iter()
        .filter_map(|behind| lower.find(behind))
        .min();
    let (mut name, mut depth) = (String::new(), 0);
    for c in lower[..cut.unwrap_or(lower.len())].chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            c if depth == 0 => name.push(c),
            _ => {}
        }
    }
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How a two-way job decides when two sides changed one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictPolicy {
    /// The version column of every table, by the source's and target's common name.
    pub version: Option<String>,
    /// Another version column for single tables.
    pub tables: BTreeMap<String, String>,
    /// Whose change stays when the versions are equal, the first one first.
    pub priority: Vec<String>,
}

impl ConflictPolicy {
    /// The version column of a table.
    pub fn version_for(&self, table: &TableName) -> Option<&str> {
        let own = self.tables.iter().find(|(name, _)| matches(name, table)).map(|(_, column)| column);
        own.or(self.version.as_ref()).map(String::as_str)
    }
}

/// Whether a name or pattern (`*` any run, `?` one character) means this table; a name without a schema means the default schema's table.
pub fn matches(pattern: &str, table: &TableName) -> bool {
    let qualified = table.to_string();
    wildcard(pattern.as_bytes(), qualified.as_bytes())
        || (table.schema.is_none()
            && pattern.strip_prefix("public.").is_some_and(|p| wildcard(p.as_bytes(), qualified.as_bytes())))
}

fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == b'?' || (pattern[p] == text[t] && pattern[p] != b'*')) {
            (p, t) = (p + 1, t + 1);
        } else if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversion_is_allowed_for_all_lengths_or_for_one() {
        let all: Conversion = "numeric -> double".parse().unwrap();
        assert!(all.allows("numeric(10,2)", "double") && all.allows("NUMERIC", "Double"));
        assert!(!all.allows("real", "double") && !all.allows("numeric", "float"));
        let one: Conversion = "numeric(10,2)->decimal(8,1)".parse().unwrap();
        assert!(one.allows("numeric(10,2)", "decimal(8,1)") && !one.allows("numeric(10,3)", "decimal(8,1)"));
        let zone = Conversion::of(
            "timestamp(3) with time zone",
            "varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        );
        assert_eq!(zone.to_string(), "timestamp with time zone -> varchar");
        assert!("numeric".parse::<Conversion>().is_err() && "a -> ".parse::<Conversion>().is_err());
    }

    #[test]
    fn patterns_match_names_and_schemas() {
        let orders = TableName::new("orders");
        for yes in ["orders", "*", "o*s", "ord?rs", "public.orders", "**"] {
            assert!(matches(yes, &orders), "{yes}");
        }
        for no in ["order", "o?s", "sales.orders", "Orders", ""] {
            assert!(!matches(no, &orders), "{no}");
        }
        assert!(matches("sales.*", &TableName::qualified("sales", "orders")));
        assert!(!matches("orders", &TableName::qualified("sales", "orders")));
    }
}

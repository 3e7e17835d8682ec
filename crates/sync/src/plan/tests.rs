//! Every code that planning gives, with what leads to it. Nothing here is asked of a server.

use super::*;
use crate::job::{ColumnSelection, Route, SchemaChanges, SchemaPolicy, TableSelection};
use crate::mask::{Mask, Salt};
use async_trait::async_trait;
use std::cmp::Ordering;
use tidelock_endpoint::{
    Ask, Capabilities, CaptureKind, Cleanup, Coverage, Names, Result, ServerIdentity, Source, Target,
};
use tidelock_model::{Position, ReferentialAction, Type};

const EXACT: Names = Names {
    tables: tidelock_endpoint::Case::Exact,
    columns: tidelock_endpoint::Case::Exact,
    limit: tidelock_endpoint::Limit::None,
    widest: 1000,
};

const NARROW: Names = Names { limit: tidelock_endpoint::Limit::Octets(6), widest: 2, ..EXACT };

const FOLDED: Names = Names {
    tables: tidelock_endpoint::Case::Ascii,
    columns: tidelock_endpoint::Case::Ascii,
    limit: tidelock_endpoint::Limit::None,
    widest: 1000,
};

/// An endpoint that is only ever asked for its name, its engine, and what it would make of a column.
struct Paper(&'static str, Capabilities);

impl Paper {
    fn new(name: &'static str, engine: &'static str) -> Paper {
        Paper(name, Capabilities { engine, captures: &[CaptureKind::Log], target: true, parallel_loads: 1 })
    }
}

#[async_trait]
impl Endpoint for Paper {
    fn name(&self) -> &str {
        self.0
    }
    fn capabilities(&self) -> &Capabilities {
        &self.1
    }
    async fn inspect(&self, _: &Ask) -> Result<Inspection> {
        unreachable!("planning is pure")
    }
    async fn source(&self, _: CaptureKind) -> Result<Box<dyn Source>> {
        unreachable!("planning is pure")
    }
    async fn target(&self, _: &str) -> Result<Box<dyn Target>> {
        unreachable!("planning is pure")
    }
    fn column_verdict(&self, _: &str, _: &ServerIdentity, column: &Column, _: Option<&Column>) -> Verdict {
        match column.native.as_str() {
            "wide" => Verdict::Narrow { native: "narrow".into(), reason: "it holds less".into() },
            "exact(9)" => Verdict::Lossy {
                native: "rough".into(),
                reason: "it is rounded".into(),
                becomes: Type::Float64,
            },
            "odd" => Verdict::Refused { reason: "there is nothing like it".into() },
            native => Verdict::Exact { native: native.into() },
        }
    }
    fn keeps_default(&self, _: &str, _: &ServerIdentity, _: &Table, _: usize) -> bool {
        false
    }
    fn compare(&self, _: &Position, _: &Position) -> Result<Ordering> {
        unreachable!("planning is pure")
    }
    fn covers(&self, _: &Position, _: &str) -> Result<Coverage> {
        unreachable!("planning is pure")
    }
    async fn cleanup(&self, _: Option<&str>, _: bool) -> Result<Vec<Cleanup>> {
        unreachable!("planning is pure")
    }
}

/// `items: id* name qty:wide sum= must! code^ odd~ other>things`: the key, a type, generated, NOT NULL, a unique index, with a default that nobody else has, a reference.
fn table(text: &str) -> Arc<Table> {
    let (name, columns) = text.split_once(": ").unwrap();
    let mut table = Table {
        name: TableName::new(name),
        columns: Vec::new(),
        key: Vec::new(),
        primary: true,
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
    };
    for (place, word) in columns.split(' ').enumerate() {
        let (word, refers) = word.split_once('>').map_or((word, None), |(w, to)| (w, Some(to)));
        let plain = word.trim_end_matches(['*', '=', '!', '^', '~']);
        let (name, native) = plain.split_once(':').unwrap_or((plain, "integer"));
        let mut column = Column::new(name, Type::int(32), native);
        column.generated = word.ends_with('=');
        column.default = word.contains('~').then(|| ColumnDefault::Literal("odd".into()));
        column.nullable = !word.contains(['*', '!']);
        if word.ends_with('*') {
            table.key.push(place);
        }
        if word.ends_with('^') {
            table.indexes.push(Index { name: format!("by_{name}"), columns: vec![place], unique: true });
        }
        table.foreign_keys.extend(refers.map(|to| ForeignKey {
            name: format!("to_{to}"),
            columns: vec![place],
            references: TableName::new(to),
            referenced_columns: vec!["id".into()],
            on_delete: ReferentialAction::NoAction,
            on_update: ReferentialAction::NoAction,
        }));
        table.columns.push(column);
    }
    Arc::new(table)
}

struct Case {
    hazard: &'static str,
    source: &'static [&'static str],
    target: &'static [&'static str],
    /// Changes what the job says of every table.
    rule: fn(&mut TableRule),
    /// Conversions that the job allows.
    types: &'static [&'static str],
    /// The version column of a two-way job.
    version: Option<&'static str>,
    same_server: bool,
    /// What the source's engine found itself: its code.
    told: Option<&'static str>,
    /// Severity, code and subject of what is found.
    found: &'static [&'static str],
    /// How the target tells names apart.
    names: Names,
    /// How many tables would flow.
    tables: usize,
    /// The columns as the job wrote them before, of a target's table of the same name.
    written: &'static [&'static str],
    policy: SchemaPolicy,
    /// What is altered at the target.
    alters: &'static [&'static str],
}

const PLAIN: Case = Case {
    hazard: "nothing is in the way",
    source: &["items: id* name"],
    target: &[],
    rule: |_| (),
    types: &[],
    version: None,
    same_server: false,
    told: None,
    found: &[],
    names: EXACT,
    tables: 1,
    written: &[],
    policy: SchemaPolicy::Apply,
    alters: &[],
};

const CASES: &[Case] = &[
    PLAIN,
    Case {
        hazard: "a column that came at the source since it was copied comes at the target",
        source: &["items: id* name more"],
        target: &["items: id* name"],
        written: &["items: id* name"],
        alters: &["Add(2)"],
        ..PLAIN
    },
    Case {
        hazard: "a new column is left out where the target's table stays as it is",
        source: &["items: id* name more"],
        target: &["items: id* name"],
        written: &["items: id* name"],
        policy: SchemaPolicy::Ignore,
        found: &["Note TL-PLAN-COLUMN-IGNORED items.more"],
        ..PLAIN
    },
    Case {
        hazard: "a new column that the target lacks is refused by a job that pauses",
        source: &["items: id* name more"],
        target: &["items: id* name"],
        written: &["items: id* name"],
        policy: SchemaPolicy::Pause,
        found: &["Error TL-PLAN-COLUMN-MISSING items.more"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a column that somebody took away at the target does not come back by itself",
        source: &["items: id* name"],
        target: &["items: id*"],
        written: &["items: id* name"],
        found: &["Error TL-PLAN-COLUMN-MISSING items.name"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "what the source has dropped needs no value at the target any more",
        source: &["items: id*"],
        target: &["items: id* name!"],
        written: &["items: id* name!"],
        alters: &["Relax(\"name\")"],
        ..PLAIN
    },
    Case {
        hazard: "a table that was made otherwise at the target stays so while the source's does not change",
        source: &["items: id* name more"],
        target: &["items: id* name!"],
        written: &["items: id* more"],
        found: &["Error TL-PLAN-COLUMN-MISSING items.more"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a conversion that loses something is not done without a word",
        source: &["items: id* price:exact(9)"],
        found: &["Error TL-PLAN-TYPE-LOSSY items.price"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a conversion that the job allows is done, and told",
        source: &["items: id* price:exact(9)"],
        types: &["exact -> rough"],
        found: &["Warning TL-PLAN-TYPE-LOSSY items.price"],
        ..PLAIN
    },
    Case {
        hazard: "a conversion that the table's rule allows is done, and told",
        source: &["items: id* price:exact(9)"],
        rule: |rule| rule.types = ["price".to_owned()].into(),
        found: &["Warning TL-PLAN-TYPE-LOSSY items.price"],
        ..PLAIN
    },
    Case {
        hazard: "a word for another length is no word",
        source: &["items: id* price:exact(9)"],
        types: &["exact(8) -> rough", "rough -> exact"],
        found: &["Error TL-PLAN-TYPE-LOSSY items.price"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a key is not converted whatever the job allows",
        source: &["items: id:exact(9)* name"],
        types: &["exact -> rough"],
        found: &["Error TL-PLAN-TYPE-LOSSY items.id"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a two-way job converts nothing with a loss",
        source: &["items: id* price:exact(9) version"],
        types: &["exact -> rough"],
        version: Some("version"),
        found: &["Error TL-PLAN-TYPE-LOSSY items.price"],
        tables: 0,
        ..PLAIN
    },
    Case { hazard: "the same table is there already", target: &["items: id* name"], ..PLAIN },
    Case {
        hazard: "a table and itself",
        same_server: true,
        found: &["Warning TL-PLAN-SAME-DATABASE job"],
        ..PLAIN
    },
    Case {
        hazard: "one database, another name",
        same_server: true,
        rule: |r| r.to = Some("copies".into()),
        ..PLAIN
    },
    Case {
        hazard: "two tables become one",
        source: &["items: id*", "goods: id*"],
        rule: |r| r.to = Some("things".into()),
        found: &["Error TL-PLAN-SAME-NAME things"],
        tables: 2,
        ..PLAIN
    },
    Case {
        hazard: "the key is left out",
        rule: |r| r.columns = ColumnSelection::Exclude(vec!["id".into()]),
        found: &["Error TL-PLAN-KEY-LEFT-OUT items"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "no key",
        source: &["items: id name"],
        found: &["Error TL-PLAN-NO-KEY items"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "no key, as the engine said",
        source: &["items: id name"],
        told: Some("TL-X-NO-KEY"),
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a column that the job misspells",
        rule: |r| drop(r.rename.insert("nmae".into(), "title".into())),
        found: &["Error TL-PLAN-NO-COLUMN items"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "the table that is there lacks two columns",
        source: &["items: id* name qty"],
        target: &["items: id* title"],
        found: &["Error TL-PLAN-COLUMN-MISSING items.name", "Error TL-PLAN-COLUMN-MISSING items.qty"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "the column is there by another name",
        target: &["items: id* title"],
        rule: |r| drop(r.rename.insert("name".into(), "title".into())),
        ..PLAIN
    },
    Case {
        hazard: "the column there is computed",
        target: &["items: id* name="],
        found: &["Error TL-PLAN-GENERATED items.name"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a computed column here is not read",
        source: &["items: id* name="],
        target: &["items: id*"],
        ..PLAIN
    },
    Case {
        hazard: "a type that holds less",
        source: &["items: id* name:wide"],
        found: &["Warning TL-PLAN-TYPE-NARROW items.name"],
        ..PLAIN
    },
    Case {
        hazard: "a type that cannot be held",
        source: &["items: id* name:odd", "goods: id*"],
        found: &["Error TL-PLAN-TYPE-REFUSED items.name"],
        tables: 1,
        ..PLAIN
    },
    Case {
        hazard: "another key there",
        target: &["items: id name*"],
        found: &["Error TL-PLAN-KEY-DIFFERS items"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "the key in another order is the same key",
        source: &["items: a* b*"],
        target: &["items: b* a*"],
        ..PLAIN
    },
    Case {
        hazard: "a column there that must have a value",
        target: &["items: id* name must!"],
        found: &["Error TL-PLAN-COLUMN-UNFED items.must"],
        tables: 0,
        ..PLAIN
    },
    Case { hazard: "a column there that may be NULL", target: &["items: id* name may"], ..PLAIN },
    Case { hazard: "a two-way job", version: Some("name"), ..PLAIN },
    Case {
        hazard: "a two-way job without its version column",
        version: Some("changed"),
        found: &["Error TL-PLAN-NO-VERSION items"],
        ..PLAIN
    },
    Case {
        hazard: "several faults are told at once",
        source: &["items: id* name:odd", "goods: id"],
        target: &["items: id* must!"],
        found: &[
            "Error TL-PLAN-COLUMN-MISSING items.name",
            "Error TL-PLAN-TYPE-REFUSED items.name",
            "Error TL-PLAN-NO-KEY goods",
        ],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "the two sides of a two-way job call it differently",
        target: &["goods: id* name"],
        rule: |r| r.to = Some("goods".into()),
        version: Some("name"),
        found: &["Error TL-PLAN-TWO-WAY-NAMES items"],
        ..PLAIN
    },
    Case {
        hazard: "tables meet where the target takes their names for one",
        source: &["items: id* name", "Items: id*"],
        names: FOLDED,
        found: &["Error TL-PLAN-SAME-NAME Items"],
        tables: 2,
        ..PLAIN
    },
    Case {
        hazard: "columns meet where the target takes their names for one",
        source: &["items: id* name Name"],
        names: FOLDED,
        found: &["Error TL-PLAN-SAME-COLUMN items"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "names and so many columns that the target cannot have",
        source: &["articles: id* name quantity", "items: id* name"],
        names: NARROW,
        found: &[
            "Error TL-PLAN-NAME articles",
            "Error TL-PLAN-NAME articles",
            "Error TL-PLAN-TOO-WIDE articles",
        ],
        tables: 1,
        ..PLAIN
    },
    Case {
        hazard: "what is there already has whatever name it has",
        source: &["articles: id* name quantity"],
        target: &["articles: id* name quantity"],
        names: NARROW,
        ..PLAIN
    },
    Case {
        hazard: "defaults that a table to be made does not get",
        source: &["items: id* name~ must!~", "goods: id* name~"],
        target: &["goods: id* name"],
        found: &["Note TL-PLAN-DEFAULT items.name", "Warning TL-PLAN-DEFAULT items.must"],
        tables: 2,
        ..PLAIN
    },
    Case {
        hazard: "what is there in other letters is compared",
        target: &["ITEMS: ID* Name more!"],
        names: FOLDED,
        found: &["Error TL-PLAN-COLUMN-UNFED ITEMS.more"],
        tables: 0,
        ..PLAIN
    },
    Case { hazard: "only some rows", rule: |r| r.filter = Some("id > 1".into()), ..PLAIN },
    Case {
        hazard: "only some rows, and NULL decides nothing",
        rule: |r| r.filter = Some("name > 1".into()),
        found: &["Warning TL-PLAN-EXPRESSION-NULL items"],
        ..PLAIN
    },
    Case {
        hazard: "a filter that names no column",
        rule: |r| r.filter = Some("nmae > 1".into()),
        found: &["Error TL-PLAN-EXPRESSION items"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a filter that is neither true nor false",
        rule: |r| r.filter = Some("id + 1".into()),
        found: &["Error TL-PLAN-EXPRESSION items"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a filter over what the log does not have",
        source: &["items: id* sum="],
        rule: |r| r.filter = Some("sum > 1".into()),
        found: &["Error TL-PLAN-EXPRESSION items"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a computed column of no type",
        rule: |r| r.compute = [("more".to_owned(), "id > 1 ? id : 'none'".to_owned())].into(),
        found: &["Error TL-PLAN-EXPRESSION items.more"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a computed column under the name of another",
        rule: |r| r.compute = [("name".to_owned(), "id + 1".to_owned())].into(),
        found: &["Error TL-PLAN-SAME-COLUMN items"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a computed column that the table there lacks",
        target: &["items: id* name"],
        rule: |r| r.compute = [("more".to_owned(), "id + 1".to_owned())].into(),
        found: &["Error TL-PLAN-COLUMN-MISSING items.more"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a computed column that is computed there as well",
        target: &["items: id* name more="],
        rule: |r| r.compute = [("more".to_owned(), "id + 1".to_owned())].into(),
        found: &["Error TL-PLAN-GENERATED items.more"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a key behind a mask",
        rule: |r| r.mask = [("id".to_owned(), Mask::Sha256(Salt::default()))].into(),
        found: &["Error TL-PLAN-MASK-KEY items.id"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a fixed value of another type",
        rule: |r| r.mask = [("name".to_owned(), Mask::Fixed("***".into()))].into(),
        found: &["Error TL-PLAN-MASK-TYPE items.name"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a mask that empties a column that is NOT NULL there",
        target: &["items: id* name!"],
        rule: |r| r.mask = [("name".to_owned(), Mask::Null)].into(),
        found: &["Error TL-PLAN-MASK-TYPE items.name"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a masked column whose values would be converted",
        source: &["items: id* price:exact(9)"],
        rule: |r| r.mask = [("price".to_owned(), Mask::Fixed("1".into()))].into(),
        found: &["Error TL-PLAN-MASK-TYPE items.price"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "rows that a mask makes equal where they must differ",
        target: &["items: id* name^"],
        rule: |r| r.mask = [("name".to_owned(), Mask::Fixed("1".into()))].into(),
        found: &["Error TL-PLAN-MASK-UNIQUE items.name"],
        tables: 0,
        ..PLAIN
    },
    Case {
        hazard: "a unique index over what a mask makes equal is not made",
        source: &["items: id* name^"],
        rule: |r| r.mask = [("name".to_owned(), Mask::Partial(4))].into(),
        ..PLAIN
    },
    Case {
        hazard: "a reference to rows that are left out",
        source: &["things: id*", "items: id* thing>things"],
        rule: |r| r.filter = Some("id > 1".into()),
        found: &["Note TL-PLAN-REFERENCE-LEFT-OUT items"],
        tables: 2,
        ..PLAIN
    },
];

fn planned(case: &Case) -> (Flow, Vec<Finding>) {
    let side = |id: &str, names, tables: &[&str], findings| Inspection {
        server: ServerIdentity { product: "Paper".into(), version: "1".into(), id: id.into() },
        names,
        tables: tables.iter().map(|t| table(t)).collect(),
        stored: BTreeMap::new(),
        findings,
    };
    let told = case.told.map(|code| Finding::new(Severity::Error, code, "items", "told by the engine"));
    let here = side("a", EXACT, case.source, told.into_iter().collect());
    let there = side(if case.same_server { "a" } else { "b" }, case.names, case.target, Vec::new());
    let (shop, till) = (Paper::new("shop", "paper"), Paper::new("till", "paper"));
    let rules: Vec<(Arc<Table>, TableRule)> = here
        .tables
        .iter()
        .map(|table| {
            let mut rule = TableRule::plain(table.name.to_string());
            (case.rule)(&mut rule);
            (table.clone(), rule)
        })
        .collect();
    let conflicts = case.version.map(|column| ConflictPolicy {
        version: Some(column.into()),
        tables: BTreeMap::new(),
        priority: Vec::new(),
    });
    let job = Job {
        name: "job".into(),
        route: Route::OneWay { source: "shop".into(), target: "till".into() },
        tables: TableSelection::All,
        capture: None,
        batch_size: 100,
        types: case.types.iter().map(|t| t.parse().unwrap()).collect(),
        schema_changes: SchemaChanges { policy: case.policy, drop: false },
        conflicts,
    };
    let source = Side { endpoint: &shop, inspection: &here };
    let target = Side { endpoint: &till, inspection: &there };
    let written = case.written.iter().map(|text| {
        let map = TableMap::unchanged(&table(text));
        (map.source.name.clone(), (map.target.name.clone(), CopiedColumn::of(&map)))
    });
    plan(&job, Purpose::Follow, (source, target), &rules, &written.collect())
}

#[test]
fn every_hazard_is_found_with_its_code_and_keeps_only_its_own_table_from_flowing() {
    for case in CASES {
        let (flow, findings) = planned(case);
        let found: Vec<String> =
            findings.iter().map(|f| format!("{:?} {} {}", f.severity, f.code, f.subject)).collect();
        assert_eq!(found, case.found, "{}: {findings:#?}", case.hazard);
        assert_eq!(flow.tables.len(), case.tables, "{}", case.hazard);
        let alters: Vec<String> =
            flow.alterations.iter().flat_map(|a| &a.changes).map(|change| format!("{change:?}")).collect();
        assert_eq!(alters, case.alters, "{}", case.hazard);
    }
}

#[test]
fn every_code_of_this_file_has_its_hazard() {
    let text = [include_str!("../plan.rs"), include_str!("../naming.rs"), include_str!("rules.rs")].concat();
    let codes = text.split("\"TL-PLAN-").skip(1).filter_map(|rest| rest.split_once('"'));
    let mut count = 0;
    for (code, _) in codes {
        let tried = CASES.iter().flat_map(|c| c.found).any(|f| f.contains(&format!(" TL-PLAN-{code} ")));
        assert!(tried, "TL-PLAN-{code} is not in the table of hazards");
        count += 1;
    }
    assert!(count >= 12, "{count} codes were found in the source: it is spelled another way now");
}

#[test]
fn columns_keep_their_places_where_some_are_left_out_and_others_have_another_name() {
    let rule = |r: &mut TableRule| {
        r.columns = ColumnSelection::Exclude(vec!["name".into()]);
        r.rename.insert("id".into(), "number".into());
    };
    let case = Case { source: &["items: name id* sum= qty"], rule, ..PLAIN };
    let (flow, findings) = planned(&case);
    assert_eq!(findings, []);
    let target = &flow.tables[0].target;
    let names: Vec<&str> = target.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!((names, &target.key), (vec!["number", "qty"], &vec![0]));
}

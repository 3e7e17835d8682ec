//! The types of the catalogue → [`Type`] and [`Decoder`].
//!
//! Built-in types are known by their fixed object ids (`pg_type.dat`); the others by what `pg_type` says of them. A domain is its base type: its
//! values are, and a cast to the base type is always there.

use crate::ENGINE;
use crate::decode::Decoder;
use std::collections::HashMap;
use tidelock_model::{Column, Type};

/// A row of `pg_type`.
#[derive(Clone, Debug)]
pub(crate) struct TypeRow {
    pub oid: u32,
    /// `typtype`: `b`ase, `c`omposite, `d`omain, `e`num, `p`seudo, `r`ange, `m`ultirange.
    pub kind: u8,
    pub base: u32,
    pub base_typmod: i32,
    /// The element's type, of a true array.
    pub element: u32,
    pub delimiter: char,
    /// As `format_type(oid, -1)` prints it: a name that casts change nothing by.
    pub name: String,
    pub labels: Vec<String>,
}

/// `pg_type` as far as it is needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Types(pub HashMap<u32, TypeRow>);

/// A column's type, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub data_type: Type,
    pub decoder: Decoder,
    /// What its values are cast to in our statements: without length or precision, which would cut them in silence.
    pub cast: String,
    /// The id and modifier that the column is declared with.
    pub declared: (u32, i32),
}

mod oid {
    pub const BOOL: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT4: u32 = 23;
    pub const TEXT: u32 = 25;
    pub const OID: u32 = 26;
    pub const JSON: u32 = 114;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const DATE: u32 = 1082;
    pub const TIME: u32 = 1083;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const INTERVAL: u32 = 1186;
    pub const TIMETZ: u32 = 1266;
    pub const BIT: u32 = 1560;
    pub const VARBIT: u32 = 1562;
    pub const NUMERIC: u32 = 1700;
    pub const UUID: u32 = 2950;
    pub const JSONB: u32 = 3802;
}

impl Types {
    /// A column's type by its id and modifier.
    pub fn resolve(&self, oid: u32, typmod: i32) -> Resolved {
        let declared = (oid, typmod);
        let (mut oid, mut typmod) = declared;
        // Domains over domains are few; the limit is for a catalogue that lies.
        for _ in 0..32 {
            match self.0.get(&oid) {
                Some(row) if row.kind == b'd' => {
                    typmod = if row.base_typmod >= 0 { row.base_typmod } else { typmod };
                    oid = row.base;
                }
                _ => break,
            }
        }
        let row = self.0.get(&oid);
        let name = row.map_or_else(|| format!("type {oid}"), |r| r.name.clone());
        let (data_type, decoder) = self.plain(oid, typmod, row);
        Resolved { data_type, decoder, cast: name, declared }
    }

    fn plain(&self, oid: u32, typmod: i32, row: Option<&TypeRow>) -> (Type, Decoder) {
        let length = (typmod >= 4).then(|| (typmod - 4) as u32);
        let bits = (typmod >= 0).then_some(typmod as u32);
        let fraction = if (0..=6).contains(&typmod) { typmod as u8 } else { 6 };
        match oid {
            oid::BOOL => (Type::Bool, Decoder::Bool),
            oid::BYTEA => (Type::bytes(), Decoder::Bytes),
            oid::INT2 => (Type::int(16), Decoder::Int),
            oid::INT4 => (Type::int(32), Decoder::Int),
            oid::INT8 => (Type::int(64), Decoder::Int),
            oid::OID => (Type::Int { bits: 32, unsigned: true }, Decoder::UInt),
            oid::TEXT => (Type::text(), Decoder::Text),
            oid::VARCHAR => (Type::Text { length, fixed: false }, Decoder::Text),
            // Without a length its blanks at the end are kept, and are told.
            oid::BPCHAR if length.is_none() => (Type::text(), Decoder::Text),
            oid::BPCHAR => (Type::Text { length, fixed: true }, Decoder::Padded),
            oid::JSON | oid::JSONB => (Type::Json, Decoder::Json),
            oid::FLOAT4 => (Type::Float32, Decoder::Float32),
            oid::FLOAT8 => (Type::Float64, Decoder::Float64),
            oid::DATE => (Type::Date, Decoder::Date),
            oid::TIME => (Type::Time { fraction, zone: false }, Decoder::Time),
            oid::TIMETZ => (Type::Time { fraction, zone: true }, Decoder::Time),
            oid::TIMESTAMP => (Type::DateTime { fraction }, Decoder::DateTime),
            oid::TIMESTAMPTZ => (Type::Timestamp { fraction }, Decoder::Timestamp),
            oid::INTERVAL => (Type::Interval, Decoder::Interval),
            oid::BIT => (Type::Bits { length: bits, varying: false }, Decoder::Bits),
            oid::VARBIT => (Type::Bits { length: bits, varying: true }, Decoder::Bits),
            oid::NUMERIC => (numeric(typmod), Decoder::Decimal),
            oid::UUID => (Type::Uuid, Decoder::Uuid),
            _ => match row {
                Some(row) if row.kind == b'e' => (Type::Enum { labels: row.labels.clone() }, Decoder::Enum),
                Some(row) if row.element != 0 => {
                    let element = self.resolve(row.element, typmod);
                    (
                        Type::Array { element: Box::new(element.data_type) },
                        Decoder::Array(Box::new(element.decoder), row.delimiter),
                    )
                }
                row => {
                    let name = row.map_or_else(|| format!("type {oid}"), |r| r.name.clone());
                    (Type::Native { engine: ENGINE.to_owned(), name }, Decoder::Native)
                }
            },
        }
    }
}

/// A column of each type, for the page of types; of what is made of others, one each.
pub(crate) fn samples() -> Vec<Column> {
    const ENUM: u32 = 100_000;
    const ENUMS: u32 = 100_001;
    let row = |oid, kind, element, name: &str| TypeRow {
        oid,
        kind,
        base: 0,
        base_typmod: -1,
        element,
        delimiter: ',',
        name: name.to_owned(),
        labels: if kind == b'e' { vec!["a".to_owned(), "b".to_owned()] } else { Vec::new() },
    };
    let made = [
        row(ENUM, b'e', 0, "an enum"),
        row(ENUMS, b'b', ENUM, "an enum[]"),
        row(1007, b'b', oid::INT4, "integer[]"),
    ];
    let natives = [
        "money",
        "name",
        "\"char\"",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "int4range",
        "int8range",
        "numrange",
        "daterange",
        "tsrange",
        "tstzrange",
        "int4multirange",
        "point",
        "line",
        "lseg",
        "box",
        "path",
        "polygon",
        "circle",
        "tsvector",
        "tsquery",
        "xml",
        "jsonpath",
        "pg_lsn",
        "pg_snapshot",
        "xid8",
        "xid",
        "tid",
        "regclass",
        "regtype",
        "aclitem",
        "refcursor",
        "hstore",
        "citext",
        "ltree",
        "a composite type",
    ];
    let natives = natives.iter().zip(200_000..).map(|(name, oid)| row(oid, b'b', 0, name));
    let types = Types(made.into_iter().chain(natives).map(|r| (r.oid, r)).collect());
    let known = [
        ("boolean", oid::BOOL, -1),
        ("smallint", oid::INT2, -1),
        ("integer", oid::INT4, -1),
        ("bigint", oid::INT8, -1),
        ("oid", oid::OID, -1),
        ("numeric", oid::NUMERIC, -1),
        ("numeric(12,2)", oid::NUMERIC, (12 << 16 | 2) + 4),
        ("numeric(100,40)", oid::NUMERIC, (100 << 16 | 40) + 4),
        ("real", oid::FLOAT4, -1),
        ("double precision", oid::FLOAT8, -1),
        ("text", oid::TEXT, -1),
        ("character varying(40)", oid::VARCHAR, 44),
        ("character(5)", oid::BPCHAR, 9),
        ("bytea", oid::BYTEA, -1),
        ("date", oid::DATE, -1),
        ("time without time zone", oid::TIME, -1),
        ("time with time zone", oid::TIMETZ, -1),
        ("timestamp without time zone", oid::TIMESTAMP, -1),
        ("timestamp(3) with time zone", oid::TIMESTAMPTZ, 3),
        ("interval", oid::INTERVAL, -1),
        ("uuid", oid::UUID, -1),
        ("json", oid::JSON, -1),
        ("jsonb", oid::JSONB, -1),
        ("bit(10)", oid::BIT, 10),
        ("bit varying", oid::VARBIT, -1),
    ];
    let known = known.into_iter().map(|(name, oid, typmod)| (name.to_owned(), oid, typmod));
    let mut others: Vec<_> = types.0.values().map(|r| (r.name.clone(), r.oid, -1)).collect();
    others.sort_by_key(|(_, oid, _)| *oid);
    let column = |(name, oid, typmod): (String, u32, i32)| {
        Column::new("c", types.resolve(oid, typmod).data_type, name)
    };
    known.chain(others).map(column).collect()
}

/// `numeric(p, s)`: the modifier's upper half is the precision, its lower eleven bits the scale, which may be negative (PostgreSQL 15).
fn numeric(typmod: i32) -> Type {
    if typmod < 4 {
        return Type::Decimal { precision: None, scale: 0 };
    }
    let bits = typmod - 4;
    let scale = ((bits & 0x7ff) ^ 1024) - 1024;
    Type::Decimal { precision: Some((bits >> 16 & 0xffff) as u16), scale: scale as i16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(oid: u32, kind: u8, name: &str) -> TypeRow {
        TypeRow {
            oid,
            kind,
            base: 0,
            base_typmod: -1,
            element: 0,
            delimiter: ',',
            name: name.into(),
            labels: Vec::new(),
        }
    }

    #[test]
    fn modifiers_tell_length_precision_and_scale() {
        let types = Types::default();
        let of = |oid, typmod| types.resolve(oid, typmod).data_type;
        assert_eq!(of(oid::NUMERIC, 786_438), Type::Decimal { precision: Some(12), scale: 2 });
        assert_eq!(of(oid::NUMERIC, (5 << 16 | 0x7fe) + 4), Type::Decimal { precision: Some(5), scale: -2 });
        assert_eq!(of(oid::NUMERIC, -1), Type::Decimal { precision: None, scale: 0 });
        assert_eq!(of(oid::VARCHAR, 24), Type::Text { length: Some(20), fixed: false });
        assert_eq!(of(oid::BPCHAR, 24), Type::Text { length: Some(20), fixed: true });
        assert_eq!(types.resolve(oid::BPCHAR, -1).decoder, Decoder::Text, "it keeps its blanks");
        assert_eq!(of(oid::TIMESTAMPTZ, 3), Type::Timestamp { fraction: 3 });
        assert_eq!(of(oid::TIMESTAMPTZ, -1), Type::Timestamp { fraction: 6 });
    }

    #[test]
    fn domains_are_their_base_and_enums_are_found_in_arrays() {
        let mut types = Types::default();
        let domain = TypeRow { base: oid::VARCHAR, base_typmod: 14, ..row(9001, b'd', "public.short") };
        let mood = TypeRow { labels: vec!["sad".into(), "glad".into()], ..row(9002, b'e', "public.mood") };
        let moods = TypeRow { element: 9002, ..row(9003, b'b', "public.mood[]") };
        for made in [domain, mood, moods, row(oid::VARCHAR, b'b', "character varying")] {
            types.0.insert(made.oid, made);
        }
        let short = types.resolve(9001, -1);
        assert_eq!(short.data_type, Type::Text { length: Some(10), fixed: false });
        assert_eq!(short.cast, "character varying");
        let moods = types.resolve(9003, -1);
        assert!(
            matches!(moods.data_type, Type::Array { ref element } if matches!(**element, Type::Enum { .. }))
        );
    }
}

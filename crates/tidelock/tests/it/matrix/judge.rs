//! What a side holds, as its own database renders it; and whether two renderings are the same value.

use super::sample::{Class, Sample};
use crate::sides::unknown;
use tidelock_testkit::{Database, Family};

/// The expression that renders column `v` of a sample of this class.
pub fn rendered(class: Class, family: Family) -> String {
    match family {
        Family::Postgres => postgres(class),
        Family::Mysql => mysql(class),
        Family::Sqlite => sqlite(class),
        other => unknown(other),
    }
}

/// The same for a sample whose values are converted with a loss: what the source is asked, and as what the target is.
pub fn converted(sample: &Sample, source: Family) -> (String, Class) {
    let class = sample.class;
    let text = |expression: &str| match source {
        Family::Postgres => format!("encode(convert_to({expression}, 'UTF8'), 'hex')"),
        Family::Mysql => format!("LOWER(HEX({expression}))"),
        Family::Sqlite => format!("lower(hex({expression}))"),
        other => unknown(other),
    };
    match (class, source) {
        (Class::Array, _) => {
            // What JSON has no kind for is as PostgreSQL's own text, but for octets and moments.
            let item = match sample.native {
                "bytea[]" => "'0x' || encode(e, 'hex')",
                "timestamptz[]" => {
                    "CASE WHEN isfinite(e) THEN to_char(e AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || '+00:00' ELSE e::text END"
                }
                "interval[]" => "e::text",
                "pair[]" => {
                    let all = "to_jsonb(ARRAY(SELECT v[n]::text FROM generate_subscripts(v, 1) n))::text";
                    return (format!("CASE WHEN v IS NOT NULL THEN {all} END"), Class::Json);
                }
                _ => return ("to_jsonb(v)::text".to_owned(), Class::Json),
            };
            let all = format!("to_jsonb(ARRAY(SELECT {item} FROM unnest(v) e))::text");
            (format!("CASE WHEN v IS NOT NULL THEN {all} END"), Class::Json)
        }
        // A cast may say more than the type's own text: `::1/128`.
        (Class::Native, Family::Postgres) => (
            format!("CASE WHEN v IS NOT DISTINCT FROM NULL THEN NULL ELSE {} END", text("concat(v)")),
            Class::Text,
        ),
        (Class::Native, _) => (text("CAST(v AS CHAR)"), Class::Text),
        (Class::Geometry, _) => (text("CONCAT('0x', LOWER(HEX(v)))"), Class::Text),
        (Class::Any, _) => {
            let octets = "CASE typeof(v) WHEN 'blob' THEN '0x' || lower(hex(v)) ELSE CAST(v AS TEXT) END";
            (format!("CASE WHEN v IS NOT NULL THEN {} END", text(octets)), Class::Text)
        }
        // Their texts are theirs on both sides.
        _ => (rendered(class, source), class),
    }
}

fn postgres(class: Class) -> String {
    match class {
        Class::Bool => "v::int::text",
        Class::Text => "encode(convert_to(v::text, 'UTF8'), 'hex')",
        Class::Bytes | Class::Geometry => "encode(v, 'hex')",
        Class::Float => "v::float8::text",
        Class::Date | Class::DateTime => return counted("v"),
        Class::Instant => return counted("(v AT TIME ZONE 'UTC')"),
        Class::Decimal => "CASE WHEN v::text ~ '^[-0-9.]+$' THEN trim_scale(v)::text ELSE v::text END",
        _ => "v::text",
    }
    .to_owned()
}

/// With years as ISO 8601 counts them: 1 BC is the year 0.
fn counted(v: &str) -> String {
    format!(
        "CASE WHEN isfinite({v}) AND {v} < '0001-01-01' THEN CASE WHEN extract(year FROM {v}) < -1 THEN '-' ELSE '' END || \
         lpad((-1 - extract(year FROM {v}))::text, 4, '0') || to_char({v}, '-MM-DD HH24:MI:SS') ELSE {v}::text END"
    )
}

fn mysql(class: Class) -> String {
    match class {
        Class::Bool | Class::Int | Class::Year => "CAST(v + 0 AS CHAR)".to_owned(),
        // Of a double, and not as text by a cast: that cuts digits of long ones.
        Class::Float => "v * 1e0".to_owned(),
        Class::Text => "LOWER(HEX(CONVERT(v USING utf8mb4)))".to_owned(),
        Class::Bytes | Class::Geometry => "LOWER(HEX(v))".to_owned(),
        Class::Bits(0) => "CAST(v AS CHAR)".to_owned(),
        Class::Bits(n) => format!("LPAD(BIN(v), {n}, '0')"),
        _ => "CAST(v AS CHAR)".to_owned(),
    }
}

fn sqlite(class: Class) -> String {
    let rendered = match class {
        Class::Float => "printf('%!.17g', v)",
        Class::Text => "lower(hex(CAST(v AS TEXT)))",
        Class::Bytes => "lower(hex(v))",
        Class::Any => "typeof(v) || ' ' || quote(v)",
        _ => "CAST(v AS TEXT)",
    };
    format!("CASE WHEN v IS NOT NULL THEN {rendered} END")
}

/// Whether the renderings of one value, `here` at the source and `there` where it went, are the same. `judges` are all databases that it was in.
pub async fn same(class: Class, judges: &[&Database], here: &str, there: &str) -> bool {
    if here == there {
        return true;
    }
    match class {
        Class::Float => {
            number(here).is_some_and(|a| number(there).is_some_and(|b| a.to_bits() == b.to_bits()))
        }
        Class::Decimal | Class::Time | Class::TimeZone | Class::Date | Class::DateTime | Class::Instant => {
            plain(here) == plain(there)
        }
        Class::Json => json(judges, here, there).await,
        Class::Interval => interval(judges, here, there).await,
        _ => false,
    }
}

fn number(text: &str) -> Option<f64> {
    match text {
        "Infinity" | "Inf" => Some(f64::INFINITY),
        "-Infinity" | "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        text => text.parse().ok(),
    }
}

/// Without what zeros before and behind a number add, without the sign for UTC, and without the letters of ISO 8601.
fn plain(text: &str) -> String {
    let text = &text.replace('T', " ");
    let text = ["+00:00", "+00", "Z"].iter().find_map(|utc| text.strip_suffix(utc)).unwrap_or(text);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    let text = text.strip_suffix(" 00:00:00").unwrap_or(text);
    let (sign, digits) = text.split_at(usize::from(text.starts_with('-')));
    format!("{sign}{}", digits.trim_start_matches('0'))
}

async fn ask(db: &Database, sql: &str) -> bool {
    matches!(db.value(sql).await.unwrap().as_deref(), Some("t" | "1"))
}

/// By whichever of them knows best what JSON says: PostgreSQL, MySQL; the others keep its text.
async fn json(judges: &[&Database], here: &str, there: &str) -> bool {
    for db in judges {
        if db.kind().family() == Family::Postgres {
            let equal = format!("SELECT $json${here}$json$::jsonb = $json${there}$json$::jsonb");
            return ask(db, &equal).await;
        }
    }
    for db in judges {
        if db.kind() == tidelock_testkit::Kind::Mysql97 {
            let literal = |text: &str| text.replace('\\', "\\\\").replace('\'', "''");
            let equal =
                format!("SELECT CAST('{}' AS JSON) = CAST('{}' AS JSON)", literal(here), literal(there));
            return ask(db, &equal).await;
        }
    }
    false
}

/// As PostgreSQL reads it.
async fn interval(judges: &[&Database], here: &str, there: &str) -> bool {
    for db in judges {
        if db.kind().family() == Family::Postgres {
            return ask(db, &format!("SELECT '{here}'::interval::text = '{there}'::interval::text")).await;
        }
    }
    false
}

//! Defaults of columns, as the catalogue prints them, in neutral terms.

use crate::ENGINE;
use tidelock_model::ColumnDefault;

/// What an expression, as `pg_get_expr` prints it, means elsewhere.
pub(crate) fn default(sql: &str) -> Option<ColumnDefault> {
    const NOW: &[&str] =
        &["now()", "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "LOCALTIMESTAMP", "LOCALTIME"];
    let bare =
        sql.split_once('(').filter(|(_, n)| n.len() == 2 && n.ends_with(')')).map_or(sql, |(name, _)| name);
    if NOW.contains(&sql) || NOW.contains(&bare) {
        return Some(ColumnDefault::Now);
    }
    if sql.starts_with("nextval(") {
        return Some(ColumnDefault::AutoIncrement);
    }
    if sql.starts_with("NULL::") {
        return None;
    }
    if matches!(sql, "true" | "false") || sql.parse::<f64>().is_ok() {
        return Some(ColumnDefault::Literal(sql.to_owned()));
    }
    match constant(sql) {
        Some(text) => Some(ColumnDefault::Literal(text)),
        None => Some(ColumnDefault::Expression { engine: ENGINE.to_owned(), sql: sql.to_owned() }),
    }
}

/// `'it''s'::character varying(20)` without quotes and cast.
fn constant(sql: &str) -> Option<String> {
    let mut rest = sql.strip_prefix('\'')?;
    let mut text = String::new();
    loop {
        let (part, behind) = rest.split_once('\'')?;
        text += part;
        match behind.strip_prefix('\'') {
            Some(more) => {
                text.push('\'');
                rest = more;
            }
            None => {
                let cast = behind.strip_prefix("::")?;
                let plain = |c: char| c.is_alphanumeric() || " _\".,()[]".contains(c);
                return cast.chars().all(plain).then_some(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_told_apart() {
        let literal = |text: &str| Some(ColumnDefault::Literal(text.into()));
        assert_eq!(default("'new'::character varying"), literal("new"));
        assert_eq!(default("'it''s'::text"), literal("it's"));
        assert_eq!(default("0"), literal("0"));
        assert_eq!(default("'-1'::integer"), literal("-1"));
        assert_eq!(default("true"), literal("true"));
        assert_eq!(default("now()"), Some(ColumnDefault::Now));
        assert_eq!(default("CURRENT_TIMESTAMP(3)"), Some(ColumnDefault::Now));
        assert_eq!(default("nextval('public.a_seq'::regclass)"), Some(ColumnDefault::AutoIncrement));
        assert_eq!(default("NULL::text"), None);
        for sql in
            ["('a'::text || 'b'::text)", "'a'::text || 'b'::text", "gen_random_uuid()", "E'a\\\\b'::text"]
        {
            assert!(matches!(default(sql), Some(ColumnDefault::Expression { .. })), "{sql}");
        }
    }
}

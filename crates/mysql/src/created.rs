//! What SHOW CREATE TABLE says of a column: all that a MODIFY has to repeat, or the column loses it (default, comment, character set, SRID, INVISIBLE, …).

use crate::Result;
use crate::catalog::Layout;
use crate::connect::{Session, quoted};

/// The statement that would make a table that is there.
pub(crate) struct Created(String);

impl Created {
    pub async fn ask(session: &mut Session, layout: &Layout) -> Result<Created> {
        let doing = format!("asking how {} was made", layout.table.name);
        let sql = format!("SHOW CREATE TABLE {}", layout.sql_name());
        session.run(&doing, "SET SESSION sql_quote_show_create=1").await?;
        Ok(Created(session.first(&doing, sql).await?.map_or(String::new(), |row| row.string(1))))
    }

    /// Both products write line breaks in texts with a backslash, so a column has one line.
    fn line(&self, column: &str) -> Option<&str> {
        let head = quoted(column) + " ";
        let mut lines = self.0.lines().map(|line| line.trim_start().trim_end_matches(','));
        lines.find(|line| line.starts_with(&head))
    }

    /// The column as it is, but for NOT NULL.
    pub fn relaxed(&self, column: &str) -> Option<String> {
        const NOT: &str = " NOT NULL";
        let line = self.line(column)?;
        let Some(place) = outside(line, NOT) else { return Some(line.to_owned()) };
        Some(format!("{} NULL{}", &line[..place], &line[place + NOT.len()..]))
    }

    /// The column's comment as a literal, where it is not one of ours.
    pub fn comment(&self, column: &str) -> Option<&str> {
        const COMMENT: &str = " COMMENT ";
        let line = self.line(column)?;
        let literal = &line[outside(line, COMMENT)? + COMMENT.len()..];
        let end = outside(literal, " ").unwrap_or(literal.len());
        Some(&literal[..end]).filter(|l| !l.starts_with("'tidelock:"))
    }
}

/// Where a word stands outside of quotes and brackets.
fn outside(line: &str, word: &str) -> Option<usize> {
    let (mut quote, mut depth, mut escaped) = (None, 0, false);
    for (i, c) in line.char_indices() {
        match (quote, c) {
            _ if std::mem::take(&mut escaped) => {}
            (Some('\'' | '"'), '\\') => escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, _) if depth == 0 && line[i..].starts_with(word) => return Some(i),
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_quotes_are_no_part_of_a_columns_definition() {
        let created = Created(
            "CREATE TABLE `t` (\n  `a` enum('x NOT NULL','it''s') NOT NULL DEFAULT 'it''s \\' COMMENT ' COMMENT ' NOT NULL ''x'' \\\\' INVISIBLE,\n  \
             `a b` int DEFAULT (length(' COMMENT ')) COMMENT 'tidelock:bool',\n  `c``d` text NOT NULL\n)"
                .to_owned(),
        );
        assert_eq!(
            created.relaxed("a").unwrap(),
            "`a` enum('x NOT NULL','it''s') NULL DEFAULT 'it''s \\' COMMENT ' COMMENT ' NOT NULL ''x'' \\\\' INVISIBLE"
        );
        assert_eq!(created.comment("a"), Some("' NOT NULL ''x'' \\\\'"));
        assert_eq!(
            created.relaxed("a b").unwrap(),
            "`a b` int DEFAULT (length(' COMMENT ')) COMMENT 'tidelock:bool'"
        );
        assert_eq!(created.comment("a b"), None);
        assert_eq!(created.relaxed("c`d").unwrap(), "`c``d` text NULL");
        assert_eq!((created.comment("c`d"), created.relaxed("d")), (None, None));
    }
}

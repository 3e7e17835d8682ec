//! The tables that a statement acts upon, as far as its first words tell them.
//!
//! A table may be named in a statement and not be touched by it: a foreign key refers to it, another is made like it, rows are read from it. Where the
//! words leave a doubt there is no answer, and every table that is named counts.

use super::replacing::Words;
use super::statement::{Meaning, Statement};

/// A table, with its schema where that is named.
pub(crate) type Named = (Option<String>, String);

impl Statement {
    /// `None`: any table that it names.
    pub fn subjects(&self) -> Option<Vec<Named>> {
        let mut words = Words(&self.words);
        match self.meaning {
            Meaning::Truncate => {
                words.take("TRUNCATE");
                words.take("TABLE");
                Some(words.name().into_iter().collect())
            }
            Meaning::Ddl => definition(words),
            Meaning::Rows => rows(words),
            _ => None,
        }
    }
}

fn definition(mut words: Words<'_>) -> Option<Vec<Named>> {
    let made = words.take("CREATE");
    if !made && !words.take("ALTER") {
        return if words.take_any(&["DROP", "RENAME"]) && words.take_any(&["TABLE", "TABLES"]) {
            Some(words.names().tables)
        } else {
            None
        };
    }
    while words.take_any(&["OR", "REPLACE", "ONLINE", "OFFLINE", "IGNORE"]) {}
    if words.take("TEMPORARY") {
        return Some(Vec::new());
    }
    if !words.take("TABLE") {
        return None;
    }
    while words.take_any(&["IF", "NOT", "EXISTS"]) {}
    words.name().map(|name| vec![name])
}

fn rows(mut words: Words<'_>) -> Option<Vec<Named>> {
    const HOW: [&str; 4] = ["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"];
    if words.take_any(&["INSERT", "REPLACE"]) {
        while words.take_any(&HOW) || words.take("INTO") {}
        return words.name().map(|name| vec![name]);
    }
    if words.take("UPDATE") {
        while words.take_any(&HOW) {}
        let name = words.name()?;
        return words.take("SET").then(|| vec![name]);
    }
    if words.take("LOAD") {
        let into = words.0.windows(2).position(|w| w[0].is("INTO") && w[1].is("TABLE"))?;
        return Words(&words.0[into + 2..]).name().map(|name| vec![name]);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::events::Spoken;
    use super::*;

    fn subjects(text: &str) -> Option<Vec<String>> {
        let found =
            Statement::parse(text.as_bytes(), Spoken { collation: 255, ..Spoken::default() }).subjects()?;
        Some(found.into_iter().map(|(s, t)| s.map_or(t.clone(), |s| format!("{s}.{t}"))).collect())
    }

    #[test]
    fn a_temporary_table_is_nobodys() {
        assert_eq!(subjects("CREATE OR REPLACE TEMPORARY TABLE t (id int)"), Some(vec![]));
    }

    #[test]
    fn a_statement_acts_upon_its_subject_and_not_upon_what_it_only_names() {
        for (text, tables) in [
            ("TRUNCATE TABLE audit.log", "audit.log"),
            ("truncate `t`", "t"),
            ("SET STATEMENT max_statement_time=0, sql_mode='FOR' FOR TRUNCATE TABLE t", "t"),
            ("CREATE TABLE IF NOT EXISTS child (id int, FOREIGN KEY (id) REFERENCES t (id))", "child"),
            ("CREATE OR REPLACE TABLE shop.x LIKE t", "shop.x"),
            ("ALTER ONLINE IGNORE TABLE child ADD FOREIGN KEY (id) REFERENCES t (id)", "child"),
            ("REPLACE LOW_PRIORITY INTO x SELECT * FROM t", "x"),
            ("INSERT IGNORE x (a) VALUES (1)", "x"),
            ("UPDATE LOW_PRIORITY shop.x SET a = (SELECT max(a) FROM t)", "shop.x"),
            ("LOAD DATA LOCAL INFILE 'f' INTO TABLE `x` FIELDS TERMINATED BY ','", "x"),
        ] {
            assert_eq!(subjects(text), Some(vec![tables.to_owned()]), "{text}");
        }
    }

    #[test]
    fn where_the_words_leave_a_doubt_there_is_no_answer() {
        for text in [
            "UPDATE x, t SET t.a = 1",
            "UPDATE x JOIN t USING (id) SET t.a = 1",
            "DELETE t FROM x JOIN t USING (id)",
            "WITH a AS (SELECT 1) DELETE FROM t",
            "CREATE UNIQUE INDEX i ON t (a)",
            "SELECT `shop`.`f`(1)",
        ] {
            assert_eq!(subjects(text), None, "{text}");
        }
    }
}

//! Statements that take rows away, bring others, or write values anew, with not one row of it in the log.
//!
//! Whoever follows a table by its rows sees nothing of `DROP TABLE`, of another table that is put in its place (as tools for online schema changes do), or
//! of a `MODIFY` that turns every value into another. So they are told from their words; what a statement does not name is none of its business, and
//! where the words leave a doubt (a `MODIFY` that only widens) it counts.

use super::statement::{NO_COLUMN, Statement, Word};
use super::subject::Named;

/// What a statement puts away or writes anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub tables: Vec<Named>,
    /// A whole schema.
    pub schema: Option<String>,
    /// The rows are still there, under their keys, with other values or columns.
    pub kept: bool,
}

impl Statement {
    /// The tables whose rows it replaces or removes.
    pub fn replaces(&self) -> Replaced {
        let mut words = Words(&self.words);
        if words.take("DROP") {
            if words.take("DATABASE") || words.take("SCHEMA") {
                words.if_exists();
                return Replaced { schema: words.name().map(|(_, name)| name), ..Replaced::default() };
            }
            return if words.take("TABLE") || words.take("TABLES") {
                words.names()
            } else {
                Replaced::default()
            };
        }
        if words.take("RENAME") {
            return if words.take("TABLE") || words.take("TABLES") {
                let found = words.names();
                Replaced { kept: found.swaps(), ..found }
            } else {
                Replaced::default()
            };
        }
        if words.take("CREATE") {
            let replaces = words.take("OR") && words.take("REPLACE") && words.take("TABLE");
            return Replaced {
                tables: words.name().filter(|_| replaces).into_iter().collect(),
                ..Replaced::default()
            };
        }
        words.alter()
    }
}

/// The words that are still to be read.
pub(super) struct Words<'w>(pub &'w [Word]);

impl Words<'_> {
    pub fn take(&mut self, keyword: &str) -> bool {
        match self.0.split_first() {
            Some((word, rest)) if word.is(keyword) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    pub fn take_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|k| self.take(k))
    }

    fn if_exists(&mut self) {
        if self.take("IF") {
            self.take("EXISTS");
        }
    }

    /// `schema.table` or `table`.
    pub fn name(&mut self) -> Option<Named> {
        match self.0 {
            [schema, dot, table, rest @ ..] if dot.is(".") => {
                self.0 = rest;
                Some((Some(schema.text.clone()), table.text.clone()))
            }
            [table, rest @ ..] => {
                self.0 = rest;
                Some((None, table.text.clone()))
            }
            [] => None,
        }
    }

    /// All names of a list; a keyword among them that is taken for one is the name of no table.
    pub fn names(&mut self) -> Replaced {
        self.if_exists();
        Replaced { tables: std::iter::from_fn(|| self.name()).collect(), ..Replaced::default() }
    }

    fn alter(&mut self) -> Replaced {
        let mut found = Replaced::default();
        if !self.take("ALTER") {
            return found;
        }
        self.take("ONLINE");
        // MariaDB: rows that break a new unique index go.
        let mut replaces = self.take("IGNORE");
        let mut rewrites = false;
        if !self.take("TABLE") {
            return found;
        }
        self.if_exists();
        let Some(subject) = self.name() else { return found };
        while let Some((word, rest)) = self.0.split_first() {
            self.0 = rest;
            let next = |keywords: &[&str]| rest.first().is_some_and(|w| keywords.iter().any(|k| w.is(k)));
            if word.is("RENAME") {
                rewrites |= next(&["COLUMN"]);
                if !next(&["COLUMN", "INDEX", "KEY"]) {
                    replaces = true;
                    let _ = self.take("TO") || self.take("AS");
                    found.tables.extend(self.name());
                }
            } else if word.is("EXCHANGE") && next(&["PARTITION"]) {
                replaces = true;
                let with = rest.iter().skip(2).position(|w| w.is("TABLE"));
                found.tables.extend(with.and_then(|at| Words(&rest[at + 3..]).name()));
            } else if word.is("CONVERT") && next(&["PARTITION", "TABLE"]) {
                replaces = true;
                if self.take("TABLE") {
                    found.tables.extend(self.name());
                }
            } else {
                rewrites |= word.is("MODIFY")
                    || word.is("CHANGE")
                    || word.is("CONVERT") && next(&["TO"])
                    // A column of that name that comes later, or was another before, holds other values.
                    || word.is("DROP") && !next(&NO_COLUMN);
                replaces |= (word.is("TRUNCATE") || word.is("DROP")) && next(&["PARTITION"])
                    || (word.is("DISCARD") || word.is("IMPORT")) && next(&["TABLESPACE", "PARTITION"]);
            }
        }
        if replaces || rewrites {
            found.tables.push(subject);
        }
        found.kept = !replaces;
        found
    }
}

impl Replaced {
    /// The names are those that `gh-ost` and `pt-online-schema-change` give when they put a table that they have filled with all of its rows in the place of another.
    fn swaps(&self) -> bool {
        let has = |name: String| self.tables.iter().any(|(_, table)| *table == name);
        let swapped = |(_, table): &Named| {
            has(format!("_{table}_gho")) && has(format!("_{table}_del"))
                || has(format!("_{table}_new")) && has(format!("_{table}_old"))
        };
        self.tables.iter().any(swapped)
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::Spoken;
    use super::*;

    fn tables(text: &str) -> Vec<String> {
        let replaced =
            Statement::parse(text.as_bytes(), Spoken { collation: 255, ..Spoken::default() }).replaces();
        let mut tables: Vec<String> = replaced
            .tables
            .into_iter()
            .map(|(schema, table)| schema.map_or(table.clone(), |s| format!("{s}.{table}")))
            .collect();
        tables.sort();
        tables
    }

    #[test]
    fn what_takes_rows_away_or_writes_them_anew_is_told_with_its_tables() {
        for (text, named) in [
            ("DROP TABLE IF EXISTS `shop`.`t`, u /* generated by server */", vec!["shop.t", "u"]),
            ("rename table t to t_old, shop.t_new to t", vec!["shop.t_new", "t", "t", "t_old", "to", "to"]),
            ("CREATE OR REPLACE TABLE t LIKE u", vec!["t"]),
            ("ALTER TABLE t RENAME TO shop.u", vec!["shop.u", "t"]),
            ("ALTER TABLE t ADD COLUMN a int, RENAME u", vec!["t", "u"]),
            ("ALTER ONLINE IGNORE TABLE t ADD UNIQUE (a)", vec!["t"]),
            ("ALTER TABLE t TRUNCATE PARTITION p0", vec!["t"]),
            ("ALTER TABLE t DROP PARTITION p0, p1", vec!["t"]),
            ("ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE u WITHOUT VALIDATION", vec!["t", "u"]),
            ("ALTER TABLE t DISCARD TABLESPACE", vec!["t"]),
            ("ALTER TABLE t IMPORT PARTITION p TABLESPACE", vec!["t"]),
            ("ALTER TABLE t MODIFY a bigint", vec!["t"]),
            ("ALTER TABLE t DROP COLUMN a, ADD COLUMN a int", vec!["t"]),
            ("ALTER TABLE t DROP `index`", vec!["t"]),
            ("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", vec!["t"]),
            ("SET STATEMENT max_statement_time=1 FOR RENAME TABLE t TO u", vec!["TO", "t", "u"]),
            ("ALTER TABLE `shop`.t CHANGE COLUMN a b int", vec!["shop.t"]),
            ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", vec!["t"]),
            ("ALTER TABLE t CONVERT TABLE u TO PARTITION p VALUES LESS THAN (5)", vec!["t", "u"]),
        ] {
            assert_eq!(tables(text), named, "{text}");
        }
        let schema = Statement::parse(b"DROP DATABASE IF EXISTS `shop`", Spoken::default()).replaces();
        assert_eq!(schema, Replaced { schema: Some("shop".into()), ..Replaced::default() });
    }

    #[test]
    fn rows_that_get_other_values_are_still_there_and_so_are_those_of_a_ghost_table() {
        let kept = |text: &str| Statement::parse(text.as_bytes(), Spoken::default()).replaces().kept;
        for text in [
            "ALTER TABLE t MODIFY a bigint, DROP COLUMN b",
            "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",
            "RENAME TABLE `shop`.`t` TO `shop`.`_t_old`, `shop`.`_t_new` TO `shop`.`t`",
            "rename /* gh-ost */ table t to _t_del, _t_gho to t",
        ] {
            assert!(kept(text), "{text}");
        }
        for text in [
            "RENAME TABLE t TO t_old, t_new TO t",
            "ALTER TABLE t MODIFY a int, TRUNCATE PARTITION p0",
            "ALTER IGNORE TABLE t ADD UNIQUE (a)",
            "DROP TABLE t",
        ] {
            assert!(!kept(text), "{text}");
        }
    }

    #[test]
    fn what_leaves_the_rows_as_they_are_replaces_nothing() {
        for text in [
            "CREATE TABLE t (id int)",
            "CREATE INDEX i ON t (a)",
            "CREATE OR REPLACE VIEW t AS SELECT 1",
            "DROP INDEX i ON t",
            "DROP TEMPORARY TABLE IF EXISTS t",
            "DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `t`",
            "DROP VIEW t",
            "CREATE OR REPLACE TEMPORARY TABLE t (id int)",
            "ALTER TABLE t ADD COLUMN `modify` int, RENAME INDEX x TO y",
            "ALTER TABLE t ADD c int AS (convert(a, signed)) COMMENT \"please change\", ALTER d SET DEFAULT 1",
            "ALTER TABLE t DROP INDEX b, DROP PRIMARY KEY, ALTER a DROP DEFAULT, DROP CONSTRAINT c, ENGINE=InnoDB",
            "ALTER TABLE t ADD PARTITION (PARTITION p9 VALUES LESS THAN (9))",
            "ALTER EVENT e RENAME TO t",
            "RENAME USER a TO t",
        ] {
            assert_eq!(tables(text), Vec::<String>::new(), "{text}");
        }
    }
}

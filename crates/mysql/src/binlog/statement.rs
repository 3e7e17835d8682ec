//! What a statement in the log means for the stream, told from its first words and the names in it.

use super::events::Spoken;
use crate::charset::Charset;
use std::borrow::Cow;

/// The meaning of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Begin,
    Commit,
    Rollback,
    /// `SAVEPOINT`, `RELEASE`: nothing was undone.
    Savepoint,
    RollbackTo,
    /// `XA START` and `XA END`, around the rows of an XA transaction.
    XaBounds,
    /// `XA COMMIT` and `XA ROLLBACK` of something prepared earlier.
    XaDecision,
    Truncate,
    /// DDL that may change the shape of what it names.
    Ddl,
    /// Row changes as a statement: the server does not log rows.
    Rows,
    Other,
}

/// A statement as words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub meaning: Meaning,
    pub doubt: Doubt,
    pub(super) words: Vec<Word>,
}

/// What of a statement is lost, because it stands in a character set that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    None,
    /// Names that are not ASCII.
    Names,
    /// Where its words begin and end.
    Words,
}

/// A word, a dot, or a name without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    /// It stood in quotes, so it is a name whatever it says.
    pub quoted: bool,
}

impl Word {
    pub fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// What ALTER TABLE adds and drops besides columns.
pub(super) const NO_COLUMN: [&str; 13] = [
    "INDEX",
    "KEY",
    "UNIQUE",
    "FULLTEXT",
    "SPATIAL",
    "PRIMARY",
    "FOREIGN",
    "CONSTRAINT",
    "CHECK",
    "DEFAULT",
    "PARTITION",
    "PERIOD",
    "SYSTEM",
];

/// First words of statements that hold names and no values without end.
const DEFINING: [&str; 5] = ["ALTER", "DROP", "RENAME", "CREATE", "TRUNCATE"];

/// Words of a statement that may hold values without end; of others all are looked at.
const WORDS: usize = 4_000;

/// Names are the same to the server.
pub(crate) fn same(a: &str, b: &str, fold: bool) -> bool {
    if fold { a.to_lowercase() == b.to_lowercase() } else { a == b }
}

/// Where the statement itself begins, behind `SET STATEMENT … FOR` of MariaDB and Percona Server.
fn beginning(words: &[Word]) -> usize {
    match words {
        [set, statement, ..] if set.is("SET") && statement.is("STATEMENT") => {
            words.iter().position(|w| w.is("FOR")).map_or(0, |place| place + 1)
        }
        _ => 0,
    }
}

impl Statement {
    /// The words of a statement, and what its first ones mean.
    pub fn parse(text: &[u8], spoken: Spoken) -> Statement {
        let mut scratch = String::new();
        let (text, doubt) = match Charset::of_client(spoken.collation) {
            _ if text.is_ascii() => (String::from_utf8_lossy(text), Doubt::None),
            Some(charset) => match charset.decode(text, &mut scratch) {
                Ok(text) => (Cow::Borrowed(text), Doubt::None),
                Err(_) => (String::from_utf8_lossy(text), Doubt::Names),
            },
            None => (String::from_utf8_lossy(text), Doubt::Words),
        };
        let mut words = words(&text, spoken.plain_backslash);
        words.drain(..beginning(&words));
        let word = |i: usize| words.get(i).map_or(String::new(), |w| w.text.to_ascii_uppercase());
        let meaning = match (word(0).as_str(), word(1).as_str()) {
            ("BEGIN", _) | ("START", "TRANSACTION") => Meaning::Begin,
            ("COMMIT", _) => Meaning::Commit,
            ("ROLLBACK", "TO") => Meaning::RollbackTo,
            ("ROLLBACK", _) => Meaning::Rollback,
            ("SAVEPOINT" | "RELEASE", _) => Meaning::Savepoint,
            ("XA", "START" | "BEGIN" | "END") => Meaning::XaBounds,
            ("XA", _) => Meaning::XaDecision,
            ("TRUNCATE", _) => Meaning::Truncate,
            ("ALTER" | "DROP" | "RENAME" | "CREATE", _) => Meaning::Ddl,
            // A SELECT is there for what its functions write.
            ("INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "WITH" | "SELECT", _) => Meaning::Rows,
            _ => Meaning::Other,
        };
        Statement { meaning, doubt, words }
    }

    /// Whether it speaks of a table; `default` is the schema that names without one are in.
    pub fn names(&self, schema: &str, table: &str, default: &[u8], fold: bool) -> bool {
        let in_default = same(&String::from_utf8_lossy(default), schema, fold);
        self.words.iter().enumerate().any(|(i, word)| {
            // A schema, or a table in front of its column.
            if self.words.get(i + 1).is_some_and(|w| w.is(".")) {
                return false;
            }
            let qualified = i >= 2 && self.words[i - 1].is(".");
            let place = if qualified { same(&self.words[i - 2].text, schema, fold) } else { in_default };
            place && same(&word.text, table, fold)
        })
    }

    /// Whether it runs functions that may write, in this schema.
    pub fn calls_into(&self, schema: &str, default: &[u8], fold: bool) -> bool {
        let named = || self.words.windows(2).any(|w| same(&w[0].text, schema, fold) && w[1].is("."));
        let in_default = || same(&String::from_utf8_lossy(default), schema, fold);
        self.words.first().is_some_and(|w| w.is("SELECT")) && (in_default() || named())
    }

    /// Whether columns may have another meaning after it while the row looks the same in the log: also by two statements, of which
    /// one drops a column and the next adds one.
    pub fn changes_meaning(&self) -> bool {
        let has = |w: &str| self.words.iter().any(|x| x.is(w));
        let table = has("TABLE") && self.words.first().is_some_and(|w| w.is("CREATE") || w.is("DROP"));
        table
            || has("CHANGE")
            || has("MODIFY")
            || has("RENAME")
            || has("CONVERT")
            || self.columns_come_or_go()
    }

    /// `ADD` or `DROP` of anything but an index, a constraint, a default or a partition.
    fn columns_come_or_go(&self) -> bool {
        let of_table = self.words.first().is_some_and(|w| w.is("ALTER"));
        let column = |w: &Word| !NO_COLUMN.iter().any(|o| w.is(o));
        of_table && self.words.windows(2).any(|w| (w[0].is("ADD") || w[0].is("DROP")) && column(&w[1]))
    }
}

/// Bare words, quoted names without their quotes, dots; text literals and comments are passed over (`/*! … */` is not a comment).
fn words(text: &str, plain_backslash: bool) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut rest = text;
    let mut most = WORDS;
    while let Some(c) = rest.chars().next() {
        if found.len() >= most {
            let first = found.get(beginning(&found));
            if !first.is_some_and(|w| DEFINING.iter().any(|d| w.is(d))) {
                break;
            }
            most = usize::MAX;
        }
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '/' if executed(after).is_some() => executed(after).unwrap_or_default(),
            '/' if after.starts_with('*') => after.split_once("*/").map_or("", |(_, r)| r),
            '#' => after.split_once('\n').map_or("", |(_, r)| r),
            '-' if is_remark(after) => after.split_once('\n').map_or("", |(_, r)| r),
            '\'' => closing(after, c, plain_backslash).1,
            // Double quotes hold a name under ANSI_QUOTES, and a name that is taken for one by mistake does no harm.
            '`' | '"' => {
                let (name, rest) = closing(after, c, plain_backslash);
                found.push(Word { text: name, quoted: true });
                rest
            }
            '.' => {
                found.push(Word { text: ".".to_owned(), quoted: false });
                after
            }
            c if c.is_alphanumeric() || c == '_' || c == '$' => {
                let end =
                    rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
                found.push(Word { text: rest[..end].to_owned(), quoted: false });
                &rest[end..]
            }
            _ => after,
        };
    }
    found
}

/// Behind the slash of a comment that is executed: its text, without the version from which on.
fn executed(after: &str) -> Option<&str> {
    let text = after.strip_prefix("*!").or_else(|| after.strip_prefix("*M!"))?;
    Some(text.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Behind a hyphen: another, and then a blank of any kind or the end.
fn is_remark(after: &str) -> bool {
    let behind = after.strip_prefix('-').map(|rest| rest.chars().next());
    behind.is_some_and(|c| c.is_none_or(|c| c.is_whitespace() || c.is_control()))
}

/// What stands before the closing quote, doubled quotes and backslashes taken into account, and what is behind.
fn closing(text: &str, quote: char, plain_backslash: bool) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' if quote != '`' && !plain_backslash => drop(chars.next()),
            c if c == quote && chars.peek().is_some_and(|(_, n)| *n == quote) => {
                chars.next();
                name.push(quote);
            }
            c if c == quote => return (name, &text[i + c.len_utf8()..]),
            c => name.push(c),
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTF8: Spoken = Spoken { collation: 255, plain_backslash: false };

    fn meaning(text: &str) -> Meaning {
        Statement::parse(text.as_bytes(), UTF8).meaning
    }

    #[test]
    fn the_first_words_tell_the_meaning_whatever_comment_stands_before() {
        assert_eq!(meaning("/* app */ truncate table t"), Meaning::Truncate);
        assert_eq!(meaning("# Dum\nBEGIN"), Meaning::Begin);
        assert_eq!(meaning("ROLLBACK TO `a`"), Meaning::RollbackTo);
        assert_eq!(meaning("XA START X'61',X'',1"), Meaning::XaBounds);
        assert_eq!(meaning("/*!40000 ALTER TABLE `t` DISABLE KEYS */"), Meaning::Ddl);
        assert_eq!(meaning("FLUSH TABLES"), Meaning::Other);
        assert_eq!(meaning("SET STATEMENT sql_mode='FOR' FOR truncate t"), Meaning::Truncate);
        assert_eq!(meaning("SELECT `shop`.`f`()"), Meaning::Rows);
        assert_eq!(meaning("--\tnightly\nTRUNCATE TABLE t"), Meaning::Truncate);
        assert_eq!(meaning("--\nTRUNCATE TABLE t"), Meaning::Truncate);
        assert_eq!(meaning("/*!ALTER TABLE t MODIFY a int */"), Meaning::Ddl);
        assert_eq!(meaning("/*M!100100 ALTER TABLE t FORCE */"), Meaning::Ddl);
    }

    #[test]
    fn a_long_list_of_names_is_read_to_its_end_and_values_are_not() {
        let list = |first: &str| {
            let names: Vec<String> = (0..5_000).map(|n| format!("shop.t{n}")).collect();
            Statement::parse(format!("{first} {}", names.join(", ")).as_bytes(), UTF8)
        };
        let last = |statement: &Statement| statement.names("shop", "t4999", b"shop", false);
        assert!(last(&list("DROP TABLE")) && last(&list("SET STATEMENT a=1 FOR RENAME TABLE")));
        assert!(!last(&list("INSERT INTO x VALUES")));
    }

    #[test]
    fn a_backslash_stands_for_itself_where_the_client_said_so() {
        let text = r"ALTER TABLE t COMMENT='C:\', MODIFY a int, COMMENT=''";
        for (plain_backslash, changes) in [(true, true), (false, false)] {
            let statement = Statement::parse(text.as_bytes(), Spoken { plain_backslash, ..UTF8 });
            assert_eq!(statement.changes_meaning(), changes);
        }
    }

    #[test]
    fn names_that_fold_are_the_same_in_any_letters() {
        let statement = Statement::parse("TRUNCATE Shop.ZÄHLER".as_bytes(), UTF8);
        assert!(
            statement.names("shop", "zähler", b"x", true) && !statement.names("shop", "zähler", b"x", false)
        );
        let statement = Statement::parse("TRUNCATE t".as_bytes(), UTF8);
        assert!(statement.names("shop", "t", b"Shop", true));
    }

    #[test]
    fn a_statement_is_read_in_the_character_set_of_its_client() {
        const LATIN1: u16 = 8;
        const SJIS: u16 = 13;
        const CP1251: u16 = 51;
        let names = |text: &[u8], collation| {
            let statement = Statement::parse(text, Spoken { collation, ..UTF8 });
            (statement.names("shop", "Zähler", b"shop", false), statement.doubt)
        };
        assert_eq!(names(b"TRUNCATE Z\xe4hler", LATIN1), (true, Doubt::None));
        assert_eq!(names("TRUNCATE Zähler".as_bytes(), 255), (true, Doubt::None));
        assert_eq!(names("TRUNCATE Zähler".as_bytes(), LATIN1), (false, Doubt::None));
        assert_eq!(names(b"TRUNCATE Z\xe4hler", CP1251), (false, Doubt::Names));
        assert_eq!(names(b"TRUNCATE \x95\x5c", SJIS), (false, Doubt::Words));
        assert_eq!(names(b"TRUNCATE t", SJIS), (false, Doubt::None));
    }

    #[test]
    fn a_column_that_comes_or_goes_changes_the_meaning_and_an_index_does_not() {
        for (text, changes) in [
            ("ALTER TABLE t ADD c int", true),
            ("ALTER TABLE t ADD COLUMN `index` int", true),
            ("ALTER TABLE t ADD `index` int", true),
            ("ALTER TABLE t DROP c", true),
            ("ALTER TABLE t RENAME COLUMN a TO b", true),
            ("CREATE TABLE t (id int)", true),
            ("DROP TABLE t", true),
            (
                "ALTER TABLE t ADD INDEX (c), DROP INDEX d, ADD CONSTRAINT f FOREIGN KEY (c) REFERENCES u (id)",
                false,
            ),
            ("ALTER TABLE t ALTER c DROP DEFAULT", false),
            ("CREATE UNIQUE INDEX i ON t (c)", false),
            ("DROP INDEX i ON t", false),
        ] {
            assert_eq!(Statement::parse(text.as_bytes(), UTF8).changes_meaning(), changes, "{text}");
        }
    }

    #[test]
    fn a_table_is_named_with_and_without_its_schema() {
        let names = |text: &str, default: &[u8]| {
            Statement::parse(text.as_bytes(), UTF8).names("shop", "my`t", default, false)
        };
        assert!(names("TRUNCATE TABLE `my``t`", b"shop"));
        assert!(names("TRUNCATE `shop`.`my``t`", b"other"));
        assert!(!names("TRUNCATE `my``t`", b"other"));
        assert!(!names("DELETE FROM `my``t`.log", b"shop"));
        assert!(!names("INSERT INTO x VALUES ('`my``t`')", b"shop"));
    }
}

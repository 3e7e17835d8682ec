//! MySQL and MariaDB, by their text protocol.

mod program;

use anyhow::Result;
use async_trait::async_trait;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

#[cfg(feature = "conformance")]
use super::language::Dialect;
use super::language::{Connection, Language, Servers};
use crate::session::{Row, text_or_hex};

pub(super) struct Mysql;

#[async_trait]
impl Language for Mysql {
    fn schemes(&self) -> &'static [&'static str] {
        &["mysql", "mariadb"]
    }

    fn version(&self) -> &'static str {
        "SELECT version()"
    }

    async fn connect(&self, url: &str) -> Result<Box<dyn Connection>> {
        Ok(Box::new(Conn::from_url(url).await?))
    }

    fn servers(&self) -> Option<&'static dyn Servers> {
        Some(&program::Program)
    }

    #[cfg(feature = "conformance")]
    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

#[async_trait]
impl Connection for Conn {
    async fn execute(&mut self, sql: &str) -> Result<()> {
        Ok(self.query_drop(sql).await?)
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        let rows: Vec<mysql_async::Row> = Queryable::query(self, sql).await?;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }
}

fn text(value: mysql_async::Value) -> Option<String> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(text_or_hex(&bytes)),
        // The text protocol sends nothing else.
        other => Some(other.as_sql(true)),
    }
}

#[cfg(feature = "conformance")]
const DIALECT: Dialect = Dialect {
    long_text: "longtext",
    key_text: "varchar(40)",
    numbering: "int AUTO_INCREMENT PRIMARY KEY",
    backslash: "\\\\",
    keep_log: None,
    log_is_there: true,
    single_writer: false,
    truncates: true,
    wide: &[
        ("tinyint(1)", ["1", "0", "NULL"]),
        ("tinyint", ["-128", "127", "NULL"]),
        ("mediumint", ["-8388608", "-1", "NULL"]),
        ("int unsigned", ["4294967295", "0", "NULL"]),
        ("bigint unsigned", ["18446744073709551615", "0", "NULL"]),
        ("bigint", ["-9223372036854775808", "9223372036854775807", "NULL"]),
        (
            "decimal(65,30)",
            ["-12345678901234567890123456789012345.000000000000000000000000000001", "0", "NULL"],
        ),
        ("float", ["0.1", "-1e30", "NULL"]),
        ("double", ["0.1", "1e300", "NULL"]),
        ("varchar(50) CHARACTER SET utf8mb4", ["'ä😀 \\\\ \"'", "''", "NULL"]),
        ("varchar(50) CHARACTER SET latin1", ["'äöü'", "''", "NULL"]),
        ("char(5)", ["'ab'", "''", "NULL"]),
        ("binary(5)", ["0x00ff000000", "0x0000000000", "NULL"]),
        ("varbinary(50)", ["0x00ff5c", "''", "NULL"]),
        ("longblob", ["0x00ff5c0a", "''", "NULL"]),
        ("mediumtext", ["'many\\nlines'", "''", "NULL"]),
        ("date", ["'2024-02-29'", "'1000-01-01'", "NULL"]),
        ("time(6)", ["'-838:59:59'", "'12:34:56.000001'", "NULL"]),
        ("datetime(6)", ["'2024-01-01 00:00:00.5'", "'9999-12-31 23:59:59.999999'", "NULL"]),
        ("timestamp(6) NULL", ["'2024-06-01 12:00:00.123456'", "'1970-01-02 00:00:01'", "NULL"]),
        ("year", ["2024", "0", "NULL"]),
        ("json", ["'{\"b\": 1.0, \"a\": [null, \"ä\", 18446744073709551615]}'", "'null'", "NULL"]),
        ("enum('small','it''s')", ["'it''s'", "'small'", "NULL"]),
        ("set('a','b','c')", ["'a,c'", "''", "NULL"]),
        ("bit(10)", ["b'1010000001'", "b'0'", "NULL"]),
        ("bit(64)", ["b'1000000000000000000000000000000000000000000000000000000000000001'", "b'1'", "NULL"]),
    ],
};

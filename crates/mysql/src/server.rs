//! Which server answers, and what it can do.

use crate::Result;
use crate::connect::Answer;
use crate::error::{from_driver, protocol};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use tidelock_endpoint::{Case, ServerIdentity};

/// Both products speak one protocol and differ in what they write into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    MySql,
    MariaDb,
}

impl Flavor {
    /// Of a server that was inspected.
    pub fn of(server: &ServerIdentity) -> Flavor {
        if server.product == MARIADB { Flavor::MariaDb } else { Flavor::MySql }
    }
}

/// What `ServerIdentity` calls it.
const MARIADB: &str = "MariaDB";

/// The server at the other end of a connection.
///
/// Its identity: at MySQL the server's UUID. MariaDB has nothing that stays the same for a set of data (`server_uid` is made of a network card's
/// address), so it is the server's number and domain, which a person gave it; that two servers share them is found at the start
/// of the stream, where the GTIDs recorded with the position must be those of the log.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub flavor: Flavor,
    pub version: (u32, u32, u32),
    pub identity: ServerIdentity,
    pub log_bin: bool,
    pub local_infile: bool,
    pub max_allowed_packet: usize,
    /// How names of schemas and tables are told apart (lower_case_table_names).
    pub table_names: Case,
}

impl Server {
    /// Asks with one statement; both products have all of these variables but the last.
    pub async fn ask(conn: &mut Conn, database: &str) -> Result<Server> {
        let doing = "asking the server what it is";
        let sql = "SELECT VERSION(), @@version_comment, @@log_bin, @@local_infile, @@max_allowed_packet, @@lower_case_table_names, @@server_id";
        let row: Option<Row> = conn.query_first(sql).await.map_err(|e| from_driver(doing, e))?;
        let row = Answer(row.ok_or_else(|| protocol("the server does not tell its version"))?);
        let text = row.string(0);
        let mariadb = text.contains("MariaDB") || row.string(1).contains("MariaDB");
        let flavor = if mariadb { Flavor::MariaDb } else { Flavor::MySql };
        let version = version(&text)
            .ok_or_else(|| protocol(format!("the server's version '{text}' cannot be read")))?;
        let sql = if mariadb { "SELECT @@GLOBAL.gtid_domain_id" } else { "SELECT @@server_uuid" };
        let own: Option<Row> = conn.query_first(sql).await.map_err(|e| from_driver(doing, e))?;
        let own = own.map(|r| Answer(r).string(0)).unwrap_or_default();
        let id = match flavor {
            Flavor::MySql => format!("{own}/{database}"),
            Flavor::MariaDb => format!("server {} domain {own}/{database}", row.number(6)?),
        };
        let product = if mariadb { MARIADB } else { "MySQL" }.to_owned();
        Ok(Server {
            flavor,
            version,
            identity: ServerIdentity { product, version: text, id },
            log_bin: row.number(2)? == 1,
            local_infile: row.number(3)? == 1,
            max_allowed_packet: row.number(4)? as usize,
            table_names: match row.number(5)? {
                0 => Case::Exact,
                1 => Case::Lowered,
                _ => Case::Any,
            },
        })
    }

    pub fn is_mariadb(&self) -> bool {
        self.flavor == Flavor::MariaDb
    }

    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.version.0, self.version.1) >= (major, minor)
    }

    /// The statement that tells the end of the log.
    pub fn log_status(&self) -> &'static str {
        match self.flavor {
            Flavor::MySql if self.at_least(8, 2) => "SHOW BINARY LOG STATUS",
            Flavor::MySql => "SHOW MASTER STATUS",
            Flavor::MariaDb if self.at_least(10, 5) => "SHOW BINLOG STATUS",
            Flavor::MariaDb => "SHOW MASTER STATUS",
        }
    }
}

/// `10.11.19-MariaDB-…`, also behind the `5.5.5-` that MariaDB puts in front for old clients.
fn version(text: &str) -> Option<(u32, u32, u32)> {
    let text = text.strip_prefix("5.5.5-").unwrap_or(text);
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_of_both_products_are_read() {
        assert_eq!(version("10.11.19-MariaDB-0+deb12u1-log"), Some((10, 11, 19)));
        assert_eq!(version("5.5.5-10.6.1-MariaDB"), Some((10, 6, 1)));
        assert_eq!(version("9.7.4"), Some((9, 7, 4)));
        assert_eq!(version("x"), None);
    }
}

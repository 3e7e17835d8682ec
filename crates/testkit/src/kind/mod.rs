//! The kinds of server the tests run against: one name each, used in folder names, environment variables and on the
//! command line alike. What differs from family to family is in `language.rs`, a file of its own for each.

mod language;
mod mysql;
mod postgres;
mod sqlite;

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

#[cfg(feature = "conformance")]
pub(crate) use language::Dialect;
use language::Language;
pub(crate) use language::{Connection, Servers};

/// One kind of database server, with its major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// PostgreSQL 15.
    Postgres15,
    /// PostgreSQL 18.
    Postgres18,
    /// MariaDB 10.11.
    Mariadb1011,
    /// MySQL 9.7.
    Mysql97,
    /// SQLite, as a temporary file: always at hand.
    Sqlite,
}

/// What speaks the same protocol. There may be more of them: whoever asks for one says what becomes of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// PostgreSQL of any version.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] =
        [Kind::Postgres15, Kind::Postgres18, Kind::Mariadb1011, Kind::Mysql97, Kind::Sqlite];

    /// Every kind that is a server process, in the order the lab lists them.
    pub const SERVERS: [Kind; 4] = [Kind::Postgres15, Kind::Postgres18, Kind::Mariadb1011, Kind::Mysql97];

    /// The name, such as `postgres18`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Postgres15 => "postgres15",
            Kind::Postgres18 => "postgres18",
            Kind::Mariadb1011 => "mariadb1011",
            Kind::Mysql97 => "mysql97",
            Kind::Sqlite => "sqlite",
        }
    }

    /// The environment variable that names a server of this kind, such as `TIDELOCK_TEST_POSTGRES18_URL`.
    pub fn url_variable(self) -> String {
        format!("TIDELOCK_TEST_{}_URL", self.name().to_uppercase())
    }

    /// The protocol it speaks.
    pub fn family(self) -> Family {
        match self {
            Kind::Postgres15 | Kind::Postgres18 => Family::Postgres,
            Kind::Mariadb1011 | Kind::Mysql97 => Family::Mysql,
            Kind::Sqlite => Family::Sqlite,
        }
    }

    /// How one speaks with it.
    pub(crate) fn language(self) -> &'static dyn Language {
        self.family().language()
    }

    /// How its servers are run; an error for a kind whose databases are files.
    pub(crate) fn servers(self) -> Result<&'static dyn Servers> {
        self.language().servers().with_context(|| format!("{self} has no server to run"))
    }

    /// The packages to fetch; `None` for what is no server.
    pub(crate) fn packages(self) -> Option<Packages> {
        let (suite, program, files, names): (_, _, _, &[_]) = match self {
            Kind::Postgres15 => ("bookworm", "postgres", POSTGRES_FILES, &["postgresql-15"]),
            Kind::Postgres18 => ("sid", "postgres", POSTGRES_FILES, &["postgresql-18"]),
            Kind::Mariadb1011 => (
                "bookworm",
                "mariadbd",
                MYSQL_FILES,
                &["mariadb-server", "mariadb-server-core", "mariadb-client-core", "mariadb-client"],
            ),
            Kind::Mysql97 => ("sid", "mysqld", MYSQL_FILES, &["mysql-server-core", "mysql-client-core"]),
            Kind::Sqlite => return None,
        };
        Some(Packages { suite, names, program, files })
    }

    /// Whether it is MariaDB, which differs from MySQL in GTIDs, some types and some statements.
    pub fn is_mariadb(self) -> bool {
        self == Kind::Mariadb1011
    }
}

/// A server as packages of Debian.
pub(crate) struct Packages {
    /// The release that has them.
    pub suite: &'static str,
    pub names: &'static [&'static str],
    /// The server itself.
    pub program: &'static str,
    /// What is unpacked of them beside libraries, as patterns of `tar`.
    pub files: &'static str,
}

const MYSQL_FILES: &str = "./usr/share/mysql/* ./usr/sbin/mysqld ./usr/sbin/mariadbd ./usr/bin/mysql* ./usr/bin/mariadb* ./usr/bin/my_print_defaults";
const POSTGRES_FILES: &str = "./usr/share/postgresql/*";

impl Family {
    const ALL: [Family; 3] = [Family::Postgres, Family::Mysql, Family::Sqlite];

    pub(crate) fn language(self) -> &'static dyn Language {
        match self {
            Family::Postgres => &postgres::Postgres,
            Family::Mysql => &mysql::Mysql,
            Family::Sqlite => &sqlite::Sqlite,
        }
    }

    /// The family that a url is of.
    pub(crate) fn of_url(url: &str) -> Result<Family> {
        let scheme = url.split(':').next().unwrap_or_default();
        let known = |family: &Family| family.language().schemes().contains(&scheme);
        match Family::ALL.into_iter().find(known) {
            Some(family) => Ok(family),
            None => {
                let schemes: Vec<_> =
                    Family::ALL.iter().flat_map(|f| f.language().schemes()).copied().collect();
                bail!("no database is known for the scheme '{scheme}'; there are {}", schemes.join(", "))
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names: Vec<_> = Kind::ALL.into_iter().map(Kind::name).collect();
            format!("no server kind is called '{text}'; there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("postgres".parse::<Kind>().unwrap_err().contains("postgres15, postgres18"));
    }
}

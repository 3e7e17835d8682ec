//! The kinds of server the tests run against: one name each, used in folder names, environment variables and on the
//! command line alike.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

/// What speaks the same protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// Whether it is MariaDB, which differs from MySQL in GTIDs, some types and some statements.
    pub fn is_mariadb(self) -> bool {
        self == Kind::Mariadb1011
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

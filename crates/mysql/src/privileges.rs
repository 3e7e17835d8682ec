//! What the user may do, from SHOW GRANTS.

use crate::Result;
use crate::connect::{Session, literal};
use std::collections::HashSet;

/// `'sync'@'%'`, as it stands in GRANT.
pub(crate) async fn user(session: &mut Session) -> Result<String> {
    let row = session.first("asking for the user", "SELECT CURRENT_USER()").await?;
    let user = row.map(|r| r.string(0)).unwrap_or_default();
    let (name, host) = user.rsplit_once('@').unwrap_or((&user, "%"));
    Ok(format!("{}@{}", literal(name), literal(host)))
}

/// The user's grants.
#[derive(Debug, Default)]
pub(crate) struct Grants(Vec<Grant>);

#[derive(Debug)]
struct Grant {
    /// `*`, or a database with the wildcards of LIKE.
    database: String,
    /// `*`, or a table.
    table: String,
    privileges: HashSet<String>,
}

impl Grants {
    /// Asks for the user's own grants and those of the roles that are active.
    pub async fn ask(session: &mut Session) -> Result<Grants> {
        let doing = "reading the user's privileges";
        let mut sql = "SHOW GRANTS".to_owned();
        if !session.server.is_mariadb()
            && let Some(row) = session.first(doing, "SELECT CURRENT_ROLE()").await?
            && !matches!(row.string(0).as_str(), "NONE" | "")
        {
            sql = format!("SHOW GRANTS FOR CURRENT_USER() USING {}", row.string(0));
        }
        let rows = session.query(doing, sql).await?;
        Ok(Grants(rows.iter().filter_map(|r| grant(&r.string(0))).collect()))
    }

    /// For every table of every database.
    pub fn everywhere(&self, privilege: &str) -> bool {
        self.0.iter().any(|g| g.database == "*" && g.has(privilege))
    }

    pub fn on(&self, privilege: &str, database: &str, table: &str) -> bool {
        self.0.iter().any(|g| {
            let here = g.database == "*" || like(&g.database, database);
            here && (g.table == "*" || g.table == table) && g.has(privilege)
        })
    }
}

impl Grant {
    fn has(&self, privilege: &str) -> bool {
        self.privileges.contains(privilege)
            || self.privileges.contains("ALL PRIVILEGES")
            || self.privileges.contains("ALL")
    }
}

/// `` GRANT SELECT, INSERT (a) ON `db`.* TO … ``; `None` for roles and proxies.
fn grant(line: &str) -> Option<Grant> {
    let (privileges, rest) = line.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let (scope, _) = rest.split_once(" TO ")?;
    let (database, table) = scope.rsplit_once('.')?;
    let name = |n: &str| n.trim_matches('`').replace("``", "`");
    // Rights on single columns do not count.
    let privileges =
        privileges.split(", ").filter(|p| !p.contains(['(', ')'])).map(|p| p.trim().to_ascii_uppercase());
    Some(Grant { database: name(database), table: name(table), privileges: privileges.collect() })
}

/// `%` and `_`, unless behind a backslash.
fn like(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.chars();
    match pattern.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = pattern.as_str();
            text.char_indices().map(|(i, _)| i).chain([text.len()]).any(|i| like(rest, &text[i..]))
        }
        Some('\\') => {
            let literal = pattern.next();
            literal.is_some_and(|c| text.strip_prefix(c).is_some_and(|t| like(pattern.as_str(), t)))
        }
        Some('_') => {
            let mut rest = text.chars();
            rest.next().is_some() && like(pattern.as_str(), rest.as_str())
        }
        Some(c) => text.strip_prefix(c).is_some_and(|t| like(pattern.as_str(), t)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_count_where_they_were_given() {
        let grants = Grants(
            [
                "GRANT RELOAD, REPLICATION SLAVE ON *.* TO `sync`@`%`",
                "GRANT SELECT, INSERT ON `shop\\_%`.* TO `sync`@`%`",
                "GRANT SELECT (a), UPDATE ON `crm`.`users` TO `sync`@`%`",
                "GRANT `reader`@`%` TO `sync`@`%`",
            ]
            .iter()
            .filter_map(|l| grant(l))
            .collect(),
        );
        assert!(grants.everywhere("RELOAD") && !grants.everywhere("SELECT"));
        assert!(grants.on("SELECT", "shop_1", "t") && !grants.on("SELECT", "shopx1", "t"));
        assert!(grants.on("UPDATE", "crm", "users") && !grants.on("UPDATE", "crm", "orders"));
        assert!(!grants.on("SELECT", "crm", "users"));
    }
}

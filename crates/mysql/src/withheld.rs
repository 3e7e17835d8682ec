//! Settings that keep changes out of the log: filters by database, and a replica that does not log what it is sent.
//!
//! Nothing in the log tells of what is not in it, so these are looked at before it is read, by `inspect` and at the start of every stream.

use crate::Result;
use crate::connect::{Answer, Session};
use crate::error::precondition;
use crate::privileges::user;
use crate::server::Flavor;
use std::collections::BTreeSet;
use tidelock_endpoint::{Case, EndpointError, ErrorKind, Finding, Severity};
use tidelock_model::TableName;

/// The schemas of `tables`, and the connected one, which holds our own.
pub(crate) fn schemas<'t>(
    database: &str,
    tables: impl IntoIterator<Item = &'t TableName>,
) -> BTreeSet<String> {
    let named = tables.into_iter().filter_map(|t| t.schema.clone());
    named.chain(std::iter::once(database.to_owned())).collect()
}

/// Everything that keeps changes of `schemas` out of the log. Filters that the user may not ask for are passed over.
pub(crate) async fn withheld(session: &mut Session, schemas: &BTreeSet<String>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let status = session.server.log_status();
    if let Some(row) =
        allowed(session, "reading the filters of the binary log", status).await?.iter().flatten().next()
    {
        let list = |name: &str| row.place(name).and_then(|p| row.text(p)).unwrap_or_default();
        let filters = Filters::new(
            &list("Binlog_Do_DB"),
            &list("Binlog_Ignore_DB"),
            session.server.table_names != Case::Exact,
        );
        findings.extend(filters.judge(schemas));
    }
    let sql = match session.server.flavor {
        Flavor::MariaDb => "SHOW ALL SLAVES STATUS",
        Flavor::MySql if session.server.version >= (8, 0, 22) => "SHOW REPLICA STATUS",
        Flavor::MySql => "SHOW SLAVE STATUS",
    };
    let sources = allowed(session, "asking whether the server is a replica", sql).await?;
    if sources.as_ref().is_some_and(Vec::is_empty) {
        return Ok(findings);
    }
    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_replica_updates', 'log_slave_updates')";
    let rows = session.query("reading the log's settings", sql).await?;
    if let Some(off) = rows.iter().find(|r| r.string(1).eq_ignore_ascii_case("OFF")) {
        let name = off.string(0);
        if sources.is_none() {
            let message = format!(
                "the user may not ask whether the server is a replica; if it is one, what it is sent by its source is not in its own log ({name} is OFF)"
            );
            let privilege = if session.server.is_mariadb() { "SLAVE MONITOR" } else { "REPLICATION CLIENT" };
            let remedy = format!("GRANT {privilege} ON *.* TO {}", user(session).await?);
            findings.push(
                Finding::new(Severity::Error, "TL-MY-PRIVILEGE-REPLICA", "privileges", message)
                    .remedy(remedy),
            );
            return Ok(findings);
        }
        let message = format!(
            "the server is a replica, and what it is sent by its source is not in its own log ({name} is OFF)"
        );
        let remedy =
            format!("set {name} = ON in the server's configuration and start it again, or follow its source");
        findings.push(
            Finding::new(Severity::Error, "TL-MY-REPLICA-LOG", "log_replica_updates", message).remedy(remedy),
        );
    }
    Ok(findings)
}

/// The first that keeps the stream from being whole, as an error.
pub(crate) fn refusal(findings: Vec<Finding>) -> Option<EndpointError> {
    let finding = findings.into_iter().find(|f| f.severity == Severity::Error)?;
    let error = precondition(finding.code, finding.message);
    Some(match finding.remedy {
        Some(remedy) => error.hint(remedy),
        None => error,
    })
}

/// `None` when the user may not ask.
async fn allowed(session: &mut Session, doing: &str, sql: &str) -> Result<Option<Vec<Answer>>> {
    match session.query(doing, sql).await {
        Err(error) if error.kind == ErrorKind::Privilege => Ok(None),
        other => other.map(Some),
    }
}

/// `binlog_do_db` and `binlog_ignore_db`.
struct Filters {
    only: Vec<String>,
    without: Vec<String>,
    fold: bool,
}

impl Filters {
    fn new(only: &str, without: &str, fold: bool) -> Filters {
        let list = |text: &str| text.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect();
        Filters { only: list(only), without: list(without), fold }
    }

    /// The second list counts where the first is empty.
    fn logs(&self, schema: &str) -> bool {
        let same = |n: &String| if self.fold { n.eq_ignore_ascii_case(schema) } else { n == schema };
        if self.only.is_empty() { !self.without.iter().any(same) } else { self.only.iter().any(same) }
    }

    fn judge(&self, schemas: &BTreeSet<String>) -> Option<Finding> {
        let name = match (self.only.is_empty(), self.without.is_empty()) {
            (true, true) => return None,
            (true, false) => "binlog_ignore_db",
            (false, _) => "binlog_do_db",
        };
        let missing: Vec<&str> = schemas.iter().filter(|s| !self.logs(s)).map(String::as_str).collect();
        let remedy = format!("take {name} out of the server's configuration and start it again");
        let (severity, message) = match missing.is_empty() {
            true => (
                Severity::Warning,
                format!(
                    "{name} is set: statements such as TRUNCATE are not in the log when they are run from another database"
                ),
            ),
            false => (
                Severity::Error,
                format!("changes of {} are not in the binary log ({name} is set)", missing.join(", ")),
            ),
        };
        Some(Finding::new(severity, "TL-MY-LOG-FILTER", name, message).remedy(remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_leaves_a_schema_out_is_an_error_and_any_other_a_warning() {
        let schemas = schemas("shop", &[TableName::qualified("crm", "t")]);
        let judged = |only: &str, without: &str| {
            Filters::new(only, without, false).judge(&schemas).map(|f| f.severity)
        };
        assert_eq!(judged("", ""), None);
        assert_eq!(judged("shop", ""), Some(Severity::Error));
        assert_eq!(judged("crm,shop", ""), Some(Severity::Warning));
        assert_eq!(judged("crm,shop", "shop"), Some(Severity::Warning));
        assert_eq!(judged("", "mysql,test"), Some(Severity::Warning));
        assert_eq!(judged("", "crm"), Some(Severity::Error));
        assert_eq!(judged("Crm,Shop", ""), Some(Severity::Error));
    }
}

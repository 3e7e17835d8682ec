//! Views: they have names as tables have, and take no part.

use crate::Result;
use crate::catalog::{filter, name};
use crate::connect::Session;
use tidelock_endpoint::{Ask, Finding, Findings, Role, Severity};

/// Tells them: where all tables are asked for, so that nobody misses one of them; at a target, where one stands in the place of a table to be written, which
/// `CREATE TABLE IF NOT EXISTS` would pass over in silence.
pub(crate) async fn others(
    session: &mut Session,
    database: &str,
    ask: &Ask,
    findings: &mut Findings,
) -> Result<()> {
    if ask.tables.as_ref().is_some_and(|names| ask.role != Role::Target || names.is_empty()) {
        return Ok(());
    }
    let sql = format!(
        "SELECT table_schema, table_name FROM information_schema.views WHERE {} ORDER BY 1, 2",
        filter("table_schema", "table_name", database, ask.tables.as_deref())
    );
    for row in session.query("looking for views", sql).await? {
        let subject = name(&row.string(0), &row.string(1), database).to_string();
        findings.add(match &ask.tables {
            None => {
                let message = "it is a view and takes no part";
                Finding::new(Severity::Note, "TL-MY-NO-TABLE", subject, message)
                    .remedy("name the tables that it reads: it has no changes of its own; or copy it once by `tidelock copy … --tables`")
            }
            Some(_) => {
                let message = "it is a view, and a table of that name is to be written";
                Finding::new(Severity::Error, "TL-MY-NOT-A-TABLE", subject, message)
                    .remedy("give the table another name with `to:`, or rename the view")
            }
        });
    }
    Ok(())
}

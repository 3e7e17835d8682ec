//! What has a name as tables have, and is none that takes part: views, foreign tables, single partitions, sequences, indexes, types.

use crate::Result;
use crate::connect::Session;
use crate::names::{literal, schema_of, table_name};
use tidelock_endpoint::{Ask, Finding, Findings, Role, Severity};

/// Tells them: where all tables are asked for, so that nobody misses one of them; at a target, where one stands in the place of a table to be written.
pub(crate) async fn others(session: &Session, ask: &Ask, findings: &mut Findings) -> Result<()> {
    let wanted = match &ask.tables {
        None => {
            "(c.relkind IN ('v', 'm', 'f') OR c.relispartition AND c.relkind IN ('r', 'p')) AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
             AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')"
                .to_owned()
        }
        Some(names) if ask.role == Role::Target && !names.is_empty() => {
            let name = |t| format!("({}, {})", literal(schema_of(t)), literal(&t.name));
            let names = names.iter().map(name).collect::<Vec<_>>().join(", ");
            format!("(c.relkind NOT IN ('r', 'p') OR c.relispartition) AND (n.nspname, c.relname) IN ({names})")
        }
        Some(_) => return Ok(()),
    };
    let sql = format!(
        "SELECT n.nspname, c.relname, CASE c.relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialised view' WHEN 'f' THEN 'a foreign table' \
         WHEN 'S' THEN 'a sequence' WHEN 'i' THEN 'an index' WHEN 'I' THEN 'an index' WHEN 'c' THEN 'a type' ELSE 'a single partition of ' || (SELECT p.inhparent::regclass FROM pg_inherits p WHERE p.inhrelid = c.oid LIMIT 1) END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {wanted} ORDER BY 1, 2"
    );
    for row in session.query("looking for what is no table", &sql).await? {
        let (subject, kind) = (table_name(row.text(0), row.text(1)).to_string(), row.text(2));
        findings.add(match &ask.tables {
            None => {
                let message = format!("it is {kind} and takes no part");
                let remedy = match kind.starts_with("a single partition") {
                    true => "name the table that it is a part of",
                    false => "name the tables that it reads: it has no changes of its own; or copy it once by `tidelock copy … --tables`",
                };
                Finding::new(Severity::Note, "TL-PG-NO-TABLE", subject, message).remedy(remedy)
            }
            Some(_) => {
                let message = format!("it is {kind}, and a table of that name is to be written");
                Finding::new(Severity::Error, "TL-PG-NOT-A-TABLE", subject, message)
                    .remedy("give the table another name with `to:`, or rename what is there")
            }
        });
    }
    Ok(())
}

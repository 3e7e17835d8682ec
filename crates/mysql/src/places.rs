//! Places in the log: its end, that of a view, and the transactions before one.

use crate::Result;
use crate::connect::{Session, literal};
use crate::error::{precondition, protocol};
use crate::position::{LogPosition, Place};

/// MariaDB: where the view of this very connection stands.
pub(crate) async fn own_place(session: &mut Session) -> Result<Option<LogPosition>> {
    let rows = session.query("reading the view's place", "SHOW STATUS LIKE 'binlog_snapshot_%'").await?;
    let value = |name: &str| {
        rows.iter()
            .find(|r| r.string(0).eq_ignore_ascii_case(name))
            .and_then(|r| r.text(1))
            .filter(|v| !v.is_empty())
    };
    let (Some(file), Some(offset)) = (value("binlog_snapshot_file"), value("binlog_snapshot_position"))
    else {
        return Ok(None);
    };
    let offset = offset.parse().map_err(|_| protocol("the view's place is no number"))?;
    let gtid = gtid_at(session, &file, offset).await?;
    Ok(Some(LogPosition::new(Place::new(file, offset), gtid)))
}

/// MariaDB: the transactions before a place, as the log itself tells.
pub(crate) async fn gtid_at(session: &mut Session, file: &str, offset: u64) -> Result<Option<String>> {
    let sql = format!("SELECT BINLOG_GTID_POS({}, {offset})", literal(file));
    Ok(session.first("reading a place's GTIDs", sql).await?.and_then(|r| r.text(0)))
}

/// The end of the log.
pub(crate) async fn head(session: &mut Session) -> Result<LogPosition> {
    let status = session.server.log_status();
    let row = session.first("reading the end of the binary log", status).await?.ok_or_else(|| {
        precondition("TL-MY-LOG-BIN", "the server writes no binary log")
            .hint("set log_bin in the server's configuration and start it again")
    })?;
    let (file, offset) = (row.string(0), row.number(1)?);
    let gtid = match session.server.is_mariadb() {
        true => gtid_at(session, &file, offset).await?,
        false => {
            let set = row.place("Executed_Gtid_Set").and_then(|p| row.text(p)).unwrap_or_default();
            Some(set.split_whitespace().collect::<String>()).filter(|g| !g.is_empty())
        }
    };
    Ok(LogPosition::new(Place::new(file, offset), gtid))
}

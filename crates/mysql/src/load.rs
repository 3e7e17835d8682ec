//! Loading chunks: LOAD DATA LOCAL where the server takes it, else statements of many rows.
//!
//! LOCAL makes the server lenient whatever the session's mode: duplicates are skipped, values cut, and all of it only warned of. So every warning is an
//! error here, and the number of rows must be what was sent.

use crate::Result;
use crate::collision;
use crate::config::Config;
use crate::connect::{Session, quoted};
use crate::encode::{Form, field_expression, put};
use crate::error::{self, from_driver, protocol, server_code};
use crate::keep;
use crate::read::{Reading, check_null, column_name, refused};
use crate::statements::Writer;
use crate::transaction::{Known, Marker, run, statement_limit};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Delta, EndpointError, ErrorKind, Loader, WriteMode};
use tidelock_model::{ColumnDefault, Image, Rows, Slot, Table};

/// Loads one chunk at a time.
pub(crate) struct MyLoader {
    database: String,
    session: Session,
    marker: Marker,
    known: Known,
    /// The server takes LOAD DATA LOCAL.
    local: bool,
    open: Option<(Arc<Reading>, WriteMode)>,
}

impl MyLoader {
    pub fn new(config: &Config, session: Session, job: &str) -> MyLoader {
        let (database, local) = (config.database.clone(), session.server.local_infile);
        MyLoader { database, local, session, marker: Marker::new(job), known: Known::default(), open: None }
    }

    async fn load_data(&mut self, reading: &Reading, mode: WriteMode, rows: &Rows) -> Result<()> {
        let images = rows.images().collect::<std::result::Result<Vec<_>, _>>().map_err(error::codec)?;
        let doing = format!("loading {}", reading.table.name);
        let Some(affected) = load_data(&mut self.session, reading, mode, &images).await? else {
            self.local = false;
            return self.statements(reading, mode, rows).await;
        };
        if self.session.conn.get_warnings() > 0 {
            self.warned(&doing).await?;
        }
        let expected = rows.len() as u64;
        if affected < expected || mode == WriteMode::Insert && affected != expected {
            return Err(protocol(format!("{doing}: {expected} rows were sent and {affected} arrived")));
        }
        Ok(())
    }

    /// A warning is a value that was changed, or a row that was left away.
    async fn warned(&mut self, doing: &str) -> Result<()> {
        let warnings = self.session.query("reading the warnings", "SHOW WARNINGS LIMIT 5").await?;
        let said: Vec<String> = warnings.iter().map(|w| w.string(2)).collect();
        let said =
            if said.is_empty() { "it warns, and does not tell of what".to_owned() } else { said.join("; ") };
        let message = format!("{doing}: the server would change or leave away rows: {said}");
        let duplicate = warnings.iter().any(|w| matches!(w.string(1).as_str(), "1062" | "1586"));
        let code = if duplicate { "TL-MY-DUPLICATE" } else { "TL-MY-ROW" };
        Err(EndpointError::new(ErrorKind::Row, code, message))
    }

    async fn statements(&mut self, reading: &Reading, mode: WriteMode, rows: &Rows) -> Result<()> {
        let images = rows.images().collect::<std::result::Result<Vec<_>, _>>().map_err(error::codec)?;
        let mut scripts = Vec::new();
        let limit = statement_limit(&self.session);
        let mut writer = Writer { reading, limit, scripts: &mut scripts };
        match (mode, writer.keeps(&images)) {
            (WriteMode::Insert, _) => writer.rows("INSERT INTO", &images, "")?,
            (WriteMode::Upsert, None) => {
                writer.delta(&Delta { upserts: images, ..Delta::new(&reading.table) })?
            }
            (WriteMode::Upsert, Some(wide)) => {
                scripts = keep::upserts(&mut self.session, reading, &wide, &images, limit).await?;
            }
        }
        for script in scripts {
            run(&mut self.session, &format!("loading {}", reading.table.name), script.sql).await?;
        }
        Ok(())
    }
}

/// Sends rows with LOAD DATA LOCAL; how many were affected, or none when the server does not take it after all.
pub(crate) async fn load_data(
    session: &mut Session,
    reading: &Reading,
    mode: WriteMode,
    rows: &[Image<'_>],
) -> Result<Option<u64>> {
    let file = fields(reading, rows)?;
    session.conn.set_infile_handler(async move { Ok(stream::iter(packets(Bytes::from(file))).boxed()) });
    match session.conn.query_drop(load_statement(reading, mode)).await {
        Ok(()) => Ok(Some(session.conn.affected_rows())),
        // 1148 and 3948: LOCAL is off after all; 4166 at MariaDB.
        Err(error) if matches!(server_code(&error), Some(1148 | 3948 | 4166)) => {
            tracing::debug!(error = %error, "LOAD DATA LOCAL is refused, loading by statements");
            Ok(None)
        }
        Err(error) => Err(from_driver(&format!("loading {}", reading.table.name), error)),
    }
}

/// No packet may be larger than the server takes, whatever the rows are.
fn packets(file: Bytes) -> impl Iterator<Item = std::io::Result<Bytes>> {
    const PACKET: usize = 256 << 10;
    (0..file.len()).step_by(PACKET).map(move |start| Ok(file.slice(start..file.len().min(start + PACKET))))
}

/// The rows as LOAD DATA reads them.
fn fields(reading: &Reading, rows: &[Image<'_>]) -> Result<Vec<u8>> {
    let mut file = Vec::with_capacity(rows.iter().map(|r| r.as_bytes().len() + 8).sum());
    for image in rows {
        let mut first = true;
        for (i, slot) in image.slots().enumerate() {
            let place =
                *reading.places.get(i).ok_or_else(|| protocol("a row has more columns than its table"))?;
            let Slot::Value(value) = slot.map_err(error::codec)? else {
                let name = column_name(reading, i);
                return Err(protocol(format!(
                    "a row of {} comes without its column {name}",
                    reading.table.name
                )));
            };
            if reading.layout.table.columns[place].generated {
                continue;
            }
            if !std::mem::take(&mut first) {
                file.push(b'\t');
            }
            check_null(reading, i, &value)?;
            let column = &reading.layout.columns[place];
            put(&column.codec, column.room, &value, Form::Field, &mut file)
                .map_err(|refusal| refused(reading, i, &value, &refusal.0))?;
        }
        file.push(b'\n');
    }
    Ok(file)
}

fn load_statement(reading: &Reading, mode: WriteMode) -> String {
    let (mut names, mut set) = (Vec::new(), Vec::new());
    for (i, place) in reading.places.iter().enumerate() {
        if reading.layout.table.columns[*place].generated {
            continue;
        }
        let name = quoted(&column_name(reading, i));
        let counted = reading.layout.table.columns[*place].default == Some(ColumnDefault::AutoIncrement);
        let variable = format!("@v{i}");
        match field_expression(&reading.layout.columns[*place].codec, &variable)
            .or(counted.then_some(variable))
        {
            // Where anything is set by an expression, MariaDB takes a 0 that is read into an AUTO_INCREMENT column for the next number, whatever its mode.
            Some(expression) => {
                names.push(format!("@v{i}"));
                set.push(format!("{name}={expression}"));
            }
            None => names.push(name),
        }
    }
    let replace = if mode == WriteMode::Upsert { "REPLACE " } else { "" };
    let set = if set.is_empty() { String::new() } else { format!(" SET {}", set.join(", ")) };
    format!(
        "LOAD DATA LOCAL INFILE 'tidelock' {replace}INTO TABLE {} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' \
         LINES TERMINATED BY '\\n' ({}){set}",
        reading.layout.sql_name(),
        names.join(", ")
    )
}

#[async_trait]
impl Loader for MyLoader {
    async fn begin(&mut self, table: &Arc<Table>, mode: WriteMode, origin: &str) -> Result<()> {
        self.known.look_again(&mut self.session, &self.database).await?;
        let reading = self.known.reading(&mut self.session, &self.database, table).await?;
        // What a chunk before left open goes.
        let sql = format!("ROLLBACK; {}", self.marker.begin(origin));
        self.session.run("beginning a chunk", sql).await?;
        self.open = Some((reading, mode));
        Ok(())
    }

    async fn load(&mut self, rows: &Rows) -> Result<()> {
        let Some((reading, mode)) = self.open.clone() else {
            return Err(protocol("rows before their chunk was begun"));
        };
        if rows.is_empty() {
            return Ok(());
        }
        // REPLACE would delete what the job does not carry.
        let plain = reading.plain_upsert() && reading.wide.is_none();
        let loaded = match self.local && (mode == WriteMode::Insert || plain) {
            true => self.load_data(&reading, mode, rows).await,
            false => self.statements(&reading, mode, rows).await,
        };
        let Err(error) = loaded else { return Ok(()) };
        let images = rows.images().collect::<std::result::Result<Vec<_>, _>>().map_err(error::codec)?;
        Err(collision::named(&mut self.session, &reading, &images, error).await)
    }

    async fn commit(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.open = None;
        let sql = self.marker.commit(checkpoint, &[]).into_bytes();
        run(&mut self.session, "committing a chunk", sql).await.map(drop)
    }
}

//! Holding keys against each other as this server compares them: in a temporary table with the key's own columns.

use crate::Result;
use crate::catalog::{describe_one, sql_name};
use crate::config::Config;
use crate::connect::Session;
use crate::error;
use crate::read::{KEYS, Reading, met, put_key};
use crate::transaction;
use std::sync::Arc;
use tidelock_model::{Rows, RowsWriter, Table};

const TRIAL: &str = "tidelock_trial";
const DOING: &str = "holding keys against each other";

/// The temporary table.
pub(crate) struct Trial {
    reading: Reading,
}

impl Trial {
    /// `table` has the key's columns alone. `None` where the server takes only equal values for equal.
    pub async fn begin(session: &mut Session, config: &Config, table: &Arc<Table>) -> Result<Option<Trial>> {
        let layout = Arc::new(describe_one(session, &config.database, &table.name).await?);
        let mut reading = Reading::new(table, &layout)?;
        if !reading.loose_key() {
            return Ok(None);
        }
        let (own, columns) = (sql_name(&layout.schema, TRIAL), reading.names.join(", "));
        let part = |i: &usize| {
            let length = layout.key_prefixes.get(&reading.places[*i]).map(|n| format!("({n})"));
            reading.names[*i].clone() + &length.unwrap_or_default()
        };
        let key = table.key.iter().map(part).collect::<Vec<_>>().join(", ");
        session.run(DOING, format!("DROP TEMPORARY TABLE IF EXISTS {own}")).await?;
        let like = format!("SELECT {columns} FROM {} LIMIT 0", reading.sql_name);
        session.run(DOING, format!("CREATE TEMPORARY TABLE {own} (PRIMARY KEY ({key})) AS {like}")).await?;
        reading.sql_name = own;
        Ok(Some(Trial { reading }))
    }

    /// Adds the keys that are equal to none that is there, and answers what they are equal to now.
    pub async fn add(&self, session: &mut Session, keys: &Rows) -> Result<Rows> {
        let reading = &self.reading;
        let mut found = RowsWriter::new(reading.table.clone());
        let images = keys.images().collect::<std::result::Result<Vec<_>, _>>().map_err(error::codec)?;
        for part in images.chunks(KEYS) {
            let mut sql = format!("INSERT INTO {} ({}) VALUES ", reading.sql_name, reading.names.join(", "));
            for (n, image) in part.iter().enumerate() {
                let mut row = Vec::new();
                put_key(reading, *image, &mut row, |out, i| {
                    out.extend_from_slice(if i > 0 { b"," } else { b"" })
                })?;
                sql += if n > 0 { ",(" } else { "(" };
                sql += &String::from_utf8_lossy(&row);
                sql.push(')');
            }
            sql += &format!(" ON DUPLICATE KEY UPDATE {0}={0}", reading.names[reading.table.key[0]]);
            transaction::run(session, DOING, sql.into_bytes()).await?;
            met(session, reading, part, "", &mut found).await?;
        }
        Ok(found.take())
    }
}

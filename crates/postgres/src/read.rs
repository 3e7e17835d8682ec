//! Reading whole rows by key.

use crate::Result;
use crate::arrays::Arrays;
use crate::connect::Session;
use crate::error::{self, protocol};
use crate::reading::{Reading, Scratch};
use tidelock_endpoint::exactly;
use tidelock_model::{Rows, RowsWriter};

/// Keys of one statement.
const KEYS: usize = 2_000;

/// Reads rows by key, locked where `lock` asks for it. Rows whose key only looks the same to the server's collation are left out.
pub(crate) async fn by_key(session: &Session, reading: &Reading, keys: &Rows, lock: bool) -> Result<Rows> {
    let table = &reading.table;
    let doing = format!("reading rows of {} by key", table.name);
    let mut scratch = Scratch::default();
    let mut found = RowsWriter::new(table.clone());
    let images = keys.images().collect::<std::result::Result<Vec<_>, _>>().map_err(error::codec)?;
    for part in images.chunks(KEYS) {
        let mut arrays = Arrays::new(reading, reading.key()?.iter().copied());
        for image in part {
            arrays.push(*image)?;
        }
        let mut sql =
            format!("SELECT {} FROM {} AS t JOIN ", reading.list("t."), reading.from()).into_bytes();
        arrays.unnest("k", &mut sql);
        sql.extend_from_slice(b" ON ");
        arrays.matches("k.c", &mut sql);
        if lock {
            sql.extend_from_slice(b" FOR UPDATE OF t");
        }
        let sql = String::from_utf8(sql).map_err(|_| protocol("a statement is not UTF-8"))?;
        for row in session.query(&doing, &sql).await? {
            reading.row(&row, &mut scratch, &mut found)?;
        }
    }
    exactly(keys, &found.take()).map_err(error::codec)
}

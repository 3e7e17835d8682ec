//! The columns that are really there, for binding: the tables that `sync` hands us carry the source's types.

use crate::catalogue::{self, Found};
use crate::encode::{Bound, Refused};
use crate::error;
use crate::names::{ident, same_key};
use rusqlite::{Connection, Statement};
use tidelock_endpoint::{EndpointError, ErrorKind, Result};
use tidelock_model::{Image, Slot, Table};

/// The table as the file has it.
pub fn find(db: &Connection, table: &Table) -> Result<Found> {
    let found = catalogue::find(db, &table.name.name)
        .map_err(error::sql(format!("looking at table {}", table.name)))?
        .filter(|_| table.name.schema.is_none());
    found.ok_or_else(|| {
        let message = format!("using table {}: it is not there", table.name);
        EndpointError::new(ErrorKind::Precondition, "TL-SQLITE-NO-TABLE", message)
    })
}

/// The columns of `asked`, each as `real` has it, as a table and ready to bind to.
pub fn bound(real: &Table, asked: &Table) -> Result<(Table, Vec<Bound>)> {
    let mut columns = Vec::with_capacity(asked.columns.len());
    for column in &asked.columns {
        let there = real.columns.iter().find(|c| c.name.eq_ignore_ascii_case(&column.name));
        columns.push(there.cloned().ok_or_else(|| {
            let message = format!("using table {}: it has no column {}", asked.name, column.name);
            EndpointError::new(ErrorKind::Precondition, "TL-SQLITE-NO-COLUMN", message)
        })?);
    }
    let bound = columns.iter().cloned().map(Bound::new).collect();
    Ok((Table { columns, ..asked.clone() }, bound))
}

/// `k1 = ?n AND …` over the key of `asked`, from parameter `first` on: that key and no other one, whatever the column's collation takes for the same.
pub fn where_key(real: &Found, asked: &Table, first: usize) -> String {
    let key: Vec<&str> = asked.key_columns().map(|c| c.name.as_str()).collect();
    let same = key.iter().zip(real.collations(&key)).enumerate();
    let same =
        same.map(|(i, (name, collation))| same_key(&ident(name), "=", &format!("?{}", first + i), collation));
    same.collect::<Vec<_>>().join(" AND ")
}

/// Binds one value and words its refusal.
pub fn bind(
    statement: &mut Statement<'_>,
    table: &Table,
    bound: &Bound,
    place: usize,
    slot: &Slot<'_>,
    scratch: &mut String,
) -> Result<()> {
    let name = &bound.column.name;
    let Slot::Value(value) = slot else {
        let message = format!("writing table {}: column {name} was not sent and is needed", table.name);
        return Err(EndpointError::new(ErrorKind::Protocol, "TL-SQLITE-NOT-SENT", message));
    };
    bound.bind(statement, place, value, scratch).map_err(|refused| match refused {
        Refused::Sql(e) => error::sql(format!("writing table {}, column {name}", table.name))(e),
        Refused::Value(why) => self::refused(table, bound, why),
    })
}

/// A value that its column cannot hold.
pub fn refused(table: &Table, bound: &Bound, why: String) -> EndpointError {
    let message = format!("writing table {}, column {}: {why}", table.name, bound.column.name);
    EndpointError::new(ErrorKind::Row, "TL-SQLITE-VALUE", message)
}

/// Binds the key's slots of an image from parameter `first` on.
pub fn bind_key(
    statement: &mut Statement<'_>,
    table: &Table,
    bound: &[Bound],
    image: Image<'_>,
    first: usize,
    scratch: &mut String,
) -> Result<()> {
    for (i, place) in table.key.iter().enumerate() {
        let slot = image.slot(*place).map_err(error::damaged)?;
        bind(statement, table, &bound[*place], first + i, &slot, scratch)?;
    }
    Ok(())
}

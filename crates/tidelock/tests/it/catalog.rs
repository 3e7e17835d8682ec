//! What a database says of its own tables, in sentences that are the same for every engine.

use crate::sides::unknown;
use tidelock_testkit::{Database, Family};

/// `key album album_id`, `index album artist_id`, `foreign key album artist_id -> artist artist_id`, `not null album title`, sorted. Nothing of tidelock's own.
pub async fn sentences(db: &Database) -> Vec<String> {
    let sql = match db.kind().family() {
        Family::Postgres => POSTGRES,
        Family::Mysql => MYSQL,
        Family::Sqlite => SQLITE,
        other => unknown(other),
    };
    let rows = db.query(sql).await.unwrap();
    let mut all: Vec<String> = rows.into_iter().map(|row| row[0].clone().unwrap()).collect();
    all.sort();
    all
}

/// The tables, sorted; none of tidelock's own.
pub async fn tables(db: &Database) -> Vec<String> {
    let sql = match db.kind().family() {
        Family::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        Family::Mysql => {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND table_type = 'BASE TABLE'"
        }
        Family::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        other => unknown(other),
    };
    let rows = db.query(sql).await.unwrap();
    let mut all: Vec<String> = rows.into_iter().map(|row| row[0].clone().unwrap()).collect();
    all.retain(|name| !name.starts_with("tidelock"));
    all.sort();
    all
}

const POSTGRES: &str = "
WITH named AS (
  SELECT i.indexrelid, t.relname AS table_name, i.indisprimary, i.indisunique,
         (SELECT string_agg(a.attname, ' ' ORDER BY k.place) FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number) AS columns
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
   WHERE t.relnamespace = 'public'::regnamespace AND t.relname NOT LIKE 'tidelock%')
SELECT concat_ws(' ', CASE WHEN indisprimary THEN 'key' WHEN indisunique THEN 'unique index' ELSE 'index' END, table_name, columns) FROM named
UNION ALL
SELECT concat_ws(' ', 'foreign key', t.relname, a.attname, '->', u.relname, b.attname)
  FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class u ON u.oid = c.confrelid
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1] JOIN pg_attribute b ON b.attrelid = u.oid AND b.attnum = c.confkey[1]
 WHERE c.contype = 'f'
UNION ALL
SELECT concat_ws(' ', 'not null', table_name, column_name) FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name NOT LIKE 'tidelock%' AND is_nullable = 'NO'";

const MYSQL: &str = "
SELECT concat_ws(' ', CASE WHEN index_name = 'PRIMARY' THEN 'key' WHEN max(non_unique) = 0 THEN 'unique index' ELSE 'index' END,
                 table_name, group_concat(column_name ORDER BY seq_in_index SEPARATOR ' '))
  FROM information_schema.statistics WHERE table_schema = database() AND table_name NOT LIKE 'tidelock%' GROUP BY table_name, index_name
UNION ALL
SELECT concat_ws(' ', 'foreign key', table_name, column_name, '->', referenced_table_name, referenced_column_name)
  FROM information_schema.key_column_usage WHERE table_schema = database() AND referenced_table_name IS NOT NULL
UNION ALL
SELECT concat_ws(' ', 'not null', table_name, column_name) FROM information_schema.columns
 WHERE table_schema = database() AND table_name NOT LIKE 'tidelock%' AND is_nullable = 'NO'";

const SQLITE: &str = "
WITH tables AS (SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'tidelock%')
SELECT 'key ' || t.name || ' ' || (SELECT group_concat(name, ' ') FROM (SELECT name FROM pragma_table_info(t.name) WHERE pk > 0 ORDER BY pk)) FROM tables t
UNION ALL
SELECT CASE WHEN i.\"unique\" THEN 'unique index ' ELSE 'index ' END || t.name || ' ' ||
       (SELECT group_concat(name, ' ') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
  FROM tables t JOIN pragma_index_list(t.name) i WHERE i.origin <> 'pk'
UNION ALL
SELECT 'foreign key ' || t.name || ' ' || f.\"from\" || ' -> ' || f.\"table\" || ' ' || f.\"to\" FROM tables t JOIN pragma_foreign_key_list(t.name) f
UNION ALL
SELECT 'not null ' || t.name || ' ' || c.name FROM tables t JOIN pragma_table_info(t.name) c WHERE c.\"notnull\" OR c.pk > 0";

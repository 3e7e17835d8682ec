//! Every type of every database, with the values that are hard to keep, from every database into every other.
//!
//! A value goes before the snapshot, as an insert after it, and as an update from another value. All three must be what the source holds, as both databases
//! render it themselves; and once more when it has come home to another database of the source's kind. What a target cannot hold is refused: a type by `check`, a value when it comes, whichever way it comes.

mod arrive;
mod expect;
mod judge;
mod mysql;
mod postgres;
mod random;
mod refuse;
mod run;
mod sample;
mod sqlite;
mod tally;

use tidelock_testkit::Kind;

macro_rules! pairs {
    ($what:path: $($name:ident: $from:ident, $to:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $what(Kind::$from, Kind::$to).await;
        }
    )*};
}

pairs! { run::every_type:
    from_postgres_15_to_postgres_15: Postgres15, Postgres15;
    from_postgres_15_to_postgres_18: Postgres15, Postgres18;
    from_postgres_15_to_mysql: Postgres15, Mysql97;
    from_postgres_15_to_mariadb: Postgres15, Mariadb1011;
    from_postgres_15_to_sqlite: Postgres15, Sqlite;
    from_postgres_18_to_postgres_15: Postgres18, Postgres15;
    from_postgres_18_to_postgres_18: Postgres18, Postgres18;
    from_postgres_18_to_mysql: Postgres18, Mysql97;
    from_postgres_18_to_mariadb: Postgres18, Mariadb1011;
    from_postgres_18_to_sqlite: Postgres18, Sqlite;
    from_mysql_to_postgres_15: Mysql97, Postgres15;
    from_mysql_to_postgres_18: Mysql97, Postgres18;
    from_mysql_to_mysql: Mysql97, Mysql97;
    from_mysql_to_mariadb: Mysql97, Mariadb1011;
    from_mysql_to_sqlite: Mysql97, Sqlite;
    from_mariadb_to_postgres_15: Mariadb1011, Postgres15;
    from_mariadb_to_postgres_18: Mariadb1011, Postgres18;
    from_mariadb_to_mysql: Mariadb1011, Mysql97;
    from_mariadb_to_mariadb: Mariadb1011, Mariadb1011;
    from_mariadb_to_sqlite: Mariadb1011, Sqlite;
    from_sqlite_to_postgres_15: Sqlite, Postgres15;
    from_sqlite_to_postgres_18: Sqlite, Postgres18;
    from_sqlite_to_mysql: Sqlite, Mysql97;
    from_sqlite_to_mariadb: Sqlite, Mariadb1011;
    from_sqlite_to_sqlite: Sqlite, Sqlite;
}

pairs! { random::tables:
    random_tables_from_postgres_to_postgres: Postgres15, Postgres18;
    random_tables_from_postgres_to_mysql: Postgres18, Mysql97;
    random_tables_from_postgres_to_mariadb: Postgres18, Mariadb1011;
    random_tables_from_postgres_to_sqlite: Postgres15, Sqlite;
    random_tables_from_mysql_to_postgres: Mysql97, Postgres18;
    random_tables_from_mysql_to_mysql: Mysql97, Mysql97;
    random_tables_from_mysql_to_mariadb: Mysql97, Mariadb1011;
    random_tables_from_mysql_to_sqlite: Mysql97, Sqlite;
    random_tables_from_mariadb_to_postgres: Mariadb1011, Postgres15;
    random_tables_from_mariadb_to_mysql: Mariadb1011, Mysql97;
    random_tables_from_mariadb_to_mariadb: Mariadb1011, Mariadb1011;
    random_tables_from_mariadb_to_sqlite: Mariadb1011, Sqlite;
    random_tables_from_sqlite_to_postgres: Sqlite, Postgres18;
    random_tables_from_sqlite_to_mysql: Sqlite, Mysql97;
    random_tables_from_sqlite_to_mariadb: Sqlite, Mariadb1011;
    random_tables_from_sqlite_to_sqlite: Sqlite, Sqlite;
}

//! Its servers run with the settings that synchronisation needs and nothing else out of the ordinary: passwords over TCP only, TLS on, binlog in the fullest form, GTIDs on.
//!
//! The administrator's account is written at each start by an init file, outside the binlog: neither server can be given one
//! while it makes its data folder. MariaDB's own accounts without a password are removed by the same file; they would
//! hide the account.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::Signal;

use async_trait::async_trait;

use crate::kind::{Kind, Servers};
use crate::lab::{Folders, Launch, Options, as_server_user, make, run, write_secret};
use crate::session::Session;

pub(super) struct Program;

#[async_trait]
impl Servers for Program {
    fn compose(&self) -> &'static str {
        "compose.mysql.yaml"
    }

    fn url(&self, port: u16, password: &str) -> String {
        format!("mysql://root:{password}@127.0.0.1:{port}/mysql")
    }

    fn initialise(&self, folders: &Folders, kind: Kind, data: &Path, _password: &str) -> Result<()> {
        if kind.is_mariadb() {
            initialise_mariadb(folders, data)
        } else {
            initialise_mysql(folders, kind, data)
        }
    }

    fn prepare(&self, folders: &Folders, kind: Kind, run: &Path, password: &str) -> Result<()> {
        prepare(folders, kind, run, password)
    }

    fn launch(&self, kind: Kind, home: &Path, run: &Path, port: u16, options: &Options) -> Launch {
        launch(kind, home, run, port, options)
    }

    fn crash(&self) -> Signal {
        Signal::KILL
    }

    fn create(&self, name: &str) -> String {
        format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")
    }

    fn databases(&self) -> &'static str {
        "SELECT schema_name FROM information_schema.schemata"
    }

    async fn remove(&self, session: &mut Session, name: &str) -> Result<()> {
        let mine = format!("SELECT id FROM information_schema.processlist WHERE db = '{name}'");
        for row in session.query(&mine).await? {
            if let Some(Some(id)) = row.first() {
                // It may have ended by itself.
                let _ = session.execute(&format!("KILL {id}")).await;
            }
        }
        session.execute("SET lock_wait_timeout = 20").await?;
        session.execute(&format!("DROP DATABASE IF EXISTS {name}")).await
    }
}

fn launch(kind: Kind, home: &Path, run: &Path, port: u16, options: &Options) -> Launch {
    let file = |name: &str| run.join(name).display().to_string();
    let port_text = port.to_string();
    let (init, ca, certificate, key, temporary) =
        (file("init.sql"), file("ca.pem"), file("server.pem"), file("server.key"), file("tmp"));
    let mut settings = vec![
        ("bind-address", "127.0.0.1"),
        ("port", &port_text),
        ("socket", "mysqld.sock"),
        ("pid-file", "mysqld.pid"),
        ("init-file", &init),
        ("tmpdir", &temporary),
        ("ssl-ca", &ca),
        ("ssl-cert", &certificate),
        ("ssl-key", &key),
        ("skip-name-resolve", "ON"),
        ("default-time-zone", "+00:00"),
        ("max-connections", "500"),
        ("max-allowed-packet", "64M"),
        ("local-infile", "ON"),
        ("log-bin", "binlog"),
        ("binlog-format", "ROW"),
        ("binlog-row-image", "FULL"),
        ("binlog-row-metadata", "FULL"),
        ("server-id", &port_text),
        ("innodb-buffer-pool-size", "128M"),
    ];
    if kind.is_mariadb() {
        settings.extend([
            ("gtid-strict-mode", "ON"),
            ("log-warnings", "1"),
            ("plugin-load-add", "auth_ed25519"),
        ]);
    } else {
        settings.extend([("gtid-mode", "ON"), ("enforce-gtid-consistency", "ON"), ("mysqlx", "OFF")]);
        settings.push(("secure-file-priv", "NULL"));
    }
    if !options.durable {
        settings.extend([
            ("sync-binlog", "0"),
            ("innodb-flush-log-at-trx-commit", "0"),
            ("innodb-doublewrite", "0"),
        ]);
    } else {
        settings.extend([("sync-binlog", "1"), ("innodb-flush-log-at-trx-commit", "1")]);
    }
    settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let flag = |(name, value): (&str, &str)| match value {
        "" => format!("--{name}"),
        _ => format!("--{name}={value}"),
    };
    let mut arguments = vec!["--no-defaults".to_string()];
    arguments.extend(paths(kind, home, &run.join("data")));
    arguments.extend(settings.into_iter().map(flag));
    let program = if kind.is_mariadb() { "bin/mariadbd" } else { "bin/mysqld" };
    Launch {
        program: home.join(program),
        arguments: arguments.into_iter().map(Into::into).collect(),
        stop: Signal::TERM,
    }
}

/// A folder of its own for its temporary tables: MariaDB removes at its start whatever looks like one, of other servers too.
fn temporary_beside(data: &Path) -> Option<String> {
    data.parent().map(|folder| format!("--tmpdir={}", folder.display()))
}

/// Where an unpacked server finds its own files.
fn paths(kind: Kind, home: &Path, data: &Path) -> Vec<String> {
    let mut flags = vec![
        format!("--basedir={}", home.join("usr").display()),
        format!("--datadir={}", data.display()),
        format!("--plugin-dir={}", home.join("usr/lib/mysql/plugin").display()),
        format!("--lc-messages-dir={}", home.join("usr/share/mysql").display()),
        format!("--character-sets-dir={}", home.join("usr/share/mysql/charsets").display()),
    ];
    if kind.is_mariadb() {
        flags.push("--character-set-server=utf8mb4".to_string());
    }
    flags
}

fn initialise_mysql(folders: &Folders, kind: Kind, data: &Path) -> Result<()> {
    let home = folders.server(kind);
    let mut server = as_server_user(folders, &home.join("bin/mysqld"), None);
    server.args(["--no-defaults", "--initialize-insecure", "--innodb-redo-log-capacity=8M"]);
    server.args(paths(kind, &home, data)).args(temporary_beside(data));
    run(server)?;
    // Each copy is a server of its own.
    fs::remove_file(data.join("auto.cnf")).context("removing the server's identity from its template")
}

/// What `mariadb-install-db` feeds to the server.
fn initialise_mariadb(folders: &Folders, data: &Path) -> Result<()> {
    let home = folders.server(Kind::Mariadb1011);
    // One statement a line.
    let mut sql =
        b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\nSET @skip_auth_anonymous = 1;\n"
            .to_vec();
    for name in
        ["mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data", "mysql_sys_schema"]
    {
        let path = home.join("usr/share/mysql").join(name).with_extension("sql");
        sql.extend(fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
    }
    let script = data.with_extension("sql");
    fs::write(&script, sql).with_context(|| format!("writing {}", script.display()))?;
    make(data, 0o700)?;
    folders.hand_over(data)?;
    let mut server = as_server_user(folders, &home.join("bin/mariadbd"), None);
    server.args(["--no-defaults", "--bootstrap", "--innodb-log-file-size=32M"]);
    server.args(paths(Kind::Mariadb1011, &home, data)).args(temporary_beside(data));
    server.stdin(fs::File::open(&script)?);
    run(server)?;
    fs::remove_file(&script).with_context(|| format!("removing {}", script.display()))
}

fn prepare(folders: &Folders, kind: Kind, run: &Path, password: &str) -> Result<()> {
    let mut sql = "SET SESSION sql_log_bin = 0;\n".to_string();
    if kind.is_mariadb() {
        sql += "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');\n";
        sql += "FLUSH PRIVILEGES;\n";
    }
    sql += &format!("CREATE USER IF NOT EXISTS 'root'@'%' IDENTIFIED BY '{password}';\n");
    sql += "GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION;\n";
    sql += &format!("ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n");
    let file = run.join("init.sql");
    write_secret(&file, &sql)?;
    folders.hand_over(&file)?;
    make(&run.join("tmp"), 0o700)?;
    folders.hand_over(&run.join("tmp"))
}

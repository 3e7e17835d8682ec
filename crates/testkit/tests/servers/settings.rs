//! The lab's servers are set as synchronisation needs them.

use tidelock_testkit::{Kind, Session, lab, server};

#[tokio::test]
async fn postgres_decodes_logically_and_offers_tls() {
    for (kind, version) in [(Kind::Postgres15, "15."), (Kind::Postgres18, "18.")] {
        let Some(server) = server(kind) else { continue };
        assert!(server.version.starts_with(version), "{}", server.version);
        let mut admin = server.connect().await.unwrap();
        for (name, value) in [
            ("wal_level", "logical"),
            ("max_replication_slots", "100"),
            ("max_wal_senders", "100"),
            ("password_encryption", "scram-sha-256"),
            ("ssl", "on"),
        ] {
            assert_eq!(
                admin.value(&format!("SHOW {name}")).await.unwrap().as_deref(),
                Some(value),
                "{kind} {name}"
            );
        }
    }
}

#[tokio::test]
async fn mysql_and_mariadb_log_whole_rows_with_gtids_and_offer_tls() {
    for kind in [Kind::Mysql97, Kind::Mariadb1011] {
        let Some(server) = server(kind) else { continue };
        let mut admin = server.connect().await.unwrap();
        let of_its_own = if kind.is_mariadb() { ("gtid_strict_mode", "ON") } else { ("gtid_mode", "ON") };
        for (name, value) in [
            ("log_bin", "ON"),
            ("binlog_format", "ROW"),
            ("binlog_row_image", "FULL"),
            ("binlog_row_metadata", "FULL"),
            ("local_infile", "ON"),
            of_its_own,
        ] {
            let rows = admin.query(&format!("SHOW GLOBAL VARIABLES LIKE '{name}'")).await.unwrap();
            assert_eq!(rows[0][1].as_deref(), Some(value), "{kind} {name}");
        }
        let secured = Session::connect(&format!("{}?require_ssl=true&verify_ca=false", server.url)).await;
        let cipher = secured.unwrap().query("SHOW STATUS LIKE 'Ssl_cipher'").await.unwrap();
        assert!(cipher[0][1].as_deref().unwrap().starts_with("TLS"), "{kind} {cipher:?}");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_the_password() {
    for server in Kind::SERVERS.into_iter().filter_map(server) {
        let mut url = url::Url::parse(&server.url).unwrap();
        url.set_password(None).unwrap();
        assert!(Session::connect(url.as_str()).await.is_err(), "{}", server.kind);
        url.set_password(Some("wrong")).unwrap();
        assert!(Session::connect(url.as_str()).await.is_err(), "{}", server.kind);
    }
}

#[tokio::test]
async fn a_new_account_logs_in_without_tls() {
    // MySQL's cache of passwords is cold for it: the client must fetch the server's key, which not every client does.
    for server in [Kind::Mysql97, Kind::Mariadb1011].into_iter().filter_map(server) {
        let db = server.fresh_database("cold_cache").await;
        let user = format!("u{}", std::process::id());
        let make = format!("CREATE USER {user} IDENTIFIED BY 'secret'; GRANT ALL ON {}.* TO {user}", db.name);
        db.execute(&format!("DROP USER IF EXISTS {user}")).await.unwrap();
        db.execute(&make).await.unwrap();
        let mut url = url::Url::parse(&db.url).unwrap();
        url.set_username(&user).unwrap();
        url.set_password(Some("secret")).unwrap();
        let mut session = Session::connect(url.as_str()).await.unwrap();
        assert_eq!(session.value("SELECT 1").await.unwrap().as_deref(), Some("1"));
        db.execute(&format!("DROP USER {user}")).await.unwrap();
    }
}

#[test]
fn the_environment_names_every_server() {
    let servers: Vec<_> = Kind::SERVERS.into_iter().filter_map(server).cloned().collect();
    let variables = lab::variables(&servers);
    for server in &servers {
        assert!(variables.contains(&(server.kind.url_variable(), server.url.clone())));
    }
}

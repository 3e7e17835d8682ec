//! The URL and the options of one endpoint, checked without touching the network.

use crate::Result;
use mysql_async::{Opts, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use std::time::Duration;
use tidelock_endpoint::{EndpointConfig, EndpointError, ErrorKind, TlsMode, TlsOptions};
use url::Url;

/// What an endpoint's connections are made from.
#[derive(Clone)]
pub(crate) struct Config {
    /// The name in the config.
    pub name: String,
    /// The connected database: the default schema of table names.
    pub database: String,
    /// How much TLS is asked for.
    pub mode: TlsMode,
    /// Without TLS.
    pub plain: Opts,
    /// With TLS, where the mode allows it.
    pub secure: Option<Opts>,
}

impl Config {
    /// Takes the URL apart; all of its faults in one error.
    pub fn new(config: &EndpointConfig) -> Result<Config> {
        let fault = |message: String| {
            EndpointError::new(ErrorKind::Configuration, "TL-MY-URL", message)
                .hint("write mysql://user:password@host:3306/database")
        };
        let url =
            Url::parse(&config.url).map_err(|e| fault(format!("reading the url of {}: {e}", config.name)))?;
        let mut faults = Vec::new();
        if !matches!(url.scheme(), "mysql" | "mariadb") {
            faults.push(format!("the scheme is {}, not mysql or mariadb", url.scheme()));
        }
        let mut decode = |part: &str, what: &str| {
            percent_decode_str(part).decode_utf8().map(|t| t.into_owned()).unwrap_or_else(|_| {
                faults.push(format!("the {what} is not UTF-8"));
                String::new()
            })
        };
        let user = decode(url.username(), "user");
        let password = url.password().map(|p| decode(p, "password"));
        let database = decode(url.path().trim_start_matches('/'), "database");
        if database.is_empty() || database.contains('/') {
            faults.push("it names no database".to_owned());
        }
        if user.is_empty() {
            faults.push("it names no user".to_owned());
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            faults.push("it names no host".to_owned());
        }
        let mut socket = None;
        for (key, value) in url.query_pairs() {
            match &*key {
                "socket" => socket = Some(value.into_owned()),
                other => faults.push(format!("the parameter {other} is not known (allowed: socket)")),
            }
        }
        if !faults.is_empty() {
            return Err(fault(format!("reading the url of {}: {}", config.name, faults.join("; "))));
        }
        let builder = OptsBuilder::default()
            .ip_or_hostname(host)
            .tcp_port(url.port().unwrap_or(3306))
            .user(Some(user))
            .pass(password)
            .db_name(Some(database.clone()))
            .prefer_socket(false)
            .socket(socket.clone())
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .max_allowed_packet(Some(1 << 30))
            .wait_timeout(Some(28_800))
            .stmt_cache_size(0)
            .client_found_rows(true);
        let mode = config.tls.mode;
        let secure = match (mode, socket) {
            (TlsMode::Disable, _) | (_, Some(_)) => None,
            _ => Some(builder.clone().ssl_opts(tls(&config.tls)).into()),
        };
        Ok(Config { name: config.name.clone(), database, mode, plain: builder.into(), secure })
    }
}

fn tls(options: &TlsOptions) -> SslOpts {
    let checked = matches!(options.mode, TlsMode::VerifyCa | TlsMode::VerifyFull);
    let mut ssl = SslOpts::default()
        .with_danger_accept_invalid_certs(!checked)
        .with_danger_skip_domain_validation(options.mode != TlsMode::VerifyFull);
    if let Some(ca) = &options.ca {
        ssl = ssl.with_root_certs(vec![ca.clone().into()]).with_disable_built_in_roots(true);
    }
    ssl
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Config> {
        Config::new(&EndpointConfig { name: "crm".into(), url: url.into(), tls: TlsOptions::default() })
    }

    #[test]
    fn a_url_is_taken_apart_and_decoded() {
        let config = read("mariadb://sync:p%40ss@db.example:3307/shop%20one").unwrap();
        assert_eq!((config.plain.user(), config.plain.pass()), (Some("sync"), Some("p@ss")));
        assert_eq!((config.plain.tcp_port(), config.database.as_str()), (3307, "shop one"));
        assert!(config.secure.is_some(), "prefer is the default");
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_secret() {
        let error = read("mysql://:secret@h/?ssl=1").err().unwrap().to_string();
        for part in ["no database", "no user", "ssl"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("secret"));
    }
}

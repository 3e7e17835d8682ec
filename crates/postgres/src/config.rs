//! The URL and the options of one endpoint, checked without touching the network.

use crate::Result;
use crate::names::capture_name;
use percent_encoding::percent_decode_str;
use tidelock_endpoint::{EndpointConfig, EndpointError, ErrorKind, TlsMode, TlsOptions};
use url::Url;

/// What an endpoint's connections are made from.
#[derive(Clone)]
pub(crate) struct Config {
    /// The name in the config.
    pub name: String,
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    pub application: String,
    /// The user's own server options, before ours.
    pub options: String,
    pub tls: TlsOptions,
    /// The name of slot and publication.
    pub capture: String,
}

impl Config {
    /// Takes the URL apart; all of its faults in one error.
    pub fn new(config: &EndpointConfig) -> Result<Config> {
        let fault = |message: String| {
            EndpointError::new(ErrorKind::Configuration, "TL-PG-URL", message)
                .hint("write postgres://user:password@host:5432/database")
        };
        let url =
            Url::parse(&config.url).map_err(|e| fault(format!("reading the url of {}: {e}", config.name)))?;
        let mut faults = Vec::new();
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            faults.push(format!("the scheme is {}, not postgres", url.scheme()));
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
        let host = decode(url.host_str().unwrap_or_default().trim_matches(['[', ']']), "host");
        for (missing, what) in
            [(user.is_empty(), "user"), (database.is_empty(), "database"), (host.is_empty(), "host")]
        {
            if missing {
                faults.push(format!("it names no {what}"));
            }
        }
        for (text, what) in [(&user, "user"), (&database, "database")] {
            if text.contains('\0') {
                faults.push(format!("the {what} holds a NUL"));
            }
        }
        let (mut application, mut options, mut tls) =
            ("tidelock".to_owned(), String::new(), config.tls.clone());
        for (key, value) in url.query_pairs() {
            match &*key {
                "application_name" => application = value.into_owned(),
                "options" => options = value.into_owned(),
                "sslmode" => match ssl_mode(&value) {
                    // What the config says beside the URL wins.
                    Some(mode) if tls.mode == TlsMode::default() => tls.mode = mode,
                    Some(_) => {}
                    None => faults.push(format!(
                        "sslmode is {value} (allowed: disable, prefer, require, verify-ca, verify-full)"
                    )),
                },
                other => faults.push(format!(
                    "the parameter {other} is not known (allowed: sslmode, application_name, options)"
                )),
            }
        }
        if !faults.is_empty() {
            return Err(fault(format!("reading the url of {}: {}", config.name, faults.join("; "))));
        }
        let capture = capture_name(&config.name, &database);
        Ok(Config {
            name: config.name.clone(),
            host,
            port: url.port().unwrap_or(5432),
            user,
            password,
            database,
            application,
            options,
            tls,
            capture,
        })
    }

    /// For messages: `shop (db.example:5432)`.
    pub fn place(&self) -> String {
        format!("{} ({}:{})", self.name, self.host, self.port)
    }
}

fn ssl_mode(text: &str) -> Option<TlsMode> {
    Some(match text {
        "disable" => TlsMode::Disable,
        "allow" | "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" => TlsMode::VerifyFull,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Config> {
        Config::new(&EndpointConfig { name: "crm".into(), url: url.into(), tls: TlsOptions::default() })
    }

    #[test]
    fn a_url_is_taken_apart_and_decoded() {
        let config =
            read("postgresql://sync:p%40ss@db.example:5433/shop%20one?sslmode=require&application_name=a")
                .unwrap();
        assert_eq!((config.user.as_str(), config.password.as_deref()), ("sync", Some("p@ss")));
        assert_eq!(
            (config.port, config.database.as_str(), config.application.as_str()),
            (5433, "shop one", "a")
        );
        assert_eq!(config.tls.mode, TlsMode::Require);
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_secret() {
        let error = read("postgres://:secret@h/?ssl=1&sslmode=maybe").err().unwrap().to_string();
        for part in ["no database", "no user", "ssl", "maybe"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("secret"));
    }
}

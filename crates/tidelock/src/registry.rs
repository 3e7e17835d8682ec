//! The only place that lists engines.

use crate::config::nearest;
use std::path::Path;
use std::sync::Arc;
use tidelock_endpoint::{Endpoint, EndpointConfig, EndpointError, ErrorKind, Result, TlsOptions};

/// One kind of database.
pub struct Engine {
    /// What its URLs begin with.
    pub schemes: &'static [&'static str],
    /// It is reached over a network; else it is a file.
    pub network: bool,
    open: fn(EndpointConfig) -> Result<Arc<dyn Endpoint>>,
}

/// All of them. A new engine is a line here and one in [`SCHEMES_IN_WORDS`].
pub const ENGINES: &[Engine] = &[
    Engine { schemes: &["postgres", "postgresql"], network: true, open: tidelock_postgres::open },
    Engine { schemes: &["mysql", "mariadb"], network: true, open: tidelock_mysql::open },
    Engine { schemes: &["sqlite"], network: false, open: tidelock_sqlite::open },
];

/// A database product: its name, a URL of it, its types.
#[cfg(test)]
pub type Product = (&'static str, &'static str, fn() -> Vec<tidelock_model::Column>);

/// All of them, for the page of types.
#[cfg(test)]
pub const PRODUCTS: &[Product] = &[
    ("PostgreSQL", "postgres://user@localhost/types", tidelock_postgres::types),
    ("MySQL", "mysql://user@localhost/types", || tidelock_mysql::types(false)),
    ("MariaDB", "mysql://user@localhost/types", || tidelock_mysql::types(true)),
    ("SQLite", "sqlite:types.db", tidelock_sqlite::types),
];

/// The URLs that are allowed, for messages, the help and the schema.
pub const SCHEMES_IN_WORDS: &str =
    "postgres://user:password@host:5432/database, mysql://… (MySQL and MariaDB), sqlite:./file.db";

const LATER: &[&str] = &["mongodb", "mongodb+srv", "elasticsearch", "opensearch", "kafka"];

/// A URL of no engine.
#[derive(Debug)]
pub struct UnknownScheme {
    /// What was found; no more of the URL than its scheme.
    pub message: String,
    /// The scheme that was perhaps meant.
    pub suggestion: Option<String>,
    /// A later version knows it.
    pub later: bool,
}

/// The engine of a URL.
pub fn engine_of(url: &str) -> std::result::Result<&'static Engine, UnknownScheme> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    let Some(scheme) =
        scheme.filter(|s| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)))
    else {
        let message = "this is no URL: it does not begin with a scheme such as postgres:".to_owned();
        return Err(UnknownScheme { message, suggestion: None, later: false });
    };
    if let Some(engine) = ENGINES.iter().find(|e| e.schemes.contains(&scheme)) {
        return Ok(engine);
    }
    let later = LATER.contains(&scheme);
    let message = match later {
        true => format!("{scheme} is not supported in this version"),
        false => format!("there is no engine for URLs that begin with {scheme}:"),
    };
    let known = ENGINES.iter().flat_map(|e| e.schemes).copied();
    let suggestion = if later { None } else { nearest(scheme, known).map(str::to_owned) };
    Err(UnknownScheme { message, suggestion, later })
}

/// Opens an endpoint: a handle, no connection yet.
pub fn open(config: EndpointConfig) -> Result<Arc<dyn Endpoint>> {
    match engine_of(&config.url) {
        Ok(engine) => (engine.open)(config),
        Err(unknown) => {
            let meant = unknown.suggestion.map(|s| format!(" (did you mean {s}?)")).unwrap_or_default();
            let message = unknown.message + &meant;
            let error = EndpointError::new(ErrorKind::Configuration, "TL-CFG-SCHEME", message);
            Err(error.hint(format!("allowed: {SCHEMES_IN_WORDS}")))
        }
    }
}

/// An endpoint from a URL on the command line.
pub fn endpoint_from_url(name: &str, url: &str) -> Result<Arc<dyn Endpoint>> {
    open(EndpointConfig { name: name.to_owned(), url: url.to_owned(), tls: TlsOptions::default() })
}

/// A file's URL as seen from the working directory, when it stands in a configuration in `directory`.
pub fn file_url(url: &str, directory: &Path) -> String {
    let Some((scheme, rest)) = url.split_once(':') else { return url.to_owned() };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let fixed = path.starts_with('/') || path.starts_with(":memory:") || path.is_empty();
    if fixed || directory.as_os_str().is_empty() {
        return url.to_owned();
    }
    format!("{scheme}:{}", directory.join(path).display())
}

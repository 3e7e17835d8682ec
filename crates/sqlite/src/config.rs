//! The endpoint's URL: `sqlite:` and a path. Read without touching the file system.

use std::path::PathBuf;
use tidelock_endpoint::{EndpointConfig, EndpointError, ErrorKind, Result};

/// Where the file is: `sqlite:./till.db`, `sqlite:till.db`, `sqlite:/data/till.db`, `sqlite:///data/till.db`.
pub fn path(config: &EndpointConfig) -> Result<PathBuf> {
    let refuse = |found: &str| {
        let message = format!("reading the URL of endpoint {}: {found}", config.name);
        Err(EndpointError::new(ErrorKind::Configuration, "TL-SQLITE-URL", message)
            .hint("write sqlite:./file.db or sqlite:///folder/file.db"))
    };
    let Some(rest) = config.url.strip_prefix("sqlite:") else {
        return refuse("it does not begin with sqlite:");
    };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.ends_with('/') {
        return refuse("it names no file");
    }
    if path == ":memory:" {
        return refuse("a database in memory cannot be shared between connections");
    }
    if path.contains(['?', '#']) {
        return refuse("it has options behind the path; there are none for SQLite");
    }
    if path.contains('\0') {
        return refuse("the path has a NUL in it");
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelock_endpoint::TlsOptions;

    fn read(url: &str) -> Result<PathBuf> {
        path(&EndpointConfig { name: "till".into(), url: url.into(), tls: TlsOptions::default() })
    }

    #[test]
    fn relative_and_absolute_paths_are_read() {
        for (url, expected) in [
            ("sqlite:./till.db", "./till.db"),
            ("sqlite:till.db", "till.db"),
            ("sqlite:///a/till.db", "/a/till.db"),
            ("sqlite:/a/till.db", "/a/till.db"),
        ] {
            assert_eq!(read(url).unwrap(), PathBuf::from(expected));
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for url in ["sqlite:", "sqlite:///", "sqlite::memory:", "sqlite:a.db?mode=ro", "postgres://x"] {
            assert_eq!(read(url).unwrap_err().code, "TL-SQLITE-URL", "{url}");
        }
    }
}

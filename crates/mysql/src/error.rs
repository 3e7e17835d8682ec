//! Driver and server errors → [`EndpointError`]: what they are, in one match. What may be done about them is judged in `sync`.

use mysql_async::{DriverError, Error, IoError, ServerError};
use tidelock_endpoint::{EndpointError, ErrorKind};
use tidelock_model::CodecError;

/// What the driver or the server said while `doing` was done.
pub(crate) fn from_driver(doing: &str, error: Error) -> EndpointError {
    let (kind, code, hint) = match &error {
        Error::Server(server) => server_kind(server),
        Error::Io(io) if is_about_tls(io) => (
            ErrorKind::Authentication,
            "TL-MY-TLS",
            Some(
                "name the authority with `ca: FILE` beside `url`, or set `tls: require`, which does not check the certificate",
            ),
        ),
        Error::Io(_) => (ErrorKind::Unavailable, "TL-MY-UNAVAILABLE", None),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => (
            ErrorKind::Authentication,
            "TL-MY-NO-TLS",
            Some("switch TLS on at the server, or set `tls: prefer` or `tls: disable`"),
        ),
        Error::Driver(DriverError::ConnectionClosed) => (ErrorKind::Unavailable, "TL-MY-UNAVAILABLE", None),
        Error::Driver(DriverError::UnknownAuthPlugin { .. }) => (
            ErrorKind::Unsupported,
            "TL-MY-AUTH-PLUGIN",
            Some("use caching_sha2_password, mysql_native_password or ed25519 for this user"),
        ),
        Error::Driver(_) | Error::Other(_) => (ErrorKind::Protocol, "TL-MY-PROTOCOL", None),
        Error::Url(_) => (ErrorKind::Configuration, "TL-MY-URL", None),
    };
    let found = match &error {
        Error::Server(server) => format!("{} (error {}, {})", server.message, server.code, server.state),
        Error::Io(io) => io.to_string(),
        Error::Driver(driver) => driver.to_string(),
        other => other.to_string(),
    };
    let made = EndpointError::new(kind, code, format!("{doing}: {found}"));
    match hint {
        Some(hint) => made.hint(hint),
        None => made,
    }
}

/// rustls tells of a certificate that it does not take as an error of reading.
fn is_about_tls(error: &IoError) -> bool {
    match error {
        IoError::Tls(_) => true,
        IoError::Io(io) => {
            io.kind() == std::io::ErrorKind::InvalidData && io.to_string().contains("certificate")
        }
    }
}

/// The number of a server error, if it is one.
pub(crate) fn server_code(error: &Error) -> Option<u16> {
    match error {
        Error::Server(server) => Some(server.code),
        _ => None,
    }
}

type Judged = (ErrorKind, &'static str, Option<&'static str>);

/// By the server's error number; the SQLSTATE class decides for numbers that are not listed.
fn server_kind(error: &ServerError) -> Judged {
    match error.code {
        1040
        | 1053
        | 1077
        | 1079
        | 1129
        | 1158..=1161
        | 1184
        | 1203
        | 1226
        | 1317
        | 1927
        | 2006
        | 2013
        | 3032
        | 3169
        | 3168 => (ErrorKind::Unavailable, "TL-MY-UNAVAILABLE", None),
        1020 | 1205 | 1213 | 1412 | 1614 | 3101 | 3572 => (ErrorKind::Contention, "TL-MY-CONTENTION", None),
        1045 | 1130 | 1251 | 1275 | 1698 | 1820 | 1862 | 3118 | 3159 | 3955 | 4151 => {
            (ErrorKind::Authentication, "TL-MY-AUTHENTICATION", None)
        }
        1044 | 1095 | 1142 | 1143 | 1227 | 1370 | 1410 => (ErrorKind::Privilege, "TL-MY-PRIVILEGE", None),
        1236 => (
            ErrorKind::PositionLost,
            "TL-MY-POSITION-LOST",
            Some(
                "copy anew with `tidelock sync --full`, and keep binary logs longer (binlog_expire_logs_seconds)",
            ),
        ),
        1062 | 1586 => (ErrorKind::Row, "TL-MY-DUPLICATE", None),
        1048
        | 1153
        | 1216
        | 1217
        | 1264..=1267
        | 1292
        | 1364
        | 1366
        | 1367
        | 1369
        | 1406
        | 1411
        | 1416
        | 1451
        | 1452
        | 1526
        | 1557
        | 1644
        | 1690
        | 1748
        | 1761
        | 1762
        | 3140
        | 3141
        | 3156
        | 3643
        | 3732
        | 3819
        | 4025
        | 4038 => (ErrorKind::Row, "TL-MY-ROW", None),
        1021 | 1030 | 1036 | 1037 | 1041 | 1114 | 1146 | 1054 | 1290 | 1792 | 1836 | 3675 | 4020 => {
            (ErrorKind::Target, "TL-MY-TARGET", None)
        }
        1049 => (ErrorKind::Precondition, "TL-MY-NO-DATABASE", Some("create the database first")),
        1235 | 1289 | 1305 | 4161 => (ErrorKind::Unsupported, "TL-MY-UNSUPPORTED", None),
        _ => match error.state.get(..2) {
            Some("08") => (ErrorKind::Unavailable, "TL-MY-UNAVAILABLE", None),
            Some("22" | "23") => (ErrorKind::Row, "TL-MY-ROW", None),
            Some("28") => (ErrorKind::Authentication, "TL-MY-AUTHENTICATION", None),
            Some("40") => (ErrorKind::Contention, "TL-MY-CONTENTION", None),
            Some("42") => (ErrorKind::Precondition, "TL-MY-STATEMENT", None),
            _ => (ErrorKind::Target, "TL-MY-TARGET", None),
        },
    }
}

/// What a source sent is not what the protocol allows.
pub(crate) fn protocol(message: impl Into<String>) -> EndpointError {
    EndpointError::new(ErrorKind::Protocol, "TL-MY-PROTOCOL", message)
}

/// An image that we were handed is damaged.
pub(crate) fn codec(error: CodecError) -> EndpointError {
    EndpointError::new(ErrorKind::Protocol, "TL-MY-IMAGE", format!("reading a row image: {error}"))
        .caused_by(error)
}

/// A setting, table or column is not as it must be.
pub(crate) fn precondition(code: &'static str, message: impl Into<String>) -> EndpointError {
    EndpointError::new(ErrorKind::Precondition, code, message)
}

/// A table is not what it was when the job was planned.
pub(crate) fn schema_changed(code: &'static str, message: impl Into<String>) -> EndpointError {
    EndpointError::new(ErrorKind::SchemaChanged, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: u16, state: &str) -> ErrorKind {
        let server = ServerError { code, message: "x".into(), state: state.into() };
        from_driver("testing", Error::Server(server)).kind
    }

    #[test]
    fn the_number_decides_and_the_state_stands_in() {
        assert_eq!(kind(1213, "40001"), ErrorKind::Contention);
        assert_eq!(kind(1236, "HY000"), ErrorKind::PositionLost);
        assert_eq!(kind(1062, "23000"), ErrorKind::Row);
        assert_eq!(kind(1227, "42000"), ErrorKind::Privilege);
        assert_eq!(kind(9999, "22001"), ErrorKind::Row);
        assert_eq!(kind(9999, "HY000"), ErrorKind::Target);
    }
}

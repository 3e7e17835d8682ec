//! Who we are: SCRAM-SHA-256, MD5 and clear text, as the server asks.
//!
//! Under TLS the proof of the password is bound to the server's certificate where the server can do that, so that nobody in between
//! can pass it on, even where the certificate is not checked.

use super::connection::Connection;
use crate::Result;
use crate::config::Config;
use crate::error::protocol;
use bytes::Bytes;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::frontend;
use rustls::crypto::ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};
use std::io;
use tidelock_endpoint::{EndpointError, ErrorKind};

/// What the server asks for, by the number in its message.
mod ask {
    pub const NOTHING: u32 = 0;
    pub const CLEAR_TEXT: u32 = 3;
    pub const MD5: u32 = 5;
    pub const SASL: u32 = 10;
    pub const SASL_CONTINUE: u32 = 11;
    pub const SASL_FINAL: u32 = 12;
}

/// Answers what the server asks, until it is content. `binding` is the hash of its certificate, under TLS.
pub(super) async fn authenticate(
    connection: &mut Connection,
    config: &Config,
    binding: Option<Vec<u8>>,
) -> Result<()> {
    let (asked, body) = connection.asked().await?;
    match asked {
        ask::NOTHING => return Ok(()),
        ask::CLEAR_TEXT => {
            let password = password(config)?;
            connection.send_with(|out| frontend::password_message(password.as_bytes(), out)).await?;
        }
        ask::MD5 => {
            let salt =
                body.first_chunk::<4>().ok_or_else(|| protocol("the salt of a password is too short"))?;
            let hash = md5_hash(config.user.as_bytes(), password(config)?.as_bytes(), *salt);
            connection.send_with(|out| frontend::password_message(hash.as_bytes(), out)).await?;
        }
        ask::SASL => scram(connection, config, binding, &body).await?,
        other => {
            let message = format!(
                "logging in to {}: the server asks for a way that is not known ({other})",
                config.place()
            );
            return Err(refused(message).hint("allow scram-sha-256 for this user in pg_hba.conf"));
        }
    }
    match connection.asked().await? {
        (ask::NOTHING, _) => Ok(()),
        (other, _) => {
            Err(protocol(format!("logging in to {}: the server asks once more ({other})", config.place())))
        }
    }
}

async fn scram(
    connection: &mut Connection,
    config: &Config,
    binding: Option<Vec<u8>>,
    offered: &Bytes,
) -> Result<()> {
    let offers = |mechanism: &str| offered.split(|b| *b == 0).any(|m| m == mechanism.as_bytes());
    let (mechanism, binding) = match binding {
        Some(hash) if offers(SCRAM_SHA_256_PLUS) => {
            (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash))
        }
        Some(_) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
        None => (SCRAM_SHA_256, ChannelBinding::unsupported()),
    };
    if !offers(mechanism) {
        return Err(refused(format!(
            "logging in to {}: the server does not offer {mechanism}",
            config.place()
        ))
        .hint("allow scram-sha-256 for this user in pg_hba.conf"));
    }
    let failed = |e: io::Error| refused(format!("logging in to {} by {mechanism}: {e}", config.place()));

    let mut scram = ScramSha256::new(password(config)?.as_bytes(), binding);
    connection.send_with(|out| frontend::sasl_initial_response(mechanism, scram.message(), out)).await?;
    let challenge = expect(connection, ask::SASL_CONTINUE).await?;
    scram.update(&challenge).map_err(failed)?;
    connection.send_with(|out| frontend::sasl_response(scram.message(), out)).await?;
    // The server proves that it knows the password, too.
    let proof = expect(connection, ask::SASL_FINAL).await?;
    scram.finish(&proof).map_err(failed)
}

async fn expect(connection: &mut Connection, what: u32) -> Result<Bytes> {
    match connection.asked().await? {
        (asked, body) if asked == what => Ok(body),
        (asked, _) => Err(protocol(format!("logging in: the server sent {asked} where {what} was due"))),
    }
}

fn password(config: &Config) -> Result<&str> {
    config.password.as_deref().ok_or_else(|| {
        refused(format!(
            "logging in to {}: the server asks for a password, and the url has none",
            config.place()
        ))
        .hint("write postgres://user:password@host:5432/database")
    })
}

fn refused(message: String) -> EndpointError {
    EndpointError::new(ErrorKind::Authentication, "TL-PG-AUTHENTICATION", message)
}

/// The certificate's hash by the algorithm that it is signed with (RFC 5929, `tls-server-end-point`); none where that has no hash of its own.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
    let (_, whole, _) = element(certificate)?;
    let (_, _signed, rest) = element(whole)?;
    let (_, algorithm, _) = element(rest)?;
    let (tag, identifier, _) = element(algorithm)?;
    let suite = match (tag, identifier.strip_prefix(RSA), identifier.strip_prefix(ECDSA)) {
        // MD5 and SHA-1 are raised to SHA-256.
        (6, Some([4 | 5 | 11]), _) | (6, _, Some([1] | [3, 2])) => TLS13_AES_128_GCM_SHA256,
        (6, Some([12]), _) | (6, _, Some([3, 3])) => TLS13_AES_256_GCM_SHA384,
        _ => return None,
    };
    Some(suite.tls13()?.common.hash_provider.hash(certificate).as_ref().to_vec())
}

/// The first DER element: its tag, its content, and what is behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (digits.iter().fold(0, |n, d| n << 8 | usize::from(*d)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn certificate(oid: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let algorithm = wrap(0x30, &wrap(6, oid));
        wrap(0x30, &[wrap(0x30, b"signed"), algorithm, wrap(3, b"signature")].concat())
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let length = |oid: &[u8]| end_point(&certificate(oid)).map(|hash| hash.len());
        assert_eq!(length(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]), Some(32));
        assert_eq!(length(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c]), Some(48));
        assert_eq!(length(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]), Some(32));
        assert_eq!(length(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]), Some(48));
        assert_eq!(length(&[0x2b, 0x65, 0x70]), None);
    }

    proptest! {
        #[test]
        fn random_certificates_never_panic(bytes: Vec<u8>) {
            end_point(&bytes);
            end_point(&[&[0x30, 0x82, 0x00, 0x10][..], &bytes].concat());
        }
    }
}

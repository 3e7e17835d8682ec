//! The one place that builds TLS, for the SQL connections and for the replication connection.

use crate::Result;
use crate::config::Config;
use crate::error::tls as fault;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use tidelock_endpoint::TlsMode;

/// What the connections take; `None` where TLS is never asked for.
pub(crate) fn client_config(config: &Config) -> Result<Option<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match config.tls.mode {
        TlsMode::Disable => return Ok(None),
        // As libpq: without a named authority nothing is checked.
        TlsMode::Prefer | TlsMode::Require
            if config.tls.ca.is_none() || config.tls.mode == TlsMode::Prefer =>
        {
            Arc::new(Unchecked(provider.clone()))
        }
        mode => {
            let inner =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots(config)?), provider.clone())
                    .build()
                    .map_err(|e| fault(format!("reading the authorities of {}: {e}", config.name)))?;
            match mode {
                TlsMode::VerifyFull => inner,
                _ => Arc::new(AnyHost(inner)),
            }
        }
    };
    let built = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| fault(format!("setting up TLS for {}: {e}", config.name)))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Some(built))
}

fn roots(config: &Config) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    match &config.tls.ca {
        Some(file) => {
            let read = |e: &dyn std::fmt::Display| {
                fault(format!("reading the authorities in {}: {e}", file.display()))
            };
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| read(&e))? {
                store.add(certificate.map_err(|e| read(&e))?).map_err(|e| read(&e))?;
            }
            if store.is_empty() {
                return Err(fault(format!("the file {} holds no certificate", file.display())));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                let why = found.errors.iter().map(|e| format!(": {e}")).collect::<String>();
                return Err(fault(format!("the system has no certificate authorities{why}")));
            }
        }
    }
    Ok(store)
}

/// The certificate must come from a trusted authority; for which host does not matter.
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Encryption without asking who answers, as `prefer` and `require` have it.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

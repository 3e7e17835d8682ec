//! One certificate authority for all servers of the lab, so that every TLS mode can be tried, "verify the host" included:
//! the servers' certificate is good for `localhost` and `127.0.0.1`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::folders::{Folders, write_secret};

/// The file that a client gives as its root certificate.
pub(crate) fn authority_file(folders: &Folders) -> PathBuf {
    folders.tls().join("ca.pem")
}

/// Makes the authority and the servers' certificate unless they are there.
pub(crate) fn prepare(folders: &Folders) -> Result<()> {
    if authority_file(folders).is_file() {
        return Ok(());
    }
    let (authority, certificate, key) = issue().context("making the lab's certificates")?;
    write(&folders.tls().join("server.pem"), &certificate)?;
    write_secret(&folders.tls().join("server.key"), &key)?;
    // Last: where this file is, the others are.
    write(&authority_file(folders), &authority)
}

/// Copies the servers' certificate and key into a server's own folder, readable for that server only.
pub(crate) fn copy_into(folders: &Folders, run: &Path) -> Result<()> {
    for name in ["ca.pem", "server.pem", "server.key"] {
        let copy = run.join(name);
        fs::copy(folders.tls().join(name), &copy)
            .with_context(|| format!("copying {name} into {}", run.display()))?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600))?;
        folders.hand_over(&copy)?;
    }
    Ok(())
}

fn issue() -> Result<(String, String, String)> {
    let authority_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "tidelock lab authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = params.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(params, authority_key);

    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["localhost".to_string(), "127.0.0.1".to_string()])?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let certificate = params.signed_by(&key, &issuer)?.pem();
    Ok((authority, certificate, key.serialize_pem()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

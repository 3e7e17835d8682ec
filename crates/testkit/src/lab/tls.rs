//! One certificate authority for all servers of the lab, so that every TLS mode can be tried, "verify the host" included:
//! the servers' certificate is good for `localhost` and `127.0.0.1`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::folders::{Folders, write_secret};

const FILES: [&str; 3] = ["ca.pem", "server.pem", KEY];
const KEY: &str = "server.key";

/// The file that a client gives as its root certificate.
pub(crate) fn authority_file(folders: &Folders) -> PathBuf {
    folders.tls().join("ca.pem")
}

/// Makes `folder` with the authority and the servers' certificate, unless it is there. Servers that start side by side all
/// do this at once: the folder appears whole, by one rename, so that all of them have the files of the same maker.
pub(crate) fn prepare(folder: &Path) -> Result<()> {
    let whole = || FILES.iter().all(|name| folder.join(name).is_file());
    if whole() {
        return Ok(());
    }
    let beside = folder.parent().context("the folder of the certificates has a parent")?;
    let part = tempfile::Builder::new().prefix(".part-tls-").tempdir_in(beside).context("making a folder")?;
    fs::set_permissions(part.path(), fs::Permissions::from_mode(0o755))?;
    let texts = issue().context("making the lab's certificates")?;
    for (name, text) in FILES.into_iter().zip(texts) {
        let path = part.path().join(name);
        match name {
            KEY => write_secret(&path, &text)?,
            _ => fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?,
        }
    }
    // One that is there and not whole was made by nobody who is still at it.
    if fs::rename(part.path(), folder).is_err() && !whole() {
        fs::remove_dir_all(folder).ok();
        fs::rename(part.path(), folder).ok();
    }
    if !whole() {
        bail!("putting the lab's certificates into {} failed", folder.display());
    }
    Ok(())
}

/// Copies the servers' certificate and key into a server's own folder, readable for that server only.
pub(crate) fn copy_into(folders: &Folders, run: &Path) -> Result<()> {
    for name in FILES {
        let copy = run.join(name);
        fs::copy(folders.tls().join(name), &copy)
            .with_context(|| format!("copying {name} into {}", run.display()))?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600))?;
        folders.hand_over(&copy)?;
    }
    Ok(())
}

/// The texts of [`FILES`].
fn issue() -> Result<[String; 3]> {
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
    Ok([authority, certificate, key.serialize_pem()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_start_at_once_get_the_files_of_one_maker() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("tls");
        let texts = || FILES.map(|name| fs::read_to_string(folder.join(name)).unwrap());
        let seen: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        prepare(&folder).unwrap();
                        texts()
                    })
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(seen.iter().all(|seen| *seen == texts()));
    }
}

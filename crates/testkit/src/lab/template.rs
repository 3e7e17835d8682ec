//! Initialised data folders. Making one takes seconds, copying it a tenth of one: it is made once and copied for each start.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::folders::{Folders, is_old};
use crate::kind::Kind;

/// The administrators' password of this lab's servers: random, because everybody on this machine can reach their ports.
pub(crate) fn password(folders: &Folders) -> Result<String> {
    let path = folders.templates().join("password");
    if let Ok(password) = fs::read_to_string(&path) {
        return Ok(password);
    }
    let mut bytes = [0u8; 12];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("reading /dev/urandom")?;
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // Written beside and renamed: of two commands that do this at once, both must end with the same one.
    let mut part = tempfile::NamedTempFile::new_in(folders.templates())?;
    std::io::Write::write_all(&mut part, password.as_bytes())?;
    match part.persist_noclobber(&path) {
        Ok(_) => Ok(password),
        Err(_) => fs::read_to_string(&path).with_context(|| format!("reading {}", path.display())),
    }
}

/// The template of a kind; made when it is not there.
pub(crate) fn prepare(folders: &Folders, kind: Kind, password: &str) -> Result<PathBuf> {
    let template = folders.templates().join(kind.name());
    if !template.is_dir() {
        remove_abandoned(folders);
        let part = tempfile::Builder::new()
            .prefix(&format!(".part-{kind}-"))
            .tempdir_in(folders.templates())
            .context("making a folder for the template")?;
        fs::set_permissions(part.path(), fs::Permissions::from_mode(0o755))?;
        folders.hand_over(part.path())?;
        let data = part.path().join("data");
        kind.servers()?
            .initialise(folders, kind, &data, password)
            .with_context(|| format!("initialising {kind}"))?;
        // Another command may have been faster; its template is as good.
        if fs::rename(&data, &template).is_err() && !template.is_dir() {
            anyhow::bail!("putting the template of {kind} into {} failed", template.display());
        }
    }
    Ok(template)
}

/// Removes what killed commands left half made. Others may be at work beside us, but not for an hour.
fn remove_abandoned(folders: &Folders) {
    for entry in fs::read_dir(folders.templates()).into_iter().flatten().flatten() {
        let old = is_old(&entry.path(), Duration::from_secs(3600));
        if old && entry.file_name().to_string_lossy().starts_with(".part-") {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

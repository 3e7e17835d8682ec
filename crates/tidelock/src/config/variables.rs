//! `${NAME}` and `${NAME:-default}`, replaced in the values of the parsed tree: never in the raw text, where a value could become syntax.
//!
//! `$${` writes a plain `${`. The environment wins over the `.env` file beside the configuration.

use super::Path;
use super::fault::{Fault, Place};
use super::tree::{Node, Scalar, Value};
use std::collections::HashMap;
use std::path::Path as FilePath;

/// Where variables come from.
#[derive(Default)]
pub struct Variables {
    file: HashMap<String, String>,
    environment: bool,
}

impl Variables {
    /// The environment, and the `.env` file in `directory` where there is one.
    pub fn beside(directory: &FilePath) -> Result<Variables, String> {
        let path = directory.join(".env");
        let mut file = HashMap::new();
        if path.exists() {
            let shown = path.display();
            let entries =
                dotenvy::from_path_iter(&path).map_err(|e| format!("{shown} cannot be read: {e}"))?;
            for (number, entry) in entries.enumerate() {
                // The error's own text shows the line, and with it a secret.
                let (name, value) =
                    entry.map_err(|_| format!("entry {} of {shown} is not NAME=value", number + 1))?;
                file.insert(name, value);
            }
        }
        Ok(Variables { file, environment: true })
    }

    /// These only, for tests.
    #[cfg(test)]
    pub fn fixed(values: &[(&str, &str)]) -> Variables {
        let file = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Variables { file, environment: false }
    }

    fn get(&self, name: &str) -> Option<String> {
        let outside = self.environment.then(|| std::env::var(name).ok()).flatten();
        outside.or_else(|| self.file.get(name).cloned())
    }

    /// Replaces every variable below `node`.
    pub fn replace(&self, node: &mut Node, path: &Path, faults: &mut Vec<Fault>) {
        match &mut node.value {
            Value::Empty | Value::Unknown => {}
            Value::Scalar(scalar) => match self.replace_scalar(scalar, node.place, path) {
                Ok(()) => {}
                Err(fault) => {
                    faults.push(*fault);
                    node.value = Value::Unknown;
                }
            },
            Value::List(items) => {
                for (place, item) in items.iter_mut().enumerate() {
                    self.replace(item, &path.item(place), faults);
                }
            }
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    self.replace(value, &path.key(&key.name), faults);
                }
            }
        }
    }

    fn replace_scalar(&self, scalar: &mut Scalar, place: Place, path: &Path) -> Result<(), Box<Fault>> {
        if scalar.text.contains("${") {
            let fault = |message| {
                let allowed = "`${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`";
                Box::new(Fault::new("TL-CFG-VARIABLE", place, message).at(path).allowed(allowed))
            };
            let text = self.expand(&scalar.text).map_err(fault)?;
            scalar.written = Some(std::mem::replace(&mut scalar.text, text));
        }
        Ok(())
    }

    fn expand(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let before = &rest[..at];
            let behind = &rest[at + 2..];
            if let Some(escaped) = before.strip_suffix('$') {
                out.push_str(escaped);
                out.push_str("${");
                rest = behind;
                continue;
            }
            out.push_str(before);
            let end = behind.find('}').ok_or("`${` is not closed by `}`")?;
            let (name, default) = match behind[..end].split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (&behind[..end], None),
            };
            if !is_name(name) {
                return Err(format!("`{name}` is not a variable's name"));
            }
            let value = match (self.get(name), default) {
                (Some(value), Some(default)) if value.is_empty() => default.to_owned(),
                (Some(value), _) => value,
                (None, Some(default)) => default.to_owned(),
                (None, None) => {
                    return Err(format!("the variable {name} is set neither in the environment nor in .env"));
                }
            };
            rest = &behind[end + 1..];
            match stands_for_password(&out, rest) {
                true => out.push_str(&escape(&value)),
                false => out.push_str(&value),
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The variable stands in the user part of a URL: `scheme://user:HERE@host`.
fn stands_for_password(before: &str, behind: &str) -> bool {
    let user = before.split_once("://").map(|(_, user)| user);
    user.is_some_and(|u| !u.contains(['/', '@'])) && behind.contains('@')
}

/// A password as a URL holds it. What is escaped already stays as it is.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (at, byte) in value.bytes().enumerate() {
        let hex = |i: usize| value.as_bytes().get(i).is_some_and(u8::is_ascii_hexdigit);
        let escaped_already = byte == b'%' && hex(at + 1) && hex(at + 2);
        if escaped_already || byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, String> {
        Variables::fixed(&[("A", "1"), ("EMPTY", ""), ("PW", "p@s/s#%41%"), ("URL", "mysql://u:p@h/d")])
            .expand(text)
    }

    #[test]
    fn variables_defaults_and_escapes_are_replaced() {
        for (text, value) in [
            ("${A}", "1"),
            ("x${A}y${A}", "x1y1"),
            ("${NONE:-d}", "d"),
            ("${NONE:-}", ""),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY}", ""),
            ("$${A}", "${A}"),
            ("$A", "$A"),
            ("${URL}", "mysql://u:p@h/d"),
        ] {
            assert_eq!(expand(text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn a_password_is_escaped_where_it_stands_in_a_url() {
        assert_eq!(expand("pg://u:${PW}@h/${A}").unwrap(), "pg://u:p%40s%2Fs%23%41%25@h/1");
    }

    #[test]
    fn what_cannot_be_replaced_is_told() {
        assert!(expand("${NONE}").unwrap_err().contains("NONE is set neither"));
        assert!(expand("${A").unwrap_err().contains("not closed"));
        assert!(expand("${A B}").unwrap_err().contains("not a variable's name"));
    }
}

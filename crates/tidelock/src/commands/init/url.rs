//! URLs of the command line as the configuration may hold them: without their passwords.

/// A URL whose password was replaced by a variable.
#[derive(Debug, PartialEq, Eq)]
pub struct SafeUrl {
    /// The URL.
    pub text: String,
    /// The variable, where there was a password.
    pub variable: Option<String>,
}

impl SafeUrl {
    /// Replaces the password in the user part, and any in the query.
    pub fn of(url: &str, name: &str) -> SafeUrl {
        let variable: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect::<String>()
            + "_PASSWORD";
        let variable = if variable.starts_with(|c: char| c.is_ascii_digit()) {
            format!("_{variable}")
        } else {
            variable
        };
        let url = &url.replace("${", "$${");
        let placeholder = format!("${{{variable}}}");
        let mut text = match user_part(url) {
            Some((before, user, behind)) => match user.split_once(':') {
                Some((user, _)) => format!("{before}{user}:{placeholder}{behind}"),
                None => url.clone(),
            },
            None => url.clone(),
        };
        if let Some((before, query)) = text.split_once('?') {
            let parts = query.split('&').map(|part| match part.split_once('=') {
                Some((key, _)) if key.to_lowercase().contains("pass") => format!("{key}={placeholder}"),
                _ => part.to_owned(),
            });
            text = format!("{before}?{}", parts.collect::<Vec<_>>().join("&"));
        }
        let variable = text.contains(&placeholder).then_some(variable);
        SafeUrl { text, variable }
    }
}

/// A URL as what stands before its user part, that part, and what stands behind it, `@` included.
fn user_part(url: &str) -> Option<(&str, &str, &str)> {
    let begin = url.find("://")? + 3;
    let end = begin + url[begin..].find(['/', '?', '#']).unwrap_or(url.len() - begin);
    let at = begin + url[begin..end].rfind('@')?;
    Some((&url[..begin], &url[begin..at], &url[at..]))
}

/// Names for two endpoints: the databases' own where they differ, with the engine's or the part's behind them where they do not.
pub fn names(from: &str, to: &str) -> [String; 2] {
    let (a, b) = (database(from), database(to));
    if a != b && [&a, &b].iter().all(|n| n.len() >= 2) {
        return [a, b];
    }
    let (x, y) = (scheme(from), scheme(to));
    match a.len() >= 2 && a == b && x != y {
        true => [format!("{a}-{x}"), format!("{b}-{y}")],
        false => ["source".to_owned(), "target".to_owned()],
    }
}

fn scheme(url: &str) -> &str {
    url.split(':').next().unwrap_or_default()
}

fn database(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once(':').map_or(path, |(_, rest)| rest);
    // A URL without a path names no database; its host is no name for one.
    let last = match path.strip_prefix("//").map(|rest| rest.split_once('/')) {
        Some(None) => "",
        _ => path.rsplit('/').next().unwrap_or_default(),
    };
    let stem = last
        .strip_suffix(".db")
        .or(last.strip_suffix(".sqlite"))
        .or(last.strip_suffix(".sqlite3"))
        .unwrap_or(last);
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_become_variables() {
        let safe = |url| SafeUrl::of(url, "my-shop");
        assert_eq!(safe("postgres://u:hunter2@h:1/d").text, "postgres://u:${MY_SHOP_PASSWORD}@h:1/d");
        assert_eq!(safe("postgres://u:h@nter@h/d").text, "postgres://u:${MY_SHOP_PASSWORD}@h/d");
        assert_eq!(safe("mysql://h/d?a=1&password=x").text, "mysql://h/d?a=1&password=${MY_SHOP_PASSWORD}");
        assert_eq!(safe("mysql://u@h/d"), SafeUrl { text: "mysql://u@h/d".into(), variable: None });
        assert_eq!(safe("sqlite:./a@b.db").variable, None);
    }

    #[test]
    fn names_come_from_the_databases() {
        let both = |a, b| names(a, b).join(" ");
        assert_eq!(both("postgres://h/shop", "mysql://h:1/crm?x=1"), "shop crm");
        assert_eq!(both("postgres://h/shop", "sqlite:./data/shop.db"), "shop-postgres shop-sqlite");
        assert_eq!(both("postgres://h/shop", "postgres://g/shop"), "source target");
        assert_eq!(both("postgres://h", "mysql://h/"), "source target");
    }
}

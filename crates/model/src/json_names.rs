//! Names that come twice in one object of a JSON text: a database that keeps values and not texts drops all but one of them in silence.

use crate::canonical_json::canonical_name;

/// The first name that comes twice in one object, if any. What is no JSON is not told.
pub fn name_that_comes_twice(json: &str) -> Option<&str> {
    let bytes = json.as_bytes();
    // The names of all objects that are open, the innermost last; where each of these begins.
    let (mut names, mut open): (Vec<&str>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'{' => open.push(names.len()),
            // An array inside of an object has no names, and what follows it goes on in the object.
            b'}' => {
                let first = open.pop()?;
                if let Some(name) = twice(&mut names[first..]) {
                    return Some(name);
                }
                names.truncate(first);
            }
            b'"' => {
                let end = i + 1 + closing(&bytes[i + 1..])?;
                if bytes[end + 1..].trim_ascii_start().first() == Some(&b':') {
                    names.push(&json[i + 1..end]);
                }
                i = end;
            }
            _ => {}
        }
        i += 1;
    }
    None
}

/// The place of the quote that ends a string.
fn closing(bytes: &[u8]) -> Option<usize> {
    let mut i = 0;
    loop {
        match bytes.get(i)? {
            b'"' => return Some(i),
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
}

fn twice<'a>(names: &mut [&'a str]) -> Option<&'a str> {
    if names.len() < 2 {
        return None;
    }
    if names.iter().any(|n| n.contains('\\')) {
        let mut spelled: Vec<(Vec<u8>, &str)> = names.iter().map(|n| (canonical_name(n), *n)).collect();
        spelled.sort_unstable();
        return spelled.windows(2).find(|w| w[0].0 == w[1].0).map(|w| w[1].1);
    }
    names.sort_unstable();
    names.windows(2).find(|w| w[0] == w[1]).map(|w| w[0])
}

#[cfg(test)]
mod tests {
    use super::name_that_comes_twice;
    use proptest::prelude::*;

    #[test]
    fn only_names_of_one_object_count() {
        for (json, name) in [
            (r#"{"a": 1, "a": 2}"#, Some("a")),
            (r#"[{"b": {"x": [], "y": {}, "x": 1}}]"#, Some("x")),
            (r#"{"a": 1, "\u0061": 2}"#, Some("a")),
            (r#"{"a": {"a": "a"}, "b": ["a", {"a": 1}, {"a": 1}], "c": "\"a\": 1"}"#, None),
            (r#""a""#, None),
            ("{}", None),
        ] {
            assert_eq!(name_that_comes_twice(json), name, "{json}");
        }
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text in "[{}\\[\\]\",:\\\\au0-9 ä]*") {
            let _ = name_that_comes_twice(&text);
        }
    }
}

//! Reads the tree by the schema: tells every mistake, and hands back what is sound as JSON for the types to take in.
//!
//! A list or mapping of which a part is faulty is left out whole, with these exceptions: the document itself, mappings of names, and what stands
//! directly under a name of the document (an endpoint, a job). Of these the sound part stays, so that later checks still see it.

use super::fault::{Fault, masked};
use super::tree::{Node, Scalar, Value as Found};
use super::{Path, Step};
use serde_json::{Map, Value};

/// Walks the tree; one for a document.
pub struct Reader<'a> {
    schema: &'a Value,
    faults: &'a mut Vec<Fault>,
}

/// One shape that a value may have: the schema's alternatives, with references followed.
struct Shapes<'a> {
    choices: Vec<&'a Value>,
    allowed: Option<&'a str>,
    later: Vec<&'a str>,
    /// Nothing is a value too, and means `null`.
    null: bool,
}

impl<'a> Reader<'a> {
    /// A reader by this schema.
    pub fn new(schema: &'a Value, faults: &'a mut Vec<Fault>) -> Self {
        Reader { schema, faults }
    }

    /// Reads the whole document; the sound part of it.
    pub fn document(&mut self, root: &Node) -> Map<String, Value> {
        let path = Path::default();
        if !matches!(root.value, Found::Mapping(_)) {
            let fault = Fault::new("TL-CFG-TYPE", root.place, format!("found {}", shown(&root.value)))
                .allowed(format!("a mapping with the keys {}", keys(self.schema).join(", ")));
            self.faults.push(fault);
            return Map::new();
        }
        self.entries(root, self.schema, &path).0
    }

    fn value(&mut self, node: &Node, schema: &'a Value, path: &Path) -> Option<Value> {
        let shapes = self.shapes(schema);
        let of = |kind: &str| shapes.choices.iter().copied().find(|c| c["type"] == kind);
        match &node.value {
            Found::Unknown => None,
            Found::Empty if shapes.null => Some(Value::String("null".to_owned())),
            Found::Empty => {
                self.wrong(node, path, &shapes);
                None
            }
            Found::Scalar(scalar) => self.scalar(node, scalar, &shapes, path),
            Found::List(items) => match of("array") {
                Some(shape) => self.list(items, shape, path),
                None => {
                    self.wrong(node, path, &shapes);
                    None
                }
            },
            Found::Mapping(_) => match of("object") {
                Some(shape) => self.mapping(node, shape, path),
                None => {
                    self.wrong(node, path, &shapes);
                    None
                }
            },
        }
    }

    fn shapes(&self, schema: &'a Value) -> Shapes<'a> {
        let mut shapes = Shapes { choices: Vec::new(), allowed: None, later: Vec::new(), null: false };
        self.collect(schema, &mut shapes);
        shapes
    }

    fn collect(&self, schema: &'a Value, into: &mut Shapes<'a>) {
        into.allowed = into.allowed.or(schema["x-allowed"].as_str());
        into.later.extend(texts(&schema["x-later-values"]));
        into.null |= schema["x-null"] == true;
        if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
            self.collect(&self.schema["$defs"][name], into);
        }
        for several in ["anyOf", "oneOf"] {
            for choice in schema[several].as_array().into_iter().flatten() {
                self.collect(choice, into);
            }
        }
        if schema["type"].is_string() {
            into.choices.push(schema);
        }
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, shapes: &Shapes<'_>, path: &Path) -> Option<Value> {
        let of = |kind: &'static str| shapes.choices.iter().filter(move |c| c["type"] == kind);
        let words: Vec<&str> = of("string").flat_map(|c| words(c)).collect();
        if of("string").any(|c| words_is_free(c)) || words.contains(&scalar.text.as_str()) {
            return Some(Value::String(scalar.text.clone()));
        }
        let may_be_number = !scalar.quoted || scalar.written.is_some();
        if let Some(shape) = of("integer").next().filter(|_| may_be_number) {
            return self.integer(node, scalar, shape, path);
        }
        if let (Some(_), Ok(word)) = (of("boolean").next(), scalar.text.parse::<bool>()) {
            return Some(Value::Bool(word));
        }
        if words.is_empty() {
            self.wrong(node, path, shapes);
        } else if shapes.later.contains(&scalar.text.as_str()) {
            let message = format!("`{}` is not supported in this version", scalar.text);
            self.faults.push(
                Fault::new("TL-CFG-LATER", node.place, message)
                    .at(path)
                    .allowed(allowed_words(&words, shapes)),
            );
        } else {
            let near = if scalar.written.is_some() { "" } else { &scalar.text };
            self.faults.push(
                Fault::new("TL-CFG-VALUE", node.place, format!("found {}", shown(&node.value)))
                    .at(path)
                    .nearest(near, words.iter().chain(&shapes.later).copied())
                    .allowed(allowed_words(&words, shapes)),
            );
        }
        None
    }

    fn integer(&mut self, node: &Node, scalar: &Scalar, shape: &Value, path: &Path) -> Option<Value> {
        let (least, most) =
            (shape["minimum"].as_i64().unwrap_or(i64::MIN), shape["maximum"].as_i64().unwrap_or(i64::MAX));
        match scalar.text.replace('_', "").parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => Some(Value::from(number)),
            _ => {
                self.faults.push(
                    Fault::new("TL-CFG-VALUE", node.place, format!("found {}", shown(&node.value)))
                        .at(path)
                        .allowed(format!("a whole number from {least} to {most}")),
                );
                None
            }
        }
    }

    fn list(&mut self, items: &[Node], shape: &'a Value, path: &Path) -> Option<Value> {
        let read: Vec<Option<Value>> = items
            .iter()
            .enumerate()
            .map(|(place, item)| self.value(item, &shape["items"], &path.item(place)))
            .collect();
        read.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
    }

    fn mapping(&mut self, node: &Node, shape: &'a Value, path: &Path) -> Option<Value> {
        let of_names = shape["additionalProperties"].is_object();
        let named = matches!(path.steps(), [_, Step::Key(_)]);
        let (read, sound) = self.entries(node, shape, path);
        (sound || of_names || named).then_some(Value::Object(read))
    }

    fn entries(&mut self, node: &Node, shape: &'a Value, path: &Path) -> (Map<String, Value>, bool) {
        let before = self.faults.len();
        let mut read = Map::new();
        let mut sound = true;
        for (key, value) in node.entries() {
            let path = path.key(&key.name);
            let of_key = match shape["properties"].get(&key.name) {
                Some(schema) => schema,
                None if shape["additionalProperties"].is_object() => &shape["additionalProperties"],
                None => {
                    self.unknown_key(key, shape, &path);
                    continue;
                }
            };
            match self.value(value, of_key, &path) {
                Some(value) => drop(read.insert(key.name.clone(), value)),
                None => sound = false,
            }
        }
        for key in texts(&shape["required"]).filter(|k| node.get(k).is_none()) {
            let misspelt = |f: &Fault| f.suggestion.as_deref() == Some(key);
            if !self.faults[before..].iter().any(misspelt) {
                self.missing(node, key, shape, path);
            }
        }
        (read, sound && self.faults.len() == before)
    }

    fn missing(&mut self, node: &Node, key: &str, shape: &Value, path: &Path) {
        let mut fault = Fault::new("TL-CFG-MISSING", node.place, format!("the key `{key}` is missing"))
            .at(&path.key(key));
        let what = shape["properties"][key]["description"].as_str().unwrap_or_default();
        if let Some(sentence) = what.split(". ").next().filter(|s| !s.is_empty()) {
            fault = fault.allowed(format!("{key}: {}", sentence.trim_end_matches('.')));
        }
        self.faults.push(fault);
    }

    fn unknown_key(&mut self, key: &super::tree::Key, shape: &Value, path: &Path) {
        let known = keys(shape);
        let later: Vec<&str> = texts(&shape["x-later"]).collect();
        let fault = if later.contains(&key.name.as_str()) {
            let message = format!("`{}` is not supported in this version", key.name);
            Fault::new("TL-CFG-LATER", key.place, message)
        } else {
            let shown = masked(&key.name);
            Fault::new("TL-CFG-UNKNOWN-KEY", key.place, format!("unknown key `{shown}`"))
                .nearest(&key.name, known.iter().chain(&later).copied())
        };
        self.faults.push(fault.at(path).allowed(known.join(", ")));
    }

    fn wrong(&mut self, node: &Node, path: &Path, shapes: &Shapes<'_>) {
        let words: Vec<&str> = shapes.choices.iter().flat_map(|c| words(c)).collect();
        let allowed = match shapes.allowed {
            Some(allowed) => allowed.to_owned(),
            None if !words.is_empty() => words.join(", "),
            None => shapes.choices.iter().map(|c| in_words(c)).collect::<Vec<_>>().join(", or "),
        };
        let message = match node.value {
            Found::Empty => "has no value; give it one, or leave the key out".to_owned(),
            ref value => format!("found {}", shown(value)),
        };
        self.faults.push(Fault::new("TL-CFG-TYPE", node.place, message).at(path).allowed(allowed));
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn keys(shape: &Value) -> Vec<&str> {
    shape["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// The words that a text must be one of; none where it is free.
fn words(shape: &Value) -> Vec<&str> {
    texts(&shape["enum"]).chain(shape["const"].as_str()).collect()
}

fn words_is_free(shape: &Value) -> bool {
    words(shape).is_empty()
}

fn allowed_words(words: &[&str], shapes: &Shapes<'_>) -> String {
    shapes.allowed.map_or_else(|| words.join(", "), str::to_owned)
}

fn in_words(shape: &Value) -> String {
    match shape["type"].as_str() {
        Some("string") => "text".to_owned(),
        Some("integer") => "a whole number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => "a list".to_owned(),
        Some("object") if keys(shape).is_empty() => "a mapping".to_owned(),
        Some("object") => format!("a mapping with the keys {}", keys(shape).join(", ")),
        other => other.unwrap_or("a value").to_owned(),
    }
}

/// What was found, for a message. What came from a variable is shown as it was written, and no password is shown at all.
pub fn shown(value: &Found) -> String {
    match value {
        Found::Empty | Found::Unknown => "nothing".to_owned(),
        Found::Scalar(scalar) => match &scalar.written {
            Some(written) => format!("`{}`, which holds a variable", masked(&without_defaults(written))),
            None if scalar.quoted => format!("the text \"{}\"", masked(&scalar.text)),
            None => format!("`{}`", masked(&scalar.text)),
        },
        Found::List(_) => "a list".to_owned(),
        Found::Mapping(_) => "a mapping".to_owned(),
    }
}

/// A default may be as secret as the value it stands for.
fn without_defaults(written: &str) -> String {
    let mut out = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((before, behind)) = rest.split_once(":-") {
        out.push_str(before);
        out.push_str(":-…");
        rest = behind.find('}').map_or("", |end| &behind[end..]);
    }
    out + rest
}

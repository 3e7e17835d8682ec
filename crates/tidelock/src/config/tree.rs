//! A YAML document as a tree in which every key and value knows its line and column.
//!
//! Deserializing straight into structs stops at the first mistake and forgets where things stood. A tree lets the reader walk on
//! after a mistake, so that all are told in one go, and lets later checks point at a place.
//! Scalars stay text (`no` is "no", `1.10` is "1.10"): what they mean is decided by what is expected there.

use super::fault::{Fault, Place, masked};
use super::{Path, Step};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// Nodes a document may have, aliases counted as what they stand for: a small file must not unfold into a large one.
const MOST_NODES: usize = 100_000;

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Value {
    /// `key:` with nothing behind it, `~` or `null`.
    Empty,
    /// A variable in it has no value, which was told: nothing more can be said of it.
    Unknown,
    /// Text, a number, true or false: the text as it stands there.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file; no key twice.
    Mapping(Vec<(Key, Node)>),
}

/// A scalar's text and how it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, after variables were replaced.
    pub text: String,
    /// In quotes or as a block: it is text, whatever it looks like.
    pub quoted: bool,
    /// As written, when a variable was replaced in it: what may be shown in place of the text.
    pub written: Option<String>,
}

/// Shows what may be shown.
impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.written.as_ref().unwrap_or(&self.text))
    }
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

impl Node {
    /// The value of a key, where this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.name == key).map(|(_, node)| node)
    }

    /// Keys and values; none where this is no mapping.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The node at `path`, or the nearest one above it that is there.
    pub fn nearest(&self, path: &Path) -> &Node {
        let mut node = self;
        for step in path.steps() {
            let next = match (step, &node.value) {
                (Step::Key(key), _) => node.get(key),
                (Step::Item(place), Value::List(items)) => items.get(*place),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Empty | Value::Unknown | Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Mapping(entries) => entries.iter().map(|(_, node)| 1 + node.size()).sum(),
        }
    }
}

/// Reads one document. The tree holds all that could be read; with a syntax fault there is none.
pub fn parse(text: &str, faults: &mut Vec<Fault>) -> Option<Node> {
    let mut builder =
        Builder { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, faults };
    match builder.document() {
        Ok(root) => root,
        Err(fault) => {
            builder.faults.push(*fault);
            None
        }
    }
}

struct Builder<'a> {
    parser: Parser<'a, serde_saphyr::granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Node>, Box<Fault>> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(syntax(span, "a second document begins here; one file is one document"));
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, span, &Path::default())?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Box<Fault>> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(found)) => return Ok(found),
                Some(Err(error)) => {
                    let place = Place { line: error.marker().line(), column: error.marker().col() + 1 };
                    let message = format!("not YAML: {}", error.info());
                    return Err(Box::new(Fault::new("TL-CFG-SYNTAX", place, message)));
                }
                None => {
                    let place = Place { line: 1, column: 1 };
                    return Err(Box::new(Fault::new("TL-CFG-SYNTAX", place, "the document is not finished")));
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, path: &Path) -> Result<Node, Box<Fault>> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(syntax(span, "the document is too large; aliases may have unfolded it"));
        }
        let place = start(span);
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(text, style, tag.as_deref(), span)?, anchor),
            Event::SequenceStart(_, anchor, tag) => {
                collection_tag(tag.as_deref(), span)?;
                (self.list(path)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                collection_tag(tag.as_deref(), span)?;
                (self.mapping(path)?, anchor)
            }
            Event::Alias(id) => {
                let node =
                    self.anchors.get(&id).cloned().ok_or_else(|| syntax(span, "an alias of nothing"))?;
                self.nodes += node.size();
                return Ok(Node { place, ..node });
            }
            _ => return Err(syntax(span, "a value was expected here")),
        };
        let node = Node { place, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, path: &Path) -> Result<Value, Box<Fault>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, &path.item(items.len()))?),
            }
        }
    }

    fn mapping(&mut self, path: &Path) -> Result<Value, Box<Fault>> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Mapping(entries));
            }
            let Node { value: Value::Scalar(Scalar { text: name, .. }), place } =
                self.node(event, span, path)?
            else {
                return Err(syntax(span, "a key must be text"));
            };
            let path = path.key(&name);
            let (event, span) = self.next()?;
            let node = self.node(event, span, &path)?;
            match entries.iter().find(|(key, _)| key.name == name) {
                None => entries.push((Key { name, place }, node)),
                Some((first, _)) => {
                    let message = format!(
                        "the key `{}` stands here twice, first in line {}",
                        masked(&name),
                        first.place.line
                    );
                    self.faults.push(
                        Fault::new("TL-CFG-DUPLICATE", place, message).at(&path).allowed("each key once"),
                    );
                }
            }
        }
    }
}

fn scalar(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    span: Span,
) -> Result<Value, Box<Fault>> {
    let forced_text = match tag {
        None => false,
        Some(tag) if tag.core_suffix() == Some("str") => true,
        Some(_) => return Err(syntax(span, "tags are not used here")),
    };
    let quoted = forced_text || style != ScalarStyle::Plain;
    if !quoted && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
        return Ok(Value::Empty);
    }
    Ok(Value::Scalar(Scalar { text: text.into_owned(), quoted, written: None }))
}

fn collection_tag(tag: Option<&Tag>, span: Span) -> Result<(), Box<Fault>> {
    match tag {
        None => Ok(()),
        Some(_) => Err(syntax(span, "tags are not used here")),
    }
}

fn start(span: Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

fn syntax(span: Span, message: &str) -> Box<Fault> {
    Box::new(Fault::new("TL-CFG-SYNTAX", start(span), message))
}

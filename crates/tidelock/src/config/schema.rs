//! The JSON schema of the configuration, derived from the types in `file`.

use super::file::File;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, generate::SchemaSettings};
use serde_json::Value;

/// The schema with the reader's notes in it.
pub fn annotated() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(WithoutNull);
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

/// The schema as it is published.
pub fn published() -> Value {
    let mut schema = annotated();
    strip_notes(&mut schema);
    schema
}

/// A key that may be left out is not one that may be null: `tables:` with nothing behind it is a mistake.
#[derive(Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::Array(kinds)) = object.get_mut("type") {
            kinds.retain(|k| k != "null");
            if let [kind] = kinds.as_slice() {
                let kind = kind.clone();
                object.insert("type".to_owned(), kind);
            }
        }
        if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
            choices.retain(|c| c["type"] != "null");
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                for (key, value) in only {
                    object.entry(key).or_insert(value);
                }
            }
        }
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
    }
}

fn strip_notes(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("x-null").is_some()
                && let Some(Value::Array(choices)) = object.get_mut("anyOf")
            {
                choices.push(serde_json::json!({ "description": "As the word `null`.", "type": "null" }));
            }
            object.retain(|key, _| !key.starts_with("x-"));
            object.values_mut().for_each(strip_notes);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_notes),
        _ => {}
    }
}

//! Canonical forms: one for what is the same, none the beginning of another.

use crate::values::{only, value};
use proptest::prelude::*;
use tidelock_model::{Slot, Value, canonical_hash, canonical_value};

fn form(value: &Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    canonical_value(value, &mut out);
    out
}

/// A JSON text with its canonical value, spelled by `blanks` and with the members of objects turned by `turn`.
fn spell(json: &serde_json::Value, blanks: &str, turn: usize) -> String {
    match json {
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|i| spell(i, blanks, turn)).collect();
            format!("[{blanks}{}{blanks}]", items.join(&format!("{blanks},{blanks}")))
        }
        serde_json::Value::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(key, v)| {
                    format!("{}{blanks}:{}", serde_json::Value::from(key.as_str()), spell(v, blanks, turn))
                })
                .collect();
            let n = members.len().max(1);
            members.rotate_left(turn % n);
            format!("{{{}{blanks}}}", members.join(","))
        }
        scalar => scalar.to_string(),
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_form_is_the_beginning_of_another(a in value(), b in value()) {
        let (a, b) = (a.encode(), b.encode());
        let (a, b) = (form(&only(&a)), form(&only(&b)));
        prop_assert!(a == b || (!a.starts_with(&b) && !b.starts_with(&a)));
    }

    #[test]
    fn two_rows_are_the_same_only_when_all_their_values_are(
        a in prop::collection::vec(value(), 0..4), b in prop::collection::vec(value(), 0..4),
    ) {
        let encode = |row: &[crate::values::Owned]| row.iter().map(|v| v.encode()).collect::<Vec<_>>();
        let (a, b) = (encode(&a), encode(&b));
        let forms = |row: &[Vec<u8>]| row.iter().map(|v| form(&only(v))).collect::<Vec<_>>();
        let hash = |row: &[Vec<u8>]| canonical_hash(row.iter().map(|v| Slot::Value(only(v))), &mut Vec::new());
        prop_assert_eq!(forms(&a).concat() == forms(&b).concat(), forms(&a) == forms(&b));
        prop_assert_eq!(hash(&a) == hash(&b), forms(&a) == forms(&b));
        prop_assert_eq!(hash(&a), hash(&a.clone()));
    }

    #[test]
    fn numbers_have_one_form_whatever_they_are_held_in(n in any::<i32>(), zeros in 1..5usize) {
        let decimal = format!("{n}.{}", "0".repeat(zeros));
        let decimal = Value::Decimal(tidelock_model::Decimal::parse(&decimal).unwrap());
        let int = form(&Value::Int(n.into()));
        prop_assert_eq!(&form(&decimal), &int);
        prop_assert_eq!(&form(&Value::Float64(n.into())), &int);
        if let Ok(u) = u64::try_from(n) {
            prop_assert_eq!(&form(&Value::UInt(u)), &int);
        }
        prop_assert_ne!(&form(&Value::Int(i64::from(n) + 1)), &int);
    }

    #[test]
    fn json_has_one_form_however_it_is_spelled(json in json(), blanks in "[ \\t\\r\\n]{0,3}", turn in 0..5usize) {
        let (a, b) = (json.to_string(), spell(&json, &blanks, turn));
        prop_assert_eq!(form(&Value::Json(&a)), form(&Value::Json(&b)));
    }

    #[test]
    fn the_form_of_json_says_what_the_text_said(a in json(), b in json()) {
        let (x, y) = (a.to_string(), b.to_string());
        prop_assert_eq!(form(&Value::Json(&x)) == form(&Value::Json(&y)), a == b);
        let form = form(&Value::Json(&x));
        let said: serde_json::Value = serde_json::from_slice(&form[5..]).unwrap();
        prop_assert_eq!(said, a, "behind the tag and the length stands the text");
    }
}

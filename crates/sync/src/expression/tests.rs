use super::*;
use tidelock_model::{Column, Decimal, TableName, Type};

fn table() -> Table {
    let column = |name: &str, data_type: Type, native: &str| Column::new(name, data_type, native);
    Table {
        name: TableName::new("t"),
        columns: vec![
            column("id", Type::int(64), "bigint"),
            column("price", Type::Decimal { precision: Some(30), scale: 10 }, "numeric(30,10)"),
            column("name", Type::text(), "text"),
            column("born", Type::Date, "date"),
            column("extra", Type::Json, "jsonb"),
            column("big", Type::Int { bits: 64, unsigned: true }, "bigint unsigned"),
            column("small", Type::Int { bits: 32, unsigned: true }, "int unsigned"),
            column("ok", Type::Bool, "boolean"),
        ],
        key: vec![0],
        primary: true,
        indexes: vec![],
        foreign_keys: vec![],
    }
}

fn row(price: &'static str) -> Vec<Slot<'static>> {
    let price = Decimal::parse(price).map_or(Value::Null, Value::Decimal);
    let values = [
        Value::Int(7),
        price,
        Value::Text("Ada"),
        Value::Date(Date::Day(0)),
        Value::Json("{}"),
        Value::UInt(u64::MAX),
        Value::UInt(5),
        Value::Bool(true),
    ];
    values.map(Slot::Value).to_vec()
}

fn holds(text: &str, price: &'static str) -> Result<bool, String> {
    Expression::new(text, &table()).map_err(|f| f.join("; "))?.holds(&row(price))
}

#[test]
fn decimals_are_compared_digit_by_digit_on_both_sides() {
    for yes in [
        "price > 0",
        "0 < price",
        "price == 1.5",
        "1.5 == price",
        "price != 1.4",
        "price in [1, 1.5]",
        "!(price in [1, 2])",
        "price >= 1.5 && price <= 1.5",
        "double(price) * 2.0 == 3.0",
        "string(price) == '1.50'",
        "int(price) == 1",
        "id != price",
        "price < big",
        "decimal('1.5') == price && price < decimal('1.50000000000000000001')",
        "small == decimal('5.0') && decimal('5') in [small, 1]",
    ] {
        assert_eq!(holds(yes, "1.50"), Ok(true), "{yes}");
    }
    // Two numbers that a double takes for one.
    assert_eq!(holds("price == 0.1", "0.10000000000000000001"), Ok(false));
    assert_eq!(holds("price > 0.1", "0.10000000000000000001"), Ok(true));
    assert_eq!(holds("7 == price && price == id", "7.00"), Ok(true));
    assert_eq!(holds("price > 9007199254740992", "9007199254740993"), Ok(true));
}

#[test]
fn columns_are_what_they_are() {
    for yes in [
        "name.startsWith('A') && size(name) == 3",
        "born == timestamp('1970-01-01T00:00:00Z')",
        "born.getFullYear() == 1970",
        "big == 18446744073709551615u",
        "small + 1 == 6",
        "ok",
        "[1, 2].exists(x, x + 5 == id)",
    ] {
        assert_eq!(holds(yes, "1"), Ok(true), "{yes}");
    }
}

#[test]
fn what_cannot_be_decided_for_a_row_is_an_error_and_never_false() {
    let error = holds("price > 0", "none").unwrap_err();
    assert!(error.contains("null"), "{error}");
    assert_eq!(holds("price != null && price > 0", "none"), Ok(false));
    assert!(holds("10 / (id - 7) > 1", "1").unwrap_err().contains("division by zero"));
    let error = holds("name + id == ''", "1").unwrap_err();
    assert!(error.contains("string and int") && !error.contains("Ada"), "{error}");
}

#[test]
fn what_cannot_work_for_any_row_is_told_beforehand() {
    for (text, word) in [
        ("price >", "ends too early"),
        ("nmae == 'x'", "names nmae"),
        ("extra == 'x'", "jsonb"),
        ("price + 1 > 0", "double(column)"),
        ("id > 1 || name > 1", "_>_"),
        ("id == 1 ? ok : name.startsWith(id)", "startsWith"),
        ("id == '7'", "int is never equal to string"),
        ("ok == 1", "bool is never equal to int"),
        ("'1.5' == price", "never equal"),
        ("ok || id", "int is neither true nor false"),
        ("foo(id)", "foo"),
        ("name.matches('(')", "matches"),
        ("[price] == [1]", "lists"),
        ("price == 2.10000000000000000001", "write `decimal('2.10000000000000000001')`"),
        ("price == decimal('2,1')", "decimal"),
    ] {
        let faults = match Expression::new(text, &table()) {
            Ok(expression) => trial(&expression).faults,
            Err(faults) => faults,
        };
        assert!(faults.iter().any(|f| f.contains(word)), "{text}: {faults:?}");
    }
}

#[test]
fn what_it_gives_is_known_beforehand_and_so_is_what_null_does() {
    let tried = |text: &str| trial(&Expression::new(text, &table()).unwrap());
    for (text, gives) in [
        ("price > 0", Some(Kind::Bool)),
        ("name + '!'", Some(Kind::Text)),
        ("id * 2", Some(Kind::Int)),
        ("ok ? price : null", Some(Kind::Decimal)),
        ("ok ? id : name", None),
        ("int(name)", Some(Kind::Int)),
        ("born", Some(Kind::Moment)),
        ("null", Some(Kind::Null)),
    ] {
        let tried = tried(text);
        assert_eq!((tried.gives, tried.faults.is_empty()), (gives, true), "{text}: {tried:?}");
    }
    assert_eq!(tried("price > 0 && name == 'x'").fails_with_null, ["price"]);
    assert!(tried("price != null && price > 0").fails_with_null.is_empty());
}

#[test]
fn a_uuid_is_compared_as_its_usual_text() {
    let code = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let columns = vec![Column::new("code", Type::Uuid, "uuid")];
    let table = Table { columns, ..table() };
    let row = [Slot::Value(Value::Uuid(tidelock_model::parse_uuid(code).unwrap()))];
    let holds = |text: &str| Expression::new(text, &table).unwrap().holds(&row).unwrap();
    assert!(holds(&format!("code == '{code}'")) && holds("code.startsWith('a0eebc99-')"));
}

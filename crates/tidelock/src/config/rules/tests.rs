use crate::config::Config;
use tidelock_sync::job::{TableRule, TableSelection};
use tidelock_sync::mask::{Mask, Salt};

fn file(job: &str) -> String {
    format!("endpoints: {{ shop: 'postgres://h/d', crm: 'mysql://h/d' }}\njobs:\n  one: {job}\n")
}

fn rule(table: &str) -> TableRule {
    let text = file(&format!("{{ source: shop, target: crm, tables: [{table}] }}"));
    let config = Config::from_text(&text, &[("SALT", "s3cr3t")]).unwrap();
    assert!(!format!("{:?}", config.jobs).contains("s3cr3t"));
    match &config.jobs[0].tables {
        TableSelection::Only(rules) => rules[0].clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_mask_is_read_and_null_is_one() {
    let rule = rule(
        "{ name: users, where: \"amount > 0 && note != '}'\", compute: { full: \"a + ' ' + b\" }, \
         mask: { a: sha256, b: { sha256: { salt: '${SALT}' } }, c: { partial: { keep: 4 } }, d: { fixed: 0 }, e: null, f: 'null', g: } }",
    );
    assert_eq!(rule.filter.as_deref(), Some("amount > 0 && note != '}'"));
    assert_eq!(rule.compute["full"], "a + ' ' + b");
    let expected = [
        ("a", Mask::Sha256(Salt::default())),
        ("b", Mask::Sha256(Salt::new("s3cr3t"))),
        ("c", Mask::Partial(4)),
        ("d", Mask::Fixed("0".into())),
        ("e", Mask::Null),
        ("f", Mask::Null),
        ("g", Mask::Null),
    ];
    assert_eq!(rule.mask, expected.map(|(name, mask)| (name.to_owned(), mask)).into());
}

#[test]
fn every_mistake_is_told_with_its_path() {
    let text = file(
        "
    source: shop
    target: crm
    tables:
      - { name: orders, mask: { a: md5, b: { partial: { keep: 0 } }, e: { sha256: { pepper: s3cr3t } } } }
  two: { between: [shop, crm], tables: [{ name: t, where: 'a', mask: { b: sha256 }, compute: { c: '1' } }], conflicts: { resolve: last_update_wins, version: v } }",
    );
    insta::assert_snapshot!(Config::from_text(&text, &[]).unwrap_err(), @r#"
    tidelock.yaml has 7 mistakes

      tidelock.yaml:7:36  jobs.one.tables[0].mask.a
        found `md5` (TL-CFG-VALUE)
        allowed: sha256, null, { sha256: { salt: … } }, { partial: { keep: … } } or { fixed: … }

      tidelock.yaml:7:63  jobs.one.tables[0].mask.b.partial.keep
        found `0` (TL-CFG-VALUE)
        allowed: a whole number from 1 to 1000

      tidelock.yaml:7:83  jobs.one.tables[0].mask.e.sha256.salt
        the key `salt` is missing (TL-CFG-MISSING)
        allowed: salt: Goes before each value: a secret, best from a variable

      tidelock.yaml:7:85  jobs.one.tables[0].mask.e.sha256.pepper
        unknown key `pepper` (TL-CFG-UNKNOWN-KEY)
        allowed: salt

      tidelock.yaml:8:59  jobs.two.tables[0].where
        `where` in a two-way job is not supported in this version (TL-CFG-LATER)
        allowed: the same names, columns and rows on both sides

      tidelock.yaml:8:70  jobs.two.tables[0].mask
        `mask` in a two-way job is not supported in this version (TL-CFG-LATER)
        allowed: the same names, columns and rows on both sides

      tidelock.yaml:8:94  jobs.two.tables[0].compute
        `compute` in a two-way job is not supported in this version (TL-CFG-LATER)
        allowed: the same names, columns and rows on both sides
    "#);
}

#[test]
fn what_is_of_the_right_shape_and_yet_wrong_is_told_as_well() {
    let text = file(
        "
    source: shop
    target: crm
    tables:
      - { name: users, where: 'amount >', compute: { full: 'a + +', '': '1' }, columns: [id, a], mask: { b: sha256, a: { sha256: { salt: '' } } } }
      - { name: orders, where: \"${WHERE}\", mask: { c: { fixed: x, partial: { keep: 1 } }, d: {} } }",
    );
    let told = Config::from_text(&text, &[("WHERE", "s3cr3t ==")]).unwrap_err().to_string();
    assert!(!told.contains("s3cr3t"), "{told}");
    insta::assert_snapshot!(told, @r#"
    tidelock.yaml has 8 mistakes

      tidelock.yaml:7:31  jobs.one.tables[0].where
        the text "amount >" is no expression: it ends too early (TL-CFG-EXPRESSION)
        allowed: an expression in CEL, such as "amount > 0"

      tidelock.yaml:7:60  jobs.one.tables[0].compute.full
        the text "a + +" is no expression: mismatched input '+' at column 5 (TL-CFG-EXPRESSION)
        allowed: an expression in CEL, such as "first + ' ' + last"

      tidelock.yaml:7:73  jobs.one.tables[0].compute.""
        the name is empty (TL-CFG-VALUE)
        allowed: a name

      tidelock.yaml:7:109  jobs.one.tables[0].mask.b
        column b is masked, but does not take part (TL-CFG-CONFLICT)
        allowed: a column that `columns` takes

      tidelock.yaml:7:138  jobs.one.tables[0].mask.a.sha256.salt
        the salt is empty (TL-CFG-VALUE)
        allowed: a text, or plain `sha256`

      tidelock.yaml:8:32  jobs.one.tables[1].where
        `${WHERE}`, which holds a variable is no expression: it ends too early (TL-CFG-EXPRESSION)
        allowed: an expression in CEL, such as "amount > 0"

      tidelock.yaml:8:55  jobs.one.tables[1].mask.c
        several masks for one column (TL-CFG-CONFLICT)
        allowed: one of sha256, partial and fixed

      tidelock.yaml:8:94  jobs.one.tables[1].mask.d
        no mask is named (TL-CFG-CONFLICT)
        allowed: one of sha256, partial and fixed
    "#);
}

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
      - { name: users, where: 'amount >', compute: { full: 'a +' }, columns: [id, a] , mask: { b: sha256, a: { sha256: { salt: '' } } } }
      - { name: orders, mask: { a: md5, b: { partial: { keep: 0 } }, c: { fixed: x, partial: { keep: 1 } }, d: {}, e: { sha256: { pepper: s3cr3t } } } }
  two: { between: [shop, crm], tables: [{ name: t, where: 'a', mask: { b: sha256 }, compute: { c: '1' } }], conflicts: { resolve: last_update_wins, version: v } }",
    );
    insta::assert_snapshot!(Config::from_text(&text, &[]).unwrap_err(), @r#"
    tidelock.yaml has 7 mistakes

      tidelock.yaml:8:36  jobs.one.tables[1].mask.a
        found `md5` (TL-CFG-VALUE)
        allowed: sha256, null, { sha256: { salt: … } }, { partial: { keep: … } } or { fixed: … }

      tidelock.yaml:8:63  jobs.one.tables[1].mask.b.partial.keep
        found `0` (TL-CFG-VALUE)
        allowed: a whole number from 1 to 1000

      tidelock.yaml:8:129  jobs.one.tables[1].mask.e.sha256.salt
        the key `salt` is missing (TL-CFG-MISSING)
        allowed: salt: Goes before each value: a secret, best from a variable

      tidelock.yaml:8:131  jobs.one.tables[1].mask.e.sha256.pepper
        unknown key `pepper` (TL-CFG-UNKNOWN-KEY)
        allowed: salt

      tidelock.yaml:9:59  jobs.two.tables[0].where
        `where` in a two-way job is not supported in this version (TL-CFG-LATER)
        allowed: the same names and columns on both sides

      tidelock.yaml:9:70  jobs.two.tables[0].mask
        `mask` in a two-way job is not supported in this version (TL-CFG-LATER)
        allowed: the same names and columns on both sides

      tidelock.yaml:9:94  jobs.two.tables[0].compute
        `compute` in a two-way job is not supported in this version (TL-CFG-LATER)
        allowed: the same names and columns on both sides
    "#);
}

//! `where`, `mask` and `compute`: what is at the target is the same whichever way it came, and rows go in and out.

use crate::service::{Service, phase};
use crate::sides::{begin, config, pair, rows, run_all};
use crate::support::{Place, open, sql};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tidelock_testkit::{Database, Family, Kind, Row};

const LONG: Duration = Duration::from_secs(120);

/// `big` is long enough to be stored elsewhere at PostgreSQL, which then does not send it with a change of other columns.
const JOB: &str = r#"{ source: here, target: there, tables: [{ name: orders, to: sales, rename: { note: remark },
    where: "amount != null && amount > 0 && !big.startsWith('x')",
    mask: { email: { sha256: { salt: '${SALT}' } }, phone: { partial: { keep: 4 } }, note: { fixed: '***' }, iban: null },
    compute: { full_name: "first + ' ' + last", tag: "(amount >= 5.5 ? 'large ' : 'small ') + string(size(big))" } }] }"#;

macro_rules! pairs {
    ($($name:ident: $from:ident => $to:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            rows_go_in_and_out(Kind::$from, Kind::$to).await;
        }
    )*};
}

pairs! {
    postgres_to_mysql_in_and_out_of_a_filter: Postgres18 => Mysql97;
    mysql_to_postgres_in_and_out_of_a_filter: Mysql97 => Postgres15;
    mariadb_to_sqlite_in_and_out_of_a_filter: Mariadb1011 => Sqlite;
    sqlite_to_postgres_in_and_out_of_a_filter: Sqlite => Postgres18;
}

async fn rows_go_in_and_out(from: Kind, to: Kind) {
    let Some((source, target)) = pair("mapping", from, to).await else { return };
    run_all(&source, &orders()).await;
    if from.family() == Family::Postgres {
        source.execute("ALTER TABLE orders ALTER COLUMN big SET STORAGE EXTERNAL").await.unwrap();
    }
    for id in 1..=12 {
        let amount = ["10.00", "-1.00", "5.50", "0", "NULL", "0.01"][id % 6];
        source.execute(&order(id, amount)).await.unwrap();
    }
    let place = placed(&source, &target);
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    assert_eq!(rows(&target, SALES).await, expected(&source).await, "after the copy");

    // 6, 12: 10; 1, 7: -1; 2, 8: 5.5; 3, 9: 0; 4, 10: NULL; 5, 11: 0.01.
    let mut writer = source.session().await.unwrap();
    let changes = [
        "UPDATE orders SET amount = -5 WHERE id = 6",
        "UPDATE orders SET amount = 7 WHERE id = 1",
        "UPDATE orders SET amount = 8, first = 'Grace' WHERE id = 4",
        "UPDATE orders SET last = 'Hopper', email = 'new@x.org', phone = NULL WHERE id = 2",
        "UPDATE orders SET amount = 5.49 WHERE id = 12",
        "UPDATE orders SET id = 50 WHERE id = 5",
        "UPDATE orders SET id = 80, amount = -1 WHERE id = 8",
        "UPDATE orders SET id = 90, amount = 9 WHERE id = 9",
        "DELETE FROM orders WHERE id = 11",
        "DELETE FROM orders WHERE id = 10",
        "UPDATE orders SET big = 'x is left out' WHERE id = 50",
        "UPDATE orders SET first = 'not seen' WHERE id = 50",
    ];
    for change in changes {
        writer.execute(change).await.unwrap();
    }
    run_all(&source, &[order(20, "3.00"), order(21, "-3.00"), order(22, "4.00")]).await;
    let twice = [
        begin(from),
        "UPDATE orders SET amount = -1, first = 'Edith' WHERE id = 22",
        "UPDATE orders SET amount = 6 WHERE id = 22",
        "UPDATE orders SET amount = 2 WHERE id = 21",
        "UPDATE orders SET amount = -2 WHERE id = 21",
        "UPDATE orders SET amount = 2 WHERE id = 3",
        "DELETE FROM orders WHERE id = 3",
        "COMMIT",
    ];
    for change in twice {
        writer.execute(change).await.unwrap();
    }
    if from == Kind::Mysql97 {
        // As little as MySQL can tell: the key, and what changed.
        writer.execute("SET SESSION binlog_row_image = 'MINIMAL'").await.unwrap();
        for change in [
            "UPDATE orders SET amount = 4 WHERE id = 6",
            "UPDATE orders SET last = 'Curie' WHERE id = 22",
            "UPDATE orders SET amount = -4 WHERE id = 20",
            "UPDATE orders SET id = 91 WHERE id = 90",
        ] {
            writer.execute(change).await.unwrap();
        }
    }
    let wanted = expected(&source).await;
    service.wait("the changes at the target", LONG, async |_| rows(&target, SALES).await == wanted).await;
    service.stop();
    let verified = place.run(&["verify", "job", "--json"]).done();
    assert_eq!(verified.json().pop().unwrap()["equal"], true, "{}", verified.transcript());
    let touched = ["remark = 'seen'", "full_name = 'someone'", "iban = 'DE00'"];
    for change in touched {
        target.execute(&format!("UPDATE sales SET {change} WHERE id = 1")).await.unwrap();
    }
    target.execute("DELETE FROM sales WHERE id = 2").await.unwrap();
    let verified = place.run(&["verify", "job"]);
    let told = ["different id=1 (remark, iban, full_name)", "missing id=2"];
    assert!(verified.code == 1 && told.iter().all(|t| verified.out.contains(t)), "{}", verified.transcript());
}

const SALES: &str =
    "SELECT id, email, phone, remark, iban, first, last, amount, big, full_name, tag FROM sales ORDER BY id";

fn orders() -> [&'static str; 1] {
    [
        "CREATE TABLE orders (id integer PRIMARY KEY, email varchar(80), phone varchar(20), note varchar(40) NOT NULL, iban varchar(40) NOT NULL, \
      first varchar(20) NOT NULL, last varchar(20) NOT NULL, amount numeric(12,2), big text NOT NULL)",
    ]
}

fn order(id: usize, amount: &str) -> String {
    let phone = ["'030 1234567'", "NULL", "'110'"][id % 3];
    let big = "0123456789".repeat(400);
    format!(
        "INSERT INTO orders VALUES ({id}, 'user{id}@x.org', {phone}, 'a note', 'DE12', 'Ada', 'L{id}', {amount}, '{big}')"
    )
}

fn placed(source: &Database, target: &Database) -> Place {
    let place = Place::with_config(&config(source, target, JOB));
    place.write(".env", "SALT=pepper\n");
    place
}

/// What the job makes of the source's rows, told by the source and done here.
async fn expected(source: &Database) -> Vec<Row> {
    let all = "SELECT id, email, phone, first, last, amount, big FROM orders WHERE amount > 0 AND big NOT LIKE 'x%' ORDER BY id";
    let each = rows(source, all).await.into_iter().map(|row| {
        let text = |place: usize| row[place].clone().unwrap();
        let hidden = |phone: String| match phone.char_indices().rev().nth(3) {
            Some((at, _)) if at > 0 => "*".repeat(at) + &phone[at..],
            _ => "*".repeat(phone.len()),
        };
        let size = if text(5).parse::<f64>().unwrap() >= 5.5 { "large" } else { "small" };
        vec![
            row[0].clone(),
            row[1].as_ref().map(|e| hash("pepper", e)),
            row[2].clone().map(hidden),
            Some("***".to_owned()),
            None,
            row[3].clone(),
            row[4].clone(),
            row[5].clone(),
            row[6].clone(),
            Some(format!("{} {}", text(3), text(4))),
            Some(format!("{size} {}", text(6).len())),
        ]
    });
    each.collect()
}

fn hash(salt: &str, text: &str) -> String {
    Sha256::digest(format!("{salt}{text}")).iter().map(|b| format!("{b:02x}")).collect()
}

const FILES: &str = "endpoints: { shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db' }\njobs:\n  job: { source: shop, target: crm, tables: [{ name: users, RULES }] }\n";

fn users(rules: &str) -> Place {
    let place = Place::with_config(&FILES.replace("RULES", rules));
    let made = "CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(80) NOT NULL, age INTEGER, doc JSON, price NUMERIC(10,2));
                INSERT INTO users VALUES (1, 'a@x.org', 30, '{}', 1.5), (2, 'b@x.org', NULL, '{}', 2)";
    sql(&place, "shop", made);
    sql(&place, "crm", "SELECT 1");
    place
}

fn emails(place: &Place) -> Vec<String> {
    let crm = open(place, "crm");
    let mut all = crm.prepare("SELECT email FROM users ORDER BY id").unwrap();
    all.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_cannot_work_is_refused_with_its_words_before_anything_is_made() {
    for (rules, words) in [
        ("where: 'age'", "`where: age` gives int, not true or false"),
        ("where: 'agee > 1'", "it names agee, which is no column of the log"),
        ("where: \"age > '1'\"", "found no matching overload for '_>_'"),
        ("where: \"doc == ''\"", "column doc is JSON, which expressions cannot reckon with"),
        ("where: 'price + 1 > 2'", "write `double(column)`"),
        ("compute: { more: 'email + age' }", "there is no `add` of string and int"),
        ("compute: { more: 'age > 1 ? email : 1' }", "does not give values of one type"),
        ("mask: { id: sha256 }", "TL-PLAN-MASK-KEY"),
        ("mask: { doc: sha256 }", "`sha256` needs values that are always written alike"),
        ("mask: { age: { fixed: none } }", "`none` is no value of this column"),
        ("mask: { nothing: null }", "the job names column nothing"),
    ] {
        let place = users(rules);
        let ran = place.run(&["check"]);
        assert!(ran.code == 1 && ran.out.contains(words), "{rules}: {}", ran.transcript());
        let ran = place.run(&["sync"]);
        assert!(ran.code == 1 && ran.err.contains(words), "{rules}: {}", ran.transcript());
        let made: i64 =
            open(&place, "crm").query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
        assert_eq!(made, 0, "{rules}");
    }
}

#[test]
fn a_column_that_cannot_hold_what_a_mask_gives_is_refused() {
    let place = users("mask: { email: sha256, age: null }");
    sql(
        &place,
        "crm",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email INTEGER, age INTEGER NOT NULL, doc JSON, price NUMERIC(10,2))",
    );
    let ran = place.run(&["check"]);
    let told = [
        "users.email",
        "gives sha256, which cannot be held",
        "`null` is written into every row, but at crm it is NOT NULL",
    ];
    assert!(ran.code == 1 && told.iter().all(|t| ran.out.contains(t)), "{}", ran.transcript());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_there_holds_what_a_mask_gives_and_expressions_read_every_type() {
    let Some((source, target)) = pair("mapped_types", Kind::Postgres18, Kind::Mysql97).await else { return };
    let made = "CREATE TABLE people (id bigint PRIMARY KEY, email text NOT NULL, born date, seen timestamptz NOT NULL, code uuid NOT NULL, price numeric NOT NULL, ok boolean NOT NULL, \
                doc jsonb, kind char(3))";
    let rows_of = |id: i32| {
        format!(
            "INSERT INTO people VALUES ({id}, 'p{id}@x.org', '199{id}-02-03', '2024-01-0{id} 10:00:00.5+02', '00000000-0000-0000-0000-00000000000{id}', {id}.10000000000000000001, true, '[1]', 'a')"
        )
    };
    run_all(&source, &[made, &rows_of(1), &rows_of(2)]).await;
    run_all(&target, &["CREATE TABLE people (id bigint PRIMARY KEY, email char(64) NOT NULL, doc json, kind varchar(20), year bigint, tag varchar(60))"]).await;
    let job = r#"{ source: here, target: there, tables: [{ name: people, columns: [id, email, doc, kind],
        where: "ok && born < timestamp('2001-01-01T00:00:00Z') && code != '' && price in [1.1, decimal('2.10000000000000000001')]",
        mask: { email: sha256, doc: { fixed: '{}' } },
        compute: { year: "born.getFullYear()", tag: "kind + string(price)" } }] }"#;
    let place = Place::with_config(&config(&source, &target, job));
    place.run(&["sync"]).done();
    let all = "SELECT id, email, doc, kind, year, tag FROM people ORDER BY id";
    let row = |id: &str| {
        let text = [
            id,
            &hash("", &format!("p{id}@x.org")),
            "{}",
            "a",
            &format!("199{id}"),
            &format!("a{id}.10000000000000000001"),
        ];
        text.map(|t| Some(t.to_owned())).to_vec()
    };
    assert_eq!(rows(&target, all).await, [row("2")]);
    run_all(
        &source,
        &[
            &rows_of(3),
            "UPDATE people SET price = 1.10 WHERE id = 1",
            "UPDATE people SET price = 2.1 WHERE id = 2",
        ],
    )
    .await;
    place.run(&["sync"]).done();
    let mut one = row("1");
    one[5] = Some("a1.10".to_owned());
    assert_eq!(target.query(all).await.unwrap(), [one]);
    place.run(&["verify", "job"]).done();
}

#[test]
fn a_row_that_a_filter_cannot_decide_stops_the_job_and_is_named() {
    let place = users("where: 'age > 18'");
    let ran = place.run(&["check"]).done();
    assert!(ran.out.contains("TL-PLAN-EXPRESSION-NULL"), "{}", ran.transcript());
    let ran = place.run(&["sync"]).refused("TL-SYNC-EXPRESSION");
    assert!(
        ran.err.contains("table users, row id=2: `where: age > 18` cannot be decided"),
        "{}",
        ran.transcript()
    );
    sql(&place, "shop", "UPDATE users SET age = 10 WHERE id = 2");
    place.run(&["sync"]).done();
    assert_eq!(emails(&place), ["a@x.org"]);
    sql(&place, "shop", "UPDATE users SET age = NULL WHERE id = 1");
    let ran = place.run(&["sync"]).refused("TL-SYNC-EXPRESSION");
    assert!(ran.err.contains("row id=1"), "{}", ran.transcript());
}

#[test]
fn a_mapping_that_changed_is_copied_anew() {
    let salted = |salt: &str| format!("mask: {{ email: {{ sha256: {{ salt: {salt} }} }} }}");
    let place = users(&salted("one"));
    place.run(&["sync"]).done();
    assert_eq!(emails(&place), [hash("one", "a@x.org"), hash("one", "b@x.org")]);
    place.write("tidelock.yaml", &FILES.replace("RULES", &salted("two")));
    let ran = place.run(&["sync"]).done();
    assert_eq!(emails(&place), [hash("two", "a@x.org"), hash("two", "b@x.org")]);
    place.run(&["verify", "job"]).done();
    let plan = place.run(&["plan"]).done();
    assert!(plan.out.contains("--   email: sha256"), "{}", plan.transcript());
    for shown in [ran.transcript(), plan.transcript(), place.run(&["check"]).transcript()] {
        assert!(!shown.contains("two"), "the salt is shown: {shown}");
    }
}

#[test]
fn rows_that_a_narrower_filter_does_not_take_any_more_go() {
    let place = users("where: \"id >= 1\"");
    place.run(&["sync"]).done();
    assert_eq!(emails(&place), ["a@x.org", "b@x.org"]);
    place.write("tidelock.yaml", &FILES.replace("RULES", "where: \"id == 2\""));
    place.run(&["sync"]).done();
    assert_eq!(emails(&place), ["b@x.org"]);
    place.run(&["verify", "job"]).done();
}

//! Numbers in the JSON of MySQL: kept to the last digit, or refused.

use crate::common::*;
use tidelock_endpoint::{Checkpoint, Delta, EndpointError, WriteMode};
use tidelock_model::{Image, RowsWriter, Value};
use tidelock_testkit::Kind;

/// A small generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// One to 20 digits, perhaps with a point, perhaps with an exponent.
    fn number(&mut self) -> String {
        let mut digits: String =
            (0..=self.below(20)).map(|_| char::from(b'0' + self.below(10) as u8)).collect();
        digits.replace_range(..1, &(1 + self.below(9)).to_string());
        if self.below(4) > 0 && digits.len() > 1 {
            digits.insert(1 + self.below(digits.len() as u64 - 1) as usize, '.');
        }
        if self.below(3) == 0 {
            digits += &format!("e{}", self.below(600) as i64 - 300);
        }
        if self.below(4) == 0 { format!("-{digits}") } else { digits }
    }

    /// The shortest digits of a double, as the server tells it.
    fn double(&mut self) -> String {
        loop {
            let x = match self.below(2) {
                0 => f64::from_bits(self.next()),
                _ => (self.next() >> 11) as f64 / 10_f64.powi(self.below(25) as i32),
            };
            if x.is_finite() {
                return shortest(x);
            }
        }
    }
}

/// Of two spellings that are as near the even one.
fn shortest(x: f64) -> String {
    let shortest = format!("{x:e}");
    let digits = digits(&shortest).1.len();
    let even = format!("{x:.*e}", digits.saturating_sub(1));
    if even.parse() == Ok(x) { even } else { shortest }
}

/// Sign, significant digits, and the exponent of the first one.
fn digits(number: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{}{fraction}", whole.trim_start_matches('-'));
    let significant = all.trim_start_matches('0');
    let zeros = all.len() - significant.len();
    let first = exponent.parse::<i64>().unwrap() + all.len() as i64 - fraction.len() as i64 - zeros as i64;
    (number.starts_with('-'), significant.trim_end_matches('0').to_owned(), first)
}

fn checkpoint(lane: &str) -> Checkpoint {
    Checkpoint { job: "job".into(), lane: lane.into(), state: "1".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_any_digits_in_json_of_mysql_is_stored_to_its_last_digit_or_refused() {
    let Some(db) = database(Kind::Mysql97, "jsonany").await else { return };
    db.execute("CREATE TABLE t (id int primary key, j json)").await.unwrap();
    let endpoint = endpoint(&db.url);
    let table = table(&*endpoint, "t").await;
    let mut target = endpoint.target("job").await.unwrap();
    target.prepare("mysql", &[]).await.unwrap();
    let mut dice = Dice(88_172_645_463_325_252);
    let mut sent = vec![
        "9088544342.689998".to_owned(),
        "1.4334335999999998".to_owned(),
        "-1.1030161663305387".to_owned(),
    ];
    sent.extend((0..600).map(|_| dice.number()));
    let (mut kept, mut refused) = (0, 0);
    for (id, number) in sent.iter().enumerate() {
        let json = format!("{{\"p\": {number}}}");
        let row = whole(&[Value::Int(id as i64), Value::Json(&json)]);
        target.begin("shop").await.unwrap();
        match target.apply(&[Delta { upserts: vec![Image::from_bytes(&row)], ..Delta::new(&table) }]).await {
            Ok(_) => {
                target.commit(&checkpoint("stream"), &[]).await.unwrap();
                kept += 1;
            }
            Err(error) => {
                assert_eq!(error.code, "TL-MY-VALUE-REFUSED", "{error}");
                target.rollback().await.unwrap();
                refused += 1;
            }
        }
    }
    assert!(kept > 300 && refused > 50, "{kept} were kept, {refused} refused");
    for row in db.query("SELECT id, CAST(j->'$.p' AS CHAR) FROM t").await.unwrap() {
        let (id, stored) = (row[0].as_ref().unwrap().parse::<usize>().unwrap(), row[1].as_ref().unwrap());
        assert_eq!(digits(stored), digits(&sent[id]), "{stored} is stored for {}", sent[id]);
    }
    let same = db.value("SELECT count(*) FROM t WHERE id < 2").await.unwrap();
    assert_eq!(same.as_deref(), Some("0"), "one double each with …999, which is what the server would tell");
}

#[tokio::test(flavor = "multi_thread")]
async fn doubles_in_json_of_mysql_come_back_as_they_were_to_their_last_digit() {
    let Some(db) = database(Kind::Mysql97, "jsondoubles").await else { return };
    db.execute("CREATE TABLE t (id int primary key, j json)").await.unwrap();
    let endpoint = endpoint(&db.url);
    let table = table(&*endpoint, "t").await;
    let mut target = endpoint.target("job").await.unwrap();
    target.prepare("mysql", &[]).await.unwrap();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let sent: Vec<String> = (0..5000).map(|_| dice.double()).collect();
    let mut rows = RowsWriter::new(table.clone());
    for (id, number) in sent.iter().enumerate() {
        rows.row(|out| {
            out.value(&Value::Int(id as i64));
            out.value(&Value::Json(number));
            Ok::<_, EndpointError>(())
        })
        .unwrap();
    }
    let mut loader = target.loader().await.unwrap();
    loader.begin(&table, WriteMode::Insert, "shop").await.unwrap();
    loader.load(&rows.take()).await.unwrap();
    loader.commit(&checkpoint("load")).await.unwrap();
    let stored = db.query("SELECT CAST(j AS CHAR) FROM t ORDER BY id").await.unwrap();
    assert_eq!(stored.len(), sent.len());
    for (stored, sent) in stored.iter().map(|row| row[0].as_ref().unwrap()).zip(&sent) {
        assert_eq!(digits(stored), digits(sent), "{stored} is stored for {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_spellings_that_are_as_near_stream_and_snapshot_tell_the_one_that_the_server_tells() {
    let Some(db) = database(Kind::Mysql97, "jsonties").await else { return };
    db.execute("CREATE TABLE t (id int primary key, j json)").await.unwrap();
    let endpoint = endpoint(&db.url);
    let mut tail = Tail::open(&*endpoint, &["t"]).await;
    let mut dice = Dice(42);
    // The last bit of a double is an eighth there: .25 and .75 are half-way between two spellings of sixteen digits.
    let numbers: Vec<f64> = (0..400).map(|_| ((1_u64 << 52) + dice.below(1 << 52)) as f64 / 8.0).collect();
    let list: Vec<String> = numbers.iter().map(|x| format!("{x:.3}")).collect();
    db.execute(&format!("INSERT INTO t VALUES (1, '[{}]')", list.join(","))).await.unwrap();
    let streamed = told(&tail.catch_up(&*endpoint).await);
    let table = table(&*endpoint, "t").await;
    let copied =
        shown(&table, snapshot_rows(&*endpoint, &table, 10).await[0].images().next().unwrap().unwrap());
    assert!(streamed.contains(&format!("insert t {copied}")), "{streamed:?} and {copied}");
}

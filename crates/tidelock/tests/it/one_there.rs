//! Keys that the source tells apart and the target takes for one: by blanks at the end, by accents, by `ß`, in one part of several. Both are named, and neither is written over the other.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::{rows, run_all};
use tidelock_testkit::{Family, Kind};

/// A collation of the target's, and two texts that are one under it.
const ALIKE: [(&str, [&str; 2]); 6] = [
    ("utf8mb4_general_ci", ["anna", "anna "]),
    ("utf8mb4_general_ci", ["cafe", "café"]),
    ("utf8mb4_unicode_ci", ["strasse", "straße"]),
    ("utf8mb4_bin", ["anna", "anna  "]),
    ("utf8mb4_0900_ai_ci", ["strasse", "Straße"]),
    ("utf8mb4_0900_ai_ci", ["Angstrom", "Ångström"]),
];

/// What tells all of them apart.
fn exact(kind: Kind) -> &'static str {
    match kind {
        Kind::Mariadb1011 => "COLLATE utf8mb4_nopad_bin",
        kind if kind.family() == Family::Mysql => "COLLATE utf8mb4_0900_bin",
        _ => "",
    }
}

pairs! { blanks_and_accents:
    keys_that_blanks_or_accents_tell_apart_at_the_source_only_stop_the_job_postgres_to_mysql: Postgres18 => Mysql97;
    keys_that_blanks_or_accents_tell_apart_at_the_source_only_stop_the_job_postgres_to_mariadb: Postgres15 => Mariadb1011;
    keys_that_blanks_or_accents_tell_apart_at_the_source_only_stop_the_job_mariadb_to_mysql: Mariadb1011 => Mysql97;
    keys_that_blanks_or_accents_tell_apart_at_the_source_only_stop_the_job_mysql_to_mariadb: Mysql97 => Mariadb1011;
    keys_that_blanks_or_accents_tell_apart_at_the_source_only_stop_the_job_sqlite_to_mariadb: Sqlite => Mariadb1011;
}

/// By the stream first, then by a new copy into an empty table.
async fn blanks_and_accents(from: Kind, to: Kind) {
    for (n, (collation, [first, second])) in ALIKE.into_iter().enumerate() {
        if collation.contains("0900") && to == Kind::Mariadb1011 {
            continue;
        }
        // Alone, and as the second part of a key.
        let key = ["word", "shop, word"][n % 2];
        println!("{from} to {to}: {collation}, {first}, {second}, key ({key})");
        let Some(side) = Lockstep::new("one_there", from, to, "[words]").await else { return };
        let made = |collation: &str| {
            format!(
                "CREATE TABLE words (shop integer NOT NULL, word varchar(20) {collation} NOT NULL, qty integer, PRIMARY KEY ({key}))"
            )
        };
        side.run(&[made(exact(from)), format!("INSERT INTO words VALUES (7, '{first}', 1)")]).await;
        run_all(&side.there, &[made(&format!("CHARACTER SET utf8mb4 COLLATE {collation}"))]).await;
        let all = "SELECT shop, word, qty FROM words ORDER BY qty";
        side.arrives(&[all]).await;
        side.run(&[format!("INSERT INTO words VALUES (7, '{second}', 2)")]).await;
        let (one, other) = (format!("word='{first}'"), format!("word='{second}'"));
        let mut told = vec!["table words", &*one, &*other, "takes them for one"];
        if key != "word" {
            told.push("shop=7");
        }
        let only = [["7", first, "1"].map(|v| Some(v.to_owned()))];
        for _ in 0..2 {
            side.stops(&told);
            assert_eq!(rows(&side.there, all).await, only);
        }
        run_all(&side.there, &["DELETE FROM words"]).await;
        let ran = side.place.run(&["sync", "--full"]);
        assert!(ran.code == 1 && told.iter().all(|t| ran.err.contains(t)), "{}", ran.transcript());
        side.run(&["DELETE FROM words WHERE qty = 2"]).await;
        side.place.run(&["sync", "--full"]).done();
        // The other way of spelling takes the first one's place.
        side.run(&[format!("UPDATE words SET word = '{second}', qty = 3 WHERE qty = 1")]).await;
        side.arrives(&[all]).await;
    }
}

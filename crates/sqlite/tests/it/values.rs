use crate::world::World;

/// Every storage class, in a column that takes anything and in columns of a type.
const TABLE: &str = "CREATE TABLE v (id INTEGER PRIMARY KEY, a, t TEXT, r REAL, b BLOB, i BIGINT)";

fn insert(first: i64) -> String {
    let values = [
        "NULL, NULL, NULL, NULL, NULL",
        "9223372036854775807, 'x', 1.0, x'00ff00', 9223372036854775807",
        "-9223372036854775808, '', -0.0, x'', -9223372036854775808",
        "1.0, 'it''s \"ü\" 🦀', 0.1, x'01', 0",
        "'1', 'a' || char(0) || 'b', 9e999, zeroblob(3000), 1",
        "x'31', '1e5', -9e999, NULL, 2",
        "-9e999, ' 007 ', 5e-324, NULL, 3",
        "0.1 + 0.2, 'NULL', 1.7976931348623157e308, NULL, 4",
        "'a' || char(0), char(0), 123456789012345680.0, NULL, 5",
    ];
    let rows = values.iter().zip(first..).map(|(v, id)| format!("({id}, {v})"));
    format!("INSERT INTO v VALUES {}", rows.collect::<Vec<_>>().join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_storage_class_is_the_same_before_and_after_the_snapshot() {
    let world = World::new(&format!("{TABLE}; {}", insert(1)));
    let mut follower = world.follow(&["v"]).await;
    let db = world.writer();
    db.execute_batch(&format!("{}; UPDATE v SET id = id + 1000 WHERE id < 100", insert(101))).unwrap();
    let seen = follower.changes(18).await;
    let stored = world.rows("v", 4).await.unwrap();
    let without_id = |text: &str| text.split_once(", ").unwrap().1.to_owned();
    let (inserted, updated) = seen.split_at(9);
    for n in 0..9 {
        let old = without_id(&stored[n]);
        assert_eq!(without_id(inserted[n].strip_prefix("I v: ").unwrap()), old);
        let (before, after) = updated[n].strip_prefix("U v: ").unwrap().split_once(" → ").unwrap();
        assert_eq!((without_id(before), without_id(after)), (old.clone(), old.clone()));
        assert_eq!(without_id(&stored[n + 9]), old);
    }
    assert!(
        stored[1].contains("Float64(1.0)") && stored[2].contains("Int(-9223372036854775808)"),
        "{stored:#?}"
    );
    assert!(stored[4].contains("a\\0b") && stored[4].contains("Float64(inf)"), "{stored:#?}");
    assert!(stored[5].contains("Bytes([49])") && stored[3].contains("Float64(1.0), Text"), "{stored:#?}");
    assert!(stored[7].contains("Float64(0.30000000000000004)"), "{stored:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_not_of_its_declared_type_is_refused_with_its_row_and_not_shown() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME)");
    let mut follower = world.follow(&["t"]).await;
    world.writer().execute_batch("INSERT INTO t VALUES (7, 1700000000)").unwrap();
    let of_stream = follower.step().await.unwrap_err();
    let of_snapshot = world.rows("t", 10).await.unwrap_err();
    for error in [of_stream, of_snapshot] {
        assert_eq!(error.kind, tidelock_endpoint::ErrorKind::Row);
        for word in ["table t", "INTEGER 7", "column at", "DATETIME", "an INTEGER that it does not take"] {
            assert!(error.message.contains(word), "{word} in {}", error.message);
        }
        assert!(!error.message.contains("1700000000"), "a job may mask it: {}", error.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_null_in_its_key_is_refused_and_not_passed_over() {
    let world = World::new("CREATE TABLE t (k TEXT PRIMARY KEY); INSERT INTO t VALUES (NULL), ('a')");
    let error = world.rows("t", 1).await.unwrap_err();
    assert_eq!(error.code, "TL-SQLITE-NULL-KEY");
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_columns_are_told_and_left_out() {
    let world = World::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, s INTEGER GENERATED ALWAYS AS (a * 2) STORED, v INTEGER AS (a * 3), z TEXT)",
    );
    let table = world.table("t").await;
    let generated: Vec<_> = table.columns.iter().map(|c| c.generated).collect();
    assert_eq!(generated, [false, false, true, true, false]);
    let mut follower = world.follow(&["t"]).await;
    world.writer().execute_batch("INSERT INTO t (id, a, z) VALUES (1, 2, 'z')").unwrap();
    assert_eq!(follower.changes(1).await, ["I t: Int(1), Int(2), Text(\"z\")"]);
    assert_eq!(world.rows("t", 10).await.unwrap(), ["Int(1), Int(2), Text(\"z\")"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_without_a_key_are_copied() {
    let world =
        World::new("CREATE TABLE t (rowid TEXT, b); INSERT INTO t VALUES ('x', 1), ('x', 1), (NULL, 2)");
    assert_eq!(world.rows("t", 1).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_letters_that_we_would_not_write_is_refused_and_a_row_by_it_never_missed() {
    const ID: &str = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
    for (declared, bad, good) in [
        ("DATETIME", "2024-01-01T10:00:00", "2024-01-01 10:00:00"),
        ("DATETIME", "2024-01-01 10:00:00.000000", "2024-01-01 10:00:00"),
        ("TIMESTAMPTZ", "2024-01-01 12:00:00+02:00", "2024-01-01 10:00:00+00:00"),
        ("TIME", "10:00:00.50", "10:00:00.5"),
        ("INTERVAL", "PT60M", "PT1H"),
        ("UUID", &ID.to_uppercase(), ID),
        ("DECIMAL_TEXT(10,2)", "5", "5.00"),
        ("UNSIGNED_TEXT(20)", "007", "7"),
    ] {
        let world =
            World::new(&format!("CREATE TABLE t (k {declared} NOT NULL, v {declared}, PRIMARY KEY (k))"));
        let mut follower = world.follow(&["t"]).await;
        let db = world.writer();
        // In a column that is not of the key the letters do not matter.
        db.execute_batch(&format!("INSERT INTO t VALUES ('{good}', '{bad}')")).unwrap();
        follower.changes(1).await;
        assert_eq!(world.rows("t", 10).await.unwrap().len(), 1, "{declared}");
        db.execute_batch(&format!("UPDATE t SET k = '{bad}'")).unwrap();
        let of_stream = follower.step().await.unwrap_err();
        let of_snapshot = world.rows("t", 10).await.unwrap_err();
        for error in [of_stream, of_snapshot] {
            let found = (error.kind, error.code);
            assert_eq!(found, (tidelock_endpoint::ErrorKind::Row, "TL-SQLITE-KEY-TEXT"), "{error}");
            for word in ["table t", "column k", declared, bad, good] {
                assert!(error.message.contains(word), "{word} in {}", error.message);
            }
            // What to do is a statement that does it.
            db.execute_batch(error.hint.as_deref().unwrap().split_once("; or").unwrap().0).unwrap();
        }
        assert_eq!(world.rows("t", 10).await.unwrap().len(), 1, "{declared}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_only_the_keys_index_tells_apart_are_all_in_a_snapshot() {
    // Each row is a step of a reader.
    let world = World::new(
        "CREATE TABLE t (k TEXT COLLATE NOCASE NOT NULL, n INTEGER NOT NULL, b, PRIMARY KEY (k COLLATE BINARY, n));
         INSERT INTO t SELECT k, n, zeroblob(1200000) FROM (SELECT 'A' AS k UNION SELECT 'a' UNION SELECT 'b'), (SELECT 1 AS n UNION SELECT 2)",
    );
    for chunk in [1, 2, 100] {
        assert_eq!(world.rows("t", chunk).await.unwrap().len(), 6, "{chunk} rows a chunk");
    }
}

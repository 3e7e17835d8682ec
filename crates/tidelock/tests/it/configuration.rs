use crate::support::Place;

#[test]
fn a_missing_configuration_says_how_to_get_one() {
    insta::assert_snapshot!(Place::new().run(&["check"]).transcript(), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: tidelock.yaml: the configuration cannot be read: No such file or directory (os error 2) (TL-CFG-READ)
      hint: name another with --config FILE, or let `tidelock init FROM_URL TO_URL` write one
    "#);
}

#[test]
fn every_command_with_a_configuration_refuses_a_faulty_one_with_2() {
    let place = Place::with_config("endpoints: {}\nnonsense: 1\n");
    for command in
        [&["check"][..], &["plan"], &["sync"], &["run"], &["status"], &["verify", "x"], &["cleanup"]]
    {
        let ran = place.run(command);
        assert_eq!(ran.code, 2, "{command:?}: {}", ran.transcript());
        assert!(ran.err.contains("unknown key `nonsense`"), "{command:?}: {}", ran.transcript());
        assert!(!place.path("tidelock-state").exists(), "{command:?} touched something");
    }
}

#[test]
fn mistakes_are_told_together_with_their_lines() {
    let place = Place::with_config(
        "endpoints:
  shop: postgres://sync:${SHOP_PASSWORD}@127.0.0.1:5432/shop
  crm: mysql://sync:s3cr3t@127.0.0.1:3306/crm
jobs:
  shop-to-crm:
    sorce: shop
    target: cmr
    tabels: all
    batch_size: 0
",
    );
    let ran = place.command(&["check"]).env_remove("SHOP_PASSWORD").output().unwrap();
    insta::assert_snapshot!(crate::support::Ran::of(ran, &place.path("")).transcript(), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: tidelock.yaml has 5 mistakes

      tidelock.yaml:2:9  endpoints.shop
        the variable SHOP_PASSWORD is set neither in the environment nor in .env (TL-CFG-VARIABLE)
        allowed: `${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`

      tidelock.yaml:6:5  jobs.shop-to-crm.sorce
        unknown key `sorce` (TL-CFG-UNKNOWN-KEY)
        did you mean `source`?
        allowed: batch_size, between, capture, conflicts, delivery, schema_changes, source, tables, target, types

      tidelock.yaml:7:13  jobs.shop-to-crm.target
        there is no endpoint `cmr` (TL-CFG-NO-ENDPOINT)
        did you mean `crm`?
        allowed: the names of `endpoints`: shop, crm

      tidelock.yaml:8:5  jobs.shop-to-crm.tabels
        unknown key `tabels` (TL-CFG-UNKNOWN-KEY)
        did you mean `tables`?
        allowed: batch_size, between, capture, conflicts, delivery, schema_changes, source, tables, target, types

      tidelock.yaml:9:17  jobs.shop-to-crm.batch_size
        found `0` (TL-CFG-VALUE)
        allowed: a whole number from 1 to 100000
    "#);
}

#[test]
fn mistakes_are_an_object_for_machines() {
    let ran = Place::with_config("jobs: {}\n").run(&["check", "--json"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.is_empty(), "{}", ran.transcript());
    let [error] = &ran.json()[..] else { panic!("{}", ran.transcript()) };
    assert_eq!(error["error"]["code"], "TL-CFG");
    let faults = error["error"]["faults"].as_array().unwrap();
    let codes: Vec<_> =
        faults.iter().map(|f| (f["path"].as_str().unwrap(), f["line"].as_u64().unwrap())).collect();
    assert_eq!(codes, [("endpoints", 1), ("jobs", 1)]);
}

#[test]
fn variables_come_from_a_file_beside_the_configuration_and_the_environment_wins() {
    let place = Place::with_config(
        "endpoints: {aa: 'sqlite:a.db', bb: 'sqlite:b.db'}\njobs: {one: {source: '${FROM}', target: bb}}\n",
    );
    place.write(".env", "FROM=nowhere\n");
    let ran = place.run(&["status"]);
    assert!(ran.err.contains("`${FROM}`, which holds a variable"), "{}", ran.transcript());
    let output = place.command(&["status"]).env("FROM", "aa").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_broken_env_file_is_told_without_its_text() {
    let place = Place::with_config("endpoints: {}\njobs: {}\n");
    place.write(".env", "A=1\nthis is 's3cr3t\n");
    let ran = place.run(&["status"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains(".env") && !ran.err.contains("s3cr3t"), "{}", ran.transcript());
}

#[test]
fn a_job_that_is_not_there_is_told_with_the_nearest() {
    let place = Place::with_config(
        "endpoints: {aa: 'sqlite:a.db', bb: 'sqlite:b.db'}\njobs: {shop-to-crm: {source: aa, target: bb}}\n",
    );
    let ran = place.run(&["verify", "shop-to-cmr"]);
    assert_eq!(ran.code, 2, "{}", ran.transcript());
    assert!(ran.err.contains("did you mean `shop-to-crm`?"), "{}", ran.transcript());
}

#[test]
fn a_capture_that_the_source_cannot_offer_is_refused_before_connecting() {
    let place = Place::with_config(
        "endpoints: {aa: 'sqlite:a.db', bb: 'sqlite:b.db'}\njobs: {one: {source: aa, target: bb, capture: log}}\n",
    );
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, 2, "{}", ran.transcript());
    assert!(
        ran.err.contains("TL-CFG-CAPTURE") && ran.err.contains("allowed: trigger"),
        "{}",
        ran.transcript()
    );
}

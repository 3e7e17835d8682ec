use crate::support::Place;

#[test]
fn help_is_the_map() {
    insta::assert_snapshot!(Place::new().run(&["--help"]).transcript(), @r#"
    exit code 0
    --- stdout
    Keeps databases in step, one way or both ways, and proves that they are

    Usage: tidelock [OPTIONS] <COMMAND>

    Commands:
      demo         Show the product: two SQLite databases, a two-way job, and a writer that changes both
      copy         Copy every table from one database into another; no configuration needed
      init         Write a commented tidelock.yaml for two databases, from what is really there
      check        Connect and list every unmet precondition, each with the statement that mends it
      plan         Show what a run would create or change, touching nothing
      sync         Copy what was never copied, apply everything committed until now, and exit
      run          Keep all jobs running until stopped
      status       Show how the jobs are
      verify       Compare both sides of a job row by row; exit code 1 when they differ
      cleanup      Show, and with --yes remove, all that tidelock put into the databases
      schema       Print the JSON schema of the configuration
      completions  Print the completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  The configuration [default: ./tidelock.yaml]
          --json           Print JSON, one object a line, for machines
      -v, --verbose...     Log more to standard error: -vv in detail, -vvv everything (RUST_LOG says it exactly)
      -h, --help           Print help
      -V, --version        Print version

    Begin with `tidelock demo`, which needs no server, or `tidelock copy FROM_URL TO_URL`, which needs no configuration.
    URLs: postgres://user:password@host:5432/database, mysql://… (MySQL and MariaDB), sqlite:./file.db
    Exit codes: 0 done, 1 failed, 2 used wrongly.
    --- stderr
    "#);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [
        &["nonsense"][..],
        &[],
        &["copy", "only-one"],
        &["verify"],
        &["demo", "--seconds", "0"],
        &["sync", "--tables", "a"],
        &["completions", "no-shell"],
    ] {
        let ran = Place::new().run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.transcript());
        assert!(ran.out.is_empty(), "{}", ran.transcript());
    }
}

#[test]
fn asking_for_help_or_version_ends_with_0() {
    for arguments in [&["--help"][..], &["sync", "--help"], &["--version"], &["help", "copy"]] {
        Place::new().run(arguments).done();
    }
}

#[test]
fn the_schema_is_json_and_knows_the_jobs() {
    let ran = Place::new().run(&["schema"]).done();
    let schema: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(schema["title"], "tidelock.yaml");
    assert_eq!(schema["properties"]["jobs"]["type"], "object");
    assert!(!ran.out.contains("x-later"), "notes for the reader are not published");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = Place::new().run(&["completions", shell]).done();
        assert!(ran.out.contains("cleanup"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_crash() {
    use std::process::Stdio;
    let place = Place::new();
    let mut child = place.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_url_without_an_engine_is_used_wrongly_and_shows_no_password() {
    let ran = Place::new().run(&["copy", "postgrs://u:s3cr3t@h/d", "mongodb://u:s3cr3t@h/d"]);
    insta::assert_snapshot!(ran.transcript(), @r#"
    exit code 2
    --- stdout
    --- stderr
    error: FROM_URL: there is no engine for URLs that begin with postgrs: (did you mean postgres?); TO_URL: mongodb is not supported in this version (TL-CFG-SCHEME)
      hint: allowed: postgres://user:password@host:5432/database, mysql://… (MySQL and MariaDB), sqlite:./file.db
    "#);
}

#[test]
fn copying_a_database_onto_itself_is_refused() {
    let ran = Place::new().run(&["copy", "sqlite:a.db", "sqlite:a.db"]);
    assert_eq!(ran.code, 2, "{}", ran.transcript());
    assert!(ran.err.contains("are one database"), "{}", ran.transcript());
}

#[test]
fn a_wrong_command_line_is_json_for_machines() {
    let ran = Place::new().run(&["sync", "--json", "--ful"]);
    let error = ran.json().pop().unwrap()["error"].clone();
    assert_eq!((ran.code, error["code"].as_str()), (2, Some("TL-CLI-USAGE")), "{}", ran.transcript());
    assert!(error["message"].as_str().unwrap().contains("'--ful'"), "{}", ran.transcript());
    assert!(error["hint"].as_str().unwrap().contains("'--full'"), "{}", ran.transcript());
}

#[test]
fn init_never_overwrites_a_file() {
    let place = Place::with_config("# mine\n");
    let ran = place.run(&["init", "sqlite:a.db", "sqlite:b.db"]);
    assert_eq!(ran.code, 2, "{}", ran.transcript());
    assert!(ran.err.contains("is there already"), "{}", ran.transcript());
    assert_eq!(std::fs::read_to_string(place.path("tidelock.yaml")).unwrap(), "# mine\n");
}

#[test]
fn a_demo_keeps_out_of_a_directory_with_files() {
    let place = Place::with_config("# mine\n");
    let ran = place.run(&["demo", "--keep", "."]);
    assert_eq!(ran.code, 2, "{}", ran.transcript());
    assert!(!place.path("shop.db").exists());
}

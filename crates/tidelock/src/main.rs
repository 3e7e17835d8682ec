//! The tidelock binary: command line, configuration, and what people see. The work is done by `tidelock-sync`; the engines are
//! listed in `registry` and nowhere else.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod app;
mod cli;
mod commands;
mod config;
mod demo;
#[cfg(test)]
mod reference;
mod registry;
mod ui;

use clap::Parser;
use cli::{Cli, Global};
use commands::Outcome;
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use ui::{Failure, Ui, Usage};

fn main() -> ExitCode {
    // Two providers are in the tree: one is named, before anything else asks for one.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        ui::say("error: another TLS provider was installed first (TL-CLI-TLS)");
        return ExitCode::FAILURE;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && std::env::args_os().any(|a| a == "--json") => {
            return failed(Ui { json: true }, &Usage::of(&error).into());
        }
        Err(error) => error.exit(),
    };
    start_log(&cli.global);
    let ui = Ui { json: cli.global.json };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(ui, &anyhow::Error::new(error).context("starting the runtime (TL-CLI-RUNTIME)"));
        }
    };
    let cancel = CancellationToken::new();
    let done = runtime.block_on(async {
        tokio::spawn(stop_when_asked(cancel.clone()));
        commands::run(cli, ui, &cancel).await
    });
    // A connection that does not close must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match done {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Unmet) => ExitCode::FAILURE,
        Err(error) => failed(ui, &error),
    }
}

fn failed(ui: Ui, error: &anyhow::Error) -> ExitCode {
    let failure = Failure::of(error);
    ui.failure(&failure);
    ExitCode::from(failure.exit)
}

fn start_log(global: &Global) {
    let level = match global.verbose {
        // What runs also tells its observer of stops and retries, which the progress shows.
        0 => "warn,tidelock_sync::running=off,tidelock_sync::context=off,tidelock_journal::shared=off",
        1 => "info",
        2 => "tidelock=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

/// The first Ctrl-C (or termination) stops cleanly, the second at once.
async fn stop_when_asked(cancel: CancellationToken) {
    asked_to_stop().await;
    cancel.cancel();
    ui::say("stopping; once more stops at once");
    asked_to_stop().await;
    std::process::exit(130);
}

#[cfg(unix)]
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

//! `cargo x lab`: the servers, from the command line.

use anyhow::Result;
use clap::{Args, Subcommand};
use tidelock_testkit::{Kind, lab};

/// What to do with the lab.
#[derive(Subcommand)]
pub enum Command {
    /// Get and start the servers; those that run already are left as they are
    Up(Which),
    /// Stop the servers and remove their data
    Down,
    /// Say which servers run and whether they answer
    Status,
    /// Print the environment that names the servers, for `eval "$(cargo x lab env)"`
    Env,
}

/// Which servers.
#[derive(Args)]
pub struct Which {
    /// Only these kinds, such as postgres18,mysql97
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    only: Vec<Kind>,
}

/// Carries it out.
pub fn run(command: &Command) -> Result<()> {
    match command {
        Command::Up(which) => {
            let kinds = if which.only.is_empty() { &Kind::SERVERS[..] } else { &which.only };
            for server in lab::up(kinds)? {
                println!("{:12} {}", server.kind.name(), server.url);
            }
            println!("tests find these by themselves; for other programs: eval \"$(cargo x lab env)\"");
        }
        Command::Down => match lab::down()?.as_slice() {
            [] => println!("no server was running"),
            kinds => {
                println!("stopped {}", kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "))
            }
        },
        Command::Status => {
            let servers = lab::status()?;
            if servers.is_empty() {
                println!("no server runs; `cargo x lab up` starts them");
            }
            for (server, answers) in servers {
                let state = if answers { "answers" } else { "does not answer" };
                println!("{:12} {:16} {}  {}", server.kind.name(), state, server.url, server.version);
            }
        }
        Command::Env => {
            let servers: Vec<_> = lab::status()?.into_iter().map(|(server, _)| server).collect();
            for (name, value) in lab::variables(&servers) {
                println!("export {name}='{value}'");
            }
        }
    }
    Ok(())
}

//! The command line: one file per family of commands. `demo` and `serve` become the switch; `init`, `check`, `flow` and
//! `route` work on a project's files; the others ask a running switch over its HTTP API.
//!
//! Exit codes: 0 ok, 1 a check or a request failed, 2 wrong usage or a file that cannot be used (configuration, flows,
//! prompts), 3 server not reachable.

mod admission;
mod calls;
mod centre;
mod client;
mod control;
mod flow_explore;
mod flow_publish;
mod flow_replay;
mod flow_test;
mod flow_try;
mod flows;
mod live;
mod output;
mod people;
mod plan;
mod project;
mod prompts;
mod route;
mod start;
mod stats;
#[cfg(test)]
mod tests;
mod trunks;

use clap::{Parser, Subcommand};
use output::Format;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "hotline", version, about = "A SIP/RTP softswitch with IVR for customer-service hotlines")]
#[command(
    after_help = "Without a command: `serve` where there is a hotline.yaml, `demo` where there is none.\nExit codes: 0 ok, 1 a check or a request failed, 2 wrong usage or a file that cannot be used, 3 no switch is reachable."
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(clap::Args, Clone)]
struct Common {
    /// Folder with hotline.yaml, ivr-flows and prompts
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Folder for the database, recordings and tokens
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// table, json or csv; a table on a terminal and json elsewhere unless told
    #[arg(short, long, global = true, value_name = "FORMAT")]
    output: Option<Format>,
    /// Address of the running switch, such as http://127.0.0.1:8080
    #[arg(long, global = true, value_name = "URL", env = "HOTLINE_URL")]
    url: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the demo: built-in numbers, agents and flows, on loopback
    Demo(start::DemoArgs),
    /// Run a project
    Serve(start::ServeArgs),
    /// Make a project to start from
    Init(project::InitArgs),
    /// Check hotline.yaml, flows and prompts
    Check(flows::CheckArgs),
    /// Work on flows
    #[command(subcommand)]
    Flow(flows::FlowCommand),
    /// Recordings of prompts: which are there, which are to be made
    #[command(subcommand)]
    Prompt(prompts::PromptCommand),
    /// Say where a number leads
    #[command(subcommand)]
    Route(route::RouteCommand),
    /// Show the state of the running switch
    Status(control::StatusArgs),
    /// Calls, in progress and ended
    #[command(subcommand)]
    Call(calls::CallCommand),
    /// Projects, with today's figures
    #[command(subcommand)]
    Project(centre::ProjectCommand),
    /// Queues
    #[command(subcommand)]
    Queue(people::QueueCommand),
    /// Agents
    #[command(subcommand)]
    Agent(people::AgentCommand),
    /// Trunks
    #[command(subcommand)]
    Trunk(trunks::TrunkCommand),
    /// Who holds how much of all calls
    Admission,
    /// Calls refused in the last hour, by reason, and what would have let them in
    Refusals,
    /// Addresses that are not listened to
    #[command(subcommand)]
    Bans(admission::BansCommand),
    /// How many lines or agents a traffic needs
    Plan(plan::PlanArgs),
    /// Switches of flows
    #[command(subcommand)]
    Live(live::LiveCommand),
    /// What flows have sent, filed and recorded
    #[command(subcommand)]
    Outbox(live::OutboxCommand),
    /// Call records
    #[command(subcommand)]
    Cdr(calls::CdrCommand),
    /// Statistics of what callers did
    #[command(subcommand)]
    Stats(stats::StatsCommand),
    /// Refuse new calls, let running ones go on
    Drain(control::DrainArgs),
    /// Take changed configuration, flows and prompts
    Reload,
    /// End all calls and stop
    Stop,
    /// Wait until the switch takes calls
    WaitReady(control::WaitArgs),
    /// Exit 0 when the switch lives
    Healthcheck,
}

/// Reads the arguments and does what they say.
pub fn run() -> ExitCode {
    // Usage errors end here with code 2, `--help` and `--version` with 0.
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.code()
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let common = &cli.common;
    let done = match cli.command {
        None => return start::by_folder(common),
        Some(Command::Demo(args)) => return start::demo(common, args),
        Some(Command::Serve(args)) => return start::serve(common, args),
        Some(Command::Init(args)) => project::init(&args),
        Some(Command::Check(args)) => return flows::check(common, &args),
        Some(Command::Flow(command)) => return flows::run(common, &command),
        Some(Command::Prompt(command)) => return prompts::prompt(common, &command),
        Some(Command::Route(command)) => route::route(common, &command),
        Some(Command::Status(args)) => control::status(common, &args),
        Some(Command::Call(command)) => calls::call(common, &command),
        Some(Command::Project(command)) => centre::project(common, &command),
        Some(Command::Queue(command)) => people::queue(common, &command),
        Some(Command::Agent(command)) => people::agent(common, &command),
        Some(Command::Trunk(command)) => trunks::trunk(common, &command),
        Some(Command::Admission) => admission::admission(common),
        Some(Command::Refusals) => admission::refusals(common),
        Some(Command::Bans(command)) => admission::bans(common, &command),
        Some(Command::Plan(args)) => plan::plan(common, &args),
        Some(Command::Live(command)) => live::live(common, &command),
        Some(Command::Outbox(command)) => live::outbox(common, &command),
        Some(Command::Cdr(command)) => calls::cdr(common, &command),
        Some(Command::Stats(command)) => stats::stats(common, &command),
        Some(Command::Drain(args)) => control::drain(common, &args),
        Some(Command::Reload) => control::ask(common, "/api/v1/reload"),
        Some(Command::Stop) => control::ask(common, "/api/v1/stop"),
        Some(Command::WaitReady(args)) => control::wait_ready(common, &args),
        Some(Command::Healthcheck) => control::healthcheck(common),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Why a command did not do what it was asked, and whose turn it is.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The switch said no, or a check found something.
    Failed(String),
    /// Arguments or files are wrong.
    Usage(String),
    Unreachable(String),
    /// Nobody reads our output any more: `| head` has seen enough.
    Unread,
}

impl Failure {
    fn code(&self) -> ExitCode {
        match self {
            Failure::Unread => ExitCode::SUCCESS,
            Failure::Failed(_) => ExitCode::from(1),
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Unreachable(_) => ExitCode::from(3),
        }
    }

    fn print(&self) {
        match self {
            Failure::Unread => {}
            Failure::Failed(text) | Failure::Usage(text) | Failure::Unreachable(text) => eprintln!("hotline: {text}"),
        }
    }
}

impl From<std::io::Error> for Failure {
    /// Of writing to standard output.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Failed(format!("cannot write the answer: {error}")),
        }
    }
}

//! The switch as a whole: its state, readiness, drain, reload and stop.

use super::client::Client;
use super::output::{self, Format};
use super::{Common, Failure};
use crate::config::parse_duration;
use serde_json::Value;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(super) struct StatusArgs {
    /// Print a link that logs a browser in, once, within 15 minutes
    #[arg(long)]
    login: bool,
}

#[derive(clap::Args)]
pub(super) struct DrainArgs {
    /// Take new calls again
    #[arg(long)]
    off: bool,
}

#[derive(clap::Args)]
pub(super) struct WaitArgs {
    /// How long to wait, as 30s or 2m
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
}

const STATUS: [&str; 11] = [
    "state",
    "mode",
    "version",
    "bundle",
    "config",
    "uptime_s",
    "calls",
    "max_calls",
    "calls_total",
    "listen",
    "alarms",
];

/// For one look at a switch that may be starting.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn status(common: &Common, args: &StatusArgs) -> Result<(), Failure> {
    let client = Client::of(common)?;
    if args.login {
        let answer = parse(&client.send("POST", "/api/v1/login", None)?)?;
        let path = answer["login"].as_str().unwrap_or_default();
        return output::write(&format!("http://{}{path}\n", client.address()));
    }
    let text = client.get("/api/v1/status")?;
    output::print_one(Format::or_fitting(common.output), &text, &parse(&text)?, &STATUS)
}

/// A request without a body; prints what was done.
pub(super) fn ask(common: &Common, path: &str) -> Result<(), Failure> {
    done(common, &Client::of(common)?.send("POST", path, None)?)
}

pub(super) fn drain(common: &Common, args: &DrainArgs) -> Result<(), Failure> {
    let method = if args.off { "DELETE" } else { "POST" };
    done(common, &Client::of(common)?.send(method, "/api/v1/drain", None)?)
}

/// The sentence of a `done` answer.
pub(super) fn done(common: &Common, text: &str) -> Result<(), Failure> {
    match Format::or_fitting(common.output) {
        Format::Json => output::write(&format!("{}\n", text.trim_end())),
        Format::Table | Format::Csv => {
            let answer = parse(text)?;
            let mut lines = format!("{}\n", output::field(&answer, "done"));
            for (key, what) in [("taken", "changed"), ("needs_restart", "needs a restart")] {
                let parts: Vec<&str> = answer[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                if !parts.is_empty() {
                    lines.push_str(&format!("{what}: {}\n", parts.join(", ")));
                }
            }
            for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                lines.push_str(&format!("{}\n", output::plain_lines(warning)));
            }
            output::write(&lines)
        }
    }
}

pub(super) fn healthcheck(common: &Common) -> Result<(), Failure> {
    Client::of(common)?.get("/healthz").map(drop)
}

pub(super) fn wait_ready(common: &Common, args: &WaitArgs) -> Result<(), Failure> {
    let client = Client::of(common)?;
    let start = Instant::now();
    loop {
        // An octet at least must come within what is left; a limit of zero would mean none.
        let left = args.timeout.saturating_sub(start.elapsed()).clamp(LOOK, PATIENCE);
        let last = match client.request_within(left, "GET", "/readyz", None) {
            Ok(answer) if answer.status == 200 => return Ok(()),
            Ok(answer) => match answer.text() {
                Err(error) => error,
                Ok(_) => Failure::Failed("the switch is not ready".into()),
            },
            Err(error) => error,
        };
        if start.elapsed() >= args.timeout {
            return Err(match last {
                Failure::Unreachable(text) => Failure::Unreachable(text),
                _ => Failure::Failed("the switch is up and takes no calls: it is starting or draining".into()),
            });
        }
        std::thread::sleep(LOOK);
    }
}

pub(super) fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|_| Failure::Failed("what answers there is not this program's API".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_switch_that_drains_is_there_and_not_ready() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"state\":\"draining\"}").unwrap();
        });
        let common = Common { project: "/nowhere".into(), state: None, output: None, url: Some(url) };
        let said = wait_ready(&common, &WaitArgs { timeout: Duration::ZERO });
        assert!(matches!(&said, Err(Failure::Failed(text)) if text.contains("takes no calls")), "{said:?}");
    }
}

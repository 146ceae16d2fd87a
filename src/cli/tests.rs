//! The arguments that scripts rely on.

use super::*;
use clap::CommandFactory;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_definition_of_the_arguments_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_contract_that_exists_is_taken() {
    for line in [
        "hotline",
        "hotline demo --sip-port 5070 --http-port 8090 --state /tmp/s",
        "hotline serve -c hotline.yaml",
        "hotline init folder",
        "hotline check --project p --json",
        "hotline flow check ivr-flows/power.flow.yaml ivr-flows --json",
        "hotline route explain 95598 --from 127.0.0.1",
        "hotline status -o json",
        "hotline call list -o csv",
        "hotline call show 1a2b",
        "hotline call hangup 1a2b",
        "hotline call transfer 1a2b 1002",
        "hotline queue list",
        "hotline queue show service",
        "hotline agent list -o table",
        "hotline agent show 1001",
        "hotline agent set 1001 not_ready --reason lunch",
        "hotline agent set 1001 ready",
        "hotline agent wrap-up 1001 --extend 1m",
        "hotline queue explain 1a2b --lang zh",
        "hotline agent explain 1001",
        "hotline agent dispose 1001 billing/refund",
        "hotline cdr export --format jsonl",
        "hotline cdr export --format csv --since 24h --state s",
        "hotline stats queue",
        "hotline stats queue service --since 7d --by day -o csv",
        "hotline stats agent --since 2026-03-08 --until 2026-03-09 --by hour",
        "hotline stats project all",
        "hotline drain",
        "hotline drain --off",
        "hotline reload --url http://127.0.0.1:8090",
        "hotline stop",
        "hotline wait-ready --timeout 5s",
        "hotline healthcheck",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn wrong_usage_is_code_2() {
    for line in
        ["hotline fly", "hotline demo --sip-port 0", "hotline agent set 1001 asleep", "hotline wait-ready --timeout 5"]
    {
        let Err(error) = parse(line) else { panic!("{line} was taken") };
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let gone = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    assert_eq!(gone, Failure::Unread);
}

//! `demo` and `serve`: this process becomes the switch.

use super::{Common, Failure};
use crate::config::{Config, DemoEnv, FILE_NAME, Secret, embedded};
use crate::serve;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// From the usual port of HTTP (8080) to that of HTTPS (8443).
const WSS_ABOVE_HTTP: u16 = 363;

#[derive(clap::Args)]
pub(super) struct DemoArgs {
    /// Port for SIP over UDP and TCP
    #[arg(long, env = "HOTLINE_SIP_PORT", default_value_t = 5060, value_parser = clap::value_parser!(u16).range(1..))]
    sip_port: u16,
    /// Port for the API and the status page
    #[arg(long, env = "HOTLINE_HTTP_PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    http_port: u16,
    /// Port for SIP over TLS; the one above the SIP port unless told
    #[arg(long, env = "HOTLINE_TLS_PORT", value_parser = clap::value_parser!(u16).range(1..))]
    tls_port: Option<u16>,
    /// Port for SIP over secure WebSocket (browsers); 363 above the HTTP port unless told, which makes 8443 of 8080
    #[arg(long, env = "HOTLINE_WSS_PORT", value_parser = clap::value_parser!(u16).range(1..))]
    wss_port: Option<u16>,
    /// Address to listen on; anything but loopback lets others on the network register
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
}

#[derive(clap::Args)]
pub(super) struct ServeArgs {
    /// The configuration; hotline.yaml of the project folder unless told
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// `hotline` alone: what the folder is for.
pub(super) fn by_folder(common: &Common) -> Result<ExitCode, Failure> {
    let file = common.project.join(FILE_NAME);
    if file.exists() {
        eprintln!("hotline: found {}: doing what `hotline serve -c {0}` does", file.display());
        return serve(common, ServeArgs { config: None });
    }
    // Only to let clap read the environment and its defaults.
    let args = <DemoCommand as clap::Parser>::try_parse_from(["demo"]);
    let args = args.map_err(|error| Failure::Usage(error.to_string()))?;
    demo(common, args.args)
}

#[derive(clap::Parser)]
struct DemoCommand {
    #[command(flatten)]
    args: DemoArgs,
}

pub(super) fn demo(common: &Common, args: DemoArgs) -> Result<ExitCode, Failure> {
    let env = DemoEnv {
        secret: variable("HOTLINE_DEMO_SECRET")?.map(Secret::new),
        bind: args.bind,
        sip_port: args.sip_port,
        http_port: args.http_port,
        state_dir: state(common),
    };
    let mut demo = Config::demo(env).map_err(|error| {
        Failure::Usage(format!(
            "cannot keep the demo's password: {error}; name a folder to write to with `--state DIR`"
        ))
    })?;
    let tls_port = args.tls_port.or(args.sip_port.checked_add(1));
    let wss_port = args.wss_port.or(args.http_port.checked_add(WSS_ABOVE_HTTP));
    let (Some(tls_port), Some(wss_port)) = (tls_port, wss_port) else {
        return Err(Failure::Usage("no port is left for TLS: name them with `--tls-port` and `--wss-port`".into()));
    };
    demo.secure(tls_port, wss_port).map_err(|fault| Failure::Usage(fault.to_string()))?;
    // A password that was given is not repeated: it may be in a log for ever.
    let password = match &demo.secret_file {
        Some(file) => format!("password {} (kept in {})", demo.secret.expose(), file.display()),
        None => "the password of HOTLINE_DEMO_SECRET".into(),
    };
    let (sip, realm) = (format!("{}:{}", host(args.bind), args.sip_port), &demo.config.realm);
    let welcome = vec![
        format!("agents' phones: server {sip}, user 1001 to 1004, {password} (realm {realm})"),
        format!(
            "browsers' phones: wss://{0}:{wss_port} (open https://{0}:{wss_port} once, as its certificate is made by itself)",
            host(args.bind)
        ),
        format!("to change flows: {}", embedded::BUILT_IN),
        format!("call the hotline: sip:95598@{sip}   music: 9193   echo: 9196   tone: 9197   an agent: 9000"),
    ];
    launch(common, demo.config, welcome)
}

fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

pub(super) fn serve(common: &Common, args: ServeArgs) -> Result<ExitCode, Failure> {
    let file = args.config.unwrap_or_else(|| common.project.join(FILE_NAME));
    let config =
        Config::load(&file).map_err(|error| Failure::Usage(format!("{} cannot be used\n{error}", file.display())))?;
    for warning in &config.warnings {
        eprintln!("{warning}");
    }
    launch(common, config, Vec::new())
}

fn launch(common: &Common, config: Config, welcome: Vec<String>) -> Result<ExitCode, Failure> {
    let (admin_token, state_dir) = (variable("HOTLINE_ADMIN_TOKEN")?, common.state.clone());
    Ok(serve::run(config, serve::Options { admin_token, state_dir, welcome }))
}

fn state(common: &Common) -> PathBuf {
    common.state.clone().unwrap_or_else(|| common.project.join("state"))
}

/// A variable of the environment; an empty one is none. `NAME_FILE` names a file that has the value instead.
pub(super) fn variable(name: &str) -> Result<Option<String>, Failure> {
    if let Some(given) = std::env::var(name).ok().filter(|value| !value.is_empty()) {
        return Ok(Some(given));
    }
    let Some(file) = std::env::var_os(format!("{name}_FILE")).filter(|file| !file.is_empty()) else { return Ok(None) };
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_string())),
        Err(error) => Err(Failure::Usage(format!("{name}_FILE: cannot read {}: {error}", file.display()))),
    }
}

//! Who may know whom: the import table of the house, held over every `use crate::` and `crate::` path in `src/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder (or file) → what of the crate it may name.
fn table() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("ids", &[][..]),
        ("timers", &[]),
        ("source", &[]),
        ("stun", &[]),
        ("test_folder", &[]),
        ("events", &["ids"]),
        ("sip", &["ids", "timers"]),
        ("sdp", &["ids", "timers"]),
        ("ivr", &["ids", "timers", "events", "source"]),
        ("acd", &["ids", "timers", "events"]),
        ("admission", &["ids", "timers", "events"]),
        ("cdr", &["ids", "timers", "events"]),
        ("registrar", &["ids", "timers", "events", "sip::message::uri"]),
        ("routing", &["ids", "timers", "events", "sip::message::uri"]),
        ("trunks", &["ids", "timers", "events", "sip"]),
        ("call", &["ids", "timers", "events", "sip", "sdp", "media::command"]),
        (
            "switch",
            &[
                "ids",
                "timers",
                "events",
                "sip",
                "sdp",
                "call",
                "ivr",
                "acd",
                "registrar",
                "routing",
                "trunks",
                "admission",
                "cdr",
                "media::command",
                "media::clip",
            ],
        ),
        ("media", &["ids", "sdp", "events::media", "stun"]),
        ("recording", &["ids", "sdp", "media"]),
        ("net", &["ids", "events", "admission", "sip", "stun"]),
        ("http_client", &["net"]),
        (
            "config",
            &[
                "ids",
                "events",
                "acd",
                "admission",
                "registrar",
                "routing",
                "trunks",
                "ivr",
                "sip",
                "source",
                "switch",
                "net::tls",
                "http_client",
            ],
        ),
        ("store", &["ids", "events", "cdr"]),
        ("api", &["ids", "events", "admission", "cdr", "store", "switch"]),
    ])
}

/// `serve`, `cli` and `main` join everything and may name anything.
const FREE: [&str; 4] = ["serve", "cli", "main", "lib"];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            found.push(entry);
        }
    }
}

/// Every crate path that a source file names, without comments and doc comments.
fn crate_paths(source: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let code: String = source.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    for (place, _) in code.match_indices("crate::") {
        if code[..place].ends_with('$') {
            continue;
        }
        let rest = &code[place + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut part = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => {
                        paths.push(std::mem::take(&mut part).trim().to_string());
                        continue;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                part.push(c);
            }
            paths.push(part.trim().to_string());
        } else {
            paths.push(rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect());
        }
    }
    paths.retain(|p| !p.is_empty());
    paths
}

#[test]
fn every_room_names_only_the_rooms_it_may_know() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let table = table();
    let mut wrong = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&root).unwrap();
        let room =
            inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_string();
        if FREE.contains(&room.as_str()) {
            continue;
        }
        let Some(allowed) = table.get(room.as_str()) else {
            wrong.push(format!("{}: `{room}` has no row in the import table", inside.display()));
            continue;
        };
        for path in crate_paths(&fs::read_to_string(file).unwrap()) {
            // Tests of any room may have a folder.
            let own = path == room || path.starts_with(&format!("{room}::")) || path.starts_with("test_folder::");
            if !own && !allowed.iter().any(|a| path == *a || path.starts_with(&format!("{a}::"))) {
                wrong.push(format!("{} names crate::{path}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "the import table is broken:\n{}", wrong.join("\n"));
    assert!(files.len() > 20, "found only {} source files", files.len());
}

#[test]
fn pure_rooms_have_no_clock_no_files_and_no_threads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for room in
        ["sip", "sdp", "ivr", "acd", "registrar", "routing", "trunks", "admission", "cdr", "call", "switch", "source"]
    {
        rust_files(&root.join(room), &mut files);
    }
    let outside =
        ["Instant::now", "SystemTime", "std::fs", "std::net::UdpSocket", "std::net::Tcp", "std::thread", "tokio::"];
    let mut wrong = Vec::new();
    for file in &files {
        let source = fs::read_to_string(file).unwrap();
        // A virtual clock needs a first instant, so tests may take one.
        let code = source.split("#[cfg(test)]").next().unwrap_or("");
        let is_test = file.to_string_lossy().contains("test");
        for word in outside.iter().filter(|w| !is_test && code.contains(**w)) {
            wrong.push(format!("{} uses {word}", file.strip_prefix(&root).unwrap().display()));
        }
    }
    assert!(wrong.is_empty(), "purity is broken:\n{}", wrong.join("\n"));
}

#[test]
fn outside_crates_are_named_in_their_one_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let homes = [
        ("rusqlite::", "store/"),
        ("sdp_types::", "sdp/"),
        ("hound::", ""),
        ("symphonia::", "media/audio_file"),
        ("saphyr_parser::", "source/"),
        ("axum::", "api/"),
        ("rustls::", "net/tls"),
        ("webpki::", "net/tls"),
        ("rcgen::", "net/tls"),
        ("rtc_dtls::", "media/handshake"),
        ("rtc_crypto::", "media/handshake"),
        ("rtc_shared::", "media/handshake"),
        ("tungstenite::", "net/ws"),
        ("domain::", "net/resolver"),
        ("httparse::", "net/ws"),
        ("hyper::", "http_client/mod"),
    ];
    let mut wrong = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&root).unwrap().to_string_lossy().to_string();
        let source = fs::read_to_string(file).unwrap();
        for (name, home) in homes {
            if source.contains(name) && !inside.starts_with(home) {
                wrong.push(format!("{inside} names {name}, whose home is {home}"));
            }
        }
        assert!(!source.contains("use rsip"), "{inside}: rsip is the oracle of tests, not a parser of the product");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

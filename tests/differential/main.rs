//! The own reader against those of two other stacks, `rsip` and `ezk-sip-types`, on generated messages of the plain subset
//! that all of them read, and reviewed lists of where each of the two is known to be wrong, with the clause that says who is
//! right. The lists are held both ways: a difference that is not listed fails, and so does an entry on which the two have
//! come to agree.
//!
//! `HOTLINE_FUZZ_CASES` sets the number of generated messages, `HOTLINE_FUZZ_SEED` the seed.

mod ezk;
mod rsip_stack;

use bytes::Bytes;
use hotline::sip::message::{HeaderName, Message, Method, UriRef};

/// What both readers say of a message, in words of neither.
#[derive(Debug, PartialEq, Eq, Default)]
struct Reading {
    method: String,
    uri_user: Option<String>,
    uri_host: String,
    uri_port: Option<u16>,
    via_transport: String,
    via_host: String,
    via_branch: Option<String>,
    from_tag: Option<String>,
    to_tag: Option<String>,
    call_id: String,
    cseq: u32,
    contact_user: Option<String>,
    contacts: usize,
    headers: usize,
    body: Vec<u8>,
}

fn ours(raw: &[u8]) -> Result<Reading, String> {
    let message = Message::parse(Bytes::copy_from_slice(raw)).map_err(|e| e.to_string())?;
    let uri = UriRef::parse(message.request_uri()).map_err(|e| e.to_string())?;
    let field = |e: hotline::sip::message::FieldError| e.to_string();
    let via = message.via().map_err(field)?;
    let contact = message.contact().map_err(field)?;
    Ok(Reading {
        method: message.method().to_string(),
        uri_user: uri.user().map(String::from),
        uri_host: uri.host().map(|h| h.to_string()).unwrap_or_default(),
        uri_port: uri.port(),
        via_transport: via.transport.to_string(),
        via_host: via.sent_by_host.to_string(),
        via_branch: via.branch.map(String::from),
        from_tag: message.from().map_err(field)?.tag().map(String::from),
        to_tag: message.to().map_err(field)?.tag().map(String::from),
        call_id: message.call_id().map_err(field)?.to_string(),
        cseq: message.cseq().map_err(field)?.number,
        contact_user: contact.parse_uri().map_err(|e| e.to_string())?.user().map(String::from),
        contacts: message.list(HeaderName::Contact).count(),
        headers: message.all_headers().count(),
        body: message.body().to_vec(),
    })
}

type Reader = fn(&[u8]) -> Result<Reading, String>;

fn agree_on_generated_messages(theirs: Reader) {
    let cases = from_env("HOTLINE_FUZZ_CASES", 2_000);
    let seed = from_env("HOTLINE_FUZZ_SEED", 0x0e11_5eed);
    let mut random = Random(seed | 1);
    for case in 0..cases {
        let raw = generated(&mut random);
        let (ours, theirs) = (ours(&raw), theirs(&raw));
        assert!(ours.is_ok(), "seed {seed} case {case}: {ours:?}\n{}", String::from_utf8_lossy(&raw));
        assert_eq!(ours, theirs, "seed {seed} case {case}\n{}", String::from_utf8_lossy(&raw));
    }
}

/// What is wrong with the other reading, the clause of RFC 3261 that says so, a line of a message that shows it, and what the
/// right reading is.
type Difference = (&'static str, &'static str, &'static str, fn(&Reading));

fn expect_differences(theirs: Reader, list: &[Difference]) {
    for (what, clause, line, right) in list {
        let raw = shown(line);
        let reading = ours(&raw).unwrap_or_else(|e| panic!("{what} ({clause}): {e}"));
        right(&reading);
        assert_ne!(Ok(reading), theirs(&raw), "the other has learned: {what}. Take it off the list");
    }
}

/// A message with that request line, or with that header line in front of its own of the same name.
fn shown(line: &str) -> Vec<u8> {
    let header = line.contains(": ") || line.contains(" :");
    let (start, extra) = if header { ("INVITE sip:u@h", format!("{line}\r\n")) } else { (line, String::new()) };
    let method = start.split(' ').next().unwrap_or_default();
    let own = |name: &str, own: &str| match line.starts_with(&format!("{name}:")) {
        true => String::new(),
        false => format!("{name}: {own}\r\n"),
    };
    let via = own("Via", "SIP/2.0/UDP h;branch=z9hG4bK1");
    let from = own("From", "<sip:a@b>;tag=1");
    let cseq = own("CSeq", &format!("1 {method}"));
    format!(
        "{start} SIP/2.0\r\n{extra}{via}{from}To: <sip:u@h>\r\nCall-ID: c\r\n{cseq}Contact: <sip:a@h>\r\n\
         Max-Forwards: 70\r\n\r\nv=0\r\n"
    )
    // Each char is one octet.
    .chars()
    .map(|c| c as u8)
    .collect()
}

/// A message of the plain kind: known methods, plain users, names and IPv4 hosts, one header a line.
fn generated(random: &mut Random) -> Vec<u8> {
    let methods =
        [Method::Invite, Method::Bye, Method::Cancel, Method::Options, Method::Register, Method::Info, Method::Refer];
    let method = &methods[random.below(methods.len())];
    let mut lines = vec![
        format!(
            "Via: SIP/2.0/{} {};branch=z9hG4bK{}",
            random.pick(&["UDP", "TCP", "TLS"]),
            random.host(),
            random.word()
        ),
        format!(
            "From: {}<sip:{}@{}>;tag={}",
            random.pick(&["", "\"A B\" ", "Caller "]),
            random.word(),
            random.host(),
            random.word()
        ),
        format!(
            "To: <sip:{}@{}>{}",
            random.word(),
            random.host(),
            if random.below(2) == 0 { String::new() } else { format!(";tag={}", random.word()) }
        ),
        format!("Call-ID: {}@{}", random.word(), random.host()),
        format!("CSeq: {} {method}", random.below(1 << 31)),
        format!("Contact: <sip:{}@{}>", random.word(), random.host()),
        "Max-Forwards: 70".to_string(),
    ];
    for _ in 0..random.below(6) {
        lines.push(format!("X-{}: {} {}", random.word(), random.word(), random.word()));
    }
    for n in (1..lines.len()).rev() {
        lines.swap(n, random.below(n + 1));
    }
    let body = if random.below(2) == 0 { String::new() } else { format!("v=0\r\ns={}\r\n", random.word()) };
    let port = if random.below(2) == 0 { String::new() } else { format!(":{}", 1 + random.below(65_535)) };
    format!(
        "{method} sip:{}@{}{port} SIP/2.0\r\n{}\r\nContent-Length: {}\r\n\r\n{body}",
        random.word(),
        random.host(),
        lines.join("\r\n"),
        body.len()
    )
    .into_bytes()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn word(&mut self) -> String {
        (0..3 + self.below(10)).map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[self.below(36)])).collect()
    }

    fn host(&mut self) -> String {
        match self.below(2) {
            0 => format!("192.0.2.{}", self.below(256)),
            _ => format!("{}.example.com", self.word()),
        }
    }
}

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

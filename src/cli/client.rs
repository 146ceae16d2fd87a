//! A small HTTP/1.1 client for the switch's own API: one request a connection, bounded in size and time.

use super::{Common, Failure};
use crate::config::{FILE_NAME, Reach};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(3);
/// Between two octets of an answer. The server gives up on a request after 10 s.
const SILENCE: Duration = Duration::from_secs(15);
const MAX_HEAD_LINE: u64 = 16 << 10;
const MAX_HEAD_LINES: usize = 100;
/// An answer that is held in memory. Exports are not.
const MAX_BODY: usize = 64 << 20;
const MAX_REFUSAL: usize = 1 << 20;

/// Where the switch is and what opens it.
pub(super) struct Client {
    address: String,
    /// Nobody named the address: no `--url`, no hotline.yaml.
    assumed: bool,
    token: Option<String>,
}

/// An answer's status and what follows.
pub(super) struct Answer {
    pub status: u16,
    body: Body,
}

impl Client {
    /// `--url`, else what hotline.yaml says, else the demo's port on this machine. The token comes from
    /// HOTLINE_ADMIN_TOKEN, else from the state folder.
    pub fn of(common: &Common) -> Result<Self, Failure> {
        let reach = Reach::of(&common.project.join(FILE_NAME));
        let address = match &common.url {
            Some(url) => authority(url)?,
            None => match reach.http {
                Some(address) => local(address).to_string(),
                None => format!("127.0.0.1:{}", demo_port()?),
            },
        };
        let assumed = common.url.is_none() && !common.project.join(FILE_NAME).exists();
        let state = common.state.clone().or(reach.state_dir).unwrap_or_else(|| common.project.join("state"));
        let file = reach.admin_token_file.unwrap_or_else(|| state.join("admin.token"));
        let token = match super::start::variable("HOTLINE_ADMIN_TOKEN")? {
            // Without one the switch's 401 says what to do.
            None => std::fs::read_to_string(file).ok().map(|text| text.trim().to_string()),
            given => given,
        };
        Ok(Self { address, assumed, token })
    }

    #[cfg(test)]
    pub fn at(address: SocketAddr, token: &str) -> Self {
        Self { address: address.to_string(), assumed: false, token: Some(token.into()) }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The answer's text, when the switch did as asked.
    pub fn get(&self, path: &str) -> Result<String, Failure> {
        self.request("GET", path, None)?.text()
    }

    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<String, Failure> {
        self.request(method, path, body)?.text()
    }

    /// Asks; any status is an answer.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.request_within(SILENCE, method, path, body)
    }

    /// The same with less patience than usual.
    pub fn request_within(
        &self,
        patience: Duration,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        self.exchange(patience, method, path, body).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".into(),
                _ => error.to_string(),
            };
            let usual = if self.assumed { "this is the usual address, as there is no hotline.yaml here; " } else { "" };
            let text = "is `hotline serve` or `hotline demo` running? name another place with `--url`";
            Failure::Unreachable(format!("cannot reach the switch at http://{}: {why}; {usual}{text}", self.address))
        })
    }

    fn exchange(&self, patience: Duration, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let mut stream = self.connect(patience)?;
        let body = body.map(Value::to_string);
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(token) = self.token.as_deref().filter(|token| token.bytes().all(|octet| octet.is_ascii_graphic())) {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if let Some(body) = &body {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        } else if method != "GET" {
            head.push_str("Content-Length: 0\r\n");
        }
        stream.write_all(format!("{head}\r\n{}", body.unwrap_or_default()).as_bytes())?;
        Answer::read(BufReader::new(stream))
    }

    fn connect(&self, patience: Duration) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT.min(patience)) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(patience))?;
                    stream.set_write_timeout(Some(patience))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Answer {
    fn read(mut stream: BufReader<TcpStream>) -> io::Result<Self> {
        let first = line(&mut stream)?;
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| strange("what answers there does not speak HTTP"))?;
        let (mut chunked, mut length) = (false, None);
        for count in 0.. {
            let header = line(&mut stream)?;
            if header.is_empty() {
                break;
            }
            if count >= MAX_HEAD_LINES {
                return Err(strange("the answer's header is too long"));
            }
            let (name, value) = header.split_once(':').unwrap_or((&header, ""));
            match name.to_ascii_lowercase().as_str() {
                "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
                "content-length" => length = value.trim().parse().ok(),
                _ => {}
            }
        }
        let left = match (chunked, length) {
            (true, _) => Left::Chunks { in_chunk: 0, first: true },
            (false, Some(length)) => Left::Length(length),
            (false, None) => Left::UntilClose,
        };
        Ok(Self { status, body: Body { stream, left } })
    }

    /// The whole body, or why the switch refused.
    pub fn text(self) -> Result<String, Failure> {
        let status = self.status;
        let text = self.body.whole(if status < 400 { MAX_BODY } else { MAX_REFUSAL })?;
        if status < 400 { Ok(text) } else { Err(refusal(status, &text)) }
    }

    /// The body as it comes, or why the switch refused.
    pub fn copy_to(mut self, out: &mut dyn Write) -> Result<(), Failure> {
        if self.status >= 400 {
            return self.text().map(drop);
        }
        let mut part = [0; 16 << 10];
        loop {
            match self.body.read(&mut part).map_err(broken_off)? {
                0 => return Ok(out.flush()?),
                count => out.write_all(&part[..count])?,
            }
        }
    }
}

/// What an answer carries, without its framing.
struct Body {
    stream: BufReader<TcpStream>,
    left: Left,
}

enum Left {
    Length(u64),
    Chunks { in_chunk: u64, first: bool },
    UntilClose,
    Nothing,
}

impl Body {
    fn whole(mut self, most: usize) -> Result<String, Failure> {
        let mut octets = Vec::new();
        let count = (&mut self).take(most as u64 + 1).read_to_end(&mut octets).map_err(broken_off)?;
        if count > most {
            return Err(Failure::Failed("the answer is too large; ask for less with `--limit`".into()));
        }
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }
}

impl Read for Body {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunks { in_chunk: 0, first } = self.left {
            if !first {
                line(&mut self.stream)?;
            }
            let size = line(&mut self.stream)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| strange("the answer is not framed as HTTP asks"))?;
            self.left = if size == 0 { Left::Nothing } else { Left::Chunks { in_chunk: size, first: false } };
        }
        let most = match self.left {
            Left::Nothing => return Ok(0),
            Left::UntilClose => return self.stream.read(out),
            Left::Length(left) | Left::Chunks { in_chunk: left, .. } => left.min(out.len() as u64) as usize,
        };
        let count = self.stream.read(&mut out[..most])?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &mut self.left {
            Left::Length(left) | Left::Chunks { in_chunk: left, .. } => *left -= count as u64,
            Left::UntilClose | Left::Nothing => {}
        }
        Ok(count)
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut octets = Vec::new();
    stream.take(MAX_HEAD_LINE).read_until(b'\n', &mut octets)?;
    if octets.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&octets).trim_end_matches('\r').to_string())
}

fn strange(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn broken_off(error: io::Error) -> Failure {
    Failure::Unreachable(format!("the answer broke off ({error}); what was printed is a part only"))
}

fn refusal(status: u16, body: &str) -> Failure {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let mut text = parsed["error"].as_str().map_or_else(|| format!("the switch answered {status}"), str::to_string);
    for detail in parsed["details"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push('\n');
        text.push_str(detail);
    }
    match status {
        401 => Failure::Usage(
            "the admin token is missing or wrong: set HOTLINE_ADMIN_TOKEN, or name the switch's state \
                               folder with `--state DIR`"
                .into(),
        ),
        _ => Failure::Failed(text),
    }
}

fn authority(url: &str) -> Result<String, Failure> {
    let bad = || Failure::Usage(format!("`{url}` cannot be used; write the API's address as http://127.0.0.1:8080"));
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let authority = rest.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if authority.is_empty() || !authority.chars().all(plain) {
        return Err(bad());
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { authority.to_string() } else { format!("{authority}:80") })
}

/// What listens on every address is reached on this machine's own.
fn local(address: SocketAddr) -> SocketAddr {
    match (address.ip().is_unspecified(), address.is_ipv4()) {
        (true, true) => ([127, 0, 0, 1], address.port()).into(),
        (true, false) => (std::net::Ipv6Addr::LOCALHOST, address.port()).into(),
        (false, _) => address,
    }
}

fn demo_port() -> Result<u16, Failure> {
    match std::env::var("HOTLINE_HTTP_PORT") {
        Ok(text) => {
            text.parse().map_err(|_| Failure::Usage(format!("HOTLINE_HTTP_PORT is `{text}`, which is no port")))
        }
        Err(_) => Ok(8080),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that gives `answer` to one request.
    fn answering(answer: &'static str) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !line(&mut reader).unwrap().is_empty() {}
            stream.write_all(answer.as_bytes()).unwrap();
        });
        Client::at(address, "token")
    }

    #[test]
    fn an_answer_is_read_in_each_framing_of_http() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nhello",
        ] {
            assert_eq!(answering(answer).get("/").unwrap(), "hello", "{answer:?}");
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_not_taken_for_the_whole() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ] {
            let error = answering(answer).get("/").unwrap_err();
            assert!(matches!(error, Failure::Unreachable(_)), "{error:?}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_switchs_words() {
        let answer = "HTTP/1.1 422 Unprocessable\r\n\r\n{\"error\":\"faulty\",\"details\":[\"hotline.yaml:3:5\"]}";
        assert_eq!(answering(answer).get("/").unwrap_err(), Failure::Failed("faulty\nhotline.yaml:3:5".into()));
        let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}";
        assert!(matches!(answering(answer).get("/").unwrap_err(), Failure::Usage(_)));
    }

    #[test]
    fn nobody_there_is_told_with_the_address() {
        // Nothing serves it, and no other test can be given it.
        let free = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let Failure::Unreachable(text) = Client::at(free, "t").get("/").unwrap_err() else { panic!("not unreachable") };
        assert!(text.contains(&free.to_string()) && text.contains("--url"), "{text}");
        let garbage = answering("SSH-2.0-OpenSSH\r\n").get("/").unwrap_err();
        assert!(matches!(garbage, Failure::Unreachable(text) if text.contains("does not speak HTTP")));
    }

    #[test]
    fn a_switch_that_never_answers_is_waited_for_no_longer_than_asked() {
        // It takes connections, as the kernel does for a process that hangs, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::at(silent.local_addr().unwrap(), "t");
        let given_up = client.request_within(Duration::from_millis(50), "GET", "/readyz", None);
        assert!(matches!(given_up, Err(Failure::Unreachable(text)) if text.contains("no answer in time")));
    }

    #[test]
    fn addresses_are_taken_with_and_without_scheme() {
        assert_eq!(authority("http://10.0.0.1:8080/").unwrap(), "10.0.0.1:8080");
        assert_eq!(authority("switch.example.com").unwrap(), "switch.example.com:80");
        assert!(authority("https://x").is_err() && authority("http://a/b").is_err() && authority("").is_err());
    }
}

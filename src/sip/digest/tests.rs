//! Vectors of the RFCs, and what an attacker would try.

use super::*;
use crate::sip::message::Message;
use bytes::Bytes;

const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// RFC 7616 3.9.1: the same request under both algorithms.
#[test]
fn agrees_with_the_examples_of_rfc_7616() {
    let nonce = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    let cnonce = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let set = Ha1Set::new("Mufasa", "http-auth@example.org", "Circle of Life");
    let of = |algorithm| {
        let counted = Some((&b"00000001"[..], &cnonce[..]));
        let proof = Proof { nonce, counted, method: b"GET", uri: b"/dir/index.html", body: None };
        proof.response(algorithm, set.of(algorithm).unwrap()).as_str().to_owned()
    };
    assert_eq!(of(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(of(Algorithm::Sha256), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
}

#[test]
fn the_third_hash_is_sha_512_256_and_no_cut_off_sha_512() {
    // RFC 7616 3.9.2 as erratum 4897 mends it, and FIPS 180-4.
    let hash = |text: &str| Algorithm::Sha512_256.hash(&[text.as_bytes()]).as_str().to_owned();
    let user = "J\u{e4}s\u{f8}n Doe:api@example.org";
    assert_eq!(hash(user), "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b");
    assert_eq!(hash("abc"), "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23");
}

fn register(extra: &str) -> Message {
    let text = format!(
        "REGISTER sip:pbx.example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:1001@x>;tag=1\r\nTo: <sip:1001@x>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{extra}Content-Length: 0\r\n\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

fn users(user: &str) -> Option<Ha1Set> {
    (user == "1001").then(|| Ha1Set::new("1001", "hotline", "secret"))
}

fn door() -> Authenticator {
    let mut door = Authenticator::new("hotline", [3; 32], 60);
    door.reconfigure("hotline", 60, &Algorithm::ALL);
    door
}

/// What a client says to the challenge of `algorithm`.
struct Client {
    user: &'static str,
    password: &'static str,
    nonce: String,
    algorithm: Algorithm,
    method: &'static str,
    uri: &'static str,
}

impl Client {
    fn new(door: &mut Authenticator, now: u64, algorithm: Algorithm) -> Self {
        let challenge = door.challenge(now, false, &Algorithm::ALL, HERE);
        let (_, text) = challenge.iter().find(|(_, text)| text.contains(algorithm.token())).unwrap();
        let nonce = text.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Self { user: "1001", password: "secret", nonce, algorithm, method: "REGISTER", uri: "sip:pbx.example.com" }
    }

    fn header(&self, nc: u32) -> String {
        let nc = format!("{nc:08x}");
        let set = Ha1Set::new(self.user, "hotline", self.password);
        let counted = Some((nc.as_bytes(), &b"cn"[..]));
        let (nonce, method, uri) = (self.nonce.as_bytes(), self.method.as_bytes(), self.uri.as_bytes());
        let proof = Proof { nonce, counted, method, uri, body: None };
        let proof = proof.response(self.algorithm, set.of(self.algorithm).unwrap());
        let (user, nonce, uri, token) = (self.user, &self.nonce, self.uri, self.algorithm.token());
        let proof = proof.as_str();
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"hotline\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{proof}\", algorithm={token}, cnonce=\"cn\", qop=auth, nc={nc}\r\n"
        )
    }

    fn knock(&self, door: &mut Authenticator, now: u64, nc: u32) -> Verdict {
        door.verify(now, &register(&self.header(nc)), HERE, users)
    }
}

fn refused(why: Why) -> Verdict {
    Verdict::Challenge { stale: false, why }
}

fn stale(why: Why) -> Verdict {
    Verdict::Challenge { stale: true, why }
}

fn ok() -> Verdict {
    Verdict::Ok { user: "1001".into() }
}

#[test]
fn each_algorithm_is_offered_in_the_order_given_and_opens_the_door() {
    let mut door = door();
    let challenge = door.challenge(0, false, &[Algorithm::Sha256, Algorithm::Md5], HERE);
    assert!(challenge[0].1.contains("algorithm=SHA-256") && challenge[1].1.contains("algorithm=MD5"));
    assert_eq!(door.challenge(0, false, &[Algorithm::Md5], HERE).len(), 1);
    assert!(challenge.iter().all(|(name, text)| *name == "WWW-Authenticate" && text.contains("qop=\"auth\"")));
    for algorithm in Algorithm::ALL {
        let client = Client::new(&mut door, 0, algorithm);
        assert_eq!(client.knock(&mut door, 1, 1), ok());
    }
}

#[test]
fn a_phone_that_leaves_the_algorithm_out_means_md5() {
    let mut door = door();
    let client = Client::new(&mut door, 0, Algorithm::Md5);
    let bare = client.header(1).replace(", algorithm=MD5", "");
    assert_eq!(door.verify(0, &register(&bare), HERE, users), ok());
}

#[test]
fn wrong_passwords_and_unknown_users_are_refused_alike() {
    let mut door = door();
    let client = Client::new(&mut door, 0, Algorithm::Sha256);
    assert_eq!(Client { password: "guess", ..client }.knock(&mut door, 0, 1), refused(Why::WrongPassword));
    let client = Client::new(&mut door, 0, Algorithm::Sha256);
    assert_eq!(Client { user: "9999", ..client }.knock(&mut door, 0, 1), refused(Why::UnknownUser));
    assert_eq!(door.verify(0, &register(""), HERE, users), refused(Why::NoCredentials));
}

#[test]
fn an_old_nonce_is_stale_only_for_who_knows_the_password() {
    let mut door = door();
    let client = Client::new(&mut door, 100, Algorithm::Md5);
    assert_eq!(client.knock(&mut door, 160, 1), ok());
    assert_eq!(client.knock(&mut door, 161, 2), stale(Why::StaleNonce));
    assert_eq!(Client { password: "guess", ..client }.knock(&mut door, 161, 3), refused(Why::WrongPassword));
    assert!(door.challenge(161, true, &Algorithm::OFFERED, HERE)[0].1.ends_with("stale=true"));
}

#[test]
fn a_nonce_of_another_key_or_from_the_future_is_stale() {
    let mut before = Authenticator::new("hotline", [4; 32], 60);
    let client = Client::new(&mut before, 50, Algorithm::Sha256);
    assert_eq!(client.knock(&mut door(), 50, 1), stale(Why::StaleNonce), "the server was restarted");
    assert_eq!(client.knock(&mut before, 49, 1), stale(Why::StaleNonce));
    let forged =
        Client { nonce: client.nonce.replace(|c: char| c == client.nonce.chars().last().unwrap(), "g"), ..client };
    assert_eq!(forged.knock(&mut before, 50, 1), stale(Why::StaleNonce));
    for odd in
        ["", "0", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"]
    {
        let odd = Client { nonce: odd.into(), ..Client::new(&mut before, 50, Algorithm::Sha256) };
        assert_eq!(odd.knock(&mut before, 50, 1), stale(Why::StaleNonce), "{}", odd.nonce);
    }
}

#[test]
fn a_captured_answer_cannot_be_played_again() {
    let mut door = door();
    let client = Client::new(&mut door, 0, Algorithm::Sha256);
    assert_eq!(client.knock(&mut door, 0, 1), ok());
    assert_eq!(client.knock(&mut door, 0, 1), stale(Why::Replayed));
    assert_eq!(client.knock(&mut door, 0, 0), stale(Why::Replayed), "a count begins at 1");
    // Datagrams overtake each other: later first is fine, once.
    assert_eq!(client.knock(&mut door, 0, 70), ok());
    assert_eq!(client.knock(&mut door, 0, 69), ok());
    assert_eq!(client.knock(&mut door, 0, 69), stale(Why::Replayed));
    assert_eq!(client.knock(&mut door, 0, 6), stale(Why::Replayed), "too far behind to know");
    assert_eq!(client.knock(&mut door, 0, 7), ok());
    assert_eq!(client.knock(&mut door, 0, u32::MAX), ok());
    assert_eq!(client.knock(&mut door, 0, 71), stale(Why::Replayed));
}

#[test]
fn a_full_table_forgets_the_oldest_and_takes_it_for_stale() {
    let mut door = door();
    let first = Client::new(&mut door, 0, Algorithm::Md5);
    assert_eq!(first.knock(&mut door, 0, 1), ok());
    door.fill_for_test(0);
    assert_eq!(first.knock(&mut door, 0, 1), stale(Why::StaleNonce), "a replay of what was forgotten");
    assert_eq!(first.knock(&mut door, 0, 2), stale(Why::StaleNonce));
    assert_eq!(Client::new(&mut door, 0, Algorithm::Md5).knock(&mut door, 0, 1), ok());
}

#[test]
fn what_was_not_offered_is_refused() {
    let mut door = door();
    door.reconfigure("hotline", 60, &Algorithm::OFFERED);
    let good = Client::new(&mut door, 0, Algorithm::Md5).header(1);
    for (find, put) in [
        (", qop=auth", ""),
        ("qop=auth", "qop=auth-int"),
        ("algorithm=MD5", "algorithm=MD5-sess"),
        ("algorithm=MD5", "algorithm=SHA-512-256"),
        ("nc=00000001", "nc=1"),
        (", cnonce=\"cn\"", ""),
        ("qop=auth", "userhash=true, qop=auth"),
        ("username=\"1001\", ", ""),
        ("uri=\"sip:pbx.example.com\"", "uri=\"sip:elsewhere.example.com\""),
    ] {
        assert!(good.contains(find));
        let bad = register(&good.replace(find, put));
        let why = if find.starts_with("uri") { Why::WrongUri } else { Why::Malformed };
        assert_eq!(door.verify(0, &bad, HERE, users), refused(why), "{find} -> {put}");
    }
    for foreign in [good.replace("realm=\"hotline\"", "realm=\"other\""), good.replace("Digest", "Basic")] {
        let why = if foreign.contains("Digest") { Why::OtherRealm } else { Why::NoCredentials };
        assert_eq!(door.verify(0, &register(&foreign), HERE, users), refused(why));
    }
    assert_eq!(
        door.verify(
            0,
            &Message::parse(
                String::from_utf8(register(&good).raw().to_vec())
                    .unwrap()
                    .replace("REGISTER sip", "INVITE sip")
                    .replace("1 REGISTER", "1 INVITE")
                    .into()
            )
            .unwrap(),
            HERE,
            users
        ),
        refused(Why::WrongPassword),
        "for another method"
    );
    // The right one among others is found.
    let among = format!("{}{good}", good.replace("hotline", "other"));
    assert_eq!(door.verify(0, &register(&among), HERE, users), ok());
}

#[test]
fn secrets_do_not_show_in_logs() {
    let credentials = Credentials { user: "1001".into(), secret: Secret::Password("hunter2".into()) };
    let set = Ha1Set::new("1001", "hotline", "hunter2");
    let shown = format!("{credentials:?} {set:?} {:?}", door());
    assert!(!shown.contains("hunter2") && !shown.contains(set.md5()) && !shown.contains(set.sha256()));
    assert!(!shown.contains("3, 3, 3"), "the nonce key");
}

#[test]
fn stored_hashes_read_back() {
    let set = Ha1Set::new("1001", "hotline", "secret");
    let sha512_256 = set.of(Algorithm::Sha512_256).map(str::to_owned);
    assert_eq!(Ha1Set::from_hex(set.md5(), &set.sha256().to_uppercase(), sha512_256.as_deref()), Some(set.clone()));
    assert_eq!(Ha1Set::from_hex(set.md5(), set.sha256(), None).unwrap().of(Algorithm::Sha512_256), None);
    assert_eq!(Ha1Set::from_hex("abc", set.sha256(), None), None);
    assert_eq!(Ha1Set::from_hex(&"g".repeat(32), set.sha256(), None), None);
}

#[test]
fn a_reload_takes_the_new_realm_and_lifetime_for_challenges_given_before_it_too() {
    let mut door = door();
    let client = Client::new(&mut door, 100, Algorithm::Sha256);
    let request = register(&client.header(1));
    door.reconfigure("hotline", 10, &Algorithm::ALL);
    let late = door.verify(120, &request, HERE, users);
    assert_eq!(late, Verdict::Challenge { stale: true, why: Why::StaleNonce });
    door.reconfigure("new.example", 60, &Algorithm::ALL);
    assert!(door.challenge(120, false, &Algorithm::OFFERED, HERE)[0].1.contains("realm=\"new.example\""));
    let elsewhere = door.verify(120, &request, HERE, users);
    assert_eq!(elsewhere, Verdict::Challenge { stale: false, why: Why::OtherRealm });
}

#[test]
fn what_is_not_offered_any_more_opens_no_door() {
    let mut door = door();
    let client = Client::new(&mut door, 0, Algorithm::Md5);
    door.reconfigure("hotline", 60, &[Algorithm::Sha512_256, Algorithm::Sha256]);
    assert_eq!(client.knock(&mut door, 1, 1), refused(Why::Malformed));
}

#[test]
fn a_password_is_looked_at_only_by_whom_its_nonce_was_given_to() {
    for password in ["secret", "guess"] {
        let mut door = door();
        let client = Client { password, ..Client::new(&mut door, 0, Algorithm::Md5) };
        let knock = |door: &mut Authenticator, header: &str, from: &str| {
            door.verify(1, &register(header), from.parse().unwrap(), users)
        };
        let header = client.header(1);
        assert_eq!(knock(&mut door, &header, "192.0.2.9"), stale(Why::StaleNonce), "somebody forges that address");
        let cut = header.replace(&client.nonce, &client.nonce[..40]);
        assert_eq!(knock(&mut door, &cut, &HERE.to_string()), stale(Why::StaleNonce));
        assert_ne!(knock(&mut door, &header, &HERE.to_string()), stale(Why::StaleNonce));
    }
}

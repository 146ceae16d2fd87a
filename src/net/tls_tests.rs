//! Handshakes with certificates made on the spot: over pipes in memory, and whole transports on the loopback interface.

use super::testing::{Authority, Issued};
use super::*;
use crate::net::{NetCounters, NetEvent, Outlet, TcpTransport, channel};
use crate::sip::message::Message;
use crate::sip::peer::{Peer, Transmit, Transport};
use bytes::Bytes;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS c;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn files(own: &Issued) -> TlsFiles {
    TlsFiles {
        certificate: own.certificate.clone(),
        key: own.key.clone(),
        client_ca: None,
        clients: Vec::new(),
        gateways: Vec::new(),
    }
}

fn gateway(remote: SocketAddr, name: &str, ca: &Path) -> TlsGateway {
    TlsGateway { remote, name: name.into(), ca: ca.to_path_buf() }
}

fn tls(files: &TlsFiles) -> Tls {
    Tls::new(files.load().unwrap())
}

fn somewhere() -> SocketAddr {
    ([192, 0, 2, 1], 5061).into()
}

/// A handshake of `caller` with `callee`: what the callee learns of the caller, or what either says went wrong.
async fn shake(caller: &Tls, callee: &Tls) -> Result<Option<TrunkId>, [String; 2]> {
    let (near, far) = duplex(16_384);
    let (called, calling) = tokio::join!(
        async {
            let (mut stream, proof) = callee.accept(far).await?;
            // Whether a caller of TLS 1.3 likes us shows when it goes on.
            stream.read_u8().await?;
            io::Result::Ok(proof)
        },
        async {
            let mut stream = caller.connect(near, somewhere()).await?;
            stream.write_u8(1).await?;
            stream.flush().await?;
            // Open until the callee is done.
            io::Result::Ok(stream)
        }
    );
    match (called, calling) {
        (Ok(proof), Ok(_)) => Ok(proof.and_then(|proof| proof.trunk())),
        (called, calling) => Err([
            called.map_or_else(|e| reason(&e).0, |_| "-".into()),
            calling.map_or_else(|e| reason(&e).0, |_| "-".into()),
        ]),
    }
}

#[tokio::test]
async fn a_gateway_is_taken_for_whom_its_certificate_names_and_for_nobody_else() {
    let (ca, other_ca) = (Authority::new(), Authority::new());
    let ours = ca.issue(&["hotline.example"]);
    // RFC 5922 7.1: SIP URIs count alone where there are any; 7.2: a wildcard matches nothing.
    for (names, good) in [
        (&["sip.carrier.example"][..], true),
        (&["SIP.Carrier.Example", "www.carrier.example"], true),
        (&["sip:sip.carrier.example"], true),
        (&["sip:other.example", "sip.carrier.example"], false),
        (&["sip:me@sip.carrier.example", "sip:sip.carrier.example"], true),
        (&["*.carrier.example"], false),
        (&["carrier.example"], false),
        (&["192.0.2.1"], false),
    ] {
        let caller =
            tls(&TlsFiles { gateways: vec![gateway(somewhere(), "sip.carrier.example", &ca.file)], ..files(&ours) });
        let result = shake(&caller, &tls(&files(&ca.issue(names)))).await;
        assert_eq!(result.is_ok(), good, "{names:?}: {result:?}");
    }
    let by_address = TlsFiles { gateways: vec![gateway(somewhere(), "192.0.2.1", &ca.file)], ..files(&ours) };
    assert_eq!(shake(&tls(&by_address), &tls(&files(&ca.issue(&["192.0.2.1"])))).await, Ok(None));
    let stranger = other_ca.issue(&["192.0.2.1"]);
    let [_, why] = shake(&tls(&by_address), &tls(&files(&stranger))).await.unwrap_err();
    assert_eq!(why, "its certificate is refused: its issuer is none of the authorities in our file");
    let nobody = tls(&files(&ours));
    assert!(shake(&nobody, &nobody).await.is_err(), "an address that is no gateway's");
}

#[tokio::test]
async fn a_trunk_is_known_by_its_certificate_until_the_configuration_says_otherwise() {
    let (ca, other_ca) = (Authority::new(), Authority::new());
    let (ours, carrier, phone) =
        (ca.issue(&["hotline.example"]), ca.issue(&["carrier.example"]), ca.issue(&["phone.example"]));
    let forged = other_ca.issue(&["carrier.example"]);
    let calls_with = |own: &Issued| {
        tls(&TlsFiles { gateways: vec![gateway(somewhere(), "hotline.example", &ca.file)], ..files(own) })
    };
    let fingerprint = Sha256::digest(&carrier.der).iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>();
    for known_by in [fingerprint.join(":"), format!("sha256:{}", fingerprint.concat()), "Carrier.Example".into()] {
        let known_by = known_by.parse::<ClientCertificate>().unwrap();
        let serves = TlsFiles {
            client_ca: Some(ca.file.clone()),
            clients: vec![(TrunkId::new("carrier"), known_by)],
            ..files(&ours)
        };
        let switch = tls(&serves);
        assert_eq!(shake(&calls_with(&carrier), &switch).await, Ok(Some(TrunkId::new("carrier"))));
        assert_eq!(shake(&calls_with(&phone), &switch).await, Ok(None), "good, and no trunk's");
        let [why, _] = shake(&calls_with(&forged), &switch).await.unwrap_err();
        assert_eq!(why, "its certificate is refused: its issuer is none of the authorities in our file");

        let (near, far) = duplex(16_384);
        let caller = calls_with(&carrier);
        let (accepted, _up) = tokio::join!(switch.accept(far), caller.connect(near, somewhere()));
        let proof = accepted.unwrap().1.unwrap();
        assert_eq!(proof.trunk(), Some(TrunkId::new("carrier")));
        switch.forget_trunks();
        assert_eq!(proof.trunk(), None, "the file has no certificates any more");
        switch.replace(serves.load().unwrap());
        assert_eq!(proof.trunk(), Some(TrunkId::new("carrier")));
        switch.replace(TlsFiles { clients: Vec::new(), ..serves }.load().unwrap());
        assert_eq!(proof.trunk(), None, "the connection stays, its rights do not");
    }
}

#[test]
fn what_proves_a_trunk_is_a_fingerprint_or_a_name() {
    for wrong in ["", "sha256:", "sha256:00", "*.example.com", "192.0.2.1", "a b", "CN=carrier"] {
        assert!(wrong.parse::<ClientCertificate>().is_err(), "{wrong}");
    }
}

#[test]
fn files_that_cannot_be_used_are_told_with_what_mends_them() {
    let ca = Authority::new();
    let (good, other, old) = (ca.issue(&["a.example"]), ca.issue(&["a.example"]), ca.issue_until(&["a.example"], 2020));
    let fingerprint = Sha256::digest(&good.der).into();
    assert_eq!(check_identity(&good.certificate, &good.key), Ok(Identity { fingerprint, doubt: None }));
    let told = |certificate: &Path, key: &Path| {
        let told = check_identity(certificate, key).unwrap_err().to_string();
        let told = told.replace(&*ca.folder.to_string_lossy(), "DIR").replace(char::is_numeric, "#");
        told.replace("##", "#").replace("##", "#")
    };
    assert_eq!(
        told(&good.certificate, &other.key).split(';').next().unwrap(),
        "the key in DIR/#.key is not that of the certificate in DIR/#.pem"
    );
    let doubt = check_identity(&old.certificate, &old.key).unwrap().doubt.unwrap().to_string();
    assert!(doubt.ends_with(".pem has expired; get a new one, and then `hotline reload`"), "{doubt}");
    assert!(files(&old).load().is_ok(), "those who do not look at the date are served");
    assert!(told(&ca.folder.join("none.pem"), &good.key).starts_with("cannot read DIR/none.pem: No such file"));
    assert!(told(&good.key, &good.key).starts_with("there is no certificate in DIR/#.key; "));
    assert!(told(&good.certificate, &good.certificate).starts_with("there is no private key in DIR/#.pem; "));
    assert!(check_authorities(&good.key).is_err());
    assert!(check_authorities(&ca.file).is_ok());
}

/// A transport that listens for TLS on loopback.
struct Side {
    transport: TcpTransport,
    outlet: Outlet,
    counters: Arc<NetCounters>,
    tls: Tls,
    at: SocketAddr,
}

impl Side {
    async fn open(files: &TlsFiles) -> Side {
        let (inlet, outlet) = channel();
        let counters = inlet.counters();
        let mut transport = TcpTransport::open(None, inlet, Handle::current()).await.unwrap();
        let tls = tls(files);
        let at = transport.secure(([127, 0, 0, 1], 0).into(), tls.clone()).unwrap();
        Side { transport, outlet, counters, tls, at }
    }

    fn send(&mut self, peer: Peer, text: &str) {
        self.transport.send(Transmit { peer, bytes: Bytes::copy_from_slice(text.as_bytes()) });
    }

    fn peer(&self, remote: SocketAddr) -> Peer {
        Peer { transport: Transport::Tls, remote, local: self.at, connection: None }
    }

    async fn heard(&mut self) -> (Peer, Message, Option<TrunkId>) {
        match self.outlet.fresh.recv().await {
            Some(NetEvent::Message { peer, message, trunk }) => (peer, message, trunk),
            other => panic!("{other:?}"),
        }
    }

    async fn lost(&mut self) -> Peer {
        match self.outlet.urgent.recv().await {
            Some(NetEvent::Lost { peer }) => peer,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn requests_and_what_follows_share_one_connection_whoever_opened_it() {
    let ca = Authority::new();
    let mut callee = Side::open(&files(&ca.issue(&["127.0.0.1"]))).await;
    let mut caller = Side::open(&TlsFiles {
        gateways: vec![gateway(callee.at, "127.0.0.1", &ca.file)],
        ..files(&ca.issue(&["caller.example"]))
    })
    .await;
    caller.send(caller.peer(callee.at), OPTIONS);
    let (back, message, trunk) = callee.heard().await;
    assert_eq!((back.transport, trunk), (Transport::Tls, None));
    assert!(message.via().unwrap().is_transport("TLS"));
    callee.send(back, OPTIONS);
    let (there, ..) = caller.heard().await;
    assert_eq!(there.remote, callee.at);
    caller.send(caller.peer(callee.at), OPTIONS);
    assert_eq!(callee.heard().await.0, back, "the same connection again");
    drop(caller.transport);
}

#[tokio::test]
async fn a_gateway_with_a_wrong_certificate_hears_nothing_and_the_message_is_reported_lost() {
    let (ca, other_ca) = (Authority::new(), Authority::new());
    let mut callee = Side::open(&files(&other_ca.issue(&["127.0.0.1"]))).await;
    let mut caller = Side::open(&TlsFiles {
        gateways: vec![gateway(callee.at, "127.0.0.1", &ca.file)],
        ..files(&ca.issue(&["caller.example"]))
    })
    .await;
    let peer = caller.peer(callee.at);
    caller.send(peer, OPTIONS);
    assert_eq!(caller.lost().await, peer);
    assert_eq!(caller.counters.handshakes_failed.load(Ordering::Relaxed), 1);
    assert!(callee.outlet.fresh.try_recv().is_err());
    // Whoever is no gateway of ours is not connected to, and never in the clear.
    let nobody = caller.peer(([127, 0, 0, 1], 9).into());
    caller.send(nobody, OPTIONS);
    assert_eq!(caller.lost().await, nobody);
}

#[tokio::test]
async fn a_connection_from_a_gateways_address_is_not_taken_for_the_gateway() {
    let ca = Authority::new();
    let ours = ca.issue(&["hotline.example"]);
    let (mut phone, mut switch) = (Side::open(&files(&ours)).await, Side::open(&files(&ours)).await);
    phone.tls.replace(
        TlsFiles { gateways: vec![gateway(switch.at, "hotline.example", &ca.file)], ..files(&ours) }.load().unwrap(),
    );
    phone.send(phone.peer(switch.at), OPTIONS);
    let (peer, ..) = switch.heard().await;
    // The same address without the connection's number, as a trunk is dialled: a new, verified connection or none.
    let trunk = Peer { connection: None, ..peer };
    switch.send(trunk, OPTIONS);
    assert_eq!(switch.lost().await, trunk);
    switch.send(peer, OPTIONS);
    phone.heard().await;
}

#[tokio::test]
async fn new_connections_get_the_new_certificate_and_old_ones_stay_up() {
    let (ca, new_ca) = (Authority::new(), Authority::new());
    let (before, after) = (ca.issue(&["127.0.0.1"]), new_ca.issue(&["127.0.0.1"]));
    let mut switch = Side::open(&files(&before)).await;
    let mut phones = Vec::new();
    for ca in [&ca, &new_ca] {
        let gateways = vec![gateway(switch.at, "127.0.0.1", &ca.file)];
        phones.push(Side::open(&TlsFiles { gateways, ..files(&before) }).await);
    }
    let at = switch.at;
    let peer = phones[0].peer(at);
    phones[0].send(peer, OPTIONS);
    let (old, ..) = switch.heard().await;
    switch.tls.replace(files(&after).load().unwrap());
    let peer = phones[1].peer(at);
    phones[1].send(peer, OPTIONS);
    switch.heard().await;
    switch.send(old, OPTIONS);
    phones[0].heard().await;
}

#[tokio::test]
async fn who_speaks_no_tls_or_an_old_one_is_turned_away_and_counted() {
    let ca = Authority::new();
    let switch = Side::open(&files(&ca.issue(&["127.0.0.1"]))).await;
    let mut plain = TcpStream::connect(switch.at).await.unwrap();
    plain.write_all(OPTIONS.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said).await;
    assert!(said.len() < 10, "an alert at most");
    // A ClientHello of TLS 1.0 with one cipher of that time.
    let hello = [&[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1][..], &[7; 32], &[0, 0, 2, 0, 47, 1, 0]].concat();
    let mut old = TcpStream::connect(switch.at).await.unwrap();
    old.write_all(&hello).await.unwrap();
    let mut said = Vec::new();
    let _ = old.read_to_end(&mut said).await;
    assert_eq!(said.first(), Some(&21), "an alert, RFC 8446 6");
    assert_eq!(switch.counters.handshakes_failed.load(Ordering::Relaxed), 2);
    assert_eq!(switch.counters.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn two_authorities_for_one_gateway_are_refused() {
    let (ca, other) = (Authority::new(), Authority::new());
    let own = ca.issue(&["hotline.example"]);
    let load = |second: &Path| {
        let gateways = vec![
            gateway(somewhere(), "sip.carrier.example", &ca.file),
            gateway(somewhere(), "sip.carrier.example", second),
        ];
        TlsFiles { gateways, ..files(&own) }.load()
    };
    assert!(load(&ca.file).is_ok());
    let fault = load(&other.file).err().unwrap();
    assert!(fault.to_string().contains("believe different authorities"), "{fault}");
}

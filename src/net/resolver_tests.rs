//! A name server on loopback that answers from a few lines, and one that is not there.

use super::*;
use domain::base::iana::Opcode;
use domain::base::{MessageBuilder, Ttl};
use domain::rdata::{Cname, ZoneRecordData};
use domain::resolv::stub::conf::{ServerConf, Transport};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

type Line = (&'static str, u32, ZoneRecordData<Vec<u8>, Name<Vec<u8>>>);

fn name(text: &str) -> Name<Vec<u8>> {
    Name::from_str(text).unwrap()
}

/// Answers each question with all lines whose owner or kind fits, and with `rcode`.
async fn server(rcode: Rcode, lines: Vec<Line>) -> Resolver {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_octets(buffer[..length].to_vec()).unwrap();
            assert_eq!(query.header().opcode(), Opcode::QUERY);
            let mut answer = MessageBuilder::new_vec().start_answer(&query, rcode).unwrap();
            for (owner, ttl, data) in &lines {
                answer.push((name(owner), Class::IN, Ttl::from_secs(*ttl), data.clone())).unwrap();
            }
            socket.send_to(&answer.finish(), from).await.unwrap();
        }
    });
    of(at, "/nowhere")
}

fn of(at: SocketAddr, hosts: &str) -> Resolver {
    let mut conf = ResolvConf::new();
    conf.servers.push(ServerConf::new(at, Transport::UdpTcp));
    conf.finalize();
    Resolver::with(conf, hosts.into())
}

fn question(kind: RecordKind, name: &str) -> Question {
    Question { kind, name: name.into() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn records_are_read_as_the_server_wrote_them_along_the_chain_of_aliases() {
    let a = |octets: [u8; 4]| ZoneRecordData::A(A::new(octets.into()));
    let resolver = server(
        Rcode::NOERROR,
        vec![
            ("trunk.example", 60, ZoneRecordData::Cname(Cname::new(name("sbc.example")))),
            ("sbc.example", 300, a([192, 0, 2, 1])),
            ("sbc.example", 120, a([192, 0, 2, 2])),
            ("evil.example", 300, a([203, 0, 113, 9])),
        ],
    )
    .await;
    let addresses = |list: &[[u8; 4]]| list.iter().map(|octets| Record::Address(IpAddr::from(*octets))).collect();
    assert_eq!(
        resolver.ask(&question(RecordKind::A, "trunk.example")).await,
        Answer::Records { records: addresses(&[[192, 0, 2, 1], [192, 0, 2, 2]]), ttl: seconds(60) }
    );
    let srv = domain::rdata::Srv::new(10, 60, 5070, name("SBC.example"));
    let resolver = server(Rcode::NOERROR, vec![("_sip._udp.trunk.example", 90, ZoneRecordData::Srv(srv))]).await;
    let record = Record::Srv(Srv { priority: 10, weight: 60, port: 5070, target: "SBC.example".into() });
    let asked = question(RecordKind::Srv, "_sip._udp.trunk.example");
    assert_eq!(resolver.ask(&asked).await, Answer::Records { records: vec![record], ttl: seconds(90) });
}

#[tokio::test]
async fn nothing_a_refusal_and_silence_are_told_apart() {
    let nothing = server(Rcode::NXDOMAIN, Vec::new()).await;
    let asked = question(RecordKind::Naptr, "trunk.example");
    assert_eq!(nothing.ask(&asked).await, Answer::None { ttl: NOTHING_TTL });
    let refusing = server(Rcode::REFUSED, Vec::new()).await;
    assert_eq!(refusing.ask(&asked).await, Answer::Failed);
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(of(gone, "/nowhere").ask(&asked).await, Answer::Failed);
    assert_eq!(nothing.ask(&question(RecordKind::A, "a..b")).await, Answer::None { ttl: NOTHING_TTL });
}

#[tokio::test]
async fn what_the_hosts_file_says_counts_before_the_servers() {
    let folder = crate::test_folder::TestFolder::new("hosts");
    let file = folder.join("hosts");
    std::fs::write(&file, "127.0.0.1 localhost\n192.0.2.7\tSBC.example sbc # 192.0.2.8 other\n::1 localhost\n")
        .unwrap();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = of(silent.local_addr().unwrap(), &file.to_string_lossy());
    let found = |ip: &str| Answer::Records { records: vec![Record::Address(ip.parse().unwrap())], ttl: HOSTS_TTL };
    assert_eq!(resolver.ask(&question(RecordKind::A, "sbc.example")).await, found("192.0.2.7"));
    assert_eq!(resolver.ask(&question(RecordKind::Aaaa, "localhost")).await, found("::1"));
    let none = Answer::Records { records: Vec::new(), ttl: HOSTS_TTL };
    assert_eq!(resolver.ask(&question(RecordKind::Aaaa, "sbc")).await, none);
    assert_eq!(hosts("192.0.2.7 a # b", "b"), [] as [IpAddr; 0]);
}

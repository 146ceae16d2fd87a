//! Against systems as bad as they come, on this machine's loopback.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A system that takes one connection, reads the request and then does as told.
async fn system<F>(serve: impl FnOnce(TcpStream, String) -> F + Send + 'static) -> Site
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(4).any(|part| part == b"\r\n\r\n") {
            let mut part = [0; 1024];
            let length = stream.read(&mut part).await.unwrap();
            seen.extend_from_slice(&part[..length]);
        }
        serve(stream, String::from_utf8(seen).unwrap()).await;
    });
    Site { origin: Origin::parse(&format!("http://127.0.0.1:{port}/api")).unwrap(), reach: Reach::Private, tls: None }
}

fn says(text: &'static str) -> impl FnOnce(TcpStream, String) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    move |mut stream, _| Box::pin(async move { stream.write_all(text.as_bytes()).await.unwrap() })
}

fn get(path: &str) -> Outgoing<'_> {
    Outgoing { method: "GET", path, headers: &[], proof: None, body: None }
}

async fn ask(site: &Site) -> Result<Answer, Fault> {
    exchange(site, &Resolver::of_hosts_only(""), get("/x?a=b")).await
}

#[tokio::test]
async fn a_request_arrives_as_it_was_meant_and_its_answer_comes_back() {
    let site = system(|mut stream, seen| async move {
        assert!(seen.starts_with("POST /api/v1/bill HTTP/1.1\r\n"), "{seen}");
        for line in ["content-type: application/json", "x-api-key: s3cret", "idempotency-key: 7", "content-length: 9"] {
            assert!(seen.contains(line), "{line} in {seen}");
        }
        stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
    });
    let site = site.await;
    let headers = [("Idempotency-Key".to_string(), "7".to_string())];
    let proof = Some(("X-Api-Key", "s3cret"));
    let outgoing = Outgoing { method: "POST", path: "/v1/bill", headers: &headers, proof, body: Some("{\"a\": 1}\n") };
    let answer = exchange(&site, &Resolver::of_hosts_only(""), outgoing).await.ok().unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (201, b"{}".as_ref()));
}

#[tokio::test]
async fn a_redirection_is_an_answer_like_any_other_and_not_followed() {
    let site =
        system(says("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")).await;
    assert_eq!(ask(&site).await.ok().unwrap().status, 302);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_at_256_kb() {
    let site = system(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        // Ten megabytes, or until nobody reads any more.
        for _ in 0..10_240 {
            if stream.write_all(&[b'x'; 1024]).await.is_err() {
                return;
            }
        }
    });
    assert_eq!(ask(&site.await).await.err(), Some(Fault::TooLarge));
}

#[tokio::test]
async fn garbage_a_reset_and_endless_headers_are_broken_answers() {
    for text in ["SSH-2.0-OpenSSH_9.6\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"] {
        let site = system(says(text)).await;
        assert_eq!(ask(&site).await.err(), Some(Fault::Broken), "{text:?}");
    }
    let site = system(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x-more: abcdefghijklmnopqrstuvwxyz\r\n").await.is_ok() {}
    });
    assert_eq!(ask(&site.await).await.err(), Some(Fault::Broken));
}

#[tokio::test]
async fn nobody_there_is_refused_and_ones_own_house_is_forbidden_unless_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut site =
        Site { origin: Origin::parse(&format!("http://127.0.0.1:{port}")).unwrap(), reach: Reach::Private, tls: None };
    assert_eq!(ask(&site).await.err(), Some(Fault::Refused));
    site.reach = Reach::Public;
    assert_eq!(ask(&site).await.err(), Some(Fault::Forbidden));
}

#[tokio::test]
async fn a_name_is_judged_by_where_it_leads_and_not_by_how_it_looks() {
    let resolver = Resolver::of_hosts_only("169.254.169.254 billing.example.com\n127.0.0.1 inner.example.com\n");
    for (host, reach) in [("billing.example.com", Reach::Private), ("inner.example.com", Reach::Public)] {
        let site = Site { origin: Origin::parse(&format!("http://{host}")).unwrap(), reach, tls: None };
        let answer = exchange(&site, &resolver, get("/")).await;
        assert_eq!(answer.err(), Some(Fault::Forbidden), "{host}");
    }
}

#[tokio::test]
async fn a_value_that_would_end_its_header_is_not_sent() {
    let site = Site { origin: Origin::parse("http://127.0.0.1:9").unwrap(), reach: Reach::Private, tls: None };
    let headers = [("X-Name".to_string(), "a\r\nX-Evil: 1".to_string())];
    let outgoing = Outgoing { headers: &headers, ..get("/") };
    assert_eq!(exchange(&site, &Resolver::of_hosts_only(""), outgoing).await.err(), Some(Fault::Unsendable));
}

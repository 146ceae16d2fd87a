//! Reading an INVITE of 770 octets and writing it again: scan, the six fields that every request is asked for, and
//! serialise. The target is 1.5 microseconds and no allocation (the latter is a test: `tests/mutation.rs`).

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hotline::sip::message::{Builder, HeaderName, HeaderTable, Limits, Message, View, response_to};
use std::hint::black_box;

const INVITE: &[u8] = include_bytes!("../tests/fixtures/invite-770.dat");

fn scanner(c: &mut Criterion) {
    let mut group = c.benchmark_group("scanner");
    group.throughput(Throughput::Bytes(INVITE.len() as u64));
    let mut table = HeaderTable::new();

    group.bench_function("scan", |b| {
        b.iter(|| View::scan(black_box(INVITE), &mut table, Limits::DEFAULT).map(|view| view.content_length()))
    });

    let mut table = HeaderTable::new();
    group.bench_function("scan_and_six_fields", |b| {
        b.iter(|| six_fields(View::scan(black_box(INVITE), &mut table, Limits::DEFAULT).unwrap()))
    });

    let mut table = HeaderTable::new();
    let mut out = BytesMut::new();
    group.bench_function("scan_six_fields_serialise", |b| {
        b.iter(|| {
            let view = View::scan(black_box(INVITE), &mut table, Limits::DEFAULT).unwrap();
            black_box(six_fields(view));
            serialise(&mut out, view)
        })
    });

    let message = Message::parse(Bytes::from_static(INVITE)).unwrap();
    group.bench_function("ringing_response", |b| {
        let source = "192.0.2.10:5060".parse().ok();
        b.iter(|| {
            let mut response = response_to(&mut out, black_box(&message), 180, "Ringing", Some("as58f4201b"), source);
            response.header(HeaderName::Contact, "<sip:95598@192.0.2.1:5060>").finish()
        })
    });

    group
        .bench_function("owned_message", |b| b.iter(|| Message::parse(black_box(Bytes::from_static(INVITE))).unwrap()));
    group.finish();
}

/// Via branch, From tag, To tag, Call-ID, CSeq and the Contact's URI.
fn six_fields(view: View<'_>) -> usize {
    view.via().unwrap().branch.map_or(0, str::len)
        + view.from().unwrap().tag().map_or(0, str::len)
        + view.to().unwrap().tag().map_or(0, str::len)
        + view.call_id().unwrap().len()
        + view.cseq().unwrap().number as usize
        + view.contact().unwrap().parse_uri().unwrap().as_str().len()
}

/// Every header copied, as a B2BUA or proxy would.
fn serialise(out: &mut BytesMut, view: View<'_>) -> Bytes {
    let method = view.method().unwrap();
    let mut builder = Builder::request(out, &method, view.request_uri());
    builder.copy_all(view, |name| !matches!(name, HeaderName::ContentLength | HeaderName::ContentType));
    builder.body(view.header(HeaderName::ContentType).unwrap_or_default(), view.body()).finish()
}

criterion_group!(benches, scanner);
criterion_main!(benches);

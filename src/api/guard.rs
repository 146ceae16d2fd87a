//! The listening socket with bounds: connections in total and per address, and a limit on how long a client may take
//! over a request or over reading its answer.

use crate::admission::network_of;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until};

/// Connections at once. Each costs a descriptor and some 20 kB.
const MAX_CONNECTIONS: usize = 1024;
const MAX_PER_ADDRESS: usize = 512;
/// So that a probe of the machine itself never finds the switch dead while strangers hold all others.
const KEPT_FOR_LOOPBACK: usize = 16;
/// From the last octet written (or the connection's start) to the end of the next request, and between two octets of
/// an answer. Bounds a header that dribbles, a body that dribbles, an answer that nobody reads, and an idle keep-alive.
const PATIENCE: Duration = Duration::from_secs(20);
/// After an error of `accept` (out of descriptors), before it is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(SocketAddr);

impl Client {
    pub fn address(self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

impl Connected<IncomingStream<'_, Guarded>> for Client {
    fn connect_info(stream: IncomingStream<'_, Guarded>) -> Self {
        Client(*stream.remote_addr())
    }
}

pub(super) struct Guarded {
    listener: TcpListener,
    places: Places,
}

impl Guarded {
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, places: Places::default() }
    }
}

impl Listener for Guarded {
    type Io = Patient<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    // Without a place the connection is closed at once; the client may come back.
                    if let Some(place) = self.places.take(from.ip().to_canonical()) {
                        let _ = stream.set_nodelay(true);
                        return (Patient::new(stream, place), from);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Connections by network.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

impl Places {
    fn take(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_here = address.is_loopback();
        let address = network_of(address);
        let here = taken.get(&address).copied().unwrap_or(0);
        let all = taken.values().sum::<usize>();
        let most = if is_here { MAX_CONNECTIONS } else { MAX_CONNECTIONS - KEPT_FOR_LOOPBACK };
        if here >= MAX_PER_ADDRESS || all >= most {
            return None;
        }
        taken.insert(address, here + 1);
        Some(Place { address, places: self.clone() })
    }
}

/// Held by a connection; its end gives the place back.
struct Place {
    address: IpAddr,
    places: Places,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = taken.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// A stream that gives up on a peer that takes longer than [`PATIENCE`].
pub(super) struct Patient<S> {
    stream: S,
    deadline: Pin<Box<Sleep>>,
    _place: Place,
}

impl<S> Patient<S> {
    fn new(stream: S, place: Place) -> Self {
        Self { stream, deadline: Box::pin(sleep_until(Instant::now() + PATIENCE)), _place: place }
    }

    fn went_on(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + PATIENCE);
    }

    /// An error once the time is over; otherwise this task is woken then.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        self.deadline.as_mut().poll(cx).is_ready().then(|| io::ErrorKind::TimedOut.into())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Octets that arrive do not extend the time: a request must be complete within it.
        if let Some(error) = self.overdue(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Ready(result) => {
                self.went_on();
                Poll::Ready(result)
            }
            Poll::Pending => self.overdue(cx).map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn patient(places: &Places) -> (tokio::io::DuplexStream, Patient<tokio::io::DuplexStream>) {
        let (peer, own) = duplex(64);
        (peer, Patient::new(own, places.take(IpAddr::from([192, 0, 2, 1])).unwrap()))
    }

    #[test]
    fn strangers_leave_room_for_the_machine_itself_and_a_network_of_ipv6_counts_as_one() {
        let places = Places::default();
        let mut taken: Vec<Place> = Vec::new();
        for network in 0..4u32 {
            let host = |nth| format!("2001:db8:0:{network}::{nth:x}").parse().unwrap();
            taken.extend((0..=MAX_PER_ADDRESS).map_while(|nth| places.take(host(nth))));
        }
        assert_eq!(taken.len(), MAX_CONNECTIONS - KEPT_FOR_LOOPBACK);
        assert!(places.take([192, 0, 2, 1].into()).is_none());
        taken.extend((0..KEPT_FOR_LOOPBACK).map_while(|_| places.take([127, 0, 0, 1].into())));
        assert_eq!(taken.len(), MAX_CONNECTIONS);
        drop(taken);
        assert!(places.take([192, 0, 2, 1].into()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_dribbles_its_request_is_cut_off() {
        let (mut peer, mut own) = patient(&Places::default());
        let dribble = tokio::spawn(async move {
            for _ in 0..100 {
                if peer.write_all(b"G").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let start = Instant::now();
        let error = own.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), PATIENCE.as_secs());
        drop(own);
        dribble.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answer_is_cut_off_and_a_slow_reader_is_not() {
        let (mut peer, mut own) = patient(&Places::default());
        let reader = tokio::spawn(async move {
            let mut octets = [0; 64];
            for _ in 0..5 {
                tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
                peer.read_exact(&mut octets).await.unwrap();
            }
            peer
        });
        own.write_all(&[0; 6 * 64]).await.unwrap();
        let peer = reader.await.unwrap();
        assert_eq!(own.write_all(&[0; 64]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(peer);
    }

    #[test]
    fn one_address_cannot_take_every_place_and_places_come_back() {
        let places = Places::default();
        let (greedy, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let held: Vec<Place> = std::iter::from_fn(|| places.take(greedy)).collect();
        assert_eq!(held.len(), MAX_PER_ADDRESS);
        assert!(places.take(other).is_some());
        drop(held);
        assert!(places.0.lock().unwrap().is_empty());
    }
}

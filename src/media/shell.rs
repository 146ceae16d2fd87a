//! A worker's sockets and outlets: what the plane's [`Sink`] calls come to.

use super::command::{MediaEvent, PortLease, RecordingId, WorkerId};
use super::handshake::Note;
use super::handshaker::Handshaker;
use super::ports::PortNews;
use super::ring::{TapNote, TapWriter};
use super::sink::{LegSlot, Sink};
use super::socket::{MediaSocket, PortPair, Received};
use super::stock::{Pair, Stock};
use super::tap::TapFrame;
use super::worker::{MediaNotice, Notify, WorkerConfig};
use crate::ids::CallId;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::read;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use slab::Slab;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::time::Instant;

pub(super) const COMMANDS_TOKEN: u64 = u64::MAX;
pub(super) const TIMER_TOKEN: u64 = u64::MAX - 1;

/// Which socket of which pair the kernel speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub pair: Pair,
    pub rtcp: bool,
}

impl Token {
    fn to_u64(self) -> u64 {
        u64::from(self.pair) << 1 | u64::from(self.rtcp)
    }

    pub fn from_u64(token: u64) -> Self {
        Self { pair: (token >> 1) as Pair, rtcp: token & 1 != 0 }
    }
}

/// A bound pair, watched for as long as it is open.
struct Sockets {
    port: u16,
    rtp: MediaSocket,
    rtcp: MediaSocket,
    leg: Option<LegSlot>,
    /// Strangers sent to a socket that no leg uses: it is not watched until one does, so that they wake nobody.
    deaf: bool,
}

pub(super) struct Shell {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// What the timer is set to, so that it is set once for each moment.
    timer_at: Option<Instant>,
    id: WorkerId,
    pairs: Slab<Sockets>,
    /// The pair of each leg, by slot index.
    legs: Vec<Option<(LegSlot, Pair)>>,
    open: usize,
    stock: Stock,
    /// Announced and not yet taken, by RTP port.
    leased: BTreeMap<u16, Pair>,
    may_connect: bool,
    /// Pairs whose RTP socket was connected and may still hold packets of others.
    draining: Vec<Pair>,
    keeper: Sender<PortNews>,
    taps: Option<TapWriter>,
    pub handshaker: Option<Handshaker>,
    notify: Notify,
    /// Packets sent, and sends refused, since the worker last added them up.
    pub sent: u64,
    pub refused: u64,
}

impl Shell {
    pub fn new(
        config: &WorkerConfig,
        keeper: Sender<PortNews>,
        taps: Option<TapWriter>,
        notify: Notify,
        wake: &OwnedFd,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        epoll::add(&epoll, wake, EventData::new_u64(COMMANDS_TOKEN), EventFlags::IN)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER_TOKEN), EventFlags::IN)?;
        Ok(Self {
            epoll,
            timer,
            timer_at: None,
            id: config.id,
            pairs: Slab::new(),
            legs: Vec::new(),
            open: 0,
            stock: Stock::new(config.ready_ports, config.seed),
            leased: BTreeMap::new(),
            may_connect: !config.bind.is_unspecified(),
            draining: Vec::new(),
            keeper,
            taps,
            handshaker: None,
            notify,
            sent: 0,
            refused: 0,
        })
    }

    pub fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    pub fn legs(&self) -> usize {
        self.open
    }

    /// Makes `due`, which is `at` to the kernel, wake the thread. `false` if the kernel will not.
    pub fn wake_at(&mut self, due: Instant, at: Timespec) -> bool {
        if self.timer_at == Some(due) {
            return true;
        }
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        let set = timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once).is_ok();
        self.timer_at = set.then_some(due);
        set
    }

    pub fn timer_fired(&mut self) {
        self.timer_at = None;
        let _ = read(&self.timer, &mut [0; 8]);
    }

    pub fn forget_wake(&self, wake: &OwnedFd) {
        let _ = read(wake, &mut [0; 8]);
    }

    /// Takes pairs that were bound for this worker.
    pub fn take_ports(&mut self, pairs: Vec<PortPair>) {
        for PortPair { port, rtp, rtcp } in pairs {
            let entry = self.pairs.vacant_entry();
            // There are 32,768 even ports.
            let pair = entry.key() as Pair;
            let (rtp, rtcp) = (MediaSocket::new(rtp), MediaSocket::new(rtcp));
            let sockets = Sockets { port, rtp, rtcp, leg: None, deaf: false };
            if sockets.watch(&self.epoll, pair).is_ok() {
                entry.insert(sockets);
                self.stock.arrived(pair);
            } else {
                self.stock.unusable();
                let _ = self.keeper.send(PortNews::Surplus(vec![sockets.into_pair()]));
            }
        }
        self.announce();
    }

    fn announce(&mut self) {
        let pairs = self.stock.announce();
        if pairs.is_empty() {
            return;
        }
        let mut leases = Vec::with_capacity(pairs.len());
        for pair in pairs {
            if let Some(sockets) = self.pairs.get(pair as usize) {
                self.leased.insert(sockets.port, pair);
                leases.push(PortLease { worker: self.id, port: sockets.port });
            }
        }
        (self.notify)(MediaNotice::Ports(leases));
    }

    fn give_up_surplus(&mut self) {
        let pairs = self.stock.surplus();
        if pairs.is_empty() {
            return;
        }
        let mut closing = Vec::with_capacity(pairs.len());
        for pair in pairs {
            if let Some(sockets) = self.pairs.try_remove(pair as usize) {
                for socket in [&sockets.rtp, &sockets.rtcp] {
                    let _ = epoll::delete(&self.epoll, socket);
                }
                closing.push(sockets.into_pair());
            }
        }
        // Without a keeper, which ends after this thread, the sockets are closed here.
        let _ = self.keeper.send(PortNews::Surplus(closing));
    }

    /// One receive, with the leg whose packet it is. `None`: no leg uses the pair.
    pub fn receive(&mut self, token: Token, buffer: &mut [u8]) -> Option<(LegSlot, Received)> {
        let sockets = self.pairs.get_mut(token.pair as usize)?;
        let Some(slot) = sockets.leg else {
            // An error that is told of an earlier packet wakes even who does not listen, until it is fetched.
            for socket in [&mut sockets.rtp, &mut sockets.rtcp] {
                socket.recv(&mut []);
            }
            sockets.deaf = sockets.listen(&self.epoll, token.pair, EventFlags::empty()).is_ok();
            return None;
        };
        let socket = if token.rtcp { &mut sockets.rtcp } else { &mut sockets.rtp };
        Some((slot, socket.recv(buffer)))
    }

    pub fn draining(&self) -> &[Pair] {
        &self.draining
    }

    pub fn drained(&mut self, pair: Pair) {
        self.draining.retain(|of| *of != pair);
    }

    fn pair(&self, slot: LegSlot) -> Option<Pair> {
        let (owner, pair) = (*self.legs.get(slot.index as usize)?)?;
        (owner == slot).then_some(pair)
    }

    fn sockets(&mut self, slot: LegSlot) -> Option<(Pair, &mut Sockets)> {
        let pair = self.pair(slot)?;
        Some((pair, self.pairs.get_mut(pair as usize)?))
    }

    fn count(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => self.sent += 1,
            Err(_) => self.refused += 1,
        }
    }
}

impl Sink for Shell {
    fn open(&mut self, slot: LegSlot, port: u16) -> bool {
        let Some(pair) = self.leased.remove(&port) else { return false };
        self.stock.taken();
        if let Some(more) = self.stock.ask() {
            let _ = self.keeper.send(PortNews::Ask(more));
        }
        if self.stock.is_dry() {
            let _ = self.keeper.send(PortNews::Dry);
        }
        self.announce();
        let Some(sockets) = self.pairs.get_mut(pair as usize) else { return false };
        if sockets.deaf {
            sockets.deaf = sockets.listen(&self.epoll, pair, EventFlags::IN).is_err();
        }
        // What came while nobody used the port was not meant for this leg. The queue is short, so this ends.
        for socket in [&mut sockets.rtp, &mut sockets.rtcp] {
            for _ in 0..1024 {
                if socket.recv(&mut []) == Received::Empty {
                    break;
                }
            }
        }
        sockets.leg = Some(slot);
        let index = slot.index as usize;
        if self.legs.len() <= index {
            self.legs.resize(index + 1, None);
        }
        self.legs[index] = Some((slot, pair));
        self.open += 1;
        true
    }

    fn close(&mut self, slot: LegSlot) {
        let Some((pair, sockets)) = self.sockets(slot) else { return };
        sockets.leg = None;
        sockets.rtp.disconnect();
        self.legs[slot.index as usize] = None;
        self.open -= 1;
        self.drained(pair);
        self.stock.returned(pair);
        self.give_up_surplus();
        self.announce();
    }

    fn connect(&mut self, slot: LegSlot, remote: SocketAddr) {
        if !self.may_connect {
            return;
        }
        let Some((pair, sockets)) = self.sockets(slot) else { return };
        sockets.rtp.connect(remote);
        if sockets.rtp.is_draining() && !self.draining.contains(&pair) {
            self.draining.push(pair);
        }
    }

    fn disconnect(&mut self, slot: LegSlot) {
        if let Some((pair, sockets)) = self.sockets(slot) {
            sockets.rtp.disconnect();
            self.drained(pair);
        }
    }

    fn send_rtp(&mut self, slot: LegSlot, to: SocketAddr, packet: &[u8]) {
        if let Some((_, sockets)) = self.sockets(slot) {
            let result = sockets.rtp.send(to, packet);
            self.count(result);
        }
    }

    fn send_rtcp(&mut self, slot: LegSlot, to: SocketAddr, packet: &[u8]) {
        if let Some((_, sockets)) = self.sockets(slot) {
            let result = sockets.rtcp.send(to, packet);
            self.count(result);
        }
    }

    fn event(&mut self, event: MediaEvent) {
        (self.notify)(MediaNotice::Event(event));
    }

    fn handshake(&mut self, note: Note) -> bool {
        self.handshaker.as_mut().is_some_and(|handshaker| handshaker.hand(note))
    }

    fn record_open(&mut self, at: Instant, recording: RecordingId, call: CallId) {
        if let Some(taps) = &self.taps {
            taps.note(TapNote::Open { at, recording, call });
        }
    }

    fn record_close(&mut self, at: Instant, recording: RecordingId) {
        if let Some(taps) = &self.taps {
            taps.note(TapNote::Close { at, recording });
        }
    }

    fn tap(&mut self, frame: TapFrame) {
        if let Some(taps) = &mut self.taps {
            taps.push(frame);
        }
    }

    fn tap_lost(&mut self) {
        if let Some(taps) = &self.taps {
            taps.lose();
        }
    }
}

impl Sockets {
    fn named(&self, pair: Pair) -> [(&MediaSocket, EventData); 2] {
        let data = |rtcp| EventData::new_u64(Token { pair, rtcp }.to_u64());
        [(&self.rtp, data(false)), (&self.rtcp, data(true))]
    }

    fn watch(&self, epoll: &OwnedFd, pair: Pair) -> rustix::io::Result<()> {
        self.named(pair).into_iter().try_for_each(|(socket, data)| epoll::add(epoll, socket, data, EventFlags::IN))
    }

    /// Changes what of watched sockets wakes the worker.
    fn listen(&self, epoll: &OwnedFd, pair: Pair, to: EventFlags) -> rustix::io::Result<()> {
        self.named(pair).into_iter().try_for_each(|(socket, data)| epoll::modify(epoll, socket, data, to))
    }

    fn into_pair(self) -> PortPair {
        PortPair { port: self.port, rtp: self.rtp.into_fd(), rtcp: self.rtcp.into_fd() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::PortRange;
    use rustix::event::{EventfdFlags, eventfd};
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};
    use std::sync::{Arc, mpsc};

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A shell with one leased port, and the way to the keeper of ports.
    fn shell() -> (Shell, u16, mpsc::Receiver<PortNews>) {
        let ports = PortRange::unused(1);
        let port = ports.first_port();
        let (news_in, news) = mpsc::channel();
        let wake = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let config = WorkerConfig {
            id: WorkerId(0),
            bind: HERE,
            ports,
            ready_ports: 1,
            seed: 1,
            real_time: false,
            identity: None,
        };
        let mut shell = Shell::new(&config, news_in, None, Arc::new(|_| {}), &wake).unwrap();
        shell.take_ports(vec![PortPair::bind(HERE, port).unwrap()]);
        (shell, port, news)
    }

    fn wakes(shell: &Shell) -> bool {
        let mut ready = Vec::with_capacity(4);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(shell.epoll(), rustix::buffer::spare_capacity(&mut ready), Some(&now)).unwrap() > 0
    }

    const RTP: Token = Token { pair: 0, rtcp: false };
    const RTCP: Token = Token { pair: 0, rtcp: true };

    #[test]
    fn what_came_to_a_port_before_its_call_is_not_heard_in_it() {
        let (mut shell, port, _news) = shell();
        let phone = UdpSocket::bind((HERE, 0)).unwrap();
        for _ in 0..5 {
            phone.send_to(b"before", (HERE, port)).unwrap();
        }
        phone.send_to(b"before", (HERE, port + 1)).unwrap();
        let mut buffer = [0; 64];
        assert!(wakes(&shell));
        assert_eq!(shell.receive(RTP, &mut buffer), None, "for nobody");
        assert!(!wakes(&shell), "a stranger wakes the worker once");
        let slot = LegSlot { index: 3, generation: 1 };
        assert!(shell.open(slot, port));
        phone.send_to(b"now", (HERE, port)).unwrap();
        let from = phone.local_addr().unwrap();
        assert!(wakes(&shell));
        let heard = shell.receive(RTP, &mut buffer);
        assert_eq!(heard, Some((slot, Received::Packet(3, from))));
        assert_eq!(shell.receive(RTCP, &mut buffer), Some((slot, Received::Empty)));
    }

    #[test]
    fn a_phone_that_closed_its_port_first_wakes_nobody_when_its_leg_is_gone() {
        let (mut shell, port, _news) = shell();
        let phone = UdpSocket::bind((HERE, 0)).unwrap();
        let there = phone.local_addr().unwrap();
        let slot = LegSlot { index: 0, generation: 1 };
        assert!(shell.open(slot, port));
        shell.connect(slot, there);
        shell.receive(RTP, &mut [0; 64]);
        drop(phone);
        shell.send_rtp(slot, there, b"nobody hears this");
        shell.close(slot);
        assert!(wakes(&shell), "the kernel tells of the closed port");
        assert_eq!(shell.receive(RTP, &mut [0; 64]), None);
        assert!(!wakes(&shell), "once");
    }

    #[test]
    fn a_leg_that_took_the_place_and_the_port_of_another_hears_its_own_peer() {
        let (mut shell, port, news) = shell();
        let (old, new) = (LegSlot { index: 0, generation: 1 }, LegSlot { index: 0, generation: 2 });
        let (before, after) = (UdpSocket::bind((HERE, 0)).unwrap(), UdpSocket::bind((HERE, 0)).unwrap());
        assert!(shell.open(old, port));
        assert!(matches!(news.try_recv(), Ok(PortNews::Ask(1))));
        assert!(matches!(news.try_recv(), Ok(PortNews::Dry)));
        shell.connect(old, before.local_addr().unwrap());
        assert!(!shell.open(new, port), "a lease serves once");
        shell.close(old);
        before.send_to(b"late", (HERE, port)).unwrap();
        assert!(shell.open(new, port), "announced anew");
        after.send_to(b"new", (HERE, port)).unwrap();
        let from = after.local_addr().unwrap();
        assert_eq!(shell.receive(RTP, &mut [0; 64]), Some((new, Received::Packet(3, from))));
        shell.close(old);
        assert_eq!(shell.legs(), 1, "nor can it be closed by the old one's name");
        shell.send_rtp(old, from, b"from the old one");
        assert_eq!(shell.sent + shell.refused, 0);
    }

    #[test]
    fn a_token_names_one_socket_of_one_pair() {
        for pair in [0, 7, 32_767] {
            for rtcp in [false, true] {
                let token = Token { pair, rtcp };
                assert_eq!(Token::from_u64(token.to_u64()), token);
                assert!(token.to_u64() < TIMER_TOKEN);
            }
        }
    }
}

//! A worker's sockets and outlets: what the plane's [`Sink`] calls come to.

use super::command::{MediaEvent, PortLease, RecordingId, WorkerId};
use super::ports::PortNews;
use super::ring::{TapNote, TapWriter};
use super::sink::{LegSlot, Sink};
use super::socket::{MediaSocket, PortPair, Received};
use super::tap::TapFrame;
use super::worker::{MediaNotice, Notify};
use crate::ids::CallId;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::read;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::time::Instant;

pub(super) const COMMANDS_TOKEN: u64 = u64::MAX;
pub(super) const TIMER_TOKEN: u64 = u64::MAX - 1;

/// Which socket of which leg the kernel speaks of. The generation tells a leg from the one that had its place before, as
/// a report may be older than the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub slot: LegSlot,
    pub rtcp: bool,
}

impl Token {
    /// The top bit of the index makes room for `rtcp`; a worker never has 2^31 legs.
    fn to_u64(self) -> u64 {
        self.slot.to_u64() & !(1 << 31) | u64::from(self.rtcp) << 31
    }

    pub fn from_u64(token: u64) -> Self {
        Self { slot: LegSlot::from_u64(token & !(1 << 31)), rtcp: token & (1 << 31) != 0 }
    }
}

struct LegSockets {
    slot: LegSlot,
    port: u16,
    rtp: MediaSocket,
    rtcp: MediaSocket,
}

pub(super) struct Shell {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// What the timer is set to, so that it is set once for each moment.
    timer_at: Option<Instant>,
    /// By slot index.
    legs: Vec<Option<LegSockets>>,
    open: usize,
    /// Announced and not yet taken, by RTP port.
    leased: BTreeMap<u16, PortPair>,
    may_connect: bool,
    draining: Vec<LegSlot>,
    ports: Sender<PortNews>,
    taps: Option<TapWriter>,
    notify: Notify,
    /// Packets sent, and sends refused, since the worker last added them up.
    pub sent: u64,
    pub refused: u64,
}

impl Shell {
    pub fn new(
        may_connect: bool,
        ports: Sender<PortNews>,
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
            legs: Vec::new(),
            open: 0,
            leased: BTreeMap::new(),
            may_connect,
            draining: Vec::new(),
            ports,
            taps,
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

    /// Announces pairs that were bound for this worker.
    pub fn take_ports(&mut self, worker: WorkerId, pairs: Vec<PortPair>) {
        let leases = pairs.iter().map(|pair| PortLease { worker, port: pair.port }).collect();
        self.leased.extend(pairs.into_iter().map(|pair| (pair.port, pair)));
        (self.notify)(MediaNotice::Ports(leases));
    }

    /// One receive; `None` for a leg that is gone.
    pub fn receive(&mut self, token: Token, buffer: &mut [u8]) -> Option<(LegSlot, Received)> {
        let leg = self.leg(token.slot)?;
        let socket = if token.rtcp { &mut leg.rtcp } else { &mut leg.rtp };
        Some((leg.slot, socket.recv(buffer)))
    }

    /// Legs whose RTP socket was connected and may still hold packets of others.
    pub fn draining(&self) -> &[LegSlot] {
        &self.draining
    }

    pub fn drained(&mut self, slot: LegSlot) {
        self.draining.retain(|of| *of != slot);
    }

    fn leg(&mut self, slot: LegSlot) -> Option<&mut LegSockets> {
        let leg = self.legs.get_mut(slot.index as usize)?.as_mut()?;
        (leg.slot == slot).then_some(leg)
    }

    fn watch(&self, leg: &LegSockets) -> io::Result<()> {
        for (socket, rtcp) in [(&leg.rtp, false), (&leg.rtcp, true)] {
            let data = EventData::new_u64(Token { slot: leg.slot, rtcp }.to_u64());
            epoll::add(&self.epoll, socket, data, EventFlags::IN)?;
        }
        Ok(())
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
        let mut leg = LegSockets { slot, port, rtp: MediaSocket::new(pair.rtp), rtcp: MediaSocket::new(pair.rtcp) };
        // What came while nobody used the port was not meant for this leg. The queue is short, so this ends.
        for socket in [&mut leg.rtp, &mut leg.rtcp] {
            for _ in 0..1024 {
                if socket.recv(&mut []) == Received::Empty {
                    break;
                }
            }
        }
        let _ = self.ports.send(PortNews::Taken);
        if self.watch(&leg).is_err() {
            let pair = PortPair { port, rtp: leg.rtp.into_fd(), rtcp: leg.rtcp.into_fd() };
            let _ = self.ports.send(PortNews::Returned(pair));
            return false;
        }
        let index = slot.index as usize;
        if self.legs.len() <= index {
            self.legs.resize_with(index + 1, || None);
        }
        self.legs[index] = Some(leg);
        self.open += 1;
        true
    }

    fn close(&mut self, slot: LegSlot) {
        if self.leg(slot).is_none() {
            return;
        }
        let Some(leg) = self.legs[slot.index as usize].take() else { return };
        self.open -= 1;
        self.drained(slot);
        for socket in [&leg.rtp, &leg.rtcp] {
            let _ = epoll::delete(&self.epoll, socket);
        }
        let pair = PortPair { port: leg.port, rtp: leg.rtp.into_fd(), rtcp: leg.rtcp.into_fd() };
        // Without a keeper, which ends after this thread, the sockets are closed here.
        let _ = self.ports.send(PortNews::Returned(pair));
    }

    fn connect(&mut self, slot: LegSlot, remote: SocketAddr) {
        if !self.may_connect {
            return;
        }
        let Some(leg) = self.leg(slot) else { return };
        leg.rtp.connect(remote);
        if leg.rtp.is_draining() && !self.draining.contains(&slot) {
            self.draining.push(slot);
        }
    }

    fn disconnect(&mut self, slot: LegSlot) {
        if let Some(leg) = self.leg(slot) {
            leg.rtp.disconnect();
            self.drained(slot);
        }
    }

    fn send_rtp(&mut self, slot: LegSlot, to: SocketAddr, packet: &[u8]) {
        if let Some(leg) = self.leg(slot) {
            let result = leg.rtp.send(to, packet);
            self.count(result);
        }
    }

    fn send_rtcp(&mut self, slot: LegSlot, to: SocketAddr, packet: &[u8]) {
        if let Some(leg) = self.leg(slot) {
            let result = leg.rtcp.send(to, packet);
            self.count(result);
        }
    }

    fn event(&mut self, event: MediaEvent) {
        (self.notify)(MediaNotice::Event(event));
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::PortRange;
    use rustix::event::{EventfdFlags, eventfd};
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};
    use std::sync::{Arc, mpsc};

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A shell with one leased port, and the way back to the keeper of ports.
    fn shell() -> (Shell, u16, mpsc::Receiver<PortNews>) {
        let port = PortRange::unused(1).first_port();
        let (news_in, news) = mpsc::channel();
        let wake = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let mut shell = Shell::new(true, news_in, None, Arc::new(|_| {}), &wake).unwrap();
        shell.take_ports(WorkerId(0), vec![PortPair::bind(HERE, port).unwrap()]);
        (shell, port, news)
    }

    #[test]
    fn what_came_to_a_port_before_its_call_is_not_heard_in_it() {
        let (mut shell, port, _news) = shell();
        let phone = UdpSocket::bind((HERE, 0)).unwrap();
        for _ in 0..5 {
            phone.send_to(b"before", (HERE, port)).unwrap();
        }
        phone.send_to(b"before", (HERE, port + 1)).unwrap();
        let slot = LegSlot { index: 3, generation: 1 };
        assert!(shell.open(slot, port));
        phone.send_to(b"now", (HERE, port)).unwrap();
        let mut buffer = [0; 64];
        let from = phone.local_addr().unwrap();
        let heard = shell.receive(Token { slot, rtcp: false }, &mut buffer);
        assert_eq!(heard, Some((slot, Received::Packet(3, from))));
        assert_eq!(shell.receive(Token { slot, rtcp: true }, &mut buffer), Some((slot, Received::Empty)));
    }

    #[test]
    fn a_leg_that_took_the_place_of_another_does_not_get_its_packets() {
        let (mut shell, port, news) = shell();
        let (old, new) = (LegSlot { index: 0, generation: 1 }, LegSlot { index: 0, generation: 2 });
        assert!(shell.open(old, port));
        shell.close(old);
        assert!(!shell.open(new, port), "a lease serves once");
        assert!(matches!(news.recv(), Ok(PortNews::Taken)));
        let Ok(PortNews::Returned(pair)) = news.recv() else { panic!("the port comes back") };
        shell.take_ports(WorkerId(0), vec![pair]);
        assert!(shell.open(new, port));
        assert_eq!(shell.receive(Token { slot: old, rtcp: false }, &mut [0; 64]), None);
        shell.close(old);
        assert_eq!(shell.legs(), 1, "nor can it be closed by the old one's name");
    }

    #[test]
    fn a_token_names_one_socket_of_one_leg() {
        for (index, generation) in [(0, 0), (7, 1), (i32::MAX as u32, u32::MAX - 1)] {
            for rtcp in [false, true] {
                let token = Token { slot: LegSlot { index, generation }, rtcp };
                assert_eq!(Token::from_u64(token.to_u64()), token);
                assert!(token.to_u64() < TIMER_TOKEN);
            }
        }
    }
}

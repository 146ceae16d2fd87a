//! A connection of somebody who writes SIP by hand, cut into messages by the framer of the product and handed on as the
//! connection's task does it.

use super::world::World;
use hotline::sip::message::Message;
use hotline::sip::message::frame::{Frame, Framer};
use hotline::sip::peer::{ConnectionId, Peer, Transport};
use hotline::switch::Input;
use std::net::SocketAddr;

pub struct Stream {
    peer: Peer,
    framer: Framer,
    /// Nothing has come yet after which nobody can know where the next message begins.
    pub open: bool,
}

impl Stream {
    pub fn open(world: &mut World, from: SocketAddr, transport: Transport) -> Stream {
        world.by_hand.entry(from).or_default();
        let connection = Some(ConnectionId(0x5_0000 + u64::from(from.port())));
        let local = SocketAddr::from(([10, 0, 0, 1], 5060));
        Stream { peer: Peer { transport, remote: from, local, connection }, framer: Framer::default(), open: true }
    }

    pub fn write(&mut self, world: &mut World, bytes: &[u8]) {
        let peer = self.peer;
        self.framer.push(bytes);
        while let Some(frame) = self.framer.next() {
            match frame {
                Ok(Frame::Message(raw)) => match Message::from_frame(raw.clone()) {
                    Ok(message) => world.input(Input::Sip { peer, message, trunk: None }),
                    Err(error) => world.input(Input::Garbage { peer, raw, status: error.status() }),
                },
                Ok(Frame::Ping | Frame::Pong) => {}
                Err(broken) => {
                    world.input(Input::Garbage { peer, raw: broken.message, status: broken.fault.status() });
                    self.open = false;
                }
            }
        }
    }

    /// Octets that wait for the rest of their message.
    pub fn waiting(&self) -> usize {
        self.framer.buffered()
    }

    pub fn close(self, world: &mut World) {
        world.input(Input::Lost { peer: self.peer });
    }
}

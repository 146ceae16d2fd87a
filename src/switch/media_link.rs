//! Between media workers and calls: what a worker reports becomes a key, the end of a play, or a leg that fell silent.

use super::test_number::TestEvent;
use super::{Driver, Switch};
use crate::call::LegSeat;
use crate::events::{Cause, EventKind, KeySource, LegRole, MediaTrouble, Source};
use crate::ids::{CallId, LegId};
use crate::media::command::{MediaEvent, PlayId, PortLease};
use crate::sdp::Protection;
use crate::sip::digest::hmac_sha256;
use crate::sip::peer::Peer;
use crate::timers::Now;

impl Switch {
    /// What a leg with that peer is made with.
    pub(super) fn seat(&self, id: LegId, lease: PortLease, peer: Peer, whose: &Source) -> LegSeat {
        let secret = hmac_sha256(&self.config.auth_key, &[b"keys of leg", &id.0.to_be_bytes()]);
        let protection = Protection::new(self.config.srtp.of(whose), peer.transport.secure(), secret);
        let protection = match self.config.certificate {
            // Who signals over WebSocket is a browser, which takes no other keys (RFC 8827 6.5).
            Some(certificate) => protection.with_handshake(certificate, peer.transport.is_web_socket()),
            None => protection,
        };
        LegSeat {
            id,
            lease,
            advertised: self.config.media_address(&peer),
            via: peer.remote.ip(),
            rtp_timeout: self.config.rtp_timeout,
            protection,
            pause_key: self.config.pause_key.clone(),
            keys: self.config.keys.of(whose),
        }
    }

    pub(super) fn on_media(&mut self, now: Now, event: MediaEvent) {
        match event {
            MediaEvent::Key { leg, key, via } => self.on_key(now, leg, key, via),
            MediaEvent::PlayDone { leg, id, heard_ms, stopped: _ } => {
                if let Some(call) = self.call_of(leg) {
                    self.on_play_done(now, call, leg, id, heard_ms);
                }
            }
            MediaEvent::Captured { leg, clip } => {
                if let Some(call) = self.call_of(leg) {
                    self.on_test(now, call, TestEvent::Captured(clip));
                }
            }
            MediaEvent::FellSilent { leg } => {
                if let Some(call) = self.call_of(leg) {
                    self.on_take_silent(now, call);
                }
            }
            MediaEvent::RtpTimeout { leg } => {
                if let Some(call) = self.call_of(leg) {
                    self.with_call(now, call, |call, out| call.leg_silent(leg, out));
                }
            }
            MediaEvent::Trouble { leg, trouble } => {
                if let Some(call) = self.call_of(leg) {
                    let text = trouble.words(&self.party(call, leg));
                    let ends = matches!(trouble, MediaTrouble::NoKeys { .. });
                    self.emit(now, Some(call), EventKind::MediaTrouble { leg, trouble, text });
                    if ends {
                        self.with_call(now, call, |call, out| call.leg_without_keys(leg, out));
                    }
                }
            }
            MediaEvent::Dropped { leg, report } => {
                self.ports.release(leg);
                if let Some((call, _)) = self.legs.remove(&leg) {
                    self.with_call(now, call, |call, out| call.leg_reported(leg, report, out));
                }
            }
            MediaEvent::CreateFailed { leg } => {
                if let Some(call) = self.call_of(leg) {
                    let text =
                        format!("no media for leg {leg}: its RTP port could not be used; see the media worker's log");
                    self.emit(now, Some(call), EventKind::Alarm { text });
                    self.on_leg_without_media(now, call, leg);
                }
            }
            MediaEvent::Feature { leg } => self.on_pause_key(now, leg),
            MediaEvent::KeyUnsent { leg, key } => self.send_key_by_info(now, leg, key),
            // An address that was learned changes no call.
            MediaEvent::Latched { .. } => {}
        }
    }

    /// What an edge learned. The end of a recording is one more report that its call's record waits for.
    pub(super) fn on_fact(&mut self, now: Now, call: Option<CallId>, fact: EventKind) {
        let written = matches!(fact, EventKind::RecordingEnded { .. } | EventKind::RecordingFailed { .. });
        if let Some(call) = call {
            self.on_take_fact(now, call, &fact);
        }
        self.emit(now, call, fact);
        if let (true, Some(call)) = (written, call) {
            self.with_call(now, call, |call, out| call.recording_written(out));
        }
    }

    /// A party of a call, in words.
    fn party(&self, call: CallId, leg: LegId) -> String {
        let found = self.calls.get(&call).and_then(|entry| entry.call.legs().find(|party| party.id == leg));
        match found.map(|party| (party.role, &party.agent)) {
            Some((LegRole::Caller, _)) => "the caller".into(),
            Some((LegRole::Supervisor, Some(agent))) => format!("supervisor {agent}"),
            Some((_, Some(agent))) => format!("agent {agent}"),
            Some((_, None)) | None => "the called party".into(),
        }
    }

    fn call_of(&self, leg: LegId) -> Option<CallId> {
        self.legs.get(&leg).map(|(call, _)| *call)
    }

    /// A key, in whatever way it came. Only the caller's keys steer anything, and only while nobody talks to it.
    pub(super) fn on_key(&mut self, now: Now, leg: LegId, key: char, via: KeySource) {
        let Some(call) = self.call_of(leg) else { return };
        let Some(entry) = self.calls.get(&call) else { return };
        if entry.call.is_guest(leg) {
            return self.on_guest_key(now, call, leg, key);
        }
        if leg != entry.call.caller().id || entry.call.is_bridged() || entry.call.is_ended() {
            return;
        }
        match entry.driver {
            Driver::Flow(_) => self.on_flow_key(now, call, key, via),
            Driver::Test(_) => {
                let shown = self.config.show_digits.then_some(key);
                self.emit(now, Some(call), EventKind::Key { leg, key: shown, via });
                self.on_test(now, call, TestEvent::Key(key));
            }
            Driver::Direct | Driver::Queue(_) => {}
        }
    }

    fn on_play_done(&mut self, now: Now, call: CallId, leg: LegId, id: PlayId, heard_ms: u32) {
        let Some(entry) = self.calls.get(&call) else { return };
        if leg != entry.call.caller().id {
            return;
        }
        match entry.driver {
            Driver::Flow(_) => self.on_flow_play_done(now, call, id, heard_ms),
            Driver::Test(_) => self.on_test(now, call, TestEvent::PlayDone(id)),
            Driver::Direct | Driver::Queue(_) => {}
        }
    }

    fn on_leg_without_media(&mut self, now: Now, call: CallId, leg: LegId) {
        self.with_call(now, call, |call, out| {
            if call.caller().id == leg {
                call.hang_up(Cause::Internal, crate::events::EndedBy::System, out);
            } else {
                call.leg_failed(leg, Cause::Internal, out);
            }
        });
    }
}

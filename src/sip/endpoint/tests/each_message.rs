//! Every flow with one of its messages lost, doubled or late, for each message in turn: whatever happens to it, both
//! sides are told the same story as on a perfect wire, and have forgotten the call 64*T1 after its end.

use super::world::*;
use crate::sip::endpoint::{Notice, OutgoingRequest, ServerRequest, SipEvent, UsageId};
use crate::sip::transaction::TimerSet;
use bytes::Bytes;
use std::time::Duration;

const SDP: Bytes = Bytes::from_static(b"v=0\r\n");
/// 64*T1, after which either side has given up waiting for a message (RFC 3261 17).
const GIVEN_UP: Duration = Duration::from_secs(32);

/// What happens to one message.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Lost,
    Doubled,
    /// A copy comes long after the exchange it belongs to.
    Echoed,
    /// Arrives behind the message that was sent after it.
    Swapped,
    /// Arrives after it was sent again (T1 is 500 ms).
    Late,
}

const MISHAPS: [Mishap; 5] = [Mishap::Lost, Mishap::Doubled, Mishap::Echoed, Mishap::Swapped, Mishap::Late];

impl Mishap {
    fn delays(self) -> Vec<Duration> {
        match self {
            Mishap::Lost => vec![],
            Mishap::Doubled => vec![ms(1), ms(2)],
            Mishap::Echoed => vec![ms(1), ms(4_000)],
            Mishap::Swapped => vec![ms(150)],
            Mishap::Late => vec![ms(700)],
        }
    }
}

struct Flow {
    world: World,
    /// What either side was told, in order, but for the provisional answers, which nobody repeats (13.3.1.1).
    told: [Vec<String>; 2],
}

impl Flow {
    fn new(nth: usize, mishap: Option<Mishap>) -> Self {
        let mut world = World::new();
        let mut count = 0;
        world.fate = Box::new(move |_| {
            count += 1;
            mishap.filter(|_| count == nth + 1).map_or_else(|| vec![ms(1)], Mishap::delays)
        });
        Flow { world, told: Default::default() }
    }

    fn heed(&mut self) -> Vec<(usize, SipEvent)> {
        self.world.drain();
        let mut heard = Vec::new();
        for end in [PHONE, SWITCH] {
            for event in std::mem::take(&mut self.world.events[end]) {
                if !matches!(event, SipEvent::Progress { .. }) {
                    self.told[end].push(title(&event));
                }
                heard.push((end, event));
            }
        }
        heard
    }

    /// Runs until `end` is told what `wanted` looks for.
    fn until<T>(&mut self, end: usize, what: &str, wanted: impl Fn(&SipEvent) -> Option<T>) -> T {
        let limit = self.world.now + GIVEN_UP;
        loop {
            let found = self.heed().into_iter().filter(|(at, _)| *at == end).find_map(|(_, event)| wanted(&event));
            if let Some(found) = found {
                return found;
            }
            assert!(self.world.step(limit), "side {end} never heard {what}: {:?}", self.told);
        }
    }

    fn hears(&mut self, end: usize, what: &str) {
        self.until(end, what, |event| title(event).starts_with(what).then_some(()));
    }

    fn run(&mut self, time: Duration) {
        self.world.run(time);
        self.heed();
    }

    fn dial(&mut self) -> (UsageId, UsageId) {
        let order = self.world.order();
        let caller = self.world.ends[PHONE].invite(self.world.now, order).unwrap();
        let callee = self.until(SWITCH, "Invited", |event| match event {
            SipEvent::Invited { usage, .. } => Some(*usage),
            _ => None,
        });
        (caller, callee)
    }

    /// A call that is up on both sides, after it rang.
    fn call(&mut self) -> [UsageId; 2] {
        let (caller, callee) = self.dial();
        self.world.ends[SWITCH].progress(self.world.now, callee, 180, None);
        self.run(ms(200));
        self.world.ends[SWITCH].accept(self.world.now, callee, SDP);
        self.hears(PHONE, "Answered");
        self.hears(SWITCH, "Acked");
        [caller, callee]
    }

    /// A call that does not ring but is spoken in at once, by a 183 that has to be acknowledged (RFC 3262).
    fn speak_early(&mut self) -> [UsageId; 2] {
        let (caller, callee) = self.dial();
        self.world.ends[SWITCH].progress(self.world.now, callee, 183, Some(SDP));
        self.hears(PHONE, "Progress 183");
        self.run(ms(2_000));
        [caller, callee]
    }

    fn answer_early(&mut self, usages: [UsageId; 2]) {
        self.world.ends[SWITCH].accept(self.world.now, usages[SWITCH], SDP);
        self.hears(PHONE, "Answered");
        self.hears(SWITCH, "Acked");
    }

    fn refer(&mut self, up: [UsageId; 2]) -> ServerRequest {
        self.world.ends[PHONE].refer(self.world.now, up[PHONE], "sip:1002@192.0.2.2", None).unwrap();
        self.until(SWITCH, "Referred", |event| match event {
            SipEvent::Referred { id, .. } => Some(*id),
            _ => None,
        })
    }

    fn hang_up(&mut self, end: usize, usages: [UsageId; 2]) {
        self.world.ends[end].hangup(self.world.now, usages[end], None);
        self.hears(1 - end, "Ended");
    }
}

type Story = fn(&mut Flow);

/// What a caller, a callee or a trunk may do, one story each.
const FLOWS: [(&str, Story); 15] = [
    ("the caller hangs up", |flow| {
        let up = flow.call();
        flow.hang_up(PHONE, up);
    }),
    ("the callee hangs up", |flow| {
        let up = flow.call();
        flow.hang_up(SWITCH, up);
    }),
    ("refused", |flow| {
        let (_, callee) = flow.dial();
        flow.world.ends[SWITCH].progress(flow.world.now, callee, 180, None);
        flow.run(ms(200));
        flow.world.ends[SWITCH].reject(flow.world.now, callee, 486, None, &[]);
        flow.hears(PHONE, "Rejected 486");
    }),
    ("the caller gives up while it rings", |flow| {
        let (caller, callee) = flow.dial();
        flow.world.ends[SWITCH].progress(flow.world.now, callee, 180, None);
        // A lost 180 leaves the 100, which came 200 ms after the INVITE (17.2.1).
        flow.run(ms(900));
        flow.world.ends[PHONE].hangup(flow.world.now, caller, None);
        flow.hears(SWITCH, "Ended Cancelled");
    }),
    ("answered at once, without ringing", |flow| {
        let (caller, callee) = flow.dial();
        flow.world.ends[SWITCH].accept(flow.world.now, callee, SDP);
        flow.hears(SWITCH, "Acked");
        flow.hang_up(PHONE, [caller, callee]);
    }),
    ("the caller changes the session", |flow| reoffer(flow, PHONE, Ok(SDP))),
    ("the callee changes the session", |flow| reoffer(flow, SWITCH, Ok(SDP))),
    ("a change is refused", |flow| reoffer(flow, PHONE, Err(488))),
    ("a key by INFO", |flow| {
        let up = flow.call();
        flow.world.ends[PHONE].info(flow.world.now, up[PHONE], "application/dtmf-relay", Bytes::new());
        flow.hears(SWITCH, "Info");
        flow.run(ms(2_000));
        flow.hang_up(SWITCH, up);
    }),
    ("a request outside calls", |flow| {
        let order = OutgoingRequest {
            peer: flow.world.peer(PHONE),
            method: "REGISTER",
            request_uri: "sip:192.0.2.2".into(),
            to: "sip:1001@192.0.2.2".into(),
            from: "sip:1001@192.0.2.2".into(),
            headers: vec![],
            body: None,
            credentials: None,
        };
        flow.world.ends[PHONE].request(flow.world.now, order).unwrap();
        let id = flow.until(SWITCH, "Request", |event| match event {
            SipEvent::Request { id, .. } => Some(*id),
            _ => None,
        });
        flow.world.ends[SWITCH].respond(flow.world.now, id, 200, None, &[], None);
        flow.hears(PHONE, "ResponseTo 200");
    }),
    ("the callee speaks before its answer, acknowledged by PRACK", |flow| {
        let usages = flow.speak_early();
        flow.answer_early(usages);
        flow.hang_up(PHONE, usages);
    }),
    ("the session is changed by UPDATE before the answer", |flow| {
        let usages = flow.speak_early();
        flow.world.ends[PHONE].reinvite(flow.world.now, usages[PHONE], SDP).unwrap();
        flow.hears(SWITCH, "Reoffer");
        flow.world.ends[SWITCH].answer_reoffer(flow.world.now, usages[SWITCH], Ok(SDP), &[]);
        flow.hears(PHONE, "ReofferAnswered");
        flow.run(ms(2_000));
        flow.answer_early(usages);
        flow.hang_up(SWITCH, usages);
    }),
    ("a transfer, told of by NOTIFY", |flow| {
        let up = flow.call();
        let request = flow.refer(up);
        let subscription = flow.world.ends[SWITCH].accept_refer(flow.world.now, up[SWITCH], request, true).unwrap();
        flow.hears(PHONE, "ReferAnswered 202");
        let fragment = |status: u16| ("message/sipfrag", format!("SIP/2.0 {status} So\r\n").into());
        let (kind, body): (&str, Bytes) = fragment(180);
        flow.world.ends[SWITCH].notify(flow.world.now, subscription, Notice::state(kind, body));
        flow.hears(PHONE, "Notified 180");
        flow.run(ms(2_000));
        flow.world.ends[SWITCH].notify(flow.world.now, subscription, Notice::last("noresource", Some(fragment(200))));
        flow.hears(PHONE, "Notified 200 over");
        flow.run(ms(2_000));
        flow.hang_up(PHONE, up);
    }),
    ("a transfer that is refused", |flow| {
        let up = flow.call();
        let request = flow.refer(up);
        flow.world.ends[SWITCH].respond(flow.world.now, request, 603, None, &[], None);
        flow.hears(PHONE, "ReferAnswered 603");
        flow.run(ms(2_000));
        flow.hang_up(PHONE, up);
    }),
    ("both hang up at once", |flow| {
        let up = flow.call();
        for end in [PHONE, SWITCH] {
            flow.world.ends[end].hangup(flow.world.now, up[end], None);
        }
    }),
];

fn reoffer(flow: &mut Flow, from: usize, answer: Result<Bytes, u16>) {
    let up = flow.call();
    flow.world.ends[from].reinvite(flow.world.now, up[from], SDP).unwrap();
    flow.hears(1 - from, "Reoffer");
    let heard = if answer.is_ok() { "ReofferAnswered" } else { "ReofferFailed" };
    flow.world.ends[1 - from].answer_reoffer(flow.world.now, up[1 - from], answer, &[]);
    flow.hears(from, heard);
    flow.run(ms(2_000));
    flow.hang_up(from, up);
}

/// Plays a flow to its end; what both sides were told, and how many messages it took.
fn play(story: Story, nth: usize, mishap: Option<Mishap>) -> ([Vec<String>; 2], usize) {
    let mut flow = Flow::new(nth, mishap);
    story(&mut flow);
    let messages = flow.world.log.len();
    flow.run(GIVEN_UP + ms(5));
    for end in [PHONE, SWITCH] {
        assert_eq!(flow.world.ends[end].stats().usages, 0, "side {end} still has a call 64*T1 after its end");
    }
    // The last of its transactions are kept once more as long, for what is still on its way (17.1.1.2, 17.2.2).
    flow.run(GIVEN_UP + TimerSet::default().t4);
    for end in &flow.world.ends {
        assert!(end.is_idle(), "left behind: {:?}", end.stats());
    }
    (flow.told, messages)
}

#[test]
fn whatever_happens_to_one_message_both_sides_are_told_the_same_story() {
    for (name, story) in FLOWS {
        let (told, messages) = play(story, 0, None);
        assert!(messages >= 2, "{name}: {told:?}");
        for nth in 0..messages {
            for mishap in MISHAPS {
                let (otherwise, _) = play(story, nth, Some(mishap));
                assert_eq!(otherwise, told, "{name}: message {nth} of {messages} {mishap:?}");
            }
        }
    }
}

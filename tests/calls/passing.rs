//! What one side of a call tells the other through us: why it ended (RFC 3326).

use super::*;

/// A caller and the agent 1001, both by hand, who talk.
struct Talk {
    world: World,
    caller: RawCall,
    agent: RawCall,
}

impl Talk {
    fn new() -> Talk {
        let mut world = World::new(Settings { rtp_timeout: None, ..Settings::default() });
        let agent = world.agent("1001");
        let desk = world.answer_by_hand(agent);
        let mut caller = RawCall::new("10.2.99.1:5060".parse().unwrap(), "9000");
        let sdp = caller.sdp();
        world.send_by_hand(caller.address, caller.invite(Some(&sdp)));
        let ok = final_answer_within(&mut world, caller.address);
        caller.learn(&ok);
        world.send_by_hand(caller.address, caller.ack(None));
        let invite = request_within(&mut world, desk, Method::Invite);
        let agent = RawCall::called(desk, &invite, "desk");
        let answer = agent.response(&invite, 200, Some("desk"), Some(&agent.sdp()));
        world.send_by_hand(desk, answer);
        request_within(&mut world, desk, Method::Ack);
        Talk { world, caller, agent }
    }

    /// One side hangs up with this Reason; what the other is told.
    fn hangs_up(mut self, by_caller: bool, reason: &str) -> String {
        let (first, other) = match by_caller {
            true => (&mut self.caller, &mut self.agent),
            false => (&mut self.agent, &mut self.caller),
        };
        first.headers = format!("Reason: {reason}\r\n");
        let bye = first.bye();
        self.world.send_by_hand(first.address, bye);
        let told = request_within(&mut self.world, other.address, Method::Bye);
        self.world.send_by_hand(other.address, other.ok_to(&told));
        self.world.finish();
        sim::raw::header(&told, HeaderName::Reason)
    }
}

#[test]
fn why_one_side_hung_up_is_told_to_the_other() {
    for by_caller in [false, true] {
        assert_eq!(Talk::new().hangs_up(by_caller, "Q.850;cause=41;text=\"x\""), "Q.850;cause=41");
        assert_eq!(Talk::new().hangs_up(by_caller, "SIP;cause=480"), "SIP;cause=480");
        assert_eq!(
            Talk::new().hangs_up(by_caller, "nonsense"),
            "Q.850;cause=16",
            "what cannot be read is not passed on"
        );
    }
}

#[test]
fn why_a_phone_refused_is_told_to_the_caller() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    let address = world.answer_by_hand(called);
    world.dial(calling, "1002");
    let invite = request_within(&mut world, address, Method::Invite);
    let call = RawCall::called(address, &invite, "desk");
    let refusal = String::from_utf8(call.response(&invite, 480, Some("desk"), None).to_vec()).unwrap();
    let refusal = refusal.replacen("Contact:", "Reason: Q.850;cause=31\r\nContact:", 1);
    world.send_by_hand(address, refusal.into());
    assert_eq!(world.until_over(calling), Over::Refused(480));
    assert_eq!(world.call(calling).why.map(|why| why.to_string()).as_deref(), Some("Q.850;cause=31"));
    world.finish();
}

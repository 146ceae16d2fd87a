//! Calls that come with few hops left, as calls in a loop do.

use super::*;

#[test]
fn a_call_goes_on_with_one_hop_less_than_it_came_with() {
    // RFC 7332 3.
    let mut world = world();
    let agent = world.agent("1001");
    let address = "10.2.99.1:5060".parse().unwrap();
    let mut call = RawCall::new(address, "9000");
    call.max_forwards = 5;
    let sdp = call.sdp();
    world.send_by_hand(address, call.invite(Some(&sdp)));
    world.until_rings(agent);
    assert_eq!(world.call(agent).max_forwards, Some(4));
    let ok = final_answer(&world, address);
    call.learn(&ok);
    world.send_by_hand(address, call.ack(None));
    let bye = call.bye();
    world.send_by_hand(address, bye);
    world.until_over(agent);
    world.finish();
}

#[test]
fn a_call_without_a_hop_left_is_not_sent_on() {
    let mut world = world();
    let (calling, called) = (world.agent("1001"), world.agent("1002"));
    world.phones[calling.0].hops = Some(1);
    world.dial(calling, "1002");
    assert_eq!(world.until_over(calling), Over::Refused(483));
    assert_eq!(refusals(&world), [(Refusal::LoopDetected, 483)]);
    assert!(world.state(called).is_none());
    // What ends here is not sent on.
    world.dial(calling, "9193");
    world.until_heard(calling, "music");
    world.hang_up(calling);
    world.finish();
}

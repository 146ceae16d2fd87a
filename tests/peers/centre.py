"""The contact centre with real phones: what a caller in a queue notices of agents who come, go and are lost."""

import time

from lab import AGENT_HZ, CALLER_HZ, TONE_DBFS, check_agent_heard, expect
from life import PROJECT, own_switch
from scenarios import scenario
from sipp import Failure, poll

# A phone that says nothing for so long is lost.
LOST_S = 5
CENTRE = PROJECT.replace("  service: {ring_timeout: 20s, max_wait: 5m}\n", "  service: {ring_timeout: 20s, max_wait: 5m, wait_for_lost: 2s}\n").replace(
    "agents:\n", "agents:\n  - {id: \"1002\", password: @SECRET@, queues: [service]}\n"
) + f"limits: {{rtp_timeout: {LOST_S}s}}\n"


@scenario(alone=True)
def agent_is_lost(lab):
    """an agent's phone is killed in mid-call: its caller hears music instead, keeps the place, and talks to the next agent."""
    with own_switch(lab, "centre-lost", project=CENTRE) as own:
        first, second = own.baresip("1001"), own.baresip("1002")
        own.settle("1001", "1002")
        own.switch.api("agents/1002/state", "PUT", {"state": "not_ready", "reason": "lunch"})
        call = own.call("9000").answered()
        call.voice.tone(CALLER_HZ, TONE_DBFS)
        first.wait_event("CALL_INCOMING", 15)
        first.accept()
        first.wait_event("CALL_ESTABLISHED", 5)
        time.sleep(1)
        call.check_hears(AGENT_HZ, "the first agent's tone")
        first.process.kill()
        killed = time.monotonic()
        lost = poll("agent 1001 to be lost", lambda: (own.switch.agent("1001") or {}).get("reason") == "lost", LOST_S + 15, every=0.2) and time.monotonic() - killed
        time.sleep(2)
        start = call.voice.listen(1600)
        music = call.voice.rms(start + 400, 1000)
        if music < -60:
            raise Failure(f"the caller waits in silence ({music:.0f} dBFS)")
        own.switch.api("agents/1002/state", "PUT", {"state": "ready"})
        second.wait_event("CALL_INCOMING", 15)
        second.accept()
        second.wait_event("CALL_ESTABLISHED", 5)
        time.sleep(1)
        again = call.check_hears(AGENT_HZ, "the second agent's tone")
        call.voice.check_stream()
        call.hang_up()
        second.wait_event("CALL_CLOSED", 5)
        check_agent_heard(second.recording(), CALLER_HZ, "the caller's tone at the second agent")
        expect(call.record(), agent="1002", end="caller", cause="normal")
        return f"lost after {lost:.1f} s, music at {music:.0f} dBFS, then the second agent at {again:.1f} of {TONE_DBFS:.1f} dBFS"

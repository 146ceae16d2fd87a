"""What a phone and the registrar say to each other besides the plain REGISTER, played by hand (RFC 3261 10, RFC 7616)."""

import re
import time

from courses import extension_pair
from hand import next_number, sdp
from scenarios import scenario
from sipp import Failure


def bindings(answer):
    """{contact: seconds left} of a 200 to REGISTER."""
    found = {}
    for value in answer.all("Contact"):
        for uri, left in re.findall(r"<([^>]+)>[^,]*?expires=(\d+)", value):
            found[uri] = int(left)
    return found


def check_bindings(answer, wanted, what):
    found = bindings(answer)
    if sorted(found) != sorted(wanted):
        raise Failure(f"{what}: the contacts are {sorted(found)}, not {sorted(wanted)}")
    return found


@scenario(alone=True)
def registers_and_leaves(lab):
    """a phone registers, refreshes, adds a second contact, takes one back, then all: calls go where it is, and then to 480."""
    caller, phone = lab.hand("1004"), lab.hand("1003")
    first = f"sip:1003@127.0.0.1:{phone.port};transport=udp"
    other = "sip:1003@127.0.0.1:9;transport=udp"
    check_bindings(phone.register(["Expires: 300"]), [first], "registered")
    left = check_bindings(phone.register(["Expires: 120"]), [first], "refreshed")[first]
    if not 100 < left <= 120:
        raise Failure(f"refreshed for 120 s, {left} are left")
    check_bindings(phone.register(["Expires: 300"], f"Contact: <{other}>"), [first, other], "a second contact")
    check_bindings(phone.register([], f"Contact: <{other}>;expires=0"), [first], "the second contact taken back")
    check_bindings(phone.register([], "Supported: path"), [first], "asked only")
    call = caller.dial("1003", sdp(lab.voices.open().port), proves=True)
    theirs = phone.invited()
    theirs.say(486)
    theirs.acknowledged()
    call.answer(486)
    phone.register(["Expires: 300"], "Contact: *", status=400)
    check_bindings(phone.register([], "Supported: path"), [first], "after `*` that was refused (RFC 3261 10.2.2)")
    check_bindings(phone.unregister(), [], "all taken back")
    caller.dial("1003", sdp(lab.voices.open().port), proves=True).answer(480)


@scenario(alone=True)
def registers_too_briefly(lab):
    """a lifetime of 10 s is refused with 423 and Min-Expires; that lifetime is then taken."""
    phone = lab.hand("1003")
    least = phone.register(["Expires: 10"], status=423).header("Min-Expires")
    if not least.isdigit():
        raise Failure(f"423 came with Min-Expires {least!r} (RFC 3261 20.23)")
    left = bindings(phone.register([f"Expires: {least}"]))
    if list(left.values()) != [int(least)]:
        raise Failure(f"asked for {least} s, the contacts are {left}")
    return f"Min-Expires {least}"


@scenario(alone=True)
def proves_in_many_ways(lab):
    """each digest that is offered works; a nonce that is not ours or is used twice is stale; a wrong password is not."""
    phone = lab.hand("1003")
    uri, aor = f"sip:{phone.server_text}", f"<sip:1003@{phone.server_text}>"

    def ask(cseq, *more):
        lines = [f"From: {aor};tag=w{next_number()}", f"To: {aor}", f"Call-ID: ways-{phone.port}-{next_number()}", phone.contact, "Expires: 300", *more]
        return phone.exchange("REGISTER", uri, lines, cseq)

    challenge = ask(1)
    offered = [re.search(r"algorithm=([\w-]+)", each).group(1) for each in challenge.all("WWW-Authenticate")]
    for algorithm in offered:
        phone.register(algorithm=algorithm)
    proof = "Authorization: " + phone.proof(challenge, "REGISTER", uri, offered[0])
    if ask(2, proof).status != 200:
        raise Failure("the first use of a nonce was refused")
    nonce = re.search(r'nonce="([^"]+)"', challenge.header("WWW-Authenticate")).group(1)
    ours_no_longer = nonce[:-2] + ("aa" if nonce[-2:] != "aa" else "bb")
    challenge.headers = [(name, value.replace(nonce, ours_no_longer)) for name, value in challenge.headers]
    foreign = "Authorization: " + phone.proof(challenge, "REGISTER", uri, offered[0])
    wrong = "Authorization: " + phone.proof(ask(3), "REGISTER", uri, offered[0], password="not-the-password")
    for what, given, stale in (("a nonce used twice", proof, True), ("a nonce that is not ours", foreign, True), ("a wrong password", wrong, False)):
        said = ask(4, given)
        told = "stale=true" in said.header("WWW-Authenticate").lower()
        if said.status not in (401, 403) or told != stale:
            raise Failure(f"{what} was answered {said} {'with' if told else 'without'} stale (RFC 7616 3.3)")
    return ", ".join(offered)


@scenario(alone=True)
def keeps_alive(lab):
    """a registered phone's OPTIONS, outside a call and within it, is answered 200 throughout."""
    caller, phone = extension_pair(lab)
    call = caller.dial("1003", sdp(lab.voices.open().port), proves=True)
    theirs = phone.invited()
    theirs.say(200, sdp(lab.voices.open().port, codecs="0 101"))
    call.answer()
    call.ack()
    theirs.acknowledged()
    aor = f"<sip:1003@{phone.server_text}>"
    for n in range(3):
        theirs.ask("OPTIONS")
        call.ask("OPTIONS")
        lines = [f"From: {aor};tag=k{n}", f"To: <sip:{phone.server_text}>", f"Call-ID: keep-{phone.port}-{n}"]
        said = phone.exchange("OPTIONS", f"sip:{phone.server_text}", lines, 1)
        if said.status != 200:
            raise Failure(f"OPTIONS was answered {said}")
        time.sleep(0.3)
    call.hang_up()
    theirs.ended()

"""What phones of the field put into their SDP, and what they need of the answer (RFC 3264 6, RFC 4566)."""

import re
import time

from lab import TONE_DBFS, check_hears
from scenarios import scenario
from sipp import Failure

HEAD = "v=0\r\no=- 20518 20518 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
EVENTS = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"

TAKEN = {
    "G.711 first, the rest behind": HEAD + "m=audio 41000 RTP/AVP 0 8 18 9 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:9 G722/8000\r\n" + EVENTS + "a=ptime:20\r\na=sendrecv\r\n",
    "wide-band codecs first": HEAD + "m=audio 41000 RTP/AVP 96 9 8 0 101\r\nb=TIAS:64000\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n" + EVENTS + "a=rtcp:41001 IN IP4 127.0.0.1\r\na=ssrc:1 cname:x\r\n",
    "numbers without names": HEAD + "m=audio 41000 RTP/AVP 8 0\r\n",
    "keys at another number": HEAD + "m=audio 41000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\n",
    "keys of two clocks": HEAD + "m=audio 41000 RTP/AVP 8 97 98\r\na=rtpmap:97 telephone-event/48000\r\na=rtpmap:98 telephone-event/8000\r\n",
    "PCMU at a number of its own": HEAD + "m=audio 41000 RTP/AVP 100 101\r\na=rtpmap:100 PCMU/8000\r\n" + EVENTS,
    "audio and video": HEAD + "m=audio 41000 RTP/AVP 0 101\r\n" + EVENTS + "m=video 41002 RTP/AVP 99\r\nb=AS:512\r\na=rtpmap:99 H264/90000\r\na=fmtp:99 profile-level-id=42e01f\r\n",
    "video before audio": HEAD + "m=video 41002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\nm=audio 41000 RTP/AVP 0 101\r\n" + EVENTS,
    "encrypted as none here is, or plain": HEAD + "m=audio 41004 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\nm=audio 41000 RTP/AVP 0 101\r\n" + EVENTS,
    "addresses of each stream": "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns= \r\nt=0 0\r\nm=audio 41000 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n",
    "a name and other lines": "v=0\r\no=Zürich 1 1 IN IP4 127.0.0.1\r\ns=Gespräch ☎\r\ni=about\r\nu=http://example.com\r\ne=a@example.com\r\np=+1\r\nc=IN IP4 127.0.0.1\r\nb=CT:128\r\nb=X-YZ:1\r\nt=0 0\r\na=tool:x\r\nm=audio 41000 RTP/AVP 0\r\na=unheard-of:1\r\n",
    "a long packet": HEAD + "m=audio 41000 RTP/AVP 0 101\r\n" + EVENTS + "a=ptime:40\r\na=maxptime:60\r\n",
    "only sends": HEAD + "a=sendonly\r\nm=audio 41000 RTP/AVP 0\r\n",
    "a fax line that is closed": HEAD + "m=audio 41000 RTP/AVP 0\r\nm=image 0 udptl t38\r\n",
    "lines that end in LF": (HEAD + "m=audio 41000 RTP/AVP 0 101\r\n" + EVENTS).replace("\r\n", "\n"),
}
REFUSED = {
    "a fax only": HEAD + "m=image 41000 udptl t38\r\na=T38FaxVersion:0\r\n",
    "no codec of ours": HEAD + "m=audio 41000 RTP/AVP 96\r\na=rtpmap:96 AMR-WB/16000\r\n",
    "keys and nothing else": HEAD + "m=audio 41000 RTP/AVP 101\r\n" + EVENTS,
    "no stream at all": HEAD,
    "no SDP": "this is no description of anything\r\n",
}
COMPLEMENT = {"sendrecv": ("sendrecv",), "sendonly": ("recvonly", "inactive"), "recvonly": ("sendonly", "inactive"), "inactive": ("inactive",)}


def streams(sdp):
    """[(kind, port, protocol, formats, the stream's lines)]"""
    parts = re.split(r"(?m)^(?=m=)", sdp.replace("\r\n", "\n"))[1:]
    return [(kind, int(port.split("/")[0]), protocol, formats, part) for part in parts for kind, port, protocol, *formats in [part.split("\n")[0][2:].split()]]


def names(formats, lines):
    """{payload type: name/clock}"""
    known = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "18": "G729/8000"}
    return {number: (re.search(rf"(?m)^a=rtpmap:{number} (\S+)", lines) or [None, known.get(number)])[1] for number in formats}


def direction(sdp, lines):
    found = re.search(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)", lines) or re.search(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)", sdp.split("m=")[0])
    return found.group(1) if found else "sendrecv"


def check_answer(offer, answer):
    """What RFC 3264 6 asks of an answer to that offer, in a sentence when it is not so."""
    asked, given = streams(offer), streams(answer)
    if [(s[0], s[2]) for s in asked] != [(s[0], s[2]) for s in given]:
        return f"streams {[(s[0], s[2]) for s in given]} for {[(s[0], s[2]) for s in asked]}"
    if answer.count("\n") != answer.count("\r\n"):
        return "a line ends without CRLF"
    if [line[0] for line in answer.split("m=")[0].splitlines()][:3] != list("vos"):
        return "it does not begin with v=, o=, s= (RFC 4566 5)"
    for (kind, port, _, formats, lines), (_, port_back, _, formats_back, lines_back) in zip(asked, given):
        if port == 0 and port_back != 0:
            return f"a {kind} stream that was closed is open"
        if port_back == 0:
            continue
        before, after = names(formats, lines), names(formats_back, lines_back)
        if not after or any(before.get(number) != name for number, name in after.items()):
            return f"{kind} formats {after} for {before}"
        if direction(answer, lines_back) not in COMPLEMENT[direction(offer, lines)]:
            return f"{direction(answer, lines_back)} for {direction(offer, lines)}"
        if not re.search(r"(?m)^c=IN IP4 127", answer):
            return "no address"
    if sum(port > 0 for kind, port, *_ in given if kind == "audio") != 1:
        return "not one audio stream is open"
    return None


@scenario()
def offers_of_the_field(lab):
    """15 offers as phones make them are answered by the rules, 5 that hold nothing for us are refused, with 488 or 400."""
    wrong, hand = [], lab.hand("13900009500")
    for name, offer in TAKEN.items():
        call = hand.dial("9196", offer)
        try:
            said = call.answer()
        except Failure as failure:
            wrong.append(f"{name}: {failure}")
            continue
        call.ack()
        if fault := check_answer(offer, said.body):
            wrong.append(f"{name}: {fault}")
        call.hang_up()
    for name, offer in REFUSED.items():
        said = hand.dial("9196", offer).final("INVITE")
        if said.status not in (488, 400, 415):
            wrong.append(f"{name}: answered {said}")
    if wrong:
        raise Failure("; ".join(wrong))


@scenario()
def offers_that_change(lab):
    """in a call the offer moves to another port, drops its video, changes its codec's order, comes empty: each answer fits, and one version follows another."""
    hand, voice = lab.hand("13900009501"), lab.voices.open()
    first = HEAD + f"m=audio {voice.port} RTP/AVP 0 8 101\r\n" + EVENTS + "m=video 41002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"
    call = hand.dial("9196", first)
    said = call.answer()
    call.ack()
    versions = [origin(said.body)]
    for number, change in enumerate((
        first.replace("RTP/AVP 0 8 101", "RTP/AVP 8 0 101"),
        first.replace("m=video 41002", "m=video 0"),
        first.replace(f"m=audio {voice.port}", "m=audio 41800"),
        first.replace("m=audio", "a=inactive\r\nm=audio"),
        first,
    )):
        offer = change.replace("20518 20518", f"20518 {20519 + number}")
        said = call.ask("INVITE", body=offer)
        call.ack()
        if fault := check_answer(offer, said.body):
            raise Failure(f"change {number + 1}: {fault}")
        versions.append(origin(said.body))
    said = call.ask("INVITE")
    call.ack(first.replace("20518 20518", "20518 20530"))
    versions.append(origin(said.body))
    if len({name for name, _ in versions}) != 1 or any(not 0 <= b - a <= 1 for (_, a), (_, b) in zip(versions, versions[1:])):
        raise Failure(f"the versions of our SDP are {versions} (RFC 3264 8)")
    # A change that is refused leaves all as it was (RFC 3261 14.1).
    call.ask("INVITE", body=REFUSED["no codec of ours"], status=488)
    ip, port, _ = said.media()
    voice.to(ip, port)
    voice.tone(700, TONE_DBFS)
    time.sleep(0.5)
    check_hears(voice, 700, "echo after all changes")
    call.hang_up()


def origin(sdp):
    name, number, version = re.search(r"(?m)^o=(\S+) (\d+) (\d+)", sdp).groups()
    return (name, number), int(version)

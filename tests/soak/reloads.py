"""A hundred reloads with calls up: the files change each time, some are faulty, and no call notices.

Some calls have two legs and audio that is counted packet by packet, many are only up, and one is changed by re-INVITE after
every reload.
"""

import re
import time

from bench import Blast, Relayed, build
from hand import Hand, sdp
from sipp import Failure, free_port, poll

# So often the files are faulty.
FAULTY_EVERY = 10
WARM_S, MEASURE_S = 2, 20
UP_PER_SECOND = 200


def run(world, report, reloads, talks, up):
    build(world.folder, "rtpblast")
    print(f"# {talks} calls with audio both ways, {up} without, {reloads} reloads", flush=True)
    # On hold from the start, or each would be sent silence fifty times a second.
    quiet = world.caller(fill={"NUMBER": "9196", "HOLD": 3600000, "CODECS": "0 8", "DIRECTION": "inactive"}, calls=up, rate=UP_PER_SECOND)
    phone = Hand(world.switch, "13900000001", "")
    try:
        poll(f"{up} calls to be up", lambda: len(quiet.lines("^answered ")) == up, 60 + up / UP_PER_SECOND * 3, every=0.5)
        with Relayed(world.folder, world.address, world.far, "7000", talks) as talking:
            held = phone.dial("9196", sdp(free_port()))
            held.answer()
            held.ack()
            lost, sent, done = reload(world, report, talking.parties, held, reloads)
            figures = world.switch.metrics()
            report("all calls are still up", figures["hotline_calls"] == talks + up + 1 and not quiet.lines("^ended-by "), f"{figures['hotline_calls']:g}")
            report("no packet of audio is lost", lost == 0 and sent > 0, f"{lost:g} of {sent:g}")
            report("each reload was met by calls", done == reloads, f"{done} of {reloads}")
            held.hang_up()
            talking.hang_up()
            quiet.hang_up_all()
            failed = quiet.failed()
            report("every caller ends the call in the end", failed == 0 and len(quiet.lines("^ended-by caller")) == up, f"{failed} failed")
    finally:
        quiet.stop()
        phone.drop()
    left = world.quiet()
    report("nothing is left of the calls", not left, str(left or ""))
    mended = world.switch.metric("hotline_permits_mended_total")
    report("no permit was mended", mended == 0, f"{mended:g}")


def reload(world, report, parties, held, reloads):
    """Reloads while the parties talk, after a while without any; (packets lost, packets sent, reloads)."""
    lost, sent, done, refused, wrong = 0, 0, 0, 0, []
    print(f"# audio before the reloads: {heard(Blast(world.folder, parties, WARM_S, MEASURE_S / 2))}", flush=True)
    while done < reloads:
        voices = Blast(world.folder, parties, WARM_S, MEASURE_S)
        end = time.monotonic() + MEASURE_S
        while done < reloads and time.monotonic() < end:
            done += 1
            try:
                refused += one(world, done, held)
            except Failure as failure:
                wrong.append(f"reload {done}: {failure}")
        figures = heard(voices)
        print(f"# audio, {done} reloads later: {figures}", flush=True)
        lost, sent = lost + figures["sent"] - figures["received"], sent + figures["sent"]
    report("each reload takes effect, or is refused with its line, and a re-INVITE after it is answered", not wrong, "; ".join(wrong)[:1500] or f"{done - refused} taken, {refused} refused")
    return lost, sent, done


def heard(voices):
    voices.measured()
    return voices.figures()


def one(world, count, held):
    """One reload, good or faulty; 1 when it was refused."""
    before = world.switch.api("status")["bundle"]
    number = world.change_files(count)
    faulty = count % FAULTY_EVERY == 0
    if faulty:
        text = world.config.read_text()
        world.config.write_text(text + "no_such_key: 1\n")
        line = text.count("\n") + 1
    try:
        world.switch.command("reload")
    except Failure as refusal:
        if not faulty or not re.search(rf"hotline\.yaml:{line}\b", str(refusal)):
            raise
    else:
        if faulty:
            raise Failure("a faulty file was taken")
    if (world.switch.api("status")["bundle"] == before) != faulty:
        raise Failure("the wrong flows are in force")
    held.reoffer(free_port(), "sendrecv")
    if not faulty:
        world.caller(fill={"NUMBER": number, "HOLD": 50, "CODECS": "0"}, timeout=30).finish()
    return faulty

"""Trunks against real peers: we register at kamailio, which asks for a password, and call through it both ways; and a call
goes on to the next trunk when one fails while it rings.
"""

import subprocess
import time

from lab import Lab
from sipp import Failure, Skipped, free_port, installed, poll
from switch import SECRET, write_project


def at_kamailio():
    """a trunk registers at kamailio with digest and keeps it alive; calls come and go through it, challenged"""


at_kamailio.title = at_kamailio.__doc__

CONFIG = """
version: 1
realm: hotline
state_dir: {state}
listen:
  sip_udp: 127.0.0.1:{sip}
  sip_tcp: 127.0.0.1:{sip}
  http: 127.0.0.1:{http}
  rtp: {{ports: 20000-29999, bind: 127.0.0.1}}
queues:
  service: {{ring_timeout: 20s}}
  emergency: {{}}
agents:
  - {{id: "1001", password: {secret}, queues: [service]}}
  - {{id: "1004", password: {secret}}}
trunks:
  local: {{sources: ["127.0.0.1/32"]}}
@SAMPLE_TRUNKS@
{trunks}
numbers:
  - {{number: "customer", to: {{test: echo}}, open_to: [carrier]}}
  - {{number: "0*", to: {{trunk: {{name: {way_out}}}}}, open_to: [local]}}
"""

CARRIER = """
  carrier:
    address: "127.0.0.2:{port}"
    user: customer
    password: "{password}"
    domain: carrier.test
    register: 60s
    out: {{called: [{{match: "0*", strip: 1, add: "+86"}}]}}
    numbering: {{plan: cn}}
"""

PASSWORD = "a-carriers-password"

# One process is enough; what it knows of us is what we registered.
KAMAILIO = """
debug=1
log_stderror=yes
children=1
listen=udp:127.0.0.2:{port}
disable_tcp=yes
auto_aliases=no
alias="carrier.test"
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "kex.so"
modparam("registrar", "max_expires", 60)
modparam("registrar", "min_expires", 30)

request_route {{
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("carrier.test", "{password}", "0")) {{
            www_challenge("carrier.test", "1");
            exit;
        }}
        save("location");
        exit;
    }}
    if (is_method("OPTIONS") && !has_totag()) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        loose_route();
        t_relay();
        exit;
    }}
    if (!is_method("INVITE")) {{
        sl_send_reply("405", "Method Not Allowed");
        exit;
    }}
    if ($sp == {switch}) {{
        if (!pv_proxy_authenticate("carrier.test", "{password}", "0")) {{
            proxy_challenge("carrier.test", "1");
            exit;
        }}
        consume_credentials();
        record_route();
        $du = "sip:127.0.0.1:{far}";
        t_relay();
        exit;
    }}
    record_route();
    $ru = "sip:customer@carrier.test";
    if (!lookup("location")) {{
        sl_send_reply("480", "Not registered");
        exit;
    }}
    t_relay();
}}
"""


class Kamailio:
    def __init__(self, folder, port, switch, far):
        folder.mkdir(parents=True, exist_ok=True)
        modules = subprocess.run(["sh", "-c", "ls -d /usr/lib/*/kamailio/modules /usr/lib/kamailio/modules /usr/lib64/kamailio/modules 2>/dev/null | head -1"], capture_output=True, text=True).stdout.strip()
        config = folder / "kamailio.cfg"
        config.write_text(KAMAILIO.format(port=port, switch=switch, far=far, password=PASSWORD, modules=modules + "/"))
        self.log = folder / "kamailio.log"
        command = ["kamailio", "-f", str(config), "-DD", "-E", "-m", "32", "-M", "8", "-Y", str(folder), "-P", str(folder / "kamailio.pid")]
        self.process = subprocess.Popen(command, stdout=self.log.open("wb"), stderr=subprocess.STDOUT, cwd=folder, start_new_session=True)
        time.sleep(1)
        if self.process.poll() is not None:
            raise Failure(f"kamailio ended at once: {self.log.read_text('utf-8', 'replace')[-500:]}")

    def stop(self):
        if self.process.poll() is None:
            # It ends its own children.
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def project(folder, trunks, way_out):
    def arguments(sip, http, state):
        config = CONFIG.format(secret=SECRET, sip=sip, http=http, state=state, trunks=trunks, way_out=way_out)
        path = write_project(folder / "project" / "hotline.yaml", config)
        return ["serve", "-c", str(path)]
    return arguments


def state_of(lab, trunk):
    return lab.switch.api(f"trunks/{trunk}")


def run_at_kamailio(folder):
    if not installed("kamailio"):
        raise Skipped("kamailio is not installed; apt-get install kamailio")
    port, far = free_port(), free_port()
    lab = Lab(folder, project(folder, CARRIER.format(port=port, password=PASSWORD), "carrier"))
    proxy = None
    try:
        first = state_of(lab, "carrier")
        if first["state"] != "unregistered":
            raise Failure(f"without a registrar the trunk is {first}")
        # The switch has tried in vain by now; it notices when the registrar is there.
        proxy = Kamailio(folder / "kamailio", port, lab.switch.sip, far)
        poll("the registration", lambda: state_of(lab, "carrier")["state"] == "up", 40, every=0.5)
        lasts = state_of(lab, "carrier")["registered_s"]
        if not 30 <= lasts <= 60:
            raise Failure(f"the registration lasts {lasts} s, the registrar grants 60")

        # In: somebody calls the carrier, which knows where we are.
        voice = lab.voices.open()
        caller = lab.sipp("caller", {"NUMBER": "4001234567", "HOLD": 100000, "CODECS": "8"}, rows=[("13900000001", voice.port)], target=("127.0.0.2", port))
        _, ip, media, call_id = caller.wait_for(r"answered (\S+) (\S+) (\S+) (\S+)", 10)
        caller.hang_up(call_id)
        caller.finish(10)
        record = lab.switch.record_of(call_id)
        if record.get("source") != {"trunk": "carrier"}:
            raise Failure(f"the call came by {record.get('source')}, not by the carrier")

        # Out: the carrier wants the password for each call, and gets the number in its own form.
        voice = lab.voices.open()
        answering = lab.sipp("answer", {"RING": 200, "HOLD": 100000}, target=None, port=far, rows=[(voice.port,)])
        call = lab.call("01088886666").answered()
        call.hang_up()
        answering.finish(10)
        text = answering.messages.read_text("latin-1")
        if "INVITE sip:+861088886666@" not in text:
            raise Failure("the number did not reach the far end in the carrier's form")

        # A stop takes the registration away.
        lab.switch.command("drain")
        poll("the end of the registration", lambda: state_of(lab, "carrier")["state"] == "unregistered", 10, every=0.2)
    finally:
        lab.stop()
        if proxy:
            proxy.stop()



def in_mid_ring():
    """a trunk that fails while it rings hands the call on to the next, which answers"""


in_mid_ring.title = in_mid_ring.__doc__

PAIR = """
  carrier: {{address: "127.0.0.1:{first}", health: "off"}}
  spare: {{address: "127.0.0.1:{second}", health: "off"}}
trunk_groups:
  outside: {{members: [{{trunk: carrier}}, {{trunk: spare, priority: 2}}]}}
"""


def run_in_mid_ring(folder):
    first, second = free_port(), free_port()
    lab = Lab(folder, project(folder, PAIR.format(first=first, second=second), "outside"))
    try:
        failing = lab.sipp("rings_then_fails", {"RING": 1000}, target=None, port=first)
        voice = lab.voices.open()
        answering = lab.sipp("answer", {"RING": 200, "HOLD": 100000}, target=None, port=second, rows=[(voice.port,)])
        call = lab.call("01088886666").answered()
        failing.wait_for("acknowledged", 5)
        failing.finish(10)
        call.hang_up()
        answering.finish(10)
        failures = lab.switch.metric("hotline_trunk_failures_total")
        if failures != 1:
            raise Failure(f"{failures} failures of trunks are counted, not 1")
    finally:
        lab.stop()


def run(scenario, play):
    """How `tests/peers/run` plays a scenario that has a switch of its own."""
    def told(folder, report):
        began = time.monotonic()
        try:
            result = play(folder)
        except Exception as failure:
            result = failure
        report(scenario.__name__, scenario.title, result, began)
    return told


APART = {at_kamailio: run(at_kamailio, run_at_kamailio), in_mid_ring: run(in_mid_ring, run_in_mid_ring)}

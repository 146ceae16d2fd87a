// JsSIP in node: its own WebSocket from `ws`, and a peer connection that offers what a browser offers and plays nothing.
// One command a line on stdin (register, unregister, call NUMBER, drop, quit), one event a line on stdout as JSON.
const [url, user, password] = process.argv.slice(2);
const WebSocket = require("ws");

let socket;
globalThis.WebSocket = class extends WebSocket {
  constructor(address, protocol) {
    // The certificate is the demo's own.
    super(address, protocol, { rejectUnauthorized: false, origin: "https://phone.example" });
    socket = this;
    // JsSIP tells of the first registration only, and not of what refreshes it.
    this.on("message", (data) => {
      const lines = data.toString().split("\r\n");
      if (lines[0].startsWith("SIP/2.0 200 ") && lines.some((line) => /^CSeq: \d+ REGISTER$/.test(line))) {
        tell("registered", { contacts: lines.filter((line) => line.startsWith("Contact: ")) });
      }
    });
  }
};

const OFFER = [
  "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 126", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0", "a=ice-ufrag:abcd",
  "a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=fingerprint:sha-256 " + Array(32).fill("AB").join(":"), "a=setup:actpass",
  "a=mid:0", "a=sendrecv", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000",
  "a=rtpmap:126 telephone-event/8000", "",
].join("\r\n");

class PeerConnection {
  iceGatheringState = "complete";
  iceConnectionState = "new";
  signalingState = "stable";
  addEventListener() {}
  removeEventListener() {}
  addTrack() {}
  getSenders() { return []; }
  createOffer() { return Promise.resolve({ type: "offer", sdp: OFFER }); }
  createAnswer() { return Promise.resolve({ type: "answer", sdp: OFFER }); }
  setLocalDescription(description) { this.localDescription = description; return Promise.resolve(); }
  setRemoteDescription(description) { this.remoteDescription = description; return Promise.resolve(); }
  close() { this.signalingState = "closed"; }
}
globalThis.RTCPeerConnection = PeerConnection;
globalThis.RTCSessionDescription = class {
  constructor(description) { Object.assign(this, description); }
};
globalThis.window = globalThis;
const stream = { getTracks: () => [], getAudioTracks: () => [], getVideoTracks: () => [] };
Object.defineProperty(globalThis, "navigator", { value: { mediaDevices: { getUserMedia: () => Promise.resolve(stream) } }, configurable: true });

const JsSIP = require("jssip");
const tell = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));
const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)], uri: `sip:${user}@127.0.0.1`, password, register: false, register_expires: 120,
  session_timers: false, connection_recovery_min_interval: 2,
});
ua.on("connected", () => tell("connected"));
ua.on("disconnected", () => tell("disconnected"));
ua.on("unregistered", () => tell("unregistered"));
ua.on("registrationFailed", ({ response, cause }) => tell("registrationFailed", { status: response && response.status_code, cause }));
let last;
ua.on("newRTCSession", ({ originator, session, request }) => {
  last = session;
  if (originator === "remote") {
    tell("incoming", { from: request.from.uri.user, to: request.ruri.toString(), via: request.getHeader("Via") });
    setTimeout(() => session.isEnded() || session.terminate({ status_code: 486 }), 300);
  }
  session.on("failed", ({ originator: by, message, cause }) => tell("failed", { by, cause, status: message && message.status_code, warning: message && message.getHeader && message.getHeader("Warning") }));
  session.on("confirmed", () => tell("confirmed"));
  session.on("ended", ({ cause }) => tell("ended", { cause }));
});
ua.start();

const commands = {
  register: () => ua.register(),
  unregister: () => ua.unregister(),
  call: (number) => ua.call(`sip:${number}@127.0.0.1`, { mediaStream: stream, mediaConstraints: { audio: true, video: false } }),
  hangup: () => last.terminate(),
  // As when a laptop is closed: no goodbye.
  drop: () => { socket.terminate(); setTimeout(() => process.exit(0), 100); },
  quit: () => { ua.stop(); setTimeout(() => process.exit(0), 500); },
};
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const [name, ...rest] = line.trim().split(" ");
  commands[name](...rest);
});

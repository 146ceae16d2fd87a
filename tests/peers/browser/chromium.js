// A page with JsSIP in a real browser: chromium without a window, told what to do by its own protocol on a pipe. As in
// phone.js, one command a line on stdin, one event a line on stdout as JSON. Its microphone plays a file again and again.
const [url, user, password, microphone, folder] = process.argv.slice(2);
const { spawn } = require("child_process");
const fs = require("fs");
const http = require("http");
const path = require("path");

const tell = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

// All modules that JsSIP asks for, as functions by name: a page has no `require`.
function bundle(entry) {
  const texts = {};
  const add = (file) => {
    if (texts[file] !== undefined) return file;
    texts[file] = "";
    const text = fs.readFileSync(file, "utf8");
    const named = (name) => add(require.resolve(name === "debug" ? "debug/src/browser.js" : name === "events" ? "events/" : name, { paths: [path.dirname(file)] }));
    texts[file] = file.endsWith(".json") ? `module.exports = ${text}` : text.replace(/require\((['"])([^'"]+)\1\)/g, (_, __, name) => `require(${JSON.stringify(named(name))})`);
    return file;
  };
  const first = add(require.resolve(entry));
  const parts = Object.entries(texts).map(([file, text]) => `${JSON.stringify(file)}: function (module, exports, require) {${text}\n}`);
  return `(() => { const parts = {${parts.join(",\n")}}, made = {};
    const require = (name) => { if (!made[name]) { made[name] = { exports: {} }; parts[name](made[name], made[name].exports, require); } return made[name].exports; };
    window.JsSIP = require(${JSON.stringify(first)}); })();`;
}

// Runs in the page.
function phone(url, user, password) {
  const tell = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));
  const audio = new AudioContext();
  const loudspeaker = Object.assign(new Audio(), { muted: true });
  let session, analyser, only;
  const offered = RTCPeerConnection.prototype.createOffer;
  RTCPeerConnection.prototype.createOffer = function (...args) {
    const codecs = RTCRtpReceiver.getCapabilities("audio").codecs;
    const wanted = codecs.filter((codec) => [`audio/${only}`, "audio/telephone-event"].includes(codec.mimeType));
    for (const transceiver of only ? this.getTransceivers() : []) transceiver.setCodecPreferences(wanted);
    return offered.apply(this, args);
  };
  const heard = (connection) => connection.addEventListener("track", ({ track }) => {
    const stream = new MediaStream([track]);
    // Without a player the sound of a connection is not fetched.
    loudspeaker.srcObject = stream;
    loudspeaker.play();
    analyser = new AnalyserNode(audio, { fftSize: 16384, smoothingTimeConstant: 0 });
    new MediaStreamAudioSourceNode(audio, { mediaStream: stream }).connect(analyser);
  });
  const ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(url)], uri: `sip:${user}@127.0.0.1`, password, register: false, session_timers: false });
  ua.on("connected", () => tell("connected"));
  ua.on("registered", () => tell("registered"));
  ua.on("registrationFailed", ({ cause }) => tell("registrationFailed", { cause }));
  ua.on("newRTCSession", ({ originator, session: made, request }) => {
    session = made;
    if (originator === "remote") tell("incoming", { from: request.from.uri.user });
    if (session.connection) heard(session.connection);
    session.on("peerconnection", ({ peerconnection }) => heard(peerconnection));
    session.on("failed", ({ originator: by, cause, message }) => tell("failed", { by, cause, status: message && message.status_code }));
    session.on("confirmed", () => tell("confirmed"));
    session.on("ended", ({ originator: by, cause }) => tell("ended", { by, cause }));
    session.on("hold", ({ originator: by }) => tell("hold", { by }));
    session.on("unhold", ({ originator: by }) => tell("unhold", { by }));
  });
  ua.start();
  const media = { mediaConstraints: { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false }, video: false }, pcConfig: { iceServers: [] } };
  window.commands = {
    register: () => ua.register(),
    only: (codec) => { only = codec; },
    call: (number) => ua.call(`sip:${number}@127.0.0.1`, media),
    answer: () => session.answer(media),
    hold: () => session.hold({}, () => tell("held")),
    unhold: () => session.unhold({}, () => tell("resumed")),
    press: (key) => session.connection.getSenders()[0].dtmf.insertDTMF(key, 120, 70),
    hangup: () => session.terminate(),
    // The level of one frequency, and of the strongest, in dB below a full sine.
    listen: async (hz) => {
      await audio.resume();
      const bins = new Float32Array(analyser.frequencyBinCount), width = audio.sampleRate / analyser.fftSize;
      analyser.getFloatFrequencyData(bins);
      // A full sine has half its amplitude at each of two frequencies, and 0.42 of that behind the window of Blackman.
      const at = (bin) => Math.max(...bins.slice(Math.max(0, bin - 2), bin + 3)) - 20 * Math.log10(0.21);
      const peak = bins.indexOf(Math.max(...bins));
      const found = [...(await session.connection.getStats()).values()];
      const pair = found.find((one) => one.type === "candidate-pair" && one.nominated), codec = found.find((one) => one.type === "codec"), way = found.find((one) => one.type === "transport");
      tell("heard", { dbfs: at(Math.round(hz / width)), peak: peak * width, loudest: at(peak), codec: codec && codec.mimeType, dtls: way && way.dtlsState, srtp: way && way.srtpCipher, trip: pair && pair.currentRoundTripTime });
    },
  };
}

const page = `<!doctype html><title>phone</title><script src="jssip.js"></script>`;
const server = http.createServer((request, response) => {
  const script = request.url === "/jssip.js";
  response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
  response.end(script ? bundle("jssip") : page);
}).listen(0, "127.0.0.1", () => browse(`http://127.0.0.1:${server.address().port}/`));

function browse(address) {
  const browser = spawn("chromium", [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", `--user-data-dir=${folder}`, "--remote-debugging-pipe",
    "--ignore-certificate-errors", "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${microphone}`, "about:blank",
  ], { stdio: ["ignore", "ignore", fs.openSync(path.join(path.dirname(folder), "chromium.log"), "a"), "pipe", "pipe"] });
  browser.on("exit", () => { tell("gone"); process.exit(0); });
  const waiting = {};
  let last = 0, held = "";
  const ask = (method, params = {}, sessionId) => new Promise((done) => {
    waiting[++last] = done;
    browser.stdio[3].write(JSON.stringify({ id: last, method, params, sessionId }) + "\0");
  });
  browser.stdio[4].on("data", (data) => {
    const parts = (held + data).split("\0");
    held = parts.pop();
    for (const { id, result, error, method, params } of parts.map(JSON.parse)) {
      if (id) waiting[id](result || { error });
      if (method === "Runtime.consoleAPICalled") for (const { value } of params.args) if (`${value}`.startsWith('{"event"')) console.log(value);
      if (method === "Runtime.exceptionThrown") tell("exception", { text: params.exceptionDetails.exception.description });
    }
  });
  (async () => {
    const { targetInfos } = await ask("Target.getTargets");
    const { sessionId } = await ask("Target.attachToTarget", { targetId: targetInfos.find((one) => one.type === "page").targetId, flatten: true });
    const run = (expression) => ask("Runtime.evaluate", { expression, awaitPromise: true }, sessionId).then((done) => done.exceptionDetails && tell("exception", { text: JSON.stringify(done.exceptionDetails).slice(0, 500) }));
    await ask("Runtime.enable", {}, sessionId);
    await ask("Page.enable", {}, sessionId);
    await ask("Page.navigate", { url: address }, sessionId);
    while ((await ask("Runtime.evaluate", { expression: "typeof JsSIP" }, sessionId)).result?.value !== "object") await new Promise((done) => setTimeout(done, 50));
    await run(`(${phone})(${[url, user, password].map((one) => JSON.stringify(one))})`);
    require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const [name, ...rest] = line.trim().split(" ");
      if (name === "quit") return browser.kill();
      run(`commands[${JSON.stringify(name)}](${rest.map((one) => JSON.stringify(one))})`);
    }).on("close", () => browser.kill());
  })();
}

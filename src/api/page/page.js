"use strict";
// The status page: reads the API every two seconds. Everything from the API is put in as text, never as markup.

const TEXTS = {
  zh: {
    other: "English", log_out: "退出", alarms: "告警", live: "进行中的通话", queues: "队列", agents: "坐席", recent: "最近通话",
    none: "无", lost: "无法连接服务器，正在重试", expired: "登录已失效：请运行 hotline status --login",
    running: "运行中", draining: "排空中", starting: "启动中", stopping: "停止中",
    uptime_s: "运行时间", calls: "通话", calls_total: "累计", bundle: "流程版本", config: "配置版本", version: "版本",
    from: "主叫", to: "被叫", state: "状态", age: "时长", agent: "坐席", queue: "队列", flow: "流程位置",
    name: "姓名", reason: "原因", waiting: "等待", longest: "最长等待", ready: "示闲", busy: "忙", logged_in: "已登录",
    answered: "已接", abandoned: "放弃", start: "开始", talk: "通话", wait: "等待", end: "结束方", cause: "原因",
    hang_up: "挂断", hang_up_sure: "挂断这路通话？", set_ready: "示闲", set_not_ready: "示忙",
  },
  en: {
    other: "中文", log_out: "Log out", alarms: "Alarms", live: "Calls in progress", queues: "Queues", agents: "Agents",
    recent: "Recent calls", none: "none", lost: "No connection to the server, trying again",
    expired: "Logged out: run hotline status --login",
    running: "running", draining: "draining", starting: "starting", stopping: "stopping",
    uptime_s: "Up", calls: "Calls", calls_total: "Total", bundle: "Flows", config: "Configuration", version: "Version",
    from: "From", to: "To", state: "State", age: "Length", agent: "Agent", queue: "Queue", flow: "In flow",
    name: "Name", reason: "Reason", waiting: "Waiting", longest: "Longest", ready: "Ready", busy: "Busy", logged_in: "Logged in",
    answered: "Answered", abandoned: "Abandoned", start: "Start", talk: "Talk", wait: "Wait", end: "Ended by", cause: "Cause",
    hang_up: "Hang up", hang_up_sure: "Hang up this call?", set_ready: "Ready", set_not_ready: "Not ready",
  },
};

const remembered = localStorage.getItem("lang");
let lang = TEXTS[remembered] ? remembered : navigator.language.startsWith("zh") ? "zh" : "en";
const text = (key) => TEXTS[lang][key] ?? key;
const byId = (id) => document.getElementById(id);

function element(tag, content, css) {
  const made = document.createElement(tag);
  made.append(content ?? "");
  if (css) made.className = css;
  return made;
}

function button(label, action) {
  const made = element("button", label);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

function seconds(value) {
  const s = Math.floor(value);
  const pad = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}` : `${Math.floor(s / 60)}:${pad(s % 60)}`;
}

// columns: [[text key, row => cell], ...]; the key may be empty for a column of buttons.
function table(id, rows, columns) {
  const target = byId(id);
  if (rows.length === 0) {
    target.replaceChildren(element("caption", text("none"), "empty"));
    return;
  }
  const head = element("tr");
  for (const [key] of columns) head.append(element("th", key && text(key)));
  const lines = rows.map((row) => {
    const line = element("tr");
    for (const [, cell] of columns) line.append(element("td", cell(row)));
    return line;
  });
  target.replaceChildren(head, ...lines);
}

async function ask(path, method, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  const answer = await fetch(path, { method: method ?? "GET", headers, body: body && JSON.stringify(body) });
  if (answer.status === 401) throw new Error("expired");
  if (!answer.ok) {
    const refusal = await answer.json().catch(() => ({}));
    throw new Error(refusal.error ?? answer.statusText);
  }
  return answer.json();
}

async function act(path, method, body) {
  try {
    await ask(path, method, body);
  } catch (error) {
    alert(text(error.message));
  }
  refresh();
}

function showStatus(status) {
  const state = byId("state");
  state.textContent = text(status.state);
  state.className = status.state === "running" ? "good" : "bad";
  const figures = [
    ["calls", `${status.calls} / ${status.max_calls}`], ["calls_total", status.calls_total],
    ["uptime_s", seconds(status.uptime_s)], ["version", status.version], ["bundle", status.bundle.slice(0, 12)], ["config", status.config],
  ];
  byId("figures").replaceChildren(...figures.map(([key, value]) => {
    const pair = element("div");
    pair.append(element("dt", text(key)), element("dd", String(value)));
    return pair;
  }));
  const alarms = status.alarms.length ? status.alarms.map((alarm) => element("li", alarm, "bad")) : [element("li", text("none"), "empty")];
  byId("alarms").replaceChildren(...alarms);
}

function showCalls(calls) {
  table("live", calls.live, [
    ["from", (c) => c.from], ["to", (c) => c.to], ["state", (c) => c.state], ["age", (c) => seconds(c.age_s)],
    ["queue", (c) => c.queue], ["agent", (c) => c.agent], ["flow", (c) => c.flow],
    ["", (c) => button(text("hang_up"), () => confirm(text("hang_up_sure")) && act(`/api/v1/calls/${encodeURIComponent(c.id)}`, "DELETE"))],
  ]);
  table("recent", calls.recent, [
    ["start", (c) => new Date(c.started).toLocaleString(lang)], ["from", (c) => c.from], ["to", (c) => c.to],
    ["queue", (c) => c.queue], ["agent", (c) => c.agent], ["wait", (c) => seconds(c.wait_ms / 1000)],
    ["talk", (c) => seconds(c.talk_ms / 1000)], ["end", (c) => c.end], ["cause", (c) => c.cause],
  ]);
}

function showPeople(queues, agents) {
  table("queues", queues, [
    ["queue", (q) => q.id], ["waiting", (q) => String(q.waiting)], ["longest", (q) => seconds(q.longest_wait_s)],
    ["ready", (q) => String(q.agents_ready)], ["busy", (q) => String(q.agents_busy)], ["logged_in", (q) => String(q.agents_logged_in)],
    ["answered", (q) => String(q.answered)], ["abandoned", (q) => String(q.abandoned)],
  ]);
  const set = (agent, state) => () => act(`/api/v1/agents/${encodeURIComponent(agent.id)}/state`, "PUT", { state });
  table("agents", agents, [
    ["agent", (a) => a.id], ["name", (a) => a.name], ["state", (a) => a.state], ["reason", (a) => a.reason],
    ["age", (a) => seconds(a.state_since_s)], ["queue", (a) => a.queues.join(" ")],
    ["", (a) => a.state === "logged_out" ? "" : a.state === "not_ready"
      ? button(text("set_ready"), set(a, "ready")) : button(text("set_not_ready"), set(a, "not_ready"))],
  ]);
}

let loggedOut = false;

async function refresh() {
  if (loggedOut) return;
  try {
    const [status, calls, queues, agents] = await Promise.all(
      ["status", "calls?limit=20", "queues", "agents"].map((what) => ask(`/api/v1/${what}`)));
    showStatus(status);
    showCalls(calls);
    showPeople(queues, agents);
  } catch (error) {
    loggedOut = error.message === "expired";
    byId("state").textContent = text(loggedOut ? "expired" : "lost");
    byId("state").className = "bad";
  }
}

function speak(next) {
  lang = next;
  localStorage.setItem("lang", lang);
  document.documentElement.lang = lang;
  byId("lang").textContent = text("other");
  for (const labelled of document.querySelectorAll("[data-text]")) labelled.textContent = text(labelled.dataset.text);
  refresh();
}

byId("lang").addEventListener("click", () => speak(lang === "zh" ? "en" : "zh"));
byId("logout").addEventListener("click", () => act("/api/v1/logout", "POST"));
speak(lang);
setInterval(() => document.hidden || refresh(), 2000);

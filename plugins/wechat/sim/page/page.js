"use strict";

// The page draws what GET /control/v1/overview says, again every two seconds, and calls the control API for every
// button. It keeps nothing itself.
const words = JSON.parse(document.getElementById("words").textContent);
const kindTexts = JSON.parse(document.getElementById("kind-texts").textContent);
const byId = (id) => document.getElementById(id);
const path = encodeURIComponent;

// el makes an element: text children become text nodes, never HTML.
function el(tag, options, ...children) {
  const made = document.createElement(tag);
  const { onclick, ...attributes } = options || {};
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  if (onclick) made.addEventListener("click", onclick);
  made.append(...children.filter((c) => c !== undefined && c !== null && c !== ""));
  return made;
}

// yuan writes fen; integers alone, since a float would round.
function yuan(fen) {
  const rest = String(Math.abs(fen) % 100).padStart(2, "0");
  return `${fen < 0 ? "-" : ""}¥${Math.trunc(Math.abs(fen) / 100)}.${rest}`;
}

const clockTime = (text) => new Date(text).toLocaleString(document.documentElement.lang === "en" ? "en-GB" : "zh-CN", { timeZone: "Asia/Shanghai" });

async function call(method, where, body) {
  const answer = await fetch("/control/v1" + where, {
    method, headers: { "Content-Type": "application/json" }, body: method === "GET" ? undefined : JSON.stringify(body || {}),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.message || String(answer.status));
  return said;
}

// act makes a button that calls, says what came of it, and draws anew.
function act(label, method, where, body) {
  const button = el("button", { type: "button", onclick: async () => {
    button.disabled = true;
    try {
      const said = await call(method, where, typeof body === "function" ? body() : body);
      byId("said").textContent = words.done + ": " + label + (said && said.statuses ? " → " + said.statuses.map((s) => s ? "HTTP " + s : words.noAnswer).join(", ") : "");
    } catch (error) {
      byId("said").textContent = words.failed + ": " + label + " — " + error.message;
    }
    button.disabled = false;
    await draw();
  } }, label);
  return button;
}

const good = new Set(["SUCCESS", "answered", "delivered"]);
const bad = new Set(["ABNORMAL", "executed_not_answered", "not_executed"]);
const state = (text, label) => el("span", { class: "state" + (good.has(text) ? " good" : bad.has(text) ? " bad" : "") }, label || text);
const buttons = (...all) => el("div", { class: "buttons" }, ...all);
const line = (...all) => el("p", { class: "quiet" }, ...all);

// more hides what is long; key keeps it open when the page is drawn again.
function more(key, label, ...children) {
  return el("details", { "data-key": key }, el("summary", {}, label), ...children);
}

function trade(t) {
  const here = "?mchid=" + path(t.mchid);
  const named = { out_trade_no: t.out_trade_no, mchid: t.mchid };
  const all = [];
  if (t.trade_state === "NOTPAY" || t.trade_state === "CLOSED") all.push(act(words.pay, "POST", "/pay", named));
  if (t.trade_state === "NOTPAY") {
    all.push(act(words.wrongPassword, "POST", "/fail", named), act(words.cancel, "POST", "/cancel", named),
      act(words.expire, "POST", `/trades/${path(t.out_trade_no)}/expire${here}`));
  }
  if (t.transaction_id) all.push(resend(t.out_trade_no, here));
  return el("article", {},
    el("div", { class: "head" }, el("code", {}, t.out_trade_no), el("strong", {}, yuan(t.total)), state(t.trade_state)),
    line(`${t.description} · ${t.mchid}${t.sub_mchid ? " → " + t.sub_mchid : ""} · ${t.appid}`),
    line(clockTime(t.paid_at || t.created_at), t.transaction_id ? " · " + t.transaction_id : ""),
    buttons(...all));
}

const resend = (number, here) => act(words.resend, "POST", `/callbacks/${path(number)}/resend${here}`, { times: 1 });

function refund(r) {
  const here = "?mchid=" + path(r.mchid);
  const where = `/refunds/${path(r.out_refund_no)}`;
  const all = [];
  if (r.status === "PROCESSING" || r.status === "ABNORMAL") {
    all.push(act(words.success, "POST", where + "/success" + here), act(words.close, "POST", where + "/close" + here));
  }
  if (r.status === "PROCESSING") all.push(act(words.abnormal, "POST", where + "/abnormal" + here));
  if (r.status !== "PROCESSING") all.push(resend(r.out_refund_no, here));
  return el("article", {},
    el("div", { class: "head" }, el("code", {}, r.out_refund_no), el("strong", {}, yuan(r.refund)), state(r.status)),
    line(`${words.of} ${r.out_trade_no} (${yuan(r.total)}) · ${r.mchid}${r.sub_mchid ? " → " + r.sub_mchid : ""}`),
    line(clockTime(r.created_at), " · ", r.refund_id), buttons(...all));
}

function callback(c) {
  const attempts = (c.attempts || []).map((a) => el("li", {}, clockTime(a.at), " → ", a.status ? "HTTP " + a.status : a.error || "",
    a.fault ? ` (${a.fault})` : ""));
  const how = c.delivered ? state("delivered", words.delivered) : state("", c.next_at ? words.next + " " + clockTime(c.next_at) : words.givenUp);
  return el("article", {},
    el("div", { class: "head" }, el("code", {}, c.event_type), el("code", {}, c.out_refund_no || c.out_trade_no || ""), how),
    line(c.url), el("ol", {}, ...attempts));
}

function rule(f, fired) {
  const where = [f.number, f.path, f.event, f.mchid].filter(Boolean).join(" · ") || words.everywhere;
  return el("article", {}, el("div", { class: "head" }, el("code", {}, f.kind), el("span", {}, where),
    el("span", {}, f.count ? `${words.left} ${f.count}` : words.untilCleared), el("small", {}, `${words.fired} ${fired[f.kind] || 0}`)),
    buttons(act(words.clear, "DELETE", "/faults/" + path(f.id))));
}

// faultFromForm is the rule that a kind's button sets.
function faultFromForm(kind) {
  const form = byId("fault").elements;
  const f = { kind, count: Number(form.namedItem("count").value) || 0 };
  for (const name of ["number", "path", "delay"]) if (form.namedItem(name).value) f[name] = form.namedItem(name).value;
  return f;
}

function drawKinds() {
  byId("kinds").append(...Object.entries(kindTexts).map(([group, kinds]) => more("kinds-" + group, words["group_" + group],
    ...kinds.map(({ kind, text }) => el("div", { class: "kind" },
      act(kind, "POST", "/faults", () => faultFromForm(kind)), el("span", { class: "quiet" }, text))))));
}

function account(m) {
  const keys = `/merchants/${path(m.mchid)}/keys`;
  const apps = (all) => (all || []).map((a) => el("p", { class: "quiet" }, `${a.app_id} ${a.name || ""}: `, (a.users || []).map((u) => u.name || u.openid).join(", ")));
  const subs = (m.sub_merchants || []).map((s) => el("div", {}, el("p", {}, el("code", {}, s.sub_mchid), " ", s.name || ""), ...apps(s.apps)));
  return el("article", {},
    el("div", { class: "head" }, el("code", {}, m.mchid), el("strong", {}, m.name), el("span", { class: "state" }, words["keys_" + m.keys])),
    line(words.serial + " " + m.serial), ...apps(m.apps),
    subs.length ? more("subs-" + m.mchid, `${words.subMerchants} (${subs.length})`, ...subs) : "",
    buttons(...["public_key", "switching", "platform_certificate"].filter((mode) => mode !== m.keys).map((mode) =>
      act(words["keys_" + mode], "PUT", keys, { keys: mode, public_key_share: 0.5 }))));
}

function certificate(c) {
  const where = "/platform-certificates/" + path(c.serial);
  return el("article", {}, el("div", { class: "head" }, el("code", {}, c.serial), el("span", { class: "state" }, c.signs ? words.signs : words.listed)),
    c.signs ? "" : buttons(act(words.use, "POST", where + "/use"), act(words.withdraw, "DELETE", where)));
}

function request(r) {
  return el("article", {},
    el("div", { class: "head" }, el("code", {}, r.method + " " + r.path), state(r.outcome, words["outcome_" + r.outcome]), el("span", {}, r.status ? String(r.status) : ""),
      el("span", {}, r.code || ""), el("span", {}, r.fault || "")),
    line(clockTime(r.at), r.mchid ? " · " + r.mchid : "", r.number ? " · " + r.number : ""),
    r.body ? more("body-" + r.seq, words.body, el("pre", {}, r.body)) : "");
}

function fill(id, all, make) {
  const open = new Set([...byId(id).querySelectorAll("details[open]")].map((d) => d.dataset.key));
  byId(id).replaceChildren(...(all && all.length ? all.map(make) : [line(words.none)]));
  for (const d of byId(id).querySelectorAll("details")) d.open = open.has(d.dataset.key);
}

let drawn = "";

async function draw() {
  let o;
  try {
    o = await call("GET", "/overview");
  } catch (error) {
    byId("said").textContent = words.away + " (" + error.message + ")";
    drawn = "";
    return;
  }
  byId("base").textContent = o.base_url;
  byId("now").textContent = clockTime(o.clock.now);
  byId("speed").textContent = `${words.speed} ${o.clock.speed}`;
  const { clock, ...rest } = o;
  const text = JSON.stringify(rest);
  if (text === drawn) return; // a button that is being pressed stays where it is
  drawn = text;
  for (const id of ["trades", "refunds", "callbacks", "requests"]) byId("n-" + id).textContent = String(o.counts[id]);
  fill("trades", o.trades, trade);
  fill("refunds", o.refunds, refund);
  fill("callbacks", o.callbacks, callback);
  fill("rules", o.faults, (f) => rule(f, o.faults_fired));
  if (o.faults && o.faults.length > 1) byId("rules").append(buttons(act(words.clearAll, "DELETE", "/faults")));
  fill("accounts", o.merchants, account);
  fill("certificates", o.platform_certificates, certificate);
  byId("certificates").append(buttons(act(words.newCertificate, "POST", "/platform-certificates", { use: false })));
  fill("requests", o.requests, request);
}

// reset asks first: what it takes away does not come back.
function reset() {
  const button = act(words.reset, "POST", "/reset");
  button.addEventListener("click", (event) => { if (!confirm(`${words.reset}: ${words.sure}`)) event.stopImmediatePropagation(); }, true);
  return button;
}

drawKinds();
byId("fault").addEventListener("submit", (event) => event.preventDefault());
byId("clock").append(
  ...["15s", "1m", "1h", "24h"].map((by) => act("+" + by, "POST", "/clock/advance", { by })),
  reset());
draw();
setInterval(() => { if (!document.hidden) draw(); }, 2000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) draw(); });

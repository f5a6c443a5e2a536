// The first page of `paybridge dev`. It keeps the numbers of one walk (order, payment, hand-off) and reads all else
// from the API, once a second while something is unfinished.

import { routes } from "/firstpage/routes.js";

const byId = (id) => document.getElementById(id);
const read = async (path) => (await fetch(path)).json();
const [settings, words] = await Promise.all([read("/firstpage/settings.json"), read("/firstpage/words.json")]);

// ---- words

let language = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

function text(key, values = {}) {
  return (words[language][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

const stateText = (state) => text("state_" + state);

// ---- money: fen in the API, yuan for people, never a float between them

function fenOf(yuan) {
  const parts = /^(\d{1,9})(?:\.(\d{1,2}))?$/.exec(yuan.trim());
  if (!parts) throw new Shown(text("error_amount", { text: yuan }));
  return Number(parts[1]) * 100 + Number((parts[2] ?? "").padEnd(2, "0"));
}

const yuanOf = (fen) => `${Math.trunc(fen / 100)}.${String(fen % 100).padStart(2, "0")}`;
const sum = (fen) => "¥" + yuanOf(fen);

// ---- calls

// Shown is an error whose message is for the visitor.
class Shown extends Error {}

async function api(method, path, body) {
  const headers = { Authorization: "Bearer " + settings.api_key };
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Shown(text("error_gateway"));
  }
  const content = await answer.json();
  if (!answer.ok) throw new Shown(`${answer.status} ${content.code}: ${content.detail}`);
  return { ...content, status: answer.status, retryAfter: answer.headers.get("Retry-After") };
}

async function control(method, path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  let answer;
  try {
    answer = await fetch(settings.control_url + "/control/v1/" + path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Shown(text("error_control", { url: settings.control_url }));
  }
  const content = await answer.json();
  if (!answer.ok) throw new Shown(text("payer_said_refused", { message: content.message }));
  return content;
}

// ---- the walk

const fresh = () => ({ order: null, payment: null, handOff: null, refunds: [], timeline: [], reference: newReference("visit") });
const newReference = (what) => `${what}-${Date.now().toString(36)}`;

let walk = fresh();
let list; // every payment and refund with its way, once the page has begun
let faults = { rules: [] }; // the simulator's rules in force
let looking; // the timer of the next look
let lookAgain = false; // once more after the last move: rows read one by one may be from different moments

const unfinished = {
  order: ["closing"],
  payment: ["created", "pending", "closing"],
  refund: ["created", "processing"],
};

// look reads everything again, shows it, and looks again in a second while something may still move.
async function look() {
  clearTimeout(looking);
  const mine = walk;
  try {
    faults = { rules: (await control("GET", "faults")).rules ?? [] };
    if (mine.order) mine.order = await api("GET", "/v1/orders/" + mine.order.number);
    if (mine.payment) {
      mine.payment = await api("GET", "/v1/payments/" + mine.payment.number);
      mine.timeline = (await api("GET", `/v1/payments/${mine.payment.number}/timeline`)).entries;
      const numbers = new Set(mine.timeline.filter((e) => e.kind === "refund").map((e) => e.number));
      mine.refunds = await Promise.all([...numbers].map((n) => api("GET", "/v1/refunds/" + n)));
    }
    if (mine !== walk) return; // started over meanwhile
    keep();
  } catch (e) {
    complain(e);
  }
  show();
  clearTimeout(looking); // two looks at once leave one timer
  const mayMove = moving();
  if (mayMove || lookAgain) looking = setTimeout(look, 1000);
  lookAgain = mayMove;
}

function moving() {
  return faults.rules.length > 0 || rows().some((r) => unfinished[r.kind].includes(r.state));
}

// rows is what the side panel lists: the order, its payment, its refunds.
function rows() {
  const list = [];
  if (walk.order) list.push({ kind: "order", ...walk.order });
  if (walk.payment) list.push({ kind: "payment", ...walk.payment });
  for (const refund of walk.refunds) list.push({ kind: "refund", ...refund });
  return list;
}

// keep lets a walk outlive a reload of the page, in this tab.
function keep() {
  const { order, payment, handOff, reference } = walk;
  sessionStorage.setItem("walk", JSON.stringify({ order, payment, handOff, reference }));
}

// act runs what a button does: the button rests meanwhile, and what went wrong is shown.
async function act(button, does) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true"); // an unclear create takes ten seconds
  complain(null);
  try {
    await does();
  } catch (e) {
    complain(e);
  }
  button.disabled = false;
  button.removeAttribute("aria-busy");
  lookAgain = true;
  await look();
}

function complain(e) {
  const box = byId("problem");
  if (e && !(e instanceof Shown)) console.error(e);
  box.hidden = !e;
  box.textContent = e ? e.message : "";
}

function orderBody() {
  return { reference: walk.reference, amount: fenOf(byId("order-amount").value), description: byId("order-description").value };
}

function paymentBody() {
  return { entry: settings.entry, payer: { openid: settings.openid } };
}

function refundBody() {
  return { reference: byId("refund-reference").value, amount: fenOf(byId("refund-amount").value) };
}

byId("order-form").addEventListener("submit", (e) => {
  e.preventDefault();
  act(e.submitter, async () => {
    walk.order = await api("POST", "/v1/orders", orderBody());
    byId("refund-reference").value = walk.reference + "-r1";
  });
});

byId("again").addEventListener("click", () => {
  walk = fresh();
  sessionStorage.removeItem("walk");
  byId("cashier-said").textContent = "";
  complain(null);
  look();
  byId("order-amount").focus();
});

byId("open").addEventListener("click", (e) => act(e.target, async () => {
  const made = await api("POST", `/v1/orders/${walk.order.number}/payments`, paymentBody());
  walk.payment = made;
  walk.handOff = made.hand_off ?? null;
  byId("cashier-said").textContent = "";
  if (made.status === 202) throw new Shown(text("unknown_yet", { seconds: made.retryAfter ?? 1 }));
  if (!made.hand_off) throw new Shown(text("hand_off_expired", { state: stateText(made.state) }));
}));

for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => act(button, async () => {
    const said = byId("cashier-said");
    try {
      await control("POST", button.dataset.act, { hand_off: walk.handOff.params });
      said.textContent = text("payer_said_" + button.dataset.act);
    } catch (e) {
      if (!(e instanceof Shown)) throw e;
      said.textContent = e.message;
    }
  }));
}

byId("close").addEventListener("click", (e) => act(e.target, async () => {
  walk.order = await api("POST", `/v1/orders/${walk.order.number}/close`);
}));

byId("refund-form").addEventListener("submit", (e) => {
  e.preventDefault();
  act(e.submitter, async () => {
    const refund = await api("POST", `/v1/payments/${walk.payment.number}/refunds`, refundBody());
    const known = new Set([...walk.refunds.map((r) => r.number), refund.number]);
    byId("refund-reference").value = `${walk.reference}-r${known.size + 1}`;
  });
});

// ---- what can go wrong

const faultKinds = [
  { key: "lost", rule: { kind: "callback_lost", event: "TRANSACTION" } },
  { key: "doubled", rule: { kind: "callback_doubled", event: "TRANSACTION" } },
  { key: "tampered", rule: { kind: "callback_body_tampered", event: "TRANSACTION" } },
  { key: "create", rule: { kind: "timeout_executed", path: "POST /v3/pay/" } },
  { key: "refund", rule: { kind: "timeout_executed", path: "POST /v3/refund/" } },
  { key: "late", rule: { kind: "closed_paid" } },
].map((f) => ({ ...f, id: "first-page-" + f.key }));

for (const fault of faultKinds) {
  const item = make("li", "fault");
  const label = make("label");
  fault.box = make("input");
  fault.box.type = "checkbox";
  fault.box.addEventListener("change", () => act(fault.box, () => fault.box.checked
    ? control("POST", "faults", { id: fault.id, count: 1, ...fault.rule })
    : control("DELETE", "faults/" + fault.id)));
  label.append(fault.box, named(make("span", "name"), "fault_" + fault.key));
  fault.state = make("p", "note");
  fault.state.setAttribute("role", "status");
  item.append(label, named(make("p"), `fault_${fault.key}_does`), fault.state);
  byId("faults").append(item);
}

function showFaults() {
  for (const f of faultKinds) {
    const on = faults.rules.some((r) => r.id === f.id);
    f.fired ||= f.on && !on && f.box.checked; // switched itself off: it happened
    f.on = on;
    if (on) f.fired = false;
    f.box.checked = on;
    say(f.state, on ? text("fault_on") : f.fired ? text("fault_fired") : "");
  }
}

// ---- what is shown

function make(tag, className = "", content = "") {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = content;
  return e;
}

function named(e, key) {
  e.dataset.text = key;
  return e;
}

// say changes a live region only when its text changes, so that nothing is read out twice.
function say(e, content) {
  if (e.textContent !== content) e.textContent = content;
}

function chip(state) {
  const e = make("span", "chip", stateText(state));
  e.dataset.state = state;
  e.title = state;
  return e;
}

function clock(at, digits = 0) {
  return new Date(at).toLocaleTimeString("en-GB", {
    hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: digits || undefined,
  });
}

function show() {
  const { order, payment, handOff, refunds } = walk;
  const paid = payment?.state === "succeeded";
  const open = order?.state === "open";
  const left = paid ? payment.amount - taken(refunds) : 0;

  step("order", true, order);
  byId("again").hidden = !order;
  setDisabled("#order-form input, #order-form button.main", order);
  step("payment", order, handOff);
  setDisabled("#open", !open);
  byId("hand-off").hidden = !handOff;
  if (handOff) say(byId("hand-off-json"), JSON.stringify(handOff, null, 2));
  step("payer", handOff, paid);
  setDisabled("[data-act]", !handOff || paid);
  setDisabled("#close", !open);
  say(byId("cashier-description"), order?.description ?? "");
  say(byId("cashier-amount"), order ? sum(order.amount) : "");
  document.querySelector("[data-act=pay]").textContent = text("payer_pay", { amount: order ? sum(order.amount) : "" });
  step("refund", paid, order?.state === "refunded");
  setDisabled("#refund-form input, #refund-form button", left <= 0);
  say(byId("left"), paid ? text("refund_left", { amount: sum(left) }) : "");

  byId("empty").hidden = Boolean(order);
  byId("rows").replaceChildren(...rows().map(row));
  byId("bar").replaceChildren(...rows().map((r) => {
    const item = make("span", "", text("kind_" + r.kind) + " ");
    item.append(chip(r.state));
    return item;
  }));
  byId("timeline-title").hidden = walk.timeline.length === 0;
  showTimeline();
  announce();
  showFaults();
  showCurl();
  list?.show();
}

const taken = (refunds) => refunds.filter((r) => r.state !== "failed" && r.state !== "closed").reduce((t, r) => t + r.amount, 0);

function step(name, reachable, done) {
  const e = byId("step-" + name);
  e.classList.toggle("later", !reachable);
  e.classList.toggle("done", Boolean(reachable && done));
}

function setDisabled(selector, disabled) {
  for (const e of document.querySelectorAll(selector)) e.disabled = Boolean(disabled);
}

function row(r) {
  const item = make("li");
  const head = make("div", "head");
  head.append(make("b", "", text("kind_" + r.kind)), chip(r.state), make("span", "amount", r.amount ? sum(r.amount) : ""));
  item.append(head, make("code", "number", r.number));
  const due = r.kind === "refund" && r.state === "created" && dueTime(r);
  if (due) item.append(make("p", "note", text("refund_due", { time: clock(due) })));
  if (r.kind === "refund" && r.origin !== "api") item.append(make("p", "note", text("origin_" + r.origin)));
  for (const words of [r.needs_attention, r.provider_error]) if (words) item.append(make("p", "note", words));
  return item;
}

// WeChat takes one refund of a payment a minute. A refund that waits goes out a minute after the one before it.
const refundGap = 60_000;

function dueTime(refund) {
  const sent = walk.timeline.filter((e) => e.kind === "refund" && e.from === "created" && e.to === "processing");
  if (sent.length === 0) return 0;
  const waiting = walk.refunds.filter((r) => r.state === "created");
  return Date.parse(sent.at(-1).at) + refundGap * (1 + waiting.findIndex((r) => r.number === refund.number));
}

let timelineShown = "";

function showTimeline() {
  const signature = language + JSON.stringify(walk.timeline);
  if (signature === timelineShown) return; // what a visitor selects stays selected
  timelineShown = signature;
  byId("timeline").replaceChildren(...walk.timeline.map((e) => {
    const item = make("li");
    item.dataset.state = e.to;
    const head = make("div", "head");
    head.append(make("time", "", clock(e.at, 3)), make("b", "", text("kind_" + e.kind)));
    if (e.from && e.from !== e.to) head.append(make("span", "dim", stateText(e.from) + " →"));
    head.append(chip(e.to));
    const cause = make("p", "cause", e.cause);
    cause.lang = "en"; // the gateway's own words
    item.append(head, cause);
    return item;
  }));
  byId("timeline").scrollTop = byId("timeline").scrollHeight; // the newest is last
}

let announced = {};

// announce reads out what moved since the last look.
function announce() {
  const states = Object.fromEntries(rows().map((r) => [r.number, r.state]));
  const moved = rows().filter((r) => announced[r.number] !== r.state);
  announced = states;
  if (moved.length > 0) {
    say(byId("said"), moved.map((r) => text("moved", { kind: text("kind_" + r.kind), state: stateText(r.state) })).join(". "));
  }
}

// ---- the same with curl

const quoted = (s) => `'${s.replaceAll("'", `'\\''`)}'`;

function post(url, body, key) {
  const lines = [`curl -s -X POST ${url}`];
  if (key) lines.push(`-H 'Authorization: Bearer ${key}'`);
  lines.push("-H 'Content-Type: application/json'");
  if (body) lines.push("-d " + quoted(JSON.stringify(body)));
  return lines.join(" \\\n  ");
}

function showCurl() {
  const order = walk.order?.number ?? "ORDER";
  const payment = walk.payment?.number ?? "PAYMENT";
  const lines = {
    order: () => post(location.origin + "/v1/orders", orderBody(), settings.api_key),
    payment: () => post(`${location.origin}/v1/orders/${order}/payments`, paymentBody(), settings.api_key),
    payer: () => post(settings.control_url + "/control/v1/pay", { out_trade_no: payment }),
    refund: () => post(`${location.origin}/v1/payments/${payment}/refunds`, refundBody(), settings.api_key),
  };
  for (const place of document.querySelectorAll("[data-curl]")) {
    let line;
    try {
      line = lines[place.dataset.curl]();
    } catch (e) {
      line = e.message; // an amount that is being typed
    }
    if (!place.firstChild) place.append(make("pre"), copyButton(place));
    place.firstChild.tabIndex = 0;
    say(place.firstChild, line);
  }
}

function copyButton(place) {
  const button = named(make("button", "copy"), "copy");
  button.type = "button";
  button.textContent = text("copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(place.firstChild.textContent);
    button.textContent = text("copied");
    setTimeout(() => { button.textContent = text("copy"); }, 1500);
  });
  return button;
}

// ---- begin

function speak(next) {
  const asGiven = ["", ...Object.values(words).map((w) => w.description_value)];
  language = next;
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  for (const e of document.querySelectorAll("[data-text]")) e.textContent = text(e.dataset.text);
  for (const e of document.querySelectorAll("[data-label]")) e.setAttribute("aria-label", text(e.dataset.label));
  for (const e of document.querySelectorAll("[data-language]")) e.setAttribute("aria-pressed", String(e.dataset.language === next));
  const description = byId("order-description");
  if (!walk.order && asGiven.includes(description.value)) description.value = text("description_value");
  show();
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    localStorage.setItem("language", button.dataset.language);
    speak(button.dataset.language);
  });
}
document.addEventListener("input", showCurl);

byId("version").textContent = settings.version;
byId("footer-key").textContent = settings.api_key;
for (const [id, href] of [["footer-control", settings.control_url + "/control/v1/ledger"], ["footer-admin", settings.admin_url && settings.admin_url + "/metrics"]]) {
  byId(id).href = byId(id).textContent = href;
}
byId("phone").hidden = !settings.phone_url;
byId("phone-link").href = settings.phone_url;
byId("footer-admin-line").hidden = !settings.admin_url;

walk = { ...walk, ...JSON.parse(sessionStorage.getItem("walk") ?? "{}") };
if (walk.order) {
  byId("order-amount").value = yuanOf(walk.order.amount);
  byId("order-description").value = walk.order.description;
}
byId("refund-reference").value = walk.reference + "-r1";
speak(language in words ? language : "en");
look();
list = routes({ api, control, text, make, chip, sum, act }, byId("routes"), byId("routes-body"));

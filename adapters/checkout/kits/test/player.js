"use strict";
// Plays the real pages of the kit in the simulated phone's runtime, without a browser. A host of a few lines is the
// person, the screen and the gateway.
const fs = require("node:fs");
const path = require("node:path");
const { createMiniProgram } = require("../../../../plugins/wechat/sim/phone/web/core.js");
const wxml = require("../../../../plugins/wechat/sim/phone/web/wxml.js");

const root = path.join(__dirname, "../miniprogram");

function kit(changes = {}) {
  const files = {};
  for (const name of fs.readdirSync(root, { recursive: true })) {
    if (fs.statSync(path.join(root, name)).isFile()) files[name.split(path.sep).join("/")] = fs.readFileSync(path.join(root, name), "utf8");
  }
  return { ...files, ...changes };
}

const number = "00000202603010930001239900012345";
const payment = {
  number: "02100202603010930010939900012340", order: number, state: "pending", amount: 1205, currency: "CNY", description: "Outpatient registration",
  hand_off: { kind: "wechat_miniprogram", params: { appId: "wxa000000000000002", timeStamp: "1772328601", nonceStr: "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    package: "prepay_id=wx201410272009395522657a690389285100", signType: "RSA", paySign: "q+/" + "A".repeat(339) + "==" } },
};

// play starts the kit. cashier and gateway are lists of what happens next; the last one stays. Everything that the pages ask
// of the world is written down in `log`.
async function play(url, { cashier = [{ word: "ok" }], gateway = [{ statusCode: 201, data: payment }], otherApp = {}, confirm = true,
  settings = {}, files = kit() } = {}) {
  const log = [];
  const errors = [];
  let codes = 0;
  const next = (list) => (list.length > 1 ? list.shift() : list[0]);
  const host = {
    mount(page) {
      log.push(["page", page.route + (Object.keys(page.instance.options).length ? "?" + Object.entries(page.instance.options).map((e) => e.join("=")).join("&") : "")]);
      return { update() {}, show() { log.push(["again", page.route]); }, hide() {}, remove() {} };
    },
    async cashier({ params }) {
      log.push(["cashier", params]);
      const what = next(cashier);
      return typeof what === "function" ? what() : what;
    },
    async confirm() { return confirm; },
    async otherApp(call) { log.push(["other app", call]); return otherApp; },
    async loginCode() { return "code-" + ++codes; },
    async request(call) {
      log.push(["request", call.method, call.url, JSON.parse(call.data)]);
      const answer = next(gateway);
      if (answer instanceof Error) throw answer;
      return { statusCode: answer.statusCode, header: answer.header || {}, data: typeof answer.data === "string" ? answer.data : JSON.stringify(answer.data) };
    },
    toast() {}, title() {},
    log(level, text) { errors.push(`${level}: ${text}`); },
  };
  const phone = createMiniProgram({ files, appId: "wxa000000000000002", host, settings: { platform: "android", old: false, decoded: false, language: "en", ...settings } });
  const program = {
    phone, log, errors,
    top: () => phone.pages().at(-1),
    stack: () => phone.pages().map((p) => p.route.split("/").pop()),
    texts: () => wxml.texts(program.top().nodes),
    cashiers: () => log.filter((l) => l[0] === "cashier").map((l) => l[1]),
    requests: () => log.filter((l) => l[0] === "request"),
    // src is what the web-view of the page on top shows.
    src: () => (program.top().nodes.find((n) => n.tag === "web-view") || { attributes: {} }).attributes.src,
    // tap touches the button with this text.
    tap(text) {
      const find = (nodes) => nodes.reduce((found, n) => found || (n.tag && wxml.texts([n]).join("") === text && n.events.tap ? n : n.children ? find(n.children) : null), null);
      const button = find(program.top().nodes);
      if (!button) throw new Error(`no button "${text}" among ${JSON.stringify(program.texts())}`);
      program.top().dispatch(button.events.tap.handler, { type: "tap" });
    },
    // until waits for a condition, by turns of the event loop.
    async until(condition, what) {
      for (let i = 0; i < 400; i++) {
        if (condition()) return;
        await new Promise((done) => setImmediate(done));
      }
      throw new Error(`never: ${what || condition}\n${JSON.stringify({ log, errors, stack: program.stack(), texts: program.texts() }, null, 1)}`);
    },
    async calm() { for (let i = 0; i < 40; i++) await new Promise((done) => setImmediate(done)); },
  };
  await phone.launch(url);
  return program;
}

module.exports = { kit, play, payment, number };

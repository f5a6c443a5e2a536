"use strict";
// paybridge.js in a window of a few lines, with time that the test moves.
const { test, mock } = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");
const zlib = require("node:zlib");

const file = path.join(__dirname, "../h5/paybridge.js");
const source = fs.readFileSync(file, "utf8");

const agents = {
  phone: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 MicroMessenger/8.0.50(0x18003237) NetType/WIFI Language/zh_CN",
  webView: "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 MicroMessenger/8.0.50.2701 MiniProgramEnv/android miniProgram/wxa1",
  harmony: "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 ArkWeb/4.1.6.1 Mobile MicroMessenger/8.0.50",
  desktop: "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 MicroMessenger/7.0.20 WindowsWechat(0x63090c11)",
  work: "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 MicroMessenger/7.0.1 wxwork/4.1.30",
  safari: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604.1",
};

// page is a window: what it loads and calls is written down in `calls`.
function page(userAgent, { language = "en-US", onScript } = {}) {
  const document = new EventTarget();
  const window = new EventTarget();
  const calls = [];
  document.hidden = false;
  document.createElement = () => ({});
  document.head = { appendChild: (s) => { calls.push(["script", s.src]); queueMicrotask(() => onScript(s)); } };
  Object.assign(window, { document, navigator: { userAgent, language }, location: { assign: (u) => calls.push(["assign", u]) } });
  const context = vm.createContext({ window, setTimeout, clearTimeout, Date, Promise, Error, TypeError, Object, Math, String });
  vm.runInContext(source, context, { filename: file });
  return { window, document, calls, PayBridge: window.PayBridge };
}

const handOff = { kind: "wechat_jsapi", params: { appId: "wxa", timeStamp: "1", nonceStr: "n", package: "prepay_id=wx1", signType: "RSA", paySign: "s==" } };
const ticket = { kind: "miniprogram_page", params: { url: "/pages/paybridge/pay?ticket=T-1_a" } };

const turn = async () => { for (let i = 0; i < 30; i++) await Promise.resolve(); };
async function pass(ms) {
  for (let left = ms; left > 0; left -= 100) { mock.timers.tick(100); await turn(); }
}
const medins = { kind: "wechat_medins", params: { mixTradeNo: "M1", appId: "wxa", timeStamp: "1", nonceStr: "n", package: "prepay_id=wx1", signType: "RSA", paySign: "s==" } };
const config = { appId: "wxa", timestamp: 1, nonceStr: "n", signature: "sha1" };

test.beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"] }));
test.afterEach(() => mock.timers.reset());

// settle moves time until the promise is done.
async function settle(promise, limit = 700000) {
  let done;
  promise.then((value) => (done = { value }), (error) => (done = { error }));
  for (let gone = 0; !done && gone < limit; gone += 100) await pass(100);
  assert.ok(done, `still waiting after ${limit / 1000} s`);
  return done;
}

const sdk = (more = {}) => ({ miniProgram: { navigateTo: (o) => o.success(), redirectTo: (o) => o.success(), getEnv: (f) => f({ miniprogram: true }), ...more } });

test("it stays small and needs nothing", () => {
  assert.ok(zlib.gzipSync(source).length < 6000, `${zlib.gzipSync(source).length} bytes`);
  assert.ok(!/\brequire\(|^import /m.test(source));
  const types = fs.readFileSync(path.join(__dirname, "../h5/paybridge.d.ts"), "utf8");
  const { PayBridge } = page(agents.safari);
  assert.ok(types.includes(`paybridge.js ${PayBridge.version}.`), "the types name the version of the script");
  assert.ok(source.startsWith(`/*! paybridge.js ${PayBridge.version} `));
  for (const name of Object.keys(PayBridge)) assert.match(types, new RegExp(`export (const|function|class) ${name}\\b`));
});

for (const [name, agent, set, want] of [
  ["a browser", agents.safari, {}, "browser"],
  ["an official account", agents.phone, { WeixinJSBridge: {} }, "official_account"],
  ["a web-view by its user agent", agents.webView, {}, "miniprogram"],
  ["a web-view by its variable", agents.phone, { __wxjs_environment: "miniprogram" }, "miniprogram"],
  ["WeChat on a desktop", agents.desktop, {}, "wechat_other"],
  ["WeChat Work", agents.work, {}, "wechat_other"],
  ["HarmonyOS, a web-view", agents.harmony, { WeixinJSBridge: {}, wx: sdk() }, "miniprogram"],
  ["HarmonyOS, an official account", agents.harmony, { WeixinJSBridge: {}, wx: sdk({ getEnv: (f) => f({ miniprogram: false }) }) }, "official_account"],
  ["HarmonyOS, the SDK does not answer", agents.harmony, { WeixinJSBridge: {}, wx: sdk({ getEnv() {} }) }, "official_account"],
]) test(`environment: ${name}`, async () => {
  const p = page(agent);
  Object.assign(p.window, set);
  assert.equal((await settle(p.PayBridge.environment())).value, want);
});

test("environment: old WeChat says that it is a web-view only once the bridge is ready", async () => {
  const p = page(agents.phone);
  const where = p.PayBridge.environment();
  await pass(500);
  p.window.__wxjs_environment = "miniprogram";
  p.window.WeixinJSBridge = {};
  p.document.dispatchEvent(new Event("WeixinJSBridgeReady"));
  assert.equal((await settle(where, 0 + 200)).value, "miniprogram");
});

// official is an official account whose payer does as told, and whose server answers one state after the other.
function official(errMsgs, states) {
  const p = page(agents.phone);
  let asked = 0;
  p.window.WeixinJSBridge = {
    invoke(name, params, done) {
      p.calls.push([name, params]);
      for (const m of errMsgs) done({ err_msg: "get_brand_wcpay_request:" + m });
    },
  };
  const ask = () => {
    const s = states[Math.min(asked++, states.length - 1)];
    return s instanceof Error ? Promise.reject(s) : s;
  };
  return { ...p, ask, asked: () => asked };
}

for (const [name, errMsgs, states, want] of [
  ["paid", ["ok"], ["paid"], { state: "paid", said: "ok" }],
  ["paid, the callback is late", ["ok"], ["open", "open", "paid"], { state: "paid", said: "ok" }],
  ["ok proves nothing", ["ok"], ["open"], { state: "unconfirmed", said: "ok" }],
  ["cancelled", ["cancel"], ["open"], { state: "unpaid", said: "cancel" }],
  ["cancel that was none", ["cancel"], ["open", "paid"], { state: "paid", said: "cancel" }],
  ["cancel and then ok, as old clients say", ["cancel", "ok"], ["open", "open", "open", "open", "paid"], { state: "paid", said: "ok" }],
  ["ok is not taken back", ["ok", "cancel"], ["open", "open", "open", "open", "paid"], { state: "paid", said: "ok" }],
  ["failed", ["fail"], ["open"], { state: "unpaid", said: "fail" }],
  ["words that nobody knows", ["fail_invalid appid"], ["open"], { state: "unpaid", said: "fail" }],
  ["the order closed meanwhile", ["fail"], ["closed"], { state: "closed", said: "fail" }],
  ["refunded already", ["ok"], ["refunded"], { state: "paid", said: "ok" }],
  ["the network comes back", ["ok"], [new Error("offline"), new Error("offline"), "paid"], { state: "paid", said: "ok" }],
  ["the network is lost", ["cancel"], [new Error("offline")], { state: "unconfirmed", said: "cancel" }],
  ["no word from WeChat, yet paid", [], ["open", "paid"], { state: "paid" }],
]) test(`official account: ${name}`, async () => {
  const p = official(errMsgs, states);
  const { value, error } = await settle(p.PayBridge.pay(handOff, { ask: p.ask }));
  assert.ifError(error);
  assert.equal(value.state, want.state);
  assert.equal(value.said, want.said);
  assert.deepEqual(JSON.parse(JSON.stringify(p.calls)), [["getBrandWCPayRequest", handOff.params]]);
  const asked = p.asked();
  await pass(60000);
  assert.equal(p.asked(), asked, "it asks on after the end");
});

test("official account: it waits for the bridge", async () => {
  const p = official(["ok"], ["paid"]);
  const { WeixinJSBridge } = p.window;
  delete p.window.WeixinJSBridge;
  const paid = p.PayBridge.pay(handOff, { ask: p.ask });
  await pass(4000);
  assert.equal(p.calls.length, 0);
  p.window.WeixinJSBridge = WeixinJSBridge;
  p.document.dispatchEvent(new Event("WeixinJSBridgeReady"));
  assert.equal((await settle(paid)).value.state, "paid");
});

test("official account: no bridge ever", async () => {
  const p = page(agents.phone);
  assert.equal((await settle(p.PayBridge.pay(handOff, { ask: () => "open" }))).error.code, "no_bridge");
});

test("two taps are one payment", async () => {
  const p = official(["cancel"], ["open"]);
  const both = Promise.all([p.PayBridge.pay(handOff, { ask: p.ask }), p.PayBridge.pay(handOff, { ask: p.ask })]);
  const { value } = await settle(both);
  assert.equal(value[0], value[1]);
  assert.equal(p.calls.length, 1);
  await settle(p.PayBridge.pay(handOff, { ask: p.ask }));
  assert.equal(p.calls.length, 2, "and a third tap, later, is a new one");
});

test("web-view: the ticket goes to the native page, and the page beneath learns of it when it is seen again", async () => {
  let state = "open";
  const p = page(agents.webView, { onScript: (s) => { p.window.wx = sdk({ navigateTo: (o) => { p.calls.push(["navigateTo", o.url]); o.success(); } }); s.onload(); } });
  const paid = p.PayBridge.pay(ticket, { ask: () => state });
  await pass(2000);
  assert.deepEqual(p.calls, [["script", "https://res.wx.qq.com/open/js/jweixin-1.6.0.js"], ["navigateTo", ticket.params.url]]);
  p.document.hidden = true;
  p.document.dispatchEvent(new Event("visibilitychange"));
  state = "paid";
  p.document.hidden = false;
  p.document.dispatchEvent(new Event("visibilitychange"));
  assert.equal((await settle(paid, 300)).value.state, "paid");
});

test("web-view: who comes back without paying goes to the same page again", async () => {
  const p = page(agents.webView);
  p.window.wx = sdk({ navigateTo: (o) => { p.calls.push(o.url); o.success(); } });
  const first = p.PayBridge.pay(ticket, { ask: () => "open" });
  await pass(1000);
  const tap = p.PayBridge.pay(ticket, { ask: () => "open" });
  await pass(1000);
  assert.equal(p.calls.length, 1, "not before");
  p.window.dispatchEvent(new Event("pageshow"));
  const back = p.PayBridge.pay(ticket, { ask: () => "open" });
  await pass(1000);
  assert.equal(p.calls.length, 2);
  assert.ok(first === tap && tap === back, "and it is one payment");
});

test("another order's payment has a result of its own", async () => {
  const p = page(agents.webView);
  p.window.wx = sdk({ navigateTo: (o) => { p.calls.push(o.url); o.success(); } });
  const a = p.PayBridge.pay(ticket, { ask: () => "open" });
  await pass(1000);
  p.window.dispatchEvent(new Event("pageshow"));
  const other = { kind: "miniprogram_page", params: { url: "/pages/paybridge/pay?ticket=T-2_b" } };
  const b = p.PayBridge.pay(other, { ask: () => "paid" });
  assert.equal((await settle(a, 300)).value.state, "unconfirmed");
  assert.equal((await settle(b, 6000)).value.state, "paid");
  assert.deepEqual(p.calls, [ticket.params.url, other.params.url]);
});

test("web-view: back without paying", async () => {
  const p = page(agents.webView);
  p.window.wx = sdk();
  const paid = p.PayBridge.pay(ticket, { ask: () => "open" });
  await pass(2000);
  p.window.dispatchEvent(new Event("pageshow"));
  assert.equal((await settle(paid, 40000)).value.state, "unpaid");
});

test("web-view: a full page stack", async () => {
  const p = page(agents.webView);
  p.window.wx = sdk({
    navigateTo: (o) => o.fail({ errMsg: "navigateTo:fail webview count limit exceed" }),
    redirectTo: (o) => { p.calls.push(["redirectTo", o.url]); o.success(); },
  });
  await settle(p.PayBridge.toMiniProgram(ticket.params.url));
  assert.deepEqual(p.calls, [["redirectTo", ticket.params.url]]);
});

test("web-view: the page is not there", async () => {
  const p = page(agents.webView);
  const no = (o) => o.fail({ errMsg: 'navigateTo:fail page "pages/paybridge/pay" is not found' });
  p.window.wx = sdk({ navigateTo: no, redirectTo: no });
  const { error } = await settle(p.PayBridge.pay(ticket, { ask: () => "open" }));
  assert.equal(error.code, "no_mini_program");
  assert.match(error.detail, /is not found/);
});

test("web-view: the SDK comes from the spare host, and a failure is not remembered", async () => {
  let reachable = false;
  const p = page(agents.webView, { onScript: (s) => {
    if (!reachable || !s.src.includes("//res2.")) return s.onerror();
    p.window.wx = sdk();
    s.onload();
  } });
  assert.equal((await settle(p.PayBridge.toMiniProgram("/pages/x"))).error.code, "no_bridge");
  reachable = true;
  assert.ifError((await settle(p.PayBridge.toMiniProgram("/pages/x"))).error);
});

for (const [name, agent, given, code, words] of [
  ["outside of WeChat", agents.safari, handOff, "wrong_place", /Open this page in WeChat/],
  ["an official account's hand-off in a web-view", agents.webView, handOff, "wrong_way", /does not work from here/],
  ["a ticket on a desktop", agents.desktop, ticket, "wrong_way", /does not work from here/],
  ["a kind that nobody knows", agents.phone, { kind: "carrier_pigeon", params: {} }, "unknown_kind", /does not know/],
  ["a kind that is a word of JavaScript", agents.phone, { kind: "constructor", params: {} }, "unknown_kind", /does not know/],
  ["nothing", agents.phone, null, "unknown_kind", /does not know/],
  ["no params", agents.phone, { kind: "wechat_jsapi" }, "bad_hand_off", /incomplete/],
  ["a time stamp that is a number", agents.phone, { kind: "wechat_jsapi", params: { ...handOff.params, timeStamp: 1 } }, "bad_hand_off", /incomplete/],
  ["a native page outside", agents.webView, { kind: "miniprogram_page", params: { url: "https://evil.example/" } }, "bad_hand_off", /incomplete/],
  ["Chinese in the address", agents.webView, { kind: "miniprogram_page", params: { url: "/pages/支付" } }, "bad_hand_off", /incomplete/],
  ["a redirect that is a script", agents.safari, { kind: "redirect_url", params: { url: "javascript:alert(1)" } }, "bad_hand_off", /incomplete/],
]) test(`refused: ${name}`, async () => {
  const p = page(agent);
  p.window.WeixinJSBridge = { invoke: () => assert.fail("it paid") };
  const { error } = await settle(p.PayBridge.pay(given, { ask: () => "open" }));
  assert.equal(error.code, code);
  assert.match(error.message, words);
  const zh = page(agent, { language: "zh-CN" });
  zh.window.WeixinJSBridge = p.window.WeixinJSBridge;
  assert.match((await settle(zh.PayBridge.pay(given, { ask: () => "open" }))).error.message, /[\u4e00-\u9fff]/);
});

test("refused: nobody to ask", async () => {
  const p = page(agents.phone);
  assert.match((await settle(p.PayBridge.pay(handOff, {}))).error.message, /options\.ask/);
});

test("a redirect leaves the page", async () => {
  const p = page(agents.safari);
  p.PayBridge.pay({ kind: "redirect_url", params: { url: "https://pay.example.com/x" } }, { ask: () => "open" });
  await turn();
  assert.deepEqual(p.calls, [["assign", "https://pay.example.com/x"]]);
});

// ---- medical insurance in an official account

// insured is a page in an official account whose WeChat takes its signature and knows the cashier of insurance, or not.
function insured({ refuses, knows = true, says = "ok" } = {}) {
  const p = page(agents.phone);
  let ready = [];
  let error;
  p.window.wx = { ...sdk(),
    error: (f) => (error = f),
    ready: (f) => ready.push(f),
    config: (c) => { p.calls.push(["config", c.jsApiList.join()]); if (refuses) error({ errMsg: "config:" + refuses }); for (const f of ready.splice(0)) f(); },
    checkJsApi: (o) => o.success({ checkResult: { requestMedicalInsurancePay: knows } }),
  };
  p.window.WeixinJSBridge = { invoke: (name, params, done) => { p.calls.push([name, { ...params }]); if (says) done({ err_msg: `${name}:${says}` }); } };
  return p;
}

test("an insurance payment with a self-paid part", async () => {
  const p = insured();
  const { value } = await settle(p.PayBridge.pay(medins, { ask: async () => "paid", config }));
  assert.equal(value.state, "paid");
  const { mixTradeNo, timeStamp, nonceStr, signType, paySign } = medins.params;
  assert.deepEqual(p.calls, [["config", "requestMedicalInsurancePay"],
    ["requestMedicalInsurancePay", { appid: "wxa", mixTradeNo, timeStamp, nonceStr, package: "prepay_id=wx1", signType, paySign }]]);
});

test("an insurance payment without a self-paid part, of which the client says nothing", async () => {
  const p = insured({ says: "" });
  const { value } = await settle(p.PayBridge.pay({ kind: "wechat_medins", params: { mixTradeNo: "M2" } }, { ask: async () => "paid", config }));
  assert.equal(value.state, "paid");
  assert.deepEqual(p.calls[1], ["requestMedicalInsurancePay", { appid: "wxa", mixTradeNo: "M2" }]);
});

test("an insurance payment that was left", async () => {
  const { value } = await settle(insured({ says: "fail" }).PayBridge.pay(medins, { ask: async () => "open", config }));
  assert.deepEqual([value.state, value.said], ["unpaid", "fail"]);
});

for (const [name, world, options, code] of [
  ["WeChat does not take the page", { refuses: "fail invalid signature" }, { config }, "not_config"],
  ["an old WeChat", { knows: false }, { config }, "old_wechat"],
  ["without a signature of the page", {}, {}, "bad_hand_off"],
]) test(`an insurance payment: ${name}`, async () => {
  const p = insured(world);
  const { error } = await settle(p.PayBridge.pay(medins, { ask: async () => "open", ...options }));
  assert.equal(error.code, code);
  assert.ok(!p.calls.some(([call]) => call === "requestMedicalInsurancePay"));
});

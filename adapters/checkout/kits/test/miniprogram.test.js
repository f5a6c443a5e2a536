"use strict";
const { test, mock } = require("node:test");
const assert = require("node:assert/strict");
const { kit, play, payment, number } = require("./player.js");

const ticket = "T_" + "a1-".repeat(13) + "zz";
const page = (query) => "/pages/paybridge/pay" + (query ? "?" + query : "");
const resultURL = `https://pay.example.com/checkout/orders/${number}/result`;
const handOff = payment.hand_off.params;
const oldStyle = (more = {}, code = encodeURIComponent) => Object.entries({ type: "1", timeStamp: handOff.timeStamp, nonceStr: handOff.nonceStr,
  package: handOff.package, signType: "RSA", paySign: handOff.paySign, ...more }).filter((e) => e[1] !== undefined).map(([k, v]) => `${k}=${code(v)}`).join("&");
const { appId, ...paid } = handOff;

// from opens the pay page from the web-view page, as the H5 does.
async function from(query, options) {
  const p = await play("", options);
  await p.phone.fromWebView(p.top(), "navigateTo", { url: page(query) });
  return p;
}

test("a ticket is redeemed with a login code, paid, and the result takes the pay page's place", async () => {
  const p = await from("ticket=" + ticket);
  await p.until(() => p.src() === resultURL);
  assert.deepEqual(p.requests(), [["request", "POST", "https://pay.example.com/p/v1/tickets/redeem", { ticket, js_code: "code-1" }]]);
  assert.deepEqual(p.cashiers(), [paid], "exactly the parameters that wx.requestPayment takes");
  assert.deepEqual(p.stack(), ["webview", "webview"]);
  assert.deepEqual(p.errors, []);
});

test("the page shows the amount, and what became of it", async () => {
  const p = await from("ticket=" + ticket, { cashier: [{ word: "cancel" }, { word: "fail", detail: "no password" }, { word: "ok" }] });
  await p.until(() => p.texts().includes("You cancelled. The order is not paid yet"));
  assert.deepEqual(p.texts().slice(0, 3), ["To pay", "¥12.05", "Outpatient registration"]);
  p.tap("Pay again");
  await p.until(() => p.texts().includes("requestPayment:fail no password"));
  p.tap("Pay again");
  await p.until(() => p.src() === resultURL);
  assert.equal(p.requests().length, 1, "the hand-off is good for every attempt");
  assert.deepEqual(p.cashiers(), [paid, paid, paid]);
});

for (const [name, settings, cashier] of [
  ["iOS: shown before the result comes", { platform: "ios" }, { word: "cancel" }],
  ["Android: shown after it", { platform: "android" }, { word: "cancel" }],
  ["old WeChat: cancel in complete alone", { old: true }, { word: "cancel" }],
  ["old WeChat on iOS", { old: true, platform: "ios" }, { word: "cancel" }],
]) test(`cancel: ${name}`, async () => {
  const p = await from("ticket=" + ticket, { settings, cashier: [cashier] });
  await p.until(() => p.texts().includes("You cancelled. The order is not paid yet"));
  p.tap("See the order");
  await p.until(() => p.src() === resultURL);
  assert.equal(p.cashiers().length, 1);
});

test("the payer leaves the cashier without a word: the result does not wait for one", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const p = await from("ticket=" + ticket, { cashier: [{ word: "gone" }] });
    await p.until(() => p.texts().includes("Asking what became of the payment…"));
    mock.timers.tick(3000);
    await p.until(() => p.src() === resultURL);
  } finally {
    mock.timers.reset();
  }
});

test("two taps open the cashier once", async () => {
  const p = await from("ticket=" + ticket, { settings: { platform: "ohos" }, cashier: [() => new Promise(() => {})] });
  await p.until(() => p.texts().includes("Pay"));
  assert.equal(p.cashiers().length, 0, "HarmonyOS opens it only from a tap");
  p.tap("Pay");
  p.top().dispatch("pay", { type: "tap" });
  await p.calm();
  assert.equal(p.cashiers().length, 1);
});

test("opened twice: the second page goes away, one cashier", async () => {
  const p = await from("ticket=" + ticket, { cashier: [() => new Promise(() => {})] });
  await p.phone.fromWebView(p.phone.pages()[0], "navigateTo", { url: page("ticket=" + ticket) });
  await p.until(() => p.stack().length === 2);
  await p.calm();
  assert.deepEqual(p.stack(), ["webview", "pay"]);
  assert.equal(p.cashiers().length, 1);
  assert.equal(p.requests().length, 1);
});

// R43, R44: each of these shows a clear page in both languages, and pays nothing.
for (const [name, query, answer, english, chinese, way] of [
  ["without parameters", "", null, "Nothing to pay was named. Open this page from your order", "缺少支付参数，请从订单页面重新进入"],
  ["an empty ticket", "ticket=", null, "The payment's parameters are wrong. Open this page from your order", "支付参数有误，请从订单页面重新进入"],
  ["a ticket that is a URL", "ticket=https%3A%2F%2Fevil.example%2F0123456789", null, "The payment's parameters are wrong. Open this page from your order", "支付参数有误，请从订单页面重新进入"],
  ["R43 a spent ticket", "ticket=" + ticket, { statusCode: 404, data: { code: "not_found" } }, "This payment link has been used or is too old. See the order", "支付链接已失效，请返回订单查看", "See the order"],
  ["an order that cannot be paid", "ticket=" + ticket, { statusCode: 409, data: { code: "order_closed" } }, "The order cannot be paid now. See the order", "该订单当前无法支付，请返回订单查看", "See the order"],
  ["R08 an earlier attempt", "ticket=" + ticket, { statusCode: 409, data: { code: "previous_attempt_unresolved" } }, "An earlier attempt is still being confirmed. Try again soon", "上一次支付仍在确认中，请稍后重试", "Try again"],
  ["the app refuses it", "ticket=" + ticket, { statusCode: 409, data: { code: "app_refused", detail: "The bill has changed" } }, "The merchant does not take this payment now", "商家暂不接受这笔付款", "The bill has changed"],
  ["too often", "ticket=" + ticket, { statusCode: 429, data: {} }, "Too many requests. Try again soon", "请求过于频繁，请稍后重试", "Try again"],
  ["the gateway is away", "ticket=" + ticket, { statusCode: 502, data: "<html>bad gateway" }, "The payment service does not answer now. Try again soon", "支付服务暂时不可用，请稍后重试", "Try again"],
  ["no network", "ticket=" + ticket, new Error("timeout"), "No network. Check the connection and try again", "网络连接失败，请检查网络后重试", "Try again"],
  ["a hand-off of a later version", "ticket=" + ticket, { statusCode: 201, data: { ...payment, hand_off: { kind: "carrier_pigeon", params: {} } } }, "This version does not know that way to pay. Update it and try again", "此版本不支持该支付方式，请更新后重试"],
  ["insurance on an old WeChat", "ticket=" + ticket, { statusCode: 201, data: { ...payment, hand_off: { kind: "wechat_medins", params: { mixTradeNo: "1" } } } }, "This WeChat is too old for it. Update WeChat and try again", "当前微信版本过低，请升级微信后重试"],
  ["2019: a parameter is missing", oldStyle({ paySign: undefined }), null, "The payment's parameters are wrong. Open this page from your order", "支付参数有误，请从订单页面重新进入"],
  ["2019: encoded twice", oldStyle({}, (v) => encodeURIComponent(encodeURIComponent(v))), null, "The payment's parameters are wrong. Open this page from your order", "支付参数有误，请从订单页面重新进入"],
  ["2019: MD5, which is v2", oldStyle({ signType: "MD5" }), null, "The payment's parameters are wrong. Open this page from your order", "支付参数有误，请从订单页面重新进入"],
  ["2019: another type", oldStyle({ type: "9" }), null, "This version does not know that way to pay. Update it and try again", "此版本不支持该支付方式，请更新后重试"],
  ["R44 2019: another mini program", "type=2&appid=wx0123456789abcdef&payUrl=" + encodeURIComponent("pages/pay?x=1"), null, "That mini program is not on this one's list", "该小程序不在允许列表中"],
  ["R44 2019: a payUrl that is an address", "type=2&appid=wx0123456789abcdef&payUrl=" + encodeURIComponent("https://evil.example/"), null, "The payment's parameters are wrong. Open this page from your order", "支付参数有误，请从订单页面重新进入"],
]) for (const [language, text] of [["en", english], ["zh_CN", chinese]]) test(`${name} (${language})`, async () => {
  const p = await from(query, { gateway: [answer || { statusCode: 500, data: {} }], settings: { language, old: name.includes("old WeChat") } });
  await p.until(() => p.texts().includes(text), text);
  if (language === "en" && way) assert.ok(p.texts().includes(way), `${way} in ${p.texts()}`);
  assert.equal(p.cashiers().length, 0);
  assert.equal(p.requests().length, answer ? 1 : 0);
  assert.deepEqual(p.errors, []);
});

test("an order that is paid already needs no cashier", async () => {
  for (const answer of [{ statusCode: 409, data: { code: "order_paid" } }, { statusCode: 200, data: { ...payment, state: "succeeded", hand_off: undefined } }]) {
    const p = await from(`ticket=${ticket}&number=${number}`, { gateway: [answer] });
    await p.until(() => p.src() === resultURL);
    assert.equal(p.cashiers().length, 0);
  }
});

test("after a refusal, another try logs in again: a code is good once", async () => {
  const p = await from("ticket=" + ticket, { gateway: [new Error("timeout"), { statusCode: 201, data: payment }] });
  await p.until(() => p.texts().includes("Try again"));
  p.tap("Try again");
  await p.until(() => p.src() === resultURL);
  assert.deepEqual(p.requests().map((r) => r[3].js_code), ["code-1", "code-2"]);
});

test("202: the provider has not answered yet, so it asks again by itself", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const p = await from("ticket=" + ticket, { gateway: [{ statusCode: 202, header: { "retry-after": "4" }, data: {} }, { statusCode: 201, data: payment }] });
    await p.until(() => p.requests().length === 1);
    await p.calm();
    mock.timers.tick(3999);
    await p.calm();
    assert.equal(p.requests().length, 1);
    mock.timers.tick(1);
    await p.until(() => p.src() === resultURL);
  } finally {
    mock.timers.reset();
  }
});

for (const decoded of [false, true]) test(`2019: parameters arrive ${decoded ? "decoded, as in the developer tools" : "raw, as on devices"}`, async () => {
  const p = await from(oldStyle({ number }), { settings: { decoded } });
  await p.until(() => p.src() === resultURL);
  assert.deepEqual(p.cashiers(), [paid]);
  assert.equal(p.requests().length, 0);
  const payUrl = "pages/medins/pay?id=a%2Fb&back=1"; // an escape of its own, which must survive
  const listed = kit();
  listed["pages/paybridge/config.js"] = listed["pages/paybridge/config.js"].replace("insuranceAppIds: []", 'insuranceAppIds: ["wx0123456789abcdef"]');
  const q = await from(`type=2&appid=wx0123456789abcdef&number=${number}&payUrl=${encodeURIComponent(payUrl)}`, { settings: { decoded }, files: listed });
  await q.until(() => q.texts().includes("Go to insurance pay"));
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    q.tap("Go to insurance pay");
    await q.until(() => q.texts().includes("Asking what became of the payment…"));
    mock.timers.tick(3000);
    await q.until(() => q.src() === resultURL);
  } finally {
    mock.timers.reset();
  }
  assert.deepEqual(q.log.filter((l) => l[0] === "other app"), [["other app", { appId: "wx0123456789abcdef", path: payUrl, extraData: {} }]]);
});

test("2019: without a number it goes back to the page that opened it", async () => {
  const p = await from(oldStyle());
  await p.until(() => p.stack().length === 1);
  assert.deepEqual(p.log.at(-1), ["again", "pages/paybridge/webview"]);
});

test("a payer who will not go to the other mini program", async () => {
  const listed = kit();
  listed["pages/paybridge/config.js"] = listed["pages/paybridge/config.js"].replace("insuranceAppIds: []", 'insuranceAppIds: ["wx0123456789abcdef"]');
  const p = await from("type=2&appid=wx0123456789abcdef&payUrl=pages%2Fpay", { files: listed, confirm: false });
  await p.until(() => p.texts().includes("Go to insurance pay"));
  p.tap("Go to insurance pay");
  await p.until(() => p.texts().includes("You cancelled. The order is not paid yet"));
  assert.ok(p.texts().includes("Go to insurance pay"));
});

test("R44 the gateway's return address is used where the list allows it", async () => {
  for (const [url, want] of [
    ["https://pay.example.com/c/token-1", "https://pay.example.com/c/token-1"],
    ["https://evil.example/", resultURL],
    ["https://pay.example.com@evil.example/", resultURL],
    ["https://pay.example.com.evil.example/", resultURL],
    ["https://pay.example.com:8443/", resultURL],
    ["http://pay.example.com/", resultURL],
    ["https://pay.example.com\\@evil.example/", resultURL],
    ["https://pay.example.com/支付", resultURL],
    ["//pay.example.com/", resultURL],
    [42, resultURL],
  ]) {
    const p = await from("ticket=" + ticket, { gateway: [{ statusCode: 201, data: { ...payment, return_url: url } }] });
    await p.until(() => p.src() === want, `${url} → ${want}`);
  }
});

test("R44 the web-view page takes a number, never an address", async () => {
  for (const [query, want] of [
    ["", "https://pay.example.com/checkout/orders"],
    ["?number=" + number, resultURL],
    ["?number=12", "https://pay.example.com/checkout/orders"],
    ["?number=" + encodeURIComponent(number + "/../../x"), "https://pay.example.com/checkout/orders"],
    ["?url=https%3A%2F%2Fevil.example", "https://pay.example.com/checkout/orders"],
  ]) {
    const p = await play("/pages/paybridge/webview" + query);
    assert.equal(p.src(), want, query);
    assert.deepEqual(p.top().instance.onShareAppMessage(), { path: "/pages/paybridge/webview" });
  }
});

test("R44 config.js itself is held to its list", async () => {
  const changed = (from, to) => { const files = kit(); files["pages/paybridge/config.js"] = files["pages/paybridge/config.js"].replace(from, to); return files; };
  const result = await play("/pages/paybridge/webview?number=" + number, { files: changed('result: "https://pay.example.com/', 'result: "https://other.example/') });
  assert.equal(result.src(), "https://pay.example.com/checkout/orders");
  const home = await play("", { files: changed('home: "https://pay.example.com/', 'home: "https://other.example/') });
  assert.equal(home.src(), undefined);
  assert.deepEqual(home.texts(), ["The page did not load"]);
});

test("paying again and again never fills the page stack", async () => {
  const p = await play("");
  for (let i = 0; i < 25; i++) {
    const word = await p.phone.fromWebView(p.top(), "navigateTo", { url: page(`ticket=${ticket}${i}`) });
    assert.equal(word, "navigateTo:ok", `payment ${i + 1}, stack of ${p.stack().length}`);
    await p.until(() => p.stack().at(-1) === "webview" && p.src() === resultURL);
    assert.ok(p.stack().length <= 9);
  }
  assert.equal(p.cashiers().length, 25);
});

test("a result that comes after the page has gone moves nothing", async () => {
  let answer;
  const p = await from("ticket=" + ticket, { cashier: [() => new Promise((done) => (answer = done))] });
  await p.until(() => p.cashiers().length === 1);
  await p.phone.back();
  answer({ word: "ok" });
  await p.calm();
  assert.deepEqual(p.stack(), ["webview"]);
});

"use strict";
// The hosted checkout in a real Chromium that plays WeChat. The gateway, its plugin and the simulated WeChat are real.
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

const { GATEWAY, KEY, CASHIER, WECHAT, CHROMIUM, SCREENSHOTS, MINI } = process.env;
const weChat = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50";
const webView = weChat + " miniProgram/wxm000000000000001";
let browser;
before(async () => { browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] }); });
after(async () => { await browser.close(); });

async function post(address, body, headers) {
  const answer = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${address}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : {};
}
const api = (path, body) => post(GATEWAY + path, body, { Authorization: "Bearer " + KEY });
async function read(path) {
  return (await fetch(GATEWAY + path, { headers: { Authorization: "Bearer " + KEY } })).json();
}
let last = 0;
const newOrder = (more) => api("/v1/orders", { reference: "checkout-" + ++last, amount: 12345, description: "Outpatient visit 门诊", return_url: "https://clinic.example/done?visit=1", ...more });
const act = (what, handOff) => post(CASHIER + "/" + what, { hand_off: handOff });
const paidAt = async (order) => (await read("/v1/orders/" + order)).state;

// phone is a payer's WeChat. cashier(handOff) is what they do in it, and returns what WeChat tells the page.
async function phone(t, { agent = weChat, person = "alice", locale = "en-US", scripts = true, dark = false, cashier } = {}) {
  const context = await browser.newContext({ userAgent: agent, locale, javaScriptEnabled: scripts, viewport: { width: 360, height: 740 }, deviceScaleFactor: 2,
    colorScheme: dark ? "dark" : "light", extraHTTPHeaders: { "Wechatsim-Person": person } });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  const p = { context, page, foreign: [], errors: [], opened: [], bytes: 0, cashier: cashier || (async (h) => { await act("pay", h); return "ok"; }) };
  context.on("request", (r) => { if (![GATEWAY, WECHAT].some((own) => r.url().startsWith(own)) && !r.url().startsWith("data:")) p.foreign.push(r.url()); });
  page.on("pageerror", (e) => p.errors.push(e.message));
  page.on("console", (m) => { if (/Content Security Policy|Refused to/.test(m.text())) p.errors.push(m.text()); });
  if (/miniProgram/.test(agent)) {
    await context.route(/https:\/\/res2?\.wx\.qq\.com\/open\/js\/jweixin-/, (route) => route.fulfill({ contentType: "text/javascript",
      body: "window.wx={miniProgram:{getEnv:(f)=>f({miniprogram:true}),navigateTo:(o)=>{__opened(o.url);o.success&&o.success()},redirectTo:()=>{}}};" }));
    await context.exposeFunction("__opened", (url) => p.opened.push(url));
  } else if (/MicroMessenger/.test(agent) && scripts) {
    await context.exposeFunction("__cashier", (h) => { p.opened.push(h); return p.cashier(h); });
    await context.addInitScript(() => setTimeout(() => {
      window.WeixinJSBridge = { invoke: (name, handOff, done) => window.__cashier(handOff).then((word) => word && done({ err_msg: "get_brand_wcpay_request:" + word })) };
      document.dispatchEvent(new Event("WeixinJSBridgeReady"));
    }, 300));
  }
  p.title = (text) => page.getByRole("heading", { name: text, exact: true }).first().waitFor();
  p.pay = () => page.locator("#pay").click();
  p.shot = async (name) => { if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true }); };
  p.check = async (name) => {
    await p.shot(name);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    assert.deepEqual(violations.filter((v) => /serious|critical/.test(v.impact)).map((v) => [v.id, ...v.nodes.map((n) => n.html)]), [], name);
    const small = await page.evaluate(() => [...document.querySelectorAll("button, a, input")].filter((e) => e.getClientRects().length && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML));
    assert.deepEqual(small, [], name + ": touch targets below 44 px");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(wide, 0, name + ": wider than a small phone");
  };
  t.after(async () => { await context.close(); });
  return p;
}
const clean = (p) => assert.deepEqual([p.foreign, p.errors], [[], []]);

test("official account: signs in by itself, pays, sees the result and the way back; at most 60 KB", async (t) => {
  const o = await newOrder();
  const p = await phone(t);
  const client = await p.context.newCDPSession(p.page);
  await client.send("Network.enable");
  client.on("Network.loadingFinished", (e) => { p.bytes += e.encodedDataLength; });
  await p.page.goto(o.checkout_url);
  assert.equal(new URL(p.page.url()).pathname, "/checkout/orders/" + o.number, "no token in the address");
  await p.page.locator("#pay").waitFor();
  assert.match(await p.page.locator("body").innerText(), /¥123\.45[\s\S]*Outpatient visit/);
  await p.check("order");
  await p.pay();
  await p.title("Paid");
  await p.check("paid");
  assert.equal(await paidAt(o.number), "paid");
  assert.equal(await p.page.getByRole("link", { name: "Back to the merchant" }).getAttribute("href"), "https://clinic.example/done?visit=1");
  assert.ok(p.bytes > 0 && p.bytes <= 60 << 10, `${p.bytes} bytes were transferred`);
  const { settled_by: payment } = await read("/v1/orders/" + o.number);
  await api(`/v1/payments/${payment}/refunds`, { reference: "r1", amount: 2345, reason: "Visit cut short" });
  await p.page.getByRole("link", { name: "My orders" }).click();
  await p.page.locator(".orders .card").first().waitFor();
  await p.check("orders");
  await p.page.locator(".orders .card").first().click();
  await p.page.getByText("¥23.45").waitFor();
  await p.page.getByText("Visit cut short").waitFor();
  await p.check("refunded");
  clean(p);
});

test("cancelled, and paid by a second tap on the same trade", async (t) => {
  const o = await newOrder();
  const p = await phone(t, { cashier: async (h) => { await act("cancel", h); return "cancel"; } });
  await p.page.goto(o.checkout_url);
  await p.pay();
  await p.title("Not paid");
  await p.check("cancelled");
  assert.equal(await paidAt(o.number), "open");
  p.cashier = async (h) => { await act("pay", h); return "ok"; };
  await p.page.getByRole("button", { name: /Pay again/ }).click();
  await p.title("Paid");
  assert.equal(p.opened[0].package, p.opened[1].package, "one trade");
  clean(p);
});

test("a cancel that was none: the provider has the last word", async (t) => {
  const o = await newOrder();
  const p = await phone(t, { cashier: async (h) => { await act("pay", h); return "cancel"; } });
  await post(CASHIER + "/fault", { kind: "callback_lost", count: 20, event: "TRANSACTION" });
  await p.page.goto(o.checkout_url);
  await p.pay();
  await p.title("Paid");
  assert.equal(await paidAt(o.number), "paid");
});

test("an ok that was none stays unconfirmed", async (t) => {
  const o = await newOrder();
  const p = await phone(t, { cashier: async () => "ok" });
  await p.page.goto(o.checkout_url);
  await p.page.locator("#pay").waitFor();
  await p.page.goto(`${GATEWAY}/checkout/orders/${o.number}/result?said=ok`);
  await p.title("Not paid yet"); // there is not even a payment
  await p.pay();
  await p.page.waitForURL(/said=ok/, { timeout: 60000 });
  await p.title("Confirming your payment");
  await p.check("confirming");
  assert.equal(await paidAt(o.number), "open");
});

test("double tap: one trade", async (t) => {
  const o = await newOrder();
  const p = await phone(t);
  await p.page.goto(o.checkout_url);
  await p.page.locator("#pay").waitFor();
  await p.page.evaluate(() => { const b = document.getElementById("pay"); b.click(); setTimeout(() => b.click(), 50); });
  await p.title("Paid");
  assert.equal(p.opened.length, 1);
  // Beside the page's own guard: two requests at once get one trade.
  const q = await newOrder();
  await p.page.goto(q.checkout_url);
  const both = await p.page.evaluate(async () => {
    const b = document.getElementById("pay");
    const one = () => fetch(b.dataset.pay, { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"place":"official_account"}' }).then((r) => r.json());
    return Promise.all([one(), one()]);
  });
  const trades = new Set(both.filter((a) => a.hand_off).map((a) => a.hand_off.params.package));
  assert.equal(trades.size, 1, JSON.stringify(both));
});

test("back button after paying, page closed and opened again: paid, and nothing to pay", async (t) => {
  const o = await newOrder();
  const p = await phone(t);
  await p.page.goto(o.checkout_url);
  await p.pay();
  await p.title("Paid");
  await p.page.goto(GATEWAY + "/checkout/orders");
  await p.page.goBack();
  await p.title("Paid");
  await p.page.close();
  const again = await p.context.newPage();
  await again.goto(o.checkout_url);
  await again.getByText("Paid", { exact: true }).first().waitFor();
  assert.equal(await again.locator("#pay").count(), 0);
});

test("closed while in the cashier: the next visit asks the provider", async (t) => {
  const o = await newOrder();
  await post(CASHIER + "/fault", { kind: "callback_lost", count: 20, event: "TRANSACTION" });
  let handOff;
  const p = await phone(t, { cashier: async (h) => { handOff = h; return ""; } });
  await p.page.goto(o.checkout_url);
  await p.pay();
  await assert.doesNotReject(async () => { while (!handOff) await p.page.waitForTimeout(50); });
  await p.page.close();
  await act("pay", handOff);
  const again = await p.context.newPage();
  await again.goto(o.checkout_url);
  await again.getByText("Paid", { exact: true }).first().waitFor();
});

test("network lost after paying: the page says so, and finds out when it is back", async (t) => {
  const o = await newOrder();
  const p = await phone(t, { cashier: async (h) => { await p.context.setOffline(true); await act("pay", h); return "ok"; } });
  await p.page.goto(o.checkout_url);
  await p.pay();
  await p.page.getByText("There is no network").waitFor({ timeout: 60000 });
  await p.shot("offline");
  await p.context.setOffline(false);
  await p.title("Paid");
});

test("another payer's order is refused: page, state and payment", async (t) => {
  const o = await newOrder();
  const alice = await phone(t);
  await alice.page.goto(o.checkout_url);
  await alice.pay();
  await alice.title("Paid");
  const named = await newOrder({ payer: { policy: "named", id: "oA1-alice-000000000000000001" } });
  const bob = await phone(t, { person: "bob" });
  await bob.page.goto((await newOrder()).checkout_url); // signs in
  for (const order of [o, named]) {
    const answer = await bob.page.goto(order.checkout_url);
    assert.equal(answer.status(), 404);
    await bob.page.getByText("it is another payer's").waitFor();
    const [state, pay] = await bob.page.evaluate(async (at) => [
      (await fetch(at + "/state")).status,
      (await fetch(at + "/pay", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"place":"official_account"}' })).status,
    ], "/checkout/orders/" + order.number);
    assert.deepEqual([state, pay], [404, 404]);
  }
  await bob.check("problem");
  assert.ok(!(await bob.page.locator("body").innerText()).includes("123.45"));
});

test("not WeChat: the amount, the merchant, and where to open it", async (t) => {
  const o = await newOrder();
  for (const [agent, text] of [["Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537.36", "Copy the link"], [weChat + " wxwork/4.1", "on your phone"]]) {
    const p = await phone(t, { agent });
    await p.page.goto(o.checkout_url);
    await p.title("Open this in WeChat");
    const words = await p.page.locator("body").innerText();
    assert.match(words, /¥123\.45/);
    assert.ok(words.includes(text) && words.includes("Qinghe Clinic") && !words.includes("Outpatient"), words);
    assert.equal(await p.page.locator("#link").inputValue(), o.checkout_url);
    await p.check("where");
    await p.page.goto(GATEWAY + "/checkout/orders/" + o.number);
    assert.ok(!(await p.page.locator("body").innerText()).includes("Outpatient"), "without a session nothing more is shown");
    clean(p);
  }
});

test("web-view of a mini program: no sign-in, the amount alone, and the way to the native pay page", async (t) => {
  const o = await newOrder();
  const p = await phone(t, { agent: webView });
  await p.page.goto(o.checkout_url);
  assert.equal(new URL(p.page.url()).pathname, "/checkout/orders/" + o.number);
  const words = await p.page.locator("body").innerText();
  assert.ok(words.includes("¥123.45") && !words.includes("Outpatient"), words);
  await p.check("web-view");
  await p.page.locator("#pay").click();
  for (let i = 0; !p.opened.length && i < 200; i++) await p.page.waitForTimeout(50);
  assert.equal(p.opened.length, 1, await p.page.locator("body").innerText());
  const opened = new URL(p.opened[0], "https://mini.example");
  assert.equal(opened.pathname, "/pages/paybridge/pay");
  assert.equal(opened.searchParams.get("number"), o.number);
  const { code } = await post(CASHIER + "/login", { app_id: MINI, person: "bob" }); // whoever is at the phone pays
  const made = await post(GATEWAY + "/p/v1/tickets/redeem", { ticket: opened.searchParams.get("ticket"), js_code: code });
  assert.equal(made.hand_off.kind, "wechat_miniprogram");
  await act("pay", made.hand_off.params);
  await p.page.goto(`${GATEWAY}/checkout/orders/${o.number}/result`); // as the native page leads back
  await p.title("Paid");
  assert.equal(await paidAt(o.number), "paid");
  await p.check("web-view-paid");
  const other = await newOrder(); // whose link this payer has never had
  assert.equal((await p.page.goto(GATEWAY + "/checkout/orders/" + other.number)).status(), 401);
  assert.deepEqual(p.foreign.filter((url) => !/^https:\/\/res2?\.wx\.qq\.com\/open\/js\/jweixin-/.test(url)), []); // WeChat's own script, there alone
  assert.deepEqual(p.errors, []);
});

test("scripts blocked: everything can be read, and the page says what is missing", async (t) => {
  const o = await newOrder();
  const p = await phone(t, { scripts: false });
  await p.page.goto(o.checkout_url);
  const words = await p.page.locator("body").innerText();
  assert.ok(words.includes("¥123.45") && words.includes("Outpatient visit") && words.includes("needs scripts"), words);
  assert.equal(await p.page.locator("#pay").isVisible(), false);
  await p.shot("noscript");
  await p.page.goto(`${GATEWAY}/checkout/orders/${o.number}/result`);
  assert.match(await p.page.locator("body").innerText(), /Not paid yet/);
});

test("Chinese and English, by the client and by choice; dark", async (t) => {
  const o = await newOrder();
  const p = await phone(t, { locale: "zh-CN", dark: true });
  await p.page.goto(o.checkout_url);
  assert.equal(await p.page.locator("html").getAttribute("lang"), "zh-CN");
  await p.page.getByRole("button", { name: "微信支付 ¥123.45" }).waitFor();
  await p.check("order-zh-dark");
  await p.page.getByRole("link", { name: "English" }).click();
  await p.page.getByRole("button", { name: "Pay with WeChat" }).waitFor();
  await p.pay();
  await p.title("Paid");
  await p.page.getByRole("link", { name: "中文" }).click();
  await p.title("支付成功");
  await p.check("paid-zh-dark");
});

test("forged and cut links, unknown pages, a foreign site's request, and the domain's file", async (t) => {
  const o = await newOrder();
  const p = await phone(t);
  for (const [path, text] of [[o.checkout_url.slice(0, -1), "no longer valid"], [GATEWAY + "/c/" + o.number, "no longer valid"],
    [GATEWAY + "/checkout/orders/" + "0".repeat(32), "no such order"], [GATEWAY + "/checkout/nothing", "no such page"]]) {
    const answer = await p.page.goto(path);
    assert.equal(answer.status(), 404, path);
    await p.page.getByText(text).waitFor();
  }
  const foreign = await fetch(`${GATEWAY}/checkout/orders/${o.number}/pay`, { method: "POST", headers: { "Content-Type": "application/json", Origin: "https://evil.example" }, body: '{"place":"official_account"}' });
  assert.equal(foreign.status, 403);
  const file = await fetch(GATEWAY + "/MP_verify_AbCd1234.txt");
  assert.deepEqual([file.status, await file.text()], [200, "AbCd1234"]);
  assert.equal((await fetch(GATEWAY + "/MP_verify_other.txt")).status, 404);
});

test("a return URL that is not on the entry's list is never linked (R44)", async (t) => {
  const p = await phone(t);
  for (const bad of ["https://evil.example/done", "https://clinic.example:8443/done", "https://clinic.example/donee"]) {
    const made = await fetch(GATEWAY + "/v1/orders", { method: "POST", headers: { "Content-Type": "application/json", Authorization: "Bearer " + KEY },
      body: JSON.stringify({ reference: "bad-" + ++last, amount: 100, description: "x", return_url: bad }) });
    if (made.status === 400 || made.status === 422) continue; // refused when it was made: as good
    await p.page.goto((await made.json()).checkout_url);
    await p.pay();
    await p.title("Paid");
    assert.equal(await p.page.locator(`a[href^="${bad}"]`).count(), 0);
  }
});

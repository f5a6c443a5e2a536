"use strict";
// What a newcomer sees of `paybridge dev`: the first page, the simulated phone, the clinic. Everything is real but WeChat.
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

const { GATEWAY, CHROMIUM, SCREENSHOTS, PICTURES } = process.env;
const KEY = "paybridge-dev-key";
let browser;
before(async () => { browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] }); });
after(async () => { await browser.close(); });

async function api(path, body) {
  const answer = await fetch(GATEWAY + path, {
    method: body ? "POST" : "GET", body: body && JSON.stringify(body), headers: { Authorization: "Bearer " + KEY, "Content-Type": "application/json" },
  });
  const content = await answer.json();
  assert.ok(answer.ok, `${path}: ${JSON.stringify(content)}`);
  return content;
}

// visit opens the first page and, from its link, the phone.
async function visit(t, person) {
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 900 } });
  const errors = [];
  const foreign = [];
  context.on("request", (r) => { if (!/^(http:\/\/(localhost|127\.0\.0\.1):|data:)/.test(r.url())) foreign.push(r.url()); });
  const watch = (page) => {
    page.setDefaultTimeout(15000);
    page.on("pageerror", (e) => errors.push(e.message));
    page.on("console", (m) => { if (/Content Security Policy|Refused to/.test(m.text())) errors.push(m.text()); });
  };
  context.on("page", watch);
  const first = await context.newPage();
  await first.goto(GATEWAY + "/");
  const [page] = await Promise.all([context.waitForEvent("page"), first.locator("#phone-link").click()]);
  await page.locator("body[data-ready]").waitFor();
  await page.locator("#person").selectOption(person);
  t.after(async () => {
    if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/dev-end-${person}.png` });
    await context.close();
  });
  return {
    first, page, errors, foreign,
    async open(place) {
      await page.locator("#place").selectOption(place);
      await page.locator("#open").click();
    },
    frame: () => page.frameLocator("#screen > .view:not([hidden]) iframe, #screen > iframe"),
    sheet: (word) => page.locator(`#sheet button[data-word="${word}"]`).click(),
    shot: async (name, of = page) => { if (SCREENSHOTS) await of.screenshot({ path: `${SCREENSHOTS}/dev-${name}.png`, fullPage: true }); },
  };
}

const clean = (p) => assert.deepEqual([p.foreign, p.errors], [[], []]);

test("the clinic's payer pays in the official account, and the clinic hears of it", async (t) => {
  const p = await visit(t, "alice");
  await p.open("official|wxa000000000000001");
  await p.frame().getByRole("button", { name: "Pay" }).first().click();
  await p.frame().getByText("Continue", { exact: true }).click();
  await p.sheet("allow");
  await p.frame().locator("#pay").click();
  await p.page.locator("#sheet .sum").getByText("¥25.00").waitFor();
  await p.shot("cashier");
  await p.sheet("cancel");
  await p.frame().getByRole("heading", { name: "Not paid" }).waitFor();
  await p.frame().getByRole("button", { name: /Pay again/ }).click();
  await p.sheet("pay");
  await p.sheet("done");
  await p.frame().getByRole("heading", { name: "Paid" }).waitFor();
  await p.shot("official-paid");
  await p.frame().getByRole("link", { name: "Back to the merchant" }).click();
  await p.frame().locator("#state").getByText("paid", { exact: true }).waitFor();
  clean(p);
});

test("through the web-view and the native page", async (t) => {
  const p = await visit(t, "bob");
  await p.open("miniprogram|wxm000000000000001");
  await p.frame().getByRole("button", { name: "Pay" }).nth(1).click();
  await p.shot("webview-order");
  await p.frame().locator("#pay").click();
  await p.page.locator("#sheet .sum").getByText("¥60.00").waitFor();
  await p.sheet("wrong");
  await p.page.locator("#sheet .bad").waitFor();
  await p.sheet("pay");
  await p.sheet("done");
  await p.frame().locator("#state").getByText("paid", { exact: true }).waitFor();
  await p.shot("webview-paid");
  clean(p);
});

test("both are refunded, each by the way that it was paid, on one screen", async (t) => {
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 900 } });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  const errors = [];
  page.on("pageerror", (e) => errors.push(e.message));
  page.on("console", (m) => { if (/Content Security Policy|Refused to/.test(m.text())) errors.push(m.text()); });
  await page.goto(GATEWAY + "/");
  const rows = page.locator("#routes-body tr");
  await rows.nth(1).waitFor();
  for (const paid of ["¥25.00", "¥60.00"]) await page.getByRole("button", { name: "Refund " + paid }).click();
  await page.locator("#routes-body .same").nth(1).waitFor();
  await page.locator("#routes-body tr.refund .chip[data-state=succeeded]").nth(1).waitFor();

  const read = (row) => row.evaluateAll((all) => all.map((r) =>
    [r.className, r.querySelector(".amount").textContent, ...[...r.querySelectorAll("[data-part]")].map((c) => c.textContent)]));
  const found = await read(rows);
  const byHospital = ["wechat-jsapi", "first-hospital", "1900000001", "wxa000000000000001"];
  const byMini = ["wechat-miniprogram", "first-hospital-mini", "1900000003", "wxm000000000000001"];
  const trade = (i) => found[i].at(-1);
  assert.deepEqual(found, [ // the newest first; each refund below its payment
    ["payment", "¥60.00", ...byMini, trade(0)], ["refund", "¥60.00", ...byMini, trade(0)],
    ["payment", "¥25.00", ...byHospital, trade(2)], ["refund", "¥25.00", ...byHospital, trade(2)],
  ]);
  assert.ok(/^\d{20,}$/.test(trade(0)) && /^\d{20,}$/.test(trade(2)) && trade(0) !== trade(2), "two trades of WeChat's");
  assert.equal(await page.locator("#routes-body .other").count(), 0);
  const control = (await (await fetch(GATEWAY + "/firstpage/settings.json")).json()).control_url;
  const trades = (await (await fetch(control + "/control/v1/overview")).json()).trades;
  const shipped = Object.fromEntries(trades.map((t) => [t.transaction_id, t.shipping?.times ?? 0]));
  assert.deepEqual([shipped[trade(0)], shipped[trade(2)]], [1, 0], "the clinic has the mini program's order reported, once");

  await page.evaluate(axe);
  const serious = (await page.evaluate(() => window.axe.run())).violations.filter((v) => ["serious", "critical"].includes(v.impact));
  assert.deepEqual(serious.map((v) => [v.id, v.nodes.map((n) => n.html)]), []);
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 900 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `the page is wider than ${width}`);
    if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/dev-routes-${width}.png`, fullPage: true });
  }
  assert.deepEqual(errors, []);
});

// insured goes from the clinic's order with a bill, by way of the bureau's authorization, to the cashier of insurance.
async function insured(p, place) {
  await p.open(place);
  await p.frame().getByText("Insured visit").getByRole("button", { name: "Pay" }).click();
  const pay = p.frame().locator("#pay");
  const signIn = p.frame().getByText("Continue", { exact: true });
  await pay.or(signIn).waitFor();
  if (await signIn.isVisible()) {
    await signIn.click();
    await p.sheet("allow");
  }
  await pay.click(); // the clinic wants the patient to let the bureau first
  await p.frame().locator("#authorize").click();
  await pay.click();
  await p.page.locator("#sheet .sum").getByText("¥120.00").waitFor();
  assert.deepEqual(await p.page.locator("#sheet .part").allTextContents(), ["Medical insurance ¥90.00", "Paid by you ¥30.00"]);
}

const partsOf = async (p) => (await p.frame().locator("dl .part").allTextContents()).map((text) => text.trim().replace(/\s+/g, " "));
const parts = ["Insurance fund¥70.00", "Personal insurance account¥20.00", "Paid by you¥30.00"];

test("an insured visit is paid in the official account, and refunded in both parts", async (t) => {
  const p = await visit(t, "alice");
  await insured(p, "official|wxa000000000000001");
  await p.shot("insured-cashier");
  await p.sheet("inactive");
  await p.sheet("close");
  await p.frame().getByRole("button", { name: /Pay/ }).click();
  await p.sheet("pay");
  await p.sheet("done");
  await p.frame().getByRole("heading", { name: "Paid", exact: true }).waitFor();
  assert.deepEqual(await partsOf(p), parts);
  await p.shot("insured-paid");
  await p.frame().getByRole("link", { name: "Back to the merchant" }).click();
  await p.frame().locator("#refund").click();
  await p.frame().locator("#state").getByText("refunded", { exact: true }).waitFor();
  const { orders } = await api("/v1/orders?state=refunded");
  const order = orders.find((o) => o.amount === 12000);
  await p.page.locator("#address").fill(GATEWAY + "/checkout/orders/" + order.number);
  await p.page.locator("#open").click();
  await p.frame().locator(".refunds li").waitFor();
  assert.deepEqual(await p.frame().locator(".refunds .part").allTextContents(), ["Your part ¥30.00 · Refunded", "Insurance part ¥90.00 · Refunded"]);
  await p.shot("insured-refunded");
  clean(p);
});

test("an insured visit in the mini program", async (t) => {
  const p = await visit(t, "alice");
  await insured(p, "miniprogram|wxm000000000000001");
  await p.shot("insured-mini-cashier");
  await p.sheet("pay");
  await p.sheet("done");
  await p.frame().locator("#state").getByText("paid", { exact: true }).waitFor();
  clean(p);
});

test("an insured visit by the insurance mini program", async (t) => {
  const p = await visit(t, "alice");
  await p.open("miniprogram|wxm000000000000001");
  await p.frame().getByText("By the insurance mini program").getByRole("button", { name: "Pay" }).click();
  await p.frame().locator("#pay").click();
  const go = p.page.getByText("Go to insurance pay");
  await go.click(); // WeChat opens another mini program from a tap alone
  await p.sheet("allow");
  await p.page.locator("#sheet .sum").getByText("¥120.00").waitFor();
  await p.shot("redirect-cashier");
  await p.sheet("wrong");
  await p.page.locator("#sheet .bad").waitFor();
  await p.sheet("pay");
  await p.sheet("done");
  await p.frame().locator("#state").getByText("paid", { exact: true }).waitFor();
  await p.frame().locator("#refund").click();
  await p.frame().locator("#state").getByText("refunded", { exact: true }).waitFor();
  clean(p);
});

// The pictures of the README and the docs, as scripts/pictures.sh makes them.
test("pictures", { skip: !PICTURES && "scripts/pictures.sh makes them" }, async (t) => {
  for (const [language, locale] of [["en", "en-US"], ["zh", "zh-CN"]]) {
    const context = await browser.newContext({ locale, viewport: { width: 1280, height: 900 } });
    t.after(() => context.close());
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    await page.goto(GATEWAY + "/");
    await page.locator("#order-form button.main").click();
    await page.locator("#open").click();
    await page.locator("[data-act=pay]").click();
    await page.locator("#refund-form button.main:not([disabled])").click();
    await page.locator('#rows .chip[data-state="succeeded"]').nth(1).waitFor();
    await page.locator("#routes-body .same").nth(2).waitFor();
    await page.evaluate(() => { document.querySelector(".panel").style.position = "static"; }); // it follows the reader, not the camera
    await page.screenshot({ path: `${PICTURES}/first-page-${language}.png`, fullPage: true });
  }
  const p = await visit(t, "alice");
  await p.open("official|wxa000000000000001");
  await p.frame().getByRole("button", { name: "Pay" }).first().click();
  const ask = p.page.locator('#sheet button[data-word="allow"]');
  await p.frame().getByText("Continue", { exact: true }).or(p.frame().locator("#pay")).first().click();
  if (await ask.isVisible().catch(() => false)) { await ask.click(); await p.frame().locator("#pay").click(); }
  await p.page.locator("#sheet .sum").waitFor();
  await p.page.screenshot({ path: `${PICTURES}/phone-en.png` });
});

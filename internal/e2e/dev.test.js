"use strict";
// What a newcomer sees of `paybridge dev`: the first page, the simulated phone, the clinic. Everything is real but WeChat.
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

const { GATEWAY, CHROMIUM, SCREENSHOTS } = process.env;
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

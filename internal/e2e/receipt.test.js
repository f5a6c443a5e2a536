"use strict";
// What a payer of a partner's sub merchant sees after paying (点金计划), on the simulated phone: the gateway, its pages and the
// simulator are the real ones.
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

const { GATEWAY, ADMIN, KEY, PHONE, CHROMIUM, ENTRY, ACCOUNT, SCREENSHOTS } = process.env;
let browser;
before(async () => { browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] }); });
after(async () => { await browser.close(); });

async function post(base, path, body) {
  const answer = await fetch(base + path, { method: "POST", body: JSON.stringify(body), headers: { Authorization: "Bearer " + KEY, "Content-Type": "application/json" } });
  const content = await answer.json();
  assert.ok(answer.ok, `${path}: ${JSON.stringify(content)}`);
  return content;
}

// paid goes through the checkout in the official account and pays under a plan.
async function paid(t, plan) {
  await post(ADMIN, `/admin/v1/accounts/${ACCOUNT}/receipt-page`, { name: "ann", page: plan });
  const order = await post(GATEWAY, "/v1/orders", { reference: "plan-" + plan, amount: 1250, description: "Registration" });
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  const errors = [];
  const foreign = [];
  page.on("request", (r) => { if (!/^(http:\/\/(localhost|127\.0\.0\.1):|data:)/.test(r.url())) foreign.push(r.url()); });
  page.on("pageerror", (e) => errors.push(e.message));
  page.on("console", (m) => { if (/Content Security Policy|Refused to|postMessage/.test(m.text())) errors.push(m.text()); });
  t.after(async () => {
    if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/receipt-${plan}.png` });
    await context.close();
  });
  await page.goto(PHONE);
  await page.locator("body[data-ready]").waitFor();
  await page.locator("#person").selectOption("alice");
  await page.locator("#address").fill(order.checkout_url + "?entry=" + ENTRY);
  await page.locator("#open").click();
  const frame = page.frameLocator("#screen > iframe");
  await frame.locator("#pay").click();
  await page.locator('#sheet button[data-word="pay"]').click();
  await page.locator('#sheet button[data-word="done"]').click();
  return { page, frame, order, clean: () => assert.deepEqual([errors, foreign], [[], []]) };
}

test("the plan is off: WeChat closes the page", async (t) => {
  const p = await paid(t, "none");
  await p.page.locator("#receipt").getByText("WeChat has closed the page").waitFor();
  assert.equal(await p.page.locator("#screen iframe").count(), 0);
  p.clean();
});

test("the plan is on: WeChat's own receipt", async (t) => {
  const p = await paid(t, "provider");
  await p.page.locator("#receipt .sum").getByText("¥12.50").waitFor();
  assert.equal(await p.page.locator("#screen iframe").count(), 0);
  p.clean();
});

test("the gateway's receipt in WeChat's frame, and back to the merchant", async (t) => {
  const p = await paid(t, "own");
  await p.page.locator("#log").getByText("receipt: SHOW_CUSTOM_PAGE").waitFor();
  await p.frame.locator(".outcome.paid h1").waitFor();
  await p.frame.locator(".sum").getByText("¥12.50").waitFor();
  const inside = p.page.frames().find((f) => f.url().includes("/checkout/receipt"));
  await inside.evaluate(axe);
  const found = await inside.evaluate(async () => (await window.axe.run()).violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => v.id));
  assert.deepEqual(found, []);
  if (SCREENSHOTS) await p.page.screenshot({ path: `${SCREENSHOTS}/receipt-frame.png` });
  await p.frame.getByRole("button", { name: "Back to the merchant" }).click();
  await p.page.locator("#log").getByText("receipt: jumpOut " + GATEWAY + "/c/").waitFor();
  await p.frame.locator("h1, .outcome").first().waitFor();
  p.clean();
});

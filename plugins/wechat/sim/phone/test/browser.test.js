"use strict";
// The phone in a real Chromium: a small H5 shop, the real kit, both ways in. The servers are the Go test's.
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");

const { PHONE_URL, CONTROL_URL, CHROMIUM } = process.env;
let browser;
before(async () => { browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] }); });
after(async () => { await browser.close(); });

// phone opens the page and keeps all that went wrong in it.
async function phone(t, person = "alice") {
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  const foreign = [];
  const errors = [];
  page.on("request", (r) => { if (!/^(http:\/\/localhost|data:|blob:)/.test(r.url())) foreign.push(r.url()); });
  page.on("pageerror", (e) => errors.push(e.message));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security Policy|Refused to/.test(m.text())) errors.push(m.text()); });
  t.after(async () => {
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${t.name.replace(/\W+/g, "-")}.png` });
    await context.close();
  });
  await page.goto(PHONE_URL + "/");
  await page.locator("body[data-ready]").waitFor();
  await page.locator("#person").selectOption(person);
  return {
    page, foreign, errors,
    async open(place, address = "") {
      await page.locator("#place").selectOption(place);
      await page.locator("#address").fill(address);
      await page.locator("#open").click();
    },
    frame: () => page.frameLocator("#screen > .view:not([hidden]) iframe, #screen > iframe"),
    sheet: (word) => page.locator(`#sheet button[data-word="${word}"]`).click(),
    shows: (text) => page.locator("#screen").getByText(text, { exact: false }).filter({ visible: true }).first().waitFor(),
    logged: (text) => page.locator("#log").getByText(text).first().waitFor(),
  };
}

const control = async (path) => (await fetch(CONTROL_URL + path)).json();

test("web-view: H5, native page, wrong password, cancel, pay, result, back", async (t) => {
  const p = await phone(t);
  await p.open("miniprogram|wxa000000000000002");
  await p.frame().getByRole("button", { name: "Buy" }).click();
  await p.page.locator("#sheet .sum").getByText("¥12.05").waitFor();
  await p.sheet("wrong");
  await p.page.locator("#sheet .bad").getByText("Wrong password").waitFor();
  await p.sheet("cancel");
  await p.shows("You cancelled");
  await p.page.locator("#screen").getByRole("button", { name: "Pay again" }).click();
  await p.sheet("pay");
  await p.sheet("done");
  const result = p.frame().locator("#result");
  await result.getByText("paid", { exact: true }).waitFor();
  const order = await result.getAttribute("data-order");
  const { state, openid, acts } = await control("/orders/" + order);
  assert.equal(state, "paid");
  assert.equal(openid, "wxa000000000000002:alice", "the openid comes from the native page's login");
  assert.deepEqual(acts, ["open", "wrong", "cancel", "open", "pay"]);
  // Back to the page that began it: it is seen again, and learned by itself that the order is paid.
  await p.page.locator("#back").click();
  await p.frame().locator("#said").getByText("paid", { exact: true }).waitFor();
  assert.deepEqual([p.foreign, p.errors], [[], []]);
});

for (const [platform, old] of [["ios", false], ["android", false], ["android", true], ["ohos", false]]) {
  test(`official account on ${platform}${old ? ", old WeChat" : ""}: authorization, WeixinJSBridge, cancel, pay`, async (t) => {
    const p = await phone(t, "bob");
    await p.page.locator("#platform").selectOption(platform);
    await p.page.locator("#old").setChecked(old);
    await p.open("official|wxa000000000000001");
    await p.frame().locator("#who").getByText("wxa000000000000001:bob").waitFor();
    await p.frame().getByRole("button", { name: "Buy" }).click();
    await p.sheet("cancel");
    await p.frame().locator("#said").getByText("unpaid", { exact: true }).waitFor();
    await p.frame().getByRole("button", { name: "Buy" }).click();
    await p.sheet("pay");
    await p.sheet("done");
    await p.frame().locator("#said").getByText("paid", { exact: true }).waitFor();
    assert.deepEqual([p.foreign, p.errors], [[], []]);
  });
}

test("official account: the payer leaves without Done, and the page learns of it all the same", async (t) => {
  const p = await phone(t);
  await p.open("official|wxa000000000000001");
  await p.frame().getByRole("button", { name: "Buy" }).click();
  await p.sheet("pay");
  await p.sheet("leave");
  await p.frame().locator("#said").getByText("paid", { exact: true }).waitFor();
});

test("official account: the network is lost after paying, and comes back", async (t) => {
  const p = await phone(t);
  await p.open("official|wxa000000000000001");
  await p.frame().getByRole("button", { name: "Buy" }).click();
  await p.sheet("lost");
  await p.logged("network: off");
  await p.page.locator("#offline").setChecked(false);
  await p.logged("network: on");
  await p.frame().locator("#said").getByText("paid", { exact: true }).waitFor();
});

test("web-view: the payer leaves without Done", async (t) => {
  const p = await phone(t);
  await p.open("miniprogram|wxa000000000000002");
  await p.frame().getByRole("button", { name: "Buy" }).click();
  await p.sheet("pay");
  await p.sheet("leave");
  await p.frame().locator("#result").getByText("paid", { exact: true }).waitFor();
});

test("web-view on HarmonyOS: the cashier waits for a tap", async (t) => {
  const p = await phone(t);
  await p.page.locator("#platform").selectOption("ohos");
  await p.open("miniprogram|wxa000000000000002");
  await p.frame().getByRole("button", { name: "Buy" }).click();
  await p.page.locator("#screen").getByRole("button", { name: "Pay", exact: true }).click();
  await p.sheet("pay");
  await p.sheet("done");
  await p.frame().locator("#result").getByText("paid", { exact: true }).waitFor();
});

test("the pay page without parameters, and with a ticket that nobody gave out", async (t) => {
  const p = await phone(t);
  await p.open("miniprogram|wxa000000000000002", "pages/paybridge/pay");
  await p.shows("Nothing to pay was named");
  await p.open("miniprogram|wxa000000000000002", "pages/paybridge/pay?ticket=" + "x".repeat(43));
  await p.shows("This payment link has been used or is too old");
});

test("another person is not taken for the one before", async (t) => {
  const p = await phone(t, "alice");
  await p.open("official|wxa000000000000001");
  await p.frame().locator("#who").getByText("wxa000000000000001:alice").waitFor();
  await p.page.locator("#person").selectOption("bob");
  await p.page.locator("#open").click();
  await p.frame().locator("#who").getByText("wxa000000000000001:bob").waitFor();
  assert.deepEqual([p.foreign, p.errors], [[], []]);
});

test("another browser: the page says where to open it", async (t) => {
  const p = await phone(t);
  await p.open("browser|");
  await p.frame().getByRole("button", { name: "Buy" }).click();
  await p.frame().locator("#said").getByText("Open this page in WeChat to pay").waitFor();
});

test("Chinese throughout", async (t) => {
  const p = await phone(t);
  await p.page.getByRole("button", { name: "中文" }).click();
  await p.page.getByText("持机人").waitFor();
  await p.open("miniprogram|wxa000000000000002", "pages/paybridge/pay");
  await p.shows("缺少支付参数");
});

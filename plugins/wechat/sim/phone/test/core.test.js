"use strict";
// The runtime against what real clients are known to do, with mini programs of a few lines.
const { test } = require("node:test");
const assert = require("node:assert/strict");
const { createMiniProgram } = require("../web/core.js");

// run starts a mini program whose pages are given by their script; `said` is what they wrote by note().
async function run(pages, { settings = {}, cashier = { word: "ok" }, app = "", url = "" } = {}) {
  const files = { "app.json": JSON.stringify({ pages: Object.keys(pages) }), "app.js": app || "App({})" };
  for (const [route, script] of Object.entries(pages)) {
    files[route + ".js"] = script;
    files[route + ".wxml"] = "<web-view src=\"https://h5.example\" bindmessage=\"heard\"></web-view>";
  }
  const said = [];
  const log = [];
  const host = {
    mount: () => ({ update() {}, show() {}, hide() {}, remove() {} }),
    cashier: async () => cashier, confirm: async () => true, otherApp: async () => ({ answer: 42 }), loginCode: async () => "code",
    request: async () => ({ statusCode: 200, header: {}, data: "{\"a\":1}" }), toast: (line) => said.push(line), title() {},
    log: (level, line) => log.push(`${level}: ${line}`),
  };
  const phone = createMiniProgram({ files, appId: "wx1", host, settings: { platform: "android", old: false, decoded: false, language: "en", ...settings } });
  await phone.launch(url);
  return { phone, said, log, calm: async () => { for (let i = 0; i < 30; i++) await new Promise((done) => setImmediate(done)); } };
}

const note = "const note = (x) => wx.showToast({ title: x });";
const lifecycle = (name, more = "") => `${note} Page({ onLoad() { note("${name} load"); }, onShow() { note("${name} show"); }, onReady() { note("${name} ready"); },
  onHide() { note("${name} hide"); }, onUnload() { note("${name} unload"); }, heard(e) { note(JSON.stringify(e.detail)); }, ${more} });`;

test("routes: what is told to whom, in order", async () => {
  const p = await run({ a: lifecycle("a"), b: lifecycle("b"), c: lifecycle("c") });
  const top = () => p.phone.pages().at(-1);
  const steps = [
    ["navigateTo", { url: "b" }, "navigateTo:ok"], ["redirectTo", { url: "/c" }, "redirectTo:ok"], ["navigateBack", {}, "navigateBack:ok"],
    ["navigateBack", {}, "navigateBack:fail cannot navigate back at first page"],
    ["navigateTo", { url: "nowhere" }, 'navigateTo:fail page "nowhere" is not found'],
  ];
  await p.calm();
  p.said.length = 0;
  for (const [name, arg, want] of steps) assert.equal(await p.phone.fromWebView(top(), name, arg), want);
  await p.calm();
  assert.deepEqual(p.said, ["a hide", "b load", "b show", "b ready", "b unload", "c load", "c show", "c ready", "c unload", "a show"]);
});

test("the page stack holds ten", async () => {
  const p = await run({ a: "Page({})" });
  for (let i = 1; i < 10; i++) assert.equal(await p.phone.fromWebView(p.phone.pages().at(-1), "navigateTo", { url: "a" }), "navigateTo:ok");
  assert.equal(await p.phone.fromWebView(p.phone.pages().at(-1), "navigateTo", { url: "a" }), "navigateTo:fail webview count limit exceed");
  assert.equal(await p.phone.fromWebView(p.phone.pages().at(-1), "reLaunch", { url: "a" }), "reLaunch:ok");
  assert.equal(p.phone.pages().length, 1);
});

test("a web-view's messages come when its page goes, all in one array", async () => {
  const p = await run({ a: lifecycle("a"), b: lifecycle("b") });
  await p.phone.fromWebView(p.phone.pages()[0], "navigateTo", { url: "b" });
  const page = p.phone.pages().at(-1);
  await p.phone.fromWebView(page, "postMessage", { n: 1 });
  await p.phone.fromWebView(page, "postMessage", { n: 2 });
  await p.calm();
  assert.ok(!p.said.some((s) => s.includes("data")));
  await p.phone.back();
  await p.calm();
  assert.ok(p.said.includes(JSON.stringify({ data: [{ n: 1 }, { n: 2 }] })));
});

const paying = (params) => `${note} Page({ onShow() { note("show"); }, onHide() { note("hide"); }, onReady() { wx.requestPayment({ ${params},
  success: (e) => note("success " + e.errMsg), fail: (e) => note("fail " + e.errMsg), complete: (e) => note("complete " + e.errMsg) }); } });`;
const whole = 'timeStamp: "1", nonceStr: "n", package: "prepay_id=1", signType: "RSA", paySign: "s"';

for (const [name, params, options, want] of [
  ["Android: the result, then the page", whole, {}, ["show", "hide", "success requestPayment:ok", "complete requestPayment:ok", "show"]],
  ["iOS: the page, then the result", whole, { settings: { platform: "ios" } }, ["show", "hide", "show", "success requestPayment:ok", "complete requestPayment:ok"]],
  ["cancel", whole, { cashier: { word: "cancel" } }, ["show", "hide", "fail requestPayment:fail cancel", "complete requestPayment:fail cancel", "show"]],
  ["cancel, old", whole, { cashier: { word: "cancel" }, settings: { old: true } }, ["show", "hide", "complete requestPayment:cancel", "show"]],
  ["fail", whole, { cashier: { word: "fail", detail: "no" } }, ["show", "hide", "fail requestPayment:fail no", "complete requestPayment:fail no", "show"]],
  ["gone: no word at all", whole, { cashier: { word: "gone" } }, ["show", "hide", "show"]],
  ["a missing parameter", 'nonceStr: "n", package: "p", paySign: "s"', {}, ["show",
    ...["fail", "complete"].map((f) => `${f} requestPayment:fail parameter error: parameter.timeStamp should be String instead of Undefined;`)]],
  ["a number for a string", whole.replace('"1"', "1"), {}, ["show",
    ...["fail", "complete"].map((f) => `${f} requestPayment:fail parameter error: parameter.timeStamp should be String instead of Number;`)]],
  ["HarmonyOS without a tap", whole, { settings: { platform: "ohos" } }, ["show",
    ...["fail", "complete"].map((f) => `${f} requestPayment:fail can only be invoked by user TAP gesture.`)]],
]) test(`wx.requestPayment: ${name}`, async () => {
  const p = await run({ a: paying(params) }, options);
  await p.calm();
  assert.deepEqual(p.said, want);
});

test("another mini program: App.onShow says who came back with what", async () => {
  const p = await run({ a: `Page({ go() { wx.navigateToMiniProgram({ appId: "wx2", path: "p" }); } })` },
    { app: `${note} App({ onShow(o) { note(JSON.stringify([o.scene, o.referrerInfo])); } })` });
  p.phone.pages()[0].dispatch("go", { type: "tap" });
  await p.calm();
  assert.deepEqual(p.said, ["[1001,{}]", '[1038,{"appId":"wx2","extraData":{"answer":42}}]']);
});

test("the logic layer has no browser and no Node in it", async () => {
  const names = ["window", "document", "fetch", "localStorage", "atob", "Buffer", "process", "URL", "URLSearchParams", "globalThis", "self", "XMLHttpRequest", "crypto"];
  const p = await run({ a: `${note} Page({ onLoad() { note([${names.map((n) => `typeof ${n}`)}, typeof this.window, (function () { return typeof this; })()].join()); } })` });
  await p.calm();
  assert.equal(p.said[0], Array(names.length + 2).fill("undefined").join());
});

test("page parameters: raw on devices, decoded in the developer tools", async () => {
  const page = { a: `${note} Page({ onLoad(o) { note(JSON.stringify(o)); } })` };
  for (const [decoded, want] of [[false, '{"x":"a%2Fb","y":"","z":"1=2"}'], [true, '{"x":"a/b","y":"","z":"1=2"}']]) {
    const p = await run(page, { settings: { decoded }, url: "a?x=a%2Fb&y&z=1=2" });
    await p.calm();
    assert.equal(p.said[0], want);
  }
});

test("setData: by path, as JSON, and the view sees it", async () => {
  const p = await run({ a: `Page({ data: { list: [{ n: 1 }], a: {} }, onLoad() {
    this.setData({ "list[0].n": 2, "a.b.c": "x", when: new Date(0), gone: undefined, f() {} }); } })` });
  assert.deepEqual(p.phone.pages()[0].instance.data, { list: [{ n: 2 }], a: { b: { c: "x" } }, when: "1970-01-01T00:00:00.000Z" });
});

test("what a page throws stops only that page's call, and is written down", async () => {
  const p = await run({ a: `Page({ onLoad() { throw new Error("broken"); } })` });
  assert.match(p.log[0], /error: a onLoad: Error: broken/);
  await assert.rejects(run({ a: "Component({})" }).then((q) => { if (q.log.length === 0) return; throw new Error(q.log[0]); }), /plays pages, not components/);
});

test("modules: once, relative, and never from outside", async () => {
  const p = await run({ "x/a": `${note} const m = require("./b"); Page({ onLoad() { note(m.name + require("../x/b.js").name); } })`, "x/b": 'module.exports = { name: "b" };' }, { url: "x/a" });
  await p.calm();
  assert.deepEqual(p.said, ["bb"]);
  await assert.rejects(async () => {
    const q = await run({ a: 'require("../../etc/passwd"); Page({})' });
    throw new Error(q.log[0]);
  }, /outside of the mini program/);
});

"use strict";
// The same pages in a second runtime that is not ours: glass-easel, the component framework that WeChat itself uses, with a
// DOM that is no browser's. And its rendering held against the simulated phone's, so that the phone cannot teach the kit a
// WXML of its own.
const { test, before } = require("node:test");
const assert = require("node:assert/strict");
const path = require("node:path");
const { Window } = require("happy-dom");
const { kit, payment, number } = require("./player.js");
const wxml = require("../../../../plugins/wechat/sim/phone/web/wxml.js");

let glassEasel, MiniProgramEnv, TmplGroup;
before(() => {
  const window = new Window();
  Object.assign(globalThis, { window, document: window.document });
  for (const name of ["Element", "Node", "HTMLElement", "Event", "MutationObserver"]) globalThis[name] = globalThis[name] || window[name];
  glassEasel = require("glass-easel");
  ({ MiniProgramEnv } = require("glass-easel-miniprogram-adapter"));
  ({ TmplGroup } = require("glass-easel-template-compiler"));
});

function compiled(source) {
  const group = new TmplGroup();
  const warnings = group.addTmpl("", source);
  assert.equal(warnings.length, 0, JSON.stringify(warnings));
  const list = new Function(`return ${group.getTmplGenObjectGroups()}`)();
  group.free();
  return { groupList: list, content: list[""] };
}

// mounted puts a page into the other runtime.
function mounted(source, define) {
  const env = new MiniProgramEnv();
  const space = env.createCodeSpace("", true);
  space.addComponentStaticConfig("page", {});
  space.addCompiledTemplate("page", compiled(source));
  space.componentEnv("page", define);
  const root = env.associateBackend(new glassEasel.CurrentWindowBackendContext()).createRoot("body", space, "page");
  return { component: root.getComponent(), dom: () => root.getComponent().getBackendElement() };
}

// plain is a tree as both sides can say it: [tag, attributes, children] and text. data-… are no attributes to glass-easel.
function plainDOM(element) {
  return [...element.childNodes].flatMap((n) => {
    if (n.nodeType === 3) return n.data.trim() ? [n.data.trim()] : [];
    if (n.nodeType !== 1) return [];
    if (/^(wx-)?(block|virtual)/.test(n.localName)) return plainDOM(n);
    return [[n.localName, Object.fromEntries([...n.attributes].filter((a) => a.value !== "" && !a.name.startsWith("data-")).map((a) => [a.name, a.value]).sort()), plainDOM(n)]];
  });
}
function plainNodes(nodes) {
  return nodes.flatMap((n) => {
    if (n.text !== undefined) return n.text.trim() ? [n.text.trim()] : [];
    const events = Object.entries(n.events).map(([name, e]) => ["bind" + name, e.handler]); // glass-easel keeps them as attributes
    const attributes = Object.entries(n.attributes).filter((a) => a[1] !== "" && !a[0].startsWith("data-"));
    return [[n.tag, Object.fromEntries([...attributes, ...events].sort()), plainNodes(n.children)]];
  });
}

function same(source, data) {
  const ours = plainNodes(wxml.expand(wxml.parse(source, "t.wxml"), data));
  const { dom } = mounted(source, ({ Page }) => Page({ data }));
  assert.deepEqual(ours, plainDOM(dom()), `${source}\n${JSON.stringify(data)}`);
  return ours;
}

test("both runtimes render the kit's pages alike", () => {
  const files = kit();
  const t = { amount: "To pay", back: "See the order", retry: "Try again" };
  for (const [name, data] of [
    ["pay", { t, step: "loading", message: "…", detail: "", amount: "", description: "", mayPay: false, mayRetry: false, payText: "" }],
    ["pay", { t, step: "ready", message: "", detail: "", amount: "12.05", description: "a < b & \"c\"", mayPay: true, mayRetry: false, payText: "Pay" }],
    ["pay", { t, step: "unfinished", message: "m", detail: "d", amount: "0.01", description: "", mayPay: true, mayRetry: false, payText: "Pay again" }],
    ["pay", { t, step: "confirming", message: "m", detail: "", amount: "0.01", description: "", mayPay: false, mayRetry: false, payText: "" }],
    ["pay", { t, step: "problem", message: "m", detail: "", amount: "", description: "", mayPay: false, mayRetry: true, payText: "" }],
    ["webview", { url: "https://pay.example.com/?a=1&b=2", problem: "" }],
    ["webview", { url: "", problem: "p" }],
  ]) assert.ok(same(files[`pages/paybridge/${name}.wxml`], data).length > 0);
});

test("both runtimes read WXML alike", () => {
  for (const [source, data] of [
    ["<view>{{a}} and {{b}}</view>", { a: 1, b: "two" }],
    ["<view>{{a.b.c}}</view>", { a: { b: { c: "deep" } } }],
    ["<view>{{a[1].n + a.length}}</view>", { a: [{ n: 1 }, { n: 2 }] }],
    ["<view>{{ok ? 'yes' : \"no\"}}</view>", { ok: true }],
    ["<view>{{!ok && n > 1 || n === 1}}</view>", { ok: true, n: 1 }],
    ["<view>{{1 + 2 * 3 - 4 / 2 % 3}}</view>", {}],
    ["<view>{{(1 + 2) * -n}}</view>", { n: 2 }],
    ["<view>{{a < b ? 1 : 2}}</view>", { a: 1, b: 2 }],
    ["<view class=\"x {{on ? 'on' : ''}} y\"></view>", { on: true }],
    ["<view wx:if=\"{{n === 1}}\">1</view><view wx:elif=\"{{n === 2}}\">2</view><view wx:else>3</view>", { n: 1 }],
    ["<view wx:if=\"{{n === 1}}\">1</view><view wx:elif=\"{{n === 2}}\">2</view><view wx:else>3</view>", { n: 2 }],
    ["<view wx:if=\"{{n === 1}}\">1</view><view wx:elif=\"{{n === 2}}\">2</view><view wx:else>3</view>", { n: 3 }],
    ["<view wx:for=\"{{list}}\" wx:key=\"id\">{{index}}:{{item.name}}</view>", { list: [{ id: 1, name: "a" }, { id: 2, name: "b" }] }],
    ["<view wx:for=\"{{list}}\" wx:for-item=\"x\" wx:for-index=\"i\" wx:key=\"*this\"><text>{{i}}{{x}}{{out}}</text></view>", { list: ["a", "b"], out: "!" }],
    ["<block wx:if=\"{{ok}}\"><view>1</view><view>2</view></block>", { ok: true }],
    ["<block wx:for=\"{{rows}}\" wx:key=\"*this\"><view wx:for=\"{{item}}\" wx:for-item=\"c\" wx:key=\"*this\">{{c}}</view></block>", { rows: [["a", "b"], ["c"]] }],
    ["<view><!-- <view>not</view> -->kept</view>", {}],
    ["<view>&lt;&amp;&gt;</view>", {}],
    ["<image src=\"{{u}}\"/><view>after</view>", { u: "a.png" }],
  ]) same(source, data);
});

test("what the phone does not render is an error that names the place", () => {
  for (const [source, words] of [
    ["<view>\n<template name=\"x\"></template></view>", /t\.wxml:2: <template> is outside/],
    ["<wxs module=\"m\">x</wxs>", /t\.wxml:1: <wxs> is outside/],
    ["<view>{{a ?? b}}</view>", /not expected|cannot read/],
    ["<view>{{f(1)}}</view>", /calls a function/],
    ["<view>{{a</view>", /never closed/],
    ["<view>", /<view> is never closed/],
    ["<view></text>", /<\/text> closes <view>/],
    ["<view wx:else>x</view>", /without a wx:if/],
    ["<view>{{a.}}</view>", /a name is missing/],
    ["<view>{{(a}}</view>", /"\)" is missing/],
    ["<view model:value=\"{{a}}\"></view>", /model:value is outside/],
    ["<!-- <view>", /comment is never closed/],
  ]) assert.throws(() => wxml.expand(wxml.parse(source, "t.wxml"), {}), words, source);
});

// second runs the real pay.js in the other runtime, on a wx of its own.
function second(options, cashier) {
  const files = kit();
  const calls = [];
  const stack = [];
  const wx = {
    getAppBaseInfo: () => ({ language: "en" }),
    getDeviceInfo: () => ({ platform: "android" }),
    login: (o) => o.success({ code: "c", errMsg: "login:ok" }),
    request: (o) => { calls.push(["request", o.url, o.data]); setImmediate(() => o.success({ statusCode: 201, header: {}, data: payment })); },
    requestPayment: (o) => { calls.push(["requestPayment", o.package]); setImmediate(() => cashier.shift()(o)); },
    redirectTo: (o) => calls.push(["redirectTo", o.url]),
    navigateBack: () => calls.push(["navigateBack"]),
  };
  const cache = {};
  const load = (name, globals) => {
    if (cache[name]) return cache[name].exports;
    const module = (cache[name] = { exports: {} });
    const require = (to) => load(path.posix.join(path.posix.dirname(name), to) + ".js", {});
    new Function("require", "module", "exports", "wx", "getCurrentPages", "Page", files[name])(require, module, module.exports, wx, () => stack, globals.Page);
    return module.exports;
  };
  const m = mounted(files["pages/paybridge/pay.wxml"], ({ Page }) => load("pages/paybridge/pay.js", { Page }));
  const page = m.component.getMethodCaller();
  stack.push(page);
  page.onLoad(options);
  page.onShow();
  page.onReady();
  const shown = () => m.dom().textContent.replace(/\s+/g, " ").trim();
  return {
    calls, page, shown,
    async until(text) {
      for (let i = 0; i < 200 && !shown().includes(text) && !calls.some((c) => c[0] === text); i++) await new Promise((done) => setImmediate(done));
      assert.ok(shown().includes(text) || calls.some((c) => c[0] === text), `${text} in "${shown()}" ${JSON.stringify(calls)}`);
    },
  };
}

test("the pay page in the second runtime: cancel, cancel of an old WeChat, pay, result", async () => {
  const ticket = "T".repeat(43);
  const p = second({ ticket }, [
    (o) => { const e = { errMsg: "requestPayment:fail cancel" }; o.fail(e); o.complete(e); },
    (o) => o.complete({ errMsg: "requestPayment:cancel" }),
    (o) => { const e = { errMsg: "requestPayment:ok" }; o.success(e); o.complete(e); },
  ]);
  await p.until("You cancelled");
  assert.match(p.shown(), /To pay ?¥12\.05 ?Outpatient registration/);
  p.page.pay();
  await p.until("Paying…");
  await p.until("You cancelled");
  p.page.pay();
  await p.until("redirectTo");
  assert.deepEqual(p.calls, [["request", "https://pay.example.com/p/v1/tickets/redeem", { ticket, js_code: "c" }],
    ...Array(3).fill(["requestPayment", payment.hand_off.params.package]), ["redirectTo", "/pages/paybridge/webview?number=" + number]]);
});

test("the pay page in the second runtime: without parameters", async () => {
  const p = second({}, []);
  await p.until("Nothing to pay was named");
  assert.deepEqual(p.calls, []);
});

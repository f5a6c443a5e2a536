"use strict";
// The stand-in for WeChat's JS-SDK makes the calls that the real one makes, and gives their answers on as it does.
const { test } = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const sources = {
  real: fs.readFileSync(require.resolve("jweixin-npm/jweixin-1.6.0.js"), "utf8"),
  ours: fs.readFileSync(path.join(__dirname, "../web/jweixin.js"), "utf8"),
};
const mini = "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.50 miniProgram/wx1";

// load gives the SDK in a window; the bridge writes down its calls and answers as told.
function load(which, answer, userAgent = mini) {
  const calls = [];
  const told = [];
  const document = new EventTarget();
  Object.assign(document, { title: "" });
  const window = { document, __wxjs_environment: "miniprogram" };
  window.WeixinJSBridge = { invoke: (name, params, done) => {
    if (name === "getNetworkType") return; // for the real one's statistics
    calls.push([name, JSON.parse(JSON.stringify(params))]);
    done({ ...answer });
  } };
  const context = { window, document, navigator: { userAgent, platform: "Linux" }, location: { href: "https://h5.example/" }, console, setTimeout, Image: class {} };
  context.wx = undefined;
  vm.runInNewContext(sources[which] + ";window.wx = window.wx || window.jWeixin;", { ...context, WeixinJSBridge: window.WeixinJSBridge });
  const heard = (o) => ({ ...o, success: (e) => told.push(["success", e.errMsg]), fail: (e) => told.push(["fail", e.errMsg]), cancel: (e) => told.push(["cancel", e.errMsg]), complete: (e) => told.push(["complete", e.errMsg]) });
  return { wx: window.wx, calls, told, heard };
}

const mp = (name, o) => (s) => s.wx.miniProgram[name](s.heard(o));
for (const [name, answer, does, userAgent] of [
  ["navigateTo", { errMsg: "invokeMiniProgramAPI:ok" }, mp("navigateTo", { url: "/p?a=1" })],
  ["navigateTo fails", { errMsg: "invokeMiniProgramAPI:fail webview count limit exceed" }, mp("navigateTo", { url: "/p" })],
  ["redirectTo", { errMsg: "invokeMiniProgramAPI:ok" }, mp("redirectTo", { url: "/p" })],
  ["reLaunch", { errMsg: "invokeMiniProgramAPI:ok" }, mp("reLaunch", { url: "/p" })],
  ["switchTab", { errMsg: "invokeMiniProgramAPI:ok" }, mp("switchTab", { url: "/p" })],
  ["navigateBack", { errMsg: "invokeMiniProgramAPI:ok" }, mp("navigateBack", {})],
  ["navigateBack by two", { errMsg: "invokeMiniProgramAPI:ok" }, mp("navigateBack", { delta: 2 })],
  ["postMessage", { errMsg: "invokeMiniProgramAPI:ok" }, mp("postMessage", { data: { a: 1 } })],
  ["getEnv", {}, (s) => s.wx.miniProgram.getEnv((e) => s.told.push(e.miniprogram))],
  ...["ok", "fail invalid signature"].map((word) => [`config ${word}`, { errMsg: "preVerifyJSAPI:" + word }, (s) => {
    s.wx.ready(() => s.told.push("ready, asked before"));
    s.wx.error((e) => s.told.push(["error", e.errMsg]));
    s.wx.config({ appId: "wx1", timestamp: 1, nonceStr: "n", signature: "s", jsApiList: ["requestMedicalInsurancePay"] });
    s.wx.ready(() => s.told.push("ready, asked after"));
  }]),
  ["checkJsApi", { errMsg: "checkJsApi:ok", checkResult: "{\"requestMedicalInsurancePay\":true}" },
    (s) => s.wx.checkJsApi({ jsApiList: ["requestMedicalInsurancePay"], success: (e) => s.told.push(JSON.stringify(e.checkResult)) })],
  ["outside of WeChat nothing happens", {}, mp("navigateTo", { url: "/p" }), "Mozilla/5.0 Safari"],
  ...["ok", "cancel", "fail"].map((word) => [`chooseWXPay ${word}`, { err_msg: "get_brand_wcpay_request:" + word },
    (s) => s.wx.chooseWXPay(s.heard({ timestamp: 1, nonceStr: "n", package: "prepay_id=1", signType: "RSA", paySign: "s" }))]),
]) test(name, () => {
  const [real, ours] = ["real", "ours"].map((which) => { const s = load(which, answer, userAgent); does(s); return s; });
  assert.deepEqual(ours.calls, real.calls);
  const words = (list) => list.map((e) => (Array.isArray(e) && name.startsWith("chooseWXPay") ? [e[0], e[1].split(":")[1]] : e));
  assert.deepEqual(words(ours.told), words(real.told));
});

/*! PayBridge mini-program pages 1.1.0 | Apache-2.0 */
// The native pay page. It is opened with a one-time ticket (?ticket=…) or, in the older style, with the pay parameters
// themselves. Whatever the payer's WeChat says in the end, the H5 result page asks the gateway: nothing here is proof.
const params = require("./params");
const server = require("./server");
const texts = require("./texts");
const where = require("./where");

const stackLimit = 8; // WeChat allows 10 pages; the page that is opened in this one's place needs room to go on

Page({
  data: { t: {}, step: "loading", message: "", detail: "", amount: "", description: "", mayPay: false, mayRetry: false, payText: "" },

  onLoad(options) {
    this.setData({ t: texts.words() });
    this.gone = false;
    this.paying = false;
    this.given = params.read(options);
    this.number = this.given.number;
    this.key = this.given.ticket || (this.given.handOff && JSON.stringify(this.given.handOff)) || "";
    if (this.key && getCurrentPages().some((page) => page !== this && page.key === this.key && page.route === this.route)) {
      this.leaving = true; // two taps opened it twice: the first one pays
      wx.navigateBack();
      return;
    }
    if (this.given.problem) this.stop(this.given.problem, false);
    else if (this.given.ticket) this.redeem();
  },

  // Not in onLoad: the page is shown once before it may be left for the cashier.
  onReady() {
    if (!this.leaving && this.given.handOff) this.offer(this.given.handOff);
  },

  onHide() {
    if (this.paying) this.away = true;
  },

  // Back from the cashier. iOS shows the page before it tells the result, Android after, and a payer who leaves the
  // cashier in another way brings no result at all: the page does not wait for it.
  onShow() {
    if (!this.paying || !this.away) return;
    this.setData({ step: "confirming", message: this.data.t.confirming });
    this.timer = setTimeout(() => this.toResult(), 3000);
  },

  onUnload() {
    this.gone = true;
    clearTimeout(this.timer);
  },

  redeem() {
    this.setData({ step: "loading", message: this.data.t.loading, detail: "", mayPay: false, mayRetry: false });
    server.redeem(this.given.ticket, () => !this.gone).then(
      (made) => {
        if (this.gone) return;
        this.number = made.order || this.number;
        where.keep(this.number, made.returnUrl);
        this.setData({ amount: yuan(made.amount), description: made.description });
        if (made.handOff) this.offer(made.handOff);
        else this.toResult();
      },
      (refused) => {
        if (this.gone) return;
        if (refused.problem === "settled") this.toResult();
        else this.stop(refused.problem || "unavailable", refused.retry !== false, refused.detail);
      }
    );
  },

  // offer begins by itself where WeChat allows that. HarmonyOS opens the cashier only from a tap, and so does every WeChat
  // another mini program.
  offer(handOff) {
    this.handOff = handOff;
    const way = ways[handOff.kind];
    if (!way) return this.stop("unknownKind", false);
    const problem = way.problem ? way.problem(handOff.params) : "";
    if (problem) return this.stop(problem, false);
    this.setData({ step: "ready", message: "", mayPay: true, mayRetry: false, payText: this.data.t[way.text] });
    if (!way.tap && platform() !== "ohos") this.pay();
  },

  pay() {
    if (this.paying || this.gone || this.leaving || !this.handOff) return; // a second tap
    this.paying = true;
    this.away = false;
    this.attempt = (this.attempt || 0) + 1;
    const attempt = this.attempt;
    this.setData({ step: "paying", message: this.data.t.paying, detail: "", mayPay: false });
    ways[this.handOff.kind].begin(this.handOff.params, (word, detail) => {
      if (!this.gone && attempt === this.attempt) this.said(word, detail);
    });
  },

  // said hears one word of the attempt, and lets only ok overrule it: `complete` repeats what `success` or `fail` said.
  said(word, detail) {
    if (!this.paying && word !== "ok") return;
    this.paying = false;
    clearTimeout(this.timer);
    if (word === "ok") return this.toResult();
    const { t } = this.data;
    this.setData({
      step: "unfinished", message: word === "cancel" ? t.cancelled : t.failed, detail: word === "cancel" ? "" : detail,
      mayPay: true, payText: t[ways[this.handOff.kind].again || "again"],
    });
  },

  stop(problem, retry, detail) {
    this.setData({ step: "problem", message: this.data.t[problem], detail: detail || "", mayPay: false, mayRetry: retry });
  },

  // toResult opens the H5 result in this page's place, so that going back never leads to a page that pays. A deep stack is
  // cut down instead.
  toResult() {
    if (this.leaving || this.gone) return;
    this.leaving = true;
    clearTimeout(this.timer);
    const pages = getCurrentPages();
    if (!this.number && pages.length > 1) return wx.navigateBack(); // whoever opened it knows which order it was
    const url = "/pages/paybridge/webview" + (this.number ? "?number=" + this.number : "");
    const relaunch = () => wx.reLaunch({ url });
    if (pages.length > stackLimit) relaunch();
    else wx.redirectTo({ url, fail: relaunch });
  },
});

// The ways to pay, by the hand-off's kind. begin tells say() one of ok, cancel, fail, perhaps more than once, perhaps never.
const ways = {
  wechat_miniprogram: {
    text: "pay",
    begin(p, say) {
      wx.requestPayment({
        timeStamp: p.timeStamp, nonceStr: p.nonceStr, package: p.package, signType: p.signType, paySign: p.paySign,
        success: () => say("ok"),
        fail: (e) => say(wordOf(e), e && e.errMsg),
        complete: (e) => say(wordOf(e), e && e.errMsg), // WeChat up to 6.5.2 says a cancel here alone
      });
    },
  },
  wechat_medins: {
    text: "pay",
    problem: () => (typeof wx.requestMedicalInsurancePay === "function" ? "" : "oldWeChat"),
    begin(p, say) {
      wx.requestMedicalInsurancePay(Object.assign({}, p, { success: () => say("ok"), fail: (e) => say(wordOf(e), e && e.errMsg) }));
    },
  },
  miniprogram_redirect: {
    text: "insurance",
    again: "insurance",
    tap: true,
    problem: (p) => (require("./config").insuranceAppIds.indexOf(p.appId) >= 0 ? "" : "notAllowed"),
    begin(p, say) {
      // success means that the other mini program was opened. The payer is back when this page is shown again.
      wx.navigateToMiniProgram({
        appId: p.appId, path: p.path, extraData: p.extraData || {}, envVersion: p.envVersion || "release",
        fail: (e) => say(wordOf(e), e && e.errMsg),
      });
    },
  },
};

function wordOf(e) {
  const errMsg = (e && e.errMsg) || "";
  if (/:ok$/.test(errMsg)) return "ok";
  return /[: ]cancel$/.test(errMsg) ? "cancel" : "fail";
}

function platform() {
  const info = wx.getDeviceInfo ? wx.getDeviceInfo() : wx.getSystemInfoSync();
  return (info && info.platform) || "";
}

// yuan writes fen with two decimals, without a float in between.
function yuan(fen) {
  if (typeof fen !== "number" || fen < 0 || Math.floor(fen) !== fen) return "";
  return Math.floor(fen / 100) + "." + ("0" + (fen % 100)).slice(-2);
}

/*! paybridge.js 1.1.0 | Apache-2.0 | pays a PayBridge hand-off from your own H5 page */
(function (root, make) {
  if (typeof module === "object" && module.exports) module.exports = make(root);
  else root.PayBridge = make(root);
})(typeof window === "undefined" ? globalThis : window, function (window) {
  "use strict";

  const document = window.document;
  // WeChat's own script, for web-views, where alone wx.miniProgram is, and for insurance. The second host is WeChat's spare.
  const sdk = ["https://res.wx.qq.com/open/js/jweixin-1.6.0.js", "https://res2.wx.qq.com/open/js/jweixin-1.6.0.js"];

  const texts = {
    wrong_place: ["请在微信中打开此页面完成支付", "Open this page in WeChat to pay"],
    wrong_way: ["此入口无法使用该支付方式，请返回后重试", "This way to pay does not work from here; go back and try again"],
    unknown_kind: ["此页面不支持该支付方式", "This page does not know that way to pay"],
    bad_hand_off: ["支付参数不完整", "The parameters of the payment are incomplete"],
    no_bridge: ["微信没有响应，请关闭页面后重试", "WeChat does not answer; close the page and try again"],
    old_wechat: ["当前微信版本过低，请升级微信后重试", "This WeChat is too old for it; update WeChat and try again"],
    not_config: ["微信没有认可这个页面", "WeChat does not take this page for the official account's"],
    no_mini_program: ["无法打开小程序支付页，请返回后重试", "The mini program's pay page does not open; go back and try again"],
  };

  class PayBridgeError extends Error {
    constructor(code, detail) {
      const zh = /^zh/i.test(window.navigator.language || "zh");
      super(texts[code][zh ? 0 : 1]);
      this.name = "PayBridgeError";
      this.code = code;
      this.detail = detail || "";
    }
  }

  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const agent = () => window.navigator.userAgent;
  const inMiniProgram = () => window.__wxjs_environment === "miniprogram" || /miniProgram/i.test(agent());

  // bridge waits for WeixinJSBridge, which WeChat puts in some time after the page has loaded.
  function bridge(ms) {
    if (window.WeixinJSBridge) return Promise.resolve(window.WeixinJSBridge);
    const ready = new Promise((done) =>
      document.addEventListener("WeixinJSBridgeReady", () => done(window.WeixinJSBridge), { once: true }));
    return Promise.race([ready, wait(ms).then(() => window.WeixinJSBridge || null)]);
  }

  let loading;
  function weChatSDK() {
    if (window.wx && window.wx.miniProgram) return Promise.resolve(window.wx);
    const load = (src) => new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = src;
      script.onload = () => (window.wx && window.wx.miniProgram ? done(window.wx) : failed());
      script.onerror = failed;
      document.head.appendChild(script);
    });
    loading = loading || load(sdk[0]).catch(() => load(sdk[1])).catch(() => {
      loading = null; // the next try may reach it
      throw new PayBridgeError("no_bridge", "the JS-SDK of WeChat did not load");
    });
    return loading;
  }

  async function environment() {
    if (inMiniProgram()) return "miniprogram";
    if (!/MicroMessenger/i.test(agent())) return "browser";
    if (/wxwork|WindowsWechat|MacWechat/i.test(agent())) return "wechat_other";
    await bridge(3000); // old versions say where they are only once the bridge is ready
    if (inMiniProgram()) return "miniprogram";
    if (/ArkWeb/i.test(agent())) { // HarmonyOS: the user agent does not tell a web-view from an official account
      const wx = await weChatSDK().catch(() => null);
      const env = wx && (await Promise.race([new Promise((done) => wx.miniProgram.getEnv(done)), wait(3000)]));
      if (env && env.miniprogram) return "miniprogram";
    }
    return "official_account";
  }

  // ---- the ways to pay: each starts one, and tells by say(word) what the client claims became of it

  const ways = {
    wechat_jsapi: {
      place: "official_account",
      async start(p, say) {
        for (const name of ["appId", "timeStamp", "nonceStr", "package", "signType", "paySign"])
          if (typeof p[name] !== "string" || !p[name]) throw new PayBridgeError("bad_hand_off", name);
        const { appId, timeStamp, nonceStr, signType, paySign } = p;
        const jsBridge = await bridge(10000);
        if (!jsBridge) throw new PayBridgeError("no_bridge");
        jsBridge.invoke("getBrandWCPayRequest", { appId, timeStamp, nonceStr, package: p.package, signType, paySign }, (answer) => {
          const word = /:(ok|cancel)$/.exec((answer && answer.err_msg) || "");
          say(word ? word[1] : "fail", (answer && (answer.err_desc || answer.err_msg)) || "");
        });
      },
    },
    wechat_medins: {
      place: "official_account",
      async start(p, say, config) {
        if (typeof p.mixTradeNo !== "string" || !p.mixTradeNo) throw new PayBridgeError("bad_hand_off", "mixTradeNo");
        if (!config || !config.appId) throw new PayBridgeError("bad_hand_off", "options.config");
        await mayInsure(config);
        const { mixTradeNo, timeStamp, nonceStr, signType, paySign } = p;
        const cash = paySign ? { timeStamp, nonceStr, package: p.package, signType, paySign } : {}; // without a self-paid part there is none
        window.WeixinJSBridge.invoke(insurance, Object.assign({ appid: config.appId, mixTradeNo }, cash), (answer) => {
          const message = (answer && (answer.err_msg || answer.errMsg)) || "";
          say(/:ok$/.test(message) ? "ok" : "fail", (answer && answer.err_desc) || message); // there is no word for a cancel
        });
      },
    },
    miniprogram_page: {
      place: "miniprogram",
      start: (p) => toMiniProgram(p.url),
    },
    redirect_url: {
      async start(p) {
        if (!/^https:\/\//i.test(p.url || "")) throw new PayBridgeError("bad_hand_off", "url");
        window.location.assign(p.url);
      },
    },
  };

  const insurance = "requestMedicalInsurancePay";

  // mayInsure makes the page one of the official account's, and finds out whether this WeChat knows the cashier of insurance: one
  // that does not would be silent.
  async function mayInsure(config) {
    const wx = await weChatSDK();
    const { appId, timestamp, nonceStr, signature } = config;
    await new Promise((done, failed) => {
      wx.error((e) => failed(new PayBridgeError("not_config", (e && e.errMsg) || "")));
      wx.ready(done);
      wx.config({ appId, timestamp, nonceStr, signature, jsApiList: [insurance] });
      wait(10000).then(() => failed(new PayBridgeError("no_bridge", "wx.config")));
    });
    const known = await new Promise((done) => {
      wx.checkJsApi({ jsApiList: [insurance], success: (found) => done(found.checkResult && found.checkResult[insurance]), fail: () => done(false) });
      wait(3000).then(() => done(true)); // not every version answers
    });
    if (!known || !(await bridge(10000))) throw new PayBridgeError("old_wechat");
  }

  // toMiniProgram opens a native page. A full page stack refuses navigateTo; then this page gives up its own place.
  async function toMiniProgram(url) {
    if (!/^\/[\x21-\x7e]+$/.test(url || "")) throw new PayBridgeError("bad_hand_off", "url");
    const wx = await weChatSDK();
    const open = (name) => new Promise((done, failed) => {
      wx.miniProgram[name]({ url, success: () => done(), fail: (e) => failed(new PayBridgeError("no_mini_program", (e && e.errMsg) || "")) });
      wait(3000).then(done); // not every version answers
    });
    await open("navigateTo").catch(() => open("redirectTo"));
  }

  // ---- what became of it: only your server knows

  const settled = { paid: "paid", partially_refunded: "paid", refunded: "paid", closed: "closed" };

  // watch asks until it knows: slowly while the payer is away, at once and then quickly when there is a sign of life.
  function watch(ask, patience) {
    let timer, said, finish, over, asking, again, back;
    let looks = 0, since = Date.now() + 600000; // a payer may take ten minutes before patience begins
    const result = new Promise((done) => (finish = done));
    function end(state) {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      window.removeEventListener("pageshow", seen);
      finish(Object.assign({ state }, said));
    }
    async function look() {
      if (asking) { again = true; return; }
      clearTimeout(timer);
      asking = true;
      const answer = await Promise.race([Promise.resolve().then(ask), wait(10000)]).catch(() => undefined); // undefined: no network
      asking = false;
      if (over) return;
      if (settled[answer]) return end(settled[answer]);
      if (again) { again = false; return look(); }
      looks++;
      const unpaid = answer && !(said && said.said === "ok"); // the server says so, and the client does not contradict it
      if (unpaid && said && looks > 2) return end("unpaid"); // thrice in three seconds: what is called cancel may be an error after paying
      if (Date.now() - since > patience) return end(unpaid ? "unpaid" : "unconfirmed");
      timer = setTimeout(look, Math.min(1000 * looks, 4000));
    }
    function hurry() {
      looks = 0;
      since = Date.now();
      look();
    }
    function seen() {
      if (document.hidden) return;
      back = true;
      hurry();
    }
    document.addEventListener("visibilitychange", seen);
    window.addEventListener("pageshow", seen);
    looks = 4;
    timer = setTimeout(look, 4000);
    return {
      result,
      say(word, message) {
        if (over || (said && said.said === "ok")) return; // old clients say cancel and then ok
        said = { said: word, message };
        hurry();
      },
      end,
      back() { // since it was asked last
        const was = back;
        back = false;
        return was;
      },
    };
  }

  let current = null; // the payment that runs

  function pay(handOff, options) {
    if (!options || typeof options.ask !== "function") return Promise.reject(new TypeError("pay needs options.ask, which asks your server for the order's state"));
    const key = JSON.stringify(handOff);
    if (current && current.key === key) { // a second tap joins the first
      current.again();
      return current.result;
    }
    if (current) current.leave(); // its hand-off says nothing of this one's order
    const mine = (current = { key, again() {}, leave() {} });
    const free = () => { if (current === mine) current = null; };
    mine.result = begin(handOff, options, mine);
    mine.result.then(free, free);
    return mine.result;
  }

  async function begin(handOff, options, mine) {
    const kind = handOff && handOff.kind;
    const way = Object.prototype.hasOwnProperty.call(ways, kind) ? ways[kind] : null;
    if (!way) throw new PayBridgeError("unknown_kind", String(kind));
    let left = false;
    mine.leave = () => { left = true; };
    const place = await environment();
    if (way.place && place !== way.place) throw new PayBridgeError(place === "browser" ? "wrong_place" : "wrong_way", place);
    if (left) return { state: "unconfirmed" }; // nothing was started
    const w = watch(options.ask, options.patience || 30000);
    const start = async () => {
      try {
        await way.start(handOff.params || {}, w.say, options.config);
      } catch (e) {
        w.end("unpaid"); // nobody waits for it
        throw e;
      }
    };
    mine.leave = () => w.end("unconfirmed");
    mine.again = () => { // who came back without paying may go there again
      if (place === "miniprogram" && w.back()) start().catch(() => {});
    };
    await start();
    return w.result;
  }

  return { version: "1.1.0", environment, pay, toMiniProgram, PayBridgeError };
});

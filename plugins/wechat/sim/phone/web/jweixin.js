// In the place of WeChat's JS-SDK, in the simulated phone's frames: the calls of wx that have to do with paying and with the
// mini program around a page. It makes the calls of WeixinJSBridge that the real one makes.
(function () {
  "use strict";
  if (window.wx && window.wx.miniProgram) return;
  const inWeChat = /MicroMessenger/i.test(navigator.userAgent);
  const android = /android/i.test(navigator.userAgent);
  let config = {};
  let verified = false; // or refused: ready is for both, and error comes first
  let waiting = [];
  let refused = null;

  // Outside of WeChat the real one is silent too.
  function whenReady(f) {
    if (!inWeChat) return;
    if (window.WeixinJSBridge) f();
    else document.addEventListener("WeixinJSBridgeReady", f, false);
  }

  function invoke(name, params, options, word) {
    const o = options || {};
    const signed = { ...params, appId: config.appId, verifyAppId: config.appId, verifySignType: "sha1", verifyTimestamp: config.timestamp + "",
      verifyNonceStr: config.nonceStr, verifySignature: config.signature };
    window.WeixinJSBridge.invoke(name, signed, (answer) => {
      const result = (answer.errMsg || answer.err_msg || "").split(":").slice(1).join(":") || "fail";
      const told = { ...answer, errMsg: `${word || name}:${result}` };
      delete told.err_msg;
      const tell = (f) => o[f] && o[f](told);
      tell(result === "ok" ? "success" : result === "cancel" ? "cancel" : "fail");
      tell("complete");
    });
  }

  const api = (name) => (o) => whenReady(() => invoke("invokeMiniProgramAPI", { name, arg: { url: o.url } }, o));

  window.wx = window.jWeixin = {
    config(o) {
      config = o;
      whenReady(() => invoke("preVerifyJSAPI", { verifyJsApiList: o.jsApiList, verifyOpenTagList: o.openTagList }, {
        fail: (e) => { if (refused) refused(e); },
        complete: () => {
          verified = true;
          for (const f of waiting.splice(0)) f();
        },
      }));
    },
    ready(f) { if (verified) f(); else waiting.push(f); },
    error(f) { refused = f; },
    checkJsApi(o) {
      if (!window.WeixinJSBridge) return;
      const tell = (f) => f && ((e) => f({ ...e, checkResult: android && typeof e.checkResult === "string" ? JSON.parse(e.checkResult) : e.checkResult }));
      invoke("checkJsApi", { jsApiList: o.jsApiList }, { success: tell(o.success), fail: tell(o.fail), complete: tell(o.complete) });
    },
    chooseWXPay(o) {
      const { timestamp, nonceStr, paySign, signType } = o;
      if (window.WeixinJSBridge) invoke("getBrandWCPayRequest", { timeStamp: timestamp + "", nonceStr, package: o.package, paySign, signType: signType || "SHA1" }, o, "chooseWXPay");
    },
    closeWindow(o) { if (window.WeixinJSBridge) invoke("closeWindow", {}, o); },
    miniProgram: {
      navigateTo: api("navigateTo"), redirectTo: api("redirectTo"), reLaunch: api("reLaunch"), switchTab: api("switchTab"),
      navigateBack: (o) => whenReady(() => invoke("invokeMiniProgramAPI", { name: "navigateBack", arg: { delta: (o && o.delta) || 1 } }, o)),
      postMessage: (o) => whenReady(() => invoke("invokeMiniProgramAPI", { name: "postMessage", arg: o.data || {} }, o)),
      getEnv: (f) => whenReady(() => f({ miniprogram: window.__wxjs_environment === "miniprogram" })),
    },
  };
})();

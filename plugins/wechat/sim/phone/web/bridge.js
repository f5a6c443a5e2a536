// What WeChat puts into a page. It does nothing but in a frame of the simulated phone, which says by the frame's name as
// what the page is shown: wxphone|official or miniprogram|APPID|ios, android or ohos|new or old. Names outlive redirects.
(function () {
  "use strict";
  const mode = /^wxphone\|(official|miniprogram)\|(\w+)\|(ios|android|ohos)\|(new|old)$/.exec(window.name);
  if (!mode || window.parent === window) return;
  const [, place, appId, platform, age] = mode;
  const phone = document.currentScript.dataset.phone;
  const openWeixin = ["https://open.weixin.qq.com", document.currentScript.dataset.openWeixin];
  const sites = JSON.parse(document.currentScript.dataset.sites); // where this mode finds a site, by its public origin

  const systems = {
    ios: "iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    android: "Linux; Android 14; wechatsim) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/116.0.0.0 Mobile Safari/537.36 XWEB/1160117",
    ohos: "Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile",
  };
  const userAgent = `Mozilla/5.0 (${systems[platform]} MicroMessenger/${age === "old" ? "6.5.2" : "8.0.50"} NetType/WIFI Language/zh_CN` +
    (place === "miniprogram" && platform !== "ohos" && age === "new" ? ` miniProgram/${appId}` : "");
  Object.defineProperty(navigator, "userAgent", { get: () => userAgent, configurable: true });

  // ---- calls to the phone

  const waiting = new Map();
  const listeners = new Map();
  let last = 0;

  function invoke(name, params, done) {
    const id = ++last;
    if (typeof done === "function") waiting.set(id, done);
    if (name === "preVerifyJSAPI") params = { ...params, wxphoneURL: location.href }; // WeChat knows where its page is
    window.parent.postMessage({ wxphone: "invoke", id, name, params: JSON.parse(JSON.stringify(params || {})) }, phone);
  }

  window.addEventListener("message", (e) => {
    if (e.source !== window.parent || e.origin !== phone || !e.data || !e.data.wxphone) return;
    e.stopImmediatePropagation();
    if (e.data.wxphone === "answer" && waiting.has(e.data.id)) {
      const done = waiting.get(e.data.id);
      waiting.delete(e.data.id);
      done(e.data.answer);
    } else if (e.data.wxphone === "visible") {
      hidden = !e.data.visible;
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    }
  }, true);

  // A page beneath another one is not seen.
  let hidden = false;
  Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
  Object.defineProperty(document, "visibilityState", { get: () => (hidden ? "hidden" : "visible"), configurable: true });

  // ---- WeixinJSBridge comes some time after the page, as in WeChat

  function arrive() {
    if (place === "miniprogram") window.__wxjs_environment = "miniprogram";
    window.WeixinJSBridge = {
      invoke,
      on: (name, f) => listeners.set(name, f),
      call: (name) => invoke(name, {}),
    };
    document.dispatchEvent(new Event("WeixinJSBridgeReady"));
  }
  if (place === "miniprogram" && age === "new") window.__wxjs_environment = "miniprogram";
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => setTimeout(arrive, 0));
  else setTimeout(arrive, 0);

  // ---- a page that sends its payer to the web authorization, or to another of the phone's sites

  if (window.navigation) {
    window.navigation.addEventListener("navigate", (e) => {
      const to = new URL(e.destination.url);
      if (!e.cancelable || e.formData) return;
      if (openWeixin.includes(to.origin)) {
        e.preventDefault();
        invoke("authorize", { search: to.search });
      } else if (sites[to.origin] && sites[to.origin] !== location.origin) {
        e.preventDefault();
        location.assign(sites[to.origin] + to.pathname + to.search + to.hash);
      }
    });
  }
})();

// The mini program's logic layer without a DOM: modules, App and Page, the page stack, and a stand-in for wx. It runs the
// files of a real mini program as they are. What needs a person, a screen or a network is asked of the host:
//
//   mount(page)        a view {update(nodes), show(), hide(), remove()} for a page {route, window, wxss, dispatch}
//   cashier(call)      the pay sheet for {api, params}: {word: "ok" | "cancel" | "fail" | "gone", detail}
//   confirm(question)  true or false
//   otherApp(call)     another mini program, until the person comes back: its extraData
//   loginCode()        a js_code of the person who holds the phone
//   request(call)      {statusCode, header, data: text}; a rejection is a lost connection
//   toast(text), title(page, text), log(level, text)
(function (root, make) {
  if (typeof module === "object" && module.exports) module.exports = make(require("./wxml.js"));
  else root.wxphone.core = make(root.wxphone.wxml);
})(typeof globalThis === "undefined" ? this : globalThis, function (wxml) {
  "use strict";

  // What a browser or Node has and WeChat's logic layer has not. A kit that needs one of them must fail here too.
  const hidden = ["window", "document", "self", "globalThis", "global", "parent", "top", "frames", "navigator", "location",
    "history", "fetch", "XMLHttpRequest", "WebSocket", "EventSource", "Request", "Response", "Headers", "FormData", "Blob", "File",
    "localStorage", "sessionStorage", "indexedDB", "caches", "crypto", "performance", "atob", "btoa", "Buffer", "process",
    "URL", "URLSearchParams", "TextEncoder", "TextDecoder", "AbortController", "postMessage", "alert", "confirm", "prompt", "open",
    "structuredClone", "queueMicrotask", "setImmediate", "requestAnimationFrame", "importScripts", "Image", "Worker", "wxphone"];

  const stackLimit = 10;
  const clone = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
  const kindOf = (value) => (value === null ? "Null" : Array.isArray(value) ? "Array"
    : (typeof value)[0].toUpperCase() + (typeof value).slice(1));

  // createMiniProgram reads settings {platform: "ios" | "android" | "ohos", old, decoded, language} at every use, so that a
  // person may switch them while it runs.
  function createMiniProgram({ files, appId, host, settings }) {
    const config = json("app.json");
    const stack = [];
    const modules = new Map();
    const registered = new Map(); // route → what Page() was given
    const storage = new Map();
    let app = { };
    let loading = ""; // the file whose top level runs now
    let tapping = false;
    let alive = true;
    let launchOptions;

    function json(path) {
      if (files[path] === undefined) throw new Error(`${path} is missing`);
      try { return JSON.parse(files[path]); } catch (e) { throw new Error(`${path}: ${e.message}`); }
    }

    // guarded runs the mini program's code: what it throws is written down and stops nothing else.
    function guarded(where, f) {
      try { return f(); } catch (e) { host.log("error", `${where}: ${e && e.stack ? e.stack : e}`); return undefined; }
    }

    // ---- modules

    function resolve(from, path) {
      const parts = path.startsWith("/") ? [] : from.split("/").slice(0, -1);
      for (const part of path.split("/")) {
        if (part === "..") {
          if (parts.length === 0) throw new Error(`${from}: ${path} is outside of the mini program`);
          parts.pop();
        } else if (part !== "." && part !== "") parts.push(part);
      }
      return parts.join("/");
    }

    function load(path) {
      if (modules.has(path)) return modules.get(path).exports;
      const module = { exports: {} };
      modules.set(path, module);
      const require = (to) => {
        const base = resolve(path, to);
        const found = [base, base + ".js", base + "/index.js"].find((p) => p.endsWith(".js") && files[p] !== undefined);
        if (!found) throw new Error(`module '${base}.js' is not defined, require args is '${to}' (in ${path})`);
        return load(found);
      };
      const before = loading;
      loading = path;
      try {
        const run = new Function("require", "module", "exports", "wx", "App", "Page", "Component", "getApp", "getCurrentPages", ...hidden,
          `"use strict";${files[path]}\n//# sourceURL=wx://${appId}/${path}`);
        run(require, module, module.exports, wx, App, Page, Component, () => app, getCurrentPages);
      } finally {
        loading = before;
      }
      return module.exports;
    }

    function App(options) { app = Object.assign(Object.create(null), options); }
    function Page(options) { registered.set(loading.replace(/\.js$/, ""), options); }
    function Component() { throw new Error(`${loading}: the simulated phone plays pages, not components`); }
    const getCurrentPages = () => stack.map((p) => p.instance);
    const top = () => stack[stack.length - 1];

    // ---- pages

    const lifecycle = (page, name, ...args) => {
      if (!page || typeof page.instance[name] !== "function") return undefined;
      return guarded(`${page.route} ${name}`, () => page.instance[name](...args));
    };

    function create(route, query) {
      if (!registered.has(route)) load(route + ".js");
      const options = registered.get(route);
      if (!options) throw new Error(`${route}.js does not call Page()`);
      const page = { route, window: Object.assign({}, config.window, files[route + ".json"] ? json(route + ".json") : {}), messages: [],
        wxss: (files["app.wxss"] || "") + "\n" + (files[route + ".wxss"] || "") };
      page.template = wxml.parse(files[route + ".wxml"] || "", route + ".wxml");
      page.instance = Object.assign({}, options, { route, options: query, data: clone(options.data || {}) });
      page.instance.setData = (changes, done) => setData(page, changes, done);
      page.dispatch = (handler, event) => dispatch(page, handler, event);
      return page;
    }

    function dispatch(page, handler, event) {
      if (page.gone) return;
      if (typeof page.instance[handler] !== "function") {
        host.log("warn", `Component "${page.route}" does not have a method "${handler}" to handle event "${event.type}".`);
        return;
      }
      tapping = event.type === "tap";
      lifecycle(page, handler, event);
      tapping = false;
    }

    function setData(page, changes, done) {
      const copied = clone(changes); // what cannot be written as JSON does not cross to the view
      for (const path of Object.keys(copied)) write(page.instance.data, path, copied[path]);
      render(page);
      if (done) Promise.resolve().then(() => guarded(`${page.route} setData`, () => done.call(page.instance)));
    }

    function write(data, path, value) {
      const keys = path.replace(/\[(\d+)\]/g, ".$1").split(".");
      let at = data;
      keys.slice(0, -1).forEach((key, i) => {
        if (typeof at[key] !== "object" || at[key] === null) at[key] = /^\d+$/.test(keys[i + 1]) ? [] : {};
        at = at[key];
      });
      at[keys[keys.length - 1]] = value;
    }

    function render(page) {
      if (!page.view || page.gone) return;
      guarded(`${page.route}.wxml`, () => {
        page.nodes = wxml.expand(page.template, page.instance.data);
        page.view.update(page.nodes);
      });
    }

    function open(route, query) {
      const page = create(route, query);
      stack.push(page);
      lifecycle(page, "onLoad", query);
      if (page.gone) return;
      page.view = host.mount(page);
      render(page);
      lifecycle(page, "onShow");
      lifecycle(page, "onReady");
    }

    function close(page) {
      if (page.messages.length > 0) tellWebViewMessages(page);
      lifecycle(page, "onUnload");
      page.gone = true;
      if (page.view) page.view.remove();
    }

    // A web-view's messages are delivered only when its page goes away, all of them in one array.
    function tellWebViewMessages(page) {
      const find = (nodes) => nodes.reduce((found, n) => found || (n.tag === "web-view" ? n : n.children ? find(n.children) : null), null);
      const view = find(page.nodes || []);
      if (view && view.events.message) dispatch(page, view.events.message.handler, { type: "message", detail: { data: clone(page.messages) } });
      page.messages = [];
    }

    // ---- routes, one after the other

    let routing = Promise.resolve();
    const queued = (f) => { const done = routing.then(() => (alive ? f() : "fail the mini program is closed")); routing = done.catch(() => {}); return done; };

    function target(url) {
      const [path, query] = [String(url).split("?")[0], String(url).split("?").slice(1).join("?")];
      const route = resolve(top() ? top().route : "", path);
      const options = {};
      for (const pair of query ? query.split("&") : []) {
        const at = pair.indexOf("=");
        const [name, value] = at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
        if (name) options[name] = settings.decoded ? guarded("decode", () => decodeURIComponent(value)) : value;
      }
      return { route, options, there: config.pages.includes(route) };
    }

    const routes = {
      navigateTo: ({ url }) => queued(() => {
        const to = target(url);
        if (!to.there) return `fail page "${to.route}" is not found`;
        if (stack.length >= stackLimit) return "fail webview count limit exceed";
        const from = top();
        lifecycle(from, "onHide");
        if (from) from.view.hide();
        open(to.route, to.options);
        return "ok";
      }),
      redirectTo: ({ url }) => queued(() => {
        const to = target(url);
        if (!to.there) return `fail page "${to.route}" is not found`;
        close(stack.pop());
        open(to.route, to.options);
        return "ok";
      }),
      reLaunch: ({ url }) => queued(() => {
        const to = target(url);
        if (!to.there) return `fail page "${to.route}" is not found`;
        while (stack.length > 0) close(stack.pop());
        open(to.route, to.options);
        return "ok";
      }),
      navigateBack: ({ delta } = {}) => queued(() => {
        if (stack.length < 2) return "fail cannot navigate back at first page";
        for (let n = Math.min(delta || 1, stack.length - 1); n > 0; n--) close(stack.pop());
        top().view.show();
        lifecycle(top(), "onShow");
        return "ok";
      }),
      switchTab: ({ url }) => queued(() => `fail can not switch to no-tabBar page ${url}`),
    };

    // ---- wx

    // call answers by the callbacks, or by a promise where there are none, as WeChat does.
    function call(name, options, work) {
      const o = options || {};
      const done = Promise.resolve().then(() => work(o)).then(
        (result) => (typeof result === "string" ? { word: result } : result),
        (e) => ({ word: "fail " + (e && e.message ? e.message : e) }));
      const answered = done.then(({ word, none, completeOnly, after, ...extra }) => {
        if (none || !alive) return null;
        const answer = { errMsg: `${name}:${word}`, ...extra };
        const tell = (f) => typeof o[f] === "function" && guarded(`wx.${name} ${f}`, () => o[f](answer));
        if (!completeOnly) tell(word.startsWith("ok") ? "success" : "fail");
        tell("complete");
        if (after) after();
        return answer;
      });
      if (["success", "fail", "complete"].some((f) => typeof o[f] === "function")) return undefined;
      const promise = answered.then((answer) => (answer === null ? new Promise(() => {}) : answer.errMsg.includes(":ok") ? answer : Promise.reject(answer)));
      promise.catch(() => {});
      return promise;
    }

    // pay plays the way to the cashier and back. iOS shows the page before it tells the result, Android after.
    async function pay(api, params, words) {
      const page = top();
      lifecycle(page, "onHide");
      const told = await host.cashier({ api, params });
      const shown = () => { if (!page.gone) lifecycle(page, "onShow"); };
      if (told.word === "gone") {
        shown();
        return { none: true };
      }
      const result = words(told);
      if (settings.platform !== "ios") return { ...result, after: shown };
      shown();
      return result;
    }

    const needed = { requestPayment: ["timeStamp", "nonceStr", "package", "paySign"], requestMedicalInsurancePay: ["mixTradeNo"] };

    function cashier(api) {
      return (options) => {
        const tapped = tapping; // by the time the work begins the tap is over
        return call(api, options, (o) => {
          for (const name of needed[api]) {
            if (typeof o[name] !== "string") return `fail parameter error: parameter.${name} should be String instead of ${kindOf(o[name])};`;
          }
          if (settings.platform === "ohos" && !tapped) return "fail can only be invoked by user TAP gesture.";
          const { success, fail, complete, ...params } = o;
          return pay(api, params, ({ word, detail }) => {
            if (word === "cancel" && settings.old) return { word: "cancel", completeOnly: true };
            return { word: word === "ok" ? "ok" : word === "cancel" ? "fail cancel" : `fail ${detail || ""}`.trim() };
          });
        });
      };
    }

    const base = () => ({ SDKVersion: settings.old ? "1.9.0" : "3.5.0", version: settings.old ? "6.5.2" : "8.0.50",
      language: settings.language === "en" ? "en" : "zh_CN", platform: settings.platform, theme: "light" });

    const wx = {
      login: (o) => call("login", o, async () => ({ word: "ok", code: await host.loginCode() })),
      request: (o) => call("request", o, async ({ url, method, header, data }) => {
        const answer = await host.request({ url, method: (method || "GET").toUpperCase(), header: header || {},
          data: data === undefined ? "" : typeof data === "string" ? data : JSON.stringify(data) });
        let body = answer.data;
        if (o.dataType === undefined || o.dataType === "json") { try { body = JSON.parse(body); } catch (e) { /* text it is */ } }
        return { word: "ok", statusCode: answer.statusCode, header: answer.header, data: body, cookies: [] };
      }),
      requestPayment: cashier("requestPayment"),
      requestMedicalInsurancePay: cashier("requestMedicalInsurancePay"),
      navigateToMiniProgram: (o) => {
        const tapped = tapping;
        return call("navigateToMiniProgram", o, async ({ appId: other, path, extraData }) => {
          if (!tapped) return "fail can only be invoked by user TAP gesture.";
          if (!(await host.confirm({ kind: "miniprogram", appId: other }))) return "fail cancel";
          const page = top();
          lifecycle(page, "onHide");
          guarded("app onHide", () => app.onHide && app.onHide());
          host.otherApp({ appId: other, path: path || "", extraData: extraData || {} }).then((back) => {
            if (!alive) return;
            guarded("app onShow", () => app.onShow && app.onShow({ scene: 1038, path: page.route, query: {}, referrerInfo: { appId: other, extraData: back || {} } }));
            if (!page.gone) lifecycle(page, "onShow");
          });
          return "ok";
        });
      },
      showToast: (o) => call("showToast", o, ({ title }) => { host.toast(String(title)); return "ok"; }),
      hideToast: (o) => call("hideToast", o, () => "ok"),
      showLoading: (o) => call("showLoading", o, ({ title }) => { host.toast(String(title)); return "ok"; }),
      hideLoading: (o) => call("hideLoading", o, () => "ok"),
      showModal: (o) => call("showModal", o, async ({ title, content, showCancel }) => {
        const confirm = await host.confirm({ kind: "modal", title: title || "", content: content || "", showCancel: showCancel !== false });
        return { word: "ok", confirm, cancel: !confirm };
      }),
      setNavigationBarTitle: (o) => call("setNavigationBarTitle", o, ({ title }) => { host.title(top(), String(title)); return "ok"; }),
      getSystemInfoSync: () => ({ ...base(), ...screen(), brand: "devtools", model: "wechatsim", system: settings.platform }),
      getWindowInfo: () => screen(),
      getAppBaseInfo: () => base(),
      getDeviceInfo: () => ({ platform: settings.platform, brand: "devtools", model: "wechatsim" }),
      getAccountInfoSync: () => ({ miniProgram: { appId, envVersion: "develop", version: "" } }),
      getLaunchOptionsSync: () => clone(launchOptions),
      getEnterOptionsSync: () => clone(launchOptions),
      setStorageSync: (key, value) => { storage.set(key, JSON.stringify(value)); },
      getStorageSync: (key) => (storage.has(key) ? JSON.parse(storage.get(key)) : ""),
      removeStorageSync: (key) => { storage.delete(key); },
      nextTick: (f) => { Promise.resolve().then(f); },
      canIUse: (name) => Object.hasOwn(wx, name.split(".")[0]),
    };
    for (const name of Object.keys(routes)) wx[name] = (o) => call(name, o, routes[name]);
    if (settings.old) for (const name of ["getAppBaseInfo", "getDeviceInfo", "getWindowInfo", "requestMedicalInsurancePay"]) delete wx[name];

    function screen() { return { pixelRatio: 2, screenWidth: 375, screenHeight: 750, windowWidth: 375, windowHeight: 640, statusBarHeight: 24 }; }

    // ---- what the phone does to the mini program

    return {
      // launch starts it at a page, the first one of app.json unless a path with its query is given.
      async launch(url) {
        load("app.js");
        const to = target("/" + (url || config.pages[0]).replace(/^\//, ""));
        launchOptions = { path: to.route, query: to.options, scene: 1001, referrerInfo: {} };
        guarded("app onLaunch", () => app.onLaunch && app.onLaunch(clone(launchOptions)));
        guarded("app onShow", () => app.onShow && app.onShow(clone(launchOptions)));
        const word = await routes.reLaunch({ url: "/" + (url || config.pages[0]).replace(/^\//, "") });
        if (word !== "ok") throw new Error(`launch: ${word}`);
      },
      back: () => routes.navigateBack({}),
      pages: () => stack.slice(),
      settled: () => routing,
      // fromWebView is wx.miniProgram, called by the H5 in a page's web-view.
      async fromWebView(page, name, arg) {
        if (page.gone) return `${name}:fail the page is closed`;
        if (name === "postMessage") { page.messages.push(clone(arg)); return `${name}:ok`; }
        if (!Object.hasOwn(routes, name)) return `${name}:fail not supported in a web-view`;
        return `${name}:${await routes[name](arg || {})}`;
      },
      close() {
        alive = false;
        while (stack.length > 0) close(stack.pop());
      },
    };
  }

  return { createMiniProgram };
});

// The phone: settings, the screen with an official account's page or a mini program, the cashier's sheet, and a log.
(async function () {
  "use strict";
  const { core, view } = window.wxphone;
  const byId = (id) => document.getElementById(id);
  const read = async (path) => (await fetch(path)).json();
  const [state, words] = await Promise.all([read("state.json"), read("words.json")]);

  // ---- words

  let language = localStorage.getItem("wxphone_language") || (navigator.language.startsWith("zh") ? "zh" : "en");
  const text = (key, values = {}) => (words[language][key] || key).replace(/\{(\w+)\}/g, (_, name) => values[name]);

  function translate() {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.title = text("title");
    for (const e of document.querySelectorAll("[data-text]")) e.textContent = text(e.dataset.text);
    for (const e of document.querySelectorAll("[data-label]")) e.setAttribute("aria-label", text(e.dataset.label));
    for (const b of document.querySelectorAll("[data-language]")) b.setAttribute("aria-pressed", String(b.dataset.language === language));
    options(byId("person"), state.persons.map((p) => [p.id, p.unionid ? text("with_unionid", p) : p.name]));
    options(byId("place"), [
      ...state.official_accounts.map((a) => ["official|" + a.app_id, text("in_official", a)]),
      ...state.mini_programs.map((m) => ["miniprogram|" + m.app_id, text("in_miniprogram", m)]),
      ["browser|", text("in_browser")],
    ]);
  }

  function options(select, list) {
    const chosen = select.value;
    select.replaceChildren(...list.map(([value, label]) => new Option(label, value)));
    if (list.some(([value]) => value === chosen)) select.value = chosen;
  }

  // ---- settings. The mini program reads them at every use.

  const person = () => byId("person").value;
  const personName = () => byId("person").selectedOptions[0].textContent;
  const settings = {
    get platform() { return byId("platform").value; },
    get old() { return byId("old").checked; },
    get decoded() { return byId("decoded").checked; },
    get language() { return language; },
  };

  function log(level, line) {
    const item = document.createElement("li");
    item.className = level;
    item.textContent = line;
    byId("log").append(item);
    byId("log").scrollTop = byId("log").scrollHeight;
  }

  // post calls the phone's server. What WeChat refuses has `refused`; anything else is a fault of the set-up.
  async function post(path, body) {
    const answer = await fetch("call/" + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const content = await answer.json().catch(() => ({ message: answer.statusText }));
    if (answer.ok) return content;
    const e = new Error(answer.status === 409 ? content.message : text("faulty", content));
    e.refused = answer.status === 409;
    log(e.refused ? "warn" : "error", e.message);
    throw e;
  }

  async function network(offline) {
    await post("network", { offline });
    byId("offline").checked = offline;
    log("info", offline ? "network: off" : "network: on");
  }

  // ---- the sheet: one question at a time

  let asking = Promise.resolve();

  // sheet shows lines and buttons [word, label, main]; it gives the word that was chosen.
  function sheet(lines, buttons) {
    const mine = asking.then(() => new Promise((chosen) => {
      const dialog = byId("sheet");
      dialog.replaceChildren(...lines.map(([tag, className, content]) => {
        const e = document.createElement(tag);
        e.className = className;
        e.textContent = content;
        return e;
      }));
      const row = document.createElement("div");
      row.className = "buttons";
      for (const [word, label, main] of buttons) {
        const b = document.createElement("button");
        b.type = "button";
        b.dataset.word = word;
        b.className = main ? "main" : "";
        b.textContent = label;
        b.addEventListener("click", () => { dialog.close(); chosen(word); });
        row.append(b);
      }
      dialog.append(row);
      dialog.oncancel = (e) => e.preventDefault();
      dialog.show();
      row.firstChild.focus();
    }));
    asking = mine;
    return mine;
  }

  const yuan = (fen) => `¥${Math.trunc(fen / 100)}.${String(fen % 100).padStart(2, "0")}`;

  // cashier plays the pay sheet: {word, detail} of what WeChat tells the page.
  async function cashier(handOff) {
    const call = { person: person(), hand_off: handOff };
    let bill;
    try {
      bill = await post("cashier/open", call);
    } catch (e) {
      await sheet([["h2", "", text("no_cashier")], ["p", "bad", e.message]], [["close", text("close")]]);
      return { word: "fail", detail: e.message };
    }
    const parts = bill.insured || bill.cash ? [["p", "part", text("insured", { amount: yuan(bill.insured || 0) })], ["p", "part", text("cash", { amount: yuan(bill.cash || 0) })]] : [];
    const about = [["h2", "", bill.merchant], ["p", "sum", yuan(bill.amount)], ...parts, ["p", "", bill.description]];
    const inactive = parts.length > 0 ? [["inactive", text("inactive")]] : [];
    let said = [];
    for (;;) {
      const word = await sheet([...about, ...said], [["pay", text("pay"), true], ["wrong", text("wrong")], ["lost", text("lost")], ...inactive, ["cancel", text("cancel")]]);
      log("info", "cashier: " + word);
      try {
        if (word === "inactive") { await sheet([["p", "bad", text("inactive_said")]], [["close", text("close")]]); return { word: "fail", detail: "用户未激活医保电子凭证" }; }
        if (word === "cancel") { await post("cashier/cancel", call); return { word: "cancel" }; }
        if (word === "wrong") { await post("cashier/wrong-password", call); said = [["p", "bad", text("wrong_said")]]; continue; }
        await post("cashier/pay", call);
      } catch (e) {
        said = [["p", "bad", e.message]];
        continue;
      }
      if (word === "lost") { await network(true); return { word: "gone" }; }
      // WeChat tells the page only once the payer has seen this.
      const end = await sheet([["h2", "", text("paid")], ["p", "sum", yuan(bill.amount)]], [["done", text("done"), true], ["leave", text("leave")]]);
      return { word: end === "done" ? "ok" : "gone", bill };
    }
  }

  // ---- frames: H5 pages by way of the proxies

  const where = { official: "official_account", miniprogram: "mini_program", browser: "browser" };

  // local is an address as the frame reaches it, or "" where no site is there.
  function local(url, place) {
    let to;
    try { to = new URL(url); } catch { return ""; }
    const site = state.sites.find((s) => [s.origin, s[where[place]]].includes(to.origin));
    return site ? site[where[place]] + to.pathname + to.search + to.hash : "";
  }

  // published is the opposite: a frame's address as everybody else knows it.
  function published(url) {
    let from;
    try { from = new URL(url); } catch { return ""; }
    const site = state.sites.find((s) => [s.official_account, s.mini_program].includes(from.origin));
    return site ? site.origin + from.pathname + from.search : "";
  }

  const frames = new Map(); // window → what it is

  function frame(url, about) {
    const e = document.createElement("iframe");
    e.name = about.place === "browser" || about.place === "receipt" ? "" : ["wxphone", about.place, about.appId, settings.platform, settings.old ? "old" : "new"].join("|");
    e.title = text("phone");
    e.src = url;
    e.addEventListener("load", () => { frames.set(e.contentWindow, { ...about, element: e }); });
    // The window is there once the frame is in the page.
    Promise.resolve().then(() => { if (e.contentWindow) frames.set(e.contentWindow, { ...about, element: e }); });
    return e;
  }

  const origins = new Set([location.origin, ...state.sites.flatMap((s) => [s.official_account, s.mini_program])]);

  window.addEventListener("message", async (e) => {
    const about = frames.get(e.source);
    if (about && about.said && origins.has(e.origin) && typeof e.data === "string") {
      try { about.said(JSON.parse(e.data)); } catch { log("warn", "receipt: " + e.data); }
      return;
    }
    if (!about || !origins.has(e.origin) || !e.data || e.data.wxphone !== "invoke") return;
    const { id, name, params } = e.data;
    log("info", `${about.place}: ${name} ${params.name || ""} ${(params.arg && params.arg.url) || ""}`.trim());
    const answer = await invoked(about, name, params);
    if (id && answer) e.source.postMessage({ wxphone: "answer", id, answer }, e.origin);
  });

  const insurance = "requestMedicalInsurancePay";

  // knows tells whether this WeChat has a call for a page. Medical insurance came with 8.0.44.
  const knows = (about, api) => about.place === "official" && (api === "getBrandWCPayRequest" || api === insurance && !settings.old);

  // verify is wx.config: the page's address, as the public has it, is what was signed.
  async function verify(about, params) {
    try {
      await post("check-page", { app_id: params.verifyAppId || "", timestamp: params.verifyTimestamp || "", nonce_str: params.verifyNonceStr || "",
        signature: params.verifySignature || "", url: published(params.wxphoneURL || "") });
      about.mayCall = params.verifyJsApiList || [];
      return { errMsg: "preVerifyJSAPI:ok" };
    } catch (e) {
      return { errMsg: "preVerifyJSAPI:fail " + e.message };
    }
  }

  // invoked plays WeixinJSBridge.invoke.
  async function invoked(about, name, params) {
    if (name === "authorize") return authorize(about, new URLSearchParams(params.search));
    if (name === "closeWindow") { shut(); return { err_msg: "closeWindow:ok" }; }
    if (name === "checkJsApi") return { errMsg: "checkJsApi:ok", checkResult: Object.fromEntries((params.jsApiList || []).map((api) => [api, knows(about, api)])) };
    if (name === "preVerifyJSAPI") return verify(about, params);
    if (about.place === "miniprogram" && name === "invokeMiniProgramAPI") {
      const errMsg = await program.fromWebView(about.page, params.name, params.arg);
      log(errMsg.endsWith(":ok") ? "info" : "warn", errMsg);
      return { errMsg: errMsg.replace(/^\w+:/, "invokeMiniProgramAPI:") };
    }
    if (knows(about, name) && name === insurance) {
      if (!(about.mayCall || []).includes(name)) return { err_msg: name + ":fail the permission value is offline verifying" };
      const { timeStamp, nonceStr, signType, paySign, mixTradeNo } = params;
      const { word, detail } = await cashier({ appId: params.appid, timeStamp, nonceStr, package: params.package, signType, paySign, mixTradeNo });
      log("info", `${name}:${word}`);
      return word === "gone" ? null : { err_msg: `${name}:${word === "ok" ? "ok" : "fail"}`, err_desc: detail || "" }; // a cancel has no word of its own
    }
    if (about.place === "official" && name === "getBrandWCPayRequest") {
      const { appId, timeStamp, nonceStr, signType, paySign } = params;
      const handOff = { appId, timeStamp, nonceStr, package: params.package, signType, paySign };
      const { word, bill } = await cashier(handOff);
      log("info", "get_brand_wcpay_request:" + word);
      if (word === "gone") return null;
      if (word === "ok" && await receipt(about, handOff, bill)) return null; // the page that called pay is no more
      return { err_msg: "get_brand_wcpay_request:" + word };
    }
    return { err_msg: name + ":fail system:function_not_exist" };
  }

  // ---- the gold plan: what comes after a payment to a partner's sub merchant

  const receiptPatience = 3000; // ms that WeChat waits for a page to say that it is ready

  // receipt closes the page and shows what the plan says; false: the plan says nothing of this merchant.
  async function receipt(about, handOff, bill) {
    const { plan, url } = await post("cashier/receipt", { person: person(), hand_off: handOff });
    if (!plan) return false;
    log("info", "gold plan: " + plan);
    shut();
    const screen = byId("screen");
    const own = (key) => {
      const e = document.createElement("div");
      e.className = "receipt";
      e.id = "receipt";
      for (const [tag, className, content] of [["h2", "", text(key)], ["p", "sum", yuan(bill.amount)], ["p", "", bill.merchant]]) {
        const line = document.createElement(tag);
        line.className = className;
        line.textContent = key === "closed_page" && tag === "p" ? "" : content;
        e.append(line);
      }
      screen.replaceChildren(e);
    };
    if (plan === "off") { own("closed_page"); return true; }
    byId("heading").textContent = text("receipt");
    const to = plan === "own" ? local(url, "official") : "";
    if (plan === "own" && !to) log("error", text("not_a_domain", { url }));
    if (!to) { own("paid"); return true; }
    let ready = false;
    const page = frame(to, { place: "receipt", appId: about.appId, said(message) {
      if (message.action === "onIframeReady") {
        ready = true;
        log("info", "receipt: " + message.displayStyle);
        if (message.displayStyle === "SHOW_OFFICIAL_PAGE") own("paid");
      } else if (message.action === "jumpOut") {
        const next = local(message.jumpOutUrl, "official");
        log(next ? "info" : "error", "receipt: jumpOut " + message.jumpOutUrl);
        if (next) { shut(); screen.append(frame(next, { place: "official", appId: about.appId })); }
      }
    } });
    screen.append(page);
    setTimeout(() => { if (!ready && page.isConnected) { log("error", text("receipt_late")); own("receipt_late"); } }, receiptPatience);
    return true;
  }

  async function authorize(about, query) {
    if (about.place !== "official") { log("warn", text("no_oauth")); await sheet([["p", "bad", text("no_oauth")]], [["close", text("close")]]); return null; }
    const scope = query.get("scope");
    if (scope === "snsapi_userinfo") {
      const account = state.official_accounts.find((a) => a.app_id === query.get("appid"));
      const word = await sheet([["p", "", text("ask_userinfo", { name: account ? account.name : query.get("appid") })], ["p", "", personName()]],
        [["allow", text("allow"), true], ["deny", text("deny")]]);
      if (word === "deny") { history.back(); return null; }
    }
    try {
      const { location: to } = await post("authorize", { app_id: query.get("appid") || "", person: person(), scope: scope || "",
        redirect_uri: query.get("redirect_uri") || "", state: query.get("state") || "" });
      about.element.src = to;
    } catch (e) {
      await sheet([["p", "bad", e.message]], [["close", text("close")]]);
    }
    return null;
  }

  // ---- the mini program

  let program = null;

  function host(appId) {
    const screen = byId("screen");
    return {
      mount(page) {
        byId("heading").textContent = page.window.navigationBarTitleText || "";
        log("info", "page: " + page.route);
        const v = view.createView(screen, page, (src, owner, events) => {
          const to = local(src || "", "miniprogram");
          if (to) return frame(to, { place: "miniprogram", appId, page: owner });
          const problem = document.createElement("p");
          problem.textContent = text("not_a_domain", { url: src });
          log("error", problem.textContent);
          if (events.error) owner.dispatch(events.error.handler, { type: "error", detail: { src } });
          return problem;
        }, log);
        return { ...v, show() { byId("heading").textContent = page.window.navigationBarTitleText || ""; v.show(); } };
      },
      async cashier({ api, params }) {
        log("info", "wx." + api);
        const { timeStamp, nonceStr, signType, paySign, mixTradeNo } = params;
        const told = await cashier({ appId, timeStamp, nonceStr, package: params.package, signType, paySign, mixTradeNo });
        log("info", `${api}: ${told.word}`);
        return told;
      },
      async confirm(question) {
        const lines = question.kind === "modal" ? [["h2", "", question.title], ["p", "", question.content]] : [["p", "", text("ask_miniprogram", { id: question.appId })]];
        const buttons = [["allow", text(question.kind === "modal" ? "ok" : "allow"), true]];
        if (question.showCancel !== false) buttons.push(["cancel", text("cancel")]);
        return (await sheet(lines, buttons)) === "allow";
      },
      async otherApp({ appId: id, path }) {
        if (id === state.insurance_app_id) { // 1.0: there one pays, or not, and comes back
          const { word } = await cashier({ appId, payUrl: path });
          log("info", `${id}: ${word}`);
          return {};
        }
        const word = await sheet([["h2", "", text("other_app", { id })], ["p", "", path]], [["finish", text("finish"), true], ["back", text("come_back")]]);
        return word === "finish" ? { finished: true } : {};
      },
      async loginCode() { return (await post("login", { app_id: appId, person: person() })).code; },
      async request(call) {
        log("info", `wx.request ${call.method} ${call.url}`);
        const answer = await post("request", call);
        log("info", `wx.request ${answer.statusCode}`);
        return answer;
      },
      toast(line) {
        byId("toast").textContent = line;
        setTimeout(() => { byId("toast").textContent = ""; }, 2000);
      },
      title(page, line) { page.window.navigationBarTitleText = line; byId("heading").textContent = line; },
      log,
    };
  }

  function shut() {
    if (program) program.close();
    program = null;
    frames.clear();
    byId("screen").replaceChildren();
    byId("heading").textContent = "";
    if (byId("sheet").open) { byId("sheet").close(); asking = Promise.resolve(); }
  }

  // changeHands makes the sites forget whom they knew, when somebody else holds the phone or a site is shown in another place.
  async function changeHands() {
    const hands = person() + "|" + byId("place").value;
    if (localStorage.getItem("wxphone_hands") === hands) return;
    await Promise.all(state.sites.flatMap((s) => Object.values(where).map((at) =>
      fetch(s[at] + "/.wxphone/forget", { mode: "no-cors", credentials: "include" }))));
    localStorage.setItem("wxphone_hands", hands);
  }

  async function open() {
    shut();
    await changeHands();
    const [place, appId] = byId("place").value.split("|");
    const address = byId("address").value.trim();
    if (place === "miniprogram") {
      program = core.createMiniProgram({ files: await read(`miniprogram/${appId}`), appId, host: host(appId), settings });
      await program.launch(address);
      return;
    }
    const account = state.official_accounts.find((a) => a.app_id === appId) || state.official_accounts[0];
    const url = address || (account && account.home) || (state.sites[0] && state.sites[0].origin + "/") || "";
    const to = local(url, place);
    if (!to) throw new Error(text("not_a_domain", { url }));
    byId("heading").textContent = account ? account.name : "";
    byId("screen").append(frame(to, { place, appId }));
  }

  const act = (f) => async () => { try { await f(); } catch (e) { log("error", e.message); } };
  byId("open").addEventListener("click", act(open));
  byId("shut").addEventListener("click", act(shut));
  byId("offline").addEventListener("change", act(() => network(byId("offline").checked)));
  byId("back").addEventListener("click", act(async () => {
    if (!program) return history.back(); // the frame's history is the page's
    const word = await program.back();
    if (word !== "ok") shut();
  }));
  for (const b of document.querySelectorAll("[data-language]")) {
    b.addEventListener("click", () => {
      language = b.dataset.language;
      localStorage.setItem("wxphone_language", language);
      translate();
    });
  }
  translate();
  byId("offline").checked = state.offline;
  if (state.persons.length === 0) log("error", text("nobody"));
  document.body.dataset.ready = "yes";
})();

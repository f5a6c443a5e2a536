// What the checkout's pages do beyond being read: pay, wait for the result, copy a link. The server decides all that counts;
// nothing here is proof of anything.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const words = JSON.parse(byId("words").textContent);
  const note = (text) => { if (byId("note")) byId("note").textContent = text || ""; };
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  async function call(address, body) {
    const options = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
    const answer = await fetch(address, { cache: "no-store", credentials: "same-origin", ...options });
    const said = await answer.json().catch(() => ({}));
    return { status: answer.status, retry: Number(answer.headers.get("Retry-After")) || 2, ...said };
  }

  // ---- pay

  const button = byId("pay");
  let busy = false;

  function free(text) {
    busy = false;
    button.disabled = false;
    note(text);
  }

  // handOff asks the gateway for what the cashier needs. While the provider has not answered, it asks again.
  async function handOff(place) {
    for (let tries = 0; ; tries++) {
      const made = await call(button.dataset.pay, { place, entry: button.dataset.entry, page: location.pathname + location.search });
      if (made.status !== 202 || tries >= 5) return made;
      note(made.message);
      await wait(1000 * made.retry);
    }
  }

  // settled leads to the result, which the server writes. Without a network this page says so and goes there later.
  async function settled(said) {
    const to = button.dataset.result + (said ? "?said=" + said : "");
    for (let tries = 0; ; tries++) {
      const known = await call(button.dataset.state).catch(() => null);
      if (known && known.status < 500) return location.replace(to);
      note(words.network);
      byId("later").hidden = false;
      if (tries >= 10) return undefined; // the link stays
      await Promise.race([wait(Math.min(1000 * 2 ** tries, 30000)), new Promise((done) => addEventListener("online", done, { once: true }))]);
    }
  }

  async function pay() {
    if (busy) return;
    busy = true;
    button.disabled = true;
    note(words.starting);
    let made;
    try {
      const place = await PayBridge.environment();
      if (place !== "official_account" && place !== "miniprogram") return free(words.wrong_place);
      made = await handOff(place);
    } catch (e) {
      return free(words.offline);
    }
    if (made.status === 401) return location.reload(); // the server leads to where one signs in
    if (/^order_/.test(made.code || "")) return location.replace(button.dataset.result);
    if (made.go_to) { // the app's own page leads back here
      note(words.to_app);
      return location.assign(made.go_to);
    }
    if (!made.hand_off) return free(made.message || words.failed);
    const ask = async () => {
      const now = await call(button.dataset.state);
      return now.told ? now.state : undefined; // what the provider has not said is not known
    };
    byId("later").hidden = false;
    try {
      const { said } = await PayBridge.pay(made.hand_off, { ask, config: made.config, patience: 6000 }); // the result page waits longer, and says so
      await settled(said);
    } catch (e) {
      free(words[e.code] || words.failed);
    }
  }

  if (button) {
    byId("scripts").hidden = true;
    button.hidden = false;
    button.addEventListener("click", pay);
  }

  // ---- wait

  const waiting = byId("waits");
  const patience = 45000;
  let looking = false;

  async function look() {
    if (looking) return;
    looking = true;
    const began = Date.now();
    for (let n = 1; Date.now() - began < patience; n++) {
      await wait(Math.min(1000 * n, 5000));
      const now = await call(waiting.dataset.state + location.search).catch(() => ({}));
      if (now.stands && now.stands !== waiting.dataset.stands) return location.replace(location.pathname);
    }
    note(words.still_confirming);
    looking = false;
  }

  if (waiting) {
    look();
    document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
    addEventListener("online", look);
  }

  // A page that comes back as it was left may be older than the order.
  addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });

  // WeChat on HarmonyOS does not tell the server where a page is opened.
  if (document.body.dataset.place === "wechat") {
    PayBridge.environment().then((place) => {
      if (place === "miniprogram") location.replace(location.pathname + "?place=miniprogram");
    });
  }

  // ---- copy

  const copy = byId("copy");
  if (copy) {
    const link = byId("link");
    copy.hidden = false;
    link.addEventListener("focus", () => link.select());
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(link.value);
        note(words.copied);
      } catch (e) {
        link.focus();
        note(words.copy_failed);
      }
    });
  }
})();

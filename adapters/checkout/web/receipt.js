// The receipt in WeChat's frame: it says that it is ready, which WeChat waits 3 seconds for, looks again while the payment is
// being confirmed, and leads back to the merchant on the payer's tap.
"use strict";
(() => {
  const { payapp, style } = document.currentScript.dataset;
  const say = (message) => { if (parent !== window) parent.postMessage(JSON.stringify(message), payapp); };
  say({ action: "onIframeReady", displayStyle: style, height: 640 });

  const patience = 45000;
  async function look(waiting) {
    const began = Date.now();
    for (let n = 1; Date.now() - began < patience; n++) {
      await new Promise((done) => setTimeout(done, Math.min(1000 * n, 5000)));
      const answer = await fetch(waiting.dataset.state, { cache: "no-store", credentials: "omit" }).then((r) => r.json()).catch(() => ({}));
      if (answer.stands && answer.stands !== waiting.dataset.stands) return location.reload();
    }
    return undefined;
  }

  addEventListener("DOMContentLoaded", () => {
    const leave = document.getElementById("leave");
    if (leave) leave.addEventListener("click", () => say({ action: "jumpOut", jumpOutUrl: leave.dataset.to }));
    const waiting = document.getElementById("waits");
    if (waiting) look(waiting);
  });
})();

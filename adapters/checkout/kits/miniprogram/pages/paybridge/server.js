// The one call to the gateway: a ticket becomes a payment of the person who holds the phone.
const config = require("./config");
const texts = require("./texts");

// What the gateway refuses, as a text's key. A code that is not listed goes by its status.
const byCode = {
  previous_attempt_unresolved: "unresolved",
  order_paid: "settled",
  app_refused: "appRefused",
};

function keyOf(status, code) {
  if (byCode[code]) return byCode[code];
  if (status === 404 || status === 410) return "spent";
  if (status === 429) return "busy";
  if (status >= 500) return "unavailable";
  return "notPayable";
}

// Each try needs a code of its own: WeChat takes one once.
function login() {
  return new Promise((done, failed) => {
    wx.login({
      success: (answer) => (answer.code ? done(answer.code) : failed({ problem: "login", retry: true })),
      fail: () => failed({ problem: "login", retry: true }),
    });
  });
}

function post(path, data) {
  return new Promise((done, failed) => {
    wx.request({
      url: config.gateway + path,
      method: "POST",
      header: { "content-type": "application/json", "accept-language": texts.tag() },
      data,
      timeout: 20000,
      success: done,
      fail: () => failed({ problem: "network", retry: true }),
    });
  });
}

// secondsToWait reads Retry-After; header names come in any case.
function secondsToWait(headers) {
  for (const name of Object.keys(headers || {})) {
    if (name.toLowerCase() === "retry-after") return Math.min(Math.max(Number(headers[name]) || 2, 1), 10);
  }
  return 2;
}

// redeem gives {order, amount, description, handOff, returnUrl}; without a handOff there is nothing left to pay. It fails
// with {problem, retry, detail}: a text's key, whether another try may help, and the app's own words where it refused. 202 says that the provider has not answered yet;
// then it asks again by itself, as long as wanted() says so.
function redeem(ticket, wanted, triesLeft) {
  const left = triesLeft === undefined ? 5 : triesLeft;
  return login()
    .then((code) => post("/p/v1/tickets/redeem", { ticket, js_code: code }))
    .then((answer) => {
      const body = answer.data && typeof answer.data === "object" ? answer.data : {};
      if (answer.statusCode === 202 && left > 0) {
        return new Promise((done) => setTimeout(done, 1000 * secondsToWait(answer.header)))
          .then(() => (wanted() ? redeem(ticket, wanted, left - 1) : Promise.reject({ problem: "unresolved", retry: true })));
      }
      if (answer.statusCode === 200 || answer.statusCode === 201) {
        return {
          order: /^\d{32}$/.test(body.order) ? body.order : "",
          amount: body.amount,
          description: body.description || "",
          handOff: body.hand_off || null,
          returnUrl: body.return_url || "",
        };
      }
      const problem = answer.statusCode === 202 ? "unresolved" : keyOf(answer.statusCode, body.code);
      const detail = problem === "appRefused" && typeof body.detail === "string" ? body.detail.slice(0, 200) : "";
      return Promise.reject({ problem, detail, retry: ["unresolved", "busy", "unavailable"].indexOf(problem) >= 0 });
    });
}

module.exports = { redeem };

// Where a payer may be sent back to: config.js alone decides.
const config = require("./config");

// origin is scheme://host[:port] of a plain address, or "": no user name in front of the host, no backslash, ASCII only.
// http is for a gateway on the developer's own machine.
function origin(url) {
  if (typeof url !== "string" || !/^[\x21-\x7e]+$/.test(url)) return "";
  const parts = /^(https:\/\/[a-z0-9.-]+(?::\d{1,5})?|http:\/\/(?:localhost|127\.0\.0\.1)(?::\d{1,5})?)(?:[/?#]|$)/.exec(url);
  return parts ? parts[1] : "";
}

const allowed = (url) => origin(url) !== "" && config.returnOrigins.indexOf(origin(url)) >= 0;

// The gateway may say to which page an order returns. That address is kept here, since a page's own parameters carry only
// a number: what anyone may type into a link must not choose an address.
const kept = {};

function keep(number, url) {
  if (number && allowed(url)) kept[number] = url;
}

// resultOf is the H5 page that shows what became of an order. It is not kept for a second look: it may be good only once.
function resultOf(number) {
  if (!number) return config.home;
  const url = kept[number] || config.result.replace("{number}", number);
  delete kept[number];
  return allowed(url) ? url : config.home;
}

module.exports = { origin, allowed, keep, resultOf };

// What a page is opened with. WeChat gives the query's values as they stand in the address on devices, and decoded in its
// developer tools; so whether a value is to be decoded is read off its letters, and it is decoded at most once.

// encodeURIComponent leaves only these letters. A value with others in it has been decoded already.
const encoded = /^(?:[A-Za-z0-9\-_.!~*'()]|%[0-9A-Fa-f]{2})*$/;

function decodeOnce(value) {
  if (typeof value !== "string") return "";
  if (value.indexOf("%") < 0 || !encoded.test(value)) return value;
  try {
    return decodeURIComponent(value);
  } catch (e) {
    return ""; // not UTF-8
  }
}

const patterns = {
  timeStamp: /^\d{1,12}$/,
  nonceStr: /^[A-Za-z0-9]{1,32}$/,
  package: /^prepay_id=[A-Za-z0-9_-]{1,100}$/,
  signType: /^RSA$/,
  paySign: /^[A-Za-z0-9+/]{40,1024}={0,2}$/, // base64: what was encoded twice still has a % here, and is refused
};

// read says what a page was opened for: {ticket}, {handOff}, or {problem}, the key of a text. number, the order's, comes with
// all of them where it was given.
function read(options) {
  const given = {};
  for (const name of Object.keys(options || {})) given[name] = decodeOnce(options[name]);
  const number = /^\d{32}$/.test(given.number) ? given.number : "";
  if (given.ticket !== undefined) {
    return /^[A-Za-z0-9_-]{16,128}$/.test(given.ticket) ? { ticket: given.ticket, number } : { problem: "badParameters", number };
  }
  switch (given.type) {
    case undefined:
      return { problem: "noParameters", number };
    case "1": {
      const params = {};
      for (const name of Object.keys(patterns)) {
        if (!patterns[name].test(given[name])) return { problem: "badParameters", number };
        params[name] = given[name];
      }
      return { handOff: { kind: "wechat_miniprogram", params }, number };
    }
    case "2":
      if (!/^wx[0-9a-z]{16}$/.test(given.appid) || !/^\/?[A-Za-z0-9_]/.test(given.payUrl) || /^[a-z]+:/i.test(given.payUrl)) {
        return { problem: "badParameters", number };
      }
      return { handOff: { kind: "miniprogram_redirect", params: { appId: given.appid, path: given.payUrl } }, number };
    default:
      return { problem: "unknownKind", number };
  }
}

module.exports = { decodeOnce, read };

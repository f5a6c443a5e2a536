// The page that shows your H5 site. Without parameters it opens the home page of config.js; with ?number=… that order's
// result. It takes no address from its parameters.
const params = require("./params");
const texts = require("./texts");
const where = require("./where");

Page({
  data: { url: "", problem: "" },

  onLoad(options) {
    const { number } = params.read(options);
    const url = where.resultOf(number);
    this.setData(where.allowed(url) ? { url } : { problem: texts.words().pageFailed });
  },

  failed() {
    this.setData({ url: "", problem: texts.words().pageFailed });
  },

  // Whoever opens a shared card is another person: it leads to the home page, never to an order.
  onShareAppMessage() {
    return { path: "/pages/paybridge/webview" };
  },
});

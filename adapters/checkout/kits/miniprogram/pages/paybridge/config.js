// All that is yours. These lists are constants of the mini program on purpose: no parameter, answer or page can widen them.
module.exports = {
  // The gateway's public address, without a slash at the end. Also a "request" domain in the mini program's settings.
  gateway: "https://pay.example.com",

  // What the web-view page opens: without parameters, and as the result of an order. {number} is the order's.
  home: "https://pay.example.com/checkout/orders",
  result: "https://pay.example.com/checkout/orders/{number}/result",

  // Where the pay page may send a payer back to, each as scheme://host[:port]. Also "business" domains of the mini program.
  returnOrigins: ["https://pay.example.com"],

  // The medical-insurance mini programs that a payment may lead to, by app id. None: that way is closed.
  insuranceAppIds: [],
};

// Every text of the pages, Chinese first.
const texts = {
  loading: ["正在准备支付…", "Getting the payment ready…"],
  amount: ["应付金额", "To pay"],
  pay: ["立即支付", "Pay"],
  again: ["重新支付", "Pay again"],
  retry: ["重试", "Try again"],
  back: ["查看订单", "See the order"],
  home: ["返回", "Go back"],
  insurance: ["前往医保支付", "Go to insurance pay"],
  paying: ["正在支付…", "Paying…"],
  confirming: ["正在确认支付结果…", "Asking what became of the payment…"],
  cancelled: ["您已取消支付，订单尚未支付", "You cancelled. The order is not paid yet"],
  failed: ["支付没有完成。如已扣款，请查看订单，切勿重复支付", "The payment did not finish. If you were charged, see the order and do not pay again"],
  noParameters: ["缺少支付参数，请从订单页面重新进入", "Nothing to pay was named. Open this page from your order"],
  badParameters: ["支付参数有误，请从订单页面重新进入", "The payment's parameters are wrong. Open this page from your order"],
  unknownKind: ["此版本不支持该支付方式，请更新后重试", "This version does not know that way to pay. Update it and try again"],
  oldWeChat: ["当前微信版本过低，请升级微信后重试", "This WeChat is too old for it. Update WeChat and try again"],
  spent: ["支付链接已失效，请返回订单查看", "This payment link has been used or is too old. See the order"],
  notPayable: ["该订单当前无法支付，请返回订单查看", "The order cannot be paid now. See the order"],
  appRefused: ["商家暂不接受这笔付款", "The merchant does not take this payment now"],
  unresolved: ["上一次支付仍在确认中，请稍后重试", "An earlier attempt is still being confirmed. Try again soon"],
  busy: ["请求过于频繁，请稍后重试", "Too many requests. Try again soon"],
  unavailable: ["支付服务暂时不可用，请稍后重试", "The payment service does not answer now. Try again soon"],
  network: ["网络连接失败，请检查网络后重试", "No network. Check the connection and try again"],
  login: ["微信登录失败，请重试", "WeChat's login failed. Try again"],
  notAllowed: ["该小程序不在允许列表中", "That mini program is not on this one's list"],
  pageFailed: ["页面加载失败", "The page did not load"],
};

function language() {
  const info = wx.getAppBaseInfo ? wx.getAppBaseInfo() : wx.getSystemInfoSync();
  return info && info.language === "en" ? 1 : 0; // WeChat's Chinese goes by several names, and Chinese is the default
}

// tag is the language for the gateway.
function tag() {
  return language() ? "en" : "zh-CN";
}

function words() {
  const chosen = {};
  const which = language();
  for (const key of Object.keys(texts)) chosen[key] = texts[key][which];
  return chosen;
}

module.exports = { words, tag };

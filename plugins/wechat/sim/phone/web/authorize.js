// Where an official account's page sends its payer to say who they are. In the phone, the phone knows who holds it.
(function () {
  "use strict";
  if (window.parent !== window && window.name.startsWith("wxphone|")) {
    window.parent.postMessage({ wxphone: "invoke", id: 0, name: "authorize", params: { search: location.search } }, location.origin);
  } else {
    document.getElementById("said").textContent = "请在微信客户端打开链接 · Open this link in the simulated phone";
  }
})();

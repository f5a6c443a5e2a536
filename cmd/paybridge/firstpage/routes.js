// The list of every paid payment and its refunds, with the way that each took: our own record beside WeChat's. Whoever pays
// on the phone or by curl appears here too; the list goes by the app's events.

const newestKept = 20;
const firstLook = 1000; // ms; between two looks while something moves
const calmLook = 3000;

// routes fills the table. The page lends what it has: api, control, text, make, chip, sum, act.
export function routes({ api, control, text, make, chip, sum, act }, section, body) {
  const payments = new Map(); // by number, the newest last: {payment, refunds by number, stale}
  let cursor = "";
  let wechat = { trades: [], refunds: [] };
  let shown = "";
  let timer;
  let reading = null;

  // read takes in what happened since the last look. Two looks never overlap: the second waits for the first.
  function read() {
    reading = (reading ?? Promise.resolve()).catch(() => {}).then(readOnce);
    return reading;
  }

  async function readOnce() {
    for (let more = true; more;) {
      const page = await api("GET", `/v1/events?limit=100${cursor && "&after=" + cursor}`);
      for (const { type, data } of page.events) {
        const number = data.payment?.number;
        if (type === "payment.succeeded" && !payments.has(number)) payments.set(number, { payment: null, refunds: new Map() });
        const known = payments.get(number);
        if (known) known.stale = true;
        if (known && data.refund && !known.refunds.has(data.refund.number)) known.refunds.set(data.refund.number, null);
      }
      cursor = page.next_after;
      more = page.events.length === 100;
    }
    for (const number of [...payments.keys()].slice(0, -newestKept)) payments.delete(number);
    const behind = [...payments].filter(([, known]) => moving(known));
    await Promise.all(behind.map(async ([number, known]) => {
      const [payment, ...refunds] = await Promise.all([
        api("GET", "/v1/payments/" + number), ...[...known.refunds.keys()].map((n) => api("GET", "/v1/refunds/" + n)),
      ]);
      known.payment = payment;
      for (const refund of refunds) known.refunds.set(refund.number, refund);
    }));
    if (behind.length > 0) wechat = await control("GET", "overview");
    for (const [, known] of behind) known.stale = false;
  }

  const moving = (known) => known.stale || [...known.refunds.values()].some((r) => !r || r.state === "created" || r.state === "processing");

  const ours = (payment) => ({
    plugin: payment.provider, account: payment.account, mchid: payment.mchid, appid: payment.appid, trade: payment.provider_id ?? "",
  });

  // wayBack is how a refund went, from WeChat's record of it; null before it went out, undefined where the channel is not WeChat.
  function wayBack(payment, refund) {
    if (!(wechat.trades ?? []).some((t) => t.out_trade_no === payment.number && t.mchid === payment.mchid)) return undefined;
    const sent = (wechat.refunds ?? []).find((r) => r.out_refund_no === refund.number);
    if (!sent) return null;
    const [, plugin, account] = /\/notify\/([^/]+)\/([^/]+)$/.exec(sent.notify_url) ?? [];
    const taken = wechat.trades.find((t) => t.transaction_id === sent.transaction_id);
    return { plugin, account, mchid: sent.mchid, appid: taken?.appid, trade: sent.transaction_id };
  }

  function line(what, record, at, mark) {
    const row = make("tr", what);
    const head = make("th");
    head.scope = "row";
    head.append(text("kind_" + what), " ", chip(record.state), " ", make("span", "amount", record.amount ? sum(record.amount) : ""));
    if (what === "payment") head.append(make("span", "entry dim", record.entry));
    row.append(head);
    for (const parts of [["plugin", "account"], ["mchid", "appid"], ["trade"]]) {
      const cell = make("td");
      for (const part of parts) {
        const value = make("code", "", at?.[part] || "–");
        value.dataset.part = part;
        cell.append(value);
      }
      row.append(cell);
    }
    const last = make("td");
    if (mark) last.append(mark);
    row.append(last);
    return row;
  }

  function refundButton(payment, left) {
    const button = make("button", "", text("route_refund", { amount: sum(left) }));
    button.type = "button";
    button.addEventListener("click", () => act(button, async () => {
      await api("POST", `/v1/payments/${payment.number}/refunds`, { reference: `first-page-${Date.now().toString(36)}`, amount: left })
        .then((refund) => payments.get(payment.number)?.refunds.set(refund.number, refund));
      await read();
      show();
    }));
    return button;
  }

  function show() {
    const list = [...payments.values()].filter((p) => p.payment).reverse();
    const signature = document.documentElement.lang + JSON.stringify([list.map((p) => [p.payment, ...p.refunds]), wechat.refunds]);
    section.hidden = list.length === 0;
    if (signature === shown) return; // what a visitor selects or is about to press stays
    shown = signature;
    body.replaceChildren(...list.flatMap(({ payment, refunds }) => {
      const made = [...refunds.values()].filter(Boolean);
      const left = payment.amount - made.filter((r) => r.state !== "failed" && r.state !== "closed").reduce((t, r) => t + (r.amount ?? 0), 0);
      const simple = payment.legs.every((leg) => leg.kind === "self"); // the insurance bureau's part is not ours to give back
      const way = ours(payment);
      return [
        line("payment", payment, way, simple && left > 0 ? refundButton(payment, left) : null),
        ...made.map((refund) => {
          const back = wayBack(payment, refund);
          const same = back && Object.keys(way).every((part) => way[part] === back[part]);
          const mark = back && make("span", same ? "same" : "other", text(same ? "route_same" : "route_other"));
          return line("refund", refund, back === undefined ? way : back, mark);
        }),
      ];
    }));
  }

  async function look() {
    clearTimeout(timer);
    try {
      if (!document.hidden) await read();
      show();
    } catch {
      // The gateway or the simulator is away; the walk above says so, and the next look tries again.
    }
    clearTimeout(timer);
    timer = setTimeout(look, [...payments.values()].some(moving) ? firstLook : calmLook);
  }
  look();
  return { show };
}

package sim_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

func TestWeixinShipping(t *testing.T) {
	t.Parallel()
	s := sim.New(t)
	if err := s.SetSpeed(0); err != nil {
		t.Fatal(err)
	}
	const mchID = "1900000003"
	payer, ok := s.OpenID(miniM, "alice")
	if !ok {
		t.Fatal("the mini program does not know alice")
	}
	c := newClient(t, s, mchID)
	open := func(number string) {
		t.Helper()
		r := c.must("POST", "/v3/pay/transactions/jsapi", fmt.Sprintf(`{"appid":%q,"mchid":%q,"description":"x","out_trade_no":%q,"notify_url":"https://pay.example/notify","amount":{"total":100},"payer":{"openid":%q}}`,
			miniM, mchID, number, payer))
		if r.status != 200 {
			t.Fatalf("prepay: %d %s", r.status, r.body)
		}
	}
	pay := func(number string) string {
		t.Helper()
		open(number)
		trade, err := s.Pay(sim.Pay{OutTradeNo: number, MchID: mchID})
		if err != nil {
			t.Fatal(err)
		}
		return trade.TransactionID
	}
	token := func(appID string) string {
		return askWeixin(t, s, "/cgi-bin/stable_token", nil, fmt.Sprintf(`{"grant_type":"client_credential","appid":%q,"secret":%q}`, appID, sim.AppSecret(appID))).AccessToken
	}
	paid, back := pay("SHIPPING01"), pay("SHIPPING02")
	if r := c.must("POST", "/v3/refund/domestic/refunds", fmt.Sprintf(`{"transaction_id":%q,"out_refund_no":"SHIPBACK02","amount":{"refund":100,"total":100,"currency":"CNY"}}`, back)); r.status != 200 {
		t.Fatalf("refund: %s", r.body)
	}
	if err := s.SettleRefund(mchID, "SHIPBACK02", sim.RefundSuccess); err != nil {
		t.Fatal(err)
	}
	good := fmt.Sprintf(`{"order_key":{"order_number_type":2,"transaction_id":%q},"logistics_type":3,"delivery_mode":1,"shipping_list":[{"item_desc":"门诊缴费"}],"upload_time":"2026-03-01T12:00:00.007+08:00","payer":{"openid":%q}}`, paid, payer)
	with := func(old, with string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in %s", old, good)
		}
		return strings.Replace(good, old, with, 1)
	}
	mini := token(miniM)
	later := with("12:00:00.007", "12:00:01.000")
	for _, row := range []struct {
		name, token, body string
		want              int
	}{
		{"no token", "", good, 40001},
		{"another app's token", token(accountA), good, 10060001},
		{"no JSON", mini, "{", 47001},
		{"without milliseconds", mini, with("00.007", "00"), 268485216},
		{"another kind of number", mini, with(`type":2`, `type":1`), 10060014},
		{"in parts", mini, with(`mode":1`, `mode":2`), 10060014},
		{"no such method", mini, with(`logistics_type":3`, `logistics_type":5`), 10060005},
		{"no item", mini, with("门诊缴费", ""), 10060008},
		{"a long item", mini, with("门诊缴费", strings.Repeat("药", 121)), 10060009},
		{"a carrier without a number", mini, with(`logistics_type":3`, `logistics_type":1`), 10060014},
		{"nobody's trade", mini, with(paid, "4200"), 10060001},
		{"another payer", mini, with(payer, "oM1-bob"), 10060031},
		{"refunded", mini, with(paid, back), 10060004},
		{"right", mini, good, 0},
		{"the same again", mini, good, 10060023},
		{"a correction with the same time", mini, with("门诊缴费", "药"), 268485216},
		{"a correction", mini, strings.Replace(later, "门诊缴费", "药", 1), 0},
		{"another correction", mini, strings.Replace(later, "门诊缴费", "片", 1), 10060003},
	} {
		if got := askWeixin(t, s, "/wxa/sec/order/upload_shipping_info", url.Values{"access_token": {row.token}}, row.body); got.ErrCode != row.want {
			t.Errorf("%s: %d %s, want %d", row.name, got.ErrCode, got.ErrMsg, row.want)
		}
	}
	if trade, err := s.Trade(mchID, "SHIPPING01"); err != nil || trade.Shipping == nil || trade.Shipping.ItemDesc != "药" || trade.Shipping.Times != 2 {
		t.Errorf("the ledger has %+v, %v", trade.Shipping, err)
	}
	for transaction, want := range map[string][2]int{paid: {2, 2}, back: {5, 0}} {
		got := askWeixin(t, s, "/wxa/sec/order/get_order", url.Values{"access_token": {mini}}, fmt.Sprintf(`{"transaction_id":%q}`, transaction))
		if got.ErrCode != 0 || got.Order.State != want[0] || got.Order.Shipping.Finished != want[1] {
			t.Errorf("order %s is %+v, want %v", transaction, got, want)
		}
	}
	if got := askWeixin(t, s, "/wxa/sec/order/get_order", url.Values{"access_token": {mini}}, `{"transaction_id":"4200"}`); got.ErrCode != 10060001 {
		t.Errorf("nobody's order: %+v", got)
	}
}

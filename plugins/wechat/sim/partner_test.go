package sim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

const (
	partnerID         = "1900000100"
	partnerApp        = "wxp000000000000001"
	subOne            = "1900000101" // has the app subApp
	subApp            = "wxs000000000000001"
	subTwo            = "1900000102" // has none
	partnerPrepayPath = "/v3/pay/partner/transactions/jsapi"
)

func partnerNumberPath(number, subMchID string) string {
	return "/v3/pay/partner/transactions/out-trade-no/" + number + "?sp_mchid=" + partnerID + "&sub_mchid=" + subMchID
}

func partnerClosePath(number string) string {
	return "/v3/pay/partner/transactions/out-trade-no/" + number + "/close"
}

// openIDIn is the openid of the person of that name in an app.
func openIDIn(t testing.TB, s *sim.Simulator, appID, name string) string {
	t.Helper()
	for _, m := range s.Merchants() {
		apps := m.Apps
		for _, sub := range m.SubMerchants {
			apps = append(apps, sub.Apps...)
		}
		for _, a := range apps {
			for _, u := range a.Users {
				if a.AppID == appID && u.Name == name {
					return u.OpenID
				}
			}
		}
	}
	t.Fatalf("nobody is called %s in app %s", name, appID)
	return ""
}

// partnerOrder is a partner's prepay for the sub merchant, paid by alice through the partner's app.
func (c *client) partnerOrder(number, subMchID string, change ...func(map[string]any)) string {
	c.t.Helper()
	return encode(c.t, map[string]any{
		"sp_appid": partnerApp, "sp_mchid": partnerID, "sub_mchid": subMchID, "description": "门诊缴费", "out_trade_no": number,
		"notify_url": "http://127.0.0.1:1/notify", "amount": map[string]any{"total": 100, "currency": "CNY"},
		"payer": map[string]any{"sp_openid": openIDIn(c.t, c.s, partnerApp, "alice")},
	}, change)
}

// inSubApp names the payer by the sub merchant's own app instead.
func (c *client) inSubApp(body map[string]any) {
	body["sub_appid"] = subApp
	body["payer"] = map[string]any{"sub_openid": openIDIn(c.t, c.s, subApp, "alice")}
}

func (c *client) partnerPaid(number, subMchID string, change ...func(map[string]any)) {
	c.t.Helper()
	c.must(http.MethodPost, partnerPrepayPath, c.partnerOrder(number, subMchID, change...)).wants(c.t, "prepay "+number, 200, "prepay_id")
	if _, err := c.s.Pay(sim.Pay{OutTradeNo: number}); err != nil {
		c.t.Fatal(err)
	}
}

// TestPartnerBodies walks a partner's trade and refund through every answer and callback.
func TestPartnerBodies(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, partnerID)
	url, got := inbox(t, always(http.StatusNoContent))
	get := func(path string) string { return c.must(http.MethodGet, path, "").body }
	tell := set("notify_url", url)

	sameShape(t, "prepay.json", c.must(http.MethodPost, partnerPrepayPath, c.partnerOrder("SHAPE00001", subOne, c.inSubApp, tell)).body)
	sameShape(t, "partner-query-notpay.json", get(partnerNumberPath("SHAPE00001", subOne)))
	trade, err := s.Pay(sim.Pay{OutTradeNo: "SHAPE00001"})
	if err != nil {
		t.Fatal(err)
	}
	drain(t, s)
	sameShape(t, "partner-query-success.json", get(partnerNumberPath("SHAPE00001", subOne)))
	if byID := get("/v3/pay/partner/transactions/id/" + trade.TransactionID + "?sp_mchid=" + partnerID + "&sub_mchid=" + subOne); byID != get(partnerNumberPath("SHAPE00001", subOne)) {
		t.Errorf("by transaction id the trade is %s", byID)
	}
	<-got
	sameShape(t, "partner-plain-payment.json", plaintextOf(s, "TRANSACTION.SUCCESS"))
	sameShape(t, "refund-processing.json", c.must(http.MethodPost, refundPath, c.back("SHAPE00001", "R1", 10, set("sub_mchid", subOne), tell)).body)
	if err := s.SettleRefund(partnerID, "R1", sim.RefundSuccess); err != nil {
		t.Fatal(err)
	}
	drain(t, s)
	<-got
	sameShape(t, "refund-success.json", get(refundPath+"/R1?sub_mchid="+subOne))
	sameShape(t, "partner-plain-refund.json", plaintextOf(s, "REFUND.SUCCESS"))
	c.must(http.MethodPost, partnerPrepayPath, c.partnerOrder("SHAPE00002", subTwo))
	c.must(http.MethodPost, partnerClosePath("SHAPE00002"), `{"sp_mchid":"1900000100","sub_mchid":"1900000102"}`).wants(t, "close", 204, "")
	if closed := get(partnerNumberPath("SHAPE00002", subTwo)); !strings.Contains(closed, `"trade_state":"CLOSED"`) || strings.Contains(closed, "sub_appid") {
		t.Errorf("closed, without an app of the sub merchant's: %s", closed)
	}
	sameBytes(t, "param-missing.json", c.must(http.MethodPost, partnerPrepayPath, c.partnerOrder("SHAPE00003", subOne, set("sub_mchid", nil))).body)
	sameBytes(t, "no-relation.json", c.must(http.MethodPost, partnerPrepayPath, c.partnerOrder("SHAPE00003", "1900000199")).body)
	sameBytes(t, "partner-openid.json", c.must(http.MethodPost, partnerPrepayPath,
		c.partnerOrder("SHAPE00003", subOne, set("payer/sp_openid", openIDIn(t, s, subApp, "alice")))).body)
}

// TestPartnerRefusals: who may be whom in a partner's trade.
func TestPartnerRefusals(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, partnerID)
	bob := openIDIn(t, s, subApp, "bob")
	for _, r := range []struct {
		name   string
		sub    string
		change func(map[string]any)
		status int
		says   string
	}{
		{"a sub merchant of nobody", "1900000199", set("attach", "a"), 403, "受理关系不存在"},
		{"another merchant's mchid", "1900000001", set("attach", "a"), 403, "受理关系不存在"},
		{"another signer in the body", subOne, set("sp_mchid", "1900000001"), 400, "http header中的mchid"},
		{"an app that is not the partner's", subOne, set("sp_appid", "wxa000000000000001"), 400, "APPID_MCHID_NOT_MATCH"},
		{"the sub merchant's app as the partner's", subOne, set("sp_appid", subApp), 400, "APPID_MCHID_NOT_MATCH"},
		{"an app that is not the sub merchant's", subTwo, set("sub_appid", subApp), 400, "APPID_MCHID_NOT_MATCH"},
		{"no payer at all", subOne, set("payer", map[string]any{}), 400, "/body/payer/sp_openid"},
		{"sub_openid without sub_appid", subOne, set("payer", map[string]any{"sub_openid": bob}), 400, "/body/sub_appid"},
		{"sub_openid of the partner's app", subOne, func(b map[string]any) {
			b["sub_appid"], b["payer"] = subApp, map[string]any{"sub_openid": openIDIn(t, s, partnerApp, "bob")}
		}, 400, "appid和openid不匹配"},
		{"sp_openid of a direct merchant's app", subOne, set("payer/sp_openid", openIDIn(t, s, "wxa000000000000001", "bob")), 400, "appid和openid不匹配"},
		{"a direct merchant's field", subOne, set("mchid", partnerID), 400, "/body/mchid"},
	} {
		t.Run(r.name, func(t *testing.T) {
			c.must(http.MethodPost, partnerPrepayPath, c.partnerOrder("REFUSED001", r.sub, r.change)).wants(t, "prepay", r.status, r.says)
		})
	}
	if n := len(s.Ledger().Trades); n != 0 {
		t.Errorf("%d trades came of refused requests", n)
	}
}

// TestPartnerAndDirectAreApart: a partner takes no money itself, a direct merchant has no sub merchants, and a
// trade is found only with the sub merchant it is for.
func TestPartnerAndDirectAreApart(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c, d := newClient(t, s, partnerID), newClient(t, s, "1900000001")
	c.partnerPaid("APART00001", subOne)
	d.paid("APART00002")
	c.must(http.MethodPost, prepayPath, c.order("APART00003")).wants(t, "a partner's direct prepay", 403, "NO_AUTH")
	for _, r := range []struct {
		name               string
		c                  *client
		method, path, body string
		status             int
		says               string
	}{
		{"the direct path", c, "GET", numberPath("APART00001", partnerID), "", 404, "ORDER_NOT_EXIST"},
		{"another sub merchant", c, "GET", partnerNumberPath("APART00001", subTwo), "", 404, "ORDER_NOT_EXIST"},
		{"nobody's sub merchant", c, "GET", partnerNumberPath("APART00001", "1900000199"), "", 403, "受理关系不存在"},
		{"no sub_mchid", c, "GET", "/v3/pay/partner/transactions/out-trade-no/APART00001?sp_mchid=" + partnerID, "", 400, "/query/sub_mchid"},
		{"no sp_mchid", c, "GET", "/v3/pay/partner/transactions/out-trade-no/APART00001?sub_mchid=" + subOne, "", 400, "/query/sp_mchid"},
		{"closed for another", c, "POST", partnerClosePath("APART00001"), `{"sp_mchid":"1900000100","sub_mchid":"1900000102"}`, 404, "ORDER_NOT_EXIST"},
		{"closed when paid", c, "POST", partnerClosePath("APART00001"), `{"sp_mchid":"1900000100","sub_mchid":"1900000101"}`, 400, "ORDER_PAID"},
		{"refunded without sub_mchid", c, "POST", refundPath, c.back("APART00001", "R1", 10), 400, "/body/sub_mchid"},
		{"refunded for another", c, "POST", refundPath, c.back("APART00001", "R1", 10, set("sub_mchid", subTwo)), 404, "原订单不存在"},
		{"refunded for nobody's", c, "POST", refundPath, c.back("APART00001", "R1", 10, set("sub_mchid", "1900000199")), 403, "受理关系不存在"},
		{"a direct refund with sub_mchid", d, "POST", refundPath, d.back("APART00002", "R1", 10, set("sub_mchid", subOne)), 403, "受理关系不存在"},
		{"refunded", c, "POST", refundPath, c.back("APART00001", "R1", 10, set("sub_mchid", subOne)), 200, "PROCESSING"},
		{"the refund of another", c, "GET", refundPath + "/R1?sub_mchid=" + subTwo, "", 404, "退款单不存在"},
		{"the refund of nobody", c, "GET", refundPath + "/R1", "", 400, "/query/sub_mchid"},
		{"the number for another sub merchant", c, "POST", partnerPrepayPath, c.partnerOrder("APART00001", subTwo), 400, "请求重入时"},
	} {
		t.Run(r.name, func(t *testing.T) {
			r.c.must(r.method, r.path, r.body).wants(t, r.name, r.status, r.says)
		})
	}
}

// TestPartnerHandOff: the pay signature is the partner's, over the app whose page calls pay; either openid of the
// person pays.
func TestPartnerHandOff(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, partnerID)
	for i, r := range []struct {
		name   string
		change func(map[string]any)
		signed string // over this app id
		opens  bool
	}{
		{"sp_openid, the partner's app", set("attach", ""), partnerApp, true},
		{"sp_openid, the sub merchant's app", set("attach", ""), subApp, false},
		{"sp_openid with a sub_appid beside", set("sub_appid", subApp), partnerApp, true},
		{"sub_openid, the sub merchant's app", c.inSubApp, subApp, true},
		{"sub_openid, the partner's app", c.inSubApp, partnerApp, false},
	} {
		number := fmt.Sprintf("HANDOFF%03d", i)
		got := c.must(http.MethodPost, partnerPrepayPath, c.partnerOrder(number, subOne, r.change))
		_, after, _ := strings.Cut(got.body, `"prepay_id":"`)
		id, _, _ := strings.Cut(after, `"`)
		if err := s.VerifyHandOff(c.handOff(r.signed, id)); (err == nil) != r.opens {
			t.Errorf("%s: %v", r.name, err)
		}
		if r.opens {
			if _, err := s.Pay(sim.Pay{PrepayID: id, OpenID: openIDIn(t, s, r.signed, "bob")}); err == nil {
				t.Errorf("%s: bob pays what is for alice", r.name)
			}
			if _, err := s.Pay(sim.Pay{PrepayID: id, OpenID: openIDIn(t, s, r.signed, "alice")}); err != nil {
				t.Errorf("%s: alice: %v", r.name, err)
			}
		}
	}
}

// TestSubMerchantsComeWhileItRuns: hundreds of them, each paying and refunding by its own number at once.
func TestSubMerchantsComeWhileItRuns(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, partnerID)
	const many = 60
	done := make(chan error, many)
	for i := range many {
		go func() {
			sub := fmt.Sprintf("19000003%02d", i)
			if err := s.AddSubMerchant(partnerID, sim.SeedSubMerchant{MchID: sub, Name: "Clinic"}); err != nil {
				done <- err
				return
			}
			got, err := c.try(http.MethodPost, partnerPrepayPath, c.partnerOrder("MANY0000"+sub, sub))
			if err == nil && got.status != http.StatusOK {
				err = fmt.Errorf("%s: %s", sub, got.body)
			}
			done <- err
		}()
	}
	for range many {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := len(s.Merchant(partnerID).SubMerchants); n != many+2 {
		t.Errorf("%d sub merchants", n)
	}
	for _, r := range []struct {
		partner string
		sub     sim.SeedSubMerchant
		says    string
	}{
		{"1900000099", sim.SeedSubMerchant{MchID: "1900000400"}, "no merchant 1900000099"},
		{"1900000001", sim.SeedSubMerchant{MchID: "1900000400"}, "is no partner"},
		{partnerID, sim.SeedSubMerchant{MchID: "19"}, "8 to 10 digits"},
		{partnerID, sim.SeedSubMerchant{MchID: subOne}, "already"},
		{partnerID, sim.SeedSubMerchant{MchID: "1900000400", AppIDs: []string{"wx0"}}, "no app wx0"},
	} {
		if err := s.AddSubMerchant(r.partner, r.sub); err == nil || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%+v: %v, want %s", r, err, r.says)
		}
	}
}

package sim_test

import (
	"crypto/md5" // WeChat's digest of identity numbers
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// medIns is the printed order, made payable here: ids, persons and the bureau's numbers are the simulator's.
func (c *client) medIns(number string) map[string]any {
	c.t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(fixture(c.t, "med-ins-request.json")), &body); err != nil {
		c.t.Fatal(err)
	}
	const name, id = "测试甲", "440300190001011237"
	a, err := c.s.Authorize(sim.Authorization{Gov: 100000, Self: 45000, Other: 5000, Cash: 50000, Person: sim.MedPerson{Name: name, IDNumber: id}})
	if err != nil {
		c.t.Fatal(err)
	}
	sum := md5.Sum([]byte(id))
	app := c.m.Apps[0]
	body["appid"], body["openid"], body["out_trade_no"] = app.AppID, app.Users[0].OpenID, number
	body["prepay_id"] = c.prepaid(number, set("amount/total", 42000))
	body["pay_order_id"], body["pay_auth_no"] = a.PayOrderID, a.PayAuthNo
	key := c.s.PublicKey()
	body["payer"] = map[string]any{
		"name": encryptTo(c.t, key, name), "id_digest": encryptTo(c.t, key, hex.EncodeToString(sum[:])), "card_type": "ID_CARD",
	}
	return body
}

// TestMedInsOnTheWire holds an order of medical insurance, its answer, its query, its callback and the report of its refund against what
// WeChat's documents print: which fields, and in which order; persons in none of the answers.
func TestMedInsOnTheWire(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	order := c.medIns("202204022005169952975171534816")
	made := c.must(http.MethodPost, "/v3/med-ins/orders", encode(t, order, nil))
	if made.status != http.StatusOK {
		t.Fatalf("%d %s", made.status, made.body)
	}
	sameShape(t, "med-ins-created.json", made.body)
	var told struct {
		MixTradeNo string `json:"mix_trade_no"`
	}
	if err := json.Unmarshal([]byte(made.body), &told); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v3/med-ins/orders/mix-trade-no/" + told.MixTradeNo, "/v3/med-ins/orders/out-trade-no/202204022005169952975171534816"} {
		sameShape(t, "med-ins-created.json", c.must(http.MethodGet, path, "").body)
	}
	if _, err := s.PayMedIns(sim.MedInsPay{MixTradeNo: told.MixTradeNo}); err != nil {
		t.Fatal(err)
	}
	sameShape(t, "med-ins-paid.json", c.must(http.MethodGet, "/v3/med-ins/orders/mix-trade-no/"+told.MixTradeNo, "").body)
	for _, callback := range s.Ledger().Callbacks {
		if callback.EventType == "MEDICAL_INSURANCE.SUCCESS" {
			sameShape(t, "med-ins-paid.json", callback.Plaintext)
			sameShape(t, "envelope-med-ins.json", callback.Envelope)
		}
	}
	var refund map[string]any
	if err := json.Unmarshal([]byte(fixture(t, "med-ins-refund.json")), &refund); err != nil {
		t.Fatal(err)
	}
	delete(refund, "sub_mchid") // of partners alone
	report := func() reply {
		return c.must(http.MethodPost, "/v3/med-ins/refunds/notify?mix_trade_no="+told.MixTradeNo, encode(t, refund, nil))
	}
	if got := report(); got.status != http.StatusNoContent || got.body != "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	refund["med_refund_gov_fee"] = 44000 // the printed sample's parts do not add up
	if got := report(); got.status != http.StatusForbidden || !strings.Contains(got.body, `"RULE_LIMIT"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A refusal's cause stands at the end of Request-ID: what a person can do about it depends on that number.
func TestMedInsCauses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(map[string]any)
		code   string
		cause  string
	}{
		"the total":                     {set("total_fee", 202001), "PARAM_ERROR", "-268529477"},
		"the self-paid sum":             {set("wechat_pay_cash_fee", 41000), "PARAM_ERROR", "-2685294"},
		"the digest":                    {func(b map[string]any) { b["payer"].(map[string]any)["id_digest"] = b["payer"].(map[string]any)["name"] }, "PARAM_ERROR", "-268545961"},
		"an authorization that is none": {set("pay_auth_no", "AUTH0"), "INVALID_REQUEST", "-268545967"},
		"another's order":               {set("pay_order_id", "ORD0"), "INVALID_REQUEST", "-268547120"},
		"another settlement":            {func(b map[string]any) { b["med_ins_gov_fee"], b["med_ins_self_fee"] = 99000, 46000 }, "RULE_LIMIT", "-268510610"},
		"a field too many":              {set("mix_pay_type", "CASH_ONLY"), "PARAM_ERROR", "-268529474"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stopped(t)
			client := newClient(t, s, "1900000001")
			got := client.must(http.MethodPost, "/v3/med-ins/orders", encode(t, client.medIns("CAUSE00001"), []func(map[string]any){c.change}))
			if !strings.Contains(got.body, `"`+c.code+`"`) || !strings.Contains(got.header.Get("Request-ID"), c.cause) {
				t.Errorf("%d %s %s, want %s %s", got.status, got.header.Get("Request-ID"), got.body, c.code, c.cause)
			}
		})
	}
}

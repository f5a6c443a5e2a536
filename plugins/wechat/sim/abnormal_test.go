package sim_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// encryptTo is a sensitive field as a merchant sends it.
func encryptTo(t testing.TB, key *rsa.PublicKey, text string) string {
	t.Helper()
	raw, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// stuck makes a refund that has ended ABNORMAL and returns its refund_id.
func stuck(t testing.TB, c *client, trade, number string, change ...func(map[string]any)) string {
	t.Helper()
	if _, err := c.s.AddFault(sim.Fault{Kind: sim.RefundGoesBad, Number: number, Count: 1}); err != nil {
		t.Fatal(err)
	}
	c.must(http.MethodPost, refundPath, c.back(trade, number, 10, change...)).wants(t, "refund "+number, 200, "PROCESSING")
	advance(t, c.s, 3*time.Second)
	r, ok := c.s.Ledger().Refund(number)
	if !ok || r.Status != sim.RefundAbnormal {
		t.Fatalf("refund %s is %s", number, r.Status)
	}
	return r.RefundID
}

func abnormalPath(refundID string) string {
	return refundPath + "/" + refundID + "/apply-abnormal-refund"
}

// rerouted is the body that sends a refund to another card of the payer's.
func (c *client) rerouted(number string, change ...func(map[string]any)) string {
	c.t.Helper()
	return encode(c.t, map[string]any{
		"out_refund_no": number, "type": "USER_BANK_CARD", "bank_type": "CMB_DEBIT",
		"bank_account": encryptTo(c.t, c.s.PublicKey(), "6225880000004246"), "real_name": encryptTo(c.t, c.s.PublicKey(), "张三"),
	}, change)
}

// TestAbnormalRefund: it goes to another card, says so, is told, and asked for again says the same.
func TestAbnormalRefund(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	url, got := inbox(t, always(http.StatusNoContent))
	c.paid("ABNORMAL01")
	id := stuck(t, c, "ABNORMAL01", "A1", set("notify_url", url))
	if plain := openEnvelope(t, c, (<-got).body); plain["refund_status"] != "ABNORMAL" {
		t.Errorf("told %v", plain)
	}
	for range 2 {
		answer := c.must(http.MethodPost, abnormalPath(id), c.rerouted("A1"))
		answer.wants(t, "apply", 200, `"status":"PROCESSING"`)
		sameShape(t, "refund-rerouted.json", answer.body)
	}
	advance(t, s, 2*time.Second)
	plain := openEnvelope(t, c, (<-got).body)
	if plain["refund_status"] != "SUCCESS" || plain["user_received_account"] != "招商银行借记卡4246" {
		t.Errorf("told %v", plain)
	}
	c.must(http.MethodPost, abnormalPath(id), c.rerouted("A1")).wants(t, "after it ended", 200, `"status":"SUCCESS"`)
	for _, secret := range []string{"6225880000004246", "张三"} {
		for _, r := range s.Requests() {
			if strings.Contains(r.Body, secret) {
				t.Errorf("the ledger holds %s", secret)
			}
		}
	}
}

// TestAbnormalRefundEndsAgain: the new way may fail too, and the merchant's own account takes it then.
func TestAbnormalRefundEndsAgain(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.paid("ABNORMAL02")
	id := stuck(t, c, "ABNORMAL02", "A2")
	if err := s.SetFaults(sim.Fault{Kind: sim.RefundGoesBad, Number: "A2", Count: 1}); err != nil {
		t.Fatal(err)
	}
	c.must(http.MethodPost, abnormalPath(id), c.rerouted("A2")).wants(t, "apply", 200, "PROCESSING")
	advance(t, s, 3*time.Second)
	c.must(http.MethodGet, refundPath+"/A2", "").wants(t, "the other card is gone too", 200, "ABNORMAL")
	if err := s.SetFaults(sim.Fault{Kind: sim.RefundGoesBad, Number: "A2", Count: 1}); err != nil {
		t.Fatal(err)
	}
	c.must(http.MethodPost, abnormalPath(id), c.rerouted("A2")).wants(t, "the same card once more", 200, "PROCESSING")
	advance(t, s, 3*time.Second)
	c.must(http.MethodGet, refundPath+"/A2", "").wants(t, "in vain", 200, "ABNORMAL")
	c.must(http.MethodPost, abnormalPath(id), `{"out_refund_no":"A2","type":"MERCHANT_BANK_CARD"}`).wants(t, "to the merchant", 200, "商户结算银行账户")
	advance(t, s, 3*time.Second)
	c.must(http.MethodGet, refundPath+"/A2", "").wants(t, "at last", 200, `"status":"SUCCESS"`)
}

// TestAbnormalRefundIsRefused: what the documents ask for, and only for a refund that is ABNORMAL.
func TestAbnormalRefundIsRefused(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.paid("ABNORMAL03")
	id := stuck(t, c, "ABNORMAL03", "A3")
	c.paid("ABNORMAL04")
	c.must(http.MethodPost, refundPath, c.back("ABNORMAL04", "A4", 10)).wants(t, "refund", 200, "PROCESSING")
	under, _ := s.Ledger().Refund("A4")
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		name, id, body string
		status         int
		says           string
	}{
		{"not abnormal", under.RefundID, c.rerouted("A4"), 400, "不是退款异常"},
		{"another refund's id", under.RefundID, c.rerouted("A3"), 404, "退款单不存在"},
		{"an id of nobody's", "50300000000000000000000000000", c.rerouted("A3"), 404, "退款单不存在"},
		{"another type", id, c.rerouted("A3", set("type", "CASH")), 400, "/body/type"},
		{"no type", id, c.rerouted("A3", set("type", nil)), 400, "/body/type"},
		{"no card", id, c.rerouted("A3", set("bank_account", nil)), 400, "/body/bank_account"},
		{"no name", id, c.rerouted("A3", set("real_name", nil)), 400, "/body/real_name"},
		{"no bank", id, c.rerouted("A3", set("bank_type", nil)), 400, "/body/bank_type"},
		{"a credit card", id, c.rerouted("A3", set("bank_type", "CMB_CREDIT")), 400, "不支持的开户银行"},
		{"the card in plain", id, c.rerouted("A3", set("bank_account", "6225880000004246")), 400, "解密失败"},
		{"the name to another key", id, c.rerouted("A3", set("real_name", encryptTo(t, &stranger.PublicKey, "张三"))), 400, "解密失败"},
		{"half a card", id, c.rerouted("A3", set("bank_account", encryptTo(t, s.PublicKey(), "4246"))), 400, "收款银行卡号不正确"},
		{"a sub merchant of nobody's", id, c.rerouted("A3", set("sub_mchid", subOne)), 403, "受理关系不存在"},
	} {
		t.Run(r.name, func(t *testing.T) {
			c.must(http.MethodPost, abnormalPath(r.id), r.body).wants(t, r.name, r.status, r.says)
		})
	}
	nameless := *c
	nameless.expected = ""
	nameless.must(http.MethodPost, abnormalPath(id), c.rerouted("A3")).wants(t, "no key is named", 400, "Wechatpay-Serial错误")
	c.must(http.MethodGet, refundPath+"/A3", "").wants(t, "after all that", 200, "ABNORMAL")
}

// TestAbnormalRefundOfAPartner names the sub merchant like any other refund.
func TestAbnormalRefundOfAPartner(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, partnerID)
	c.partnerPaid("ABNORMAL05", subOne)
	id := stuck(t, c, "ABNORMAL05", "A5", set("sub_mchid", subOne))
	c.must(http.MethodPost, abnormalPath(id), c.rerouted("A5")).wants(t, "without sub_mchid", 400, "/body/sub_mchid")
	c.must(http.MethodPost, abnormalPath(id), c.rerouted("A5", set("sub_mchid", subTwo))).wants(t, "another's", 404, "退款单不存在")
	c.must(http.MethodPost, abnormalPath(id), c.rerouted("A5", set("sub_mchid", subOne))).wants(t, "its own", 200, "OTHER_BANKCARD")
}

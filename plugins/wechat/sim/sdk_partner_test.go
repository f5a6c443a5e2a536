package sim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/partnerpayments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// TestWechatpayGoAsAPartnerOverHTTPS takes WeChat's own Go SDK through a partner's payment and refund, over HTTPS
// with a client that trusts the local CA.
func TestWechatpayGoAsAPartnerOverHTTPS(t *testing.T) {
	t.Parallel()
	s := stopped(t, secured(""))
	m := s.Merchant(partnerID)
	to, err := url.Parse(s.BaseURL())
	if err != nil {
		t.Fatal(err)
	}
	over := trusting(t, s.CAPEM(), "api.mch.weixin.qq.com")
	over.Transport = redirectedOver{to, over.Transport}
	client, err := core.NewClient(t.Context(),
		option.WithWechatPayPublicKeyAuthCipher(m.MchID, m.Serial, m.PrivateKey, s.PublicKeyID(), s.PublicKey()),
		option.WithHTTPClient(over))
	if err != nil {
		t.Fatal(err)
	}
	pay := jsapi.JsapiApiService{Client: client}
	order := jsapi.PrepayRequest{
		SpAppid: core.String(partnerApp), SpMchid: core.String(partnerID), SubAppid: core.String(subApp), SubMchid: core.String(subOne),
		Description: core.String("门诊缴费"), OutTradeNo: core.String("SDKP000001"), NotifyUrl: core.String("http://127.0.0.1:1/notify"),
		Amount: &jsapi.Amount{Total: core.Int64(100), Currency: core.String("CNY")},
		Payer:  &jsapi.Payer{SubOpenid: core.String(openIDIn(t, s, subApp, "alice"))},
	}
	prepay, _, err := pay.PrepayWithRequestPayment(t.Context(), order, subApp)
	if err != nil {
		t.Fatal(err)
	}
	trade, err := s.Pay(sim.Pay{HandOff: &sim.HandOff{
		AppID: subApp, TimeStamp: *prepay.TimeStamp, NonceStr: *prepay.NonceStr,
		Package: *prepay.Package, SignType: *prepay.SignType, PaySign: *prepay.PaySign,
	}})
	if err != nil {
		t.Fatalf("the SDK's hand-off: %v", err)
	}
	paid, _, err := pay.QueryOrderByOutTradeNo(t.Context(), jsapi.QueryOrderByOutTradeNoRequest{
		OutTradeNo: order.OutTradeNo, SpMchid: order.SpMchid, SubMchid: order.SubMchid,
	})
	if err != nil || *paid.TradeState != "SUCCESS" || *paid.SubMchid != subOne || *paid.Payer.SubOpenid != *order.Payer.SubOpenid ||
		*paid.TransactionId != trade.TransactionID {
		t.Errorf("after it is paid: %v, %v", paid, err)
	}
	refunds := refunddomestic.RefundsApiService{Client: client}
	refund, _, err := refunds.Create(t.Context(), refunddomestic.CreateRequest{
		SubMchid: core.String(subOne), TransactionId: core.String(trade.TransactionID), OutRefundNo: core.String("SDKPR1"),
		Amount: &refunddomestic.AmountReq{Refund: core.Int64(30), Total: core.Int64(100), Currency: core.String("CNY")},
	})
	if err != nil || *refund.Status != refunddomestic.STATUS_PROCESSING {
		t.Errorf("refund %v, %v", refund, err)
	}
	result, err := client.Post(t.Context(), "https://api.mch.weixin.qq.com/v3/security/echo", map[string]string{"echo_message": "hello"})
	if err != nil {
		t.Fatal(err)
	}
	defer result.Response.Body.Close()
	var said map[string]string
	if err := json.NewDecoder(result.Response.Body).Decode(&said); err != nil || said["echo_message"] != "hello" {
		t.Errorf("the echo says %v, %v", said, err)
	}
}

// redirectedOver is redirected with a transport of its own.
type redirectedOver struct {
	to   *url.URL
	over http.RoundTripper
}

func (d redirectedOver) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = d.to.Scheme, d.to.Host
	return d.over.RoundTrip(r)
}

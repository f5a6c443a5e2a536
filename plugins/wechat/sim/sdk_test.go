package sim_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/downloader"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// redirected sends what is meant for WeChat's host to the simulator and changes nothing else.
type redirected struct{ to *url.URL }

func (d redirected) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = d.to.Scheme, d.to.Host
	return http.DefaultTransport.RoundTrip(r)
}

func hostOf(t *testing.T, s *sim.Simulator) *http.Client {
	t.Helper()
	to, err := url.Parse(s.BaseURL())
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: redirected{to}, Timeout: 10 * time.Second}
}

// TestWechatpayGoWorksUnchanged takes WeChat's own Go SDK through a payment and a refund: it verifies every
// answer, and its notify handler verifies and decrypts every callback.
func TestWechatpayGoWorksUnchanged(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	m := s.Merchant("1900000001")
	client, err := core.NewClient(t.Context(),
		option.WithWechatPayPublicKeyAuthCipher(m.MchID, m.Serial, m.PrivateKey, s.PublicKeyID(), s.PublicKey()),
		option.WithHTTPClient(hostOf(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	handler, err := notify.NewRSANotifyHandler(m.APIv3Key, verifiers.NewSHA256WithRSAPubkeyVerifier(s.PublicKeyID(), *s.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	type told struct {
		event string
		err   error
		plain map[string]any
	}
	callbacks := make(chan told, 4)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain := map[string]any{}
		n, err := handler.ParseNotifyRequest(r.Context(), r, &plain)
		if err != nil {
			callbacks <- told{err: err}
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		callbacks <- told{n.EventType, nil, plain}
	}))
	t.Cleanup(server.Close)

	pay := jsapi.JsapiApiService{Client: client}
	order := jsapi.PrepayRequest{
		Appid: core.String(m.Apps[0].AppID), Mchid: core.String(m.MchID), Description: core.String("门诊缴费"),
		OutTradeNo: core.String("SDK0000001"), NotifyUrl: core.String(server.URL), Attach: core.String("a&b<c>"),
		TimeExpire: core.Time(time.Now().Add(time.Hour)),
		Amount:     &jsapi.Amount{Total: core.Int64(100), Currency: core.String("CNY")},
		Payer:      &jsapi.Payer{Openid: core.String(m.Apps[0].Users[0].OpenID)},
	}
	prepay, _, err := pay.PrepayWithRequestPayment(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	query := func() *payments.Transaction {
		t.Helper()
		trade, _, err := pay.QueryOrderByOutTradeNo(t.Context(), jsapi.QueryOrderByOutTradeNoRequest{OutTradeNo: order.OutTradeNo, Mchid: order.Mchid})
		if err != nil {
			t.Fatal(err)
		}
		return trade
	}
	if state := *query().TradeState; state != "NOTPAY" {
		t.Errorf("before it is paid: %s", state)
	}
	trade, err := s.Pay(sim.Pay{HandOff: &sim.HandOff{
		AppID: *prepay.Appid, TimeStamp: *prepay.TimeStamp, NonceStr: *prepay.NonceStr,
		Package: *prepay.Package, SignType: *prepay.SignType, PaySign: *prepay.PaySign,
	}})
	if err != nil {
		t.Fatalf("the SDK's hand-off: %v", err)
	}
	drain(t, s)
	if c := <-callbacks; c.err != nil || c.event != "TRANSACTION.SUCCESS" || c.plain["attach"] != "a&b<c>" {
		t.Errorf("the payment's callback: %+v", c)
	}
	if paid := query(); *paid.TradeState != "SUCCESS" || *paid.TransactionId != trade.TransactionID || *paid.Amount.PayerTotal != 100 {
		t.Errorf("after it is paid: %v", paid)
	}

	refunds := refunddomestic.RefundsApiService{Client: client}
	refund, _, err := refunds.Create(t.Context(), refunddomestic.CreateRequest{
		TransactionId: core.String(trade.TransactionID), OutRefundNo: core.String("SDKR1"), NotifyUrl: core.String(server.URL),
		Amount: &refunddomestic.AmountReq{Refund: core.Int64(30), Total: core.Int64(100), Currency: core.String("CNY")},
	})
	if err != nil || *refund.Status != refunddomestic.STATUS_PROCESSING {
		t.Fatalf("refund %v, %v", refund, err)
	}
	advance(t, s, time.Minute)
	if c := <-callbacks; c.err != nil || c.event != "REFUND.SUCCESS" {
		t.Errorf("the refund's callback: %+v", c)
	}
	refund, _, err = refunds.QueryByOutRefundNo(t.Context(), refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: core.String("SDKR1")})
	if err != nil || *refund.Status != refunddomestic.STATUS_SUCCESS || refund.SuccessTime == nil {
		t.Errorf("the refund's query: %v, %v", refund, err)
	}

	order.OutTradeNo = core.String("SDK0000002")
	if _, _, err := pay.Prepay(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	if _, err := pay.CloseOrder(t.Context(), jsapi.CloseOrderRequest{OutTradeNo: order.OutTradeNo, Mchid: order.Mchid}); err != nil {
		t.Errorf("close: %v", err)
	}
	_, _, err = pay.Prepay(t.Context(), order)
	var refused *core.APIError
	if !errors.As(err, &refused) || refused.Code != "ORDER_CLOSED" || refused.StatusCode != http.StatusBadRequest {
		t.Errorf("prepay of the closed trade: %v", err)
	}
}

// TestWechatpayGoDownloadsCertificates: the older way, in which the SDK fetches the certificate by itself.
func TestWechatpayGoDownloadsCertificates(t *testing.T) {
	t.Parallel()
	seed := sim.DefaultSeed()
	seed.Merchants[0].KeyMode = sim.PlatformCertificate
	s := stopped(t, sim.WithSeed(seed))
	m := s.Merchant("1900000001")
	_, text := s.PlatformCertificate()
	block, _ := pem.Decode([]byte(text))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	client, err := core.NewClient(t.Context(),
		option.WithMerchantCredential(m.MchID, m.Serial, m.PrivateKey),
		option.WithWechatPayCertificate([]*x509.Certificate{cert}), option.WithHTTPClient(hostOf(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := downloader.NewCertificateDownloaderWithClient(t.Context(), client, m.APIv3Key)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := s.PlatformCertificate()
	if _, ok := d.Get(t.Context(), serial); !ok {
		t.Errorf("the SDK has not the certificate %s", serial)
	}
}

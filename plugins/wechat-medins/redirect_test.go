package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// token10 is the app's access token, as the host gets one.
func (w world) token10() sdk.AppAccessToken {
	w.t.Helper()
	body, _ := json.Marshal(map[string]any{"grant_type": "client_credential", "appid": app, "secret": sim.AppSecret(app)})
	got, err := http.Post(w.sim.BaseURL()+"/cgi-bin/stable_token", "application/json", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(got.Body).Decode(&token); err != nil || token.AccessToken == "" {
		w.t.Fatalf("no access token: %v", err)
	}
	return sdk.AppAccessToken{AppID: app, Token: token.AccessToken}
}

// redirecting is a world whose account has an APIv2 key.
func redirecting(t testing.TB, how wechat.V2SignType) world {
	t.Helper()
	w := newWorld(t)
	a := w.account(sdk.Mode{BaseURL: w.sim.BaseURL()})
	var c wechat.Config
	if err := json.Unmarshal(a.Config, &c); err != nil {
		t.Fatal(err)
	}
	c.APIv2Key, c.V2SignType = sim.APIv2Key(merchant), how
	a.Config, _ = json.Marshal(c)
	a.Generation = 2
	if _, err := w.Configure(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w world) call10() sdk.Call {
	c := call()
	c.Route.Options = []byte(`{"mode":"redirect","is_dept":"3"}`)
	c.AppAccessToken = w.token10()
	return c
}

// create10 is the payment of a bill by the insurance mini program.
func (w world) make10(n int, m sdk.Medical) sdk.Create {
	w.t.Helper()
	f, err := divide(m)
	if err != nil {
		w.t.Fatal(err)
	}
	m.SerialNo, m.OrderedAt = "S0001", w.sim.Now()
	r := sdk.Create{
		Call: w.call10(), Number: number(n), Amount: yuan(f.insured + f.cash), Description: "门诊缴费", Payer: sdk.Payer{Openid: w.openid(), ClientIP: "203.0.113.9"},
		TimeExpire: w.sim.Now().Add(2 * time.Hour), Details: sdk.Details{Medical: &m}, ReturnURL: "https://clinic.example.com/visits/7",
	}
	if f.cash > 0 {
		r.Legs = append(r.Legs, sdk.Leg{ID: "self", Kind: "self", Amount: yuan(f.cash)})
	}
	if f.insured > 0 {
		r.Legs = append(r.Legs, sdk.Leg{ID: "insurance", Kind: "insurance", Amount: yuan(f.insured)})
	}
	return r
}

func (w world) ask10(r sdk.Create) sdk.Result {
	return w.QueryPayment(w.t.Context(), sdk.Query{Call: w.call10(), Number: r.Number, Legs: r.Legs})
}

func TestABillIsPaidByRedirect(t *testing.T) {
	for _, how := range []wechat.V2SignType{"", wechat.V2HMACSHA256} {
		w := redirecting(t, how)
		r := w.make10(1, bill())
		made := w.CreatePayment(t.Context(), r)
		if made.Verdict != sdk.VerdictAccepted || made.HandOff == nil || made.HandOff.Kind != sdk.KindMiniProgramRedirect || made.NotPayableAfter.IsZero() {
			t.Fatalf("%s: %+v", how, made)
		}
		text, _ := json.Marshal(made.HandOff.Params)
		var to struct{ AppID, Path, EnvVersion string }
		if err := json.Unmarshal(text, &to); err != nil || to.AppID != sim.InsuranceAppID || !strings.HasPrefix(to.Path, "pages/") {
			t.Errorf("%s: the payer is sent to %s", how, text)
		}
		if again := w.CreatePayment(t.Context(), r); again.HandOff == nil || again.Payment.ProviderID != made.Payment.ProviderID {
			t.Errorf("%s: the same again: %+v", how, again)
		}
		other := r
		changed := bill()
		changed.SerialNo, changed.OrderedAt = "S0002", r.Details.Medical.OrderedAt
		other.Details.Medical = &changed
		if refused := w.CreatePayment(t.Context(), other); refused.Verdict != sdk.VerdictRejected || refused.Reason != sdk.Conflict {
			t.Errorf("%s: the same number with other content: %+v", how, refused)
		}
		if got := parts(w.ask10(r).Payment); got != parts(&sdk.PaymentFacts{State: sdk.PaymentPending, Legs: []sdk.LegFacts{
			{ID: "self", Amount: yuan(300), State: sdk.PaymentPending}, {ID: "insurance", Amount: yuan(700), State: sdk.PaymentPending}}}) {
			t.Errorf("%s: before the password: %s", how, got)
		}
		if _, err := w.sim.PayInsurance10(sim.Insurance10Pay{PayURL: to.Path, OpenID: w.openid()}); err != nil {
			t.Fatal(err)
		}
		paid := w.ask10(r).Payment
		if paid == nil || paid.State != sdk.PaymentSucceeded || paid.Amount != yuan(1000) || paid.AppID != app || paid.MchID != merchant || paid.PaidAt.IsZero() || len(paid.Legs) != 2 {
			t.Errorf("%s: paid: %+v", how, paid)
		}
		back := sdk.Refund{Call: w.call10(), PaymentNumber: r.Number, Number: "0320120261124211500000000000019", LegID: "self", Amount: yuan(100), Total: yuan(300)}
		for range 2 { // the same number refunds once
			if f := w.CreateRefund(t.Context(), back).Refund; f == nil || f.State != sdk.RefundSucceeded || f.Amount != yuan(100) || f.Number != back.Number {
				t.Errorf("%s: refund: %+v", how, f)
			}
		}
		if f := w.QueryRefund(t.Context(), sdk.RefundQuery{Call: w.call10(), PaymentNumber: r.Number, Number: back.Number, LegID: "self"}).Refund; f == nil || f.State != sdk.RefundSucceeded {
			t.Errorf("%s: the refund is %+v", how, f)
		}
		if missing := w.QueryRefund(t.Context(), sdk.RefundQuery{Call: w.call10(), PaymentNumber: r.Number, Number: "none"}); missing.Reason != sdk.NotFound {
			t.Errorf("%s: a refund that is none: %+v", how, missing)
		}
		ledger := w.sim.Ledger().Insurance
		if len(ledger) != 1 || len(ledger[0].Refunds) != 1 || ledger[0].Refunds[0].Cash != 100 {
			t.Errorf("%s: WeChat has %+v", how, ledger)
		}
		if insured := w.CreateRefund(t.Context(), sdk.Refund{Call: w.call10(), PaymentNumber: r.Number, Number: "x", LegID: "insurance", Amount: yuan(1)}); insured.Reason != sdk.InvalidRequest {
			t.Errorf("R31: %s: the insurance part: %+v", how, insured)
		}
		if told := w.ReportRefund(t.Context(), sdk.RefundReport{Call: w.call10(), PaymentNumber: r.Number, Number: "x", Gov: 1}); told.Verdict != sdk.VerdictAccepted {
			t.Errorf("%s: the bureau's word: %+v", how, told)
		}
	}
}

// What 1.0 cannot say is refused by its field, and nothing is sent.
func TestRedirectNamesTheField(t *testing.T) {
	w := redirecting(t, "")
	for field, change := range map[string]func(*sdk.Create){
		"payer":             func(r *sdk.Create) { r.Details.Medical.Payer = &payer },
		"person.card_type":  func(r *sdk.Create) { r.Details.Medical.Person.CardType = "FOREIGNER_PASSPORT" },
		"person.id_number":  func(r *sdk.Create) { r.Details.Medical.Person.IDNumber = "440300190001011238" },
		"pay_auth_no":       func(r *sdk.Create) { r.Details.Medical.PayAuthNo = "A1" },
		"ordered_at":        func(r *sdk.Create) { r.Details.Medical.OrderedAt = time.Time{} },
		"serial_no":         func(r *sdk.Create) { r.Details.Medical.SerialNo = "" },
		"order_type":        func(r *sdk.Create) { r.Details.Medical.OrderType = "RegPay" },
		"legs.insurance":    func(r *sdk.Create) { r.Legs = r.Legs[:1] },
		"bill_no":           func(r *sdk.Create) { r.Details.Medical.BillNo = strings.Repeat("1", 21) },
		"medical":           func(r *sdk.Create) { r.Details.Medical = nil },
		"fees.cash":         func(r *sdk.Create) { r.Details.Medical.Cash = -1 },
		"institution.name":  func(r *sdk.Create) { r.Details.Medical.InstitutionName = "" },
		"fees.reductions[0": func(r *sdk.Create) { r.Details.Medical.CashReductions[0].Type = "GIFT" },
	} {
		r := w.make10(2, bill())
		change(&r)
		if refused := w.CreatePayment(t.Context(), r); refused.Verdict != sdk.VerdictRejected || refused.Reason != sdk.InvalidRequest || !strings.Contains(refused.Message, field) || strings.Contains(refused.Message, patient.Name) {
			t.Errorf("%s: %+v", field, refused)
		}
	}
	if made := w.sim.Ledger().Insurance; len(made) != 0 {
		t.Errorf("WeChat has %+v", made)
	}
}

// Each part's word, and the whole's where it says more. What WeChat is giving back by itself is not decided before it has.
func TestStates10(t *testing.T) {
	for _, c := range []struct {
		whole, cash, insurance string
		want                   sdk.PaymentState
	}{
		{"NOTPAY", "NOTPAY", "NOTPAY", sdk.PaymentPending},
		{"NOTPAY", "USERPAYING", "NOTPAY", sdk.PaymentPending},
		{"NOTPAY", "PAYERROR", "NOTPAY", sdk.PaymentPending},
		{"NOTPAY", "PAYED", "NOTPAY", sdk.PaymentPending},
		{"SUCCESS", "PAYED", "PAYED", sdk.PaymentSucceeded},
		{"SUCCESS", "REFUND", "PAYED", sdk.PaymentRefunded},
		{"REFUND", "REFUND", "REFUND", sdk.PaymentRefunded},
		{"CLOSED", "CLOSED", "CLOSED", sdk.PaymentClosed},
		{"CLOSED", "PAYED", "CLOSED", sdk.PaymentFailed},
		{"SYS_REFUNDING", "PAYED", "CLOSED", sdk.PaymentUnknown},
		{"SYS_REFUNDED", "REFUND", "CLOSED", sdk.PaymentFailed},
		{"SUCCESS", "NEW_WORD", "PAYED", sdk.PaymentUnknown},
	} {
		f := facts10(wechat.V2{
			"med_trade_state": c.whole, "cash_trade_status": c.cash, "insurance_trade_status": c.insurance, "total_fee": "1000", "cash_fee": "300", "insurance_fee": "700",
		}, call().Route)
		if f.State != c.want {
			t.Errorf("%s %s %s: %d, want %d", c.whole, c.cash, c.insurance, f.State, c.want)
		}
	}
	if f := facts10(wechat.V2{"med_trade_state": "SUCCESS"}, call().Route); f.State != sdk.PaymentUnknown {
		t.Errorf("without parts: %d", f.State)
	}
}

// A call whose fate is not known is never taken for a refusal, and a token that WeChat does not take asks for another.
func TestR03_RedirectOutcomes(t *testing.T) {
	w := redirecting(t, "")
	r := w.make10(3, bill())
	for _, c := range []struct {
		kind    sim.FaultKind
		verdict sdk.Verdict
		there   int
	}{
		{sim.BrokenNotExecuted, sdk.VerdictIndeterminate, 0}, {sim.ErrorNotExecuted, sdk.VerdictIndeterminate, 0}, {sim.BrokenExecuted, sdk.VerdictIndeterminate, 1},
	} {
		w.faults(sim.Fault{Kind: c.kind, Path: "/payinsurance/unifiedorder", Count: 1})
		if got := w.CreatePayment(t.Context(), r); got.Verdict != c.verdict {
			t.Errorf("%s: %+v", c.kind, got)
		}
		if n := len(w.sim.Ledger().Insurance); n != c.there {
			t.Errorf("%s: WeChat has %d", c.kind, n)
		}
	}
	if missing := w.ask10(w.make10(9, bill())); missing.Reason != sdk.NotFound {
		t.Errorf("a payment that is none: %+v", missing)
	}
	w.sim.EndAppToken(app)
	stale := w.CreatePayment(t.Context(), r)
	if stale.Verdict != sdk.VerdictNotSent || !stale.TokenRefused || strings.Contains(stale.Message, r.AppAccessToken.Token) {
		t.Errorf("with a token that is over: %+v", stale)
	}
	without := newWorld(t)
	if refused := without.CreatePayment(t.Context(), without.make10(4, bill())); refused.Verdict != sdk.VerdictNotSent || refused.Reason != sdk.AuthFailed || !strings.Contains(refused.Message, "api_v2_key") {
		t.Errorf("an account without its key: %+v", refused)
	}
}

// A message of 1.0 is believed by its signature alone, and decides nothing by itself.
func TestMessagesOfRedirect(t *testing.T) {
	w := redirecting(t, "")
	message := func(change func(wechat.V2), key string) sdk.Parsed {
		m := wechat.V2{
			"openid": w.openid(), "med_trans_id": "MED1", "hosp_out_trade_no": number(5), "time_end": "20261124211500", "pay_type": "3", "total_fee": "1000", "cash_fee": "300",
			"insurance_fee": "700", "response_content": "{}",
		}
		m["sign"] = m.Signature(wechat.V2MD5, key)
		change(m)
		return w.ParseNotification(t.Context(), sdk.Notification{Account: "main", Method: "POST", Body: append([]byte("\n"), m.XML()...), ReceivedAt: w.sim.Now()})
	}
	key := sim.APIv2Key(merchant)
	got := message(func(wechat.V2) {}, key)
	if got.Payment == nil || got.Payment.State != sdk.PaymentUnknown || got.Payment.Number != number(5) || got.Payment.MchID != merchant || len(got.Payment.Legs) != 0 ||
		got.DedupeKey != "1.0:MED1:20261124211500" || string(got.Ack.Body) != "<xml><return_code>SUCCESS</return_code></xml>" {
		t.Errorf("it says %+v", got)
	}
	for name, refused := range map[string]sdk.Parsed{
		"R14 tampered":     message(func(m wechat.V2) { m["total_fee"] = "1" }, key),
		"R14 another key":  message(func(wechat.V2) {}, strings.Repeat("0", 32)),
		"R14 no signature": message(func(m wechat.V2) { delete(m, "sign") }, key),
		"R14 not XML":      w.ParseNotification(t.Context(), sdk.Notification{Account: "main", Body: []byte("<xml><a>")}),
	} {
		if refused.Payment != nil || refused.Cause != sdk.BadSignature {
			t.Errorf("%s: %+v", name, refused)
		}
	}
	if unknown := w.ParseNotification(t.Context(), sdk.Notification{Account: "other", Body: []byte("<xml></xml>")}); unknown.Cause != sdk.UnknownAccount {
		t.Errorf("an account that is none: %+v", unknown)
	}
}

// What was taken of a payment whose other part failed goes back by WeChat's own hand.
func TestR31_WeChatGivesBackByItself(t *testing.T) {
	w := redirecting(t, "")
	r := w.make10(6, bill())
	w.CreatePayment(t.Context(), r)
	if _, err := w.sim.FailInsurance10(sim.Insurance10Pay{Number: r.Number, Refunding: true}); err != nil {
		t.Fatal(err)
	}
	if f := w.ask10(r).Payment; f == nil || f.State != sdk.PaymentUnknown {
		t.Errorf("while it is being given back: %+v", f)
	}
	r = w.make10(7, bill())
	w.CreatePayment(t.Context(), r)
	if _, err := w.sim.FailInsurance10(sim.Insurance10Pay{Number: r.Number}); err != nil {
		t.Fatal(err)
	}
	f := w.ask10(r).Payment
	if f == nil || f.State != sdk.PaymentFailed || f.Legs[0].State != sdk.PaymentRefunded {
		t.Errorf("given back: %+v", f)
	}
}

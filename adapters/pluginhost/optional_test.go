package pluginhost_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// more is a host whose plugin has every optional service, and a payment of its account.
func more(t *testing.T) (*pluginhost.Host, pay.Payment) {
	t.Helper()
	h := newHost(t)
	if err := h.Start(t.Context(), "unruly-more"); err != nil {
		t.Fatal(err)
	}
	a := account("one", 1)
	a.Provider = "unruly-more"
	if err := h.Configure(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	p := payment("one", "")
	p.Route.Provider = "unruly-more"
	return h, p
}

// Whoever asks for what a channel does not offer is told just that, which no repeat changes; where nobody can tell now, a
// repeat may help. Nothing is sent in either case.
func TestOptionalServicesThatAreNotThere(t *testing.T) {
	t.Parallel()
	h := start(t)
	calls := func(p pay.Payment) map[string]error {
		_, self := h.SelfTest(t.Context(), p.Route, "")
		_, bill := h.DownloadBill(t.Context(), ports.Bill{Route: p.Route, Kind: ports.BillTrade, Day: "2026-03-01"}, nil)
		_, abnormal := h.ResolveAbnormalRefund(t.Context(), p, pay.Refund{}, ports.AbnormalTarget{})
		_, report := h.ReportRefund(t.Context(), p, ports.RefundReport{})
		_, code := h.PayByCode(t.Context(), p, ports.PayerCode{})
		_, reverse := h.ReverseByCode(t.Context(), p)
		return map[string]error{"self-test": self, "bill": bill, "abnormal refund": abnormal, "report": report, "code": code, "reverse": reverse}
	}
	for name, err := range calls(payment("one", "")) {
		if !errors.Is(err, ports.ErrUnimplemented) || errors.Is(err, ports.ErrUnavailable) || !strings.Contains(err.Error(), "plugin unruly has no ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	nobody, unknown := payment("one", ""), payment("nobody's", "")
	nobody.Route.Provider = "nobody"
	for _, p := range []pay.Payment{nobody, unknown} {
		for name, err := range calls(p) {
			if !errors.Is(err, ports.ErrUnavailable) || errors.Is(err, ports.ErrUnimplemented) {
				t.Errorf("%s of %s %s: %v", name, p.Route.Provider, p.Route.Account, err)
			}
		}
	}
	if offers, err := h.Offers("unruly"); err != nil || !slices.Equal(offers, []ports.Service{ports.ServiceDiagnostics}) {
		t.Errorf("offers %v, %v", offers, err)
	}
	if _, err := h.Offers("nobody"); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("offers of nobody: %v", err)
	}
}

func TestOptionalServices(t *testing.T) {
	t.Parallel()
	h, p := more(t)
	offers, err := h.Offers("unruly-more")
	want := []ports.Service{ports.ServiceAbnormalRefund, ports.ServiceBills, ports.ServiceDiagnostics, ports.ServicePayerCode,
		ports.ServiceReceiptPage, ports.ServiceRefundReports, ports.ServiceSelfTest}
	if err != nil || !slices.Equal(offers, want) {
		t.Errorf("offers %v, %v", offers, err)
	}

	checks, err := h.SelfTest(t.Context(), p.Route, "e1")
	wantChecks := []ports.SelfTestCheck{
		{Name: "request_signature", Status: ports.CheckOK, Detail: "echo e1 of " + merchant},
		{
			Name: "answer_signature", Status: ports.CheckFailed, Code: "key_unknown", Detail: "a line with a break",
			Remedy: "give the account the provider's newest key", RemedyZH: "为该账户配置渠道的新公钥",
		},
		{Name: "decryption", Status: ports.CheckSkipped},
		{Name: "of a later version", Status: ports.CheckSkipped},
	}
	if err != nil || !reflect.DeepEqual(checks, wantChecks) {
		t.Errorf("self-test: %v, %v", checks, err)
	}

	r := pay.Refund{Number: "r1", ProviderID: "5000"}
	card := ports.AbnormalTarget{BankType: "ICBC_DEBIT", BankAccount: "62220000", RealName: "someone"}
	if a, err := h.ResolveAbnormalRefund(t.Context(), p, r, card); err != nil || a.Facts == nil || a.Facts.State != pay.RefundFactProcessing || a.Facts.Account != "ICBC_DEBIT someone" {
		t.Errorf("to another card: %+v, %v", a, err)
	}
	card.ToMerchant = true
	if a, err := h.ResolveAbnormalRefund(t.Context(), p, r, card); err != nil || a.Facts == nil || a.Facts.State != pay.RefundFactClosed {
		t.Errorf("to the merchant, who needs no card: %+v, %v", a, err)
	}

	if o, err := h.SetReceiptPage(t.Context(), p.Route, ports.OwnReceipt); err != nil || o.Verdict != pay.Accepted {
		t.Errorf("receipt page: %+v, %v", o, err)
	}
	if o, err := h.SetReceiptPage(t.Context(), p.Route, ports.NoReceipt); err != nil || !o.Is(pay.InvalidRequest) {
		t.Errorf("no receipt page: %+v, %v", o, err)
	}
	if o, err := h.ReportRefund(t.Context(), p, ports.RefundReport{Gov: 5, RefundedAt: time.Unix(1750000000, 0)}); err != nil || o.Verdict != pay.Accepted {
		t.Errorf("report: %+v, %v", o, err)
	}
	if o, err := h.ReportRefund(t.Context(), p, ports.RefundReport{}); err != nil || !o.Is(pay.InvalidRequest) {
		t.Errorf("report of nothing: %+v, %v", o, err)
	}

	a, err := h.PayByCode(t.Context(), p, ports.PayerCode{Code: "134567890123456789", DeviceID: "till-1"})
	if err != nil || a.Facts == nil || a.Facts.State != pay.FactSucceeded || a.Facts.ProviderID != "till-1" || a.Facts.Amount != money.CNY(100) {
		t.Errorf("pay by code: %+v, %v", a, err)
	}
	if a, err := h.PayByCode(t.Context(), p, ports.PayerCode{}); err != nil || !a.Outcome.Is(pay.InvalidRequest) {
		t.Errorf("pay by no code: %+v, %v", a, err)
	}
	if a, err := h.ReverseByCode(t.Context(), p); err != nil || a.Facts == nil || a.Facts.State != pay.FactClosed {
		t.Errorf("reverse: %+v, %v", a, err)
	}
}

func TestDownloadBill(t *testing.T) {
	t.Parallel()
	h, p := more(t)
	for _, c := range []struct {
		day       string
		kind      ports.BillKind
		verdict   pay.Verdict
		reason    pay.Reason
		lines     int
		wantSaid  string // in the outcome's message
		wantFirst any
	}{
		{day: "right", kind: ports.BillTrade, verdict: pay.Accepted, lines: 2,
			wantFirst: ports.TradeLine{Number: "n1", MchID: merchant, Amount: money.CNY(100), FeeMilli: 600, TradeState: "SUCCESS"}},
		{day: "right", kind: ports.BillFund, verdict: pay.Accepted, lines: 2,
			wantFirst: ports.FundLine{FlowID: "f1", Amount: money.CNY(100), Balance: money.CNY(1100)}},
		{day: "none", kind: ports.BillTrade, verdict: pay.Rejected, reason: pay.NotFound},
		{day: "wrong hash", kind: ports.BillTrade, verdict: pay.Indeterminate, lines: 2},
		{day: "wrong sum", kind: ports.BillTrade, verdict: pay.Indeterminate, lines: 2, wantSaid: "says paid 101 and its lines make 100"},
		{day: "a line is missing", kind: ports.BillTrade, verdict: pay.Indeterminate, lines: 1, wantSaid: "says lines 2 and its lines make 1"},
		{day: "wrong id", kind: ports.BillTrade, verdict: pay.Indeterminate, wantSaid: "an id of 200 bytes"},
	} {
		var got []any
		a, err := h.DownloadBill(t.Context(), ports.Bill{Route: p.Route, Kind: c.kind, Day: c.day}, func(line any) error {
			got = append(got, line)
			return nil
		})
		if err != nil || a.Outcome.Verdict != c.verdict || a.Outcome.Reason != c.reason || len(got) != c.lines || !strings.Contains(a.Outcome.Message, c.wantSaid) {
			t.Errorf("%s %s: %d lines, %+v, %v", c.kind, c.day, len(got), a, err)
		}
		if c.wantFirst != nil && (len(got) == 0 || !reflect.DeepEqual(got[0], c.wantFirst)) {
			t.Errorf("%s %s: %+v, want %+v first", c.kind, c.day, got, c.wantFirst)
		}
	}
	full := errors.New("the disk is full")
	if _, err := h.DownloadBill(t.Context(), ports.Bill{Route: p.Route, Kind: ports.BillTrade, Day: "right"}, func(any) error { return full }); !errors.Is(err, full) {
		t.Errorf("what took the lines failed: %v", err)
	}
	a, err := h.DownloadBill(t.Context(), ports.Bill{Route: p.Route, Kind: ports.BillTrade, Day: "exit"}, func(any) error { return nil })
	if err != nil || a.Outcome.Verdict != pay.Indeterminate {
		t.Errorf("the plugin dies on the way: %+v, %v", a, err)
	}
}

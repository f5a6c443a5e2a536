package e2e

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
	"github.com/paybridge/paybridge/ports"
)

// hosted is the plugin as a process, behind the host alone, with the first merchant's account, and a refund of its that the
// payer's account could not take.
func hosted(t *testing.T) (h *pluginhost.Host, s *sim.Simulator, p pay.Payment, r pay.Refund, day string) {
	t.Helper()
	s = sim.New(t)
	if err := s.SetFaults(sim.Fault{Kind: sim.CallbackLost}); err != nil {
		t.Fatal(err)
	}
	lock, err := pluginhost.ReadLock(filepath.Join(programs, "plugins", pluginhost.LockName))
	if err != nil {
		t.Fatal(err)
	}
	if h, err = pluginhost.New(pluginhost.Options{Lock: lock, Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	m := s.Merchant(mchID)
	config, err := json.Marshal(wechat.Config{
		MchID: m.MchID, SerialNo: m.Serial, PrivateKey: m.PrivateKeyPEM, APIv3Keys: []string{m.APIv3Key},
		PublicKeys: map[string]string{s.PublicKeyID(): s.PublicKeyPEM()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context(), provider); err != nil {
		t.Fatal(err)
	}
	if err := h.Configure(t.Context(), pluginhost.Account{
		Provider: provider, Name: account, MchID: mchID, Generation: 1, Config: config, BaseURL: s.BaseURL(),
	}); err != nil {
		t.Fatal(err)
	}

	shanghai := time.FixedZone("Asia/Shanghai", 8*60*60)
	y, month, d := s.Now().In(shanghai).Date()
	noon := time.Date(y, month, d+1, 12, 0, 0, 0, shanghai)
	if err := s.SetTime(noon); err != nil {
		t.Fatal(err)
	}
	p = pay.Payment{
		Number: "01101202611242115000000000000001",
		Route: pay.Route{
			Provider: provider, Entry: entry, Account: account, MchID: mchID, AppID: appID, OpenIDKind: pay.OpenIDDirect,
			NotifyBase: "http://127.0.0.1:1",
		},
		Content: pay.Content{Amount: money.CNY(1250), Description: "visit", OpenID: payer, TimeExpire: noon.Add(time.Hour)},
	}
	channel, err := h.For(p.Route)
	if err != nil {
		t.Fatal(err)
	}
	if made := channel.CreatePayment(t.Context(), p); made.Outcome.Verdict != pay.Accepted {
		t.Fatalf("create: %+v", made)
	}
	if _, err := s.Pay(sim.Pay{OutTradeNo: p.Number, MchID: mchID}); err != nil {
		t.Fatal(err)
	}
	r = pay.Refund{Number: "01201202611242115000000000000001", Amount: money.CNY(500)}
	taken := channel.CreateRefund(t.Context(), p, r)
	if taken.Facts == nil {
		t.Fatalf("refund: %+v", taken)
	}
	r.ProviderID = taken.Facts.ProviderID
	if err := s.SettleRefund(mchID, r.Number, sim.RefundAbnormal); err != nil {
		t.Fatal(err)
	}
	return h, s, p, r, noon.Format(time.DateOnly)
}

// What the WeChat plugin offers beside payments and refunds, as the gateway reaches it: through the process's socket.
func TestOptionalServicesOfTheWeChatPlugin(t *testing.T) {
	whole(t)
	h, s, p, r, day := hosted(t)
	offers, err := h.Offers(provider)
	for _, want := range []ports.Service{ports.ServiceBills, ports.ServiceAbnormalRefund, ports.ServiceSelfTest} {
		if err != nil || !slices.Contains(offers, want) {
			t.Errorf("it offers %v, %v; want %s", offers, err, want)
		}
	}

	checks, err := h.SelfTest(t.Context(), p.Route, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if c.Status == ports.CheckFailed || (c.Status != ports.CheckOK && (c.Code == "" || c.Remedy == "" || c.RemedyZH == "")) {
			t.Errorf("self-test: %+v", c)
		}
	}
	if ok := slices.IndexFunc(checks, func(c ports.SelfTestCheck) bool { return c.Name == "decryption" && c.Status == ports.CheckOK }); ok < 0 {
		t.Errorf("nothing was proven: %+v", checks)
	}

	card := ports.AbnormalTarget{BankType: "CMB_DEBIT", BankAccount: "6225880137004246", RealName: "someone"}
	if a, err := h.ResolveAbnormalRefund(t.Context(), p, r, card); err != nil || a.Facts == nil || a.Facts.State != pay.RefundFactProcessing {
		t.Errorf("R33 to another card: %+v, %v", a, err)
	}

	if err := s.Advance(24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[ports.BillKind]int64{ports.BillTrade: 2, ports.BillFund: 3} {
		var lines int64
		a, err := h.DownloadBill(t.Context(), ports.Bill{Route: p.Route, Kind: kind, Day: day}, func(any) error {
			lines++
			return nil
		})
		if err != nil || a.Outcome.Verdict != pay.Accepted || a.Lines != want || lines != want {
			t.Errorf("statement %s: %+v, %d lines, %v", kind, a, lines, err)
		}
	}
	a, err := h.DownloadBill(t.Context(), ports.Bill{Route: p.Route, Kind: ports.BillTrade, Day: s.Now().AddDate(0, 0, -30).Format(time.DateOnly)},
		func(any) error { return nil })
	if err != nil || a.Outcome.Verdict != pay.Rejected || a.Outcome.Reason != pay.NotFound {
		t.Errorf("a day without business: %+v, %v", a, err)
	}
}

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/internal/nodetest"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
	simphone "github.com/paybridge/paybridge/plugins/wechat/sim/phone"
)

// receipt is what WeChat opens in its frame: no cookie, no script of ours before.
func (w *world) receipt(subMchID, number string) (header http.Header, page string) {
	w.t.Helper()
	query := url.Values{"sub_mch_id": {subMchID}, "out_trade_no": {number}, "check_code": {"0123456789abcdef0123456789abcdef"}}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.base+"/checkout/receipt?"+query.Encode(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Accept-Language", "en")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s, %v", resp.Status, err)
	}
	return resp.Header, string(text)
}

// An operator chooses what a sub merchant's payers see after paying; a direct merchant has no such choice.
func TestTheGoldPlanOfASubMerchant(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addSubMerchants()
		g := w.start()
		third := subMerchants[0]
		choose := func(account, page string) (int, string) {
			return w.paybridge("receipt-page", account, page, "--as", "ann", "--listen.admin", g.admin)
		}
		want := func(code int, says string, plan sim.GoldPlan) func(int, string) {
			return func(got int, said string) {
				t.Helper()
				if got != code || !strings.Contains(said, says) {
					t.Errorf("code %d, want %d and %q:\n%s", got, code, says, said)
				}
				if now := w.sim.GoldPlanOf(third.mchID); now != plan {
					t.Errorf("the plan is %+v, want %+v", now, plan)
				}
			}
		}
		want(2, "服务商未配置商家小票链接", sim.GoldPlan{})(choose(third.entry, "own"))
		if err := w.sim.SetReceiptLink(partnerMchID, w.base+"/checkout/receipt"); err != nil {
			t.Fatal(err)
		}
		want(0, "own", sim.GoldPlan{Open: true, Custom: true})(choose(third.entry, "own"))
		want(0, "provider", sim.GoldPlan{Open: true})(choose(third.entry, "provider"))
		want(0, "none", sim.GoldPlan{})(choose(third.entry, "none"))
		want(2, "none, provider or own", sim.GoldPlan{})(choose(third.entry, "ours"))
		want(2, "direct merchant", sim.GoldPlan{})(choose(account, "own"))
		want(2, "", sim.GoldPlan{})(choose("nobody", "own"))
		w.fault(sim.Fault{Kind: sim.BrokenNotExecuted, Path: "POST /v3/goldplan/merchants/changegoldplanstatus", Count: 1})
		want(1, "ask the very same again", sim.GoldPlan{Custom: true})(choose(third.entry, "own"))
		want(0, "own", sim.GoldPlan{Open: true, Custom: true})(choose(third.entry, "own"))
		if fourth := w.sim.GoldPlanOf(subMerchants[1].mchID); fourth != (sim.GoldPlan{}) {
			t.Errorf("another sub merchant's plan is %+v", fourth)
		}
	})
}

// WeChat's frame knows nothing but a number: the receipt shows what that may show, and asks the provider before it says paid (R17).
func TestTheReceiptOfASubMerchant(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addSubMerchants()
		w.setup.Apps[0]["display_name"] = "清和医院 Qinghe Hospital"
		w.start()
		third, fourth := subMerchants[0], subMerchants[1]
		order := w.order("visit-1", 1250)
		payment := w.payAs(order, third.entry, third.payer).Number
		if _, page := w.receipt(third.mchID, payment); !strings.Contains(page, "¥12.50") || strings.Contains(page, "outcome paid") {
			t.Errorf("before it is paid: %s", page)
		}
		w.fault(sim.Fault{Kind: sim.CallbackLost, Number: payment})
		w.tap(payment)
		await(t, "the receipt says paid, though no callback came", func() error {
			_, page := w.receipt(third.mchID, payment)
			if !strings.Contains(page, "outcome paid") {
				return fmt.Errorf("it says %s", page)
			}
			return nil
		})
		header, page := w.receipt(third.mchID, payment)
		for _, shown := range []string{"¥12.50", "清和医院 Qinghe Hospital", `data-style="SHOW_CUSTOM_PAGE"`, `data-payapp="https://payapp.weixin.qq.com"`, "/c/", "https://wx.gtimg.com/pay_h5/goldplan/js/jgoldplan-1.0.0.js"} {
			if !strings.Contains(page, shown) {
				t.Errorf("it does not show %q: %s", shown, page)
			}
		}
		for _, hidden := range []string{third.payer, "Outpatient", "visit-1", "<form"} {
			if strings.Contains(page, hidden) {
				t.Errorf("it shows %q", hidden)
			}
		}
		if policy := header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "frame-ancestors https://payapp.weixin.qq.com") {
			t.Errorf("it may be framed by others: %s", policy)
		}
		if header.Get("Set-Cookie") != "" || header.Get("Referrer-Policy") != "origin" {
			t.Errorf("its headers are %v", header)
		}
		direct, number := w.paid("visit-2", 100)
		for _, of := range [][2]string{{fourth.mchID, payment}, {"", number}, {third.mchID, number}, {third.mchID, order}, {third.mchID, direct}, {third.mchID, "1"}} {
			if _, page := w.receipt(of[0], of[1]); strings.Contains(page, "¥") || !strings.Contains(page, `data-style="SHOW_OFFICIAL_PAGE"`) {
				t.Errorf("receipt of %v: %s", of, page)
			}
		}
	})
}

// TestTheGoldPlanInChromium pays at a sub merchant on the simulated phone, under each plan.
func TestTheGoldPlanInChromium(t *testing.T) {
	wholeAlone(t) // a page is given seconds, not minutes: it has the processors for itself
	browser := nodetest.Chromium(t)
	w := newWorld(t, sqlite(t))
	w.addSubMerchants()
	fourth := subMerchants[1]
	for i, e := range w.setup.Entries {
		w.setup.Entries[i].Secret = "file:wechat/apps/" + e.AppID + "/secret.txt"
		w.setup.Entries[i].OAuthScope = "snsapi_base"
	}
	listen := func() (*httptest.Server, string) {
		s := httptest.NewUnstartedServer(nil)
		_, port, err := net.SplitHostPort(s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s, "http://localhost:" + port
	}
	page, origin := listen()
	w.setup.WeChat["payapp_base_url"] = origin // WeChat's page around the receipt
	site := simphone.Site{Origin: w.base, Upstream: w.base}
	proxies := map[simphone.Mode]*httptest.Server{}
	for mode, address := range map[simphone.Mode]*string{
		simphone.ModeOfficialAccount: &site.OfficialAccountURL, simphone.ModeMiniProgram: &site.MiniProgramURL, simphone.ModeBrowser: &site.BrowserURL,
	} {
		proxies[mode], *address = listen()
	}
	w.start()
	p, err := simphone.New(simphone.Options{
		URL: origin + "/phone", WeChat: simphone.Simulated(w.sim), OpenWeixin: w.sim.BaseURL(), Sites: []simphone.Site{site},
		OfficialAccounts: []simphone.OfficialAccount{{AppID: fourth.app, Name: "Fourth Hospital", Home: w.base + "/"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for mode, server := range proxies {
		if server.Config.Handler, err = p.Proxy(site, mode); err != nil {
			t.Fatal(err)
		}
		server.Start()
	}
	mux := http.NewServeMux()
	mux.Handle("/phone/", http.StripPrefix("/phone", p))
	page.Config.Handler = mux
	page.Start()
	if err := w.sim.SetReceiptLink(partnerMchID, w.base+"/checkout/receipt"); err != nil {
		t.Fatal(err)
	}
	admin := "http://" + w.gateways[0].admin
	nodetest.Run(t, []string{"GATEWAY=" + w.base, "ADMIN=" + admin, "KEY=" + apiKey, "PHONE=" + origin + "/phone/", "CHROMIUM=" + browser, "ENTRY=" + fourth.entry, "ACCOUNT=" + fourth.entry}, "receipt.test.js")
}

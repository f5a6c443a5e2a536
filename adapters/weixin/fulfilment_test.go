package weixin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// saying is a client of a WeChat that answers each call about shipping with the next of these texts, the last one again and
// again; an empty one breaks the connection. Tokens come from the simulated WeChat.
func saying(t *testing.T, texts ...string) (a asking, asked func() []string) {
	t.Helper()
	a = start(t)
	var mu sync.Mutex
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(r.URL.Path, "/wxa/sec/order/") {
			forward, err := http.NewRequestWithContext(r.Context(), r.Method, a.sim.BaseURL()+r.URL.String(), strings.NewReader(string(body)))
			if err != nil {
				t.Error(err)
				return
			}
			answer, err := http.DefaultClient.Do(forward)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = answer.Body.Close() }()
			_, _ = io.Copy(w, answer.Body)
			return
		}
		mu.Lock()
		text := texts[min(len(calls), len(texts)-1)]
		calls = append(calls, r.URL.Path+" "+r.URL.Query().Get("access_token")+" "+string(body))
		mu.Unlock()
		if text == "" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	a.ServerBase = server.URL
	return a, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(calls)
	}
}

var parcel = ports.FulfilmentReport{
	AppID: mini, ProviderID: "4200001", OpenID: "oM1-alice", Number: 1, At: time.Date(2026, 3, 1, 4, 0, 0, 7_000_000, time.UTC),
	FulfilmentContent: pay.FulfilmentContent{Method: pay.FulfilmentExpress, Description: "药品", Carrier: "SF", TrackingNumber: "SF12", ReceiverPhone: "189****1234"},
}

func TestWhatWeChatMakesOfAReport(t *testing.T) {
	t.Parallel()
	report, ask := (*Client).ReportFulfilment, (*Client).FulfilmentReported
	for _, c := range []struct {
		name    string
		call    func(*Client, context.Context, ports.FulfilmentReport) pay.FulfilmentAnswer
		answers []string
		appID   string
		want    pay.FulfilmentVerdict
		alarm   bool
		calls   int
		says    string
	}{
		{name: "taken", call: report, answers: []string{`{"errcode":0,"errmsg":"ok"}`}, want: pay.FulfilmentTaken, calls: 1},
		{name: "it has this very report", call: report, answers: []string{`{"errcode":10060023,"errmsg":"x"}`}, want: pay.FulfilmentTaken, calls: 1},
		{name: "refused", call: report, answers: []string{`{"errcode":10060031,"errmsg":"该笔支付单不属于 openid\u0000 所指定的用户"}`}, want: pay.FulfilmentBad, calls: 1, says: "WeChat's code 10060031: 该笔支付单不属于 openid 所指定的用户"},
		{name: "busy", call: report, answers: []string{`{"errcode":-1,"errmsg":"system error"}`}, want: pay.FulfilmentUnclear, calls: 1, says: "-1"},
		{name: "WeChat's fault", call: report, answers: []string{`{"errcode":10060012,"errmsg":"x"}`}, want: pay.FulfilmentUnclear, calls: 1, says: "10060012"},
		{name: "broken off", call: report, answers: []string{""}, want: pay.FulfilmentUnclear, calls: 1, says: "EOF"},
		{name: "no answer at all", call: report, answers: []string{"<html>"}, want: pay.FulfilmentUnclear, calls: 1, says: "could not be read"},
		{name: "a token that ended early", call: report, answers: []string{`{"errcode":40001,"errmsg":"x"}`, `{"errcode":0}`}, want: pay.FulfilmentTaken, calls: 2},
		{name: "no token is right", call: report, answers: []string{`{"errcode":42001,"errmsg":"x"}`}, want: pay.FulfilmentNotTaken, alarm: true, calls: 2, says: "42001"},
		{name: "no right to this call", call: report, answers: []string{`{"errcode":48001,"errmsg":"x"}`}, want: pay.FulfilmentNotTaken, alarm: true, calls: 1, says: "48001"},
		{name: "too often today", call: report, answers: []string{`{"errcode":45009,"errmsg":"x"}`}, want: pay.FulfilmentNotTaken, calls: 1, says: "45009"},
		{name: "the entry has no secret any more", call: report, answers: []string{""}, appID: "wxnone", want: pay.FulfilmentNotTaken, alarm: true, says: "has a secret"},

		{name: "not there yet", call: ask, answers: []string{`{"errcode":0,"order":{"order_state":1}}`}, want: pay.FulfilmentNotTaken, calls: 1},
		{name: "there", call: ask, answers: []string{`{"errcode":0,"order":{"order_state":2,"shipping":{"finish_shipping_count":1}}}`}, want: pay.FulfilmentTaken, calls: 1},
		{name: "refunded", call: ask, answers: []string{`{"errcode":0,"order":{"order_state":5}}`}, want: pay.FulfilmentRefunded, calls: 1},
		{name: "nobody knows", call: ask, answers: []string{""}, want: pay.FulfilmentUnclear, calls: 1, says: "EOF"},
		{name: "not answered for the secret's sake", call: ask, answers: []string{""}, appID: "wxnone", want: pay.FulfilmentUnclear, alarm: true, says: "has a secret"},
		{name: "not answered for another reason", call: ask, answers: []string{`{"errcode":10060001,"errmsg":"x"}`}, want: pay.FulfilmentUnclear, calls: 1, says: "10060001"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, asked := saying(t, c.answers...)
			r := parcel
			if c.appID != "" {
				r.AppID = c.appID
			}
			got := c.call(a.Client, t.Context(), r)
			if got.Verdict != c.want || got.Alarm != c.alarm || !strings.Contains(got.Detail, c.says) || (c.says == "") != (got.Detail == "") {
				t.Errorf("%+v, want %q that says %q, alarm %v", got, c.want, c.says, c.alarm)
			}
			if len(asked()) != c.calls {
				t.Errorf("%d calls, want %d: %s", len(asked()), c.calls, asked())
			}
			if len(asked()) == 2 {
				if first, second := strings.Fields(asked()[0])[1], strings.Fields(asked()[1])[1]; first == second {
					t.Error("the token that was refused was sent again")
				}
			}
			for _, call := range asked() {
				if token := strings.Fields(call)[1]; strings.Contains(got.Detail, token) {
					t.Errorf("the access token is told: %s", got.Detail)
				}
			}
		})
	}
	again := parcel
	again.Number = 2
	a, _ := saying(t, `{"errcode":0,"order":{"order_state":2,"shipping":{"finish_shipping_count":1}}}`)
	if got := a.FulfilmentReported(t.Context(), again); got.Verdict != pay.FulfilmentNotTaken {
		t.Errorf("a correction where only the first was taken: %+v", got)
	}
}

// The body is that of WeChat's document (小程序发货信息管理服务).
func TestTheReportOnTheWire(t *testing.T) {
	t.Parallel()
	visit := parcel
	visit.FulfilmentContent = pay.FulfilmentContent{Method: pay.FulfilmentVirtual, Description: "门诊缴费"}
	for want, r := range map[string]ports.FulfilmentReport{
		`{"order_key":{"order_number_type":2,"transaction_id":"4200001"},"logistics_type":3,"delivery_mode":1,"shipping_list":[{"item_desc":"门诊缴费"}],"upload_time":"2026-03-01T12:00:00.007+08:00","payer":{"openid":"oM1-alice"}}`:                                                                                        visit,
		`{"order_key":{"order_number_type":2,"transaction_id":"4200001"},"logistics_type":1,"delivery_mode":1,"shipping_list":[{"tracking_no":"SF12","express_company":"SF","item_desc":"药品","contact":{"receiver_contact":"189****1234"}}],"upload_time":"2026-03-01T12:00:00.007+08:00","payer":{"openid":"oM1-alice"}}`: parcel,
	} {
		a, asked := saying(t, `{"errcode":0}`)
		a.ReportFulfilment(t.Context(), r)
		path, rest, _ := strings.Cut(asked()[0], " ")
		_, body, _ := strings.Cut(rest, " ")
		if path != "/wxa/sec/order/upload_shipping_info" || body != want || !json.Valid([]byte(body)) {
			t.Errorf("%s\n%s, want\n%s", path, body, want)
		}
	}
}

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// channels are plugins of which only the self-test is asked.
type channels struct {
	ports.Optional
	checks []ports.SelfTestCheck
	err    error
}

func (c channels) SelfTest(context.Context, pay.Route, string) ([]ports.SelfTestCheck, error) {
	return slices.Clone(c.checks), c.err
}

// gatewayOf has seen what it has seen.
type gatewayOf struct {
	echo    bool
	refused []map[ports.RefuseCause]int // before and after
	paid    bool
	overdue map[ports.Kind]int
	asked   int
}

func (g *gatewayOf) EchoArrived(context.Context, string, string, string) (bool, error) {
	return g.echo, nil
}
func (g *gatewayOf) PaidWith(context.Context, string, string) (bool, error) { return g.paid, nil }
func (g *gatewayOf) Overdue(context.Context, time.Time, time.Duration) (overdue, tooLate map[ports.Kind]int, err error) {
	return g.overdue, nil, nil
}
func (g *gatewayOf) Refused(context.Context, string, string, time.Time) (map[ports.RefuseCause]int, error) {
	if g.refused == nil {
		return map[ports.RefuseCause]int{}, nil
	}
	g.asked++
	return g.refused[min(g.asked, len(g.refused))-1], nil
}

func TestExamine(t *testing.T) {
	t.Parallel()
	ours := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("yes\n")) }))
	t.Cleanup(ours.Close)
	awaited := []ports.SelfTestCheck{
		{Name: "request_signature", Status: ports.CheckOK},
		{Name: CheckNotify, Status: ports.CheckSkipped, Code: ports.CodeCallbackAwaited},
		{Name: "api_v3_key", Status: ports.CheckSkipped, Code: ports.CodeCallbackAwaited},
		{Name: CheckAppBinding, Status: ports.CheckSkipped, Code: "app_binding_unproven"},
	}
	const proven = "plugin p running ok; store due_rows ok; account a in_use ok; entry e settings ok; entry e notify_url ok; "
	for _, c := range []struct {
		name   string
		change func(*Patient, *gatewayOf)
		filter string
		want   string
	}{
		{name: "all is proven", want: proven + "account a request_signature ok; entry e notify ok; account a api_v3_key ok; entry e app_binding ok"},
		{name: "no callback comes", change: func(_ *Patient, g *gatewayOf) { g.echo = false },
			want: proven + "account a request_signature ok; entry e notify failed callback_missing; account a api_v3_key skipped callback_awaited; entry e app_binding ok"},
		{name: "one comes and is not believed", change: func(_ *Patient, g *gatewayOf) {
			g.echo, g.refused = false, []map[ports.RefuseCause]int{{"signature": 1}, {"signature": 1, "unreadable": 2}}
		}, want: proven + "account a request_signature ok; entry e notify ok; account a api_v3_key failed callback_refused; entry e app_binding ok"},
		{name: "a stranger's message from before is none of it", change: func(_ *Patient, g *gatewayOf) {
			g.echo, g.refused = false, []map[ports.RefuseCause]int{{"signature": 1}, {"signature": 1}}
		}, want: proven + "account a request_signature ok; entry e notify failed callback_missing; account a api_v3_key skipped callback_awaited; entry e app_binding ok"},
		{name: "nobody has paid yet", change: func(_ *Patient, g *gatewayOf) { g.paid = false },
			want: proven + "account a request_signature ok; entry e notify ok; account a api_v3_key ok; entry e app_binding skipped app_binding_unproven"},
		{name: "a plugin without a self-test", change: func(p *Patient, _ *gatewayOf) {
			p.Channels = channels{err: fmt.Errorf("no: %w", ports.ErrUnimplemented)}
		}, want: proven + "account a self_test skipped not_offered; entry e app_binding ok"},
		{name: "a plugin that does not answer", change: func(p *Patient, _ *gatewayOf) {
			p.Channels = channels{err: fmt.Errorf("no: %w", ports.ErrUnavailable)}
		}, want: proven + "account a self_test failed not_answered; entry e app_binding ok"},
		{name: "an account out of use", change: func(p *Patient, _ *gatewayOf) {
			p.InUse = func(string, string) error { return errors.New("its key is no key") }
		}, want: "plugin p running ok; store due_rows ok; account a in_use failed account_out_of_use; entry e settings ok; entry e notify_url ok"},
		{name: "R40 rows are overdue", change: func(_ *Patient, g *gatewayOf) { g.overdue = map[ports.Kind]int{ports.KindRefund: 3} }, filter: "",
			want: strings.Replace(proven, "due_rows ok", "due_rows failed rows_overdue", 1) + "account a request_signature ok; entry e notify ok; account a api_v3_key ok; entry e app_binding ok"},
		{name: "a plugin is down, another in quarantine", change: func(p *Patient, _ *gatewayOf) {
			p.Accounts, p.Entries = nil, nil
			p.Plugins = []Plugin{{Provider: "p", Problem: "exited"}, {Provider: "q", Problem: "exits", Quarantined: true}}
		}, want: "plugin p running failed plugin_down; plugin q running failed quarantined; store due_rows ok"},
		{name: "an entry whose account is not there", change: func(p *Patient, _ *gatewayOf) { p.Accounts = nil },
			want: "plugin p running ok; store due_rows ok; entry e settings failed account_unknown"},
		{name: "an entry of another provider", change: func(p *Patient, _ *gatewayOf) { p.Entries[0].Provider = "q" }, filter: "e",
			want: "plugin p running ok; account a in_use ok; entry e settings failed another_provider; entry e notify_url ok; " +
				"account a request_signature ok; entry e notify ok; account a api_v3_key ok; entry e app_binding ok"},
		{name: "an entry's options", change: func(p *Patient, _ *gatewayOf) {
			p.CheckEntry = func(ports.Entry) error { return errors.New("goods_tga is unknown") }
		}, want: strings.Replace(proven, "settings ok", "settings failed options_wrong", 1) + "account a request_signature ok; entry e notify ok; account a api_v3_key ok; entry e app_binding ok"},
		{name: "production without https", change: func(p *Patient, _ *gatewayOf) { p.Production = true },
			want: strings.Replace(proven, "notify_url ok", "notify_url failed notify_base_not_https", 1) + "account a request_signature ok; entry e notify ok; account a api_v3_key ok; entry e app_binding ok"},
		{name: "an account without an entry", change: func(p *Patient, g *gatewayOf) { p.Entries[0].Retired, g.echo = true, true },
			want: "plugin p running ok; store due_rows ok; account a in_use ok; account a request_signature ok; account a notify ok; account a api_v3_key ok; account a app_binding ok"},
		{name: "sub merchants with one partner's keys", change: func(p *Patient, _ *gatewayOf) {
			p.Accounts[0].From = "partner"
			p.Accounts = append(p.Accounts, ports.Account{Name: "b", Provider: "p", MchID: "1900000001", From: "partner"})
			p.Entries = append(p.Entries, ports.Entry{Name: "f", Provider: "p", Account: "b", AppID: "wx01", NotifyBase: ours.URL})
		}, want: proven + "account a request_signature ok; entry e notify ok; account a api_v3_key ok; entry e app_binding ok; " +
			"account b in_use ok; account b self_test skipped same_keys; entry f settings ok; entry f notify_url ok; account b request_signature ok; entry f app_binding ok"},
		{name: "nothing of that name", filter: "x", want: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := &gatewayOf{echo: true, paid: true}
			p := Patient{
				Plugins:  []Plugin{{Provider: "p", Version: "1.0.0"}},
				Accounts: []ports.Account{{Name: "a", Provider: "p", MchID: "1900000001"}},
				Entries:  []ports.Entry{{Name: "e", Provider: "p", Account: "a", AppID: "wx01", NotifyBase: ours.URL}},
				InUse:    func(string, string) error { return nil }, CheckEntry: func(ports.Entry) error { return nil },
				Channels: channels{checks: awaited}, Gateway: g, Client: ours.Client(), Wait: time.Millisecond,
			}
			if c.change != nil {
				c.change(&p, g)
			}
			report := Examine(t.Context(), p, c.filter)
			var got []string
			for _, f := range report.Findings {
				got = append(got, strings.TrimSpace(strings.Join([]string{f.Subject, f.Check, string(f.Status), f.Code}, " ")))
				if f.Status == ports.CheckFailed && (f.Remedy == "" || f.RemedyZH == "") {
					t.Errorf("%s %s %s: no remedy in both languages", f.Subject, f.Check, f.Code)
				}
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("\n got %s\nwant %s", strings.Join(got, "; "), c.want)
			}
			if report.Healthy == strings.Contains(c.want, "failed") {
				t.Errorf("healthy: %v", report.Healthy)
			}
		})
	}
}

// A subject stands once, with all that was found of it below.
func TestFindingsAreTogether(t *testing.T) {
	t.Parallel()
	found := bySubject([]Finding{
		{Subject: "account a", Check: "one"}, {Subject: "entry e", Check: "two"}, {Subject: "account a", Check: "three"},
		{Subject: "account b", Check: "four"}, {Subject: "entry e", Check: "five"},
	})
	var got []string
	for _, f := range found {
		got = append(got, f.Check)
	}
	if want := "one three two five four"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// Each word that is said here is said in both languages.
func TestWords(t *testing.T) {
	t.Parallel()
	for code, w := range words {
		if w[0] == "" || w[1] == "" || w[0] == w[1] {
			t.Errorf("%s: %q, %q", code, w[0], w[1])
		}
	}
}

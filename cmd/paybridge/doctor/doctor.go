// Package doctor says what is wrong with the plugins, accounts and entries of a gateway, and how to mend it, without
// moving money. It asks the plugins' self-tests and adds what only the gateway can see: whether an entry's notify URL is
// reachable, whether a callback has come, whether a payment has gone through.
package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Patient is what is examined.
type Patient struct {
	Plugins  []Plugin
	Accounts []ports.Account
	Entries  []ports.Entry
	// InUse is nil when calls can be made for an account here, else why not.
	InUse func(provider, account string) error
	// CheckEntry holds an entry's options against its plugin's schema. An error that wraps ports.ErrUnavailable: nobody
	// here can tell.
	CheckEntry func(ports.Entry) error
	Channels   ports.Optional
	Gateway    Gateway      // nil: no gateway runs, so that nothing is called back
	Client     *http.Client // that looks for notify URLs
	Production bool
	Wait       time.Duration // for a callback
	Now        time.Time     // on the gateway's clock; zero where no gateway runs
}

// Plugin is how one is doing.
type Plugin struct {
	Provider, Version string
	Problem           string // empty: it is well
	Quarantined       bool
}

// Gateway is what a running gateway has seen.
type Gateway interface {
	// EchoArrived tells whether the notice "self_test.echo" of that id has come.
	EchoArrived(ctx context.Context, provider, account, id string) (bool, error)
	// Refused counts, by cause, messages to the account that were not believed since the minute of then.
	Refused(ctx context.Context, provider, account string, since time.Time) (map[ports.RefuseCause]int, error)
	// Overdue counts, by kind, rows that are unfinished and nobody looks at: those long due, and those due later than any
	// unfinished row is (R40).
	Overdue(ctx context.Context, now time.Time, after time.Duration) (overdue, tooLate map[ports.Kind]int, err error)
	// PaidWith tells whether a payment by the account with that app id has succeeded.
	PaidWith(ctx context.Context, account, appID string) (bool, error)
}

// Report is all that was found.
type Report struct {
	Healthy  bool      `json:"healthy"` // nothing failed
	Gateway  bool      `json:"gateway"` // a running gateway was asked
	Findings []Finding `json:"findings"`
}

// Finding is one thing that was looked at.
type Finding struct {
	Subject  string            `json:"subject"` // "plugin NAME", "account NAME", "entry NAME" or "store"
	Check    string            `json:"check"`   // stable; that of an account is its plugin's, or one of this package's
	Status   ports.CheckStatus `json:"status"`
	Code     string            `json:"code,omitempty"`      // unless it is ok: what was found, for programs
	Detail   string            `json:"detail,omitempty"`    // what was seen
	Remedy   string            `json:"remedy,omitempty"`    // unless it is ok: what to do, in English
	RemedyZH string            `json:"remedy_zh,omitempty"` // the same in Chinese
}

// The checks that are made here. All others are the plugins' own.
const (
	CheckRunning    = "running"     // of a plugin: it serves
	CheckDueRows    = "due_rows"    // of the store: what is unfinished is looked at
	CheckInUse      = "in_use"      // of an account: its plugin has taken it
	CheckSelfTest   = "self_test"   // of an account: its plugin can prove it
	CheckSettings   = "settings"    // of an entry: its account is there, its options are right
	CheckNotifyURL  = "notify_url"  // of an entry: something of ours answers there
	CheckAppBinding = "app_binding" // of an entry: its app id may pay to its merchant number
	CheckNotify     = "notify"      // of an account: a callback of the provider has come
)

// atOnce is how many accounts are examined side by side.
const atOnce = 8

// Examine looks at everything, or at what the filter names: an account or an entry, with what it needs.
func Examine(ctx context.Context, p Patient, filter string) Report {
	r := Report{Gateway: p.Gateway != nil, Findings: []Finding{}}
	entries := map[string][]ports.Entry{}
	for _, e := range p.Entries {
		if !e.Retired {
			entries[e.Account] = append(entries[e.Account], e)
		}
	}
	wanted := func(a ports.Account) bool {
		return filter == "" || a.Name == filter || slices.ContainsFunc(entries[a.Name], func(e ports.Entry) bool { return e.Name == filter })
	}
	found := make([][]Finding, len(p.Accounts))
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	needed := map[string]bool{}
	tested := map[string]string{} // by template: the account whose callback is awaited for all that have its keys
	for n, a := range p.Accounts {
		if !wanted(a) {
			continue
		}
		needed[a.Provider] = true
		like := ""
		if a.From != "" {
			if like = tested[a.From]; like == "" {
				tested[a.From] = a.Name
			}
		}
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			found[n] = p.account(ctx, a, entries[a.Name], like)
		})
	}
	all.Wait()
	for _, plugin := range p.Plugins {
		if filter == "" || needed[plugin.Provider] {
			r.Findings = append(r.Findings, running(plugin))
		}
	}
	if p.Gateway != nil && filter == "" {
		r.Findings = append(r.Findings, p.dueRows(ctx))
	}
	for _, f := range found {
		r.Findings = append(r.Findings, f...)
	}
	for _, e := range p.Entries {
		if !e.Retired && (filter == "" || e.Name == filter) && !slices.ContainsFunc(p.Accounts, func(a ports.Account) bool { return a.Name == e.Account }) {
			r.Findings = append(r.Findings, failed("entry "+e.Name, CheckSettings, "account_unknown", "account "+e.Account+" is not there"))
		}
	}
	r.Healthy = !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Status == ports.CheckFailed })
	return r
}

func running(p Plugin) Finding {
	subject := "plugin " + p.Provider
	switch {
	case p.Quarantined:
		return failed(subject, CheckRunning, "quarantined", p.Problem)
	case p.Problem != "":
		return failed(subject, CheckRunning, "plugin_down", p.Problem)
	}
	return ok(subject, CheckRunning, "version "+p.Version)
}

// overdueAfter is how long after its due time a row is looked at even on a busy machine.
const overdueAfter = 5 * time.Minute

// dueRows tells of rows that are left alone (R40).
func (p Patient) dueRows(ctx context.Context) Finding {
	overdue, tooLate, err := p.Gateway.Overdue(ctx, p.Now, overdueAfter)
	switch {
	case err != nil:
		return failed("store", CheckDueRows, "store_away", err.Error())
	case len(overdue) > 0:
		return failed("store", CheckDueRows, "rows_overdue", "long due: "+counted(overdue))
	case len(tooLate) > 0:
		return failed("store", CheckDueRows, "rows_due_too_late", "due too late: "+counted(tooLate))
	}
	return ok("store", CheckDueRows, "")
}

// counted is as in "3 payment, 1 refund".
func counted(rows map[ports.Kind]int) string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(rows)) {
		all = append(all, fmt.Sprintf("%d %s", rows[kind], kind))
	}
	return strings.Join(all, ", ")
}

// account looks at one account and its entries. like names one with the same keys, whose callback is awaited for all: of
// hundreds of sub merchants each would wait as long.
func (p Patient) account(ctx context.Context, a ports.Account, entries []ports.Entry, like string) (all []Finding) {
	subject := "account " + a.Name
	usable := p.InUse(a.Provider, a.Name)
	if usable != nil {
		all = append(all, failed(subject, CheckInUse, "account_out_of_use", usable.Error()))
	} else {
		all = append(all, ok(subject, CheckInUse, ""))
	}
	if like != "" {
		all = append(all, skipped(subject, CheckSelfTest, "same_keys", "account "+like))
	}
	if usable == nil && len(entries) == 0 { // nothing to be called back at
		route := gateway.RouteOf(ports.Entry{Provider: a.Provider}, a, pay.Policy{})
		route.NotifyBase = ""
		all = append(all, p.selfTest(ctx, route, subject, subject, like)...)
	}
	for n, e := range entries {
		all = append(all, p.settings(e, a), p.notifyURL(ctx, e))
		route := gateway.RouteOf(e, a, pay.Policy{})
		if usable != nil {
			continue
		}
		about := subject
		if n > 0 {
			about = "" // told of with the first
		}
		all = append(all, p.selfTest(ctx, route, about, "entry "+e.Name, like)...)
	}
	return all
}

// selfTest asks the plugin and waits for the callback. What is an entry's own is told of the entry; the rest of the
// account, where that is named.
func (p Patient) selfTest(ctx context.Context, route pay.Route, account, entry, like string) (all []Finding) {
	begun := time.Now()
	echo, mayCall := newEcho(), p.Gateway != nil && route.NotifyBase != "" && like == ""
	var refused map[ports.RefuseCause]int
	asked := ""
	if mayCall {
		asked = echo
		refused, _ = p.Gateway.Refused(ctx, route.Provider, route.Account, begun) // not known: all that is counted is new
	}
	checks, err := p.Channels.SelfTest(ctx, route, asked)
	switch {
	case errors.Is(err, ports.ErrUnimplemented):
		if account != "" {
			all = append(all, skipped(account, CheckSelfTest, "not_offered", "provider "+route.Provider))
		}
	case err != nil:
		all = append(all, failed(orElse(account, entry), CheckSelfTest, "not_answered", err.Error()))
	}
	if like == "" && slices.ContainsFunc(checks, func(c ports.SelfTestCheck) bool { return c.Code == ports.CodeCallbackAwaited }) {
		checks = p.calledBack(ctx, route, echo, begun, refused, checks)
	}
	bound := false
	for _, c := range checks {
		if like != "" && c.Status == ports.CheckSkipped && c.Name != CheckAppBinding {
			continue // it waits for the callback
		}
		f := Finding{account, c.Name, c.Status, c.Code, c.Detail, c.Remedy, c.RemedyZH}
		switch c.Name {
		case CheckAppBinding:
			f.Subject, bound = entry, true
			f = p.binding(ctx, route, f)
		case CheckNotify:
			f.Subject = entry
		}
		if f.Subject != "" {
			all = append(all, f)
		}
	}
	if !bound && route.AppID != "" {
		all = append(all, p.binding(ctx, route, skipped(entry, CheckAppBinding, "app_binding_unproven", "")))
	}
	return all
}

// binding is proven by a payment that went through, whatever a plugin can tell.
func (p Patient) binding(ctx context.Context, route pay.Route, f Finding) Finding {
	if f.Status != ports.CheckSkipped || p.Gateway == nil {
		return f
	}
	if paid, err := p.Gateway.PaidWith(ctx, route.Account, route.AppID); err == nil && paid {
		return ok(f.Subject, f.Check, "a payment with app id "+route.AppID+" has succeeded")
	}
	return f
}

// calledBack waits for the notice, and makes the checks that it proves ok. refused is how many messages to the account had
// not been believed before it was asked for.
func (p Patient) calledBack(ctx context.Context, route pay.Route, echo string, begun time.Time, refused map[ports.RefuseCause]int, checks []ports.SelfTestCheck) []ports.SelfTestCheck {
	waiting, cancel := context.WithTimeout(ctx, p.Wait)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if arrived, err := p.Gateway.EchoArrived(waiting, route.Provider, route.Account, echo); arrived && err == nil {
			return settle(checks, func(c *ports.SelfTestCheck) {
				*c = ports.SelfTestCheck{Name: c.Name, Status: ports.CheckOK, Detail: "the provider's callback has come"}
			})
		}
		select {
		case <-tick.C:
			continue
		case <-waiting.Done():
		}
		break
	}
	since, err := p.Gateway.Refused(ctx, route.Provider, route.Account, begun)
	for cause, n := range refused {
		if since[cause] == n {
			delete(since, cause)
		}
	}
	if err == nil && len(since) > 0 {
		return settle(checks, func(c *ports.SelfTestCheck) { refusedCallback(c, since) })
	}
	return settle(checks, func(c *ports.SelfTestCheck) {
		if c.Name == CheckNotify {
			c.Status, c.Code, c.Detail = ports.CheckFailed, "callback_missing", fmt.Sprintf("no callback to %s came within %s", route.NotifyURL(), p.Wait)
			c.Remedy, c.RemedyZH = words[c.Code][0], words[c.Code][1]
		}
	})
}

func settle(checks []ports.SelfTestCheck, change func(*ports.SelfTestCheck)) []ports.SelfTestCheck {
	for i := range checks {
		if checks[i].Code == ports.CodeCallbackAwaited {
			change(&checks[i])
		}
	}
	return checks
}

// refusedCallback says what a message that came and was not believed proves: the address is right, and a key is not.
func refusedCallback(c *ports.SelfTestCheck, causes map[ports.RefuseCause]int) {
	var names []string
	for cause := range causes {
		names = append(names, string(cause))
	}
	slices.Sort(names)
	detail := "a message has come and was not believed: " + strings.Join(names, ", ")
	if c.Name == CheckNotify {
		*c = ports.SelfTestCheck{Name: c.Name, Status: ports.CheckOK, Detail: detail}
		return
	}
	c.Status, c.Code, c.Detail = ports.CheckFailed, "callback_refused", detail
	c.Remedy, c.RemedyZH = words["callback_refused"][0], words["callback_refused"][1]
}

func (p Patient) settings(e ports.Entry, a ports.Account) Finding {
	subject := "entry " + e.Name
	switch err := p.CheckEntry(e); {
	case e.Provider != a.Provider:
		return failed(subject, CheckSettings, "another_provider", "its provider is "+e.Provider+", its account's "+a.Provider)
	case a.Retired:
		return failed(subject, CheckSettings, "account_retired", "account "+a.Name+" is retired")
	case errors.Is(err, ports.ErrUnavailable):
		return skipped(subject, CheckSettings, "plugin_down", err.Error())
	case err != nil:
		return failed(subject, CheckSettings, "options_wrong", err.Error())
	}
	return ok(subject, CheckSettings, "")
}

// orElse is the first text that is not empty.
func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func newEcho() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return "doctor-" + hex.EncodeToString(b[:])
}

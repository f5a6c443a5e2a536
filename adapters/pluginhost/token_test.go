package pluginhost_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/core/pay"
)

// withTokens runs the plugin whose calls need an access token.
func withTokens(t *testing.T, change func(*pluginhost.Options)) func(do string) pay.Outcome {
	t.Helper()
	h := newHost(t, change)
	if err := h.Start(t.Context(), "unruly-app"); err != nil {
		t.Fatal(err)
	}
	a := account("one", 1)
	a.Provider = "unruly-app"
	if err := h.Configure(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return func(do string) pay.Outcome {
		p := payment("one", do)
		p.Route.Provider = "unruly-app"
		channel, err := h.For(p.Route)
		if err != nil {
			t.Fatal(err)
		}
		return channel.CreatePayment(t.Context(), p).Outcome
	}
}

func TestAppAccessToken(t *testing.T) {
	t.Parallel()
	var asked []string
	var log safeBuffer
	call := withTokens(t, func(o *pluginhost.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.AppToken = func(_ context.Context, app, refused string) (pluginhost.AppToken, error) {
			asked = append(asked, app+" not "+refused)
			if refused == "" {
				return pluginhost.AppToken{Token: "stale"}, nil
			}
			return pluginhost.AppToken{Token: "fresh", ExpiresAt: time.Unix(1800000000, 0)}, nil
		}
	})
	if o := call("token"); o.Code != "wx1 fresh" || o.Message != "1800000000" {
		t.Errorf("a token that the provider does not take is not followed by another: the plugin has %q until %s", o.Code, o.Message)
	}
	if want := "wx1 not ; wx1 not stale"; strings.Join(asked, "; ") != want {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	if strings.Contains(log.String(), "fresh") {
		t.Error("R45: the log tells a token")
	}
}

// Only entries of the mode that a plugin names get a token: others do not wait for one.
func TestAppAccessTokenOfAMode(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *pluginhost.Options) {
		o.AppToken = func(context.Context, string, string) (pluginhost.AppToken, error) {
			return pluginhost.AppToken{Token: "given"}, nil
		}
	})
	if err := h.Start(t.Context(), "unruly-mode"); err != nil {
		t.Fatal(err)
	}
	a := account("one", 1)
	a.Provider = "unruly-mode"
	if err := h.Configure(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for options, want := range map[string]string{``: " ", `{"mode":"mixed"}`: " ", `{"mode":"redirect"}`: "wx1 given", `{"goods_tag":"x"}`: " "} {
		p := payment("one", "token")
		p.Route.Provider, p.Route.Options = "unruly-mode", []byte(options)
		channel, err := h.For(p.Route)
		if err != nil {
			t.Fatal(err)
		}
		if o := channel.CreatePayment(t.Context(), p).Outcome; o.Code != want {
			t.Errorf("%s: the plugin has %q, want %q", options, o.Code, want)
		}
	}
}

// Without a token nothing is sent: the payment waits.
func TestR36_NoAppAccessToken(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*pluginhost.Options){
		"nothing gives one": func(*pluginhost.Options) {},
		"none is given now": func(o *pluginhost.Options) {
			o.AppToken = func(context.Context, string, string) (pluginhost.AppToken, error) {
				return pluginhost.AppToken{}, errors.New("the limit of the day is reached")
			}
		},
	} {
		o := withTokens(t, change)("token")
		if o.Verdict != pay.NotSent || o.Reason != pay.Unavailable || !strings.Contains(o.Message, "wx1") {
			t.Errorf("%s: %s %s", name, o, o.Message)
		}
	}
}

// A plugin gets the details of a payment whole; one that needs no token gets none.
func TestDetailsReachThePlugin(t *testing.T) {
	t.Parallel()
	p := provider(t, start(t), "one")
	at := time.Unix(1750000000, 0).UTC()
	for name, c := range map[string]struct {
		details *pay.Details
		want    string // JSON of what the plugin has
	}{
		"none": {nil, `{"Medical":null,"Extension":null}`},
		"extension": {&pay.Details{Extension: &pay.Extension{Type: "fleet-card/v1", JSON: []byte(`{"card":1}`)}},
			`{"Medical":null,"Extension":{"Type":"fleet-card/v1","JSON":{"card":1}}}`},
		"medical": {&pay.Details{Medical: &pay.Medical{
			OrderType: "REG_PAY", SerialNo: "s", PayOrderID: "po", PayAuthNo: "pa", GeoLocation: "1,2", CityID: "c", InstitutionName: "in",
			InstitutionNo: "no", OrderedAt: at, Gov: 1, Self: 2, Other: 3, Cash: 4, CashAdditions: []pay.CashChange{{Type: "FREIGHT", Fen: 5}},
			CashReductions: []pay.CashChange{{Type: "HOSPITAL_REDUCE", Fen: 6}}, Person: pay.MedicalPerson{Name: "n", IDNumber: "i", CardType: "ID_CARD"},
			Payer: &pay.MedicalPerson{Name: "n2", IDNumber: "i2", CardType: "ID_CARD"}, Passthrough: []byte(`{"a":1}`), ChannelNo: "ch", BillNo: "b",
		}}, `{"Medical":{"OrderType":"REG_PAY","SerialNo":"s","PayOrderID":"po","PayAuthNo":"pa","GeoLocation":"1,2","CityID":"c",
			"InstitutionName":"in","InstitutionNo":"no","OrderedAt":"2025-06-15T15:06:40Z","Gov":1,"Self":2,"Other":3,"Cash":4,
			"CashAdditions":[{"Type":"FREIGHT","Minor":5}],"CashReductions":[{"Type":"HOSPITAL_REDUCE","Minor":6}],
			"Person":{"Name":"n","IDNumber":"i","CardType":"ID_CARD"},"Payer":{"Name":"n2","IDNumber":"i2","CardType":"ID_CARD"},
			"Passthrough":"eyJhIjoxfQ==","ChannelNo":"ch","BillNo":"b"},"Extension":null}`},
	} {
		m := payment("one", "details")
		m.Content.Details = c.details
		var got, want any
		said := p.CreatePayment(t.Context(), m).Outcome.Message
		if err := errors.Join(json.Unmarshal([]byte(said), &got), json.Unmarshal([]byte(c.want), &want)); err != nil {
			t.Fatalf("%s: %v: %s", name, err, said)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Errorf("%s:\n got %s\nwant %s", name, a, b)
		}
	}
}

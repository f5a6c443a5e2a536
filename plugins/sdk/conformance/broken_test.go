package conformance_test

// brokenPlugins are plugins of ours with one thing changed for the worse, as an author might well write it. Each must make
// the kit name the promise that it breaks.
var brokenPlugins = []variant{
	{
		does:    "does not say which of its fields are secret",
		changes: []change{{"example/account.schema.json", `"minLength": 16,`, `"minLength": 16`}, {"example/account.schema.json", `"writeOnly": true`, ``}},
		breaks:  []string{"describe"},
	}, {
		does: "describes itself differently once it has an account",
		changes: []change{
			{"example/describe.go", `func (*plugin) Describe() sdk.Description {`, `func (p *plugin) Describe() sdk.Description {
	_, configured := p.accounts.Named("main")`},
			{"example/describe.go", `Renewable:        true,`, `Renewable: !configured,`},
		},
		breaks: []string{"describe"},
	}, {
		does: "puts an account in use before it has looked at it",
		changes: []change{{"example/configure.go", `	if err != nil {
		return m, err
	}
	m.MchID`, `	p.accounts.Set(a, sdk.Merchant{MchID: cfg.MchID}, c)
	if err != nil {
		return m, err
	}
	m.MchID`}},
		breaks: []string{"configure"},
	}, {
		does:    "signs for whatever merchant it is asked for",
		changes: []change{{"example/main.go", `p.accounts.For(r)`, `p.accounts.Named(r.Account)`}},
		breaks:  []string{"foreign-merchant"},
	}, {
		does: "leaves out the provider's id",
		changes: []change{{"example/payments.go", `	return sdk.Accepted(t.facts())`, `	f := t.facts()
	f.ProviderID = ""
	return sdk.Accepted(f)`}},
		breaks: []string{"facts"},
	}, {
		does: "tells what a refund was asked for, not what the provider made of it",
		changes: []change{{"example/refunds.go", `	return sdk.Accepted(made.facts())`, `	f := made.facts()
	f.SucceededAt = moment(0)
	return sdk.Accepted(f)`}},
		breaks: []string{"refund-facts"},
	}, {
		does: "ends a payment that was paid when it is created again",
		changes: []change{{"example/payments.go", `	return sdk.Accepted(t.facts(), sdk.QRCode`, `	if t.State == "PAID" {
		return sdk.Rejected(sdk.InvalidRequest, t.State, "it is paid already")
	}
	return sdk.Accepted(t.facts(), sdk.QRCode`}},
		breaks: []string{"repeat-create"},
	}, {
		does: "says closed whatever the provider says",
		changes: []change{{"example/payments.go", `	return p.ask(ctx, r.Route, "/close", r.Number)`, `	a := p.ask(ctx, r.Route, "/close", r.Number)
	if a.Payment != nil {
		a.Payment.State = sdk.PaymentClosed
	}
	return a`}},
		breaks: []string{"repeat-close"},
	}, {
		does: "takes a refund that has arrived for a refusal",
		changes: []change{{"example/refunds.go", `	return sdk.Accepted(made.facts())`, `	if path == "/refund" && made.State == "ARRIVED" {
		return sdk.Rejected(sdk.Declined, made.State, "it is refunded already")
	}
	return sdk.Accepted(made.facts())`}},
		breaks: []string{"repeat-refund"},
	}, {
		does:    "ends a payment whose number is in use",
		changes: []change{{"example/wire.go", `"NUMBER_USED": sdk.Conflict`, `"NUMBER_USED": sdk.InvalidRequest`}},
		breaks:  []string{"conflict", "reasons"}, // the reason CONFLICT is out of reach by it
	}, {
		does:    "takes a busy provider for one that refuses",
		changes: []change{{"example/wire.go", `"SLOW_DOWN": sdk.RateLimited`, `"SLOW_DOWN": sdk.Declined`}},
		breaks:  []string{"reasons"},
	}, {
		does:    "says REJECTED on a connection that broke",
		changes: []change{{"example/wire.go", `sdk.Unanswered(fmt.Errorf("example: %w", err))`, `sdk.Rejected(sdk.Declined, "", fmt.Sprint(err))`}},
		breaks:  []string{"broken-connection"},
	}, {
		does: "says REJECTED on a time-out",
		slow: true,
		changes: []change{
			{"example/wire.go", `	body, err := json.Marshal(request)`, `	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	body, err := json.Marshal(request)`},
			{"example/wire.go", `	return sdk.Unanswered(`, `	if errors.Is(err, context.DeadlineExceeded) {
		return sdk.Rejected(sdk.Declined, "TIME_OUT", "no answer came")
	}
	return sdk.Unanswered(`},
		},
		breaks: []string{"time-out"},
	}, {
		does:    "waits on when its caller has gone",
		changes: []change{{"example/wire.go", `http.NewRequestWithContext(ctx,`, `http.NewRequestWithContext(context.WithoutCancel(ctx),`}},
		breaks:  []string{"cancel"},
	}, {
		does: "reads a notification before it verifies it",
		changes: []change{{"example/notifications.go", `	payload, err := c.open(n.Body)`, `	if !json.Valid(n.Body) {
		return sdk.Refuse(sdk.Malformed, "it is no JSON")
	}
	payload, err := c.open(n.Body)`}},
		breaks: []string{"verify-before-parse"},
	}, {
		does:    "verifies nothing",
		changes: []change{{"example/wire.go", `!ed25519.Verify(key, []byte(signed.Payload), signed.Signature)`, `len(key) == 0`}},
		breaks:  []string{"verify-before-parse"},
	}, {
		does:    "does not tell an unknown key from a forgery",
		changes: []change{{"example/notifications.go", `sdk.UnknownSerial`, `sdk.BadSignature`}},
		breaks:  []string{"unknown-serial"},
	}, {
		does:    "ignores the clock",
		wechat:  true,
		changes: []change{{"wechat/verify.go", `at.Before(now.Add(-clockWindow)) || at.After(now.Add(clockWindow))`, `at.IsZero()`}},
		breaks:  []string{"clock-window"},
	}, {
		does:    "measures by a clock of its own, not by when the notification came",
		wechat:  true,
		changes: []change{{"wechat/notification.go", `c.verify(h, body, now)`, `c.verify(h, body, time.Now())`}},
		breaks:  []string{"clock-window"},
	}, {
		does:    "makes a dedupe key of what is not the notification's",
		changes: []change{{"example/notifications.go", `told.Trade.facts(), told.ID`, `told.Trade.facts(), told.ID + n.Path`}},
		breaks:  []string{"notification"},
	}, {
		does: "keeps the app id in a place that all calls share",
		changes: []change{
			{"example/payments.go", `	"context"`, `	"context"
	"sync/atomic"
	"time"`},
			{"example/payments.go", `// trade is a payment`, `var shared atomic.Pointer[string]

// trade is a payment`},
			{"example/payments.go", `	err := c.call(ctx, "/create"`, `	shared.Store(&r.Route.AppID)
	<-time.After(20 * time.Millisecond)
	err := c.call(ctx, "/create"`},
			{"example/payments.go", `"store": r.Route.AppID`, `"store": *shared.Load()`},
		},
		breaks: []string{"app-ids"},
	}, {
		does: "keeps in its process what a checkpoint needs",
		changes: []change{
			{"example/payments.go", `	"context"`, `	"context"
	"sync"`},
			{"example/payments.go", `// trade is a payment`, `var begun sync.Map

// trade is a payment`},
			{"example/payments.go", `	err := c.call(ctx, "/create"`, `	if r.State.Version == 0 {
		begun.Store(r.Number, true)
		return sdk.Checkpoint(r.State.Next([]byte("begun")))
	}
	if _, here := begun.Load(r.Number); !here {
		return sdk.Rejected(sdk.InvalidRequest, "", "it was never begun")
	}
	err := c.call(ctx, "/create"`},
		},
		breaks: []string{"repeat-create", "checkpoints"}, // both ask another process
	}, {
		does: "ends its process at a call without a number",
		changes: []change{
			{"example/payments.go", `	"context"`, `	"context"
	"os"`},
			{"example/payments.go", `	err := c.call(ctx, "/create"`, `	if r.Number == "" {
		os.Exit(1)
	}
	err := c.call(ctx, "/create"`},
		},
		breaks: []string{"isolation"},
	}, {
		does: "knows one key alone",
		changes: []change{{"example/configure.go", `		c.keys[id] = key`, `		if id == "key-1" {
			c.keys[id] = key
		}`}},
		breaks: []string{"rotation"},
	}, {
		does:    "believes a statement without its hash",
		wechat:  true,
		changes: []change{{"wechat/bills.go", `!strings.EqualFold(hex.EncodeToString(sum.Sum(nil)), made.HashValue)`, `hex.EncodedLen(sum.Size()) == 0`}},
		breaks:  []string{"bills"},
	}, {
		does: "logs an account's key",
		changes: []change{{"example/configure.go", `	m.MchID = cfg.MchID`, `	println("configured with", cfg.APIKey)
	m.MchID = cfg.MchID`}},
		breaks: []string{"secrets"},
	},
}

// soundPlugins are changed as well, and keep every promise: the kit must not cry wolf.
var soundPlugins = []variant{
	{
		does: "makes a payment in two steps, by a checkpoint",
		changes: []change{{"example/payments.go", `	err := c.call(ctx, "/create"`, `	if r.State.Version == 0 {
		return sdk.Checkpoint(r.State.Next([]byte("begun")))
	}
	err := c.call(ctx, "/create"`}},
	}, {
		does: "gives up by itself before its caller does",
		slow: true,
		changes: []change{{"example/wire.go", `	body, err := json.Marshal(request)`, `	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	body, err := json.Marshal(request)`}},
	},
}

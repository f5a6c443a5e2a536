package httpapi

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/paybridge/paybridge/core/pay"
)

// R46: whoever polls gets every event of the app once, those of an order in order, as openapi.yaml describes them.
func TestR46_PollEvents(t *testing.T) {
	t.Parallel()
	w := start(t)
	for n := range 3 {
		w.paid(fmt.Sprint("REG-", n))
	}
	if r := w.must(200, clinicKey, "GET", "/v1/events", ""); strings.TrimSpace(r.text) != `{"events":[],"next_after":"0"}` {
		t.Errorf("before they have their place: %s", r.text)
	}
	w.publish()
	schema := document(t).Components.Schemas["Event"].Value
	var seen []string
	for after := ""; ; {
		page := w.must(200, clinicReads, "GET", "/v1/events?limit=2"+after, "")
		events := page.json["events"].([]any)
		for _, e := range events {
			if err := schema.VisitJSON(e, openapi3.EnableFormatValidation()); err != nil {
				t.Errorf("%v: %v", e, err)
			}
			event := e.(map[string]any)
			order := event["data"].(map[string]any)["order"].(map[string]any)
			seen = append(seen, fmt.Sprint(order["reference"], " ", event["type"], " ", event["sequence"]))
			if order["state"] != "paid" || event["id"] != fmt.Sprintf("evt_%s_%v", order["number"], event["sequence"]) {
				t.Errorf("event %v", event)
			}
		}
		after = "&after=" + page.json["next_after"].(string)
		if len(events) == 0 {
			break
		}
	}
	var want []string
	for n := range 3 {
		want = append(want, fmt.Sprintf("REG-%d payment.succeeded 1", n), fmt.Sprintf("REG-%d order.paid 2", n))
	}
	if got := strings.Join(seen, ", "); got != strings.Join(want, ", ") {
		t.Errorf("polled %s, want %s", got, strings.Join(want, ", "))
	}
	if r := w.must(200, shopKey, "GET", "/v1/events", ""); !strings.Contains(r.text, `"events":[]`) {
		t.Errorf("another app sees %s (R41)", r.text)
	}
	for _, after := range []string{"x", "-1", "01", "1.5", "9999999999999999999"} {
		if r := w.call(clinicKey, "GET", "/v1/events?after="+after, ""); r.status != 400 {
			t.Errorf("after=%s: %d %s", after, r.status, r.text)
		}
	}
}

// Every kind of event is described, among the types and among the webhooks.
func TestEveryEventIsDescribed(t *testing.T) {
	t.Parallel()
	var spec struct {
		Webhooks   map[string]any
		Components struct {
			Schemas struct {
				EventType struct{ Enum []string }
			}
		}
	}
	text, err := document(t).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	kinds := pay.EventKinds()
	for _, kind := range kinds {
		if spec.Webhooks[string(kind)] == nil {
			t.Errorf("webhooks lack %s", kind)
		}
	}
	if got := fmt.Sprint(spec.Components.Schemas.EventType.Enum); got != fmt.Sprint(kinds) || len(spec.Webhooks) != len(kinds) {
		t.Errorf("EventType has %s, and there are %d webhooks; want %v", got, len(spec.Webhooks), kinds)
	}
}

// operator calls the admin listener of a world.
func (w *world) operator(method, path, body string, headers ...string) reply {
	w.t.Helper()
	admin, err := Admin(AdminOptions{Gateway: w.gateway, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	admin.ServeHTTP(answer, r)
	w.conformsToAdmin(r, answer)
	out := reply{status: answer.Code, header: answer.Header(), text: answer.Body.String()}
	_ = json.Unmarshal(answer.Body.Bytes(), &out.json) // nil where it is no object
	return out
}

func TestAlarmsAreListedAndAcknowledged(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, number := range []string{"1", "2"} {
		if err := w.db.RaiseAlarm(t.Context(), pay.Alarm{Kind: pay.AlarmAccountDown, Number: number, What: "what"}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.operator("GET", "/admin/v1/alarms?limit=1", ""); r.status != 200 || !strings.Contains(r.text, `"open":{"account.down":2}`) || strings.Count(r.text, `"id":`) != 1 || !strings.Contains(r.text, "收款账户") {
		t.Errorf("%d %s", r.status, r.text)
	}
	if r := w.operator("POST", "/admin/v1/alarms/1/acknowledge", `{"name":"li"}`); r.status != 200 || r.json["acknowledged_by"] != "li" || r.json["acknowledged_at"] == nil {
		t.Errorf("%d %s", r.status, r.text)
	}
	if r := w.operator("GET", "/admin/v1/alarms", ""); !strings.Contains(r.text, `"open":{"account.down":1}`) || strings.Count(r.text, `"id":`) != 1 {
		t.Errorf("one is closed: %s", r.text)
	}
	if r := w.operator("GET", "/admin/v1/alarms?all=true&kind=account.down&before=2", ""); strings.Count(r.text, `"id":1,`) != 1 {
		t.Errorf("the closed one: %s", r.text)
	}
	for _, row := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/admin/v1/alarms/2/acknowledge", ``, 400},
		{"POST", "/admin/v1/alarms/2/acknowledge", `{"name":"` + strings.Repeat("x", 65) + `"}`, 400},
		{"POST", "/admin/v1/alarms/2/acknowledge", `{"nam":"li"}`, 400},
		{"POST", "/admin/v1/alarms/2/acknowledge", `{"name":"li"}{}`, 400},
		{"POST", "/admin/v1/alarms/2/acknowledge", `{"name":"` + strings.Repeat("x", 1<<17) + `"}`, 413},
		{"POST", "/admin/v1/alarms/9/acknowledge", `{"name":"li"}`, 404},
		{"POST", "/admin/v1/alarms/x/acknowledge", `{"name":"li"}`, 404},
		{"GET", "/admin/v1/alarms/2/acknowledge", ``, 405},
		{"GET", "/admin/v1/alarms?opne=true", ``, 400},
		{"GET", "/admin/v1/alarms?all=yes", ``, 400},
		{"GET", "/admin/v1/alarms?limit=-1", ``, 400},
		{"GET", "/admin/v1/alarms?before=x", ``, 400},
	} {
		if r := w.operator(row.method, row.path, row.body); r.status != row.status {
			t.Errorf("%s %s %.80s: %d %s, want %d", row.method, row.path, row.body, r.status, r.text, row.status)
		}
	}
}

// R33: the money went back another way, says an operator: the refund ends, its sum is taken, the app is told.
func TestR33_SettleOutside(t *testing.T) {
	t.Parallel()
	w := start(t)
	order, payment := w.paid("REG-1")
	refund := w.must(202, clinicKey, "POST", "/v1/payments/"+payment+"/refunds", `{"reference":"R1","amount":1000}`).number()
	path := "/admin/v1/refunds/" + refund + "/settle-outside"
	const said = `{"name":"li","reason":"paid back in cash, receipt 7"}`
	if r := w.operator("POST", path, said); r.status != 409 || r.code() != pay.CodeRefundNotSettleable {
		t.Errorf("never sent: %d %s", r.status, r.text)
	}
	exec := func(query string) {
		t.Helper()
		if _, err := w.db.DB().ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	exec("update refunds set state = 'failed', due = null")
	for _, body := range []string{`{}`, `{"name":"li"}`, `{"reason":"cash"}`, `{"name":"li","reason":"a\u0000b"}`} {
		if r := w.operator("POST", path, body); r.status != 400 {
			t.Errorf("%s: %d %s", body, r.status, r.text)
		}
	}
	if r := w.operator("POST", path, said); r.status != 200 || r.json["state"] != "settled_outside" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if r := w.operator("POST", path, said); r.status != 200 || r.json["state"] != "settled_outside" {
		t.Errorf("again: %d %s", r.status, r.text)
	}
	if r := w.must(200, clinicKey, "GET", "/v1/orders/"+order, ""); r.json["state"] != "partially_refunded" {
		t.Errorf("the order is %s", r.text)
	}
	if r := w.must(409, clinicKey, "POST", "/v1/payments/"+payment+"/refunds", `{"reference":"R2","amount":251}`); r.code() != pay.CodeRefundExceeds {
		t.Errorf("more than is left: %s", r.text)
	}
	if r := w.must(200, clinicReads, "GET", "/v1/payments/"+payment+"/timeline", ""); !strings.Contains(r.text, "settled outside by li: paid back in cash, receipt 7") {
		t.Errorf("the audit lacks it: %s", r.text)
	}
	w.publish()
	if r := w.must(200, clinicReads, "GET", "/v1/events", ""); strings.Count(r.text, "refund.settled_outside") != 1 {
		t.Errorf("the app was not told once: %s", r.text)
	}
	if r := w.operator("POST", "/admin/v1/refunds/"+order+"/settle-outside", said); r.status != 404 {
		t.Errorf("what is no refund: %d %s", r.status, r.text)
	}
}

// R33: what an operator writes is held against its form before any channel is asked; a channel that cannot says so.
func TestR33_ResolveAbnormal(t *testing.T) {
	t.Parallel()
	w := start(t)
	_, payment := w.paid("REG-1")
	refund := w.must(202, clinicKey, "POST", "/v1/payments/"+payment+"/refunds", `{"reference":"R1","amount":1000}`).number()
	path := "/admin/v1/refunds/" + refund + "/resolve-abnormal"
	const card = `{"name":"li","to":"card","bank_type":"CMB_DEBIT","bank_account":"6225880137004246","real_name":"li"}`
	if r := w.operator("POST", path, card); r.status != 409 || r.code() != pay.CodeRefundNotAbnormal || strings.Contains(r.text, "6225880137004246") {
		t.Errorf("not abnormal: %d %s", r.status, r.text)
	}
	if _, err := w.db.DB().ExecContext(t.Context(), "update refunds set state = 'processing', provider_id = '5030', needs_attention = 'x', sent_at = 1"); err != nil {
		t.Fatal(err)
	}
	for body, field := range map[string]string{
		`{}`: "to", `{"to":"merchant"}`: "name", `{"name":"li","to":"payer"}`: "to",
		`{"name":"li","to":"merchant","bank_account":"1"}`: "bank_account", `{"name":"li","to":"card"}`: "bank_type",
		strings.Replace(card, `"li"}`, `"a\u0000b"}`, 1): "real_name", `{"name":"li","to":"merchant","by":"x"}`: "body",
	} {
		if r := w.operator("POST", path, body); r.status != 400 || !strings.Contains(r.text, `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s, want %s named", body, r.status, r.text, field)
		}
	}
	if r := w.operator("POST", path, card); r.status != 409 || r.code() != pay.CodeNotOffered {
		t.Errorf("a channel that cannot: %d %s", r.status, r.text)
	}
}

func TestEventsAreSentAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	order, _ := w.paid("REG-1")
	w.publish()
	exec := func(query string) {
		t.Helper()
		if _, err := w.db.DB().ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	exec("update deliveries set next_seq = 3, due = null") // all were taken
	if r := w.operator("GET", "/admin/v1/webhooks", ""); strings.TrimSpace(r.text) != `{"webhooks":[]}` {
		t.Errorf("nothing waits: %s", r.text)
	}
	if r := w.operator("POST", "/admin/v1/events/evt_"+order+"_2/resend", ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.text)
	}
	if r := w.operator("GET", "/admin/v1/webhooks", ""); strings.TrimSpace(r.text) != `{"webhooks":[{"app":"clinic","waiting":1,"failing":0,"parked":0}]}` {
		t.Errorf("one waits: %s", r.text)
	}
	if r := w.operator("POST", "/admin/v1/webhooks/clinic/resend", `{"after":"0"}`); r.status != 200 || r.json["orders"] != 1.0 {
		t.Errorf("%d %s", r.status, r.text)
	}
	if r := w.operator("POST", "/admin/v1/webhooks/clinic/retry", ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.text)
	}
	shop := w.must(201, shopKey, "POST", "/v1/orders", `{"reference":"other","amount":1,"description":"d"}`).number()
	for path, status := range map[string]int{
		"/admin/v1/events/evt_" + order + "_3/resend":  404,
		"/admin/v1/events/evt_" + order + "_0/resend":  400,
		"/admin/v1/events/evt_" + order + "_02/resend": 400,
		"/admin/v1/events/x/resend":                    400,
		"/admin/v1/events/evt_1_1/resend":              404,
		"/admin/v1/events/evt_" + shop + "_1/resend":   400, // its app has no webhook
		"/admin/v1/webhooks/shop/resend":               400,
		"/admin/v1/webhooks/nobody/retry":              400,
	} {
		body := ""
		if strings.HasSuffix(path, "shop/resend") {
			body = `{"after":"0"}`
		}
		if r := w.operator("POST", path, body); r.status != status {
			t.Errorf("%s: %d %s, want %d", path, r.status, r.text, status)
		}
	}
	if r := w.operator("POST", "/admin/v1/webhooks/clinic/resend", `{}`); r.status != 400 {
		t.Errorf("without a cursor: %d %s", r.status, r.text)
	}
}

// sync asks the provider about a payment, whatever the answer.
func (w *world) sync(payment string) {
	w.t.Helper()
	w.call(clinicKey, "POST", "/v1/payments/"+payment+"/sync", "")
}

// wantAlarms checks how many alarms of a kind are open.
func (w *world) wantAlarms(what, kind string, want int) {
	w.t.Helper()
	open, err := w.db.OpenAlarms(w.t.Context())
	if err != nil || open[kind] != want {
		w.t.Errorf("%s: open are %v, %v; want %d of %s", what, open, err, want, kind)
	}
}

// R36: what keeps an account from its provider is told to a person, once: refused credentials, too many calls, silence.
func TestR36_AnAccountThatDoesNotGetThroughAlarms(t *testing.T) {
	t.Parallel()
	for _, outcome := range []pay.Outcome{
		{Verdict: pay.Rejected, Reason: pay.Auth}, {Verdict: pay.Rejected, Reason: pay.RateLimited}, {}, // the last one is a time-out
		{Verdict: pay.NotSent, Reason: pay.Unavailable},
	} {
		t.Run(outcome.String(), func(t *testing.T) {
			t.Parallel()
			w := start(t)
			payment := w.payment(w.order("REG-1"))
			w.channel.ends(&outcome)
			for range 4 {
				w.sync(payment)
			}
			w.wantAlarms("after four in a row", pay.AlarmAccountDown, 0)
			for range 3 {
				w.sync(payment)
			}
			w.wantAlarms("after seven", pay.AlarmAccountDown, 1)
			alarms := w.operator("GET", "/admin/v1/alarms", "")
			if !strings.Contains(alarms.text, `"number":"hospital"`) || !strings.Contains(alarms.text, outcome.String()) {
				t.Errorf("it does not say what is wrong: %s", alarms.text)
			}
			if _, err := w.db.DB().ExecContext(t.Context(), "update alarms set acknowledged_at = 1, due = null"); err != nil {
				t.Fatal(err)
			}
			w.sync(payment)
			w.wantAlarms("acknowledged, and no better yet", pay.AlarmAccountDown, 0)
			w.channel.ends(nil)
			w.sync(payment)
			w.channel.ends(&outcome)
			for range 5 {
				w.sync(payment)
			}
			w.wantAlarms("it was well and is not again", pay.AlarmAccountDown, 1)
		})
	}
}

// R39: a clock that is off is told to a person before the provider refuses us, once for each time.
func TestR39_AClockThatIsOffAlarms(t *testing.T) {
	t.Parallel()
	w := start(t)
	payment := w.payment(w.order("REG-1"))
	for _, row := range []struct {
		ahead time.Duration
		want  int
	}{{30 * time.Second, 0}, {-70 * time.Second, 1}, {-80 * time.Second, 1}} {
		w.channel.shows(row.ahead)
		w.sync(payment)
		w.wantAlarms(row.ahead.String(), pay.AlarmClockOff, row.want)
	}
	w.operator("POST", "/admin/v1/alarms/1/acknowledge", `{"name":"li"}`)
	w.sync(payment)
	w.wantAlarms("acknowledged", pay.AlarmClockOff, 0)
	w.channel.shows(0)
	w.sync(payment)
	w.channel.shows(time.Hour)
	w.sync(payment)
	w.wantAlarms("it was right and is off again", pay.AlarmClockOff, 1)
}

// R12: an operator decides about a disputed payment; one that is not disputed is left alone.
func TestR12_ResolveDisputeIsAsked(t *testing.T) {
	t.Parallel()
	w := start(t)
	_, payment := w.paid("REG-1")
	path := "/admin/v1/payments/" + payment + "/resolve-dispute"
	for _, row := range []struct {
		path, body string
		status     int
		says       string
	}{
		{path, `{"name":"li","how":"adopt","reason":"seen"}`, 409, `"payment_not_disputed"`},
		{path, `{"name":"li","how":"keep","reason":"seen"}`, 400, "must be adopt or refund"},
		{path, `{"name":"li","how":"refund"}`, 400, "why it is decided so"},
		{path, `{"how":"refund","reason":"seen"}`, 400, "who does this"},
		{path, `{"name":"li","how":"refund","reason":"` + strings.Repeat("x", 201) + `"}`, 400, "why it is decided so"},
		{"/admin/v1/payments/" + strings.Repeat("9", 32) + "/resolve-dispute", `{"name":"li","how":"adopt","reason":"seen"}`, 404, "not_found"},
		{"/admin/v1/payments/1/resolve-dispute", `{"name":"li","how":"adopt","reason":"seen"}`, 404, "not_found"},
	} {
		if r := w.operator("POST", row.path, row.body); r.status != row.status || !strings.Contains(r.text, row.says) {
			t.Errorf("%s %.80s: %d %s, want %d and %s", row.path, row.body, r.status, r.text, row.status, row.says)
		}
	}
}

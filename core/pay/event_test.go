package pay

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/paybridge/paybridge/core/money"
)

// Version 1 of the schema, byte for byte: it never changes its meaning, and what an endpoint relies on stays.
func TestEventPayloadVersion1(t *testing.T) {
	t.Parallel()
	o := anOrder(OrderPaid)
	o.Reference, o.PayerID, o.Description, o.Metadata = "REG-1", "openid-secret", "secret", map[string]string{"secret": "secret"}
	o.SettledBy, o.PaidAt = pNumber, now
	p := aPayment(pNumber, PaymentSucceeded)
	p.ProviderID, p.PayerTotal, p.SucceededAt, p.Content.OpenID = "4200", 90, now, "openid-secret"
	r := aRefund("r", RefundSucceeded, 40)
	r.ProviderID, r.SucceededAt, r.Account, r.Reason = "5030", now.Add(time.Hour), "secret", "secret"
	rows := Rows{Order: o, Payments: []Payment{aPayment(qNumber, PaymentClosed), p}, Refunds: []Refund{r}}
	const order = `"order":{"number":"order","reference":"REG-1","state":"paid","amount":100,"currency":"CNY","settled_by":"` + pNumber + `","paid_at":"2026-03-01T10:00:00Z"}`
	const payment = `"payment":{"number":"` + pNumber + `","entry":"oa","provider":"wechat-jsapi","state":"succeeded","amount":100,"currency":"CNY","provider_id":"4200","payer_total":90,"succeeded_at":"2026-03-01T10:00:00Z"}`
	refund := `"refund":{"number":"` + r.Number + `","payment":"` + pNumber + `","reference":"r","origin":"api","state":"succeeded","amount":40,"currency":"CNY","provider_id":"5030","succeeded_at":"2026-03-01T11:00:00Z"}`
	for _, row := range []struct {
		kind   EventKind
		number string
		want   string // of data
	}{
		{EventOrderPaid, "order", order + "," + payment},
		{EventPaymentSucceeded, pNumber, order + "," + payment},
		{EventPaymentClosed, qNumber, order + `,"payment":{"number":"` + qNumber + `","entry":"oa","provider":"wechat-jsapi","state":"closed","amount":100,"currency":"CNY"}`},
		{EventRefundSucceeded, r.Number, order + "," + payment + "," + refund},
	} {
		d := Decision{Events: []Event{{Kind: row.kind, Number: row.number}}}
		e := StoredEvent{Order: "order", Seq: 3, Event: d.Told(rows).Events[0], At: now.Add(time.Millisecond)}
		body, err := EventPayload(e, 1)
		want := `{"id":"evt_order_3","type":"` + string(row.kind) + `","version":1,"timestamp":"2026-03-01T10:00:00.001Z","sequence":3,"data":{` + row.want + `}}`
		if err != nil || string(body) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", row.kind, err, body, want)
		}
		if d.Events[0].Data.Order.Number != "" {
			t.Error("Told changed the decision that it was given")
		}
	}
	if _, err := EventPayload(StoredEvent{}, EventVersion+1); err == nil {
		t.Error("a version that does not exist was written")
	}
}

func TestR46_RetriesGrowOverDays(t *testing.T) {
	t.Parallel()
	since, at, tries := now, now, 0
	var last time.Duration
	for {
		tries++
		due, parked := RetryEvent(tries, since, at, 0)
		wait := due.Sub(at)
		if parked {
			check(t, "the daily try", wait, 24*time.Hour)
			break
		}
		if wait < last {
			t.Errorf("try %d waits %s, less than the one before: %s", tries, wait, last)
		}
		last, at = wait, due
	}
	if failing := at.Sub(since); failing < 72*time.Hour || failing > 81*time.Hour || tries < 12 {
		t.Errorf("parked after %s and %d tries", failing, tries)
	}
	for _, row := range []struct {
		name         string
		asked, wants time.Duration
	}{
		{"it asks for less", time.Second, 5 * time.Second},
		{"it asks for more", 10 * time.Minute, 10 * time.Minute},
		{"it asks for a year", 365 * 24 * time.Hour, 24 * time.Hour},
	} {
		due, _ := RetryEvent(1, now, now, row.asked)
		check(t, row.name, due.Sub(now), row.wants)
	}
}

func FuzzParseEventID(f *testing.F) {
	for _, id := range []string{"evt_00000202603010930001239900012345_1", "evt__1", "evt_1_01", "evt_1_-1", "evt_1_9223372036854775808", "", "evt_1_2_3"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		order, seq, ok := ParseEventID(id)
		if !ok {
			return
		}
		if again := (StoredEvent{Order: order, Seq: seq}).ID(); again != id || seq < 1 {
			t.Errorf("%q was read as order %q, event %d, which is %q", id, order, seq, again)
		}
	})
}

// Every kind of alarm has words in both languages, which say what to do.
func TestEveryAlarmHasWords(t *testing.T) {
	t.Parallel()
	kinds := constants(t, "alarm.go", "Alarm")
	if len(kinds) < 10 {
		t.Fatalf("found only %v", kinds)
	}
	for _, kind := range kinds {
		english, chinese := Alarm{Kind: kind}.Words()
		if english.Title == kind || english.Title == "" || english.Remedy == "" {
			t.Errorf("%s has no English words", kind)
		}
		for _, text := range []string{chinese.Title, chinese.Remedy} {
			if strings.IndexFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) < 0 {
				t.Errorf("%s has no Chinese words: %q", kind, text)
			}
		}
	}
	if len(alarmWords) != len(kinds) {
		t.Errorf("%d kinds and words for %d", len(kinds), len(alarmWords))
	}
	english, chinese := Alarm{Kind: "new.kind"}.Words()
	if english.Title != "new.kind" || english.Remedy == "" || chinese.Remedy == "" {
		t.Errorf("a kind of a newer replica: %v, %v", english, chinese)
	}
}

// TestEventKinds holds the list against the constants.
func TestEventKinds(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, kind := range EventKinds() {
		listed[string(kind)] = true
	}
	kinds := constants(t, "event.go", "Event")
	for _, kind := range kinds {
		if !listed[kind] {
			t.Errorf("EventKinds lacks %s", kind)
		}
	}
	check(t, "kinds", len(listed), len(kinds))
}

// constants are the texts of a file's constants whose name begins so.
func constants(t *testing.T, file, prefix string) (texts []string) {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(source, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, prefix) && len(spec.Values) == 1 {
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}

func TestSettleOutside(t *testing.T) {
	t.Parallel()
	calling := func(r Refund) Refund { r.Calling, r.SentAt = true, now.Add(-time.Second); return r }
	long := func(r Refund) Refund { r.Calling, r.SentAt = true, now.Add(-time.Hour); return r }
	unsent := func(r Refund) Refund { r.SentAt = time.Time{}; return r }
	attention := aRefund("a", RefundProcessing, 100)
	attention.NeedsAttention = "the account is closed"
	for _, c := range []struct {
		name      string
		rows      Rows
		wantCode  string
		wantOrder OrderState // empty: it stays
		wantSame  bool       // nothing is decided
		anyway    bool
		wantDue   time.Time
	}{
		{name: "R33 one that needs attention, not sent since", rows: refundRows(unsent(attention)), wantOrder: OrderRefunded},
		{name: "R33 a part", rows: refundRows(unsent(aRefund("a", RefundProcessing, 40))), wantOrder: OrderPartiallyRefunded},
		{name: "R33 one that failed takes its sum again", rows: refundRows(aRefund("a", RefundFailed, 40), aRefund("b", RefundSucceeded, 60)), wantOrder: OrderRefunded},
		{name: "R33 one that failed, whose sum went meanwhile", rows: refundRows(aRefund("a", RefundFailed, 41), aRefund("b", RefundProcessing, 60)), wantCode: CodeRefundExceeds},
		{name: "R33 its call is under way", rows: refundRows(calling(aRefund("a", RefundProcessing, 40))), wantCode: CodeRefundNotSettleable},
		{name: "R33 the provider may have it", rows: refundRows(long(aRefund("a", RefundProcessing, 40))), wantCode: CodeRefundNotSettleable},
		{name: "R33 the provider may have it, and it is to be so all the same", rows: refundRows(long(aRefund("a", RefundProcessing, 40))), anyway: true,
			wantOrder: OrderPartiallyRefunded, wantDue: now.Add(24 * time.Hour)},
		{name: "R33 the provider has it and waits for a person", rows: refundRows(long(attention)), wantOrder: OrderRefunded, wantDue: now.Add(24 * time.Hour)},
		{name: "R33 never sent", rows: refundRows(aRefund("a", RefundCreated, 40)), wantCode: CodeRefundNotSettleable},
		{name: "R33 succeeded", rows: refundRows(aRefund("a", RefundSucceeded, 40)), wantCode: CodeRefundNotSettleable},
		{name: "R33 closed", rows: refundRows(aRefund("a", RefundClosed, 40)), wantCode: CodeRefundNotSettleable},
		{name: "R33 said again", rows: refundRows(aRefund("a", RefundSettledOutside, 40)), wantSame: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			number := c.rows.Refunds[0].Number
			d, err := SettleOutside(c.rows, number, SettledOutside{Name: "li", Reason: "in cash", Anyway: c.anyway}, now)
			if code := refusalCode(err); code != c.wantCode || (err != nil && code == "") {
				t.Fatalf("error %v, want %q", err, c.wantCode)
			}
			if err != nil && strings.Contains(err.Error(), "insurance") {
				t.Errorf("a refund without an insurance part is refused by %v", err)
			}
			if c.wantCode != "" || c.wantSame {
				check(t, "decides nothing", d.Empty(), true)
				return
			}
			after := d.After(c.rows)
			r, err := after.Refund(number)
			if err != nil {
				t.Fatal(err)
			}
			if r.State != RefundSettledOutside || !r.Due.Equal(c.wantDue) || r.NeedsAttention != "" || r.Legs[0].State != RefundSettledOutside {
				t.Errorf("the refund is %+v", r)
			}
			check(t, "order", after.Order.State, c.wantOrder)
			check(t, "audit", d.Refunds[0].Cause, "settled outside by li: in cash")
			check(t, "events", len(d.Events), 1)
			if c.wantDue.IsZero() {
				checkDue(t, after)
			}
		})
	}
}

// R33: what the provider had when it was settled outside is asked about daily, until it ends there too.
func TestR33_SettledOutsideIsAskedAbout(t *testing.T) {
	t.Parallel()
	later := now.Add(24 * time.Hour)
	facts := func(state RefundFactState) *RefundFacts {
		return &RefundFacts{State: state, Payment: pNumber, MchID: "1900000001", Amount: money.CNY(40), ProviderID: "5030"}
	}
	for _, c := range []struct {
		name    string
		outcome Outcome
		facts   *RefundFacts
		alarm   string
		want    time.Time // when it is asked about next
	}{
		{"still under way", Outcome{Verdict: Accepted}, facts(RefundFactProcessing), "", later},
		{"no answer", Outcome{}, nil, "", later},
		{"closed", Outcome{Verdict: Accepted}, facts(RefundFactClosed), "", time.Time{}},
		{"abnormal: it waits for a person", Outcome{Verdict: Accepted}, facts(RefundFactAbnormal), "", time.Time{}},
		{"unknown there", Outcome{Verdict: Rejected, Reason: NotFound}, nil, "", time.Time{}},
		{"paid as well", Outcome{Verdict: Accepted}, facts(RefundFactSucceeded), AlarmRefundRevived, time.Time{}},
	} {
		rows := refundRows(aRefund("a", RefundSettledOutside, 40))
		rows.Refunds[0].Due = now
		if c.facts != nil {
			c.facts.Number = rows.Refunds[0].Number
		}
		d, err := RefundQueried(rows, rows.Refunds[0].Number, c.outcome, c.facts, now)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		r := d.After(rows).Refunds[0]
		if r.State != RefundSettledOutside || !r.Due.Equal(c.want) {
			t.Errorf("%s: then it is %s, due %s; want due %s", c.name, r.State, r.Due, c.want)
		}
		if (len(d.Alarms) > 0) != (c.alarm != "") {
			t.Errorf("%s: alarms %v, want %q", c.name, d.Alarms, c.alarm)
		}
	}
}

func refusalCode(err error) string {
	if refusal, ok := err.(*Refusal); ok { //nolint:errorlint // decisions return it as it is
		return refusal.Code
	}
	return ""
}

// R33: the provider pays back what an operator had settled outside: nothing moves, and a person is told.
func TestR33_PaidBackTwice(t *testing.T) {
	t.Parallel()
	rows := refundRows(aRefund("a", RefundSettledOutside, 40))
	r := rows.Refunds[0]
	facts := RefundFacts{State: RefundFactSucceeded, Number: r.Number, Payment: pNumber, MchID: "1900000001", Amount: money.CNY(40), ProviderID: "5030", SucceededAt: now}
	d, err := SettleRefund(rows, r.Number, facts, FromNotification, now)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "moves", len(d.Refunds)+len(d.Orders)+len(d.Events), 0)
	check(t, "alarms", len(d.Alarms), 1)
	check(t, "alarm", d.Alarms[0].Kind, AlarmRefundRevived)
	facts.State = RefundFactProcessing
	d, err = SettleRefund(rows, r.Number, facts, FromQuery, now)
	if err != nil || !d.Empty() {
		t.Errorf("it only works on it: %+v, %v", d, err)
	}
}

package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// recorder keeps every statement that a store sends.
type recorder struct {
	mu   sync.Mutex
	sent []sent
}

type sent struct {
	text string
	args []any
}

func (r *recorder) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	r.watch(e.Query, nil)
	return ctx
}

func (r *recorder) watch(text string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, sent{text, args})
}

func (*recorder) AfterQuery(context.Context, *bun.QueryEvent) {}

// readsAll finds the plan of a statement that reads a whole table.
var readsAll = map[bool]*regexp.Regexp{
	true:  regexp.MustCompile(`Seq Scan on (orders|payments|refunds|fulfilments|inbox|audit|events|alarms|deliveries|identities|identity_ties|unionids|sessions|tokens|statements|statement_sums|differences)\b.*`),
	false: regexp.MustCompile(`(?m)^SCAN (orders|payments|refunds|fulfilments|inbox|audit|events|alarms|deliveries|identities|identity_ties|unionids|sessions|tokens|statements|statement_sums|differences|o|p|r|i|a|e|d|m|k|l|j|s|t|f|refund)( USING .*)?$`),
}

// Stored payments slow nothing down: whatever the store asks, and however it writes, it finds its rows by an index.
func TestEveryStatementUsesAnIndex(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		fill(t, s, 2000)
		o := addOrder(t, s, newOrder())
		p := newPayment(o)
		p.Route.FulfilmentDays = 3
		addPayment(t, s, p)
		r := newRefund(p, "one")
		apply(t, s, p.Number, refundMade(r))
		other := addOrder(t, s, newOrder())
		expected := newPayment(other)
		addPayment(t, s, expected)
		fulfilment := newFulfilment(expected)
		apply(t, s, expected.Number, pay.Decision{NewFulfilments: []pay.Fulfilment{fulfilment}})
		receive(t, s, message("due", ports.VerdictUnmatched))
		fillPayers(t, s, 2000)
		fillStatements(t, s, 12000)
		exec(t, s, "analyze")

		rec := &recorder{}
		recorded := Store{keys: s.keys, postgres: s.postgres}
		recorded.db, recorded.read = s.db.WithQueryHook(rec), s.read.WithQueryHook(rec)
		recorded.writes, recorded.reads = onSQLite(s.db.DB), onSQLite(s.read.DB)
		recorded.writes.lite, recorded.reads.lite = !s.postgres, !s.postgres
		recorded.writes.watch, recorded.reads.watch = rec.watch, rec.watch
		asked := []error{recorded.Tx(t.Context(), func(tx ports.Tx) error {
			rows, err := tx.LockOrder(t.Context(), o.Number)
			if err != nil {
				return err
			}
			if _, err = tx.LockPayment(t.Context(), p.Number); err != nil {
				return err
			}
			if _, err = tx.LockTrade(t.Context(), p.Route.MchID, p.Route.SubMchID, p.Number); err != nil {
				return err
			}
			if _, err = tx.LockRefund(t.Context(), r.Number); err != nil {
				return err
			}
			if err := forgetMessages(t.Context(), tx, paymentRow{Number: p.Number, Account: p.Route.Account, OutTradeNo: p.Number}); err != nil {
				return err
			}
			for range 2 { // the second is a duplicate
				if _, err = tx.Receive(t.Context(), message("new", ports.VerdictApplied)); err != nil {
					return err
				}
			}
			d := settled(o, rows.Payments[0])
			sent := rows.Refunds[0]
			sent.State = pay.RefundProcessing
			d.Refunds = []pay.Move[pay.Refund, pay.RefundState]{{From: pay.RefundCreated, Row: sent, Cause: "sent"}}
			d.NewRefunds = []pay.Refund{newRefund(p, "two")}
			d.NewFulfilments = []pay.Fulfilment{newFulfilment(p)}
			d.Fulfilments = []pay.Move[pay.Fulfilment, pay.FulfilmentState]{{From: fulfilment.State, Row: fulfilment}}
			d.Alarms = []pay.Alarm{{Kind: "kind", Number: "1", What: "what"}}
			return tx.Apply(t.Context(), d, at, ports.Claim{Kind: ports.KindInbox, Number: "1", Until: 1})
		})}
		ask := func(_ any, err error) { asked = append(asked, err) }
		ask(recorded.Order(t.Context(), "clinic", o.Number))
		ask(recorded.Payment(t.Context(), "clinic", p.Number))
		ask(recorded.Refund(t.Context(), "clinic", r.Number))
		ask(recorded.Rows(t.Context(), "clinic", o.Number))
		ask(recorded.Timeline(t.Context(), o.Number, ""))
		ask(recorded.Timeline(t.Context(), o.Number, p.Number))
		ask(recorded.Find(t.Context(), "visit-1"))
		ask(recorded.Messages(t.Context(), ports.MessageQuery{Limit: 20}))
		kept, err := recorded.Messages(t.Context(), ports.MessageQuery{Number: p.Number, Limit: 20})
		ask(kept, err)
		ask(recorded.Messages(t.Context(), ports.MessageQuery{Number: p.Number, Account: "hospital", Verdict: ports.VerdictApplied, Limit: 20}))
		if _, _, err := recorded.OrderEvents(t.Context(), o.Number); err != nil {
			t.Fatal(err)
		}
		ask(recorded.Alarms(t.Context(), ports.AlarmQuery{Number: "1", Limit: 20}))
		if err := recorded.Replay(t.Context(), "nobody", at); !errors.Is(err, ports.ErrNotFound) {
			t.Fatal(err)
		}
		ask(recorded.Orders(t.Context(), ports.OrderQuery{App: "clinic", Limit: 20}))
		page, err := recorded.Orders(t.Context(), ports.OrderQuery{App: "clinic", CreatedAfter: at.Add(-time.Hour), Limit: 1})
		ask(page, err)
		ask(recorded.Orders(t.Context(), ports.OrderQuery{App: "clinic", Cursor: page.Next, Limit: 20}))
		ask(recorded.Orders(t.Context(), ports.OrderQuery{App: "clinic", Reference: o.Reference, Limit: 20}))
		who := identity.Payer{App: "clinic", UserID: "ann", Names: []identity.Name{official, mini}}
		ask(recorded.PayerOrders(t.Context(), who, "", 20))
		ask(recorded.PayerOrders(t.Context(), who, page.Next, 20))
		_, _, err = recorded.Payer(t.Context(), "clinic", official)
		asked = append(asked, err)
		ask(recorded.NamesOf(t.Context(), "clinic", "ann"))
		ask(recorded.Session(t.Context(), "session", at))
		asked = append(asked, recorded.EndSession(t.Context(), "another"), recorded.AddToken(t.Context(), ports.Token{Hash: "token-2", Kind: "kind", CreatedAt: at, ExpiresAt: at}))
		if _, err := recorded.UseToken(t.Context(), "kind", "token-2", "", at.Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _, err = recorded.ClaimAppToken(t.Context(), "access", "wx-2", time.Second)
		asked = append(asked, err, recorded.Tx(t.Context(), func(tx ports.Tx) error {
			known, err := tx.LockIdentity(t.Context(), official, "union")
			if err != nil {
				return err
			}
			if _, _, err := tx.LockPayer(t.Context(), "clinic", official); err != nil {
				return err
			}
			merged := identity.SignIn{Put: *known.Identity, Merge: &identity.Merge{From: "another", Into: known.Identity.Person}}
			_, err = tx.SignIn(t.Context(), merged, known, at)
			return err
		}))
		for range 2 {
			ask(recorded.PublishEvents(t.Context(), 10, func(string) bool { return true }, at))
			apply(t, s, p.Number, pay.Decision{
				Payments: []pay.Move[pay.Payment, pay.PaymentState]{{From: pay.PaymentSucceeded, Row: settled(o, p).Payments[0].Row}},
				Events:   []pay.Event{{Kind: pay.EventRefundClosed, Number: o.Number}},
			})
		}
		ask(recorded.AppEvents(t.Context(), "clinic", 1, 10))
		ask(recorded.Delivery(t.Context(), o.Number))
		delivery, err := recorded.Claim(t.Context(), ports.KindDelivery, o.Number, hold, at)
		ask(delivery, err)
		asked = append(asked, recorded.Undelivered(t.Context(), delivery, ports.FailedTry{Attempts: 1, Due: at}))
		delivery, err = recorded.Claim(t.Context(), ports.KindDelivery, o.Number, hold, at)
		ask(delivery, err)
		ask(recorded.Delivered(t.Context(), delivery, 1))
		asked = append(asked, recorded.HoldDeliveries(t.Context(), "clinic", at), recorded.WakeDeliveries(t.Context(), "clinic", at),
			recorded.Resend(t.Context(), o.Number, 1, at))
		ask(recorded.Endpoints(t.Context()))
		ask(recorded.Alarms(t.Context(), ports.AlarmQuery{Open: true, Limit: 10}))
		ask(recorded.Alarms(t.Context(), ports.AlarmQuery{Before: 100, Limit: 10}))
		ask(recorded.LastStatement(t.Context(), "account-1"))
		ask(recorded.Statement(t.Context(), "account-1 2026-11-01"))
		ask(recorded.Statements(t.Context(), ports.StatementQuery{Account: "account-1", Limit: 10}))
		ask(recorded.Statements(t.Context(), ports.StatementQuery{Day: "2026-11-01", Open: true, Limit: 10}))
		ask(recorded.Differences(t.Context(), ports.StatementQuery{Account: "account-1", Day: "2026-11-01", Open: true, Limit: 10}))
		ask(recorded.Differences(t.Context(), ports.StatementQuery{Limit: 10}))
		ask(recorded.Sums(t.Context(), "2026-11-01", "2026-11-01"))
		ask(recorded.TradesByNumber(t.Context(), p.Route.MchID, p.Route.SubMchID, []string{p.Number}))
		ask(recorded.RefundsByNumber(t.Context(), p.Route.MchID, p.Route.SubMchID, []string{r.Number}))
		ask(recorded.SucceededTrades(t.Context(), p.Route.Account, at.Add(-time.Second), at, ports.StatedRow{At: at.Add(-time.Second), Number: "1"}, 10))
		ask(recorded.UnstatedRefunds(t.Context(), p.Route.Account, at.Add(-time.Second), at, ports.StatedRow{At: at.Add(-time.Second), Number: "1"}, 10))
		compared, err := recorded.Claim(t.Context(), ports.KindStatement, "account-1 2026-11-01", hold, at)
		ask(compared, err)
		compared, err = recorded.HoldStatement(t.Context(), compared, 1, hold)
		ask(compared, err)
		done := awaited("2026-11-01")
		done.Account = "account-1"
		asked = append(asked, recorded.RefundsStated(t.Context(), []string{r.Number}, "2026-11-01"), recorded.StatementDone(t.Context(), compared, done,
			[]ports.StatementSum{{App: "clinic"}}, []ports.Difference{{Kind: ports.OursOnly, What: ports.KindPayment, Number: "1"}}, at),
			recorded.StatementAgain(t.Context(), "account-1 2026-11-01", at), recorded.HealDifference(t.Context(), 1, at))
		ask(recorded.AcceptDifference(t.Context(), 1, "ann", "why", at))
		ask(recorded.NextDue(t.Context()))
		_, _, err = recorded.Overdue(t.Context(), at, time.Hour)
		asked = append(asked, err)
		ask(recorded.EchoArrived(t.Context(), "p", "a", "doctor-1"))
		ask(recorded.Refused(t.Context(), "p", "a", at))
		ask(recorded.PaidWith(t.Context(), "a", "wx01"))
		ask(recorded.OpenAlarms(t.Context()))
		for kind := range claimables {
			ask(recorded.ClaimDue(t.Context(), kind, 10, hold, at.Add(10*time.Hour)))
		}
		asked = append(asked, recorded.RaiseAlarm(t.Context(), pay.Alarm{Kind: "kind", Number: "2", What: "what"}, at))
		_, _, err = recorded.AddOrder(t.Context(), o)
		asked = append(asked, err)
		for _, err := range asked {
			if err != nil {
				t.Fatal(err)
			}
		}
		statements := 0
		var partial []string
		if !s.postgres {
			if err := s.db.NewRaw("select name from sqlite_master where type = 'index' and sql like '% where %'").Scan(t.Context(), &partial); err != nil {
				t.Fatal(err)
			}
		}
		for _, query := range rec.sent {
			word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(query.text)), " ")
			if !slices.Contains([]string{"select", "update", "insert", "with"}, word) {
				continue
			}
			statements++
			plan := explain(t, s, query)
			for _, found := range readsAll[s.postgres].FindAllString(plan, -1) {
				fields := strings.Fields(found)
				if slices.Contains(partial, fields[len(fields)-1]) && !s.postgres {
					continue // an index of the few rows that wait
				}
				t.Errorf("reads a whole table (%s):\n%s\n%s", found, query.text, plan)
			}
		}
		if statements < 25 {
			t.Errorf("only %d statements were seen", statements)
		}
	})
}

// explain is the plan of a statement, a step a line.
func explain(t *testing.T, s *Store, query sent) string {
	t.Helper()
	how := "explain "
	if !s.postgres {
		how = "explain query plan "
	}
	rows, err := s.db.DB.QueryContext(t.Context(), how+query.text, query.args...)
	if err != nil {
		t.Fatalf("%s: %v", query.text, err)
	}
	defer func() { _ = rows.Close() }()
	var plan strings.Builder
	for rows.Next() {
		var step string
		var id, parent, unused int
		into := []any{&id, &parent, &unused, &step}
		if s.postgres {
			into = []any{&step}
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(step + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// deliveryRow is what fill stores of a delivery.
type deliveryRow struct {
	bun.BaseModel `bun:"table:deliveries"`

	OrderNumber string
	App         string
	NextSeq     int64
	LastSeq     int64
}

// fill stores so many orders that are long over, each with a payment and its refund.
func fillStatements(t testing.TB, s *Store, n int) {
	t.Helper()
	var rows []statementRow
	var found []differenceRow
	var sums []sumRow
	for i := range n {
		of := awaited(time.Date(2026, 11, 1-i%300, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
		of.Account = fmt.Sprint("account-", 1+i/300)
		if i%300 > 1 {
			of.State, of.Due = ports.StatementMatched, time.Time{}
		}
		rows = append(rows, toStatementRow(of))
		found = append(found, differenceRow{Account: of.Account, Day: of.Day, Kind: "amount", What: "payment", Number: "1"})
		sums = append(sums, sumRow{Account: of.Account, Day: of.Day, App: "clinic"})
	}
	for from := 0; from < n; from += 500 {
		a, b, c := rows[from:from+500], found[from:from+500], sums[from:from+500]
		for _, model := range []any{&a, &b, &c} {
			if _, err := s.db.NewInsert().Model(model).Returning("NULL").Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	const batch = 500
	for ; n > 0; n -= batch {
		var orders []orderRow
		var payments []paymentRow
		var refunds []refundRow
		var audits []auditRow
		var events []eventRow
		var messages []inboxRow
		var alarms []alarmRow
		var deliveries []deliveryRow
		var fulfilments []fulfilmentRow
		for i := range min(n, batch) {
			o := newOrder()
			p := newPayment(o)
			d := settled(o, p)
			o, p = d.Orders[0].Row, d.Payments[0].Row
			o.CreatedAt = at.Add(-time.Duration(n+i) * time.Minute)
			r := newRefund(p, "one")
			r.State, r.Due = pay.RefundSucceeded, time.Time{}
			orderRow, err := toOrderRow(o)
			if err != nil {
				t.Fatal(err)
			}
			paymentRow, err := s.keys.toPaymentRow(p)
			if err != nil {
				t.Fatal(err)
			}
			refundRow, err := toRefundRow(r)
			if err != nil {
				t.Fatal(err)
			}
			refundRow.Account = p.Route.Account
			message, err := s.toInboxRow(message("of "+p.Number, ports.VerdictApplied))
			if err != nil {
				t.Fatal(err)
			}
			orders, payments, refunds, messages = append(orders, orderRow), append(payments, paymentRow), append(refunds, refundRow), append(messages, message)
			audits = append(audits, auditRow{OrderNumber: o.Number, Payment: p.Number, Kind: "payment", Number: p.Number, New: "succeeded", Cause: "paid"})
			alarms = append(alarms, alarmRow{Kind: "kind", Number: o.Number, What: "what", Due: 1})
			events = append(events, eventRow{App: o.App, OrderNumber: o.Number, Seq: 1, Kind: "order.paid", Number: o.Number, Data: "{}", Place: drawn.Add(1)})
			deliveries = append(deliveries, deliveryRow{OrderNumber: o.Number, App: o.App, NextSeq: 2, LastSeq: 1})
			reported := newFulfilment(p)
			reported.State, reported.Due = pay.FulfilmentReported, time.Time{}
			fulfilments = append(fulfilments, toFulfilmentRow(reported))
		}
		for _, rows := range []any{&orders, &payments, &refunds, &audits, &events, &messages, &alarms, &deliveries, &fulfilments} {
			if _, err := s.db.NewInsert().Model(rows).Returning("NULL").Exec(t.Context()); err != nil {
				t.Fatal(fmt.Errorf("fill %T: %w", rows, err))
			}
		}
	}
	exec(t, s, "update alarms set acknowledged_at = raised_at, due = null")
	exec(t, s, "insert into event_places (app, last) select app, max(place) from events group by app")
}

// fillPayers stores so many payers who have signed in, each with a user_id, and the one that the statements are about.
func fillPayers(t testing.TB, s *Store, n int) {
	t.Helper()
	var identities []identityRow
	var ties []tieRow
	var sessions []sessionRow
	var tokens []tokenRow
	type unionRow struct {
		bun.BaseModel `bun:"table:unionids"`
		UnionID       string `bun:"unionid"`
		Person        string
	}
	var unions []unionRow
	for i := range n {
		key := fmt.Sprintf("k-%d", i)
		tokens = append(tokens, tokenRow{Hash: key, Kind: "kind", ExpiresAt: micros(at.Add(time.Hour))})
		unions = append(unions, unionRow{UnionID: key, Person: "p-" + key})
		name := fmt.Sprintf("o-%d", i)
		identities = append(identities, identityRow{AppID: official.AppID, OpenID: name, Person: "p-" + name})
		ties = append(ties, tieRow{App: "clinic", AppID: official.AppID, OpenID: name, UserID: "user-" + name})
		sessions = append(sessions, sessionRow{Hash: name, App: "clinic", Entry: "e", AppID: official.AppID, OpenID: name})
	}
	identities = append(identities, identityRow{AppID: official.AppID, OpenID: official.OpenID, Person: "ann"})
	ties = append(ties, tieRow{App: "clinic", AppID: official.AppID, OpenID: official.OpenID, UserID: "ann"})
	sessions = append(sessions, sessionRow{Hash: "session", App: "clinic", Entry: "e", AppID: official.AppID, OpenID: official.OpenID, ExpiresAt: micros(at.Add(time.Hour))})
	for _, rows := range []any{&identities, &ties, &sessions, &tokens, &unions} {
		if _, err := s.db.NewInsert().Model(rows).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

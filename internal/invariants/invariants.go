// Package invariants says what must be true of money whatever has happened: of our rows, and of our rows beside the ledger of a
// simulated WeChat. The soak, the mutants and the tests ask it once nothing is under way any more.
package invariants

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/paybridge/paybridge/core/pay"
)

// ID names an invariant for ever.
type ID string

// The invariants.
const (
	LedgerIsRows      ID = "I01 a trade is paid at WeChat exactly where its payment succeeded, of the same amount"
	RefundsFit        ID = "I02 what goes back of a part is never more than the part"
	OneProviderRefund ID = "I03 a refund of ours is one refund at WeChat, of the same amount, and every refund there is one of ours"
	EventsGapless     ID = "I04 the events of an order are numbered from one without a gap"
	OneAuditEach      ID = "I05 each change of a state has one audit row, and the last one is the state"
	UnfinishedIsDue   ID = "I06 what is unfinished has a due time"
	BillIsRows        ID = "I07 the statement is the rows, to the fen"
	PaidBeforeBack    ID = "I08 nothing goes back that was not paid"
	PaidOnce          ID = "I09 an order is paid once and told so once, and what was paid twice went back"
	RouteKept         ID = "I10 a trade has the app id of its payment, a refund the merchant of its trade"
	OneContent        ID = "I11 no number was sent with two contents"
	Finished          ID = "I12 nothing is under way any more, and every app was told everything"
)

// All are the invariants in order.
var All = []ID{
	LedgerIsRows, RefundsFit, OneProviderRefund, EventsGapless, OneAuditEach, UnfinishedIsDue, BillIsRows, PaidBeforeBack, PaidOnce, RouteKept, OneContent, Finished,
}

// Broken is an invariant that does not hold, with what breaks it.
type Broken struct {
	ID   ID
	What string
}

func (b Broken) String() string { return string(b.ID) + ": " + b.What }

// Ledger is what the simulated WeChat knows, as its control API answers it.
type Ledger struct {
	Trades []struct {
		MchID      string `json:"mchid"`
		SubMchID   string `json:"sub_mchid"`
		AppID      string `json:"appid"`
		OutTradeNo string `json:"out_trade_no"`
		Total      int64  `json:"total"`
		State      string `json:"trade_state"`
	} `json:"trades"`
	Refunds []struct {
		MchID       string `json:"mchid"`
		SubMchID    string `json:"sub_mchid"`
		OutTradeNo  string `json:"out_trade_no"`
		OutRefundNo string `json:"out_refund_no"`
		Amount      int64  `json:"refund"`
		Status      string `json:"status"`
	} `json:"refunds"`
	Sent []struct {
		Kind     string   `json:"kind"`
		Number   string   `json:"number"`
		Contents []string `json:"contents"`
	} `json:"sent"`
}

// book is what is compared.
type book struct {
	ledger   Ledger
	payments []payment
	refunds  []refund
	broken   []Broken
}

type payment struct {
	pay.Payment
	settles bool // its order
}

type refund struct {
	pay.Refund
	mchID, subMchID string
}

type trade struct{ mchID, subMchID, number string }

// Queryer is a database, or a transaction.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Check tells what does not hold. Nothing may be under way: rows and ledger are not read at one moment.
func Check(ctx context.Context, db Queryer, ledger Ledger) ([]Broken, error) {
	b := &book{ledger: ledger}
	if err := b.read(ctx, db); err != nil {
		return nil, err
	}
	b.trades()
	b.returns()
	for _, s := range ledger.Sent {
		if len(s.Contents) > 1 {
			b.breaks(OneContent, "%s %s was sent with %d contents", s.Kind, s.Number, len(s.Contents))
		}
	}
	for _, q := range queries {
		found, err := list(ctx, db, q.sql)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.id, err)
		}
		if len(found) > 0 {
			b.breaks(q.id, "%s: %s", q.says, strings.Join(found, ", "))
		}
	}
	slices.SortStableFunc(b.broken, func(x, y Broken) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return b.broken, nil
}

func (b *book) breaks(id ID, format string, a ...any) {
	b.broken = append(b.broken, Broken{id, fmt.Sprintf(format, a...)})
}

// queries give the numbers that break an invariant which our rows alone can break.
var queries = []struct {
	id   ID
	says string
	sql  string
}{
	{EventsGapless, "orders whose events have a gap", // but for those of 1000 that each recovery makes
		"select e.order_number from events e join orders o on o.number = e.order_number group by e.order_number, o.events_raised having max(e.seq) - count(*) not between 0 and o.events_raised or (max(e.seq) - count(*)) % 1000 <> 0 or min(e.seq) % 1000 <> 1"},
	{EventsGapless, "orders that have given out another number of events", "select o.number from orders o where o.event_seq - o.events_raised <> (select count(*) from events e where e.order_number = o.number)"},
	{OneAuditEach, "numbers whose audit rows do not follow each other", // a state may come again (R05): closed, closing, closed
		"select number from (select number, old, lag(new) over (partition by kind, number order by id) as before from audit where old <> new) moves where before <> old"},
	{OneAuditEach, "payments whose last audit row is not their state",
		"select p.number from payments p where p.state <> (select a.new from audit a where a.order_number = p.order_number and a.kind = 'payment' and a.number = p.number order by a.id desc limit 1)"},
	{OneAuditEach, "refunds whose last audit row is not their state",
		"select r.number from refunds r where r.state <> (select a.new from audit a where a.order_number = r.order_number and a.kind = 'refund' and a.number = r.number order by a.id desc limit 1)"},
	{OneAuditEach, "orders whose last audit row is not their state",
		"select o.number from orders o where o.state <> (select a.new from audit a where a.order_number = o.number and a.kind = 'order' order by a.id desc limit 1)"},
	{UnfinishedIsDue, "payments", "select number from payments where due is null and (state in ('created', 'pending', 'closing') or disputed <> '')"},
	{UnfinishedIsDue, "orders", "select number from orders where due is null and state in ('open', 'closing')"},
	{UnfinishedIsDue, "refunds", "select number from refunds where due is null and state in ('created', 'processing')"},
	{UnfinishedIsDue, "deliveries", "select order_number from deliveries where due is null and next_seq <= last_seq"},
	{UnfinishedIsDue, "messages", "select id from inbox where due is null and verdict = 'unmatched'"},
	{BillIsRows, "differences", "select kind || ' ' || what || ' ' || number from differences where healed_at = 0 and accepted_at = 0"},
	{PaidBeforeBack, "refunds of payments that did not succeed",
		"select r.number from refunds r join payments p on p.number = r.payment where r.state = 'succeeded' and p.state <> 'succeeded' and r.origin <> 'incomplete'"},
	{PaidOnce, "paid orders that were told so another number of times",
		"select o.number from orders o where (select count(*) from events e where e.order_number = o.number and e.kind = 'order.paid') <> case when o.settled_by = '' then 0 else 1 end"},
	{PaidOnce, "payments that were paid beside another, and of which something is left",
		`select p.number from payments p join orders o on o.number = p.order_number where p.state = 'succeeded' and o.settled_by <> p.number
			and p.amount <> (select coalesce(sum(r.amount), 0) from refunds r where r.payment = p.number and r.state in ('succeeded', 'settled_outside'))`},
	{Finished, "payments under way", "select number from payments where state in ('created', 'pending', 'closing') or disputed <> ''"},
	{Finished, "refunds under way", "select number from refunds where state in ('created', 'processing')"},
	{Finished, "orders whose app was not told everything", "select order_number from deliveries where next_seq <= last_seq"},
	{Finished, "events without a place", "select order_number from events where place is null"},
	{Finished, "messages that wait", "select id from inbox where verdict = 'unmatched'"},
}

// mostListed is how many numbers a broken invariant shows.
const mostListed = 5

func list(ctx context.Context, db Queryer, query string) (found []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if len(found) == mostListed {
			text = "…"
		}
		if len(found) <= mostListed {
			found = append(found, text)
		}
	}
	return found, rows.Err()
}

func (b *book) read(ctx context.Context, db Queryer) error {
	rows, err := db.QueryContext(ctx, `select p.number, p.out_trade_no, p.mchid, p.sub_mchid, p.app_id, p.amount, p.currency, p.state, p.legs, case when o.settled_by = p.number then 1 else 0 end
		from payments p join orders o on o.number = p.order_number`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p payment
		var legs string
		var settles int
		err := rows.Scan(&p.Number, &p.ProviderNumber, &p.Route.MchID, &p.Route.SubMchID, &p.Route.AppID, &p.Content.Amount.Minor, &p.Content.Amount.Currency, &p.State, &legs, &settles)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(legs), &p.Legs); err != nil {
			return fmt.Errorf("the legs of payment %s: %w", p.Number, err)
		}
		p.settles = settles == 1
		b.payments = append(b.payments, p)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return b.readRefunds(ctx, db)
}

func (b *book) readRefunds(ctx context.Context, db Queryer) error {
	rows, err := db.QueryContext(ctx, `select r.number, r.out_refund_no, r.payment, r.amount, r.currency, r.amount_unknown, r.state, r.origin, r.legs, p.mchid, p.sub_mchid
		from refunds r join payments p on p.number = r.payment`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r refund
		var legs string
		err := rows.Scan(&r.Number, &r.ProviderNumber, &r.Payment, &r.Amount.Minor, &r.Amount.Currency, &r.AmountUnknown, &r.State, &r.Origin, &legs, &r.mchID, &r.subMchID)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(legs), &r.Legs); err != nil {
			return fmt.Errorf("the legs of refund %s: %w", r.Number, err)
		}
		b.refunds = append(b.refunds, r)
	}
	return rows.Err()
}

// trades holds WeChat's trades against the payments.
func (b *book) trades() {
	ours := map[trade]payment{}
	for _, p := range b.payments {
		ours[trade{p.Route.MchID, p.Route.SubMchID, p.OutTradeNo()}] = p
	}
	paid := map[trade]bool{}
	for _, t := range b.ledger.Trades {
		of := trade{t.MchID, t.SubMchID, t.OutTradeNo}
		p, known := ours[of]
		succeeded := t.State == "SUCCESS" || t.State == "REFUND"
		paid[of] = succeeded
		switch {
		case !known && succeeded:
			b.breaks(LedgerIsRows, "trade %s is paid, and no payment is it", t.OutTradeNo)
		case !known:
		case t.AppID != p.Route.AppID:
			b.breaks(RouteKept, "trade %s is of app id %s, its payment of %s", t.OutTradeNo, t.AppID, p.Route.AppID)
		case succeeded && p.StatedState() != pay.PaymentSucceeded:
			b.breaks(LedgerIsRows, "trade %s is paid, and its payment is %s", t.OutTradeNo, p.StatedState())
		case succeeded && p.StatedAmount().Minor != t.Total:
			b.breaks(LedgerIsRows, "trade %s is of %d fen, its payment of %d", t.OutTradeNo, t.Total, p.StatedAmount().Minor)
		}
	}
	for of, p := range ours {
		if p.StatedState() == pay.PaymentSucceeded && p.StatedAmount().Minor > 0 && !paid[of] {
			b.breaks(LedgerIsRows, "payment %s succeeded, and WeChat was paid no such trade", p.Number)
		}
	}
}

// returns holds WeChat's refunds against ours.
func (b *book) returns() {
	left := map[string]int64{} // of a payment's part
	for _, p := range b.payments {
		for _, leg := range p.Legs {
			left[p.Number+" "+leg.ID] = leg.Amount.Minor
		}
	}
	ours := map[trade]refund{}
	for _, r := range b.refunds {
		ours[trade{r.mchID, r.subMchID, r.OutRefundNo()}] = r
		for _, leg := range r.Legs {
			state := leg.State
			if len(r.Legs) == 1 {
				state = r.State
			}
			if state != pay.RefundFailed && state != pay.RefundClosed {
				left[r.Payment+" "+leg.LegID] -= leg.Amount.Minor
			}
		}
	}
	for part, rest := range left {
		if rest < 0 {
			b.breaks(RefundsFit, "of payment and part %s %d fen too much go back", part, -rest)
		}
	}
	totals, merchants := map[string]int64{}, map[string]trade{}
	for _, t := range b.ledger.Trades {
		totals[t.OutTradeNo] = t.Total
		merchants[t.OutTradeNo] = trade{mchID: t.MchID, subMchID: t.SubMchID}
	}
	seen := map[trade]string{}
	for _, r := range b.ledger.Refunds {
		of := trade{r.MchID, r.SubMchID, r.OutRefundNo}
		if (merchants[r.OutTradeNo] != trade{mchID: r.MchID, subMchID: r.SubMchID}) {
			b.breaks(RouteKept, "refund %s is of merchant %s, its trade %s of another", r.OutRefundNo, r.MchID, r.OutTradeNo)
		}
		mine, known := ours[of]
		seen[of] = r.Status
		switch {
		case !known:
			b.breaks(OneProviderRefund, "WeChat's refund %s is none of ours", r.OutRefundNo)
		case stated(mine) != r.Amount:
			b.breaks(OneProviderRefund, "WeChat's refund %s is of %d fen, ours of %d", r.OutRefundNo, r.Amount, stated(mine))
		}
		if r.Status == "CLOSED" {
			continue
		}
		if totals[r.OutTradeNo] -= r.Amount; totals[r.OutTradeNo] < 0 {
			b.breaks(RefundsFit, "WeChat gave back more of trade %s than was paid", r.OutTradeNo)
		}
		if known && r.Status == "SUCCESS" && mine.StatedState() != pay.RefundSucceeded {
			b.breaks(OneProviderRefund, "WeChat's refund %s succeeded, ours is %s", r.OutRefundNo, mine.StatedState())
		}
	}
	for of, r := range ours {
		if r.StatedState() == pay.RefundSucceeded && stated(r) > 0 && seen[of] != "SUCCESS" {
			b.breaks(OneProviderRefund, "refund %s succeeded, and is %q at WeChat", r.Number, seen[of])
		}
	}
}

// stated is what a refund gives back through WeChat.
func stated(r refund) int64 { return r.StatedAmount().Minor }

package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestAddOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := addOrder(t, s, newOrder())
		for _, row := range []struct {
			name      string
			change    func(*pay.Order)
			wantAdded bool
			wantErr   error
		}{
			{name: "the very same again", change: func(*pay.Order) {}},
			{name: "the same reference, another number", change: func(o *pay.Order) { o.Number = number() }},
			{name: "another reference, a taken number", change: func(o *pay.Order) { o.Reference = "other" }, wantErr: ports.ErrNumberTaken},
			{name: "another app's same reference", change: func(o *pay.Order) { o.Number, o.App = number(), "school" }, wantAdded: true},
		} {
			again := o
			row.change(&again)
			stored, added, err := s.AddOrder(t.Context(), again)
			if !errors.Is(err, row.wantErr) || added != row.wantAdded {
				t.Errorf("%s: added %v, error %v; want %v, %v", row.name, added, err, row.wantAdded, row.wantErr)
			}
			if err == nil && !added && !reflect.DeepEqual(stored, o) {
				t.Errorf("%s: the stored order is %+v\nwant %+v", row.name, stored, o)
			}
		}
	})
}

func TestAddOrderByOneReferenceAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		first := newOrder()
		added := make([]bool, 20)
		stored := make([]pay.Order, 20)
		errs := atOnce(20, func(i int) (err error) {
			o := first
			o.Number = number()
			stored[i], added[i], err = s.AddOrder(t.Context(), o)
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range added {
			if added[i] {
				n++
			}
			if stored[i].Number != stored[0].Number {
				t.Errorf("two numbers for one reference: %s and %s", stored[i].Number, stored[0].Number)
			}
		}
		if n != 1 {
			t.Errorf("%d were added, want 1", n)
		}
	})
}

// Every column and every part of the JSON comes back as it was written, times to the microsecond.
func TestRowsComeBackAsTheyWereWritten(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		bare := pay.Order{
			Number: number(), App: "clinic", Reference: "bare", Amount: yuan(1), ExpiresAt: at, State: pay.OrderOpen, CreatedAt: at, Due: at,
		}
		addOrder(t, s, bare)
		barePayment := pay.Payment{
			Number: number(), Order: bare.Number, App: "clinic", State: pay.PaymentCreated, CreatedAt: at, Due: at,
			Content: pay.Content{Amount: yuan(1)},
		}
		addPayment(t, s, barePayment)
		wantRows(t, s, pay.Rows{Order: bare, Payments: []pay.Payment{barePayment}})

		o := addOrder(t, s, newOrder())
		wantRows(t, s, pay.Rows{Order: o})
		failed, p := newPayment(o), newPayment(o)
		failed.State, failed.Calling, failed.Due = pay.PaymentFailed, false, time.Time{}
		p.ProviderNumber = "imported-1"
		p.Content.Details = &pay.Details{Medical: &pay.Medical{
			SerialNo: "s-1", OrderedAt: at, Gov: 1000, Cash: 2000, CashAdditions: []pay.CashChange{{Type: "FREIGHT", Fen: 5}},
			Person: pay.MedicalPerson{Name: "张三", IDNumber: "110101199001011234", CardType: "ID_CARD"}, Passthrough: []byte(`{"a":1}`),
		}}
		p.ProviderState = pay.ProviderState{Version: 3, Data: []byte("\x00opaque\xff")}
		addPayment(t, s, failed)
		addPayment(t, s, p)
		wantRows(t, s, pay.Rows{Order: o, Payments: []pay.Payment{failed, p}})

		p.State, p.Disputed, p.Calling, p.Unclear, p.ProviderID, p.PayerTotal = pay.PaymentPending, "paid 1 fen '?", false, true, "4200001", 2900
		p.HandOff = &pay.HandOff{Kind: "wechat_jsapi", Params: map[string]string{"package": "prepay_id=?&x"}, ValidUntil: at.Add(time.Hour)}
		p.Legs = []pay.Leg{{ID: "self", Kind: pay.LegSelf, Amount: yuan(20), State: pay.PaymentPending, ProviderID: "x"}, {ID: "ins", Kind: pay.LegInsurance, Amount: yuan(10), State: pay.PaymentSucceeded}}
		p.ProviderState = pay.ProviderState{Version: 4, Data: []byte("newer")}
		p.Attempts, p.SentAt, p.Due, p.NotPayableAfter = 7, at.Add(time.Second), at.Add(time.Minute), at.Add(time.Hour)
		failed.State, failed.ProviderID, failed.PayerTotal, failed.SucceededAt = pay.PaymentSucceeded, "4200002", 3000, at.Add(2*time.Second)
		o.State, o.SettledBy, o.PaidAt, o.Due = pay.OrderPaid, failed.Number, at.Add(2*time.Second), time.Time{}
		refunds := []pay.Refund{newRefund(failed, "one"), newRefund(failed, "two"), newRefund(p, "one")}
		refunds[1].Amount, refunds[1].AmountUnknown, refunds[1].Origin, refunds[1].ProviderNumber = pay.Refund{}.Amount, true, pay.OriginExternal, "external-1"
		refunds[1].Amount.Currency = "CNY"
		apply(t, s, p.Number, pay.Decision{
			Orders: []pay.Move[pay.Order, pay.OrderState]{{From: pay.OrderOpen, Row: o, Cause: "paid"}},
			Payments: []pay.Move[pay.Payment, pay.PaymentState]{
				{From: pay.PaymentCreated, Row: p, Cause: "accepted"},
				{From: pay.PaymentFailed, Row: failed, Cause: "paid"},
			},
			NewRefunds: refunds,
		})
		wantRows(t, s, pay.Rows{Order: o, Payments: []pay.Payment{failed, p}, Refunds: refunds})

		r := &refunds[0]
		r.State, r.NeedsAttention, r.Hold, r.Calling, r.Unclear, r.Absent = pay.RefundProcessing, "top up '?", true, true, true, true
		r.ProviderID, r.ProviderError, r.Account, r.Attempts = "5000", "NOT_ENOUGH ?", "支付用户零钱", 4
		r.SentAt, r.SucceededAt, r.Due = at.Add(time.Second), at.Add(2*time.Second), at.Add(3*time.Second)
		r.Legs[0].State = pay.RefundProcessing
		apply(t, s, p.Number, pay.Decision{Refunds: []pay.Move[pay.Refund, pay.RefundState]{{From: pay.RefundCreated, Row: *r, Cause: "sent"}}})
		wantRows(t, s, pay.Rows{Order: o, Payments: []pay.Payment{failed, p}, Refunds: refunds})

		err := s.Tx(t.Context(), func(tx ports.Tx) error {
			rows, err := tx.LockTrade(t.Context(), p.Route.MchID, p.Route.SubMchID, "imported-1")
			if found, _ := rows.Trade(p.Route.MchID, p.Route.SubMchID, "imported-1"); err == nil && !reflect.DeepEqual(found, p) {
				t.Errorf("by its provider's number: %+v", found)
			}
			return err
		})
		wantErr(t, "R13: by its provider's number", err, nil)
		err = s.Tx(t.Context(), func(tx ports.Tx) error {
			_, err := tx.LockTrade(t.Context(), p.Route.MchID, "", "imported-1")
			return err
		})
		wantErr(t, "R13: another sub merchant's", err, ports.ErrNotFound)
	})
}

// wantRows reads an order in every way there is.
func wantRows(t *testing.T, s *Store, want pay.Rows) {
	t.Helper()
	check := func(how string, got pay.Rows, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", how, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", how, got, want)
		}
	}
	got, err := s.Rows(t.Context(), "", want.Order.Number)
	check("Rows", got, err)
	inTx(t, s, func(tx ports.Tx) error {
		got, err := tx.LockOrder(t.Context(), want.Order.Number)
		check("LockOrder", got, err)
		for _, p := range want.Payments {
			got, err := tx.LockPayment(t.Context(), p.Number)
			check("LockPayment", got, err)
		}
		for _, r := range want.Refunds {
			got, err := tx.LockRefund(t.Context(), r.Number)
			check("LockRefund", got, err)
		}
		return nil
	})
	o, err := s.Order(t.Context(), want.Order.App, want.Order.Number)
	if err != nil || !reflect.DeepEqual(o, want.Order) {
		t.Errorf("Order: %+v, %v", o, err)
	}
	for _, w := range want.Payments {
		if p, err := s.Payment(t.Context(), w.App, w.Number); err != nil || !reflect.DeepEqual(p, w) {
			t.Errorf("Payment: %+v, %v", p, err)
		}
	}
	for _, w := range want.Refunds {
		if r, err := s.Refund(t.Context(), w.App, w.Number); err != nil || !reflect.DeepEqual(r, w) {
			t.Errorf("Refund: %+v, %v", r, err)
		}
	}
}

func TestR41_AnotherAppsNumberIsNotFound(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o, p := paid(t, s)
		r := newRefund(p, "one")
		apply(t, s, p.Number, refundMade(r))
		for _, row := range []struct {
			what string
			read func(app, number string) error
			own  string
		}{
			{"order", func(app, n string) error { _, err := s.Order(t.Context(), app, n); return err }, o.Number},
			{"rows", func(app, n string) error { _, err := s.Rows(t.Context(), app, n); return err }, o.Number},
			{"payment", func(app, n string) error { _, err := s.Payment(t.Context(), app, n); return err }, p.Number},
			{"refund", func(app, n string) error { _, err := s.Refund(t.Context(), app, n); return err }, r.Number},
		} {
			wantErr(t, row.what+" of its app", row.read("clinic", row.own), nil)
			wantErr(t, row.what+" of any app", row.read("", row.own), nil)
			wantErr(t, row.what+" of another app", row.read("school", row.own), ports.ErrNotFound)
			wantErr(t, row.what+" that is not there", row.read("clinic", number()), ports.ErrNotFound)
		}
		page, err := s.Orders(t.Context(), ports.OrderQuery{App: "school", Limit: 10})
		if err != nil || len(page.Orders) != 0 {
			t.Errorf("another app lists %d orders, %v", len(page.Orders), err)
		}
		inTx(t, s, func(tx ports.Tx) error {
			_, err := tx.LockOrder(t.Context(), number())
			wantErr(t, "lock an order that is not there", err, ports.ErrNotFound)
			_, err = tx.LockPayment(t.Context(), number())
			wantErr(t, "lock a payment that is not there", err, ports.ErrNotFound)
			_, err = tx.LockRefund(t.Context(), number())
			wantErr(t, "lock a refund that is not there", err, ports.ErrNotFound)
			return nil
		})
	})
}

func TestOrdersAreListedNewestFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		var all []pay.Order
		for i := range 7 {
			o := newOrder()
			o.CreatedAt = at.Add(time.Duration(i/2) * time.Second) // pairs of one time: the number decides
			all = append([]pay.Order{addOrder(t, s, o)}, all...)
		}
		var got []pay.Order
		q := ports.OrderQuery{App: "clinic", Limit: 3}
		for pages := 1; ; pages++ {
			page, err := s.Orders(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Orders...)
			if q.Cursor = page.Next; q.Cursor == "" {
				if pages != 3 {
					t.Errorf("%d pages, want 3", pages)
				}
				break
			}
		}
		if !reflect.DeepEqual(got, all) {
			t.Errorf("the pages together are not all orders, newest first: %+v", got)
		}
		for _, row := range []struct {
			name string
			q    ports.OrderQuery
			want int
		}{
			{"by reference", ports.OrderQuery{Reference: all[2].Reference}, 1},
			{"by state", ports.OrderQuery{State: pay.OrderPaid}, 0},
			{"created after", ports.OrderQuery{CreatedAfter: at.Add(time.Second)}, 3},
			{"exactly a page", ports.OrderQuery{Limit: 7}, 7},
		} {
			row.q.App, row.q.Limit = "clinic", max(row.q.Limit, 10)
			page, err := s.Orders(t.Context(), row.q)
			if err != nil || len(page.Orders) != row.want || page.Next != "" {
				t.Errorf("%s: %d orders, next %q, %v; want %d", row.name, len(page.Orders), page.Next, err, row.want)
			}
		}
		for _, garbage := range []string{"x", "!", "MTIz", "MSBhYmM", "OTk5OTk5OTk5OTk5OTk5OTk5OTkgMQ"} {
			_, err := s.Orders(t.Context(), ports.OrderQuery{App: "clinic", Limit: 3, Cursor: garbage})
			wantErr(t, "cursor "+garbage, err, ports.ErrCursor)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("MTIzIDQ1Ng")
	f.Add("MSAnIG9yIDE9MQ")
	f.Fuzz(func(t *testing.T, cursor string) {
		if _, number, err := parseCursor(cursor); err != nil && !errors.Is(err, ports.ErrCursor) {
			t.Errorf("error %v for %q", err, cursor)
		} else if err == nil && len(number) > 0 && (number[0] < '0' || number[0] > '9') {
			t.Errorf("number %q of %q", number, cursor)
		}
	})
}

func TestTimeline(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o, p := paid(t, s)
		other := newPayment(o)
		other.State, other.Due = pay.PaymentFailed, time.Time{}
		addPayment(t, s, other)
		r := newRefund(p, "one")
		apply(t, s, p.Number, refundMade(r))
		all, err := s.Timeline(t.Context(), o.Number, "")
		if err != nil {
			t.Fatal(err)
		}
		want := []ports.AuditRow{
			{At: at, Kind: ports.KindOrder, Number: o.Number, New: "open", Cause: "made by clinic"},
			{At: at, Kind: ports.KindPayment, Number: p.Number, New: "created", Cause: "made for entry account-a"},
			{At: at, Kind: ports.KindOrder, Number: o.Number, Old: "open", New: "paid", Cause: "payment " + p.Number},
			{At: at, Kind: ports.KindPayment, Number: p.Number, Old: "created", New: "succeeded", Cause: "paid"},
			{At: at, Kind: ports.KindPayment, Number: other.Number, New: "failed", Cause: "made for entry account-a"},
			{At: at, Kind: ports.KindRefund, Number: r.Number, New: "created", Cause: "made (api)"},
		}
		if !reflect.DeepEqual(all, want) {
			t.Errorf("the order's:\n got %+v\nwant %+v", all, want)
		}
		one, err := s.Timeline(t.Context(), o.Number, p.Number)
		if want := []ports.AuditRow{want[1], want[3], want[5]}; err != nil || !reflect.DeepEqual(one, want) {
			t.Errorf("the payment's:\n got %+v, %v\nwant %+v", one, err, want)
		}
	})
}

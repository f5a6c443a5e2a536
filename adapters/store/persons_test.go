package store

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// billed is an order with a bill and a payment of it, both of which name persons. A canary stands wherever one may.
func billed(t *testing.T, s *Store, number string, state pay.OrderState, payment pay.PaymentState) {
	t.Helper()
	person := pay.MedicalPerson{Name: canary, IDNumber: canary, CardType: "ID_CARD"}
	o := newOrder()
	o.Number, o.Reference, o.State = number, number, state
	o.Bill = &pay.Bill{OrderType: "REG_PAY", InstitutionName: "Clinic", Gov: 7, Person: person, Payer: &person, Passthrough: []byte(`"` + canary + `"`)}
	addOrder(t, s, o)
	p := newPayment(o)
	p.Number, p.Order, p.State = "1"+number[1:], number, payment
	p.Content.Details = &pay.Details{Medical: o.Bill.Medical(pay.MedicalPart{SerialNo: "S", PayOrderID: "B", PayAuthNo: canary, GeoLocation: canary})}
	if payment != pay.PaymentSucceeded {
		p.Due = at
	}
	addPayment(t, s, p)
}

func forgetMessages(ctx context.Context, t ports.Tx, p paymentRow) error {
	return t.(*tx).forgetMessages(ctx, p)
}

const canary = "王小明110101"

// After their time names and identity numbers are in no row any more, and fees still are; what may yet be paid keeps them (R45).
func TestR45_PersonsAreForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		old, open, closing := "00012026112421150000000000000018", "00012026112421150000000000000026", "00012026112421150000000000000034"
		billed(t, s, old, pay.OrderPaid, pay.PaymentSucceeded)
		billed(t, s, open, pay.OrderOpen, pay.PaymentPending)
		billed(t, s, closing, pay.OrderPaid, pay.PaymentClosing)
		for _, number := range []string{old, open} { // what the provider told of a payment
			message := ports.InboxRow{
				Provider: "wechat-jsapi", Account: newPayment(newOrder()).Route.Account, DedupeKey: number, Verdict: ports.VerdictApplied, Number: "1" + number[1:],
				Facts: []byte(canary), Body: []byte(canary), Received: at,
			}
			if err := s.Tx(t.Context(), func(tx ports.Tx) error { _, err := tx.Receive(t.Context(), message); return err }); err != nil {
				t.Fatal(err)
			}
		}
		before := newOrder().CreatedAt
		if n, err := s.ForgetPersons(t.Context(), before, 10); n != 0 || err != nil {
			t.Fatalf("too early: %d, %v", n, err)
		}
		for want := 1; want >= 0; want-- { // and again: nothing is left to do
			if n, err := s.ForgetPersons(t.Context(), before.Add(time.Second), 10); n != want || err != nil {
				t.Fatalf("%d, %v, want %d", n, err, want)
			}
		}
		for number, kept := range map[string]bool{old: false, open: true, closing: true} {
			rows, err := s.Rows(t.Context(), "", number)
			if err != nil {
				t.Fatal(err)
			}
			text, err := toJSON(struct{ A, B any }{rows.Order.Bill, rows.Payments[0].Content.Details})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, canary) != kept {
				t.Errorf("of %s is left %s", number, text)
			}
			if rows.Order.Bill.Gov != 7 || rows.Payments[0].Content.Details.Medical.Gov != 7 || rows.Order.Bill.Person.CardType != "ID_CARD" {
				t.Errorf("the fees of %s are %s", number, text)
			}
		}
		for number, kept := range map[string]bool{old: false, open: true} {
			var id string
			if err := s.db.NewSelect().Table("inbox").Column("id").Where("dedupe_key = ?", number).Scan(t.Context(), &id); err != nil {
				t.Fatal(err)
			}
			m, err := s.InboxRow(t.Context(), id)
			if err != nil || strings.Contains(string(m.Facts)+string(m.Body), canary) != kept || m.Verdict != ports.VerdictApplied {
				t.Errorf("of the message about %s is left %+v, %v", number, m, err)
			}
		}
	})
}

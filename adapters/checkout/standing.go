package checkout

import (
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
)

// standing is how an order stands for its payer. The words of the result page begin with it.
type standing string

const (
	standsPaid       standing = "paid"
	standsRefunded   standing = "refunded"
	standsConfirming standing = "confirming" // nobody can say yet; never pay again because of it
	standsCancelled  standing = "cancelled"  // the payer left the cashier, and the provider says that it is not paid
	standsUnpaid     standing = "unpaid"     // the provider says that it is not paid
	standsFailed     standing = "failed"     // the provider refused the last attempt
	standsClosing    standing = "closing"
	standsClosed     standing = "closed"
)

// standingOf reads it from the rows alone. told says that the provider has just been asked and answered. said is what the
// payer's client claims (ok, cancel, fail): it never makes an order paid, and only chooses the words where it is not.
func standingOf(rows pay.Rows, told bool, said string) standing {
	switch rows.Order.State {
	case pay.OrderPaid, pay.OrderPartiallyRefunded:
		return standsPaid
	case pay.OrderRefunded:
		return standsRefunded
	case pay.OrderClosing:
		return standsClosing
	case pay.OrderClosed:
		return standsClosed
	}
	last, live := pay.Payment{}, false
	for _, p := range rows.Payments {
		if p.Disputed != "" {
			return standsConfirming
		}
		live = live || p.State.Live()
		if last.CreatedAt.Before(p.CreatedAt) {
			last = p
		}
	}
	switch {
	case live && (!told || said == "ok"): // the provider may be behind its own client for a moment
		return standsConfirming
	case last.State == pay.PaymentFailed:
		return standsFailed
	case live && said == "cancel":
		return standsCancelled
	}
	return standsUnpaid
}

// final tells whether a page that shows it has nothing to wait for.
func (s standing) final() bool { return s != standsConfirming && s != standsClosing }

// payable tells whether a payer may start to pay: the order is open and its time is not over.
func payable(rows pay.Rows, now time.Time) bool {
	return rows.Order.State == pay.OrderOpen && rows.Order.ExpiresAt.Sub(now) > pay.LeastTimeToPay+pay.CallTime
}

// yuan writes an amount with its sign, without a float in between.
func yuan(a money.Amount) string { return fmt.Sprintf("¥%d.%02d", a.Minor/100, a.Minor%100) }

// shanghai is where WeChat Pay's payers are. China has had one zone without summer time since 1991.
var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

func clock(t time.Time) string { return t.In(shanghai).Format("2006-01-02 15:04") }

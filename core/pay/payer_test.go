package pay

import (
	"testing"

	"github.com/paybridge/paybridge/core/identity"
)

func TestR41_WhoMaySeeAndPayAnOrder(t *testing.T) {
	t.Parallel()
	mine := identity.Name{AppID: direct.AppID, OpenID: "o-1"} // as aPayment has it
	other := identity.Name{AppID: direct.AppID, OpenID: "o-2"}
	mini := identity.Name{AppID: "wxm", OpenID: "om-1"}
	payer := func(user string, names ...identity.Name) identity.Payer {
		return identity.Payer{App: "shop", UserID: user, Names: names}
	}
	foreign := payer("", mine)
	foreign.App = "clinic"
	attempted := []Payment{aPayment(pNumber, PaymentClosed)}
	for _, row := range []struct {
		name     string
		policy   PayerPolicy
		id       string
		payments []Payment
		payer    identity.Payer
		see      bool
		pay      bool // by the payer's last name, of the entry of the payments
	}{
		{name: "first: nobody came yet", policy: PayerFirst, payer: payer("", mine), see: true, pay: true},
		{name: "first: they came", policy: PayerFirst, payments: attempted, payer: payer("", mine), see: true, pay: true},
		{name: "first: they came under another name of theirs", policy: PayerFirst, payments: attempted, payer: payer("", mine, other), see: true, pay: true},
		{name: "first: another came", policy: PayerFirst, payments: attempted, payer: payer("", other)},
		{name: "first: the same letters of another app id", policy: PayerFirst, payments: attempted, payer: payer("", identity.Name{AppID: "wxz", OpenID: "o-1"}), pay: true},
		{name: "named by user_id", policy: PayerNamed, id: "ann", payer: payer("ann", other), see: true, pay: true},
		{name: "named by another of their openids", policy: PayerNamed, id: "om-1", payer: payer("", mini, other), see: true, pay: true},
		{name: "named is another", policy: PayerNamed, id: "joe", payer: payer("ann", other)},
		{name: "named is another, though they tried", policy: PayerNamed, id: "joe", payments: attempted, payer: payer("", mine)},
		{name: "anyone", policy: PayerAnyone, payments: attempted, payer: payer("", other), see: true, pay: true},
		{name: "another app's", policy: PayerAnyone, payer: foreign, pay: true},
		{name: "nobody", policy: PayerAnyone, payer: payer("")},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			rows := Rows{Order: anOrder(OrderOpen), Payments: row.payments}
			rows.Order.Payer, rows.Order.PayerID = row.policy, row.id
			if got := MaySee(rows, row.payer); got != row.see {
				t.Errorf("sees it: %v, want %v", got, row.see)
			}
			if len(row.payer.Names) == 0 {
				return
			}
			as := row.payer.Names[len(row.payer.Names)-1]
			_, _, err := Attempt(rows, Want{Entry: direct.Entry, AppID: as.AppID, OpenID: as.OpenID, Payer: row.payer}, now)
			if (err == nil) != row.pay {
				t.Errorf("may pay: %v, want %v", err, row.pay)
			}
		})
	}
}

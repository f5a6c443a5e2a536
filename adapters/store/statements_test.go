package store

import (
	"errors"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func awaited(day string) ports.Statement {
	return ports.Statement{Account: "hospital", Provider: "p", MchID: "1900000001", Day: day, State: ports.StatementAwaited, Due: at}
}

// A statement is planned once, compared by who holds its claim, and what differs is told until it is healed or accepted.
func TestStatements(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.LastStatement(ctx, "hospital"); !errors.Is(err, ports.ErrNotFound) {
			t.Errorf("before any: %v", err)
		}
		for _, day := range []string{"2026-11-01", "2026-11-02", "2026-11-02"} {
			must(s.PlanStatement(ctx, awaited(day)))
		}
		last, err := s.LastStatement(ctx, "hospital")
		must(err)
		if last.Day != "2026-11-02" || last.State != ports.StatementAwaited || !last.Due.Equal(at) {
			t.Errorf("the last is %+v", last)
		}
		claims, err := s.ClaimDue(ctx, ports.KindStatement, 5, time.Minute, at)
		must(err)
		if len(claims) != 2 {
			t.Fatalf("claimed %+v", claims)
		}
		claim, err := s.Claim(ctx, ports.KindStatement, last.ID(), time.Minute, at)
		if !errors.Is(err, ports.ErrClaimed) {
			t.Fatalf("claimed twice: %+v, %v", claim, err)
		}
		held := claims[0]
		if held.Number != last.ID() {
			held = claims[1]
		}
		stale := held
		if held, err = s.HoldStatement(ctx, held, 1000, time.Minute); err != nil || held.Until <= stale.Until {
			t.Fatalf("held until %d, then %d: %v", stale.Until, held.Until, err)
		}
		if _, err := s.HoldStatement(ctx, stale, 2000, time.Minute); !errors.Is(err, ports.ErrClaimed) {
			t.Errorf("held by an old claim: %v", err)
		}

		differing := last
		differing.State, differing.Due, differing.Lines, differing.Others = ports.StatementDiffering, at.Add(time.Hour), 7, 2
		sums := []ports.StatementSum{{App: "clinic", Entry: "oa", Payments: 3, Gross: 900, Refunds: 1, Refunded: 100, FeeMilli: -540}}
		found := []ports.Difference{
			{Kind: ports.OursOnly, What: ports.KindPayment, Number: "1", Ours: 100, OurState: "succeeded"},
			{Kind: ports.StateDiffers, What: ports.KindPayment, Number: "2", Theirs: 200, TheirState: "SUCCESS"},
		}
		if err := s.StatementDone(ctx, stale, differing, nil, nil, at); !errors.Is(err, ports.ErrClaimed) {
			t.Errorf("ended by an old claim: %v", err)
		}
		must(s.StatementDone(ctx, held, differing, sums, found, at))
		read, err := s.Statement(ctx, last.ID())
		must(err)
		if read.Open != 2 || read.Lines != 7 || read.Others != 2 || !read.DoneAt.Equal(at) || read.State != ports.StatementDiffering {
			t.Errorf("it is %+v", read)
		}
		got, err := s.Sums(ctx, "2026-11-01", "2026-11-30")
		must(err)
		if len(got) != 1 || got[0].Gross != 900 || got[0].FeeMilli != -540 || got[0].Account != "hospital" {
			t.Errorf("sums %+v", got)
		}
		open, err := s.Differences(ctx, ports.StatementQuery{Day: last.Day, Open: true, Limit: 10})
		must(err)
		if len(open) != 2 || open[1].Number != "1" || open[1].Ours != 100 {
			t.Fatalf("open %+v", open)
		}
		must(s.HealDifference(ctx, open[0].ID, at))
		accepted, err := s.AcceptDifference(ctx, open[1].ID, "ann", "paid at the till", at)
		must(err)
		if accepted.AcceptedBy != "ann" || !accepted.AcceptedAt.Equal(at) {
			t.Errorf("accepted %+v", accepted)
		}

		// Compared again, what was accepted stays so, and what differs once more is open once more.
		must(s.StatementAgain(ctx, last.ID(), at))
		again, err := s.Claim(ctx, ports.KindStatement, last.ID(), time.Minute, at)
		must(err)
		must(s.StatementDone(ctx, again, differing, sums, found, at))
		if open, err = s.Differences(ctx, ports.StatementQuery{Account: "hospital", Open: true, Limit: 10}); err != nil || len(open) != 1 || open[0].Kind != ports.StateDiffers {
			t.Errorf("open %+v, %v", open, err)
		}
		if err := s.StatementAgain(ctx, "hospital 2020-01-01", at); !errors.Is(err, ports.ErrNotFound) {
			t.Errorf("one that is none: %v", err)
		}
	})
}

// What a statement names is found by what the provider knows it by, and what it has to name by when it took place.
func TestStatedRows(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		_, p := paid(t, s)
		r := newRefund(p, "one")
		r.State, r.SentAt, r.SucceededAt, r.Due = pay.RefundSucceeded, at, at, time.Time{}
		apply(t, s, p.Number, refundMade(r))
		stored, err := s.Payment(ctx, "", p.Number)
		if err != nil {
			t.Fatal(err)
		}
		payments, err := s.TradesByNumber(ctx, p.Route.MchID, p.Route.SubMchID, []string{p.Number, "another"})
		if err != nil || len(payments) != 1 || payments[0].Number != p.Number || payments[0].Amount != p.Content.Amount.Minor || payments[0].Entry != p.Route.Entry || payments[0].State != "succeeded" {
			t.Errorf("payments %+v, %v", payments, err)
		}
		if others, err := s.TradesByNumber(ctx, "another merchant", "", []string{p.Number}); err != nil || len(others) != 0 {
			t.Errorf("another merchant's: %+v, %v", others, err)
		}
		refunds, err := s.RefundsByNumber(ctx, p.Route.MchID, p.Route.SubMchID, []string{r.Number})
		if err != nil || len(refunds) != 1 || refunds[0].Payment != p.Number || refunds[0].Amount != r.Amount.Minor {
			t.Errorf("refunds %+v, %v", refunds, err)
		}
		from, to := stored.SucceededAt.Add(-time.Second), stored.SucceededAt.Add(time.Second)
		page, err := s.SucceededTrades(ctx, p.Route.Account, from, to, ports.StatedRow{}, 10)
		if err != nil || len(page) != 1 {
			t.Fatalf("of the day: %+v, %v", page, err)
		}
		if next, err := s.SucceededTrades(ctx, p.Route.Account, from, to, page[0], 10); err != nil || len(next) != 0 {
			t.Errorf("the next page: %+v, %v", next, err)
		}
		unstated := func(want int) {
			t.Helper()
			if page, err := s.UnstatedRefunds(ctx, p.Route.Account, at.Add(-time.Second), at.Add(time.Second), ports.StatedRow{}, 10); err != nil || len(page) != want {
				t.Errorf("unstated: %+v, %v", page, err)
			}
		}
		unstated(1)
		if err := s.RefundsStated(ctx, []string{r.Number}, "2026-11-01"); err != nil {
			t.Fatal(err)
		}
		unstated(0)
	})
}

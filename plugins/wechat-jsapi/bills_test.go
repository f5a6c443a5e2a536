package main

import (
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

func (w world) bill(c sdk.Call, kind sdk.BillKind, day string) (lines []sdk.BillItem, totals sdk.BillTotals, r sdk.Result) {
	r = w.DownloadBill(w.t.Context(), sdk.BillRequest{Call: c, Kind: kind, Date: day}, func(i sdk.BillItem) error {
		if t, last := i.(sdk.BillTotals); last {
			totals = t
		} else {
			lines = append(lines, i)
		}
		return nil
	})
	return lines, totals, r
}

// businessDay is a day with two payments and a refund of the first one, and the day after at noon.
func businessDay(t *testing.T, w world) string {
	t.Helper()
	day := w.noon()
	paid := w.paid(number(1))
	w.paid(number(2))
	accepted(t, w.CreateRefund(t.Context(), refund(paid, "R1", 500)))
	w.pass(24 * time.Hour)
	return day
}

func TestTheTradeStatementTellsEachPaymentAndRefund(t *testing.T) {
	t.Parallel()
	for _, fault := range []sim.FaultKind{"", sim.BillPlain, sim.BillColumnsMoved} {
		w := newWorld(t)
		day := businessDay(t, w)
		if fault != "" {
			w.faults(sim.Fault{Kind: fault})
		}
		lines, totals, r := w.bill(call(firstApp), sdk.TradeBill, day)
		accepted(t, r)
		if len(lines) != 3 || totals.Lines != 3 || totals.Paid.Minor != 2500 || totals.Refunded.Minor != 500 {
			t.Fatalf("%s: %d lines, totals %+v", fault, len(lines), totals)
		}
		found := map[string]sdk.TradeLine{}
		for _, l := range lines {
			line := l.(sdk.TradeLine)
			found[line.Number+line.RefundNumber] = line
			if line.MchID != merchant || line.SubMchID != "" || line.AppID != firstApp || line.ProviderID == "" ||
				line.OccurredAt.In(shanghai).Format(time.DateOnly) != day {
				t.Errorf("%s: %+v", fault, line)
			}
		}
		for _, n := range []string{number(1), number(2)} {
			if l := found[n]; l.Amount != (sdk.Amount{Minor: 1250, Currency: "CNY"}) || l.TradeStateName != "SUCCESS" || l.ProviderRefundID != "" || l.FeeMilli != 8000 {
				t.Errorf("%s: payment %s: %+v", fault, n, l)
			}
		}
		if l := found[number(1)+"R1"]; l.RefundAmount.Minor != 500 || l.RefundState != sdk.RefundSucceeded || l.ProviderRefundID == "" || l.FeeMilli != -3000 {
			t.Errorf("%s: the refund: %+v", fault, l)
		}
	}
}

func TestTheFundStatementTellsEachMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	day := businessDay(t, w)
	lines, totals, r := w.bill(call(firstApp), sdk.FundBill, day)
	accepted(t, r)
	var balance int64
	for _, l := range lines {
		line := l.(sdk.FundLine)
		if balance += line.Amount.Minor; line.Balance.Minor != balance || line.FlowID == "" || line.BusinessID == "" || line.BusinessType == "" {
			t.Errorf("%+v, and the balance is %d", line, balance)
		}
	}
	if totals.Lines != 5 || len(lines) != 5 || totals.Paid.Minor-totals.Refunded.Minor != balance || totals.Paid.Minor != 2500 {
		t.Errorf("%d lines, totals %+v", len(lines), totals)
	}
}

func TestASubMerchantsStatement(t *testing.T) {
	t.Parallel()
	w := partnerWorld(t)
	day := w.noon()
	mine, other := subCall(withApp, sdk.OpenidSub), subCall(withoutApp, sdk.OpenidSp)
	w.subPaid(mine, number(1))
	w.subPaid(other, number(2))
	w.pass(24 * time.Hour)
	lines, _, r := w.bill(mine, sdk.TradeBill, day)
	accepted(t, r)
	if len(lines) != 1 || lines[0].(sdk.TradeLine).Number != number(1) || lines[0].(sdk.TradeLine).SubMchID != withApp {
		t.Errorf("its own trade alone: %+v", lines)
	}
	if _, _, r := w.bill(mine, sdk.FundBill, day); r.Verdict != sdk.VerdictRejected || r.Reason != sdk.InvalidRequest {
		t.Errorf("a sub merchant's funds: %+v", r)
	}
	whole := mine
	whole.Route.Account, whole.Route.SubMchID = "main", ""
	if _, _, r := w.bill(whole, sdk.TradeBill, day); r.Verdict != sdk.VerdictNotSent || r.Reason != sdk.AuthFailed {
		t.Errorf("another merchant's account: %+v", r)
	}
}

func TestWhatAStatementComesTo(t *testing.T) {
	t.Parallel()
	const indeterminate, rejected = sdk.VerdictIndeterminate, sdk.VerdictRejected
	tests := []struct {
		fault   sim.FaultKind
		verdict sdk.Verdict
		reason  sdk.Reason
		message string
	}{
		{sim.BillMissing, rejected, sdk.NotFound, ""},
		{sim.BillCreating, rejected, sdk.Unavailable, ""},
		{sim.BillWrongHash, indeterminate, 0, "its hash is not the one"},
		{sim.BillTruncated, indeterminate, 0, "download: unexpected EOF"},
		{sim.BillTotalsWrong, indeterminate, 0, "its totals say 4 lines"},
		{sim.BrokenNotExecuted, indeterminate, 0, ""},
	}
	for _, test := range tests {
		t.Run(string(test.fault), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			day := businessDay(t, w)
			w.faults(sim.Fault{Kind: test.fault})
			_, totals, r := w.bill(call(firstApp), sdk.TradeBill, day)
			if r.Verdict != test.verdict || r.Reason != test.reason || !strings.Contains(r.Message, test.message) || totals != (sdk.BillTotals{}) {
				t.Errorf("got %+v, totals %+v", r, totals)
			}
		})
	}
	w := newWorld(t)
	if _, _, r := w.bill(call(firstApp), sdk.TradeBill, w.noon()); r.Verdict != rejected {
		t.Errorf("a day that is not over: %+v", r)
	}
}

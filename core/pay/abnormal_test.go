package pay

import (
	"testing"

	"github.com/paybridge/paybridge/core/money"
)

func TestAbnormalRefund(t *testing.T) {
	t.Parallel()
	abnormal := aRefund("a", RefundProcessing, 40)
	abnormal.ProviderID, abnormal.NeedsAttention, abnormal.Attempts = "5030", "The money could not be delivered", 5
	change := func(f func(r *Refund)) Refund { r := abnormal; f(&r); return r }
	facts := func(s RefundFactState) *RefundFacts {
		return &RefundFacts{State: s, Number: abnormal.Number, Payment: pNumber, MchID: "1900000001", Amount: money.CNY(40), ProviderID: "5030", SucceededAt: now}
	}
	for _, c := range []struct {
		name     string
		refund   Refund
		wantCode string // of the intent
		outcome  Outcome
		facts    *RefundFacts
		want     RefundState
		marked   bool // it still needs a person
		atOnce   bool // and is asked about now
	}{
		{name: "R33 taken by the provider", refund: abnormal, outcome: Outcome{Verdict: Accepted}, facts: facts(RefundFactProcessing), want: RefundProcessing},
		{name: "R33 there already", refund: abnormal, outcome: Outcome{Verdict: Accepted}, facts: facts(RefundFactSucceeded), want: RefundSucceeded},
		{name: "R33 abnormal as before", refund: abnormal, outcome: Outcome{Verdict: Accepted}, facts: facts(RefundFactAbnormal), want: RefundProcessing, marked: true},
		{name: "R33 refused", refund: abnormal, outcome: Outcome{Verdict: Rejected, Reason: InvalidRequest}, want: RefundProcessing, marked: true},
		{name: "R33 not sent", refund: abnormal, outcome: Outcome{Verdict: NotSent, Reason: Unavailable}, want: RefundProcessing, marked: true},
		{name: "R33 nobody knows", refund: abnormal, want: RefundProcessing, marked: true, atOnce: true},
		{name: "R33 under way, and not abnormal", refund: change(func(r *Refund) { r.NeedsAttention = "" }), wantCode: CodeRefundNotAbnormal},
		{name: "R33 too little money, never taken", refund: change(func(r *Refund) { r.ProviderID = "" }), wantCode: CodeRefundNotAbnormal},
		{name: "R33 its call is under way", refund: change(func(r *Refund) { r.Calling = true }), wantCode: CodeRefundNotAbnormal},
		{name: "R33 succeeded", refund: change(func(r *Refund) { r.State = RefundSucceeded }), wantCode: CodeRefundNotAbnormal},
		{name: "R33 settled outside", refund: change(func(r *Refund) { r.State = RefundSettledOutside }), wantCode: CodeRefundNotAbnormal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows := refundRows(c.refund)
			asked, err := AskAbnormal(rows, c.refund.Number, AbnormalRefund{Name: "li"}, now)
			if code := refusalCode(err); code != c.wantCode || (err != nil && code == "") {
				t.Fatalf("error %v, want %q", err, c.wantCode)
			}
			if c.wantCode != "" {
				check(t, "decides nothing", asked.Empty(), true)
				return
			}
			check(t, "audit", asked.Refunds[0].Cause, "to be sent to another card of the payer's, says li")
			d, err := AbnormalAnswered(asked.After(rows), c.refund.Number, c.outcome, c.facts, now)
			if err != nil {
				t.Fatal(err)
			}
			after := d.After(asked.After(rows))
			r, err := after.Refund(c.refund.Number)
			if err != nil {
				t.Fatal(err)
			}
			check(t, "state", r.State, c.want)
			check(t, "marked", r.NeedsAttention != "", c.marked)
			check(t, "due at once", r.Due.Equal(now), c.atOnce)
			checkDue(t, after)
		})
	}
	d, err := AbnormalAnswered(refundRows(aRefund("a", RefundSucceeded, 40)), abnormal.Number, Outcome{Verdict: Rejected, Reason: InvalidRequest}, nil, now)
	if err != nil || !d.Empty() {
		t.Errorf("R10 refused after a callback had ended it: %+v, %v", d, err)
	}
}

package pay

import "time"

// AbnormalRefund is what an operator decides of a refund that the payer's account could not take. Of a card nothing is kept.
type AbnormalRefund struct {
	Name       string // who decides it
	ToMerchant bool   // else to another card of the payer's
}

func (a AbnormalRefund) where() string {
	if a.ToMerchant {
		return "the merchant"
	}
	return "another card of the payer's"
}

// AskAbnormal is the intent to let the provider send an abnormal refund elsewhere (R33): it stands in the audit before
// anything is asked.
func AskAbnormal(rows Rows, number string, a AbnormalRefund, _ time.Time) (Decision, error) {
	var d Decision
	r, err := rows.Refund(number)
	if err != nil {
		return d, err
	}
	if r.State != RefundProcessing || r.ProviderID == "" || r.NeedsAttention == "" || r.Calling {
		return d, refuse(CodeRefundNotAbnormal, "refund %s is %s, and the provider has not said that its money could not be delivered", number, r.State)
	}
	return d.putRefund(r.State, r, "to be sent to "+a.where()+", says "+a.Name)
}

// AbnormalAnswered decides what the provider's answer means. An accepted one takes the mark off: the refund is under way again.
func AbnormalAnswered(rows Rows, number string, o Outcome, f *RefundFacts, now time.Time) (Decision, error) {
	r, err := rows.Refund(number)
	if err != nil {
		return Decision{}, err
	}
	if o.Verdict == Accepted && f != nil {
		if r.State == RefundProcessing && f.State != RefundFactAbnormal {
			r.NeedsAttention, r.Attempts = "", 0
		}
		return SettleRefund(withRefund(rows, r), number, *f, FromCreate, now)
	}
	var d Decision
	if r.State != RefundProcessing {
		return d, nil // a callback was faster
	}
	if r.Due = later(r.Attempts, o, now); o.Verdict == Indeterminate || o.Verdict == Accepted {
		r.Due = now // what became of it, a query tells
	}
	return d.putRefund(r.State, r, "abnormal refund: "+o.String())
}

package pay

import "time"

// SettledOutside is what an operator says of a refund whose money went back another way: in cash, by a bank transfer.
type SettledOutside struct {
	Name   string // who says so
	Reason string // how the money went back
	Anyway bool   // although the provider is working on it and may pay it as well
}

// settledOutsideAsk is how often the provider is asked about a refund that it had when an operator settled it outside.
const settledOutsideAsk = 24 * time.Hour

// SettleOutside ends a refund that can never succeed at the provider because its money went back another way (R33). The
// sum is taken; one that had failed takes it again, or is refused where it no longer fits. A refund whose call is
// under way is refused until its outcome is known: it may give the money back once more; so is one that the provider has
// and that waits for nobody, unless it is to be settled anyway. What the provider has is asked about until it ends there too.
// Said again, it decides nothing.
func SettleOutside(rows Rows, number string, s SettledOutside, now time.Time) (Decision, error) {
	var d Decision
	r, err := rows.Refund(number)
	if err != nil {
		return d, err
	}
	p, err := rows.Payment(r.Payment)
	if err != nil {
		return d, err
	}
	was, cash := r.State, r.cashState()
	leg, insured := r.Insurance()
	cashOver := insured && (len(r.Legs) == 1 || cash.Final() && cash != RefundFailed) // only the insurance leg may be left
	switch {
	case was == RefundSettledOutside:
		return d, nil
	case cashOver && leg.State == RefundProcessing:
		r.setInsurance(RefundSettledOutside, time.Time{})
		r.State, r.NeedsAttention = RefundSettledOutside, ""
		return settledOutside(rows, p, was, r, s)
	case cashOver && leg.State == RefundCreated:
		return d, refuse(CodeRefundNotSettleable, "refund %s waits for the app to say what the insurance bureau gave back, or to give that part up", number)
	case was == RefundProcessing && r.Calling && now.Before(settledBy(r.SentAt)):
		return d, &Refusal{
			Code: CodeRefundNotSettleable, Detail: "refund " + number + " is being sent at this moment: what the provider answers decides first",
			RetryAfter: settledBy(r.SentAt).Sub(now),
		}
	case was == RefundProcessing && !r.SentAt.IsZero() && r.NeedsAttention == "" && !s.Anyway:
		return d, refuse(CodeRefundNotSettleable, "refund %s is on its way at the provider and waits for nobody: settled outside now, the payer may get the money twice; wait for its outcome, or say \"anyway\": true", number)
	case was == RefundProcessing:
	case was == RefundFailed:
		if left := r.leftOfCash(rows, p); r.sent().Minor > left {
			return d, refuse(CodeRefundExceeds, "refund %s is of %s, and %d are left of payment %s: other refunds took the sum when it had failed", number, r.sent(), left, p.Number)
		}
	default:
		return d, refuse(CodeRefundNotSettleable, "refund %s is %s: only one that is processing or failed can be settled outside", number, was)
	}
	r.State, r.Due, r.NeedsAttention, r.Calling = RefundSettledOutside, time.Time{}, "", false
	if was == RefundProcessing && !r.SentAt.IsZero() {
		r.Due = now.Add(settledOutsideAsk)
	}
	r.setCash(RefundSettledOutside)
	return settledOutside(rows, p, was, r, s)
}

func settledOutside(rows Rows, p Payment, was RefundState, r Refund, s SettledOutside) (d Decision, err error) {
	d.refundEnded(was, r)
	if d, err = d.putRefund(was, r, "settled outside by "+s.Name+": "+s.Reason); err != nil {
		return d, err
	}
	return refundedOrder(d, rows, p)
}

package pay

import (
	"fmt"
	"time"
)

// Refusal is a request that the rules do not allow. Its code is stable: programs decide by it.
type Refusal struct {
	Code       string
	Detail     string        // for people: what is wrong and what to do
	RetryAfter time.Duration // when asking again may help; 0: it won't
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Detail }

func refuse(code, format string, a ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, a...)}
}

// The codes of refusals.
const (
	CodeOrderPaid                   = "order_paid"
	CodeOrderClosed                 = "order_closed"
	CodeOrderClosing                = "order_closing"
	CodeOrderExpired                = "order_expired"
	CodePayerNotAllowed             = "payer_not_allowed"
	CodePreviousUnresolved          = "previous_attempt_unresolved"
	CodePaymentFailed               = "payment_failed"
	CodePaymentDisputed             = "payment_disputed"
	CodePaymentNotPaid              = "payment_not_paid"
	CodeReferenceReused             = "reference_reused"
	CodeRefundExceeds               = "refund_exceeds_payment"
	CodeRefundLegs                  = "refund_legs_required"
	CodeRefundLeg                   = "refund_leg_not_possible"
	CodeRefundUnknown               = "refund_unknown"
	CodeRefundTooMany               = "refund_too_many"
	CodeRefundTooLate               = "refund_too_late"
	CodeRefundNotRetryable          = "refund_not_retryable"
	CodeRefundNotSettleable         = "refund_not_settleable"
	CodeNotCloseable                = "payment_not_closeable"
	CodeMedicalAuthorizationExpired = "medical_authorization_expired"
	CodeIdentityConflict            = "identity_conflict"
	CodeRefundNotAbnormal           = "refund_not_abnormal"
	CodeNotOffered                  = "not_offered"
	CodeOrderNotPaid                = "order_not_paid"
	CodeFulfilmentUnderWay          = "fulfilment_under_way"
	CodeFulfilmentFinal             = "fulfilment_final"
	CodePaymentNotDisputed          = "payment_not_disputed"
	CodeTradeNotOurs                = "trade_not_ours"
	CodeReceiptPage                 = "receipt_page_refused"
)

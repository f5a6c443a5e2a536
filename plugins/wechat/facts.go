package wechat

import (
	"cmp"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// tradeStates is WeChat's trade_state. What is not here decides nothing.
var tradeStates = map[string]sdk.PaymentState{
	"NOTPAY":     sdk.PaymentPending, // after a failed attempt too, and after time_expire until it is closed
	"USERPAYING": sdk.PaymentPending,
	"ACCEPT":     sdk.PaymentPending,
	"PAYERROR":   sdk.PaymentPending, // payable until it is closed
	"SUCCESS":    sdk.PaymentSucceeded,
	"REFUND":     sdk.PaymentRefunded,
	"CLOSED":     sdk.PaymentClosed,
	"REVOKED":    sdk.PaymentClosed,
}

// refundStates is WeChat's status of a refund, refund_status in a notification.
var refundStates = map[string]sdk.RefundState{
	"PROCESSING": sdk.RefundProcessing,
	"SUCCESS":    sdk.RefundSucceeded,
	"CLOSED":     sdk.RefundClosed,
	"ABNORMAL":   sdk.RefundAbnormal,
}

// Facts is what a verified trade says. An unpaid one has no currency, and is in WeChat's default. Of a paid one none is
// made up: what WeChat says it took is compared with what was asked for.
func (t Trade) Facts() sdk.PaymentFacts {
	state := tradeStates[t.TradeState]
	paid := state == sdk.PaymentSucceeded || state == sdk.PaymentRefunded
	currency := t.Amount.Currency
	if !paid && currency == "" {
		currency = defaultCurrency
	}
	f := sdk.PaymentFacts{
		State:      state,
		Number:     t.OutTradeNo,
		MchID:      cmp.Or(t.MchID, t.SpMchID),
		SubMchID:   t.SubMchID,
		AppID:      t.payingApp(),
		Amount:     fen(t.Amount.Total, currency),
		Payer:      t.payer(),
		PaidAt:     instant(t.SuccessTime),
		ProviderID: t.TransactionID,
		StateName:  t.TradeState,
	}
	if paid {
		f.PayerAmount = fen(t.Amount.PayerTotal, t.Amount.PayerCurrency)
	}
	return f
}

// payingApp is the app id that the trade was made with: a partner's, unless the trade names the sub merchant's app. A
// trade of ours does so only where the payer's openid is of that app; of another system's the payer tells.
func (t Trade) payingApp() string {
	switch {
	case t.AppID != "":
		return t.AppID
	case t.SubAppID == "", t.Payer.SubOpenID == "" && t.Payer.SpOpenID != "":
		return t.SpAppID
	}
	return t.SubAppID
}

func (t Trade) payer() sdk.PayerFacts {
	openid := t.Payer.OpenID
	switch app := t.payingApp(); {
	case t.AppID != "":
	case app == t.SubAppID:
		openid = t.Payer.SubOpenID
	default:
		openid = t.Payer.SpOpenID
	}
	return sdk.PayerFacts{Openid: openid, SpOpenid: t.Payer.SpOpenID, SubOpenid: t.Payer.SubOpenID, FundsSource: t.BankType}
}

// Facts is what a verified refund says. Answers name no merchant: the one that signed the question is the one that
// may know. Notifications have no field for the currency.
func (r Refund) Facts() sdk.RefundFacts {
	status := r.Status
	if status == "" {
		status = r.RefundStatus
	}
	currency := r.Amount.Currency
	if currency == "" {
		currency = defaultCurrency
	}
	f := sdk.RefundFacts{
		State:             refundStates[status],
		Number:            r.OutRefundNo,
		PaymentNumber:     r.OutTradeNo,
		ProviderID:        r.RefundID,
		ProviderPaymentID: r.TransactionID,
		MchID:             cmp.Or(r.MchID, r.SpMchID),
		SubMchID:          r.SubMchID,
		Amount:            fen(r.Amount.Refund, currency),
		PayerAmount:       fen(r.Amount.PayerRefund, currency),
		Total:             fen(r.Amount.Total, currency),
		CreatedAt:         instant(r.CreateTime),
		SucceededAt:       instant(r.SuccessTime),
		ReceivedAccount:   r.Received,
		StateName:         status,
	}
	if f.State == sdk.RefundAbnormal {
		f.Attention = sdk.AttentionAbnormal
	}
	return f
}

// defaultCurrency is what WeChat means where its message has no currency to say.
const defaultCurrency = "CNY"

// fen reads an amount; 0 is one that WeChat did not say.
func fen(minor int64, currency string) sdk.Amount {
	if minor == 0 {
		return sdk.Amount{}
	}
	return sdk.Amount{Minor: minor, Currency: currency}
}

// instant is zero for what is not RFC 3339: a time that cannot be read must not hide that money moved.
func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// shanghai is WeChat's time zone, which has had no summer time since 1991.
var shanghai = time.FixedZone("", 8*60*60)

// Time writes an instant as WeChat's requests want it: RFC 3339, to the second, at +08:00.
func Time(t time.Time) string { return t.In(shanghai).Format(time.RFC3339) }

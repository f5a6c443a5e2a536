package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// generous is the same channel with every optional service.
type generous struct{ channel }

func (c *generous) RunSelfTest(_ context.Context, r sdk.SelfTest) []sdk.Check {
	return []sdk.Check{
		{Name: "request_signature", Status: sdk.CheckOK, Detail: "echo " + r.Echo + " of " + r.Route.MchID},
		{Name: "answer_signature", Status: sdk.CheckFailed, Code: "key_unknown", Detail: "a line\nwith a break",
			Remedy: "give the account the provider's newest key", RemedyZH: "为该账户配置渠道的新公钥"},
		{Name: "decryption", Status: sdk.CheckSkipped},
		{Name: "of a later version", Status: 77},
	}
}

func cny(fen int64) sdk.Amount { return sdk.Amount{Minor: fen, Currency: "CNY"} }

// DownloadBill does what the day says.
func (c *generous) DownloadBill(_ context.Context, r sdk.BillRequest, emit func(sdk.BillItem) error) sdk.Result {
	if r.Date == "none" {
		return sdk.Rejected(sdk.NotFound, "NO_STATEMENT_EXIST", "")
	}
	items := []sdk.BillItem{
		sdk.TradeLine{Number: "n1", MchID: r.Route.MchID, Amount: cny(100), FeeMilli: 600, TradeStateName: "SUCCESS"},
		sdk.TradeLine{Number: "n1", RefundNumber: "r1", RefundAmount: cny(40), FeeMilli: -240, RefundState: sdk.RefundSucceeded},
		sdk.BillTotals{Lines: 2, Paid: cny(100), Refunded: cny(40), FeeMilli: 360},
	}
	if r.Kind == sdk.FundBill {
		items = []sdk.BillItem{
			sdk.FundLine{FlowID: "f1", Amount: cny(100), Balance: cny(1100)},
			sdk.FundLine{FlowID: "f2", Amount: cny(-140), Balance: cny(-40)},
			sdk.BillTotals{Lines: 2, Paid: cny(100), Refunded: cny(140)},
		}
	}
	switch r.Date {
	case "wrong sum":
		items[2] = sdk.BillTotals{Lines: 2, Paid: cny(101), Refunded: cny(40), FeeMilli: 360}
	case "a line is missing":
		items = items[1:]
	case "wrong id":
		items[0] = sdk.TradeLine{Number: strings.Repeat("1", 200)}
	}
	for n, item := range items {
		if err := emit(item); err != nil {
			return sdk.Indeterminate(err)
		}
		if r.Date == "exit" && n == 1 {
			os.Exit(3)
		}
	}
	if r.Date == "wrong hash" {
		return sdk.Indeterminate(os.ErrInvalid)
	}
	return sdk.Accepted(sdk.ProviderTime(time.Unix(1700000000, 0)))
}

func (c *generous) ResolveAbnormalRefund(_ context.Context, r sdk.AbnormalRefund) sdk.Result {
	if r.Target == sdk.ToMerchant && r.BankAccount == "" {
		return sdk.Accepted(sdk.RefundFacts{State: sdk.RefundClosed, Number: r.Number})
	}
	return sdk.Accepted(sdk.RefundFacts{State: sdk.RefundProcessing, Number: r.Number, ReceivedAccount: r.BankType + " " + r.RealName})
}

func (c *generous) SetReceiptPage(_ context.Context, r sdk.ReceiptPage) sdk.Result {
	if r.Page != sdk.OwnReceipt {
		return sdk.Rejected(sdk.InvalidRequest, "INVALID_REQUEST", "not that page")
	}
	return sdk.Accepted()
}

func (c *generous) ReportRefund(_ context.Context, r sdk.RefundReport) sdk.Result {
	if r.Gov+r.Self+r.Other == 0 {
		return sdk.Rejected(sdk.InvalidRequest, "PARAM_ERROR", "nothing was refunded")
	}
	return sdk.Accepted()
}

func (c *generous) PayByCode(_ context.Context, r sdk.CodePayment) sdk.Result {
	if r.Code == "" {
		return sdk.Rejected(sdk.InvalidRequest, "AUTH_CODE_INVALID", "")
	}
	return sdk.Accepted(sdk.PaymentFacts{State: sdk.PaymentSucceeded, Number: r.Number, Amount: r.Amount, ProviderID: r.DeviceID})
}

func (c *generous) ReverseByCode(context.Context, sdk.CodeReversal) sdk.Result { return sdk.Accepted() }

package wechat

import (
	"context"
	"net/http"
	"net/url"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// abnormalRefund is the body of POST /v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund. Card and name are
// encrypted to WeChat's key.
type abnormalRefund struct {
	SubMchID    string `json:"sub_mchid,omitempty"`
	OutRefundNo string `json:"out_refund_no"`
	Type        string `json:"type"`
	BankType    string `json:"bank_type,omitempty"` // of WeChat's list, as CMB_DEBIT
	BankAccount string `json:"bank_account,omitempty"`
	RealName    string `json:"real_name,omitempty"`
}

// abnormalTypes is WeChat's type.
var abnormalTypes = map[sdk.AbnormalTarget]string{
	sdk.ToPayerCard: "USER_BANK_CARD",
	sdk.ToMerchant:  "MERCHANT_BANK_CARD",
}

// ResolveAbnormalRefund sends a refund that the payer's account could not take to another card of the payer's, or to the
// merchant. It may be repeated, with the same target. Nothing of the card is in a result or a log.
func (c *Client) ResolveAbnormalRefund(ctx context.Context, r sdk.AbnormalRefund) sdk.Result {
	body := abnormalRefund{SubMchID: r.Route.SubMchID, OutRefundNo: r.Number, Type: abnormalTypes[r.Target]}
	switch {
	case body.Type == "":
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: an abnormal refund goes to a card of the payer's or to the merchant")
	case r.ProviderID == "":
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: WeChat's id of the refund is not known yet; query the refund first")
	case r.Target == sdk.ToPayerCard && (r.BankType == "" || r.BankAccount == "" || r.RealName == ""):
		return sdk.Rejected(sdk.InvalidRequest, "",
			"not sent: a refund to another card of the payer's wants bank_type (as CMB_DEBIT), bank_account and real_name")
	}
	call := request{
		op: OpAbnormal, number: r.Number, method: http.MethodPost,
		path: "/v3/refund/domestic/refunds/" + url.PathEscape(r.ProviderID) + "/apply-abnormal-refund",
	}
	if r.Target == sdk.ToPayerCard {
		to, err := c.sealer(ctx)
		if err != nil {
			return sdk.NotSent(err)
		}
		call.serial, body.BankType = to.serial, r.BankType
		if body.BankAccount, err = to.seal(r.BankAccount); err == nil {
			body.RealName, err = to.seal(r.RealName)
		}
		if err != nil {
			return sdk.Rejected(sdk.InvalidRequest, "", "not sent: "+err.Error())
		}
	}
	call.body = body
	var refund Refund
	a, err := c.do(ctx, call, &refund)
	if _, known := refundStates[refund.Status]; err == nil && !known {
		err = unknownState(OpAbnormal, r.Number, "status", refund.Status, a)
	}
	if err != nil {
		return Failed(a, err)
	}
	return Taken(a, refund.Facts())
}

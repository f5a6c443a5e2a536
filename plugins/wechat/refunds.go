package wechat

import (
	"context"
	"net/http"
	"net/url"
)

// RefundRequest is the body of POST /v3/refund/domestic/refunds. It has no app id: a refund is tied to its trade by
// the signer's merchant number, which must be the one that took the money.
type RefundRequest struct {
	SubMchID      string       `json:"sub_mchid,omitempty"`      // partner mode: whose trade it is
	TransactionID string       `json:"transaction_id,omitempty"` // this, or OutTradeNo
	OutTradeNo    string       `json:"out_trade_no,omitempty"`
	OutRefundNo   string       `json:"out_refund_no"`        // ≤ 64; a repeat under the same number refunds once
	Reason        string       `json:"reason,omitempty"`     // ≤ 80 bytes, shown to the payer
	NotifyURL     string       `json:"notify_url,omitempty"` // without it the notification may come as v2 XML, or not at all
	Amount        RefundAmount `json:"amount"`
}

// RefundAmount is how much goes back of what was paid. Both in fen.
type RefundAmount struct {
	Refund   int64  `json:"refund"`
	Total    int64  `json:"total"`
	Currency string `json:"currency"`
}

// Refund is what an answer or a REFUND notification says of a refund.
type Refund struct {
	MchID         string `json:"mchid"`     // notifications only
	SpMchID       string `json:"sp_mchid"`  // a partner's notifications, instead of mchid
	SubMchID      string `json:"sub_mchid"` // the same
	RefundID      string `json:"refund_id"`
	OutRefundNo   string `json:"out_refund_no"`
	TransactionID string `json:"transaction_id"`
	OutTradeNo    string `json:"out_trade_no"`
	Status        string `json:"status"`        // an answer's
	RefundStatus  string `json:"refund_status"` // a notification's
	CreateTime    string `json:"create_time"`
	SuccessTime   string `json:"success_time"`
	Received      string `json:"user_received_account"` // masked by WeChat
	Amount        struct {
		Refund      int64  `json:"refund"`       // fen
		PayerRefund int64  `json:"payer_refund"` // fen; what of it reaches the payer
		Total       int64  `json:"total"`        // fen
		Currency    string `json:"currency"`     // answers only
	} `json:"amount"`
}

// CreateRefund asks for a refund. After an unclear outcome it is asked again under the same number and with the same
// content; a new number would refund twice. A status that MAPPING.md does not know is such an outcome.
func (c *Client) CreateRefund(ctx context.Context, body RefundRequest) (r Refund, a Answer, err error) {
	a, err = c.do(ctx, request{
		op: OpRefund, number: body.OutRefundNo, method: http.MethodPost, path: "/v3/refund/domestic/refunds", body: body,
	}, &r)
	if _, known := refundStates[r.Status]; err == nil && !known {
		err = unknownState(OpRefund, body.OutRefundNo, "status", r.Status, a)
	}
	return r, a, err
}

// QueryRefund asks for a refund by our number; subMchID is empty for a direct merchant's. A status that MAPPING.md does not
// know is an error: it says nothing.
func (c *Client) QueryRefund(ctx context.Context, subMchID, outRefundNo string) (r Refund, a Answer, err error) {
	path := "/v3/refund/domestic/refunds/" + url.PathEscape(outRefundNo)
	if subMchID != "" {
		path += "?sub_mchid=" + url.QueryEscape(subMchID)
	}
	a, err = c.do(ctx, request{op: OpRefundQuery, number: outRefundNo, method: http.MethodGet, path: path}, &r)
	if _, known := refundStates[r.Status]; err == nil && !known {
		err = unknownState(OpRefundQuery, outRefundNo, "status", r.Status, a)
	}
	return r, a, err
}

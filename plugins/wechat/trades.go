package wechat

import (
	"context"
	"net/http"
	"net/url"
)

// Prepay is the body of POST /v3/pay/transactions/jsapi, which official accounts and mini programs share. Asked
// again with the same content it answers with a fresh prepay id; with other content it is refused.
type Prepay struct {
	AppID       string     `json:"appid"`
	MchID       string     `json:"mchid"`
	Description string     `json:"description"`           // ≤ 127 characters, shown to the payer
	OutTradeNo  string     `json:"out_trade_no"`          // 6 to 32 of 0-9A-Za-z_-|*
	TimeExpire  string     `json:"time_expire,omitempty"` // RFC 3339; the first call sets it for good
	Attach      string     `json:"attach,omitempty"`      // ≤ 128, comes back with the trade
	NotifyURL   string     `json:"notify_url"`            // ≤ 255, no query
	GoodsTag    string     `json:"goods_tag,omitempty"`   // ≤ 32
	Amount      Total      `json:"amount"`
	Payer       Payer      `json:"payer"`
	SceneInfo   *SceneInfo `json:"scene_info,omitempty"`
}

// Total is what a trade is for.
type Total struct {
	Total    int64  `json:"total"` // fen, ≥ 1
	Currency string `json:"currency,omitempty"`
}

// Payer is who pays: by an openid of the trade's app id.
type Payer struct {
	OpenID string `json:"openid"`
}

// SceneInfo says where the payer is.
type SceneInfo struct {
	PayerClientIP string `json:"payer_client_ip"`
}

// Trade is what a query or a TRANSACTION notification says of a trade. An unpaid one has no payer, transaction id
// or currency.
type Trade struct {
	AppID         string `json:"appid"`
	MchID         string `json:"mchid"`
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	TradeState    string `json:"trade_state"`
	BankType      string `json:"bank_type"`
	SuccessTime   string `json:"success_time"`
	Payer         Payer  `json:"payer"`
	Amount        struct {
		Total         int64  `json:"total"`       // fen; what was asked for
		PayerTotal    int64  `json:"payer_total"` // fen; what the payer gave after coupons
		Currency      string `json:"currency"`
		PayerCurrency string `json:"payer_currency"`
	} `json:"amount"`
}

// Prepay opens a trade, or renews it, and returns the prepay id, which WeChat takes for 2 hours whatever
// time_expire says. It signs for a direct merchant: p.MchID must be the client's own.
func (c *Client) Prepay(ctx context.Context, p Prepay) (prepayID string, a Answer, err error) {
	var made struct {
		PrepayID string `json:"prepay_id"`
	}
	r := request{op: OpPrepay, number: p.OutTradeNo, method: http.MethodPost, path: "/v3/pay/transactions/jsapi", body: p}
	a, err = c.do(ctx, r, &made)
	if err == nil && made.PrepayID == "" {
		err = &Error{Op: r.op, Number: r.number, Status: http.StatusOK, RequestID: a.RequestID, cause: errNoPrepayID}
	}
	return made.PrepayID, a, err
}

// QueryTrade asks for a trade by our number. A trade_state that MAPPING.md does not know is an error: it says nothing.
func (c *Client) QueryTrade(ctx context.Context, outTradeNo string) (t Trade, a Answer, err error) {
	a, err = c.do(ctx, request{
		op: OpQuery, number: outTradeNo, method: http.MethodGet,
		path: "/v3/pay/transactions/out-trade-no/" + url.PathEscape(outTradeNo) + "?mchid=" + url.QueryEscape(c.mchID),
	}, &t)
	if _, known := tradeStates[t.TradeState]; err == nil && !known {
		err = unknownState(OpQuery, outTradeNo, "trade_state", t.TradeState, a)
	}
	return t, a, err
}

// CloseTrade makes a trade unpayable. It may be repeated. WeChat also accepts a number that it has never seen, and
// then the number is spent.
func (c *Client) CloseTrade(ctx context.Context, outTradeNo string) (Answer, error) {
	return c.do(ctx, request{
		op: OpClose, number: outTradeNo, method: http.MethodPost,
		path: "/v3/pay/transactions/out-trade-no/" + url.PathEscape(outTradeNo) + "/close",
		body: struct {
			MchID string `json:"mchid"`
		}{c.mchID},
	}, nil)
}

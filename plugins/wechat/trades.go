package wechat

import (
	"context"
	"net/http"
	"net/url"
)

// Prepay is the body of POST /v3/pay/transactions/jsapi, or of /v3/pay/partner/transactions/jsapi where it names a sub
// merchant. Official accounts and mini programs share it. Asked again with the same content it answers with a fresh
// prepay id; with other content it is refused.
type Prepay struct {
	Parties
	Description string     `json:"description"`           // ≤ 127 characters, shown to the payer
	OutTradeNo  string     `json:"out_trade_no"`          // 6 to 32 of 0-9A-Za-z_-|*
	TimeExpire  string     `json:"time_expire,omitempty"` // RFC 3339; the first call sets it for good
	Attach      string     `json:"attach,omitempty"`      // ≤ 128, comes back with the trade
	NotifyURL   string     `json:"notify_url"`            // ≤ 255, no query
	GoodsTag    string     `json:"goods_tag,omitempty"`   // ≤ 32
	Amount      Total      `json:"amount"`
	SceneInfo   *SceneInfo `json:"scene_info,omitempty"`
}

// Parties is who takes part in a trade: a direct merchant with its app id, or a partner with its sub merchant.
type Parties struct {
	AppID    string `json:"appid,omitempty"`
	MchID    string `json:"mchid,omitempty"`
	SpAppID  string `json:"sp_appid,omitempty"`
	SpMchID  string `json:"sp_mchid,omitempty"`
	SubAppID string `json:"sub_appid,omitempty"`
	SubMchID string `json:"sub_mchid,omitempty"`
	Payer    Payer  `json:"payer"`
}

// Total is what a trade is for.
type Total struct {
	Total    int64  `json:"total"` // fen, ≥ 1
	Currency string `json:"currency,omitempty"`
}

// Payer is who pays: by an openid of the direct merchant's app id, the partner's or the sub merchant's. WeChat may name
// both of the latter.
type Payer struct {
	OpenID    string `json:"openid,omitempty"`
	SpOpenID  string `json:"sp_openid,omitempty"`
	SubOpenID string `json:"sub_openid,omitempty"`
}

// SceneInfo says where the payer is.
type SceneInfo struct {
	PayerClientIP string `json:"payer_client_ip"`
}

// Trade is what a query or a TRANSACTION notification says of a trade. An unpaid one has no payer, transaction id
// or currency.
type Trade struct {
	Parties
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	TradeState    string `json:"trade_state"`
	BankType      string `json:"bank_type"`
	SuccessTime   string `json:"success_time"`
	Amount        struct {
		Total         int64  `json:"total"`       // fen; what was asked for
		PayerTotal    int64  `json:"payer_total"` // fen; what the payer gave after coupons
		Currency      string `json:"currency"`
		PayerCurrency string `json:"payer_currency"`
	} `json:"amount"`
}

// Prepay opens a trade, or renews it, and returns the prepay id, which WeChat takes for 2 hours whatever time_expire
// says. The signer's merchant number among the parties must be the client's own.
func (c *Client) Prepay(ctx context.Context, p Prepay) (prepayID string, a Answer, err error) {
	var made struct {
		PrepayID string `json:"prepay_id"`
	}
	r := request{op: OpPrepay, number: p.OutTradeNo, method: http.MethodPost, path: transactions(p.SubMchID) + "/jsapi", body: p}
	a, err = c.do(ctx, r, &made)
	if err == nil && made.PrepayID == "" {
		err = &Error{Op: r.op, Number: r.number, Status: http.StatusOK, RequestID: a.RequestID, cause: errNoPrepayID}
	}
	return made.PrepayID, a, err
}

// transactions is where the trades of a direct merchant are, or of a partner's sub merchant.
func transactions(subMchID string) string {
	if subMchID == "" {
		return "/v3/pay/transactions"
	}
	return "/v3/pay/partner/transactions"
}

func trade(subMchID, outTradeNo string) string {
	return transactions(subMchID) + "/out-trade-no/" + url.PathEscape(outTradeNo)
}

// QueryTrade asks for a trade by our number; subMchID is empty for a direct merchant's. A trade_state that MAPPING.md does
// not know is an error: it says nothing.
func (c *Client) QueryTrade(ctx context.Context, subMchID, outTradeNo string) (t Trade, a Answer, err error) {
	whose := "?mchid=" + url.QueryEscape(c.mchID)
	if subMchID != "" {
		whose = "?sp_mchid=" + url.QueryEscape(c.mchID) + "&sub_mchid=" + url.QueryEscape(subMchID)
	}
	a, err = c.do(ctx, request{op: OpQuery, number: outTradeNo, method: http.MethodGet, path: trade(subMchID, outTradeNo) + whose}, &t)
	if _, known := tradeStates[t.TradeState]; err == nil && !known {
		err = unknownState(OpQuery, outTradeNo, "trade_state", t.TradeState, a)
	}
	return t, a, err
}

// CloseTrade makes a trade unpayable. It may be repeated. WeChat also accepts a number that it has never seen, and
// then the number is spent. subMchID is empty for a direct merchant's.
func (c *Client) CloseTrade(ctx context.Context, subMchID, outTradeNo string) (Answer, error) {
	var body struct {
		MchID    string `json:"mchid,omitempty"`
		SpMchID  string `json:"sp_mchid,omitempty"`
		SubMchID string `json:"sub_mchid,omitempty"`
	}
	if subMchID == "" {
		body.MchID = c.mchID
	} else {
		body.SpMchID, body.SubMchID = c.mchID, subMchID
	}
	return c.do(ctx, request{
		op: OpClose, number: outTradeNo, method: http.MethodPost, path: trade(subMchID, outTradeNo) + "/close", body: body,
	}, nil)
}

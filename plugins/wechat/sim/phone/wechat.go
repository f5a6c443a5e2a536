package phone

import "context"

// WeChat is what the phone needs of the simulated WeChat behind it. An error that is a *Refused is shown to the person in
// WeChat's words; any other is a fault of the set-up.
type WeChat interface {
	// Persons are those who may hold the phone, in a stable order.
	Persons(ctx context.Context) ([]Person, error)
	// LoginCode is what wx.login gives: a js_code of the person in the mini program appID, good once.
	LoginCode(ctx context.Context, appID, person string) (string, error)
	// AuthorizationCode is what the official account appID's web authorization brings to its redirect_uri, good once.
	// scope is snsapi_base or snsapi_userinfo.
	AuthorizationCode(ctx context.Context, appID, person, scope string) (string, error)
	// Cashier opens the pay sheet: it checks the hand-off as WeChat does and says what the sheet shows.
	Cashier(ctx context.Context, person string, h HandOff) (Bill, error)
	// Pay is the right password, WrongPassword the wrong one, Cancel leaving the sheet.
	Pay(ctx context.Context, person string, h HandOff) error
	WrongPassword(ctx context.Context, person string, h HandOff) error
	Cancel(ctx context.Context, person string, h HandOff) error
	// Receipt is what WeChat shows after a payment in an official account.
	Receipt(ctx context.Context, person string, h HandOff) (Receipt, error)
	// CheckPage verifies what a page gave to wx.config.
	CheckPage(ctx context.Context, p PageSignature) error
}

// PageSignature is an official account's word that a page is its own; URL is the page's public address.
type PageSignature struct {
	AppID     string `json:"app_id"`
	Timestamp string `json:"timestamp"`
	NonceStr  string `json:"nonce_str"`
	Signature string `json:"signature"`
	URL       string `json:"url"`
}

// Person is somebody who may hold the phone. Each has an openid of their own in every app id.
type Person struct {
	ID   string `json:"id"`   // stable, for the calls of WeChat
	Name string `json:"name"` // for people
	// UnionID says whether WeChat tells one of this person.
	UnionID bool `json:"unionid"`
}

// HandOff is what a page passes to getBrandWCPayRequest or wx.requestPayment; AppID is the caller's in the latter.
type HandOff struct {
	AppID     string `json:"appId"`
	TimeStamp string `json:"timeStamp"`
	NonceStr  string `json:"nonceStr"`
	Package   string `json:"package"`
	SignType  string `json:"signType"`
	PaySign   string `json:"paySign"`
	// MixTradeNo names a mixed insurance payment (wx.requestMedicalInsurancePay); the rest is then its self-paid part or empty.
	MixTradeNo string `json:"mixTradeNo,omitempty"`
	// PayURL is the path that the insurance mini program was opened with (medical insurance 1.0); the rest is then empty, and AppID
	// whom the payer came from.
	PayURL string `json:"payUrl,omitempty"`
}

// Bill is what the pay sheet shows.
type Bill struct {
	Merchant    string `json:"merchant"`
	Description string `json:"description"`
	Amount      int64  `json:"amount"` // fen
	// Insured and Cash are the parts of a payment by medical insurance, in fen; both are 0 of any other.
	Insured int64 `json:"insured,omitempty"`
	Cash    int64 `json:"cash,omitempty"`
}

// Receipt is what comes after a payment in an official account (点金计划).
type Receipt struct {
	Plan Plan   `json:"plan"`
	URL  string `json:"url,omitempty"` // of the page in WeChat's frame, with PlanOwn
}

// Plan is what becomes of the page that called pay.
type Plan string

// The plans. Only a direct merchant's page stays and is told.
const (
	PlanNone   Plan = ""
	PlanOff    Plan = "off"    // WeChat closes the page
	PlanWeChat Plan = "wechat" // WeChat's own receipt takes its place
	PlanOwn    Plan = "own"    // a page of the merchant's or its partner's does, in WeChat's frame
)

// Refused says, in WeChat's words, why it does not do it.
type Refused struct{ Message string }

// Error is the message.
func (r *Refused) Error() string { return r.Message }

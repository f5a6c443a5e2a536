package weixin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

var _ ports.FulfilmentReporter = (*Client)(nil)

// The paths of WeChat's 小程序发货信息管理服务.
const (
	uploadShipping = "/wxa/sec/order/upload_shipping_info"
	shippedOrder   = "/wxa/sec/order/get_order"
)

// wxaShipped is what get_order says of a trade, as far as it is read.
type wxaShipped struct {
	State    int `json:"order_state"`
	Shipping struct {
		Finished int `json:"finish_shipping_count"` // how many reports were taken
	} `json:"shipping"`
}

// stateRefunded is the order_state of a trade whose money went back.
const stateRefunded = 5

// logisticsTypes are WeChat's numbers of the methods.
var logisticsTypes = map[pay.FulfilmentMethod]int{
	pay.FulfilmentExpress: 1, pay.FulfilmentSameCity: 2, pay.FulfilmentVirtual: 3, pay.FulfilmentPickUp: 4,
}

// WeChat's codes about shipping that do not say that a report is wrong.
const (
	codeShippingFault = 10060012 // a fault of WeChat's
	codeShippingSame  = 10060023 // it has this very report
)

// unified is the delivery_mode of a trade that is shipped at once.
const unified = 1

// reportTime is how upload_time is written: with milliseconds, in China's time.
const reportTime = "2006-01-02T15:04:05.000-07:00"

var chinaTime = time.FixedZone("CST", 8*60*60)

type shippingInfo struct {
	OrderKey struct {
		Type          int    `json:"order_number_type"` // 2: by transaction_id
		TransactionID string `json:"transaction_id"`
	} `json:"order_key"`
	LogisticsType int            `json:"logistics_type"`
	DeliveryMode  int            `json:"delivery_mode"`
	List          []shippingItem `json:"shipping_list"`
	UploadTime    string         `json:"upload_time"`
	Payer         struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
}

type shippingItem struct {
	TrackingNo     string           `json:"tracking_no,omitempty"`
	ExpressCompany string           `json:"express_company,omitempty"`
	ItemDesc       string           `json:"item_desc"`
	Contact        *shippingContact `json:"contact,omitempty"`
}

type shippingContact struct {
	Receiver string `json:"receiver_contact"`
}

// ReportFulfilment sends one report (ports.FulfilmentReporter).
func (c *Client) ReportFulfilment(ctx context.Context, r ports.FulfilmentReport) pay.FulfilmentAnswer {
	item := shippingItem{TrackingNo: r.TrackingNumber, ExpressCompany: r.Carrier, ItemDesc: r.Description}
	if r.ReceiverPhone != "" {
		item.Contact = &shippingContact{r.ReceiverPhone}
	}
	info := shippingInfo{LogisticsType: logisticsTypes[r.Method], DeliveryMode: unified, List: []shippingItem{item}, UploadTime: r.At.In(chinaTime).Format(reportTime)}
	info.OrderKey.Type, info.OrderKey.TransactionID, info.Payer.OpenID = 2, r.ProviderID, r.OpenID
	a, failed := c.aboutShipping(ctx, "report that a trade was fulfilled", uploadShipping, r.AppID, info)
	switch {
	case failed.Detail != "":
		return failed
	case a.ErrCode == 0 || a.ErrCode == codeShippingSame:
		return pay.FulfilmentAnswer{Verdict: pay.FulfilmentTaken}
	case a.ErrCode == codeBusy || a.ErrCode == codeShippingFault: // it does not say that nothing was done
		return pay.FulfilmentAnswer{Detail: a.words()}
	}
	return pay.FulfilmentAnswer{Verdict: pay.FulfilmentBad, Detail: a.words()}
}

// FulfilmentReported asks what became of one (ports.FulfilmentReporter).
func (c *Client) FulfilmentReported(ctx context.Context, r ports.FulfilmentReport) pay.FulfilmentAnswer {
	a, failed := c.aboutShipping(ctx, "ask how a trade was fulfilled", shippedOrder, r.AppID, map[string]string{"transaction_id": r.ProviderID})
	switch {
	case failed.Detail != "":
		return pay.FulfilmentAnswer{Detail: failed.Detail, Alarm: failed.Alarm} // this call was not; the report may have been
	case a.ErrCode != 0:
		return pay.FulfilmentAnswer{Detail: a.words()}
	case a.Order.Shipping.Finished >= r.Number:
		return pay.FulfilmentAnswer{Verdict: pay.FulfilmentTaken}
	case a.Order.State == stateRefunded:
		return pay.FulfilmentAnswer{Verdict: pay.FulfilmentRefunded}
	}
	return pay.FulfilmentAnswer{Verdict: pay.FulfilmentNotTaken}
}

// aboutShipping makes one call with the app id's access token, and with a new one where that is refused. failed has a detail
// where WeChat's answer says nothing about the shipping.
func (c *Client) aboutShipping(ctx context.Context, what, path, appID string, body any) (a answer, failed pay.FulfilmentAnswer) {
	refused := ""
	for {
		token, err := c.AppToken(ctx, appID, refused)
		if err != nil {
			return a, pay.FulfilmentAnswer{Verdict: pay.FulfilmentNotTaken, Detail: err.Error(), Alarm: errors.Is(err, ports.ErrIdentityRefused)}
		}
		if a, err = c.once(ctx, what, path, url.Values{"access_token": {token.Token}}, body); err != nil {
			return a, pay.FulfilmentAnswer{Detail: err.Error()}
		}
		switch {
		case a.badToken() && refused == "":
			refused = token.Token
			continue
		case refusals[a.ErrCode].means != nil && a.ErrCode != codeBusy: // of the call, whatever it was about
			err := a.problem(what)
			return a, pay.FulfilmentAnswer{Verdict: pay.FulfilmentNotTaken, Detail: err.Error(), Alarm: errors.Is(err, ports.ErrIdentityRefused)}
		case a.badToken():
			return a, pay.FulfilmentAnswer{Verdict: pay.FulfilmentNotTaken, Detail: a.words(), Alarm: true}
		}
		return a, pay.FulfilmentAnswer{}
	}
}

// longestWords bounds what is kept of WeChat's words, in characters.
const longestWords = 200

// words is what WeChat says, for people.
func (a answer) words() string {
	said := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, a.ErrMsg)
	if runes := []rune(said); len(runes) > longestWords {
		said = string(runes[:longestWords])
	}
	return fmt.Sprintf("WeChat's code %d: %s", a.ErrCode, said)
}

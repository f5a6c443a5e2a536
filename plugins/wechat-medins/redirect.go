package main

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// Mode redirect is medical insurance 1.0, of 2019: the payer is sent to WeChat's insurance mini program, which authorizes and takes
// the payment. Hospitals that have it keep it; WeChat opens it to nobody new.

// The modes of an entry.
const (
	modeMixed    = "mixed"
	modeRedirect = "redirect"
)

// redirects tells whether a call is of an entry of medical insurance 1.0, by the settings that its payment was made with.
func redirects(r sdk.Route) (settings, bool, error) {
	var s settings
	err := r.DecodeOptions(&s)
	return s, s.Mode == modeRedirect, err
}

// payInsurance is who makes a route's calls. The refusal is what to answer when there is nobody.
func (p plugin) payInsurance(r sdk.Route) (*wechat.PayInsurance, sdk.Result, bool) {
	client, ok := p.v2.For(r)
	switch {
	case !ok:
		return nil, sdk.Auth("account %s is not configured with merchant number %s", r.Account, r.MchID), false
	case client == nil:
		return nil, sdk.Auth("account %s has no api_v2_key, which entries with mode redirect need", r.Account), false
	}
	return client, sdk.Result{}, true
}

// orderTypes10 are 1.0's words for the types of an order, which 2.0 spells in another way.
var orderTypes10 = func() map[string]string {
	words := map[string]string{}
	for _, name := range orderTypes {
		word := ""
		for part := range strings.SplitSeq(name, "_") {
			word += part[:1] + strings.ToLower(part[1:])
		}
		words[name] = word
	}
	return words
}()

// shanghai is the zone of 1.0's times, which name none. China has had one without summer time since 1991.
var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

const time10 = "20060102150405"

// check10 holds a payment against what 1.0 can say, before anything is sent. The error names one field.
func check10(r sdk.Create) (fees, error) {
	m := r.Details.Medical
	if m == nil {
		return fees{}, not("medical", "is missing: an insurance entry pays orders with a bill")
	}
	f, err := divide(*m)
	if err != nil {
		return f, err
	}
	if err := f.agree(r); err != nil {
		return f, err
	}
	if err := texts(*m); err != nil {
		return f, err
	}
	for _, c := range []struct{ field, text string }{{"pay_order_id", m.PayOrderID}, {"pay_auth_no", m.PayAuthNo}, {"geo_location", m.GeoLocation}} {
		if c.text != "" {
			return f, not(c.field, "must be left out: the insurance mini program has the payer authorize")
		}
	}
	switch {
	case m.OrderedAt.IsZero():
		return f, not("ordered_at", "is missing: when the hospital made its order")
	case m.Payer != nil:
		return f, not("payer", "must be left out: medical insurance 1.0 takes no payment for relatives")
	case m.Person.CardType != "ID_CARD":
		return f, not("person.card_type", "must be ID_CARD: medical insurance 1.0 knows no other")
	case len(m.BillNo) > 20:
		return f, not("bill_no", "must have at most 20 bytes")
	case len(r.Route.NotifyURL) > 256:
		return f, not("notify_url", "must have at most 256 bytes")
	}
	return f, person("person", m.Person)
}

// create10 makes a payment of 1.0. It is safe to repeat: WeChat answers the same order with the same address.
func (p plugin) create10(ctx context.Context, r sdk.Create, s settings) sdk.Result {
	client, refusal, ok := p.payInsurance(r.Route)
	if !ok {
		return refusal
	}
	f, err := check10(r)
	if err != nil {
		return notSent(err)
	}
	prepay, err := wechat.NewPrepay(r)
	if err != nil {
		return notSent(err)
	}
	m := r.Details.Medical
	message := parties10(prepay.Parties)
	for name, value := range map[string]string{
		"order_type": orderTypes10[m.OrderType], "hosp_out_trade_no": r.Number, "hospital_name": m.InstitutionName,
		"total_fee": fen(f.insured + f.cash), "cash_fee": fen(f.cash), "insurance_fee": fen(f.insured), "allow_fee_change": "0",
		"spbill_create_ip": r.Payer.ClientIP, "notify_url": r.Route.NotifyURL, "body": r.Description, "return_url": cmp.Or(s.ReturnURL, returnURL(r)),
		"pay_type": payTypes[f.kind], "city_id": m.CityID, "user_card_type": "1", "user_card_no": wechat.IDDigest(m.Person.IDNumber, m.Person.CardType),
		"user_name": m.Person.Name, "is_dept": s.IsDept, "serial_no": m.SerialNo, "org_no": m.InstitutionNo,
		"gmt_out_create": m.OrderedAt.In(shanghai).Format(time10), "request_content": string(m.Passthrough), "bill_no": m.BillNo,
	} {
		message[name] = value
	}
	if f.additions > 0 {
		message["cash_add_fee"] = fen(f.additions)
	}
	if f.taken > 0 {
		message["cash_reduced_fee"], message["cash_reduced_wording"] = fen(f.taken), m.CashReductions[0].Type
	}
	asked := time.Now()
	made, answer, err := client.Ask(ctx, wechat.OpInsurance, r.Number, cmp.Or(s.Paths.UnifiedOrder, "/payinsurance/unifiedorder"), r.AppAccessToken.Token, message)
	if err != nil {
		return wechat.PayInsuranceFailed(answer, err)
	}
	until := asked.Add(s.payable())
	facts := sdk.PaymentFacts{State: sdk.PaymentPending, Number: r.Number, MchID: r.Route.MchID, SubMchID: r.Route.SubMchID, ProviderID: made["med_trans_id"]}
	parts := []sdk.Part{facts, sdk.NotPayableAfter(until)}
	if h, ok := handOff10(made); ok {
		parts = append(parts, h.Until(until))
	}
	return wechat.Taken(answer, parts...)
}

// handOff10 leads the payer on: into the insurance mini program or, in an official account, to a page of WeChat's.
func handOff10(made wechat.V2) (sdk.HandOff, bool) {
	switch address := made["pay_url"]; {
	case strings.HasPrefix(address, "https://"):
		return sdk.RedirectURL(address), true
	case address != "" && made["pay_appid"] != "":
		return sdk.MiniProgramRedirect(made["pay_appid"], address, "release", nil), true
	}
	return sdk.HandOff{}, false // nobody can go and pay: it is followed until it can be paid no more
}

// returnURL is where the payer comes back to, where 1.0 can say it.
func returnURL(r sdk.Create) string {
	if len(r.ReturnURL) > 128 {
		return ""
	}
	return r.ReturnURL
}

// payTypes is 1.0's word for the parts of a payment.
var payTypes = map[string]string{cashOnly: "1", insuranceOnly: "2", mixed: "3"}

func fen(n int64) string { return strconv.FormatInt(n, 10) }

// parties10 are who pays whom, in version 2's words.
func parties10(p wechat.Parties) wechat.V2 {
	m := wechat.V2{"appid": cmp.Or(p.AppID, p.SpAppID), "openid": cmp.Or(p.Payer.OpenID, p.Payer.SpOpenID)}
	if p.SubMchID != "" {
		m["sub_mch_id"], m["sub_appid"], m["sub_openid"] = p.SubMchID, p.SubAppID, p.Payer.SubOpenID
	}
	return m
}

// route10 are the parties of a call without a payer.
func route10(r sdk.Route) wechat.V2 {
	if r.SubMchID == "" {
		return wechat.V2{"appid": r.AppID}
	}
	m := wechat.V2{"appid": cmp.Or(r.SpAppID, r.AppID), "sub_mch_id": r.SubMchID}
	if r.OpenidKind == sdk.OpenidSub {
		m["sub_appid"] = r.AppID
	}
	return m
}

// query10 asks how a payment stands. Its legs' amounts are said here for the first time.
func (p plugin) query10(ctx context.Context, r sdk.Query, s settings) sdk.Result {
	client, refusal, ok := p.payInsurance(r.Route)
	if !ok {
		return refusal
	}
	message := route10(r.Route)
	message["hosp_out_trade_no"] = r.Number
	said, answer, err := client.Ask(ctx, wechat.OpInsuranceQuery, r.Number, cmp.Or(s.Paths.QueryOrder, "/payinsurance/queryorder"), r.AppAccessToken.Token, message)
	if err != nil {
		return wechat.PayInsuranceFailed(answer, err)
	}
	return wechat.Taken(answer, facts10(said, r.Route))
}

// legs10 is what a part's status means. A payer who typed a wrong password or has too little money can try again: that is unpaid.
// What is not here decides nothing.
var legs10 = map[string]sdk.PaymentState{
	"NOTPAY": sdk.PaymentPending, "USERPAYING": sdk.PaymentPending, "PAYERROR": sdk.PaymentPending,
	"PAYED": sdk.PaymentSucceeded, "REFUND": sdk.PaymentRefunded, "CLOSED": sdk.PaymentClosed,
}

// facts10 is what WeChat says of a payment. The answer is verified; who signs is who asked.
func facts10(said wechat.V2, r sdk.Route) sdk.PaymentFacts {
	f := sdk.PaymentFacts{
		Number: said["hosp_out_trade_no"], MchID: r.MchID, SubMchID: said["sub_mch_id"], AppID: cmp.Or(said["sub_appid"], said["appid"]),
		Amount: yuan10(said["total_fee"]), Payer: sdk.PayerFacts{Openid: cmp.Or(said["sub_openid"], said["openid"]), SubOpenid: said["sub_openid"]},
		ProviderID: said["med_trans_id"], StateName: said["med_trade_state"],
		Medical: &sdk.MedicalFacts{
			MixStatus: said["med_trade_state"], CashStatus: said["cash_trade_status"], InsuranceStatus: said["insurance_trade_status"],
			PassthroughResponse: []byte(said["response_content"]),
		},
	}
	if at, err := time.ParseInLocation(time10, said["time_end"], shanghai); err == nil {
		f.PaidAt = at.UTC()
	}
	for _, leg := range []struct{ id, fee, status string }{
		{wechat.LegSelf, said["cash_fee"], said["cash_trade_status"]}, {wechat.LegInsurance, said["insurance_fee"], said["insurance_trade_status"]},
	} {
		amount := yuan10(leg.fee)
		if amount.Minor == 0 { // the payment has no such part
			continue
		}
		f.Legs = append(f.Legs, sdk.LegFacts{ID: leg.id, Kind: leg.id, Amount: amount, State: legs10[leg.status]})
	}
	f.State = state10(said["med_trade_state"], f.Legs)
	return f
}

// yuan10 reads an amount in fen. What is none is 0, which agrees with no payment.
func yuan10(text string) sdk.Amount {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return sdk.Amount{}
	}
	return sdk.Amount{Minor: n, Currency: "CNY"}
}

// state10 is judged by the parts. What was taken while another part failed is WeChat's to give back, and until it has done so
// (SYS_REFUNDING) nothing is decided: giving it back ourselves would pay twice.
func state10(word string, legs []sdk.LegFacts) sdk.PaymentState {
	count := map[sdk.PaymentState]int{}
	for _, leg := range legs {
		count[leg.State]++
	}
	all := len(legs)
	switch {
	case all == 0 || word == "SYS_REFUNDING" || count[sdk.PaymentUnknown] > 0:
		return sdk.PaymentUnknown
	case word == "SYS_REFUNDED":
		return sdk.PaymentFailed
	case count[sdk.PaymentSucceeded] == all:
		return sdk.PaymentSucceeded
	case count[sdk.PaymentSucceeded]+count[sdk.PaymentRefunded] == all:
		return sdk.PaymentRefunded
	case count[sdk.PaymentClosed] == all:
		return sdk.PaymentClosed
	case count[sdk.PaymentPending] > 0:
		return sdk.PaymentPending
	}
	return sdk.PaymentFailed // one part is closed, another paid
}

// refund10 gives the self-paid part back by 1.0's own call, which names the payment's app id. The insurance part goes back at the
// bureau (R31).
func (p plugin) refund10(ctx context.Context, r sdk.Refund, s settings) sdk.Result {
	client, refusal, ok := p.payInsurance(r.Route)
	if !ok {
		return refusal
	}
	message := route10(r.Route)
	message["hosp_out_trade_no"], message["hosp_out_refund_no"], message["cash_refund_fee"] = r.PaymentNumber, r.Number, fen(r.Amount.Minor)
	said, answer, err := client.Ask(ctx, wechat.OpInsuranceRefund, r.Number, cmp.Or(s.Paths.Refund, "/payinsurance/refund"), r.AppAccessToken.Token, message)
	if err != nil {
		return wechat.PayInsuranceFailed(answer, err)
	}
	return wechat.Taken(answer, refundFacts10(said, r.Route, r.PaymentNumber))
}

// queryRefund10 asks how a refund stands: no message tells.
func (p plugin) queryRefund10(ctx context.Context, r sdk.RefundQuery, s settings) sdk.Result {
	client, refusal, ok := p.payInsurance(r.Route)
	if !ok {
		return refusal
	}
	message := route10(r.Route)
	message["hosp_out_trade_no"], message["hosp_out_refund_no"] = r.PaymentNumber, r.Number
	said, answer, err := client.Ask(ctx, wechat.OpInsuranceRefundQuery, r.Number, cmp.Or(s.Paths.QueryRefund, "/payinsurance/queryrefund"), r.AppAccessToken.Token, message)
	if err != nil {
		return wechat.PayInsuranceFailed(answer, err)
	}
	return wechat.Taken(answer, refundFacts10(said, r.Route, r.PaymentNumber))
}

// refunds10 is what the cash part's status means; WeChat has been seen to spell its name cash_refund_stauts.
var refunds10 = map[string]sdk.RefundState{
	"PROCESSING": sdk.RefundProcessing, "SUCCESS": sdk.RefundSucceeded, "REFUND": sdk.RefundSucceeded, "REFUNDCLOSE": sdk.RefundClosed,
	"CLOSED": sdk.RefundClosed, "CHANGE": sdk.RefundAbnormal,
}

func refundFacts10(said wechat.V2, r sdk.Route, payment string) sdk.RefundFacts {
	status := cmp.Or(said["cash_refund_status"], said["cash_refund_stauts"], said["med_refund_state"])
	f := sdk.RefundFacts{
		State: refunds10[status], Number: said["hosp_out_refund_no"], PaymentNumber: cmp.Or(said["hosp_out_trade_no"], payment), ProviderID: said["med_refund_id"],
		MchID: r.MchID, SubMchID: said["sub_mch_id"], Amount: yuan10(said["cash_refund_fee"]), StateName: status,
	}
	if f.State == sdk.RefundAbnormal {
		f.Attention = sdk.AttentionAbnormal
	}
	return f
}

// The exact answers that 1.0 expects to its messages.
var (
	ack10  = sdk.Answer{ContentType: "text/xml", Body: []byte("<xml><return_code>SUCCESS</return_code></xml>")}
	nack10 = sdk.Answer{ContentType: "text/xml", Body: []byte("<xml><return_code>FAIL</return_code></xml>")}
)

// notified10 takes a message about a payment of 1.0. It has no time that could be held against a clock and no amounts of the parts, so
// it decides nothing but that WeChat is asked at once.
func (p plugin) notified10(n sdk.Notification) sdk.Parsed {
	client, ok := p.v2.Named(n.Account)
	if !ok {
		return sdk.Refuse(sdk.UnknownAccount, "account %s is not configured", n.Account).Answer(ack10, nack10)
	}
	if client == nil {
		return sdk.Refuse(sdk.BadSignature, "account %s has no api_v2_key to verify it with", n.Account).Answer(ack10, nack10)
	}
	m, err := client.Callback(n.Body)
	if err != nil {
		return sdk.Refuse(sdk.BadSignature, "%v", err).Answer(ack10, nack10)
	}
	number, id := m["hosp_out_trade_no"], m["med_trans_id"]
	if number == "" || len(number) > 64 || len(id) > 64 {
		return sdk.Refuse(sdk.Malformed, "it names no payment").Answer(ack10, nack10)
	}
	facts := sdk.PaymentFacts{
		State: sdk.PaymentUnknown, Number: number, MchID: client.MchID(), SubMchID: m["sub_mch_id"], ProviderID: id, StateName: "message of medical insurance 1.0",
	}
	return sdk.Notified(facts, "1.0:"+cmp.Or(id, number)+":"+digits10(m["time_end"])).Answer(ack10, nack10)
}

// digits10 is a time as it may stand in a dedupe key.
func digits10(text string) string {
	if len(text) != len(time10) || strings.Trim(text, "0123456789") != "" {
		return ""
	}
	return text
}

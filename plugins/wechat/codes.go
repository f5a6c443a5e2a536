package wechat

import (
	"net/http"
	"strings"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// meaning is what a refusal comes to. The zero value is the safe one: it may have happened.
type meaning struct {
	verdict   sdk.Verdict
	reason    sdk.Reason
	attention sdk.Attention
	remedy    string // for the operator
}

func rejected(reason sdk.Reason, remedy string) meaning {
	return meaning{verdict: sdk.VerdictRejected, reason: reason, remedy: remedy}
}

func unclear(remedy string) meaning { return meaning{remedy: remedy} }

const (
	askAndFollow = "The number is spent: the stored state decides, so the trade is queried and followed."
	tooFast      = "Too many calls for this merchant number: later, the same."
)

// codes is WeChat's codes without underscores, since it spells some in two ways. A code of this table beats the HTTP
// status: some of our own mistakes are published with 500. MAPPING.md shows it to people.
var codes = map[string]meaning{
	"PARAMERROR":           rejected(sdk.InvalidRequest, "WeChat names the field in its message: correct the entry or the order."),
	"INVALIDREQUEST":       rejected(sdk.InvalidRequest, "WeChat says in its message what it does not allow."),
	"APPIDMCHIDNOTMATCH":   rejected(sdk.InvalidRequest, "Bind the entry's app id to the merchant number at the merchant platform (AppID management)."),
	"MCHNOTEXISTS":         rejected(sdk.InvalidRequest, "WeChat does not know the merchant number: check the account's mchid."),
	"OPENIDMISMATCH":       rejected(sdk.InvalidRequest, "The openid is not one of the entry's app id: get it by that app id's authorization."),
	"INVALIDTRANSACTIONID": rejected(sdk.InvalidRequest, "The transaction id is not one of this merchant number."),

	"SIGNERROR": rejected(sdk.AuthFailed, "Check serial_no and private_key of the account, that they belong together and to mchid, and this machine's clock."),
	"NOAUTH":    rejected(sdk.AuthFailed, "The merchant number may not use this product: apply for it, or lift the penalty, at the merchant platform."),

	"RULELIMIT":           rejected(sdk.Declined, "A rule of WeChat's or of the merchant's forbids it; the message says which."),
	"TRADEERROR":          rejected(sdk.Declined, "The trade failed for a reason on the payer's side; the message says which."),
	"ACCOUNTERROR":        rejected(sdk.Declined, "The payer's account is not in order."),
	"USERACCOUNTABNORMAL": rejected(sdk.Declined, "The payer's account is closed or blocked: pay back another way and settle the refund outside."),
	"TRADEOVERDUE":        rejected(sdk.Declined, "The trade is over a year old: pay back another way and settle the refund outside."),

	"NOTENOUGH": {verdict: sdk.VerdictRejected, reason: sdk.Unavailable, attention: sdk.AttentionNotEnough,
		remedy: "Top up the merchant's available balance; the refund is tried again under the same number."},

	"ORDERCLOSED":       rejected(sdk.Conflict, askAndFollow),
	"ORDERPAID":         rejected(sdk.Conflict, askAndFollow),
	"OUTTRADENOUSED":    rejected(sdk.Conflict, askAndFollow),
	"REFUNDFEEMISMATCH": rejected(sdk.Conflict, "The refund number was used with another amount: the refund is queried and followed."),

	"ORDERNOTEXIST":     rejected(sdk.NotFound, ""),
	"RESOURCENOTEXISTS": rejected(sdk.NotFound, ""),

	"NOSTATEMENTEXIST":  rejected(sdk.NotFound, "There was no business on that day."),
	"STATEMENTCREATING": rejected(sdk.Unavailable, "WeChat makes a day's statement until 10:00 of the next day: later, the same."),

	"FREQUENCYLIMITED":  rejected(sdk.RateLimited, tooFast),
	"RATELIMITEXCEED":   rejected(sdk.RateLimited, tooFast),
	"RATELIMITEXCEEDED": rejected(sdk.RateLimited, tooFast),

	"ALREADYEXISTS":  rejected(sdk.Conflict, askAndFollow),
	"REQUESTBLOCKED": rejected(sdk.AuthFailed, "The merchant number is not enabled for medical insurance: apply for it at WeChat."),

	"SYSTEMERROR":        unclear(""),
	"BANKERROR":          unclear(""),
	"SERVICEUNAVAILABLE": unclear(""),
}

// ofRefund is where a refund differs, and one that is sent elsewhere: one that was too fast may have been taken all the
// same.
var ofRefund = map[string]meaning{
	"FREQUENCYLIMITED":  unclear(mayBeTaken),
	"RATELIMITEXCEED":   unclear(mayBeTaken),
	"RATELIMITEXCEEDED": unclear(mayBeTaken),
}

const (
	noSuchTrade = "The trade is not a paid one of this merchant number: a refund goes by the merchant number that took the money."
	mayBeTaken  = "The refund may have been taken all the same: it is queried first."
)

// medInsCauses is the cause codes of medical insurance, which say what its few codes leave open. They go before the code.
var medInsCauses = map[string]meaning{
	"268529515": rejected(sdk.NotFound, ""),
	"268512536": rejected(sdk.Conflict, askAndFollow),
	"268547120": rejected(sdk.AuthorizationExpired, "The bureau's pay_auth_no has expired or was used: let the payer authorize again."),
	"268545967": rejected(sdk.AuthorizationExpired, "The bureau does not know the authorization: let the payer authorize again."),
	"268545961": rejected(sdk.InvalidRequest, "The identity number is not the insured person's: compare it with the bureau's record."),
	"268545962": rejected(sdk.InvalidRequest, "The name is not the insured person's: compare it with the bureau's record."),
	"268545963": rejected(sdk.Declined, "The person has no electronic insurance credential: they activate it in WeChat (医保电子凭证)."),
	"268545964": rejected(sdk.Declined, "The relative is not bound to the payer's insurance account: they bind it in WeChat (亲情账户)."),
	"268510603": rejected(sdk.InvalidRequest, "The openid is not one of the entry's app id."),
	"268510604": rejected(sdk.InvalidRequest, "sub_appid and sub_openid do not belong together: check the entry's app id."),
	"268510610": rejected(sdk.Declined, "The bureau settles otherwise than the bill says: pre-settle again."),
	"268529474": rejected(sdk.InvalidRequest, "The fields are not those of this kind of payment (mix_pay_type)."),
	"268529475": rejected(sdk.InvalidRequest, "The fields are not those of this kind of payment (mix_pay_type)."),
	"268529476": rejected(sdk.InvalidRequest, "The self-paid part is not what its parts come to."),
	"268529477": rejected(sdk.InvalidRequest, "The total is not the sum of its parts."),
	"268529481": rejected(sdk.InvalidRequest, "The amounts of the mixed payment do not fit together."),
	"268560650": rejected(sdk.Conflict, "The payer has given the password: it cannot be closed any more, only followed."),
}

// otherContent is the cause code of an INVALID_REQUEST which says that the number was used with other content.
const otherContent = "268498688"

// byStatus is for a code that is in no table. A 404 alone does not say that there is no trade: it may be the path, or
// the merchant number, that is not known.
func byStatus(op Op, status int) meaning {
	switch {
	case status == http.StatusTooManyRequests && op.refunds():
		return unclear(mayBeTaken)
	case status == http.StatusNotFound && op == OpRefund:
		return rejected(sdk.InvalidRequest, noSuchTrade)
	}
	switch status {
	case http.StatusBadRequest:
		return rejected(sdk.InvalidRequest, "")
	case http.StatusForbidden:
		return rejected(sdk.Declined, "")
	case http.StatusConflict:
		return rejected(sdk.Conflict, askAndFollow)
	case http.StatusTooManyRequests:
		return rejected(sdk.RateLimited, tooFast)
	}
	return unclear("")
}

func (e *Error) meaning() meaning {
	code := strings.ReplaceAll(e.Code, "_", "")
	// A 401 is never signed, so nothing that it says may decide more than that we were not let in.
	if e.Status == http.StatusUnauthorized {
		return codes["SIGNERROR"]
	}
	if m, ok := medInsCauses[e.Cause()]; ok {
		return m
	}
	if code == "INVALIDREQUEST" && e.Cause() == otherContent {
		return rejected(sdk.Conflict, askAndFollow)
	}
	if e.Op == OpRefund && code == "RESOURCENOTEXISTS" { // what does not exist is then the trade, or its payment
		return rejected(sdk.InvalidRequest, noSuchTrade)
	}
	if m, ok := ofRefund[code]; ok && e.Op.refunds() {
		return m
	}
	if m, ok := codes[code]; ok {
		return m
	}
	return byStatus(e.Op, e.Status)
}

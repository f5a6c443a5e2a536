package wechat

import (
	"cmp"
	"crypto/md5" // WeChat's digest of identity numbers
	"encoding/hex"
	"strings"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// The legs of a medical insurance payment.
const (
	LegSelf      = "self"
	LegInsurance = "insurance"
)

// medInsLegs is what a part's status means for its leg, the word before it left out. A status that is not here decides nothing.
var medInsLegs = map[string]sdk.PaymentState{
	"CREATED": sdk.PaymentPending,
	"SUCCESS": sdk.PaymentSucceeded,
	"REFUND":  sdk.PaymentRefunded,
	"FAIL":    sdk.PaymentFailed,
}

const (
	noSelfPay   = "NO_SELF_PAY"
	noMedInsPay = "NO_MED_INS_PAY"
)

// MedInsLeg is what self_pay_status or med_ins_pay_status means for the leg. there is false where the payment has no such part.
func MedInsLeg(status string) (state sdk.PaymentState, there bool) {
	if status == noSelfPay || status == noMedInsPay {
		return sdk.PaymentUnknown, false
	}
	for _, prefix := range []string{"SELF_PAY_", "MED_INS_PAY_"} {
		if word, ok := strings.CutPrefix(status, prefix); ok {
			return medInsLegs[word], true
		}
	}
	return sdk.PaymentUnknown, true
}

// State is judged by all three: what one of them does not bear out is not decided.
func (m MedIns) State() sdk.PaymentState {
	self, hasSelf := MedInsLeg(m.SelfStatus)
	insurance, hasInsurance := MedInsLeg(m.InsStatus)
	if !hasSelf && !hasInsurance || hasSelf && self == sdk.PaymentUnknown || hasInsurance && insurance == sdk.PaymentUnknown {
		return sdk.PaymentUnknown
	}
	every := func(allowed ...sdk.PaymentState) bool {
		return (!hasSelf || among(self, allowed)) && (!hasInsurance || among(insurance, allowed))
	}
	refunded := hasSelf && self == sdk.PaymentRefunded || hasInsurance && insurance == sdk.PaymentRefunded
	switch m.MixStatus {
	case "MIX_PAY_CREATED":
		return sdk.PaymentPending
	case "MIX_PAY_SUCCESS", "MIX_PAY_REFUND":
		switch {
		case !every(sdk.PaymentSucceeded, sdk.PaymentRefunded):
			return sdk.PaymentUnknown
		case refunded || m.MixStatus == "MIX_PAY_REFUND":
			return sdk.PaymentRefunded
		}
		return sdk.PaymentSucceeded
	case "MIX_PAY_FAIL":
		return sdk.PaymentFailed
	}
	return sdk.PaymentUnknown
}

func among(state sdk.PaymentState, all []sdk.PaymentState) bool {
	for _, s := range all {
		if s == state {
			return true
		}
	}
	return false
}

// Facts is what WeChat says of a medical insurance payment. Its amount is what moves: reductions, which the total
// includes, move for nobody. Answers and messages name no signer; the one that asked, or whose APIv3 key opened the
// message, is the one that it is said to.
func (m MedIns) Facts() sdk.PaymentFacts {
	app, openid := m.AppID, m.OpenID
	if m.SubOpenID != "" {
		app, openid = m.SubAppID, m.SubOpenID
	}
	insured := m.GovFee + m.SelfFee + m.OtherFee
	f := sdk.PaymentFacts{
		State: m.State(), Number: m.OutTradeNo, MchID: m.mchID, SubMchID: m.SubMchID, AppID: app,
		Amount: fen(insured+m.WechatPayFee, defaultCurrency), Payer: sdk.PayerFacts{Openid: openid, SubOpenid: m.SubOpenID},
		ProviderID: m.MixTradeNo, PaidAt: instant(m.PaidTime), StateName: cut(m.MixStatus, 128),
		Medical: &sdk.MedicalFacts{
			MixStatus: cut(m.MixStatus, 128), CashStatus: cut(m.SelfStatus, 128), InsuranceStatus: cut(m.InsStatus, 128),
			FailReason: cut(m.FailReason, 512), Gov: m.GovFee, Self: m.SelfFee, Other: m.OtherFee, Cash: m.CashFee,
			PassthroughResponse: []byte(cut(m.Passthrough, 8<<10)),
		},
	}
	if state, there := MedInsLeg(m.SelfStatus); there {
		f.Legs = append(f.Legs, sdk.LegFacts{ID: LegSelf, Kind: LegSelf, Amount: fen(m.WechatPayFee, defaultCurrency), State: state})
	}
	if state, there := MedInsLeg(m.InsStatus); there {
		f.Legs = append(f.Legs, sdk.LegFacts{
			ID: LegInsurance, Kind: LegInsurance, Amount: fen(insured, defaultCurrency), State: state, ProviderID: m.MixTradeNo,
		})
	}
	return f
}

// LegFacts is what a trade that is the self-paid part of a medical insurance payment says: of that leg alone (R22).
func (t Trade) LegFacts() sdk.PaymentFacts {
	f := t.Facts()
	leg := sdk.LegFacts{ID: LegSelf, Kind: LegSelf, Amount: f.Amount, State: f.State, ProviderID: f.ProviderID, PaidAt: f.PaidAt}
	f.LegsOnly, f.Legs, f.ProviderID = true, []sdk.LegFacts{leg}, ""
	return f
}

// identityCards are the card types whose numbers are a citizen's, of 18 digits or, in the old form, of 15.
var identityCards = map[string]bool{"ID_CARD": true, "HOUSEHOLD_REGISTRATION": true}

// IDDigest is WeChat's id_digest: letters in upper case, a citizen's number of 15 digits in its form of 18, MD5 in lower-case
// hex. It has to be encrypted all the same: a digest of a number with so few forms hides nothing.
func IDDigest(number, cardType string) string {
	number = strings.ToUpper(strings.TrimSpace(number))
	if identityCards[cmp.Or(cardType, "ID_CARD")] && len(number) == 15 && digits(number) {
		number = longIDNumber(number)
	}
	sum := md5.Sum([]byte(number))
	return hex.EncodeToString(sum[:])
}

// longIDNumber is the form of 18 of a number of 15 digits: the century, which is the 20th, and the check digit.
func longIDNumber(short string) string {
	long := short[:6] + "19" + short[6:]
	return long + string(IDCheckDigit(long))
}

// IDCheckDigit is the last character of a citizen's number (GB 11643), of its first 17 digits: ISO 7064, MOD 11-2.
func IDCheckDigit(first17 string) byte {
	sum := 0
	for _, digit := range []byte(first17) {
		sum = (sum + int(digit-'0')) * 2
	}
	return "0123456789X"[(12-sum%11)%11]
}

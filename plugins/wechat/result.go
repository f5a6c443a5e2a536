package wechat

import (
	"errors"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// Taken is a call that WeChat accepted, with what it said.
func Taken(a Answer, parts ...sdk.Part) sdk.Result {
	return sdk.Accepted(parts...).With(sdk.RequestID(a.RequestID), sdk.ProviderTime(a.Clock))
}

// Failed says what a call that ended with err means to the host.
func Failed(a Answer, err error) sdk.Result {
	return outcome(err).With(sdk.RequestID(a.RequestID), sdk.ProviderTime(a.Clock))
}

func outcome(err error) sdk.Result {
	var e *Error
	if !errors.As(err, &e) {
		return sdk.Indeterminate(err)
	}
	switch e.Kind {
	case NotSent:
		return sdk.NotSent(e)
	case Refused:
		m := e.meaning()
		if errors.Is(e.cause, ErrClock) {
			m.remedy = "This machine's clock is more than 5 minutes from WeChat's: set it right (NTP)."
		}
		r := sdk.Result{Verdict: m.verdict, Reason: m.reason, Code: e.Code, Message: e.words()}
		if e.Op == OpMedIns && m.remedy != "" { // the hospital acts, or the payer, not the operator
			r.Message += " " + m.remedy
		}
		return r.With(sdk.NeedsPerson(m.attention, m.remedy))
	default:
		return sdk.Indeterminate(e)
	}
}

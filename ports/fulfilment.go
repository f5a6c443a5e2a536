package ports

import (
	"context"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

// FulfilmentReporter tells WeChat that orders of mini programs were fulfilled (订单发货管理).
type FulfilmentReporter interface {
	// ReportFulfilment sends one report. A report of a trade that has one already is its correction, of which there is one: it
	// must never be sent again before FulfilmentReported has told that it was not taken.
	ReportFulfilment(ctx context.Context, r FulfilmentReport) pay.FulfilmentAnswer
	// FulfilmentReported asks whether WeChat has taken the report: as many as the number of this one, or more. Its verdict is
	// FulfilmentNotTaken where it has not, so that it can be sent.
	FulfilmentReported(ctx context.Context, r FulfilmentReport) pay.FulfilmentAnswer
}

// FulfilmentReport is one report.
type FulfilmentReport struct {
	AppID      string // whose payer paid, and whose access token is used
	ProviderID string // WeChat's id of the trade
	OpenID     string // the payer's, of AppID
	Number     int    // 1, or 2 for the correction
	At         time.Time
	pay.FulfilmentContent
}

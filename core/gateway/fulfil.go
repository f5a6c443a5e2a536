package gateway

import (
	"cmp"
	"context"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// fulfilmentTime is the most that one call about a fulfilment may take; two fit into a claim.
const fulfilmentTime = 15 * time.Second

// Fulfil takes in that an app fulfilled an order. It is reported to WeChat by work, where the entry through which the order was
// paid has that duty; else it is not needed. An empty description is the order's, cut
// to what WeChat takes.
func (g *Gateway) Fulfil(ctx context.Context, app, number string, c pay.FulfilmentContent) (pay.Fulfilment, error) {
	o, err := g.Store.Order(ctx, app, number)
	if err != nil {
		return pay.Fulfilment{}, err
	}
	c.Description = cmp.Or(c.Description, firstOf(o.Description, longestItem))
	if err := checkFulfilment(c); err != nil {
		return pay.Fulfilment{}, err
	}
	rows, err := g.decide(ctx, byOrder(number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.Fulfil(rows, c, now)
	}))
	if err != nil {
		return pay.Fulfilment{}, err
	}
	return fulfilmentOf(rows), nil
}

// Fulfilment is how an order's fulfilment stands.
func (g *Gateway) Fulfilment(ctx context.Context, app, number string) (pay.Fulfilment, error) {
	rows, err := g.Store.Rows(ctx, app, number)
	if err != nil {
		return pay.Fulfilment{}, err
	}
	if rows.Order.SettledBy == "" {
		return pay.Fulfilment{}, &pay.Refusal{Code: pay.CodeOrderNotPaid, Detail: "order " + number + " is not paid, so nothing has to be fulfilled"}
	}
	return fulfilmentOf(rows), nil
}

func fulfilmentOf(rows pay.Rows) pay.Fulfilment {
	if f, ok := rows.Fulfilment(rows.Order.SettledBy); ok {
		return f
	}
	return pay.Fulfilment{Number: rows.Order.SettledBy, Order: rows.Order.Number, App: rows.Order.App, State: pay.FulfilmentNotNeeded}
}

// firstOf is the first characters of a text.
func firstOf(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}

// longestItem is the most characters that WeChat takes as a description.
const longestItem = 120

var (
	carrierForm  = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)
	trackingForm = regexp.MustCompile(`^[0-9A-Za-z-]{1,128}$`)
	maskedPhone  = regexp.MustCompile(`^[0-9+-]{0,10}\*{2,12}[0-9]{4}$`)
)

// carrierWithPhone is the carrier for which WeChat wants the receiver's phone.
const carrierWithPhone = "SF"

// checkFulfilment says which field is not as WeChat wants it.
func checkFulfilment(c pay.FulfilmentContent) error {
	express := c.Method == pay.FulfilmentExpress
	switch {
	case !express && c.Method != pay.FulfilmentSameCity && c.Method != pay.FulfilmentVirtual && c.Method != pay.FulfilmentPickUp:
		return &Invalid{"method", "express, same_city, virtual or pick_up"}
	case utf8.RuneCountInString(c.Description) > longestItem || !printable(c.Description) || strings.TrimSpace(c.Description) == "":
		return &Invalid{"description", "1 to 120 characters of printable text, shown to the payer"}
	case express && !carrierForm.MatchString(c.Carrier):
		return &Invalid{"carrier", "WeChat's id of the carrier, as SF or ZTO, with the method express"}
	case express && !trackingForm.MatchString(c.TrackingNumber):
		return &Invalid{"tracking_number", "1 to 128 letters, digits and hyphens, with the method express"}
	case !express && c.Carrier+c.TrackingNumber+c.ReceiverPhone != "":
		return &Invalid{"method", "carrier, tracking_number and receiver_phone belong to the method express"}
	case c.ReceiverPhone != "" && !maskedPhone.MatchString(c.ReceiverPhone):
		return &Invalid{"receiver_phone", "the receiver's phone, masked but for its last four digits, as 189****1234"}
	case c.Carrier == carrierWithPhone && c.ReceiverPhone == "":
		return &Invalid{"receiver_phone", "WeChat wants it where the carrier is SF: masked but for its last four digits, as 189****1234"}
	}
	return nil
}

// reportFulfilment takes a claimed fulfilment one step on. A report is never sent blindly a second time: WeChat takes the second
// one of a trade for its one correction.
func (g *Gateway) reportFulfilment(ctx context.Context, claim ports.Claim) error {
	maySend := false
	rows, err := g.decide(ctx, byPayment(claim.Number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		before, _ := rows.Fulfilment(claim.Number)
		d, err := pay.LookAtFulfilment(rows, claim.Number, now)
		after, _ := d.After(rows).Fulfilment(claim.Number)
		maySend = !before.Sent && after.Sent
		return d, err
	}))
	if err != nil {
		return err
	}
	f, _ := rows.Fulfilment(claim.Number)
	if f.State != pay.FulfilmentReporting {
		return g.Store.Unclaim(ctx, claim, f.Due)
	}
	p, err := rows.Payment(claim.Number)
	if err != nil {
		return err
	}
	report := ports.FulfilmentReport{
		AppID: p.Route.AppID, ProviderID: p.ProviderID, OpenID: p.Content.OpenID, Number: f.Reports + 1, At: f.FulfilledAt, FulfilmentContent: f.Content,
	}
	answer := pay.FulfilmentAnswer{Verdict: pay.FulfilmentNotTaken}
	if !maySend {
		answer = askWithin(ctx, report, g.Fulfilments.FulfilmentReported)
	}
	if answer.Verdict == pay.FulfilmentNotTaken {
		crashPoint(crashAfterIntent)
		answer = askWithin(ctx, report, g.Fulfilments.ReportFulfilment)
		crashPoint(crashAfterCall)
	}
	_, err = g.decideSurely(ctx, byPayment(claim.Number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.FulfilmentAnswered(rows, claim.Number, answer, now)
	}), claim)
	return err
}

func askWithin(ctx context.Context, r ports.FulfilmentReport, call func(context.Context, ports.FulfilmentReport) pay.FulfilmentAnswer) pay.FulfilmentAnswer {
	ctx, cancel := context.WithTimeout(ctx, fulfilmentTime)
	defer cancel()
	return call(ctx, r)
}

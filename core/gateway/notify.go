package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// NotifyVerdict is what became of a provider's message.
type NotifyVerdict string

// The verdicts. Only Applied is a good answer to the provider; all others make it send the message again.
const (
	NotifyApplied       NotifyVerdict = "applied"        // or seen before, or a notice: 200
	NotifyRefused       NotifyVerdict = "refused"        // not verified: 401
	NotifyUnknownSerial NotifyVerdict = "unknown_serial" // 503, and a refresh
	NotifyUnmatched     NotifyVerdict = "unmatched"      // verified, kept, and no such number here: 500
	NotifyUnavailable   NotifyVerdict = "unavailable"    // plugin or database down: 503
)

// NotifyResult is what the provider is answered.
type NotifyResult struct {
	Verdict NotifyVerdict
	Answer  ports.NotifyAnswer // empty where no plugin could say
}

// notifyTime is how long a provider's message may take: WeChat waits for 5 s.
const notifyTime = 4 * time.Second

// Notify takes a provider's message. The path only picks the keys to verify with; what the message is about is in its
// verified facts (R13). The inbox row and the transition are one transaction (R15).
func (g *Gateway) Notify(ctx context.Context, provider, account string, m ports.RawMessage) NotifyResult {
	ctx, cancel := context.WithTimeout(ctx, notifyTime)
	defer cancel()
	n, err := g.Providers.ParseNotification(ctx, provider, account, m)
	if err != nil {
		g.saw(provider, account, NotifyUnavailable, "plugin")
		return NotifyResult{Verdict: NotifyUnavailable}
	}
	if n.Refused != "" {
		return g.refuse(ctx, provider, account, n)
	}
	row := ports.InboxRow{
		Provider: provider, Account: account, DedupeKey: n.DedupeKey, Verdict: ports.VerdictApplied,
		Body: m.Body, Received: g.Clock.Now(),
	}
	if err := g.receive(ctx, row, n); err != nil {
		verdict := NotifyUnavailable
		if errors.Is(err, ports.ErrNotFound) {
			verdict = NotifyUnmatched
		} else {
			g.Log.Error("a verified notification could not be applied; the provider sends it again", "provider", provider, "account", account, "error", err)
		}
		g.saw(provider, account, verdict, "")
		return NotifyResult{verdict, n.Nack}
	}
	crashPoint(crashAfterNotification)
	g.saw(provider, account, NotifyApplied, "")
	return NotifyResult{NotifyApplied, n.Ack}
}

func (g *Gateway) refuse(ctx context.Context, provider, account string, n ports.Notification) NotifyResult {
	verdict := NotifyRefused
	switch n.Refused {
	case ports.RefusedUnknownSerial:
		verdict = NotifyUnknownSerial
	case ports.RefusedUnreadable: // it is the provider's, and we cannot read it
		verdict = NotifyUnmatched
		what := "the provider's messages to account " + account + " are signed well and cannot be opened: give the account the key that the provider encrypts with now"
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmNotifyUnreadable, Number: account, What: what})
	}
	g.saw(provider, account, verdict, string(n.Refused))
	if err := g.Store.CountRefused(ctx, provider, account, n.Refused, g.Clock.Now()); err != nil {
		g.Log.Warn("a refused notification was not counted", "provider", provider, "account", account, "error", err)
	}
	return NotifyResult{verdict, n.Nack}
}

// NotifyTooLarge takes note of a message that was too large to be read: it is refused like any other that is not
// believed, and counted where the account is one of ours.
func (g *Gateway) NotifyTooLarge(ctx context.Context, provider, account string) NotifyResult {
	if !g.KnowsAccount(provider, account) {
		return NotifyResult{Verdict: NotifyRefused}
	}
	return g.refuse(ctx, provider, account, ports.Notification{Refused: ports.RefusedTooLarge})
}

func (g *Gateway) saw(provider, account string, v NotifyVerdict, cause string) {
	if g.Observe.Notification != nil {
		g.Observe.Notification(provider, account, string(v), cause)
	}
}

// receive keeps a verified message and applies it. ErrNotFound: nothing here has the number; it is kept all the same,
// due, and applied as soon as the number exists.
func (g *Gateway) receive(ctx context.Context, row ports.InboxRow, n ports.Notification) error {
	facts, err := json.Marshal(inboxFacts{n.Payment, n.Refund})
	if err != nil {
		return fmt.Errorf("write down the facts: %w", err)
	}
	row.Facts = facts
	if n.Payment == nil && n.Refund == nil {
		row.Verdict = ports.VerdictNotice
		if n.Notice != nil {
			row.Number, row.Cause = n.Notice.ID, n.Notice.Kind
		}
		return g.Store.Tx(ctx, func(tx ports.Tx) error {
			_, err := tx.Receive(ctx, row)
			return err
		})
	}
	if n.Payment != nil {
		row.Number = n.Payment.Number
	} else {
		row.Number = n.Refund.Payment
	}
	err = g.applyMessage(ctx, row, inboxFacts{n.Payment, n.Refund})
	if !errors.Is(err, ports.ErrNotFound) {
		return err
	}
	row.Verdict, row.Due = ports.VerdictUnmatched, row.Received.Add(time.Minute)
	if kept := g.Store.Tx(ctx, func(tx ports.Tx) error { // R15
		if _, err := tx.Receive(ctx, row); err != nil {
			return err
		}
		return tx.Apply(ctx, pay.Decision{Alarms: []pay.Alarm{{
			Kind: pay.AlarmNotifyUnmatched, Number: row.Number,
			What: "account " + row.Account + " was told of a number that is not here. If another system uses this merchant number, its notify URL must not be ours; else restore or import the payment.",
		}}}, row.Received)
	}); kept != nil {
		return kept
	}
	return err
}

// inboxFacts is what is kept of a message, to be applied again later.
type inboxFacts struct {
	Payment *pay.Facts
	Refund  *pay.RefundFacts
}

// applyMessage settles what a verified message says, once: a repeat of an applied one decides nothing (R11).
func (g *Gateway) applyMessage(ctx context.Context, row ports.InboxRow, f inboxFacts) error {
	var mchID, subMchID, number string
	if f.Payment != nil {
		mchID, subMchID, number = f.Payment.MchID, f.Payment.SubMchID, f.Payment.Number
	} else {
		mchID, subMchID, number = f.Refund.MchID, f.Refund.SubMchID, f.Refund.Payment
	}
	lock := func(ctx context.Context, tx ports.Tx) (pay.Rows, error) {
		return tx.LockTrade(ctx, mchID, subMchID, number)
	}
	_, err := g.decide(ctx, lock, func(tx ports.Tx, rows pay.Rows, now time.Time) (pay.Decision, error) {
		p, err := rows.Trade(mchID, subMchID, number)
		if err != nil {
			return pay.Decision{}, err
		}
		if before, err := tx.Receive(ctx, row); err != nil || before {
			return pay.Decision{}, err
		}
		if f.Payment != nil {
			return pay.Settle(rows, p.Number, *f.Payment, pay.FromNotification, now)
		}
		for _, r := range rows.Refunds {
			if r.Payment == p.Number && r.OutRefundNo() == f.Refund.Number {
				return pay.SettleRefund(rows, r.Number, *f.Refund, pay.FromNotification, now)
			}
		}
		return pay.ExternalRefund(rows, p.Number, *f.Refund, now)
	})
	return err
}

// tryInbox applies a message that came before its number did.
func (g *Gateway) tryInbox(ctx context.Context, claim ports.Claim) error {
	row, err := g.Store.InboxRow(ctx, claim.Number)
	if err != nil {
		return err
	}
	var f inboxFacts
	if err := json.Unmarshal(row.Facts, &f); err != nil {
		return fmt.Errorf("read the facts of message %s: %w", row.ID, err)
	}
	row.Verdict, row.Due = ports.VerdictApplied, time.Time{}
	err = g.applyMessage(ctx, row, f)
	if errors.Is(err, ports.ErrNotFound) {
		return g.Store.Unclaim(ctx, claim, g.Clock.Now().Add(pay.LongestInterval))
	}
	return err
}

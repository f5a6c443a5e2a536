package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/core/tradeno"
	"github.com/paybridge/paybridge/ports"
)

const (
	// statementTime is the most that one statement may take; its claim is renewed as its lines come.
	statementTime = 30 * time.Minute
	// renewEvery is how often it is.
	renewEvery = 10 * time.Second
	// statementBatch is how many lines are looked up at once.
	statementBatch = 1000
	// planEvery is how often it is looked whether every account has a statement to wait for.
	planEvery = time.Hour
	// oldestStatement is how far back statements are fetched by themselves: WeChat gives those of three months.
	oldestStatement = 85
	// askedAtOnce is how many payments and refunds that differ are asked about before a statement ends.
	askedAtOnce = 200
	// mostDifferences is how many a statement lists: a restored backup may make every line one.
	mostDifferences = 10_000
	// nearMidnight is how near to a day's end a refund may stand in the next day's statement.
	nearMidnight = 10 * time.Minute
)

// reconcile compares one account's statement of one day with our rows, both ways. It may be run again at any time.
func (g *Gateway) reconcile(ctx context.Context, claim ports.Claim) error {
	_, err := g.compare(ctx, claim, recoverNothing)
	return err
}

// compare is reconcile; while recovering it also makes anew, from the provider's word, payments of ours that the statement tells of and no
// row here is, and says how many.
func (g *Gateway) compare(ctx context.Context, claim ports.Claim, recovering recovering) (recovered int, err error) {
	ctx, cancel := context.WithTimeout(ctx, statementTime)
	defer cancel()
	s, err := g.Store.Statement(ctx, claim.Number)
	if err != nil {
		return 0, err
	}
	if s.State == ports.StatementDiffering && recovering == recoverNothing {
		return 0, g.lookAgain(ctx, s, claim)
	}
	c := comparison{
		Gateway: g, of: s, claim: claim, first: g.firstOfMerchant(s), renewed: g.Clock.Now(), named: map[[16]byte]struct{}{}, sums: map[sumKey]*ports.StatementSum{},
		recovering: recovering, back: map[string][]string{},
	}
	if err := c.days(); err != nil {
		return 0, err
	}
	route := pay.Route{Provider: s.Provider, Account: s.Account, MchID: s.MchID, SubMchID: s.SubMchID}
	answer, err := g.Optional.DownloadBill(ctx, ports.Bill{Route: route, Kind: ports.BillTrade, Day: s.Day}, func(line any) error { return c.take(ctx, line) })
	switch {
	case errors.Is(err, ports.ErrUnimplemented):
		s.State, s.Due = ports.StatementNone, time.Time{}
		return 0, g.Store.StatementStays(ctx, c.claim, s)
	case errors.Is(err, ports.ErrClaimed), ctx.Err() != nil && err != nil:
		g.letGo(context.WithoutCancel(ctx), c.claim)
		return 0, err
	case err != nil:
		return 0, g.noStatement(ctx, s, c.claim, pay.Outcome{Message: err.Error()})
	case answer.Outcome.Is(pay.NotFound): // nothing took place that day
	case answer.Outcome.Verdict != pay.Accepted:
		return 0, g.noStatement(ctx, s, c.claim, answer.Outcome)
	}
	err = c.end(ctx)
	return c.recovered, err
}

// noStatement plans the next try, and tells somebody when a day has gone by.
func (g *Gateway) noStatement(ctx context.Context, s ports.Statement, claim ports.Claim, o pay.Outcome) error {
	ctx, cancel := detached(ctx, commitTime)
	defer cancel()
	now := g.Clock.Now()
	s.Attempts++
	s.Error, s.Due = whyNot(o), now.Add(min(time.Duration(s.Attempts)*10*time.Minute, 6*time.Hour))
	if due, err := statementDue(s.Day); err == nil && now.Sub(due) > 24*time.Hour {
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmStatementMissing, Number: s.ID(), What: "the statement of account " + s.Account + " of " + s.Day + " cannot be had: " + s.Error})
	}
	return g.Store.StatementStays(ctx, claim, s)
}

// firstOfMerchant tells whether no account before this one, by name, has the same statement: one merchant number may have an account for
// each of its pay channels.
func (g *Gateway) firstOfMerchant(s ports.Statement) bool {
	for name, a := range g.settings.Load().accounts {
		if a.MchID == s.MchID && a.SubMchID == s.SubMchID && name < s.Account {
			return false
		}
	}
	return true
}

// whyNot is what an operator reads. The message of a question for a statement names no person.
func whyNot(o pay.Outcome) string {
	const enough = 400
	text := o.String()
	if o.Message != "" {
		text += ": " + o.Message
	}
	if len(text) > enough {
		text = strings.ToValidUTF8(text[:enough], "") + "…"
	}
	if o.RequestID != "" {
		text += " (Request-Id " + o.RequestID + ")"
	}
	return text
}

type sumKey struct{ app, entry string }

// comparison is a statement under comparison. It keeps of each line a part of a hash: a million lines are some 40 MB.
type comparison struct {
	*Gateway
	of       ports.Statement
	from, to time.Time
	claim    ports.Claim
	renewed  time.Time
	batch    []ports.TradeLine
	named    map[[16]byte]struct{}
	sums     map[sumKey]*ports.StatementSum
	found    []ports.Difference
	more     int // differences beyond those listed

	// What is to be written: only the end of a statement tells that it is the provider's.
	elsewhere []refundElsewhere
	stated    []string // refunds of ours that it names

	recovering recovering
	lost       []ports.TradeLine   // payments of ours that are no row here, while recovering
	back       map[string][]string // their refunds, by the payment
	recovered  int

	first bool // of the accounts of its merchant number: what is in no row is told once
}

// refundElsewhere is a line about a refund of our payment that no row is.
type refundElsewhere struct {
	line    ports.TradeLine
	payment ports.StatedRow
}

var shanghai = func() *time.Location {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic(err) // core/tradeno embeds the zones
	}
	return zone
}()

func (c *comparison) days() (err error) {
	c.from, c.to, err = dayOf(c.of.Day)
	return err
}

func dayOf(day string) (from, to time.Time, err error) {
	from, err = time.ParseInLocation(time.DateOnly, day, shanghai)
	return from, from.AddDate(0, 0, 1), err
}

// statementDue is when a day's statement is ready: at ten the next morning.
func statementDue(day string) (time.Time, error) {
	_, to, err := dayOf(day)
	return to.Add(10*time.Hour + 5*time.Minute), err
}

func (c *comparison) take(ctx context.Context, line any) error {
	trade, isTrade := line.(ports.TradeLine)
	if !isTrade {
		return fmt.Errorf("a line of a trade statement is a %T", line)
	}
	c.of.Lines++
	if c.batch = append(c.batch, trade); len(c.batch) < statementBatch {
		return nil
	}
	return c.flush(ctx)
}

// flush looks up what the lines of a batch name, and compares.
func (c *comparison) flush(ctx context.Context) error {
	lines := c.batch
	c.batch = c.batch[:0]
	if len(lines) == 0 {
		return nil
	}
	if now := c.Clock.Now(); now.Sub(c.renewed) > renewEvery {
		claim, err := c.Store.HoldStatement(ctx, c.claim, c.of.Lines, hold)
		if err != nil {
			return err
		}
		c.claim, c.renewed = claim, now
	}
	var trades, refunds []string
	for _, l := range lines {
		trades = append(trades, l.Number)
		if l.RefundNumber != "" {
			refunds = append(refunds, l.RefundNumber)
		}
	}
	payments, err := found(c.Store.TradesByNumber(ctx, c.of.MchID, c.of.SubMchID, trades))
	if err != nil {
		return err
	}
	back := map[string]ports.StatedRow{}
	if len(refunds) > 0 {
		if back, err = found(c.Store.RefundsByNumber(ctx, c.of.MchID, c.of.SubMchID, refunds)); err != nil {
			return err
		}
	}
	for _, l := range lines {
		p, here := payments[l.Number]
		if l.RefundNumber == "" {
			c.payment(l, p, here)
			continue
		}
		r, known := back[l.RefundNumber]
		if here && !known && p.Account == c.of.Account && len(c.elsewhere) < mostDifferences {
			c.elsewhere = append(c.elsewhere, refundElsewhere{l, p})
			continue
		}
		c.refundLine(l, p, r, here, known)
	}
	return nil
}

func found(all []ports.StatedRow, err error) (map[string]ports.StatedRow, error) {
	rows := make(map[string]ports.StatedRow, len(all))
	for _, r := range all {
		rows[r.ProviderNumber] = r
	}
	return rows, err
}

func (c *comparison) differs(d ports.Difference) {
	if len(c.found) == mostDifferences {
		c.more++
		return
	}
	c.found = append(c.found, d)
}

// payment compares one payment's line.
func (c *comparison) payment(l ports.TradeLine, p ports.StatedRow, here bool) {
	d := ports.Difference{What: ports.KindPayment, Number: p.Number, ProviderID: l.ProviderID, Ours: p.Amount, Theirs: l.Amount.Minor, OurState: p.State, TheirState: l.TradeState}
	switch {
	case !here && c.first && c.ours(l.Number):
		if c.recovering != recoverNothing && len(c.lost) < mostDifferences {
			c.lost = append(c.lost, l)
		}
		d.Kind, d.Number = ports.TheirsOnly, l.Number
		c.differs(d)
		return
	case !here || p.Account != c.of.Account: // another system's, or another account's of the same merchant number
		c.of.Others++
		return
	}
	c.named[shortened(p.Number)] = struct{}{}
	sum := c.sum(p)
	sum.Payments++
	sum.Gross += l.Amount.Minor
	sum.FeeMilli += l.FeeMilli
	if p.Amount != l.Amount.Minor {
		d.Kind = ports.AmountDiffers
		c.differs(d)
	}
	if p.State != string(pay.PaymentSucceeded) {
		d.Kind = ports.StateDiffers
		c.differs(d)
	}
}

// refundLine compares one refund's line.
func (c *comparison) refundLine(l ports.TradeLine, p, r ports.StatedRow, here, known bool) {
	d := ports.Difference{What: ports.KindRefund, Number: r.Number, ProviderID: l.ProviderRefundID, Ours: r.Amount, Theirs: l.RefundAmount.Minor, OurState: r.State, TheirState: l.RefundState}
	if known {
		c.stated = append(c.stated, r.Number)
	}
	switch {
	case !here && !known && c.first && c.ours(cmp.Or(l.RefundNumber, l.Number)):
		if c.recovering != recoverNothing {
			c.back[l.Number] = append(c.back[l.Number], l.RefundNumber)
		}
		d.Kind, d.Number = ports.TheirsOnly, l.RefundNumber
		c.differs(d)
		return
	case !here && !known, here && p.Account != c.of.Account:
		c.of.Others++
		return
	case !known: // of a refund that never came into effect
		return
	}
	if l.RefundFact == pay.RefundFactSucceeded || l.RefundFact == pay.RefundFactProcessing {
		sum := c.sum(ports.StatedRow{App: r.App, Entry: r.Entry})
		sum.Refunds++
		sum.Refunded += l.RefundAmount.Minor
		sum.FeeMilli += l.FeeMilli
	}
	if r.Amount != l.RefundAmount.Minor {
		d.Kind = ports.AmountDiffers
		c.differs(d)
	}
	if l.RefundFact == pay.RefundFactSucceeded && r.State != string(pay.RefundSucceeded) {
		d.Kind = ports.StateDiffers
		c.differs(d)
	}
}

// recordElsewhere records a refund of our payment that no row here is, or the amount of one that was known without it (R15, R21).
func (c *comparison) recordElsewhere(ctx context.Context, of refundElsewhere) error {
	l, p := of.line, of.payment
	facts := pay.RefundFacts{
		State: l.RefundFact, Number: l.RefundNumber, Payment: l.Number, MchID: c.of.MchID, SubMchID: c.of.SubMchID, Amount: l.RefundAmount, ProviderID: l.ProviderRefundID,
	}
	_, err := c.decide(ctx, byPayment(p.Number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		facts.SucceededAt = now // the line has a time of its own in some statements only
		return pay.StatedRefund(rows, p.Number, facts, now)
	}))
	if err != nil {
		return fmt.Errorf("record refund %s of payment %s: %w", l.RefundNumber, p.Number, err)
	}
	rows, err := found(c.Store.RefundsByNumber(ctx, c.of.MchID, c.of.SubMchID, []string{l.RefundNumber}))
	if err != nil {
		return err
	}
	r, known := rows[l.RefundNumber]
	c.refundLine(l, p, r, true, known)
	return nil
}

// ours tells whether a number is one that this installation gives: only of those can rows have been lost here.
func (c *comparison) ours(number string) bool {
	parts, err := tradeno.Parse(number)
	return err == nil && parts.Installation == c.Installation
}

func (c *comparison) sum(r ports.StatedRow) *ports.StatementSum {
	key := sumKey{r.App, r.Entry}
	if c.sums[key] == nil {
		c.sums[key] = &ports.StatementSum{Account: c.of.Account, Day: c.of.Day, App: r.App, Entry: r.Entry}
	}
	return c.sums[key]
}

func shortened(number string) (short [16]byte) {
	sum := sha256.Sum256([]byte(number))
	copy(short[:], sum[:])
	return short
}

// end writes what the statement tells, looks for what it does not name, asks about what differs, and writes what the statement came to.
func (c *comparison) end(ctx context.Context) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	for _, l := range c.lost {
		if c.paidBeside(l) != (c.recovering == recoverPaidBeside) {
			continue
		}
		made, err := c.recover(ctx, c.of, l)
		if err != nil {
			return err
		}
		if made {
			c.recovered++
		}
	}
	for _, of := range c.elsewhere {
		if err := c.recordElsewhere(ctx, of); err != nil {
			return err
		}
	}
	for numbers := range slices.Chunk(c.stated, statementBatch) {
		if err := c.Store.RefundsStated(ctx, numbers, c.of.Day); err != nil {
			return err
		}
	}
	for _, of := range []struct {
		what     ports.Kind
		from, to time.Time
		page     func(context.Context, string, time.Time, time.Time, ports.StatedRow, int) ([]ports.StatedRow, error)
	}{
		{ports.KindPayment, c.from, c.to, c.Store.SucceededTrades},
		{ports.KindRefund, c.from.Add(-nearMidnight), c.to.Add(-nearMidnight), c.Store.UnstatedRefunds},
	} {
		var last ports.StatedRow
		for {
			page, err := of.page(ctx, c.of.Account, of.from, of.to, last, statementBatch)
			if err != nil {
				return err
			}
			for _, r := range page {
				if _, named := c.named[shortened(r.Number)]; !named && (r.Amount > 0 || r.Unknown) {
					c.differs(ports.Difference{
						Kind: ports.OursOnly, What: of.what, Number: r.Number, ProviderID: r.ProviderID, Ours: r.Amount, OurState: r.State,
					})
				}
			}
			if len(page) < statementBatch {
				break
			}
			last = page[len(page)-1]
		}
	}
	unaccepted, err := c.unaccepted(ctx)
	if err != nil {
		return err
	}
	open, err := c.askWhatDiffers(ctx, c.of, unaccepted)
	if err != nil {
		return err
	}
	s := c.of
	s.State, s.Due = ports.StatementMatched, time.Time{}
	if len(open) > 0 {
		s.State, s.Due = ports.StatementDiffering, c.Clock.Now().Add(time.Hour)
	}
	sums := make([]ports.StatementSum, 0, len(c.sums))
	for _, sum := range c.sums {
		sums = append(sums, *sum)
	}
	if err := c.Store.StatementDone(ctx, c.claim, s, sums, open, c.Clock.Now()); err != nil {
		return err
	}
	c.tellDifferences(ctx, s, open, c.more)
	c.Log.Info("a statement was compared", "account", s.Account, "day", s.Day, "lines", s.Lines, "others", s.Others, "differences", len(open)+c.more)
	return nil
}

// unaccepted is what differs without what an operator took as it is when the statement was compared before.
func (c *comparison) unaccepted(ctx context.Context) ([]ports.Difference, error) {
	before, err := c.Store.Differences(ctx, ports.StatementQuery{Account: c.of.Account, Day: c.of.Day, Limit: 1000})
	return slices.DeleteFunc(c.found, func(d ports.Difference) bool {
		return slices.ContainsFunc(before, func(b ports.Difference) bool {
			return !b.AcceptedAt.IsZero() && b.Kind == d.Kind && b.What == d.What && b.Number == d.Number
		})
	}), err
}

// tellDifferences raises one alarm for a statement that differs.
func (g *Gateway) tellDifferences(ctx context.Context, s ports.Statement, open []ports.Difference, more int) {
	if len(open) == 0 {
		return
	}
	kinds := map[string]int{}
	for _, d := range open {
		kinds[string(d.Kind)]++
	}
	var counts []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		counts = append(counts, fmt.Sprintf("%s: %d", kind, kinds[kind]))
	}
	if more > 0 {
		counts = append(counts, fmt.Sprintf("not listed: %d", more))
	}
	g.raise(ctx, pay.Alarm{Kind: pay.AlarmStatementDiffers, Number: s.ID(), What: fmt.Sprintf("%d differences (%s)", len(open)+more, strings.Join(counts, ", "))})
}

// askWhatDiffers has the provider asked about what differs, as far as a query may settle it, and gives what differs still.
func (g *Gateway) askWhatDiffers(ctx context.Context, s ports.Statement, all []ports.Difference) (open []ports.Difference, err error) {
	asked := 0
	for _, d := range all {
		if d.Kind == ports.StateDiffers && asked < askedAtOnce {
			asked++
			if err := g.queryDifference(ctx, d); err != nil {
				g.Log.Warn("what differs from a statement could not be asked about", "kind", d.What, "number", d.Number, "error", err)
			}
		}
		differs, err := g.stillDiffers(ctx, s, d)
		if err != nil {
			return nil, err
		}
		if differs {
			open = append(open, d)
		}
	}
	return open, nil
}

// queryDifference queries one payment or refund, unless somebody else does at this moment.
func (g *Gateway) queryDifference(ctx context.Context, d ports.Difference) error {
	ctx, cancel := detached(ctx, hold)
	defer cancel()
	claim, err := g.Store.Claim(ctx, d.What, d.Number, hold, g.Clock.Now())
	switch {
	case errors.Is(err, ports.ErrClaimed):
		return nil
	case err != nil:
		return err
	case d.What == ports.KindRefund:
		return g.refund(ctx, claim)
	}
	_, _, err = g.query(ctx, d.Number, claim)
	return err
}

// stillDiffers reads the row anew.
func (g *Gateway) stillDiffers(ctx context.Context, s ports.Statement, d ports.Difference) (bool, error) {
	switch {
	case d.Kind == ports.StateDiffers && d.What == ports.KindPayment:
		p, err := g.Store.Payment(ctx, "", d.Number)
		return p.StatedState() != pay.PaymentSucceeded, err
	case d.Kind == ports.StateDiffers:
		r, err := g.Store.Refund(ctx, "", d.Number)
		return r.StatedState() != pay.RefundSucceeded, err
	case d.Kind == ports.TheirsOnly && d.What == ports.KindPayment:
		rows, err := g.Store.TradesByNumber(ctx, s.MchID, s.SubMchID, []string{d.Number})
		return len(rows) == 0, err
	case d.Kind == ports.TheirsOnly:
		rows, err := g.Store.RefundsByNumber(ctx, s.MchID, s.SubMchID, []string{d.Number})
		return len(rows) == 0, err
	}
	return true, nil
}

// lookAgain looks whether what differed does so still.
func (g *Gateway) lookAgain(ctx context.Context, s ports.Statement, claim ports.Claim) error {
	open, err := g.Store.Differences(ctx, ports.StatementQuery{Account: s.Account, Day: s.Day, Open: true, Limit: 1000})
	if err != nil {
		return err
	}
	left, err := g.askWhatDiffers(ctx, s, open)
	if err != nil {
		return err
	}
	for _, d := range open {
		if !slices.ContainsFunc(left, func(l ports.Difference) bool { return l.ID == d.ID }) {
			if err := g.Store.HealDifference(ctx, d.ID, g.Clock.Now()); err != nil {
				return err
			}
		}
	}
	s.Due = g.Clock.Now().Add(24 * time.Hour)
	if len(left) == 0 {
		s.State, s.Due = ports.StatementMatched, time.Time{}
	}
	return g.Store.StatementStays(ctx, claim, s)
}

// planStatements sees to it that each account has a statement to wait for, of every day since it was first seen, until ctx is done.
func (g *Gateway) planStatements(ctx context.Context) {
	ticker := time.NewTicker(planEvery)
	defer ticker.Stop()
	for {
		for _, a := range g.settings.Load().accounts {
			if err := g.planStatementsOf(ctx, a); err != nil && ctx.Err() == nil {
				g.Log.Warn("the statements of an account could not be planned; tried again in an hour", "account", a.Name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (g *Gateway) planStatementsOf(ctx context.Context, a ports.Account) error {
	services, err := g.Optional.Offers(a.Provider)
	if err != nil || !slices.Contains(services, ports.ServiceBills) {
		return nil //nolint:nilerr // its plugin is down: looked at again in an hour
	}
	today := g.Clock.Now().In(shanghai)
	next := today // of an account's first day
	last, err := g.Store.LastStatement(ctx, a.Name)
	switch {
	case err == nil:
		day, _, err := dayOf(last.Day)
		if err != nil {
			return err
		}
		if next = day.AddDate(0, 0, 1); next.Before(today.AddDate(0, 0, -oldestStatement)) {
			next = today.AddDate(0, 0, -oldestStatement)
		}
	case !errors.Is(err, ports.ErrNotFound):
		return err
	}
	for ; !next.After(today); next = next.AddDate(0, 0, 1) {
		if err := g.planStatement(ctx, a, next.Format(time.DateOnly)); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) planStatement(ctx context.Context, a ports.Account, day string) error {
	due, err := statementDue(day)
	if err != nil {
		return err
	}
	return g.Store.PlanStatement(ctx, ports.Statement{
		Account: a.Name, Provider: a.Provider, MchID: a.MchID, SubMchID: a.SubMchID, Day: day, State: ports.StatementAwaited, Due: due,
	})
}

// Reconcile has statements of a day compared now, of one account or of all that have statements, also again. The day is over, in
// Shanghai. It answers what is planned; the comparison itself goes on by itself.
func (g *Gateway) Reconcile(ctx context.Context, account, day string) ([]ports.Statement, error) {
	_, over, err := dayOf(day)
	switch {
	case err != nil:
		return nil, &Invalid{"day", "a day in Shanghai, as 2026-11-26"}
	case over.After(g.Clock.Now()):
		return nil, &Invalid{"day", "a day that is over: a statement is made at ten the next morning, Shanghai time"}
	}
	accounts := g.settings.Load().accounts
	if _, known := accounts[account]; !known && account != "" {
		return nil, &Invalid{"account", "no account has this name"}
	}
	var all []ports.Statement
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		a := accounts[name]
		if account != "" && name != account {
			continue
		}
		if services, err := g.Optional.Offers(a.Provider); err != nil || !slices.Contains(services, ports.ServiceBills) {
			continue
		}
		if err := g.planStatement(ctx, a, day); err != nil {
			return nil, err
		}
		if err := g.Store.StatementAgain(ctx, ports.StatementID(name, day), g.Clock.Now()); err != nil {
			return nil, err
		}
		s, err := g.Store.Statement(ctx, ports.StatementID(name, day))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, &Invalid{"account", "no account here has statements: its pay channel offers none, or its plugin does not run"}
	}
	g.nudge(ports.KindStatement)
	return all, nil
}

// AcceptDifference ends a difference as it is, in somebody's name.
func (g *Gateway) AcceptDifference(ctx context.Context, id int64, name, reason string) (ports.Difference, error) {
	if err := signed(name); err != nil {
		return ports.Difference{}, err
	}
	if err := reasoned(reason, "why it is taken as it is"); err != nil {
		return ports.Difference{}, err
	}
	d, err := g.Store.AcceptDifference(ctx, id, name, reason, g.Clock.Now())
	if err == nil {
		g.nudge(ports.KindStatement)
	}
	return d, err
}

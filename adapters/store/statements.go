package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// statementRow is a statement as it is stored.
type statementRow struct {
	bun.BaseModel `bun:"table:statements,alias:st"`

	ID           string `bun:",pk"`
	Account      string
	Provider     string
	Mchid        string
	SubMchid     string
	Day          string
	State        string
	Lines        int64
	Others       int64
	Attempts     int64
	Error        string
	DoneAt       int64
	Due          int64 `bun:",nullzero"`
	ClaimedUntil int64 `bun:",nullzero"`
}

func toStatementRow(s ports.Statement) statementRow {
	return statementRow{
		ID: s.ID(), Account: s.Account, Provider: s.Provider, Mchid: s.MchID, SubMchid: s.SubMchID, Day: s.Day, State: string(s.State),
		Lines: s.Lines, Others: s.Others, Attempts: int64(s.Attempts), Error: s.Error, DoneAt: micros(s.DoneAt), Due: micros(s.Due),
	}
}

func (r statementRow) statement() ports.Statement {
	return ports.Statement{
		Account: r.Account, Provider: r.Provider, MchID: r.Mchid, SubMchID: r.SubMchid, Day: r.Day, State: ports.StatementState(r.State),
		Lines: r.Lines, Others: r.Others, Attempts: int(r.Attempts), Error: r.Error, DoneAt: fromMicros(r.DoneAt), Due: fromMicros(r.Due),
	}
}

// sumRow is one sum of a statement as it is stored.
type sumRow struct {
	bun.BaseModel `bun:"table:statement_sums"`

	Account  string
	Day      string
	App      string
	Entry    string
	Payments int64
	Gross    int64
	Refunds  int64
	Refunded int64
	FeeMilli int64
}

// differenceRow is a difference as it is found; storedDifference has what the database and its later life add.
type differenceRow struct {
	bun.BaseModel `bun:"table:differences"`

	Account    string
	Day        string
	Kind       string
	What       string
	Number     string
	ProviderID string
	Ours       int64
	Theirs     int64
	OurState   string
	TheirState string
	FoundAt    int64
}

type storedDifference struct {
	differenceRow `bun:",extend"`

	ID         int64
	HealedAt   int64
	AcceptedAt int64
	AcceptedBy string
	Reason     string
}

func (r storedDifference) difference() ports.Difference {
	return ports.Difference{
		ID: r.ID, Account: r.Account, Day: r.Day, Kind: ports.DifferenceKind(r.Kind), What: ports.Kind(r.What), Number: r.Number,
		ProviderID: r.ProviderID, Ours: r.Ours, Theirs: r.Theirs, OurState: r.OurState, TheirState: r.TheirState, FoundAt: fromMicros(r.FoundAt),
		HealedAt: fromMicros(r.HealedAt), AcceptedAt: fromMicros(r.AcceptedAt), AcceptedBy: r.AcceptedBy, Reason: r.Reason,
	}
}

// PlanStatement adds an awaited statement (ports.Statements).
func (s *Store) PlanStatement(ctx context.Context, of ports.Statement) error {
	row := toStatementRow(of)
	if _, err := s.db.NewInsert().Model(&row).On("conflict do nothing").Returning("NULL").Exec(ctx); err != nil {
		return failed(err, "plan the statement %s", row.ID)
	}
	return nil
}

// LastStatement is an account's newest (ports.Statements).
func (s *Store) LastStatement(ctx context.Context, account string) (ports.Statement, error) {
	var row statementRow
	err := one(ctx, s.read.NewSelect().Model(&row).Where("account = ?", account).OrderExpr("day desc").Limit(1), "a statement of account "+account)
	return row.statement(), err
}

// Statement reads one (ports.Statements).
func (s *Store) Statement(ctx context.Context, id string) (ports.Statement, error) {
	var row statementRow
	if err := one(ctx, s.read.NewSelect().Model(&row).Where("id = ?", id), "statement "+id); err != nil {
		return ports.Statement{}, err
	}
	all := []ports.Statement{row.statement()}
	err := s.countOpen(ctx, all)
	return all[0], err
}

// Statements lists them, the newest day first (ports.Statements).
func (s *Store) Statements(ctx context.Context, q ports.StatementQuery) ([]ports.Statement, error) {
	var rows []statementRow
	sel := s.read.NewSelect().Model(&rows).OrderExpr("day desc, account").Limit(int64(q.Limit))
	if q.Account != "" {
		sel = sel.Where("account = ?", q.Account)
	}
	if q.Day != "" {
		sel = sel.Where("day = ?", q.Day)
	}
	if q.Open {
		sel = sel.Where("state in ('awaited', 'differing')").Where("attempts > 0 or state = 'differing'")
	}
	if err := sel.Scan(ctx); err != nil {
		return nil, failed(err, "list the statements")
	}
	all := make([]ports.Statement, len(rows))
	for i, r := range rows {
		all[i] = r.statement()
	}
	return all, s.countOpen(ctx, all)
}

// countOpen fills in how much of each statement differs.
func (s *Store) countOpen(ctx context.Context, all []ports.Statement) error {
	var open []struct {
		Account, Day string
		Count        int
	}
	for i := range all {
		if all[i].State != ports.StatementDiffering {
			continue
		}
		err := s.read.NewSelect().Table("differences").ColumnExpr("account, day, count(*) as count").Where("account = ?", all[i].Account).
			Where("day = ?", all[i].Day).Where("healed_at = 0").Where("accepted_at = 0").Group("account", "day").Scan(ctx, &open)
		if err != nil {
			return failed(err, "count the differences")
		}
		for _, o := range open {
			all[i].Open = o.Count
		}
	}
	return nil
}

// Differences lists them, newest first (ports.Statements).
func (s *Store) Differences(ctx context.Context, q ports.StatementQuery) ([]ports.Difference, error) {
	var rows []storedDifference
	sel := s.read.NewSelect().Model(&rows).OrderExpr("id desc").Limit(int64(q.Limit))
	if q.Account != "" {
		sel = sel.Where("account = ?", q.Account)
	}
	if q.Day != "" {
		sel = sel.Where("day = ?", q.Day)
	}
	if q.Open {
		sel = sel.Where("healed_at = 0").Where("accepted_at = 0")
	}
	if q.Before != 0 {
		sel = sel.Where("id < ?", q.Before)
	}
	if err := sel.Scan(ctx); err != nil {
		return nil, failed(err, "list the differences")
	}
	all := make([]ports.Difference, len(rows))
	for i, r := range rows {
		all[i] = r.difference()
	}
	return all, nil
}

// Sums are what the statements of some days came to (ports.Statements).
func (s *Store) Sums(ctx context.Context, first, last string) ([]ports.StatementSum, error) {
	var rows []sumRow
	err := s.read.NewSelect().Model(&rows).Where("day >= ?", first).Where("day <= ?", last).OrderExpr("day, account, app, entry").Scan(ctx)
	if err != nil {
		return nil, failed(err, "read the sums of %s to %s", first, last)
	}
	all := make([]ports.StatementSum, len(rows))
	for i, r := range rows {
		all[i] = ports.StatementSum{
			Account: r.Account, Day: r.Day, App: r.App, Entry: r.Entry, Payments: r.Payments, Gross: r.Gross, Refunds: r.Refunds, Refunded: r.Refunded,
			FeeMilli: r.FeeMilli,
		}
	}
	return all, nil
}

// HoldStatement keeps a claim while its lines are read (ports.Statements).
func (s *Store) HoldStatement(ctx context.Context, c ports.Claim, lines int64, hold time.Duration) (ports.Claim, error) {
	var until []int64
	q := s.statement("update statements set lines = ?, claimed_until = ", lines).append(s.now()).add(" + ?, due = due + ? where id = ? and claimed_until = ? returning claimed_until",
		hold.Microseconds(), hold.Microseconds(), c.Number, c.Until)
	rows, err := s.writes.query(ctx, q)
	if err := s.scan(ctx, &until, rows, err); err != nil {
		return c, failed(err, "hold statement %s", c.Number)
	}
	if len(until) != 1 {
		return c, fmt.Errorf("statement %s: %w", c.Number, ports.ErrClaimed)
	}
	c.Until, c.Due = until[0], c.Due+hold.Microseconds()
	return c, nil
}

// StatementStays writes where a statement is (ports.Statements).
func (s *Store) StatementStays(ctx context.Context, c ports.Claim, of ports.Statement) error {
	_, err := s.db.ExecContext(ctx, "update statements set state = ?, attempts = ?, error = ?, due = ?, claimed_until = null where id = ? and claimed_until = ?",
		string(of.State), of.Attempts, of.Error, dueOrNull(of.Due), c.Number, c.Until)
	if err != nil {
		return failed(err, "write where statement %s is", c.Number)
	}
	return nil
}

// StatementDone writes what a statement came to (ports.Statements).
func (s *Store) StatementDone(ctx context.Context, c ports.Claim, of ports.Statement, sums []ports.StatementSum, found []ports.Difference, now time.Time) error {
	return s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.ExecContext(ctx, "update statements set state = ?, lines = ?, others = ?, attempts = 0, error = '', done_at = ?, due = ?, claimed_until = null where id = ? and claimed_until = ?",
			string(of.State), of.Lines, of.Others, micros(now), dueOrNull(of.Due), c.Number, c.Until)
		if err != nil {
			return failed(err, "end statement %s", c.Number)
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("statement %s: %w", c.Number, ports.ErrClaimed)
		}
		if _, err := tx.ExecContext(ctx, "delete from statement_sums where day = ? and account = ?", of.Day, of.Account); err != nil {
			return failed(err, "replace the sums of statement %s", c.Number)
		}
		for _, sum := range sums {
			row := sumRow{
				Account: of.Account, Day: of.Day, App: sum.App, Entry: sum.Entry, Payments: sum.Payments, Gross: sum.Gross, Refunds: sum.Refunds,
				Refunded: sum.Refunded, FeeMilli: sum.FeeMilli,
			}
			if _, err := tx.NewInsert().Model(&row).Exec(ctx); err != nil {
				return failed(err, "write the sums of statement %s", c.Number)
			}
		}
		return differ(ctx, tx, of, found, now)
	})
}

// differ heals what does not differ any more, and adds what does, or does again.
func differ(ctx context.Context, tx bun.Tx, of ports.Statement, found []ports.Difference, now time.Time) error {
	_, err := tx.ExecContext(ctx, "update differences set healed_at = ? where account = ? and day = ? and healed_at = 0 and accepted_at = 0", micros(now), of.Account, of.Day)
	if err != nil {
		return failed(err, "heal the differences of statement %s", of.ID())
	}
	// A refund of the last minutes of a day may stand in the next day's statement.
	_, err = tx.ExecContext(ctx, "update differences set healed_at = ? where account = ? and kind = ? and what = ? and healed_at = 0 and accepted_at = 0 and exists (select 1 from refunds where number = differences.number and stated <> '')",
		micros(now), of.Account, string(ports.OursOnly), string(ports.KindRefund))
	if err != nil {
		return failed(err, "heal the refunds that statement %s names", of.ID())
	}
	for _, d := range found {
		row := differenceRow{
			Account: of.Account, Day: of.Day, Kind: string(d.Kind), What: string(d.What), Number: d.Number, ProviderID: d.ProviderID,
			Ours: d.Ours, Theirs: d.Theirs, OurState: d.OurState, TheirState: d.TheirState, FoundAt: micros(now),
		}
		_, err := tx.NewInsert().Model(&row).On("conflict (account, day, kind, what, number) do update").
			Set("healed_at = 0, ours = excluded.ours, theirs = excluded.theirs, our_state = excluded.our_state, their_state = excluded.their_state").
			Returning("NULL").Exec(ctx)
		if err != nil {
			return failed(err, "write a difference of statement %s", of.ID())
		}
	}
	return nil
}

// StatementAgain makes a statement due (ports.Statements).
func (s *Store) StatementAgain(ctx context.Context, id string, now time.Time) error {
	result, err := s.db.ExecContext(ctx, "update statements set state = 'awaited', error = '', due = ? where id = ?", micros(now), id)
	if err != nil {
		return failed(err, "compare statement %s again", id)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("statement %s: %w", id, ports.ErrNotFound)
	}
	return nil
}

// HealDifference ends one that is none any more (ports.Statements).
func (s *Store) HealDifference(ctx context.Context, id int64, now time.Time) error {
	if _, err := s.db.ExecContext(ctx, "update differences set healed_at = ? where id = ? and healed_at = 0", micros(now), id); err != nil {
		return failed(err, "heal difference %d", id)
	}
	return nil
}

// AcceptDifference ends one as it is (ports.Statements).
func (s *Store) AcceptDifference(ctx context.Context, id int64, name, reason string, now time.Time) (ports.Difference, error) {
	var row storedDifference
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.ExecContext(ctx, "update differences set accepted_at = ?, accepted_by = ?, reason = ? where id = ? and accepted_at = 0", micros(now), name, reason, id)
		if err != nil {
			return failed(err, "accept difference %d", id)
		}
		if err := one(ctx, tx.NewSelect().Model(&row).Where("id = ?", id), fmt.Sprintf("difference %d", id)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "update statements set due = ? where id = ? and state = 'differing' and claimed_until is null", micros(now), ports.StatementID(row.Account, row.Day))
		if err != nil {
			return failed(err, "look at the statement of difference %d again", id)
		}
		return nil
	})
	return row.difference(), err
}

// statedRow is what a statement is held against.
type statedRow struct {
	Number         string
	ProviderNumber string
	Payment        string
	Account        string
	App            string
	AppID          string
	State          string
	ProviderID     string
	Amount         int64
	AmountUnknown  bool
	Legs           string
	Route          string
	At             int64
}

func (r statedRow) stated(what ports.Kind) (ports.StatedRow, error) {
	of := ports.StatedRow{
		Number: r.Number, ProviderNumber: r.ProviderNumber, Payment: r.Payment, Account: r.Account, App: r.App, AppID: r.AppID, State: r.State,
		ProviderID: r.ProviderID, Unknown: r.AmountUnknown, At: fromMicros(r.At),
	}
	var route struct {
		Entry string `json:"entry"`
	}
	if err := fromJSON(r.Number, r.Route, &route); err != nil {
		return of, err
	}
	of.Entry = route.Entry
	amount := money.Amount{Minor: r.Amount}
	if what == ports.KindRefund {
		f := pay.Refund{Amount: amount, State: pay.RefundState(r.State)}
		if err := fromJSON(r.Number, r.Legs, &f.Legs); err != nil {
			return of, err
		}
		of.Amount = f.StatedAmount().Minor
		of.State = string(f.StatedState())
		return of, nil
	}
	p := pay.Payment{Content: pay.Content{Amount: amount}, State: pay.PaymentState(r.State)}
	if err := fromJSON(r.Number, r.Legs, &p.Legs); err != nil {
		return of, err
	}
	of.Amount = p.StatedAmount().Minor
	of.State = string(p.StatedState())
	return of, nil
}

const (
	tradeColumns  = "p.number, p.out_trade_no as provider_number, p.account, p.app, p.app_id, p.state, p.provider_id, p.amount, p.legs, p.route, p.succeeded_at as at"
	refundColumns = "r.number, r.out_refund_no as provider_number, r.payment, r.account, r.app, p.app_id, r.state, r.provider_id, r.amount, r.amount_unknown, r.legs, p.route, r.sent_at as at"
)

func (s *Store) statedRows(ctx context.Context, what ports.Kind, sel *bun.SelectQuery) ([]ports.StatedRow, error) {
	var rows []statedRow
	if err := sel.Scan(ctx, &rows); err != nil {
		return nil, failed(err, "find the %ss of a statement", what)
	}
	all := make([]ports.StatedRow, len(rows))
	for i, r := range rows {
		of, err := r.stated(what)
		if err != nil {
			return nil, err
		}
		all[i] = of
	}
	return all, nil
}

// TradesByNumber finds a merchant's payments (ports.Statements).
func (s *Store) TradesByNumber(ctx context.Context, mchID, subMchID string, outTradeNos []string) ([]ports.StatedRow, error) {
	return s.statedRows(ctx, ports.KindPayment, s.read.NewSelect().TableExpr("payments as p").ColumnExpr(tradeColumns).
		Where("p.mchid = ?", mchID).Where("p.sub_mchid = ?", subMchID).Where("p.out_trade_no in ?", bun.Tuple(outTradeNos)))
}

// RefundsByNumber finds a merchant's refunds (ports.Statements).
func (s *Store) RefundsByNumber(ctx context.Context, mchID, subMchID string, outRefundNos []string) ([]ports.StatedRow, error) {
	return s.statedRows(ctx, ports.KindRefund, s.read.NewSelect().TableExpr("refunds as r").Join("join payments as p on p.number = r.payment").ColumnExpr(refundColumns).
		Where("r.out_refund_no in ?", bun.Tuple(outRefundNos)).Where("p.mchid = ?", mchID).Where("p.sub_mchid = ?", subMchID))
}

// SucceededTrades gives an account's payments of a time (ports.Statements).
func (s *Store) SucceededTrades(ctx context.Context, account string, from, to time.Time, after ports.StatedRow, limit int) ([]ports.StatedRow, error) {
	return s.statedRows(ctx, ports.KindPayment, s.read.NewSelect().TableExpr("payments as p").ColumnExpr(tradeColumns).
		Where("p.account = ?", account).Where("p.state = 'succeeded'").Where("p.succeeded_at >= ?", micros(from)).Where("p.succeeded_at < ?", micros(to)).
		Where("(p.succeeded_at, p.number) > (?, ?)", micros(after.At), after.Number).OrderExpr("p.succeeded_at, p.number").Limit(int64(limit)))
}

// UnstatedRefunds gives an account's refunds that no statement has named (ports.Statements).
func (s *Store) UnstatedRefunds(ctx context.Context, account string, from, to time.Time, after ports.StatedRow, limit int) ([]ports.StatedRow, error) {
	return s.statedRows(ctx, ports.KindRefund, s.read.NewSelect().TableExpr("refunds as r").Join("join payments as p on p.number = r.payment").ColumnExpr(refundColumns).
		Where("r.account = ?", account).Where("r.state = 'succeeded'").Where("r.stated = ''").Where("r.sent_at >= ?", micros(from)).Where("r.sent_at < ?", micros(to)).
		Where("(r.sent_at, r.number) > (?, ?)", micros(after.At), after.Number).OrderExpr("r.sent_at, r.number").Limit(int64(limit)))
}

// RefundsStated notes that they were named (ports.Statements).
func (s *Store) RefundsStated(ctx context.Context, numbers []string, day string) error {
	_, err := s.db.ExecContext(ctx, "update refunds set stated = ? where number in ? and stated = ''", day, bun.Tuple(numbers))
	if err != nil {
		return failed(err, "note which refunds the statement of %s names", day)
	}
	return nil
}

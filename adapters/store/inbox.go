package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/ports"
)

// inboxRow is a verified message as it is stored.
type inboxRow struct {
	bun.BaseModel `bun:"table:inbox,alias:i"`

	ID         string `bun:",pk"`
	Provider   string
	Account    string
	DedupeKey  string
	Verdict    string
	Cause      string
	Number     string
	Facts      string
	Body       string
	ReceivedAt int64
	Due        int64 `bun:",nullzero"`
}

// Receive keeps a message (ports.Tx). A message that was kept as unmatched becomes an applied one here.
func (t *tx) Receive(ctx context.Context, m ports.InboxRow) (appliedBefore bool, err error) {
	row, err := t.s.toInboxRow(m)
	if err != nil {
		return false, err
	}
	result, err := t.exec(ctx, inserting(t.s, []inboxRow{row}, nil).add(" on conflict (provider, account, dedupe_key) do nothing"))
	if err != nil {
		return false, failed(err, "keep message %s of account %s", m.DedupeKey, m.Account)
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return false, err
	}
	result, err = t.tx.NewUpdate().Table("inbox").
		Set("verdict = ?, cause = ?, due = ?, claimed_until = null", row.Verdict, row.Cause, dueOrNull(m.Due)).
		Where("provider = ?", m.Provider).Where("account = ?", m.Account).Where("dedupe_key = ?", m.DedupeKey).
		Where("verdict = ?", string(ports.VerdictUnmatched)).Exec(ctx)
	if err != nil {
		return false, failed(err, "keep message %s of account %s", m.DedupeKey, m.Account)
	}
	n, err := result.RowsAffected()
	return n == 0, err
}

func (s *Store) toInboxRow(m ports.InboxRow) (inboxRow, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return inboxRow{}, err // no randomness: nothing of the database
	}
	row := inboxRow{
		ID: hex.EncodeToString(id[:]), Provider: m.Provider, Account: m.Account, DedupeKey: m.DedupeKey,
		Verdict: string(m.Verdict), Cause: m.Cause, Number: m.Number, ReceivedAt: micros(m.Received), Due: micros(m.Due),
	}
	var err error
	if row.Facts, err = s.keys.seal(m.Facts, "inbox.facts "+row.ID); err != nil {
		return row, err
	}
	row.Body, err = s.keys.seal(m.Body, "inbox.body "+row.ID)
	return row, err
}

// InboxRow reads one message, opened (ports.Inbox).
func (s *Store) InboxRow(ctx context.Context, id string) (ports.InboxRow, error) {
	var row inboxRow
	if err := one(ctx, s.read.NewSelect().Model(&row).Where("id = ?", id), "message "+id); err != nil {
		return ports.InboxRow{}, err
	}
	m := row.message()
	var err error
	if m.Facts, err = s.keys.open(row.Facts, "inbox.facts "+id); err != nil {
		return m, err
	}
	m.Body, err = s.keys.open(row.Body, "inbox.body "+id)
	return m, err
}

// CountRefused counts a message that was not believed (ports.Inbox). It is in a transaction, since a statement alone may
// be run twice by its driver and would count twice.
func (s *Store) CountRefused(ctx context.Context, provider, account string, cause ports.RefuseCause, now time.Time) error {
	return s.inTx(ctx, func(t *tx) error {
		_, err := t.tx.ExecContext(ctx, `insert into refused_notifications (provider, account, cause, minute, count) values (?, ?, ?, ?, 1)
			on conflict (provider, account, cause, minute) do update set count = refused_notifications.count + 1`,
			provider, account, string(cause), micros(now.Truncate(time.Minute)))
		if err != nil {
			return failed(err, "count a refused message of account %s", account)
		}
		return nil
	})
}

// Messages lists messages (ports.Inbox).
func (s *Store) Messages(ctx context.Context, q ports.MessageQuery) ([]ports.InboxRow, error) {
	var rows []inboxRow
	sel := s.read.NewSelect().Model(&rows).ExcludeColumn("facts", "body").
		Where("received_at > 0"). // all: it has the index read from its end
		OrderExpr("received_at desc, id desc").Limit(int64(q.Limit))
	for column, value := range map[string]string{"number": q.Number, "account": q.Account, "verdict": string(q.Verdict)} {
		if value != "" {
			sel = sel.Where("? = ?", bun.Ident(column), value)
		}
	}
	if q.Before != "" {
		var before inboxRow
		if err := one(ctx, s.read.NewSelect().Model(&before).Column("received_at").Where("id = ?", q.Before), "message "+q.Before); err != nil {
			return nil, err
		}
		sel = sel.Where("(received_at, id) < (?, ?)", before.ReceivedAt, q.Before)
	}
	if err := sel.Scan(ctx); err != nil {
		return nil, failed(err, "list messages")
	}
	all := make([]ports.InboxRow, len(rows))
	for i, r := range rows {
		all[i] = r.message()
	}
	return all, nil
}

// Replay has a message applied again (ports.Inbox).
func (s *Store) Replay(ctx context.Context, id string, now time.Time) error {
	result, err := s.db.ExecContext(ctx, "update inbox set verdict = 'unmatched', due = ? where id = ? and verdict in ('applied', 'unmatched') and facts <> ''", micros(now), id)
	if err != nil {
		return failed(err, "replay message %s", id)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("message %s with facts of a payment or refund: %w", id, ports.ErrNotFound)
	}
	return nil
}

// message is the row without what is sealed.
func (r inboxRow) message() ports.InboxRow {
	return ports.InboxRow{
		ID: r.ID, Provider: r.Provider, Account: r.Account, DedupeKey: r.DedupeKey, Verdict: ports.Verdict(r.Verdict),
		Cause: r.Cause, Number: r.Number, Received: fromMicros(r.ReceivedAt), Due: fromMicros(r.Due),
	}
}

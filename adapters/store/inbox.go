package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
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
	m := ports.InboxRow{
		ID: row.ID, Provider: row.Provider, Account: row.Account, DedupeKey: row.DedupeKey, Verdict: ports.Verdict(row.Verdict),
		Cause: row.Cause, Number: row.Number, Received: fromMicros(row.ReceivedAt), Due: fromMicros(row.Due),
	}
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

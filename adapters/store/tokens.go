package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/ports"
)

// tokenRow is something that is good once. The token itself is not in it.
type tokenRow struct {
	bun.BaseModel `bun:"table:tokens,alias:t"`

	Hash      string
	Kind      string
	Holder    string
	Content   string
	CreatedAt int64
	ExpiresAt int64
	UsedAt    int64
}

const (
	// tokenKept is how long after its end a token is still told from one that never was.
	tokenKept = 24 * time.Hour
	// sweepAtOnce is how many rows that are over one new token takes away: more than one, so that none pile up.
	sweepAtOnce = 20
)

// AddToken keeps a one-time token (ports.Identities), and takes away some that are long over, and sessions.
func (s *Store) AddToken(ctx context.Context, t ports.Token) error {
	content, err := s.keys.seal(t.Content, "tokens.content "+t.Hash)
	if err != nil {
		return err
	}
	row := tokenRow{Hash: t.Hash, Kind: string(t.Kind), Holder: t.Holder, Content: content, CreatedAt: micros(t.CreatedAt), ExpiresAt: micros(t.ExpiresAt)}
	err = s.inTx(ctx, func(t *tx) error { // outside of one the driver may run it twice, and the second run finds the first
		if _, err := t.tx.NewInsert().Model(&row).Exec(ctx); err != nil {
			return failed(err, "add a one-time token")
		}
		return nil
	})
	if err != nil {
		return err
	}
	over := micros(t.CreatedAt.Add(-tokenKept))
	for _, table := range []string{"tokens", "sessions"} {
		old := s.db.NewSelect().Table(table).Column("hash").Where("expires_at < ?", over).OrderExpr("expires_at").Limit(sweepAtOnce)
		if s.postgres {
			old = old.For("update skip locked")
		}
		_, _ = s.db.NewDelete().Table(table).Where("hash in (?)", old).Exec(ctx) // the next one sweeps again
	}
	return nil
}

// UseToken consumes a token (ports.Identities).
func (s *Store) UseToken(ctx context.Context, kind ports.TokenKind, hash, holder string, now time.Time) (ports.Token, error) {
	t := ports.Token{Hash: hash, Kind: kind, Holder: holder}
	var row tokenRow
	err := s.inTx(ctx, func(in *tx) error { // outside of one the driver may run it twice, and the second run finds it used
		return in.tx.NewRaw("update tokens set used_at = ? where hash = ? and kind = ? and holder = ? and used_at = 0 and expires_at > ? returning content, created_at, expires_at",
			micros(now), hash, string(kind), holder, micros(now)).Scan(ctx, &row)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return t, s.whyNot(ctx, kind, hash, holder)
	} else if err != nil {
		return t, failed(err, "use a one-time token")
	}
	t.CreatedAt, t.ExpiresAt = fromMicros(row.CreatedAt), fromMicros(row.ExpiresAt)
	t.Content, err = s.keys.open(row.Content, "tokens.content "+hash)
	return t, err
}

// OwnToken gives a token to its first holder (ports.Identities). Run twice by the driver it does the same.
func (s *Store) OwnToken(ctx context.Context, kind ports.TokenKind, hash, holder string, content []byte, again time.Duration, now time.Time) error {
	sealed, err := s.keys.seal(content, "tokens.content "+hash)
	if err != nil {
		return err
	}
	result, err := s.db.ExecContext(ctx, `update tokens set holder = ?, content = ?, used_at = case when used_at = 0 then ? else used_at end
		where hash = ? and kind = ? and (used_at = 0 and expires_at > ? or holder = ? and used_at > ?)`,
		holder, sealed, micros(now), hash, string(kind), micros(now), holder, micros(now.Add(-again)))
	if err != nil {
		return failed(err, "take a one-time token")
	}
	n, err := result.RowsAffected()
	if err != nil || n == 1 {
		return err
	}
	switch row, err := s.token(ctx, kind, hash); {
	case err != nil:
		return err
	case row.UsedAt != 0 && row.Holder != holder: // of another's, one is told nothing
		return fmt.Errorf("a one-time token: %w", ports.ErrNotFound)
	}
	return ports.ErrTokenExpired
}

// Token reads a token (ports.Identities).
func (s *Store) Token(ctx context.Context, kind ports.TokenKind, hash string) (ports.Token, error) {
	row, err := s.token(ctx, kind, hash)
	if err != nil {
		return ports.Token{}, err
	}
	t := ports.Token{Hash: hash, Kind: kind, Holder: row.Holder, CreatedAt: fromMicros(row.CreatedAt), ExpiresAt: fromMicros(row.ExpiresAt)}
	t.Content, err = s.keys.open(row.Content, "tokens.content "+hash)
	return t, err
}

func (s *Store) token(ctx context.Context, kind ports.TokenKind, hash string) (row tokenRow, err error) {
	err = one(ctx, s.read.NewSelect().Model(&row).Where("hash = ? and kind = ?", hash, string(kind)), "a one-time token")
	return row, err
}

// whyNot says why a token was not consumed, for the payer. One who does not hold it is told nothing about it.
func (s *Store) whyNot(ctx context.Context, kind ports.TokenKind, hash, holder string) error {
	var row tokenRow
	err := one(ctx, s.read.NewSelect().Model(&row).Where("hash = ? and kind = ? and holder = ?", hash, string(kind), holder), "a one-time token")
	switch {
	case err != nil:
		return err
	case row.UsedAt != 0:
		return ports.ErrTokenUsed
	}
	return ports.ErrTokenExpired
}

// appTokenRow is an access token or a ticket.
type appTokenRow struct {
	bun.BaseModel `bun:"table:app_tokens,alias:t"`

	ID        string
	Token     string
	ExpiresAt int64
}

func appTokenID(kind ports.AppTokenKind, appID string) string { return string(kind) + " " + appID }

// AppToken reads a token of an app id (ports.TokenCache).
func (s *Store) AppToken(ctx context.Context, kind ports.AppTokenKind, appID string) (ports.AppToken, error) {
	id := appTokenID(kind, appID)
	var row appTokenRow
	err := one(ctx, s.read.NewSelect().Model(&row).Where("id = ?", id), id)
	if errors.Is(err, ports.ErrNotFound) {
		return ports.AppToken{}, nil
	} else if err != nil {
		return ports.AppToken{}, err
	}
	token, err := s.keys.open(row.Token, "app_tokens.token "+id)
	return ports.AppToken{Token: string(token), ExpiresAt: fromMicros(row.ExpiresAt)}, err
}

// ClaimAppToken takes the right to fetch a token (ports.TokenCache).
func (s *Store) ClaimAppToken(ctx context.Context, kind ports.AppTokenKind, appID string, hold time.Duration) (claim int64, ok bool, err error) {
	q := s.statement("insert into app_tokens (id, token, expires_at, claimed_until) values (?, '', 0, ", appTokenID(kind, appID)).append(s.now()).
		add(" + ?) on conflict (id) do update set claimed_until = excluded.claimed_until where app_tokens.claimed_until is null or app_tokens.claimed_until < ", hold.Microseconds()).
		append(s.now()).add(" returning claimed_until")
	var until []int64
	err = s.inTx(ctx, func(t *tx) error { // outside of one the driver may run it twice, and the second run finds it claimed
		rows, err := t.query(ctx, q)
		return s.scan(ctx, &until, rows, err)
	})
	if err != nil {
		return 0, false, failed(err, "claim the %s of app id %s", kind, appID)
	}
	if len(until) == 0 {
		return 0, false, nil
	}
	return until[0], true, nil
}

// PutAppToken keeps a token and gives the claim back (ports.TokenCache).
func (s *Store) PutAppToken(ctx context.Context, kind ports.AppTokenKind, appID string, claim int64, t ports.AppToken) error {
	id := appTokenID(kind, appID)
	sealed, err := s.keys.seal([]byte(t.Token), "app_tokens.token "+id)
	if err != nil {
		return err
	}
	_, err = s.db.NewUpdate().Table("app_tokens").Set("token = ?, expires_at = ?, claimed_until = null", sealed, micros(t.ExpiresAt)).
		Where("id = ? and claimed_until = ?", id, claim).Exec(ctx)
	if err != nil {
		return failed(err, "keep the %s of app id %s", kind, appID)
	}
	return nil
}

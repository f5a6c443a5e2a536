package store

import (
	"context"
	"database/sql"
	"errors"
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
	if _, err := s.db.NewInsert().Model(&row).Exec(ctx); err != nil {
		return failed(err, "add a one-time token")
	}
	over := micros(t.CreatedAt.Add(-tokenKept))
	for _, table := range []string{"tokens", "sessions"} {
		old := s.db.NewSelect().Table(table).Column("hash").Where("expires_at < ?", over).OrderExpr("expires_at").Limit(sweepAtOnce)
		if s.postgres {
			old = old.For("update skip locked")
		}
		if _, err := s.db.NewDelete().Table(table).Where("hash in (?)", old).Exec(ctx); err != nil {
			return failed(err, "sweep %s", table)
		}
	}
	return nil
}

// UseToken consumes a token (ports.Identities).
func (s *Store) UseToken(ctx context.Context, kind ports.TokenKind, hash, holder string, now time.Time) (ports.Token, error) {
	t := ports.Token{Hash: hash, Kind: kind, Holder: holder}
	var row tokenRow
	err := s.db.NewRaw("update tokens set used_at = ? where hash = ? and kind = ? and holder = ? and used_at = 0 and expires_at > ? returning content, created_at, expires_at",
		micros(now), hash, string(kind), holder, micros(now)).Scan(ctx, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return t, s.whyNot(ctx, kind, hash, holder)
	} else if err != nil {
		return t, failed(err, "use a one-time token")
	}
	t.CreatedAt, t.ExpiresAt = fromMicros(row.CreatedAt), fromMicros(row.ExpiresAt)
	t.Content, err = s.keys.open(row.Content, "tokens.content "+hash)
	return t, err
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
	rows, err := s.writes.query(ctx, q)
	if err := s.scan(ctx, &until, rows, err); err != nil {
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

package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// identityRow is a name and its person as they are stored.
type identityRow struct {
	bun.BaseModel `bun:"table:identities,alias:i"`

	AppID     string
	OpenID    string `bun:"openid"`
	UnionID   string `bun:"unionid"`
	Person    string
	CreatedAt int64
}

func (r identityRow) identity() identity.Identity {
	return identity.Identity{Name: identity.Name{AppID: r.AppID, OpenID: r.OpenID}, UnionID: r.UnionID, Person: r.Person}
}

// tieRow is what an app knows of an identity.
type tieRow struct {
	bun.BaseModel `bun:"table:identity_ties,alias:k"`

	App       string
	AppID     string
	OpenID    string `bun:"openid"`
	UserID    string
	Verified  bool
	CreatedAt int64
}

func (r tieRow) tie() identity.Tie {
	return identity.Tie{App: r.App, Name: identity.Name{AppID: r.AppID, OpenID: r.OpenID}, UserID: r.UserID, Verified: r.Verified}
}

// LockIdentity locks a unionid and then a name (ports.IdentityTx), so that of several who bring the same unionid at once
// each sees what the one before has written.
func (t *tx) LockIdentity(ctx context.Context, of identity.Name, unionID string) (known identity.Stored, err error) {
	if unionID != "" {
		err := t.tx.NewRaw("insert into unionids (unionid, person) values (?, '') on conflict (unionid) do update set person = unionids.person returning person", unionID).
			Scan(ctx, &known.Union)
		if err != nil {
			return known, failed(err, "lock a unionid")
		}
	}
	var rows []identityRow
	q := t.tx.NewSelect().Model(&rows).Where("app_id = ? and openid = ?", of.AppID, of.OpenID)
	if err := t.s.locking(q).Scan(ctx); err != nil {
		return known, failed(err, "lock an identity of app id %s", of.AppID)
	}
	if len(rows) == 1 {
		i := rows[0].identity()
		known.Identity = &i
	}
	return known, nil
}

func (s *Store) locking(q *bun.SelectQuery) *bun.SelectQuery {
	if s.postgres {
		return q.For("update")
	}
	return q
}

// SignIn writes a sign-in's decision (ports.IdentityTx).
func (t *tx) SignIn(ctx context.Context, d identity.SignIn, was identity.Stored, now time.Time) (divided []string, err error) {
	if m := d.Merge; m != nil {
		// unionids first: who adds an identity to either person by one waits for its lock. And again, since an identity of the
		// person that is left may have brought another unionid just now: it is seen once its identity's lock was waited for.
		for _, table := range []string{"unionids", "identities", "unionids"} {
			if _, err := t.tx.NewUpdate().Table(table).Set("person = ?", m.Into).Where("person = ?", m.From).Exec(ctx); err != nil {
				return nil, failed(err, "merge two persons")
			}
		}
	}
	if was.Identity == nil {
		row := identityRow{AppID: d.Put.AppID, OpenID: d.Put.OpenID, UnionID: d.Put.UnionID, Person: d.Put.Person, CreatedAt: micros(now)}
		result, err := t.tx.NewInsert().Model(&row).On("conflict do nothing").Exec(ctx)
		if err != nil {
			return nil, failed(err, "add an identity of app id %s", d.Put.AppID)
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return nil, moved(err, "an identity of app id %s was added meanwhile", d.Put.AppID)
		}
	} else if *was.Identity != d.Put {
		_, err := t.tx.NewUpdate().Table("identities").Set("unionid = ?, person = ?", d.Put.UnionID, d.Put.Person).
			Where("app_id = ? and openid = ?", d.Put.AppID, d.Put.OpenID).Exec(ctx)
		if err != nil {
			return nil, failed(err, "write an identity of app id %s", d.Put.AppID)
		}
	}
	if d.Put.UnionID != "" {
		if _, err := t.tx.NewUpdate().Table("unionids").Set("person = ?", d.Put.Person).Where("unionid = ?", d.Put.UnionID).Exec(ctx); err != nil {
			return nil, failed(err, "write a unionid")
		}
	}
	if d.Merge == nil {
		return nil, nil
	}
	err = t.tx.NewRaw(`select k.app from identity_ties k join identities i on i.app_id = k.app_id and i.openid = k.openid
		where i.person = ? and k.user_id <> '' group by k.app having count(distinct k.user_id) > 1 order by k.app`, d.Put.Person).Scan(ctx, &divided)
	if err != nil {
		return nil, failed(err, "look for apps that had two user_ids for one person")
	}
	return divided, nil
}

func moved(err error, format string, a ...any) error {
	if err != nil {
		return err
	}
	return fmt.Errorf(format+": %w", append(a, ports.ErrMoved)...)
}

// LockPayer reads whom an app sees behind a name, its identities locked (ports.IdentityTx).
func (t *tx) LockPayer(ctx context.Context, app string, of identity.Name) ([]identity.Identity, []identity.Tie, error) {
	return t.s.payer(ctx, t.tx, app, of, t.s.locking)
}

// Payer reads whom an app sees behind a name (ports.Identities).
func (s *Store) Payer(ctx context.Context, app string, of identity.Name) ([]identity.Identity, []identity.Tie, error) {
	return s.payer(ctx, s.read, app, of, func(q *bun.SelectQuery) *bun.SelectQuery { return q })
}

func (s *Store) payer(ctx context.Context, in bun.IDB, app string, of identity.Name, locking func(*bun.SelectQuery) *bun.SelectQuery) ([]identity.Identity, []identity.Tie, error) {
	var rows []identityRow
	// The person's own identities, and those of every person whom the app calls by one of the user_ids that it calls them.
	err := locking(in.NewSelect().Model(&rows).
		Where(`person in (select person from identities where app_id = ?0 and openid = ?1 union
			select j.person from identities j join identity_ties l on l.app_id = j.app_id and l.openid = j.openid
			where l.app = ?2 and l.user_id <> '' and l.user_id in (
				select k.user_id from identity_ties k join identities i on i.app_id = k.app_id and i.openid = k.openid
				where k.app = ?2 and i.person = (select person from identities where app_id = ?0 and openid = ?1)))`, of.AppID, of.OpenID, app).
		OrderExpr("app_id, openid")).Scan(ctx)
	if err != nil {
		return nil, nil, failed(err, "read the person behind an identity of app id %s", of.AppID)
	}
	if len(rows) == 0 {
		return nil, nil, fmt.Errorf("an identity of app id %s: %w", of.AppID, ports.ErrNotFound)
	}
	ids, names := make([]identity.Identity, len(rows)), make([]any, len(rows))
	for i, r := range rows {
		ids[i], names[i] = r.identity(), bun.Tuple([]string{r.AppID, r.OpenID})
	}
	var known []tieRow
	err = in.NewSelect().Model(&known).Where("k.app = ?", app).Where("(k.app_id, k.openid) in (values ?)", bun.List(names)).
		OrderExpr("k.app_id, k.openid").Scan(ctx)
	if err != nil {
		return nil, nil, failed(err, "read what app %s knows of a person", app)
	}
	ties := make([]identity.Tie, len(known))
	for i, r := range known {
		ties[i] = r.tie()
	}
	return ids, ties, nil
}

// NamesOf are the names of a user of an app (ports.Identities).
func (s *Store) NamesOf(ctx context.Context, app, userID string) ([]identity.Name, error) {
	var rows []tieRow
	if err := s.read.NewSelect().Model(&rows).Where("app = ? and user_id = ?", app, userID).Where("user_id <> ''").OrderExpr("app_id, openid").Scan(ctx); err != nil {
		return nil, failed(err, "look up a user of app %s", app)
	}
	names := make([]identity.Name, len(rows))
	for i, r := range rows {
		names[i] = r.tie().Name
	}
	return names, nil
}

// PutTie writes what an app knows of an identity (ports.IdentityTx).
func (t *tx) PutTie(ctx context.Context, k identity.Tie, now time.Time) error {
	row := tieRow{App: k.App, AppID: k.AppID, OpenID: k.OpenID, UserID: k.UserID, Verified: k.Verified, CreatedAt: micros(now)}
	_, err := t.tx.NewInsert().Model(&row).On("conflict (app, app_id, openid) do update").
		Set("user_id = case when excluded.user_id = '' then k.user_id else excluded.user_id end").
		Set("verified = k.verified or excluded.verified").Exec(ctx)
	if err != nil {
		return failed(err, "write what app %s knows of an identity", k.App)
	}
	return nil
}

// sessionRow is a payer's session.
type sessionRow struct {
	bun.BaseModel `bun:"table:sessions,alias:s"`

	Hash      string
	App       string
	Entry     string
	AppID     string
	OpenID    string `bun:"openid"`
	CreatedAt int64
	ExpiresAt int64
}

// AddSession keeps a payer's session (ports.IdentityTx).
func (t *tx) AddSession(ctx context.Context, n ports.Session) error {
	row := sessionRow{Hash: n.Hash, App: n.App, Entry: n.Entry, AppID: n.AppID, OpenID: n.OpenID, CreatedAt: micros(n.CreatedAt), ExpiresAt: micros(n.ExpiresAt)}
	if _, err := t.tx.NewInsert().Model(&row).Exec(ctx); err != nil {
		return failed(err, "add a payer's session")
	}
	return nil
}

// Session reads a live session (ports.Identities).
func (s *Store) Session(ctx context.Context, hash string, now time.Time) (ports.Session, error) {
	var r sessionRow
	if err := one(ctx, s.read.NewSelect().Model(&r).Where("hash = ? and expires_at > ?", hash, micros(now)), "a payer's session"); err != nil {
		return ports.Session{}, err
	}
	return ports.Session{
		Hash: r.Hash, App: r.App, Entry: r.Entry, Name: identity.Name{AppID: r.AppID, OpenID: r.OpenID},
		CreatedAt: fromMicros(r.CreatedAt), ExpiresAt: fromMicros(r.ExpiresAt),
	}, nil
}

// EndSession forgets a session (ports.Identities).
func (s *Store) EndSession(ctx context.Context, hash string) error {
	if _, err := s.db.NewDelete().Table("sessions").Where("hash = ?", hash).Exec(ctx); err != nil {
		return failed(err, "end a payer's session")
	}
	return nil
}

// PayerOrders lists a payer's orders (ports.Identities).
func (s *Store) PayerOrders(ctx context.Context, p identity.Payer, cursor string, limit int) (ports.OrderPage, error) {
	var page ports.OrderPage
	if len(p.Names) == 0 {
		return page, nil
	}
	called := []string{p.UserID}
	for _, n := range p.Names {
		called = append(called, n.OpenID)
	}
	theirs := s.read.NewSelect().Table("orders").Column("number").Where("app = ? and payer = ? and payer_id <> ''", p.App, string(pay.PayerNamed)).
		Where("payer_id in ?", bun.Tuple(called))
	for _, n := range p.Names { // one arm each: an "or" of them makes SQLite read all payments
		theirs = theirs.Union(s.read.NewSelect().Table("payments").Column("order_number").
			Where("app = ? and openid <> '' and openid = ? and app_id = ?", p.App, n.OpenID, n.AppID))
	}
	var found []orderRow
	sel := s.read.NewSelect().Model(&found).Where("app = ?", p.App).Where("number in (?)", theirs).
		OrderExpr("created_at desc, number desc").Limit(int64(limit) + 1)
	if cursor != "" {
		at, number, err := parseCursor(cursor)
		if err != nil {
			return page, err
		}
		sel = sel.Where("(created_at, number) < (?, ?)", at, number)
	}
	if err := sel.Scan(ctx); err != nil {
		return page, failed(err, "list the orders of a payer of %s", p.App)
	}
	if len(found) > limit {
		found = found[:limit]
		last := found[limit-1]
		page.Next = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", last.CreatedAt, last.Number))
	}
	for _, r := range found {
		o, err := r.order()
		if err != nil {
			return page, err
		}
		page.Orders = append(page.Orders, o)
	}
	return page, nil
}

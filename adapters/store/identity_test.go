package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

var (
	official = identity.Name{AppID: "wxa", OpenID: "oa-1"}
	second   = identity.Name{AppID: "wxb", OpenID: "ob-1"}
	mini     = identity.Name{AppID: "wxm", OpenID: "om-1"}
)

// signIn is what the gateway does when WeChat names somebody who came through an app.
func signIn(ctx context.Context, s *Store, app string, seen identity.Seen, fresh string) (divided []string, err error) {
	err = ports.ErrMoved
	for errors.Is(err, ports.ErrMoved) {
		err = s.Tx(ctx, func(tx ports.Tx) error {
			was, err := tx.LockIdentity(ctx, seen.Name, seen.UnionID)
			if err != nil {
				return err
			}
			if divided, err = tx.SignIn(ctx, identity.Meet(seen, was, fresh), was, at); err != nil {
				return err
			}
			return tx.PutTie(ctx, identity.Tie{App: app, Name: seen.Name, Verified: true}, at)
		})
	}
	return divided, err
}

// came signs somebody in; a name's own openid serves as the id of a person who is new.
func came(t *testing.T, s *Store, app string, n identity.Name, unionID string) (divided []string) {
	t.Helper()
	divided, err := signIn(t.Context(), s, app, identity.Seen{Name: n, UnionID: unionID}, "p-"+n.OpenID)
	if err != nil {
		t.Fatal(err)
	}
	return divided
}

func called(t *testing.T, s *Store, app string, n identity.Name, user string) {
	t.Helper()
	if err := s.Tx(t.Context(), func(tx ports.Tx) error {
		return tx.PutTie(t.Context(), identity.Tie{App: app, Name: n, UserID: user}, at)
	}); err != nil {
		t.Fatal(err)
	}
}

func seenBy(t *testing.T, s *Store, app string, n identity.Name) identity.Payer {
	t.Helper()
	ids, ties, err := s.Payer(t.Context(), app, n)
	if err != nil {
		t.Fatal(err)
	}
	var locked identity.Payer
	if err := s.Tx(t.Context(), func(tx ports.Tx) error {
		ids, ties, err := tx.LockPayer(t.Context(), app, n)
		locked = identity.View(app, n, ids, ties)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	p := identity.View(app, n, ids, ties)
	if !reflect.DeepEqual(p, locked) {
		t.Errorf("read under locks the payer is %+v, without %+v", locked, p)
	}
	return p
}

func wantNames(t *testing.T, p identity.Payer, want ...identity.Name) {
	t.Helper()
	if !slices.Equal(p.Names, want) {
		t.Errorf("app %s sees %v, want %v", p.App, p.Names, want)
	}
}

func TestAUnionIDThatAppearsLaterMergesTwoPersons(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		came(t, s, "clinic", official, "")
		came(t, s, "clinic", mini, "u")
		came(t, s, "clinic", second, "u")
		wantNames(t, seenBy(t, s, "clinic", official), official)
		wantNames(t, seenBy(t, s, "clinic", mini), second, mini)
		o, p := orderBy(t, s, "clinic", official)
		other, _ := orderBy(t, s, "clinic", mini)

		came(t, s, "clinic", official, "u")
		for _, n := range []identity.Name{official, mini, second} {
			who := seenBy(t, s, "clinic", n)
			wantNames(t, who, official, second, mini)
			wantOrders(t, s, who, other.Number, o.Number) // no payment is lost
		}
		wantRows(t, s, pay.Rows{Order: o, Payments: []pay.Payment{p}})

		came(t, s, "clinic", official, "") // not told this time
		wantNames(t, seenBy(t, s, "clinic", official), official, second, mini)
	})
}

func TestAPersonWhoseUnionIDChangesStaysOne(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		came(t, s, "clinic", official, "u")
		came(t, s, "clinic", mini, "u")
		came(t, s, "clinic", official, "v") // the account moved to another open platform
		came(t, s, "clinic", second, "v")
		wantNames(t, seenBy(t, s, "clinic", mini), official, second, mini)
	})
}

func TestR42_AnAppsWordStaysWithTheApp(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		came(t, s, "clinic", official, "")
		came(t, s, "clinic", mini, "")
		came(t, s, "shop", official, "")
		before := seenBy(t, s, "shop", official)
		called(t, s, "clinic", official, "ann")
		called(t, s, "clinic", mini, "ann")

		wantNames(t, seenBy(t, s, "clinic", official), official, mini)
		if after := seenBy(t, s, "shop", official); !reflect.DeepEqual(after, before) {
			t.Errorf("shop saw %+v, and now %+v", before, after)
		}
		if names, err := s.NamesOf(t.Context(), "shop", "ann"); err != nil || len(names) != 0 {
			t.Errorf("shop finds the clinic's user: %v, %v", names, err)
		}
		names, err := s.NamesOf(t.Context(), "clinic", "ann")
		if err != nil || !slices.Equal(names, []identity.Name{official, mini}) {
			t.Errorf("the clinic's user is %v, %v", names, err)
		}
		if names, err := s.NamesOf(t.Context(), "clinic", ""); err != nil || len(names) != 0 {
			t.Errorf("nobody's name finds %v, %v", names, err)
		}
	})
}

func TestR42_TwoUserIDsOfOneAppStayTwoPayers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		came(t, s, "clinic", official, "")
		came(t, s, "clinic", mini, "u")
		came(t, s, "shop", mini, "u")
		came(t, s, "shop", official, "")
		called(t, s, "clinic", official, "ann")
		called(t, s, "clinic", mini, "joe")
		if divided := came(t, s, "clinic", official, "u"); !slices.Equal(divided, []string{"clinic"}) {
			t.Errorf("divided in %v, want the clinic alone", divided)
		}
		for n, user := range map[identity.Name]string{official: "ann", mini: "joe"} {
			p := seenBy(t, s, "clinic", n)
			wantNames(t, p, n)
			if p.UserID != user || !p.Divided {
				t.Errorf("the clinic sees %+v, want %s, divided", p, user)
			}
		}
		p := seenBy(t, s, "shop", mini)
		wantNames(t, p, official, mini) // what the clinic said moves nothing here
		if p.Divided || p.UserID != "" {
			t.Errorf("shop sees %+v", p)
		}
	})
}

func TestWhoComesAtOnceIsOnePerson(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		const many = 20
		names := make([]identity.Name, many)
		for i := range names {
			names[i] = identity.Name{AppID: fmt.Sprintf("wx%d", i%5), OpenID: fmt.Sprintf("o%d", i%10)} // each comes twice
		}
		errs := atOnce(many, func(i int) error {
			_, err := signIn(t.Context(), replicas[i%2], "clinic", identity.Seen{Name: names[i], UnionID: "u"}, fmt.Sprint("p", i))
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if n := count(t, replicas[0], "select count(distinct person) from identities"); n != 1 {
			t.Errorf("%d persons have one unionid", n)
		}
		if n := count(t, replicas[0], "select count(*) from identities"); n != 10 {
			t.Errorf("%d identities, want 10", n)
		}
	})
}

// One of a person's identities brings another unionid at the very moment in which the person is found to be somebody else's:
// whoever comes by that unionid is one with them.
func TestR42_AUnionIDThatComesDuringAMerge(t *testing.T) {
	t.Parallel()
	o := migrated(t, "postgres")
	one, two := open(t, o), open(t, o)
	x, y := identity.Name{AppID: "wx-x", OpenID: "x"}, identity.Name{AppID: "wx-y", OpenID: "y"}
	in := func(s *Store, n identity.Name, union, fresh string) {
		t.Helper()
		if _, err := signIn(t.Context(), s, "clinic", identity.Seen{Name: n, UnionID: union}, fresh); err != nil {
			t.Error(err)
		}
	}
	in(one, x, "", "p1")
	in(one, y, "", "p1-too")
	exec(t, one, "update identities set person = 'p1'") // as an earlier unionid had it
	in(one, mini, "u", "p2")

	merged := make(chan struct{})
	err := one.Tx(t.Context(), func(tx ports.Tx) error {
		seen := identity.Seen{Name: x, UnionID: "u2"}
		known, err := tx.LockIdentity(t.Context(), x, "u2")
		if err != nil {
			return err
		}
		if _, err := tx.SignIn(t.Context(), identity.Meet(seen, known, "fresh"), known, at); err != nil {
			return err
		}
		go func() { // p1 is p2
			defer close(merged)
			in(two, y, "u", "fresh")
		}()
		for count(t, two, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 0 {
			if err := t.Context().Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	<-merged
	in(one, identity.Name{AppID: "wx-z", OpenID: "z"}, "u2", "fresh-too")
	if n := count(t, one, "select count(distinct person) from identities"); n != 1 {
		t.Errorf("they are %d persons, want 1", n)
	}
}

func TestATieTakesNothingBack(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		came(t, s, "clinic", official, "")
		called(t, s, "clinic", official, "ann") // an app's word: not verified by itself
		came(t, s, "clinic", official, "")      // a sign-in: no user_id
		p := seenBy(t, s, "clinic", official)
		if want := []identity.Tie{{App: "clinic", Name: official, UserID: "ann", Verified: true}}; !reflect.DeepEqual(p.Ties, want) {
			t.Errorf("got %+v, want %+v", p.Ties, want)
		}
		_, _, err := s.Payer(t.Context(), "clinic", mini)
		wantErr(t, "somebody who never came", err, ports.ErrNotFound)
	})
}

func TestSessions(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		want := ports.Session{Hash: "h", App: "clinic", Entry: "account-a", Name: official, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
		if err := replicas[0].Tx(t.Context(), func(tx ports.Tx) error { return tx.AddSession(t.Context(), want) }); err != nil {
			t.Fatal(err)
		}
		got, err := replicas[1].Session(t.Context(), "h", at.Add(time.Hour-1000))
		if err != nil || got != want {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		_, err = replicas[1].Session(t.Context(), "h", at.Add(time.Hour))
		wantErr(t, "over", err, ports.ErrNotFound)
		if err := replicas[1].EndSession(t.Context(), "h"); err != nil {
			t.Fatal(err)
		}
		_, err = replicas[0].Session(t.Context(), "h", at)
		wantErr(t, "ended", err, ports.ErrNotFound)
	})
}

// orderBy is an order that the payer has tried to pay.
func orderBy(t *testing.T, s *Store, app string, n identity.Name) (pay.Order, pay.Payment) {
	t.Helper()
	o := newOrder()
	o.App, o.Payer, o.PayerID, o.CreatedAt = app, pay.PayerFirst, "", at.Add(time.Duration(drawn.Add(1))*time.Second)
	o = addOrder(t, s, o)
	p := newPayment(o)
	p.Route.AppID, p.Content.OpenID = n.AppID, n.OpenID
	addPayment(t, s, p)
	return o, p
}

func wantOrders(t *testing.T, s *Store, p identity.Payer, want ...string) {
	t.Helper()
	var got []string
	for cursor := ""; ; {
		page, err := s.PayerOrders(t.Context(), p, cursor, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Orders {
			got = append(got, o.Number)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("app %s lists %v, want %v", p.App, got, want)
	}
}

func TestPayerOrdersAreThePayersOwnInOneApp(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		mine, _ := orderBy(t, s, "clinic", official)
		orderBy(t, s, "shop", official)
		orderBy(t, s, "clinic", identity.Name{AppID: "wxa", OpenID: "oa-2"})
		orderBy(t, s, "clinic", identity.Name{AppID: "wxz", OpenID: official.OpenID}) // the same letters of another app id
		addOrder(t, s, newOrder())                                                    // names openid-1
		named := newOrder()
		named.PayerID, named.CreatedAt = "ann", at.Add(time.Hour*24*365)
		addOrder(t, s, named)
		anyone := newOrder()
		anyone.Payer, anyone.PayerID = pay.PayerAnyone, ""
		addOrder(t, s, anyone)

		wantOrders(t, s, identity.Payer{App: "clinic", UserID: "ann", Names: []identity.Name{official, mini}}, named.Number, mine.Number)
		wantOrders(t, s, identity.Payer{App: "clinic", Names: []identity.Name{official}}, mine.Number)
		wantOrders(t, s, identity.Payer{App: "clinic", Names: []identity.Name{mini}})
		wantOrders(t, s, identity.Payer{App: "clinic", UserID: "ann"}) // nobody
		_, err := s.PayerOrders(t.Context(), identity.Payer{App: "clinic", Names: []identity.Name{mini}}, "?", 1)
		wantErr(t, "a cursor of nobody's", err, ports.ErrCursor)
	})
}

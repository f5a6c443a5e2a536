package store

import (
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybridge/paybridge/ports"
)

func token(hash string) ports.Token {
	return ports.Token{Hash: hash, Kind: ports.TokenOAuthState, Holder: "browser", Content: []byte(`{"app":"clinic"}`), CreatedAt: at, ExpiresAt: at.Add(time.Minute)}
}

func TestR43_ATokenCountsOnce(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		if err := errors.Join(replicas[0].AddToken(t.Context(), token("t")), replicas[0].AddToken(t.Context(), token("late"))); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			name, hash, holder string
			kind               ports.TokenKind
			after              time.Duration
			want               error
		}{
			{name: "forged", hash: "x", holder: "browser", kind: ports.TokenOAuthState, want: ports.ErrNotFound},
			{name: "of another browser", hash: "t", holder: "another", kind: ports.TokenOAuthState, want: ports.ErrNotFound},
			{name: "of another kind", hash: "t", holder: "browser", kind: ports.TokenEnter, want: ports.ErrNotFound},
			{name: "too late", hash: "late", holder: "browser", kind: ports.TokenOAuthState, after: time.Minute, want: ports.ErrTokenExpired},
			{name: "in time", hash: "t", holder: "browser", kind: ports.TokenOAuthState, after: time.Minute - 1000},
			{name: "again", hash: "t", holder: "browser", kind: ports.TokenOAuthState, want: ports.ErrTokenUsed},
		} {
			got, err := replicas[1].UseToken(t.Context(), row.kind, row.hash, row.holder, at.Add(row.after))
			if row.want != nil {
				wantErr(t, row.name, err, row.want)
			} else if want := token("t"); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %+v, %v\nwant %+v", row.name, got, err, want)
			}
		}
	})
}

func TestR43_ATokenCountsOnceAtOnce(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		if err := replicas[0].AddToken(t.Context(), token("t")); err != nil {
			t.Fatal(err)
		}
		var used atomic.Int32
		for _, err := range atOnce(30, func(i int) error {
			_, err := replicas[i%2].UseToken(t.Context(), ports.TokenOAuthState, "t", "browser", at)
			if err == nil {
				used.Add(1)
			}
			return err
		}) {
			if err != nil && !errors.Is(err, ports.ErrTokenUsed) {
				t.Error(err)
			}
		}
		if used.Load() != 1 {
			t.Errorf("it was used %d times", used.Load())
		}
	})
}

// The first who comes with a ticket owns it, and gets it again for a while; to others there is none.
func TestR43_ATicketHasOneOwner(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		ticket := func(hash string) ports.Token {
			return ports.Token{Hash: hash, Kind: ports.TokenTicket, Content: []byte(`{}`), CreatedAt: at, ExpiresAt: at.Add(10 * time.Minute)}
		}
		if err := errors.Join(replicas[0].AddToken(t.Context(), ticket("t")), replicas[0].AddToken(t.Context(), ticket("late"))); err != nil {
			t.Fatal(err)
		}
		const again = time.Minute
		last := 10*time.Minute - time.Second
		for i, row := range []struct {
			name, hash, holder string
			after              time.Duration
			want               error
		}{
			{"forged", "x", "ann", 0, ports.ErrNotFound},
			{"too late", "late", "ann", 10 * time.Minute, ports.ErrTokenExpired},
			{"the first", "t", "ann", last, nil},
			{"another", "t", "bob", last, ports.ErrNotFound},
			{"the first again, when it would have expired", "t", "ann", last + again - time.Second, nil},
			{"the first, later", "t", "ann", last + again, ports.ErrTokenExpired},
			{"another, later", "t", "bob", last + again, ports.ErrNotFound},
		} {
			err := replicas[i%2].OwnToken(t.Context(), ports.TokenTicket, row.hash, row.holder, []byte("of "+row.name), again, at.Add(row.after))
			wantErr(t, row.name, err, row.want)
		}
		got, err := replicas[1].Token(t.Context(), ports.TokenTicket, "t")
		if err != nil || got.Holder != "ann" || string(got.Content) != "of the first again, when it would have expired" {
			t.Errorf("it reads %+v, %v", got, err)
		}
		_, err = replicas[1].Token(t.Context(), ports.TokenEnter, "t")
		wantErr(t, "read as another kind", err, ports.ErrNotFound)
	})
}

func TestR43_ATicketIsTakenByOneAtOnce(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		ticket := ports.Token{Hash: "t", Kind: ports.TokenTicket, Content: []byte(`{}`), CreatedAt: at, ExpiresAt: at.Add(time.Minute)}
		if err := replicas[0].AddToken(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		var owners atomic.Int32
		for _, err := range atOnce(20, func(i int) error {
			err := replicas[i%2].OwnToken(t.Context(), ports.TokenTicket, "t", string(rune('a'+i)), []byte(`{}`), time.Minute, at)
			if err == nil {
				owners.Add(1)
			}
			return err
		}) {
			if err != nil && !errors.Is(err, ports.ErrNotFound) {
				t.Error(err)
			}
		}
		if owners.Load() != 1 {
			t.Errorf("it has %d owners", owners.Load())
		}
	})
}

func TestTokensThatAreLongOverGo(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if err := s.AddToken(t.Context(), token("old")); err != nil {
			t.Fatal(err)
		}
		n := ports.Session{Hash: "old", App: "clinic", Entry: "a", Name: official, CreatedAt: at, ExpiresAt: at}
		if err := s.Tx(t.Context(), func(tx ports.Tx) error { return tx.AddSession(t.Context(), n) }); err != nil {
			t.Fatal(err)
		}
		next := token("next")
		next.CreatedAt, next.ExpiresAt = at.Add(25*time.Hour), at.Add(26*time.Hour)
		if err := s.AddToken(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if tokens, sessions := count(t, s, "select count(*) from tokens"), count(t, s, "select count(*) from sessions"); tokens != 1 || sessions != 0 {
			t.Errorf("%d tokens and %d sessions are left, want the new token alone", tokens, sessions)
		}
	})
}

func TestAppTokensHaveOneRefresher(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		ctx := t.Context()
		var first int64
		var got atomic.Int32
		if err := errors.Join(atOnce(20, func(i int) error {
			claim, ok, err := replicas[i%2].ClaimAppToken(ctx, ports.AccessToken, "wxa", time.Minute)
			if ok {
				first = claim
				got.Add(1)
			}
			return err
		})...); err != nil || got.Load() != 1 {
			t.Fatalf("%d have the claim, %v", got.Load(), err)
		}
		if _, ok, err := replicas[1].ClaimAppToken(ctx, ports.JSAPITicket, "wxa", time.Minute); err != nil || !ok {
			t.Errorf("the ticket waits for the access token's claim: %v, %v", ok, err)
		}
		want := ports.AppToken{Token: "secret-token", ExpiresAt: at.Add(2 * time.Hour)}
		if err := replicas[0].PutAppToken(ctx, ports.AccessToken, "wxa", first, want); err != nil {
			t.Fatal(err)
		}
		if err := replicas[0].PutAppToken(ctx, ports.AccessToken, "wxa", first, ports.AppToken{Token: "late"}); err != nil {
			t.Fatal(err)
		}
		if a, err := replicas[1].AppToken(ctx, ports.AccessToken, "wxa"); err != nil || a != want {
			t.Errorf("got %+v, %v, want %+v", a, err, want)
		}
		if a, err := replicas[1].AppToken(ctx, ports.AccessToken, "wxb"); err != nil || a != (ports.AppToken{}) {
			t.Errorf("another app id has %+v, %v", a, err)
		}
		claim, ok, err := replicas[1].ClaimAppToken(ctx, ports.AccessToken, "wxa", -time.Minute) // one that died
		if err != nil || !ok {
			t.Fatalf("after the put: %v, %v", ok, err)
		}
		if _, ok, err := replicas[0].ClaimAppToken(ctx, ports.AccessToken, "wxa", time.Minute); err != nil || !ok {
			t.Errorf("a dead claim is never over: %v, %v", ok, err)
		}
		if err := replicas[1].PutAppToken(ctx, ports.AccessToken, "wxa", claim, ports.AppToken{Token: "late"}); err != nil {
			t.Fatal(err)
		}
		if a, err := replicas[0].AppToken(ctx, ports.AccessToken, "wxa"); err != nil || a != want {
			t.Errorf("a claim that ran out wrote %+v, %v", a, err)
		}
	})
}

func TestR45_TokensAreInNoPlainColumn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		keepSecrets(t, s)
		for _, column := range textColumns(t, s) {
			if n := count(t, s, "select count(*) from "+column.table+" where "+column.name+" like '%"+kept+"%'"); n != 0 {
				t.Errorf("%s.%s has the secret in plain", column.table, column.name)
			}
		}
	})
}

// kept is what keepSecrets has the store keep in each place of this file that is sealed.
const kept = "VERYSECRET"

func keepSecrets(t *testing.T, s *Store) {
	t.Helper()
	tok := token("kept")
	tok.Content = []byte(kept)
	if err := s.AddToken(t.Context(), tok); err != nil {
		t.Fatal(err)
	}
	claim, ok, err := s.ClaimAppToken(t.Context(), ports.AccessToken, "wxa", time.Minute)
	if err != nil || !ok {
		t.Fatalf("claim: %v, %v", ok, err)
	}
	if err := s.PutAppToken(t.Context(), ports.AccessToken, "wxa", claim, ports.AppToken{Token: kept, ExpiresAt: at}); err != nil {
		t.Fatal(err)
	}
}

func wantSecrets(t *testing.T, s *Store) {
	t.Helper()
	if a, err := s.AppToken(t.Context(), ports.AccessToken, "wxa"); err != nil || a.Token != kept {
		t.Errorf("the access token is %q, %v", a.Token, err)
	}
	if used, err := s.UseToken(t.Context(), ports.TokenOAuthState, "kept", "browser", at); err != nil || string(used.Content) != kept {
		t.Errorf("the one-time token's content is %q, %v", used.Content, err)
	}
}

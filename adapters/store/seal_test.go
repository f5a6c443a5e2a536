package store

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestSealedOpensOnlyWhereItWasSealed(t *testing.T) {
	t.Parallel()
	old := keyring("k1")
	sealed, err := old.seal([]byte("text"), "provider_state 1")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := NewKeyring(Key{ID: "k1", Key: bytes.Repeat([]byte("x"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	damaged := sealed[:len(sealed)-6] + "AAAAA="
	for _, row := range []struct {
		name   string
		keys   *Keyring
		sealed string
		about  string
		want   string // in the error; empty: it opens
	}{
		{"its key, its place", old, sealed, "provider_state 1", ""},
		{"rotated, the old key kept", keyring("k2", "k1"), sealed, "provider_state 1", ""},
		{"another row", old, sealed, "provider_state 2", "damaged"},
		{"another column", old, sealed, "inbox.body 1", "damaged"},
		{"the key is gone", keyring("k2"), sealed, "provider_state 1", `key "k1", which is not configured`},
		{"other bytes under the key's id", foreign, sealed, "provider_state 1", "other bytes"},
		{"damaged", old, damaged, "provider_state 1", "damaged"},
		{"not sealed at all", old, "plain", "provider_state 1", "not configured"},
		{"cut", old, "k1:AAAA", "provider_state 1", "damaged"},
		{"not base64", old, "k1:!", "provider_state 1", "damaged"},
	} {
		text, err := row.keys.open(row.sealed, row.about)
		switch {
		case row.want == "" && (err != nil || string(text) != "text"):
			t.Errorf("%s: %q, %v", row.name, text, err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: error %v, want one that says %q", row.name, err, row.want)
		}
	}
	again, err := old.seal([]byte("text"), "provider_state 1")
	if err != nil || again == sealed {
		t.Errorf("sealed twice, it is the same: %v", err)
	}
	if nothing, err := old.seal(nil, "x"); nothing != "" || err != nil {
		t.Errorf("nothing is sealed to %q, %v", nothing, err)
	}
}

func TestKeyringRefuses(t *testing.T) {
	t.Parallel()
	good := bytes.Repeat([]byte("k"), 32)
	for _, row := range []struct {
		name string
		keys []Key
	}{
		{"no key", nil},
		{"a short key", []Key{{ID: "a", Key: good[:16]}}},
		{"no id", []Key{{Key: good}}},
		{"an id with a colon", []Key{{ID: "a:b", Key: good}}},
		{"an id twice", []Key{{ID: "a", Key: good}, {ID: "a", Key: good}}},
	} {
		if _, err := NewKeyring(row.keys...); err == nil {
			t.Errorf("%s was taken", row.name)
		}
	}
}

func TestResealBringsAllUnderTheCurrentKey(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"sqlite", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			o := migrated(t, driver)
			s := open(t, o)
			var payments []pay.Payment
			var messages []string
			for range 5 {
				p := newPayment(addOrder(t, s, newOrder()))
				p.ProviderState = pay.ProviderState{Version: 1, Data: []byte("state of " + p.Number)}
				p.Content.Details = &pay.Details{Extension: &pay.Extension{Type: "x/v1", JSON: []byte(`{"of":"` + p.Number + `"}`)}}
				addPayment(t, s, p)
				payments = append(payments, p)
				messages = append(messages, receive(t, s, message(number(), ports.VerdictUnmatched)))
			}
			addPayment(t, s, newPayment(addOrder(t, s, newOrder()))) // has none
			keepSecrets(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			o.Keys = keyring("k2", "k1")
			s = open(t, o)
			var told []int64
			if n, err := s.Reseal(t.Context(), func(n int64) { told = append(told, n) }); n != 22 || err != nil || !slices.Equal(told, []int64{5, 10, 15, 20, 21, 22}) {
				t.Errorf("%d values sealed again, %v, told of %v; want 22", n, err, told)
			}
			if n, err := s.Reseal(t.Context(), nil); n != 0 || err != nil {
				t.Errorf("%d values the second time, %v", n, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			o.Keys = keyring("k2") // the old key can go
			s = open(t, o)
			for _, p := range payments {
				if got, err := s.Payment(t.Context(), "", p.Number); err != nil || !bytes.Equal(got.ProviderState.Data, p.ProviderState.Data) {
					t.Errorf("payment %s: %q, %v", p.Number, got.ProviderState.Data, err)
				} else if got.Content.Details == nil || string(got.Content.Details.Extension.JSON) != `{"of":"`+p.Number+`"}` {
					t.Errorf("payment %s: details %+v", p.Number, got.Content.Details)
				}
			}
			wantSecrets(t, s)
			for _, id := range messages {
				if got, err := s.InboxRow(t.Context(), id); err != nil || len(got.Body) == 0 || len(got.Facts) == 0 {
					t.Errorf("message %s: %+v, %v", id, got, err)
				}
			}
		})
	}
}

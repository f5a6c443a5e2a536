package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/ports"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"sqlite", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			s := open(t, empty(t, driver))
			for _, err := range atOnce(4, func(int) error { return s.Migrate(t.Context()) }) {
				if err != nil {
					t.Errorf("four at once: %v", err)
				}
			}
			addOrder(t, s, newOrder())
			if err := s.Migrate(t.Context()); err != nil {
				t.Errorf("again: %v", err)
			}
			if n := count(t, s, "select count(*) from migrations"); n != 1 {
				t.Errorf("%d migrations are recorded, want 1", n)
			}
			exec(t, s, "insert into migrations (name, hash, at) values ('9999_later.sql', '', 0)")
			if err := s.Migrate(t.Context()); err == nil {
				t.Error("a database that a newer version migrated was taken")
			}
			exec(t, s, "delete from migrations where name like '9999%'")
			exec(t, s, "update migrations set hash = 'other'")
			if err := s.Migrate(t.Context()); err == nil {
				t.Error("a migration that was applied with other content was taken")
			}
		})
	}
}

func TestMigrateFromTwoReplicasAtOnce(t *testing.T) {
	t.Parallel()
	o := empty(t, "postgres")
	stores := []*Store{open(t, o), open(t, o)}
	if err := errors.Join(atOnce(2, func(i int) error { return stores[i].Migrate(t.Context()) })...); err != nil {
		t.Error(err)
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"sqlite", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			s := open(t, empty(t, driver))
			for _, when := range []string{"an empty database", "again"} {
				if err := s.Prepare(t.Context(), at); err != nil {
					t.Errorf("%s: %v", when, err)
				}
			}
			p := newPayment(addOrder(t, s, newOrder()))
			addPayment(t, s, p)
			if err := s.Prepare(t.Context(), at.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			_, err := s.Claim(t.Context(), ports.KindPayment, p.Number, hold, at)
			if driver == "sqlite" {
				wantErr(t, "whoever held the claim is dead", err, nil)
				return
			}
			wantErr(t, "another replica may hold the claim", err, ports.ErrClaimed)
			exec(t, s, "delete from migrations")
			exec(t, s, "insert into migrations (name, hash, at) values ('0000_older.sql', '', 0)")
			if err := s.Prepare(t.Context(), at); err == nil || !strings.Contains(err.Error(), "paybridge migrate") {
				t.Errorf("an older version's database: %v", err)
			}
		})
	}
}

package pgtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var template = Template{Migrate: func(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	if _, err = conn.Exec(ctx, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)"); err != nil {
		return err
	}
	return conn.Close(ctx)
}}

func query(t *testing.T, dsn, sql string) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var n int
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func TestEachTestHasItsOwnCopyOfTheTemplate(t *testing.T) {
	t.Parallel()
	first, second := template.DSN(t), template.DSN(t)
	query(t, first, "WITH more AS (INSERT INTO kept VALUES (2) RETURNING n) SELECT n FROM more")
	if n := query(t, first, "SELECT count(*) FROM kept"); n != 2 {
		t.Errorf("the first database has %d rows, want 2", n)
	}
	if n := query(t, second, "SELECT count(*) FROM kept"); n != 1 {
		t.Errorf("the second database has %d rows, want 1: it saw what the first wrote", n)
	}
}

func TestDatabaseIsEmptyAndDroppedAfterItsTest(t *testing.T) {
	t.Parallel()
	server := server(t)
	var name string
	t.Run("uses one", func(t *testing.T) {
		dsn := DSN(t)
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		name = config.Database
		if n := query(t, dsn, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != 0 {
			t.Errorf("%d tables in an empty database", n)
		}
	})
	if n := query(t, server, "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'"); n != 0 {
		t.Errorf("database %s is still there after its test", name)
	}
}

func TestWhatKilledRunsLeftIsDropped(t *testing.T) {
	t.Parallel()
	server := server(t)
	left := prefix + "1000_" + strings.TrimPrefix(newName(), prefix)
	if err := run(server, "CREATE DATABASE "+left); err != nil {
		t.Fatal(err)
	}
	if err := dropAbandoned(server, time.Unix(2000, 0)); err != nil {
		t.Fatal(err)
	}
	if n := query(t, server, "SELECT count(*) FROM pg_database WHERE datname = '"+left+"'"); n != 0 {
		t.Errorf("database %s is still there", left)
	}
}

func TestDatabaseInDSN(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, server, want string }{
		{"url", "postgres://u:p@h:5/postgres?sslmode=disable", "postgres://u:p@h:5/x?sslmode=disable"},
		{"url without a database", "postgresql://u@h", "postgresql://u@h/x"},
		{"keywords", "host=h dbname=postgres", "host=h dbname=postgres dbname=x"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := inDatabase(row.server, "x")
			if got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
			config, err := pgx.ParseConfig(got)
			if err != nil || config.Database != "x" {
				t.Errorf("pgx reads database %q of %s (%v), want x", config.Database, got, err)
			}
		})
	}
}

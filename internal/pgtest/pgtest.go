// Package pgtest gives a test a PostgreSQL database of its own, on the server that
// PAYBRIDGE_TEST_POSTGRES_DSN names. `make test` starts a throw-away one (scripts/with-postgres.sh); without
// the variable a test skips loudly, and under PAYBRIDGE_CI it fails, so that CI cannot pass by skipping.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ServerVariable names the environment variable with the server's DSN, as a URL or as keywords. Its user must
// be allowed to create databases.
const ServerVariable = "PAYBRIDGE_TEST_POSTGRES_DSN"

const (
	prefix    = "paybridge_test_"
	abandoned = time.Hour        // no run of tests takes so long: what is older was left by a killed one
	patience  = 60 * time.Second // for one administrative statement; creating a database waits for a checkpoint
)

// DSN gives t an empty database, dropped when t ends. Use a Template where many tests need the same tables.
func DSN(t testing.TB) string {
	t.Helper()
	return create(t, server(t), "template0")
}

// Template is a database that is migrated once a process and copied for each test, which is much faster than
// migrating each. Declare one a package:
//
//	var database = pgtest.Template{Migrate: store.Migrate}
type Template struct {
	// Migrate makes the tables in the database of the DSN, and closes its connections before it returns:
	// PostgreSQL does not copy a database that somebody uses.
	Migrate func(ctx context.Context, dsn string) error

	once sync.Once
	name string
	err  error
}

// DSN gives t a migrated database of its own, dropped when t ends.
func (tp *Template) DSN(t testing.TB) string {
	t.Helper()
	s := server(t)
	tp.once.Do(func() {
		tp.name = newName()
		if tp.err = run(s, "CREATE DATABASE "+tp.name); tp.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		tp.err = tp.Migrate(ctx, inDatabase(s, tp.name))
	})
	if tp.err != nil {
		t.Fatalf("make the template database %s: %v", tp.name, tp.err)
	}
	return create(t, s, tp.name)
}

var sweep sync.Once

// server is the DSN of the shared server. The first test of a process also drops what killed runs left on it.
func server(t testing.TB) string {
	t.Helper()
	s := os.Getenv(ServerVariable)
	if s == "" {
		const remedy = "no PostgreSQL for this test: run it by `make test`, or name a server in " + ServerVariable
		if os.Getenv("PAYBRIDGE_CI") != "" {
			t.Fatal(remedy)
		}
		t.Skip("SKIPPED, " + remedy)
	}
	sweep.Do(func() {
		if err := dropAbandoned(s, time.Now().Add(-abandoned)); err != nil {
			t.Logf("databases of killed test runs stay: %v", err)
		}
	})
	return s
}

func create(t testing.TB, server, template string) string {
	t.Helper()
	name := newName()
	if err := run(server, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		t.Fatalf("create a database for this test: %v", err)
	}
	t.Cleanup(func() {
		if err := run(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop this test's database: %v", err)
		}
	})
	return inDatabase(server, name)
}

// newName carries the time of its making, by which dropAbandoned knows what nobody uses any more.
func newName() string {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%s%d_%s", prefix, time.Now().Unix(), hex.EncodeToString(random[:]))
}

// madeAt is the time in a name that newName made.
func madeAt(name string) (time.Time, bool) {
	rest, ours := strings.CutPrefix(name, prefix)
	seconds, _, whole := strings.Cut(rest, "_")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	return time.Unix(unix, 0), ours && whole && err == nil
}

func dropAbandoned(server string, before time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE datname LIKE $1", prefix+"%")
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if made, ours := madeAt(name); ours && made.Before(before) {
			// Another process may be sweeping too.
			if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
				return err
			}
		}
	}
	return nil
}

func run(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// inDatabase is the server's DSN with another database. In the keyword form the last word wins.
func inDatabase(server, name string) string {
	if !strings.HasPrefix(server, "postgres://") && !strings.HasPrefix(server, "postgresql://") {
		return server + " dbname=" + name
	}
	u, err := url.Parse(server)
	if err != nil { // pgx has connected with it before
		return server
	}
	u.Path = "/" + name
	return u.String()
}

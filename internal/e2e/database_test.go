package e2e

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/paybridge/paybridge/internal/pgtest"
)

// database is an empty database of one test. Replicas are possible on PostgreSQL only.
type database struct {
	driver string // as the configuration says it: sqlite or postgres
	place  string // SQLite's file or PostgreSQL's DSN
}

// It is on a memory disk where there is one: processes die in these tests, machines do not, and disks differ much in how long
// they take to make a commit last.
func sqlite(t *testing.T) database {
	dir, err := os.MkdirTemp("/dev/shm", "paybridge-e2e-")
	if err != nil {
		return database{"sqlite", filepath.Join(t.TempDir(), "paybridge.sqlite")}
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return database{"sqlite", filepath.Join(dir, "paybridge.sqlite")}
}

func postgres(t *testing.T) database { return database{"postgres", pgtest.DSN(t)} }

// eachDatabase runs a test on SQLite and on PostgreSQL, side by side.
func eachDatabase(t *testing.T, test func(t *testing.T, db database)) {
	t.Helper()
	whole(t)
	for name, make := range map[string]func(*testing.T) database{"SQLite": sqlite, "PostgreSQL": postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make(t))
		})
	}
}

// another is an empty database of the same kind, for a subtest.
func (db database) another(t *testing.T) database {
	t.Helper()
	if db.driver == "sqlite" {
		return sqlite(t)
	}
	return postgres(t)
}

// whole skips where only quick tests are wanted.
func whole(t *testing.T) {
	t.Helper()
	t.Parallel()
	wholeAlone(t)
}

// wholeAlone is whole for a test that runs beside no other, since its own connections to the database go through this process.
func wholeAlone(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real processes and waits for due times; run without -short")
	}
}

// open connects beside the gateway, for what the API does not tell. The caller closes it: a test may ask hundreds of
// times.
func (db database) open(t *testing.T) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", db.place
	if db.driver == "sqlite" {
		driver, dsn = "sqlite", "file:"+url.PathEscape(db.place)+"?_pragma=busy_timeout(5000)"
	}
	conn, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatalf("open the database: %v", err)
	}
	return conn
}

// count is the one number that a query gives.
func (db database) count(t *testing.T, query string) (n int) {
	t.Helper()
	conn := db.open(t)
	defer func() { _ = conn.Close() }()
	if err := conn.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// exec changes rows behind the gateway's back, as a restored backup does.
func (db database) exec(t *testing.T, statement string) {
	t.Helper()
	conn := db.open(t)
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

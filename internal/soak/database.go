package soak

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// database is what the gateways keep their rows in, seen from beside them.
type database struct {
	*sql.DB
	server string // PostgreSQL's; empty: SQLite
	place  string // SQLite's file or PostgreSQL's URL
}

func openDatabase(ctx context.Context, o Options) (*database, error) {
	d := &database{server: o.Postgres, place: filepath.Join(o.Dir, "paybridge.sqlite")}
	if d.server == "" {
		var err error
		d.DB, err = sql.Open("sqlite", "file:"+url.PathEscape(d.place)+"?_pragma=busy_timeout(20000)")
		return d, err
	}
	at, err := url.Parse(d.server)
	if err != nil || at.Scheme == "" {
		return nil, errors.New("--postgres must name a URL, postgres://…")
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	at.Path = "/paybridge_soak_" + hex.EncodeToString(random[:])
	d.place = at.String()
	if err := d.administer(ctx, "CREATE DATABASE "+at.Path[1:]); err != nil {
		return nil, fmt.Errorf("create a database: %w", err)
	}
	d.DB, err = sql.Open("pgx", d.place)
	return d, err
}

func (d *database) administer(ctx context.Context, statement string) error {
	conn, err := sql.Open("pgx", d.server)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, statement)
	return errors.Join(err, conn.Close())
}

// environment tells a gateway to use it.
func (d *database) environment() []string {
	if d.server == "" {
		return []string{"PAYBRIDGE_STORE__DRIVER=sqlite", "PAYBRIDGE_STORE__PATH=" + d.place}
	}
	return []string{"PAYBRIDGE_STORE__DRIVER=postgres", "PAYBRIDGE_STORE__DSN=env:SOAK_DSN", "SOAK_DSN=" + d.place}
}

// cut ends every connection of others to it.
func (d *database) cut(ctx context.Context) error {
	_, err := d.ExecContext(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	return err
}

// list is the first column of a query's rows, as text.
func (d *database) list(ctx context.Context, query string) (found []string, err error) {
	rows, err := d.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		found = append(found, text)
	}
	return found, rows.Err()
}

// drop removes PostgreSQL's database; SQLite's goes with the folder.
func (d *database) drop(ctx context.Context) error {
	err := d.Close()
	if d.server == "" {
		return err
	}
	at, _ := url.Parse(d.place) // made here
	return errors.Join(err, d.administer(ctx, "DROP DATABASE IF EXISTS "+at.Path[1:]+" WITH (FORCE)"))
}

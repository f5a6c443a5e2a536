package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/paybridge/paybridge/adapters/store"
)

const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

// database is an empty database of one gateway.
type database struct {
	name   string // of its files
	driver string
	place  string // SQLite's file or PostgreSQL's DSN
}

// newDatabase makes one; drop removes PostgreSQL's again, SQLite's goes with the folder.
func (b *bench) newDatabase(ctx context.Context, driver, name string) (database, error) {
	db := database{driver + "-" + name, driver, filepath.Join(b.dir, driver+"-"+name+".sqlite")}
	if driver == sqlite {
		return db, nil
	}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return db, err
	}
	server, err := url.Parse(os.Getenv(serverVariable))
	if err != nil || server.Scheme == "" {
		return db, fmt.Errorf("%s must be a URL, postgres://…", serverVariable)
	}
	server.Path = "/paybridge_bench_" + hex.EncodeToString(random[:])
	db.place = server.String()
	return db, administer(ctx, "CREATE DATABASE "+server.Path[1:])
}

func (db database) drop(ctx context.Context) error {
	if db.driver == sqlite {
		return nil
	}
	u, err := url.Parse(db.place)
	if err != nil {
		return err
	}
	return administer(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+u.Path[1:]+" WITH (FORCE)")
}

func administer(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, os.Getenv(serverVariable))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// environment tells a gateway to use it.
func (db database) environment() []string {
	if db.driver == sqlite {
		return []string{"PAYBRIDGE_STORE__PATH=" + db.place}
	}
	return []string{"PAYBRIDGE_STORE__DRIVER=postgres", "PAYBRIDGE_STORE__DSN=env:BENCH_DSN", "BENCH_DSN=" + db.place}
}

// connect opens it as the gateway does, with the same driver and settings. A SQLite file must not be in use.
func (db database) connect(ctx context.Context) (*bun.DB, *store.Store, error) {
	s, err := store.Open(ctx, store.Options{Driver: db.driver, DSN: db.place})
	if err != nil {
		return nil, nil, err
	}
	if db.driver == sqlite {
		return bun.NewDB(s.DB(), sqlitedialect.New()), s, nil
	}
	return bun.NewDB(s.DB(), pgdialect.New()), s, nil
}

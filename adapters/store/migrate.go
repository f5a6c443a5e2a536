package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationLock is the advisory lock that one migration at a time holds on PostgreSQL, for the transaction alone.
const migrationLock = 0x70617962 // "payb"

// Migrate applies the migrations that this database has not seen, each in a transaction of its own with its record. It
// goes forward only, and refuses a database that a newer version has migrated or whose past migrations differ.
func (s *Store) Migrate(ctx context.Context) error {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return err
	}
	for _, path := range names {
		name := strings.TrimPrefix(path, "migrations/")
		text, err := migrationFiles.ReadFile(path)
		if err != nil {
			return err
		}
		if err := s.migrateOne(ctx, name, string(text)); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
	}
	return s.refuseNewer(ctx, names[len(names)-1])
}

func (s *Store) migrateOne(ctx context.Context, name, text string) error {
	sum := sha256.Sum256([]byte(text))
	hash := hex.EncodeToString(sum[:])
	return s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if s.postgres {
			if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(?)", migrationLock); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "create table if not exists migrations (name text primary key, hash text not null, at bigint not null)"); err != nil {
			return err
		}
		var before []string
		if err := tx.NewSelect().Table("migrations").Column("hash").Where("name = ?", name).Scan(ctx, &before); err != nil {
			return err
		}
		if len(before) > 0 {
			if before[0] != hash {
				return errors.New("it was applied with other content: a build that was never released made this database. Give the gateway a new one (for paybridge dev: delete its folder)")
			}
			return nil
		}
		serial := "integer primary key autoincrement"
		if s.postgres {
			serial = "bigint generated always as identity primary key"
		}
		if _, err := tx.ExecContext(ctx, strings.ReplaceAll(text, " SERIAL,", " "+serial+",")); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "insert into migrations (name, hash, at) values (?, ?, ?)", name, hash, micros(time.Now()))
		return err
	})
}

func (s *Store) refuseNewer(ctx context.Context, last string) error {
	var newest string
	if err := s.db.NewSelect().Table("migrations").ColumnExpr("max(name)").Scan(ctx, &newest); err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if newest > strings.TrimPrefix(last, "migrations/") {
		return fmt.Errorf("a newer version has migrated this database (%s); run that version", newest)
	}
	return nil
}

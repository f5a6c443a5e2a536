package store

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// Prepare makes the database ready for a gateway to serve from. SQLite's, and an empty one, is migrated. A PostgreSQL
// database of an older version is refused: other replicas may serve from it, so that `paybridge migrate` has to look
// for them first.
func (s *Store) Prepare(ctx context.Context, now time.Time) error {
	if s.postgres {
		missing, err := s.missing(ctx)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			return fmt.Errorf("the database lacks %s: stop all gateways and run paybridge migrate", strings.Join(missing, ", "))
		}
	}
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	if s.postgres {
		return nil
	}
	if err := s.analyze(ctx); err != nil {
		return err
	}
	return s.forgetClaims(ctx, now)
}

// analyze lets SQLite look at tables that have grown much since it looked last: without, it guesses which index is best.
// PostgreSQL does that by itself.
func (s *Store) analyze(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, "pragma optimize = 0x10002"); err != nil {
		return fmt.Errorf("analyze the database: %w", err)
	}
	return nil
}

// missing is the migrations that a database which has seen some has not seen yet.
func (s *Store) missing(ctx context.Context) ([]string, error) {
	var there bool
	if err := s.db.NewSelect().ColumnExpr("to_regclass('migrations') is not null").Scan(ctx, &there); err != nil || !there {
		return nil, err
	}
	var seen []string
	if err := s.db.NewSelect().Table("migrations").Column("name").Scan(ctx, &seen); err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	paths, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		return slices.Contains(seen, strings.TrimPrefix(path, "migrations/"))
	}), nil
}

// forgetClaims makes everything that was claimed due now. The file is this process's alone, so whoever held a claim is
// dead, and need not be waited for.
func (s *Store) forgetClaims(ctx context.Context, now time.Time) error {
	return s.db.RunInTx(ctx, nil, func(ctx context.Context, t bun.Tx) error {
		for kind, of := range claimables {
			if _, err := t.NewUpdate().Table(of.table).Set("claimed_until = null, due = ?", micros(now)).Where("claimed_until is not null").Exec(ctx); err != nil {
				return fmt.Errorf("forget the claims of %ss: %w", kind, err)
			}
		}
		return nil
	})
}

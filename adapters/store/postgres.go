package store

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

const (
	// connections of one replica. Each holds a transaction for a few round trips, never for a provider's call.
	connections = 24
	// silence is how long a database host may not acknowledge what was sent before its connection is given up.
	silence = 2 * time.Second
	// greeting is how long one that is there may take until it has let us in: a host under load is slow to prove itself.
	greeting = 5 * time.Second
)

// openPostgres opens a pool. What bun writes goes by the simple protocol: it has its values in its text, so a statement
// cache would never hit. Statements (statement.go) are prepared, unless the DSN has another default_query_exec_mode than
// cache_statement: a pooler between transactions may not know them.
func (s *Store) openPostgres(ctx context.Context, dsn string) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("the PostgreSQL DSN cannot be read") // the error of pgx may show its password
	}
	var how []any
	if cfg.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		how = []any{pgx.QueryExecModeCacheStatement}
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = greeting
	}
	dialer := net.Dialer{Timeout: silence, KeepAlive: 10 * time.Second, Control: giveUpAfter(silence)}
	cfg.DialFunc = dialer.DialContext
	newest := &newestPrimary{}
	newest.guard(ctx, cfg)
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxLifetime(30 * time.Minute)
	s.db = bun.NewDB(pool, pgdialect.New())
	s.read, s.postgres = s.db, true
	s.writes = &statements{db: pool, pgx: how}
	s.reads = s.writes
	if err := pool.PingContext(ctx); err != nil {
		return fmt.Errorf("PostgreSQL at %s:%d, database %s, does not answer: %w", cfg.Host, cfg.Port, cfg.Database, err)
	}
	return nil
}

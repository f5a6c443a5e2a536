package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/ports"
)

// Options is what a store is opened with.
type Options struct {
	Driver string // sqlite or postgres
	DSN    string // PostgreSQL's; SQLite's file
	Keys   *Keyring
	// Span begins a part of a trace; nil: nobody traces.
	Span func(ctx context.Context, name string) (inside context.Context, end func(error))
}

// Store is ports.Store on one database.
type Store struct {
	db       *bun.DB // all writes; SQLite's has one connection
	read     *bun.DB // reads outside of transactions
	postgres bool
	writes   *statements // on db
	reads    *statements // on read
	keys     *Keyring
	lock     *os.File // SQLite's, against a second process

	span func(ctx context.Context, name string) (inside context.Context, end func(error)) // nil: nobody traces

	replica string // this process, among those that use a PostgreSQL database
	stop    context.CancelFunc
	beating sync.WaitGroup
}

var _ ports.Store = (*Store)(nil)

// Open opens a database. SQLite's file is locked for this process alone.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{keys: o.Keys, span: o.Span}
	var err error
	switch o.Driver {
	case "sqlite":
		err = s.openSQLite(ctx, o.DSN)
	case "postgres":
		err = s.openPostgres(ctx, o.DSN)
	default:
		err = fmt.Errorf("store driver %q is neither sqlite nor postgres", o.Driver)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.replica = hex.EncodeToString(id[:])
	return s, nil
}

// Close ends all connections and lets go of SQLite's file.
func (s *Store) Close() error {
	if s.stop != nil {
		s.stop()
		s.beating.Wait()
	}
	var errs []error
	if s.read != nil && s.read != s.db {
		errs = append(errs, s.read.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Ready fails when the database does not answer.
func (s *Store) Ready(ctx context.Context) error { return s.read.PingContext(ctx) }

// DB is the connection pool, for its metrics.
func (s *Store) DB() *sql.DB { return s.db.DB }

// turns is how often a transaction that lost against another is run.
const turns = 3

// Tx runs f in one transaction (ports.Store). f is run again when the database ended the transaction in favour of
// another: nothing of it was committed.
func (s *Store) Tx(ctx context.Context, f func(ports.Tx) error) (err error) {
	if s.span != nil {
		var end func(error)
		ctx, end = s.span(ctx, "store transaction")
		defer func() { end(err) }()
	}
	for range turns {
		if err = s.txOnce(ctx, f); !again(err) {
			return err
		}
	}
	return err
}

// begin begins a transaction. A pooled connection that was cut off is found out only here, and nothing was done on it yet:
// the next one is tried, until one is new. A new one that cannot be made says that the database is away.
func (s *Store) begin(ctx context.Context) (t bun.Tx, err error) {
	for range connections + 1 {
		var connect *pgconn.ConnectError
		if t, err = s.db.BeginTx(ctx, nil); err == nil || ctx.Err() != nil || errors.As(err, &connect) || !isAway(err) {
			return t, err
		}
	}
	return t, err
}

func (s *Store) txOnce(ctx context.Context, f func(ports.Tx) error) error {
	t, err := s.begin(ctx)
	if err != nil {
		return failed(err, "begin")
	}
	defer func() { _ = t.Rollback() }() // after a commit it is nothing; after a panic it gives the connection back
	in := &tx{s: s, tx: t, seq: map[string]int64{}}
	if err := f(in); err != nil {
		if undone := rolledBack(t.Rollback()); undone != nil {
			return errors.Join(err, undone)
		}
		return err
	}
	if err := ctx.Err(); err != nil { // COMMIT would fail without being sent, and look like one whose answer was lost
		return errors.Join(fmt.Errorf("before commit: %w", err), rolledBack(t.Rollback()))
	}
	if err := t.Commit(); err != nil {
		return s.uncommitted(err)
	}
	if len(in.unprepared) > 0 {
		s.writes.learn(ctx, in.unprepared...)
	}
	return nil
}

// rolledBack leaves out what only says that the transaction has ended already.
func rolledBack(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// uncommitted tells a COMMIT that the database refused from one whose answer was lost: the latter may have come into
// effect.
func (s *Store) uncommitted(err error) error {
	var refused *pgconn.PgError
	if !s.postgres || (errors.As(err, &refused) && refused.Code[:2] != "57") {
		return fmt.Errorf("commit: %w", err)
	}
	return fmt.Errorf("commit: %w: %w", err, ports.ErrCommitUnknown)
}

// postgresNow is the database's clock in microseconds.
const postgresNow = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"

// beat is how often a replica says that it lives; three missed ones and it does not.
const beat = 5 * time.Second

// Live registers this process as one that uses the database, until Close. Exclusive refuses while there is one.
func (s *Store) Live(ctx context.Context) error {
	if !s.postgres {
		return nil // the lock file says it
	}
	if err := s.beat(ctx); err != nil {
		return err
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.beating.Go(func() {
		ticker := time.NewTicker(beat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
				defer cancel()
				_, _ = s.db.ExecContext(gone, "delete from replicas where id = ?", s.replica) // else it grows old
				return
			case <-ticker.C:
				_ = s.beat(ctx) // the next one tries again
			}
		}
	})
	return nil
}

func (s *Store) beat(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "insert into replicas (id, beat) values (?, "+postgresNow+") on conflict (id) do update set beat = excluded.beat", s.replica)
	if err != nil {
		return fmt.Errorf("register this replica: %w", err)
	}
	return nil
}

// Exclusive fails while a gateway uses the database.
func (s *Store) Exclusive(ctx context.Context) error {
	if !s.postgres {
		return nil // opening it took the lock
	}
	var there bool
	if err := s.db.NewSelect().ColumnExpr("exists (select 1 from pg_tables where tablename = 'replicas' and schemaname = any (current_schemas(false)))").Scan(ctx, &there); err != nil || !there {
		return err
	}
	n, err := s.db.NewSelect().Table("replicas").Where("beat > "+postgresNow+" - ?", (3 * beat).Microseconds()).Count(ctx)
	if err != nil {
		return fmt.Errorf("look for live gateways: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("%d gateways use this database: stop them first (one that was killed is forgotten after %s)", n, 3*beat)
	}
	return nil
}

// micros is a time as it is stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

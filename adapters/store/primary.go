package store

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// newestPrimary keeps us away from a primary whose standby was promoted and that comes back: it takes writes, and nobody will ever see them.
// Each promotion begins a new timeline, so the primary of the highest one is the one.
type newestPrimary struct{ timeline atomic.Uint32 }

// guard refuses connections to primaries of an older timeline than one that was seen. A DSN of one host needs none. The hosts are asked once
// before the first connection, since the old primary may stand first in the DSN.
func (n *newestPrimary) guard(ctx context.Context, cfg *pgx.ConnConfig) {
	hosts := map[string]pgconn.Config{cfg.Host + " " + strconv.Itoa(int(cfg.Port)): cfg.Config}
	for _, f := range cfg.Fallbacks {
		one := cfg.Config
		one.Host, one.Port, one.TLSConfig = f.Host, f.Port, f.TLSConfig
		if key := f.Host + " " + strconv.Itoa(int(f.Port)); hosts[key].Host == "" {
			hosts[key] = one
		}
	}
	if len(hosts) < 2 {
		return
	}
	before := cfg.ValidateConnect
	cfg.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if before != nil {
			if err := before(ctx, conn); err != nil {
				return err
			}
		}
		return n.check(ctx, conn)
	}
	for _, one := range hosts {
		one.Fallbacks, one.ValidateConnect = nil, n.check
		if conn, err := pgconn.ConnectConfig(ctx, &one); err == nil {
			_ = conn.Close(ctx)
		}
	}
}

// check reads the server's timeline. A standby has none that can be written to.
func (n *newestPrimary) check(ctx context.Context, conn *pgconn.PgConn) error {
	results, err := conn.Exec(ctx, "select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)").ReadAll()
	if err != nil {
		return fmt.Errorf("ask a PostgreSQL server for its timeline: %w", err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return fmt.Errorf("ask a PostgreSQL server for its timeline: %d answers", len(results))
	}
	timeline, err := strconv.ParseUint(string(results[0].Rows[0][0]), 16, 32)
	if err != nil {
		return fmt.Errorf("a PostgreSQL server's timeline: %w", err)
	}
	for {
		newest := n.timeline.Load()
		if uint32(timeline) < newest {
			return fmt.Errorf("this PostgreSQL server was a primary before another was promoted (timeline %d, the newest is %d): it is not written to; end it, or make it a standby", timeline, newest)
		}
		if n.timeline.CompareAndSwap(newest, uint32(timeline)) {
			return nil
		}
	}
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"syscall"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the driver "sqlite", without cgo
)

// readers is how many connections read a SQLite file beside its one writer.
const readers = 4

// openSQLite opens a file with one writing connection, whose waiters stand in line, and a few that read. FULL is slower
// than NORMAL and loses no commit at a power cut.
func (s *Store) openSQLite(ctx context.Context, path string) (err error) {
	if s.lock, err = os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if err = syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another process has %s open; SQLite serves one gateway at a time", path)
	}
	if err := private(path); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}}
	write := url.Values{"_txlock": {"immediate"}}
	writer, err := sql.Open("sqlite", "file:"+url.PathEscape(path)+"?"+pragmas.Encode()+"&"+write.Encode())
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	s.db = bun.NewDB(writer, sqlitedialect.New())
	s.writes = onSQLite(writer)
	if err := writer.PingContext(ctx); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	pragmas.Add("_pragma", "query_only(1)")
	reader, err := sql.Open("sqlite", "file:"+url.PathEscape(path)+"?"+pragmas.Encode())
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	s.read = bun.NewDB(reader, sqlitedialect.New())
	s.reads = onSQLite(reader)
	return nil
}

// private makes the file its owner's alone before SQLite opens it: its journal, which has the same rows, takes after it.
func private(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Chmod(0o600), file.Close())
}

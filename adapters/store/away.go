package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/paybridge/paybridge/ports"
)

// failed says what was being done when a statement failed, and tells a database that is away from one that refused.
func failed(err error, format string, a ...any) error {
	doing := fmt.Sprintf(format, a...)
	if isAway(err) {
		return fmt.Errorf("%s: %w: %w", doing, ports.ErrStoreAway, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isAway tells whether an error is of the connection, not of the statement. PostgreSQL's classes 08 and 57 are
// connections that break and a server that stops; 53 is one that has no room for more.
func isAway(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		class := pg.Code[:2]
		return class == "08" || class == "57" || class == "53"
	}
	var connect *pgconn.ConnectError
	var network net.Error
	// pgconn's own errors about a connection that was closed before have no other mark than that nothing was sent.
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// again tells whether a transaction lost against another one, and would pass if it were run once more.
func again(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

package store

import (
	"context"
	"database/sql"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun/schema"
)

// statement is SQL with its values beside it. bun writes values into the text, which makes every text a new one, and to
// plan one takes the database longer than to run it. The steps that every payment takes are statements instead: their
// text stays the same from one payment to the next, and each connection prepares it once.
type statement struct {
	tables func(reflect.Type) *schema.Table
	text   strings.Builder // with a question mark for each value
	args   []any
}

// statement begins one.
func (s *Store) statement(text string, args ...any) *statement {
	return (&statement{tables: s.db.Table}).add(text, args...)
}

// add writes more of it.
func (q *statement) add(text string, args ...any) *statement {
	q.text.WriteString(text)
	q.args = append(q.args, args...)
	return q
}

// append adds another statement as a part of this one.
func (q *statement) append(other *statement) *statement {
	return q.add(other.text.String(), other.args...)
}

// numbered is the text with $1, $2 … for question marks, as PostgreSQL has it.
func (q *statement) numbered() string {
	var b strings.Builder
	text := q.text.String()
	for i := range q.args {
		before, after, _ := strings.Cut(text, "?")
		b.WriteString(before)
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 1))
		text = after
	}
	b.WriteString(text)
	return b.String()
}

// selecting begins a select of a kind of row.
func selecting[Row any](s *Store) *statement {
	q := s.statement("select ")
	table := s.db.Table(reflect.TypeFor[Row]())
	for i, f := range table.Fields {
		q.comma(i).add(f.Name)
	}
	return q.add(" from " + table.Name)
}

// inserting begins an insert of rows. The columns that others names get that SQL instead of the row's value.
func inserting[Row any](s *Store, rows []Row, others map[string]*statement) *statement {
	table := s.db.Table(reflect.TypeFor[Row]())
	q := s.statement("insert into " + table.Name + " (")
	for i, f := range table.Fields {
		q.comma(i).add(f.Name)
	}
	q.add(") values ")
	for i := range rows {
		q.comma(i).add("(")
		for j, f := range table.Fields {
			if q.comma(j); others[f.Name] != nil {
				q.append(others[f.Name])
			} else {
				q.value(f, reflect.ValueOf(rows[i]))
			}
		}
		q.add(")")
	}
	return q
}

// set writes columns as an update sets them to the values of a row.
func (q *statement) set(row any, columns []string) *statement {
	v := reflect.ValueOf(row)
	fields := q.tables(v.Type()).FieldMap
	for i, name := range columns {
		q.comma(i).add(name+" = ").value(fields[name], v)
	}
	return q
}

func (q *statement) value(f *schema.Field, row reflect.Value) *statement {
	if f.NullZero && f.HasZeroValue(row) {
		return q.add("?", nil)
	}
	return q.add("?", f.Value(row).Interface())
}

func (q *statement) comma(i int) *statement {
	if i > 0 {
		q.text.WriteString(", ")
	}
	return q
}

// now is the database's clock in microseconds: claims go by it, so that replicas' clocks do not matter. SQLite has one
// process, whose clock it is.
func (s *Store) now() *statement {
	if s.postgres {
		return s.statement(postgresNow)
	}
	return s.statement("?", time.Now().UnixMicro())
}

// query runs a statement that answers with rows, and exec one that does not.
func (t *tx) query(ctx context.Context, q *statement) (*sql.Rows, error) {
	text, args := t.s.writes.sql(q)
	if known := t.known(text); known != nil {
		return t.tx.StmtContext(ctx, known).QueryContext(ctx, args...) //nolint:sqlclosecheck // it ends with the transaction
	}
	return t.tx.Tx.QueryContext(ctx, text, args...)
}

func (t *tx) exec(ctx context.Context, q *statement) (sql.Result, error) {
	text, args := t.s.writes.sql(q)
	if known := t.known(text); known != nil {
		return t.tx.StmtContext(ctx, known).ExecContext(ctx, args...) //nolint:sqlclosecheck // it ends with the transaction
	}
	return t.tx.Tx.ExecContext(ctx, text, args...)
}

// known is a text as SQLite has prepared it. One that it has not is prepared when the transaction, which holds the one
// connection that it takes, has ended.
func (t *tx) known(text string) *sql.Stmt {
	if t.s.postgres {
		return nil
	}
	known := t.s.writes.find(text)
	if known == nil {
		t.unprepared = append(t.unprepared, text)
	}
	return known
}

// statements runs statements on a pool of connections, and keeps those that SQLite has prepared: pgx has such a cache of its own.
type statements struct {
	db    *sql.DB
	pgx   []any // first arguments: how pgx is to run a statement
	lite  bool
	watch func(text string, args []any) // sees every statement, for a test; may be nil
	mu    sync.RWMutex
	known map[string]*sql.Stmt

	learning map[string]bool // texts that are being prepared
}

// onSQLite keeps prepared statements of a pool.
func onSQLite(db *sql.DB) *statements {
	return &statements{db: db, lite: true, known: map[string]*sql.Stmt{}, learning: map[string]bool{}}
}

// mostKnown is how many texts are kept. There are some fifty; a decision about a hundred refunds at once has one of its own.
const mostKnown = 256

// query runs a statement that answers with rows, outside of a transaction.
func (p *statements) query(ctx context.Context, q *statement) (*sql.Rows, error) {
	text, args := p.sql(q)
	if p.lite {
		if p.find(text) == nil {
			p.learn(ctx, text)
		}
		if known := p.find(text); known != nil { //nolint:sqlclosecheck // it is kept
			return known.QueryContext(ctx, args...)
		}
	}
	return p.db.QueryContext(ctx, text, args...)
}

// sql is a statement as the driver takes it.
func (p *statements) sql(q *statement) (text string, args []any) {
	text, args = q.text.String(), q.args
	if !p.lite {
		text, args = q.numbered(), slices.Concat(p.pgx, q.args)
	}
	if p.watch != nil {
		p.watch(text, q.args)
	}
	return text, args
}

func (p *statements) find(text string) *sql.Stmt {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.known[text]
}

// learn prepares texts. What cannot be prepared is run as text, and fails or succeeds there. Nothing is locked while it
// waits for a connection: who has the one connection may be looking for a statement.
func (p *statements) learn(ctx context.Context, texts ...string) {
	for _, text := range texts {
		if !p.wanted(text) {
			continue
		}
		stmt, err := p.db.PrepareContext(ctx, text) //nolint:sqlclosecheck // it lives as long as its pool
		p.mu.Lock()
		if delete(p.learning, text); err == nil {
			p.known[text] = stmt
		}
		p.mu.Unlock()
	}
}

// wanted tells whether to prepare a text, and that nobody else does.
func (p *statements) wanted(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[text] != nil || p.learning[text] || len(p.known)+len(p.learning) >= mostKnown {
		return false
	}
	p.learning[text] = true
	return true
}

// scan reads what a query answers into a slice.
func (s *Store) scan(ctx context.Context, into any, rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	return s.db.ScanRows(ctx, rows, into) // which closes them
}

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/internal/pgtest"
	"github.com/paybridge/paybridge/ports"
)

// The contract of ports.Store is tested once, on both databases; what only one of them has is tested by name.

var template = pgtest.Template{Migrate: func(ctx context.Context, dsn string) error {
	s, err := Open(ctx, Options{Driver: "postgres", DSN: dsn, Keys: keyring("k1")})
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), s.Close())
}}

// keyring seals with the first of the keys.
func keyring(ids ...string) *Keyring {
	keys := make([]Key, len(ids))
	for i, id := range ids {
		keys[i] = Key{ID: id, Key: bytes.Repeat([]byte(id[:1]+id[len(id)-1:]), 16)}
	}
	r, err := NewKeyring(keys...)
	if err != nil {
		panic(err)
	}
	return r
}

// empty is where a new database is, before any migration.
func empty(t testing.TB, driver string) Options {
	o := Options{Driver: driver, Keys: keyring("k1")}
	if driver == "sqlite" {
		o.DSN = filepath.Join(t.TempDir(), "pay bridge?#%.sqlite")
	} else {
		o.DSN = pgtest.DSN(t)
	}
	return o
}

// migrated is where a database with all tables is.
func migrated(t testing.TB, driver string) Options {
	if driver == "postgres" {
		return Options{Driver: driver, DSN: template.DSN(t), Keys: keyring("k1")}
	}
	o := empty(t, driver)
	s := open(t, o)
	if err := errors.Join(s.Migrate(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	return o
}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// onBoth runs a test on a fresh store of each database.
func onBoth(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	t.Parallel()
	for _, driver := range []string{"sqlite", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, migrated(t, driver)))
		})
	}
}

// onReplicas runs a test on two replicas of one PostgreSQL database, and on SQLite, whose one process is both.
func onReplicas(t *testing.T, test func(t *testing.T, replicas [2]*Store)) {
	t.Helper()
	t.Parallel()
	for _, driver := range []string{"sqlite", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			o := migrated(t, driver)
			first := open(t, o)
			second := first
			if driver == "postgres" {
				second = open(t, o)
			}
			test(t, [2]*Store{first, second})
		})
	}
}

// at is when everything in these tests happens: to the microsecond, as the database keeps it.
var at = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)

const hold = 40 * time.Second

var drawn atomic.Int64

// number draws one that no other test has.
func number() string { return fmt.Sprintf("%032d", drawn.Add(1)) }

func yuan(n int64) money.Amount { return money.Amount{Minor: n * 100, Currency: "CNY"} }

func newOrder() pay.Order {
	n := number()
	return pay.Order{
		Number: n, App: "clinic", Reference: "visit-" + n, Amount: yuan(30), Description: "挂号费 ? ?0 'quoted' \\ ; --",
		ProductType: "01", Payer: pay.PayerNamed, PayerID: "openid-1", ReturnURL: "https://clinic.example/done?a=?",
		Metadata: map[string]string{"room": "3", "quote": `"'?`}, ExpiresAt: at.Add(2 * time.Hour), State: pay.OrderOpen,
		CreatedAt: at, Due: at.Add(2 * time.Hour),
	}
}

func newPayment(o pay.Order) pay.Payment {
	n := number()
	return pay.Payment{
		Number: n, Order: o.Number, App: o.App,
		Route: pay.Route{
			Provider: "wechat", Entry: "account-a", Account: "main", MchID: "1900000001", SubMchID: "1900000109", SpAppID: "wx1",
			SubAppID: "wx2", AppID: "wx2", OpenIDKind: pay.OpenIDSub, Method: "01", NotifyBase: "https://pay.example",
			LatePay: pay.LateRefund, Options: []byte(`{"limit_pay":"no_credit"}`),
			Policy: pay.Policy{Renewable: true, RefundCount: 50, RefundAge: 365 * 24 * time.Hour, RefundInterval: time.Minute, NotPayableAfter: time.Hour},
		},
		Content: pay.Content{Amount: o.Amount, Description: o.Description, OpenID: "openid-1", ClientIP: "203.0.113.7", TimeExpire: o.ExpiresAt, Attach: "?"},
		State:   pay.PaymentCreated, Calling: true,
		Legs:   []pay.Leg{{ID: "self", Kind: pay.LegSelf, Amount: o.Amount, State: pay.PaymentCreated}},
		SentAt: at, CreatedAt: at, Due: at.Add(hold),
	}
}

func newRefund(p pay.Payment, reference string) pay.Refund {
	return pay.Refund{
		Number: number(), Payment: p.Number, Order: p.Order, App: p.App, Reference: reference, Amount: yuan(1),
		Legs:   []pay.RefundLeg{{LegID: "self", Amount: yuan(1), State: pay.RefundCreated}},
		Reason: "退号?", NotifyURL: "https://pay.example/notify/wechat/main", Origin: pay.OriginAPI, State: pay.RefundCreated,
		CreatedAt: at, Due: at,
	}
}

func newFulfilment(p pay.Payment) pay.Fulfilment {
	return pay.Fulfilment{
		Number: p.Number, Order: p.Order, App: p.App, Account: p.Route.Account, State: pay.FulfilmentAwaited,
		Deadline: at.AddDate(0, 0, 3), CreatedAt: at, Due: at.AddDate(0, 0, 3),
	}
}

// know lets payments be made of an account, without any other settings.
func know(t testing.TB, s *Store, account string) {
	t.Helper()
	if _, err := s.db.ExecContext(t.Context(), "insert into settings (kind, name, owner, generation, content) values ('account', ?, 'test', 0, '{}') on conflict do nothing", account); err != nil {
		t.Fatal(err)
	}
}

func addOrder(t testing.TB, s *Store, o pay.Order) pay.Order {
	t.Helper()
	know(t, s, "main")
	if _, added, err := s.AddOrder(t.Context(), o); err != nil || !added {
		t.Fatalf("add order %s: added %v, %v", o.Number, added, err)
	}
	return o
}

func addPayment(t testing.TB, s *Store, p pay.Payment) ports.Claim {
	t.Helper()
	if p.Route.Account != "main" {
		know(t, s, p.Route.Account)
	}
	var claim ports.Claim
	inTx(t, s, func(tx ports.Tx) (err error) {
		claim, err = tx.AddPayment(t.Context(), p, hold)
		return err
	})
	return claim
}

// paid is an order with one payment, which Settle's decision would have left as they are.
func paid(t testing.TB, s *Store) (pay.Order, pay.Payment) {
	t.Helper()
	o := addOrder(t, s, newOrder())
	p := newPayment(o)
	claim := addPayment(t, s, p)
	d := settled(o, p)
	apply(t, s, p.Number, d, claim)
	return d.Orders[0].Row, d.Payments[0].Row
}

// settled is what a payment's success changes.
func settled(o pay.Order, p pay.Payment) pay.Decision {
	fromOrder, fromPayment := o.State, p.State
	o.State, o.SettledBy, o.PaidAt, o.Due = pay.OrderPaid, p.Number, at.Add(time.Minute), time.Time{}
	p.State, p.Calling, p.ProviderID, p.PayerTotal = pay.PaymentSucceeded, false, "42000"+p.Number, 2900
	p.SucceededAt, p.Due, p.HandOff = at.Add(time.Minute), time.Time{}, nil
	return pay.Decision{
		Orders:   []pay.Move[pay.Order, pay.OrderState]{{From: fromOrder, Row: o, Cause: "payment " + p.Number}},
		Payments: []pay.Move[pay.Payment, pay.PaymentState]{{From: fromPayment, Row: p, Cause: "paid"}},
		Events:   []pay.Event{{Kind: pay.EventOrderPaid, Number: o.Number, Data: pay.EventData{Order: pay.EventOrder{Number: o.Number}}}},
	}
}

// refundMade is a decision that makes one refund.
func refundMade(r pay.Refund) pay.Decision { return pay.Decision{NewRefunds: []pay.Refund{r}} }

// paymentMoved is a decision that changes one payment alone.
func paymentMoved(from pay.PaymentState, p pay.Payment, cause string) pay.Decision {
	return pay.Decision{Payments: []pay.Move[pay.Payment, pay.PaymentState]{{From: from, Row: p, Cause: cause}}}
}

// apply locks the order of a payment and applies d.
func apply(t testing.TB, s *Store, payment string, d pay.Decision, release ...ports.Claim) {
	t.Helper()
	inTx(t, s, func(tx ports.Tx) error {
		if _, err := tx.LockPayment(t.Context(), payment); err != nil {
			return err
		}
		return tx.Apply(t.Context(), d, at, release...)
	})
}

func inTx(t testing.TB, s *Store, f func(ports.Tx) error) {
	t.Helper()
	if err := s.Tx(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// exec runs SQL past everything that the store checks.
func exec(t testing.TB, s *Store, query string, args ...any) {
	t.Helper()
	if _, err := s.db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// count is a query's one number.
func count(t testing.TB, s *Store, query string, args ...any) (n int) {
	t.Helper()
	if err := s.db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// atOnce runs f so many times at once and gives each one's error.
func atOnce(times int, f func(i int) error) []error {
	errs := make([]error, times)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: error %v, want %v", what, got, want)
	}
}

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		o    Options
	}{
		{"another driver", Options{Driver: "oracle"}},
		{"a folder that is not there", Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "none", "x.sqlite")}},
		{"a DSN that cannot be read", Options{Driver: "postgres", DSN: "postgres://u:secret@h:port/x"}},
		{"a server that is not there", Options{Driver: "postgres", DSN: "postgres://u:secret@127.0.0.1:1/x"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), row.o)
			if err == nil {
				_ = s.Close()
				t.Fatal("it opened")
			}
			if bytes.Contains([]byte(err.Error()), []byte("secret")) {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestSQLiteServesOneProcess(t *testing.T) {
	t.Parallel()
	o := empty(t, "sqlite")
	first := open(t, o)
	if s, err := Open(t.Context(), o); err == nil {
		_ = s.Close()
		t.Fatal("the file was opened twice")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, o).Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSQLiteFilesAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	o := empty(t, "sqlite")
	if err := os.WriteFile(o.DSN, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(o.DSN, 0o644); err != nil { // what a careless copy leaves
		t.Fatal(err)
	}
	s := open(t, o)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(o.DSN), "*"))
	if err != nil || len(files) != 4 { // the rows, two of the journal, the lock
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", filepath.Base(file), info.Mode().Perm(), err)
		}
	}
}

// A pooler that shares connections between transactions does not know prepared statements.
func TestPostgresReadsWithoutPreparedStatementsWhereTheDSNSaysSo(t *testing.T) {
	t.Parallel()
	o := migrated(t, "postgres")
	const simple = "default_query_exec_mode=simple_protocol"
	if strings.Contains(o.DSN, "?") {
		o.DSN += "&" + simple
	} else {
		o.DSN += " " + simple
	}
	s := open(t, o)
	order, p := paid(t, s)
	wantRows(t, s, pay.Rows{Order: order, Payments: []pay.Payment{p}})
	if n := count(t, s, "select count(*) from pg_prepared_statements"); n != 0 {
		t.Errorf("%d prepared statements on this connection", n)
	}
}

func TestExclusiveRefusesBesideALiveGateway(t *testing.T) {
	t.Parallel()
	o := migrated(t, "postgres")
	gateway, tool := open(t, o), open(t, o)
	if err := tool.Exclusive(t.Context()); err != nil {
		t.Errorf("nobody is there: %v", err)
	}
	if err := gateway.Live(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tool.Exclusive(t.Context()); err == nil {
		t.Error("a live gateway was not seen")
	}
	if err := gateway.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tool.Exclusive(t.Context()); err != nil {
		t.Errorf("the gateway has stopped: %v", err)
	}
	exec(t, tool, "insert into replicas (id, beat) values ('killed', "+postgresNow+" - ?)", (4 * beat).Microseconds())
	if err := tool.Exclusive(t.Context()); err != nil {
		t.Errorf("one that was killed long ago counts: %v", err)
	}
	before := open(t, empty(t, "postgres"))
	if err := before.Exclusive(t.Context()); err != nil {
		t.Errorf("an empty database: %v", err)
	}
}

func TestTxLeavesNothingOfAnError(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := addOrder(t, s, newOrder())
		boom := errors.New("boom")
		err := s.Tx(t.Context(), func(tx ports.Tx) error {
			if _, err := tx.AddPayment(t.Context(), newPayment(o), hold); err != nil {
				return err
			}
			return boom
		})
		wantErr(t, "the error of f", err, boom)
		ctx, cancel := context.WithCancel(t.Context())
		err = s.Tx(ctx, func(tx ports.Tx) error {
			defer cancel() // before COMMIT
			_, err := tx.AddPayment(ctx, newPayment(o), hold)
			return err
		})
		wantErr(t, "cancelled before COMMIT", err, context.Canceled)
		if errors.Is(err, ports.ErrCommitUnknown) {
			t.Errorf("nothing was sent, yet: %v", err)
		}
		if n := count(t, s, "select count(*) from payments"); n != 0 {
			t.Errorf("%d payments, want none", n)
		}
	})
}

package store

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// lossy is a connection to PostgreSQL that loses an answer: the server has done what it was told, and the client
// sees a broken connection.
type lossy struct {
	mu     sync.Mutex
	losing string // of the next statement that has these words, in lower case, the answer is lost
	lost   int
}

// lose arms it for one statement.
func (l *lossy) lose(words string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.losing, l.lost = words, 0
}

// hit tells whether the answer to this statement is to be lost.
func (l *lossy) hit(sent []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.losing == "" || !bytes.Contains(bytes.ToLower(sent), []byte(l.losing)) {
		return false
	}
	l.losing = ""
	l.lost++
	return true
}

// behindProxy starts the proxy and gives the DSN that leads through it. Statements go as text, in which the proxy finds
// its words: the answer that is lost is the one to the statement itself, not to its preparation.
func behindProxy(t *testing.T, dsn string) (*lossy, string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			var dialer net.Dialer
			server, err := dialer.Dial("tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
			if err != nil {
				_ = client.Close()
				continue
			}
			conns.Go(func() { l.carry(client, server) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		conns.Wait()
	})
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return l, dsn + " host=127.0.0.1 port=" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port) + " default_query_exec_mode=simple_protocol"
	}
	u.Host = listener.Addr().String()
	options := u.Query()
	options.Set("default_query_exec_mode", "simple_protocol")
	u.RawQuery = options.Encode()
	return l, u.String()
}

// carry moves bytes both ways. A client sends a statement and waits for its answer, so a statement to be lost is
// followed by nothing but its answer, which is read whole enough to know that the server has done it.
func (l *lossy) carry(client, server net.Conn) {
	defer func() { _, _ = client.Close(), server.Close() }()
	answers := make(chan []byte)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(answers)
		for {
			b := make([]byte, 64<<10)
			n, err := server.Read(b)
			if err != nil {
				_ = client.Close()
				return
			}
			select {
			case answers <- b[:n]:
			case <-done:
				return
			}
		}
	}()
	statements := make(chan []byte)
	go func() {
		defer close(statements)
		for {
			b := make([]byte, 64<<10)
			n, err := client.Read(b)
			if err != nil {
				return
			}
			select {
			case statements <- b[:n]:
			case <-done:
				return
			}
		}
	}()
	for {
		select {
		case sent, ok := <-statements:
			if !ok {
				return
			}
			losing := l.hit(sent)
			if _, err := server.Write(sent); err != nil {
				return
			}
			if losing {
				<-answers
				return
			}
		case answer, ok := <-answers:
			if !ok {
				return
			}
			if _, err := client.Write(answer); err != nil {
				return
			}
		}
	}
}

func TestR47_AStatementWhoseAnswerWasLostRunsOnceInEffect(t *testing.T) {
	t.Parallel()
	o := migrated(t, "postgres")
	direct := open(t, o)
	l, through := behindProxy(t, o.DSN)
	o.DSN = through
	s := open(t, o)
	addOrderAgain := func(o pay.Order) func() error {
		return func() error {
			stored, _, err := s.AddOrder(t.Context(), o)
			if err == nil && stored.Reference != o.Reference {
				t.Errorf("stored is %+v", stored)
			}
			o.Number = number() // a caller draws again
			return err
		}
	}
	ofOrder := func(o pay.Order) string { return "select count(*) from orders where reference = '" + o.Reference + "'" }
	for _, words := range []string{"insert into orders", "insert into audit", "commit"} {
		order := newOrder()
		lostOnce(t, l, direct, words, addOrderAgain(order), ofOrder(order), 1)
		if n := count(t, direct, "select count(*) from audit where order_number in (select number from orders where reference = ?)", order.Reference); n != 1 {
			t.Errorf("%s: %d audit rows, want 1", words, n)
		}
	}

	for _, words := range []string{"insert into payments", "commit"} {
		order := addOrder(t, direct, newOrder())
		p := newPayment(order)
		lostOnce(t, l, direct, words, func() error {
			err := s.Tx(t.Context(), func(tx ports.Tx) error { _, err := tx.AddPayment(t.Context(), p, hold); return err })
			if errors.Is(err, ports.ErrLivePayment) || errors.Is(err, ports.ErrNumberTaken) {
				return nil // it is there
			}
			return err
		}, "select count(*) from payments where order_number = '"+order.Number+"'", 1)

		lostOnce(t, l, direct, strings.ReplaceAll(words, "insert into", "update"), func() error {
			err := s.Tx(t.Context(), func(tx ports.Tx) error {
				rows, err := tx.LockPayment(t.Context(), p.Number)
				if err != nil {
					return err
				}
				if rows.Order.State == pay.OrderPaid {
					return nil // it came into effect
				}
				return tx.Apply(t.Context(), settled(rows.Order, rows.Payments[0]), at)
			})
			return err
		}, "select count(*) from events where order_number = '"+order.Number+"'", 1)
		if n := count(t, direct, "select count(*) from audit where order_number = ? and old <> ''", order.Number); n != 2 {
			t.Errorf("%s: %d transitions, want 2", words, n)
		}
	}

	for i, words := range []string{"insert into refused_notifications", "commit"} {
		account := number()
		lostOnce(t, l, direct, words, func() error {
			return s.CountRefused(t.Context(), "wechat", account, ports.RefusedTooLarge, at)
		}, "select coalesce(sum(count), 0) from refused_notifications where account = '"+account+"'", 1+i) // a caller that repeats after an unclear commit counts twice
	}
}

// lostOnce runs a write whose answer is lost, and again as its caller would. It says that it failed, and that this is
// unclear where it was the COMMIT; afterwards the query counts want.
func lostOnce(t *testing.T, l *lossy, direct *Store, words string, write func() error, query string, want int) {
	t.Helper()
	l.lose(words)
	err := write()
	if l.lost != 1 {
		t.Fatalf("%s: no such statement was sent", words)
	}
	commit := words == "commit"
	if err == nil || errors.Is(err, ports.ErrCommitUnknown) != commit {
		t.Errorf("%s: error %v, want one that is a lost commit: %v", words, err, commit)
	}
	if !commit {
		wantErr(t, words, err, ports.ErrStoreAway)
	}
	effect := 0
	if commit {
		effect = 1
	}
	if n := count(t, direct, query); n != effect {
		t.Errorf("%s: its effect is there %d times, want %d", words, n, effect)
	}
	if err := write(); err != nil {
		t.Errorf("%s, again: %v", words, err)
	}
	if n := count(t, direct, query); n != want {
		t.Errorf("%s, again: its effect is there %d times, want %d", words, n, want)
	}
}

// What is written outside of a transaction may be run twice by the driver itself, and says nothing of it.
func TestR47_AWriteOutsideOfATransactionMayRunTwice(t *testing.T) {
	t.Parallel()
	o := migrated(t, "postgres")
	direct := open(t, o)
	l, through := behindProxy(t, o.DSN)
	o.DSN = through
	s := open(t, o)
	p := newPayment(addOrder(t, direct, newOrder()))
	claim := addPayment(t, direct, p)
	for _, row := range []struct {
		words, query string
		write        func() error
		want         int
	}{
		{"update payments", "select count(*) from payments where claimed_until is null", func() error { return s.Unclaim(t.Context(), claim, at) }, 1},
		{`insert into "alarms"`, "select count(*) from alarms", func() error { return s.RaiseAlarm(t.Context(), pay.Alarm{Kind: "kind", Number: "1", What: "what"}, at) }, 1},
		{"insert into replicas", "select count(*) from replicas", func() error { return s.beat(t.Context()) }, 1},
	} {
		l.lose(row.words)
		if err := row.write(); err != nil {
			t.Logf("%s: %v", row.words, err) // an error is a good answer too
		}
		if l.lost != 1 {
			t.Errorf("%s: no such statement was sent", row.words)
		}
		if n := count(t, direct, row.query); n != row.want {
			t.Errorf("%s: %s: %d, want %d", row.words, row.query, n, row.want)
		}
	}
}

// What is good once is not found used, or taken, by the very call that uses or takes it.
func TestR47_OneTimeTokensWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	o := migrated(t, "postgres")
	direct := open(t, o)
	l, through := behindProxy(t, o.DSN)
	o.DSN = through
	s := open(t, o)
	token := ports.Token{Hash: "h", Kind: "kind", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
	if err := direct.AddToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	another := token
	another.Hash = "h-2"
	for words, call := range map[string]func() error{
		`insert into "tokens"`:   func() error { return s.AddToken(t.Context(), another) },
		"update tokens":          func() error { _, err := s.UseToken(t.Context(), "kind", "h", "", at); return err },
		"insert into app_tokens": func() error { _, _, err := s.ClaimAppToken(t.Context(), "access", "wx-1", hold); return err },
	} {
		l.lose(words)
		err := call()
		if l.lost != 1 {
			t.Errorf("%s: no such statement was sent", words)
		}
		wantErr(t, words, err, ports.ErrStoreAway)
		if err := call(); err != nil {
			t.Errorf("%s, again: %v", words, err)
		}
	}
}

// Nobody waits until a claim runs out that nobody knows of: not the row's next call, and not the row that was due.
func TestR35_AClaimWhoseAnswerWasLostIsFree(t *testing.T) {
	t.Parallel()
	o := migrated(t, "postgres")
	direct := open(t, o)
	l, through := behindProxy(t, o.DSN)
	o.DSN = through
	s := open(t, o)
	p := newPayment(addOrder(t, direct, newOrder()))
	unclaim(t, direct, addPayment(t, direct, p), at)
	for name, lose := range map[string]func() ([]ports.Claim, error){
		"one row": func() ([]ports.Claim, error) {
			c, err := s.Claim(t.Context(), ports.KindPayment, p.Number, hold, at)
			return []ports.Claim{c}, err
		},
		"what is due": func() ([]ports.Claim, error) { return s.ClaimDue(t.Context(), ports.KindPayment, 10, hold, at) },
	} {
		l.lose("update payments")
		claims, err := lose()
		if l.lost != 1 {
			t.Fatalf("%s: no claim was sent", name)
		}
		if err != nil { // else the driver ran it again, and the claim is known
			if claims, err = s.ClaimDue(t.Context(), ports.KindPayment, 10, hold, at); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if len(claims) != 1 || claims[0].Number != p.Number {
			t.Fatalf("%s: then %+v is claimed, want payment %s", name, claims, p.Number)
		}
		unclaim(t, s, claims[0], at)
		if n := count(t, direct, "select count(*) from payments where claimed_until is not null"); n != 0 {
			t.Errorf("%s: another claim is left", name)
		}
	}
}

func unclaim(t *testing.T, s *Store, c ports.Claim, due time.Time) {
	t.Helper()
	if err := s.Unclaim(t.Context(), c, due); err != nil {
		t.Fatal(err)
	}
}

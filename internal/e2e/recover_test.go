package e2e

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybridge/paybridge/internal/pgtest"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// snapshot is a copy of the database as it is now. No gateway runs.
func (db database) snapshot(t *testing.T) database {
	t.Helper()
	if db.driver == "sqlite" {
		copied := database{db.driver, filepath.Join(t.TempDir(), "snapshot.sqlite")}
		for _, part := range []string{"", "-wal"} {
			from, err := os.Open(db.place + part)
			if err != nil {
				continue // a database that was closed has no log
			}
			to, err := os.Create(copied.place + part)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(to, from); err != nil {
				t.Fatal(err)
			}
			_, _ = from.Close(), to.Close()
		}
		return copied
	}
	of, err := url.Parse(db.place)
	if err != nil {
		t.Fatal(err)
	}
	copied := database{db.driver, pgtest.DSN(t)}
	to, err := url.Parse(copied.place)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), os.Getenv(pgtest.ServerVariable))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, statement := range []string{"drop database " + to.Path[1:], "create database " + to.Path[1:] + " template " + of.Path[1:]} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// restored lets the gateway go on with another database.
func (w *world) restored(db database) {
	w.t.Helper()
	w.db = db
	w.setup.Store["path"] = db.place
	if db.driver == "postgres" {
		writeFile(w.t, filepath.Join(w.dir, "dsn.txt"), db.place)
		delete(w.setup.Store, "path")
	}
}

// A backup of this morning is restored in the evening. What was paid and refunded in between is found again by the provider's statement and
// its word, each order under its own number; the same refund references again change nothing at WeChat (R28).
func TestR28_ARestoredBackupIsRecovered(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, sim.With(yesterday), refundSoon)
		w.addInsurance()
		app := w.receive(0).up()
		g := w.start()
		day := time.Now().Add(-24 * time.Hour).In(time.FixedZone("CST", 8*60*60)).Format(time.DateOnly)
		before, beforePayment := w.paid("before", 1000)
		pending := w.order("pending", 200)
		pendingPayment := w.pay(pending).Number
		waiting := w.order("waiting", 300) // its payment will be lost, it itself will not
		w.awaitCount(0, "select count(*) from events where place is null")
		w.awaitCount(0, "select count(*) from deliveries where next_seq <= last_seq")
		g.stop()
		backup := db.snapshot(t)

		g.start()
		w.tap(pendingPayment)
		waitingPayment := w.pay(waiting).Number
		w.tap(waitingPayment)
		lost, lostPayment := w.paid("lost/1", 5000)
		mixed, mixedPayment := w.paidBill("mixed", true)
		twice := w.order("twice", 700)
		duplicate := w.pay(twice).Number
		w.atTerminal(0, "closed", "close", "payment", duplicate)
		w.tap(w.pay(twice).Number)
		w.awaitState("/v1/orders/"+twice, "paid")
		w.payLate(duplicate) // it is paid after the other one, stands in the statement before it, and goes back (R19)
		w.awaitCount(1, "select count(*) from refunds where origin = 'duplicate' and state = 'succeeded'")
		refunds := map[string]string{} // by payment
		for payment, fen := range map[string]int{beforePayment: 400, lostPayment: 5000, waitingPayment: 100} {
			w.awaitState("/v1/payments/"+payment, "succeeded")
			refunds[payment] = w.refund(payment, "back", fen)
			w.awaitState("/v1/refunds/"+refunds[payment], "succeeded")
		}
		w.awaitState("/v1/orders/"+pending, "paid")
		w.awaitCount(0, "select count(*) from deliveries where next_seq <= last_seq")
		g.stop()

		w.restored(backup)
		if err := w.sim.Advance(48 * time.Hour); err != nil { // past the morning on which the statement is made
			t.Fatal(err)
		}
		seen := len(w.sim.Ledger().Refunds)
		if code, said := w.paybridge("recover", "--since", day); code != 0 {
			t.Errorf("recover: exit code %d\n%s", code, said)
		}
		app.afterRecovery()
		g.start()
		for path, state := range map[string]string{
			"/v1/orders/" + before: "partially_refunded", "/v1/orders/" + pending: "paid", "/v1/orders/" + waiting: "partially_refunded",
			"/v1/orders/" + lost: "refunded", "/v1/orders/" + mixed: "paid", "/v1/orders/" + twice: "paid", "/v1/payments/" + lostPayment: "succeeded", "/v1/payments/" + mixedPayment: "succeeded",
		} {
			w.awaitState(path, state)
		}
		if again := w.want(w.api("POST", "/v1/orders", newOrder("lost/1", 5000)), http.StatusOK, http.StatusCreated, http.StatusConflict); again.status == http.StatusCreated {
			t.Errorf("the reference of a recovered order made another: %s", again)
		}
		for payment, fen := range map[string]int{beforePayment: 400, lostPayment: 5000, waitingPayment: 100} {
			if number := w.refund(payment, "back", fen); number != refunds[payment] {
				t.Errorf("the same reference is refund %s, it was %s", number, refunds[payment])
			}
		}
		w.awaitInvariants()
		if now := len(w.sim.Ledger().Refunds); now != seen {
			t.Errorf("WeChat has %d refunds, it had %d", now, seen)
		}
		w.wantNoConflict()
		w.wantCount(0, "select count(*) from events where seq <= 1000 and order_number in (select order_number from payments where number in ('"+lostPayment+"', '"+mixedPayment+"'))")

		// Nothing is made twice, and a gateway that runs is not disturbed.
		if code, said := w.paybridge("recover", "--since", day); code != 1 {
			t.Errorf("beside a gateway: exit code %d\n%s", code, said)
		}
		g.stop()
		payments := w.db.count(t, "select count(*) from payments")
		if code, said := w.paybridge("recover", "--since", day); code != 0 {
			t.Errorf("recover again: exit code %d\n%s", code, said)
		}
		w.wantCount(payments, "select count(*) from payments")
		if code, said := w.paybridge("recover", "--since", "yesterday"); code != 2 {
			t.Errorf("a wrong time: exit code %d\n%s", code, said)
		}
	})
}

package e2e

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// secret is something that must be read nowhere, and its name for the test's own message.
type secret struct{ name, text string }

// keys are the secrets of the world: what pays and what decrypts.
func (w *world) keys() []secret {
	all := []secret{{"the app's API key", apiKey}}
	stored, err := os.ReadFile(filepath.Join(w.dir, "secret.key"))
	if err == nil {
		all = append(all, secret{"the key of the store", strings.TrimSpace(string(stored))})
	}
	if w.db.driver == "postgres" {
		all = append(all, secret{"the database's DSN", w.db.place})
	}
	for _, m := range w.sim.Merchants() {
		for _, app := range m.Apps {
			all = append(all, secret{"the secret of " + app.AppID, sim.AppSecret(app.AppID)})
		}
		all = append(all, secret{"the APIv3 key of " + m.MchID, m.APIv3Key})
		for line := range strings.Lines(m.PrivateKeyPEM) {
			if line = strings.TrimSpace(line); len(line) > 40 { // not the frame
				all = append(all, secret{"the private key of " + m.MchID, line})
			}
		}
	}
	return all
}

// wantNoSecret fails when a text holds a key, a payer's openid, or what opens the payer's wallet.
func (w *world) wantNoSecret(where, text string) {
	w.t.Helper()
	all := w.keys()
	for _, m := range w.sim.Merchants() {
		for _, app := range m.Apps {
			for _, user := range app.Users {
				all = append(all, secret{"an openid", user.OpenID})
			}
		}
	}
	for _, trade := range w.sim.Ledger().Trades {
		for _, prepay := range trade.Prepays {
			all = append(all, secret{"a prepay id", prepay.ID})
		}
	}
	w.wantNone(where, text, all)
}

func (w *world) wantNone(where, text string, all []secret) {
	w.t.Helper()
	told := map[string]bool{}
	for _, s := range all {
		if strings.Contains(text, s.text) && !told[s.name] {
			told[s.name] = true // the secret itself is not shown
			w.t.Errorf("R45: %s stands in %s", s.name, where)
		}
	}
}

// metrics is what the admin listener tells Prometheus.
func (g *gateway) metrics() string {
	g.w.t.Helper()
	resp, err := g.client.Get("http://" + g.admin + "/metrics")
	if err != nil {
		g.w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.w.t.Fatal(err)
	}
	return string(text)
}

// columns is every value of the database, by table and column.
func (db database) columns(t *testing.T) map[string]string {
	t.Helper()
	conn := db.open(t)
	defer func() { _ = conn.Close() }()
	list := "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
	if db.driver == "postgres" {
		list = "select table_name from information_schema.tables where table_schema = 'public'"
	}
	all := map[string]string{}
	_, tables := values(t, conn, list)
	for _, table := range tables[0] {
		names, found := values(t, conn, "select * from "+table)
		for i, name := range names {
			all[table+"."+name] = strings.Join(found[i], "\n")
		}
	}
	return all
}

// values is what a query gives, column by column, as text.
func values(t *testing.T, conn *sql.DB, query string) (names []string, found [][]string) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	if names, err = rows.Columns(); err != nil {
		t.Fatal(err)
	}
	found = make([][]string, len(names))
	for rows.Next() {
		row, into := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, v := range row {
			if bytes, ok := v.([]byte); ok {
				v = string(bytes)
			}
			found[i] = append(found[i], fmt.Sprint(v))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names, found
}

// All that can go well or wrong is done once, with the log at its most talkative. Then no secret, no openid and no
// callback can be read where it does not belong.
func TestR45_NoSecretLeaks(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.setup.Log["level"] = "debug"
		g := w.start()
		var problems []string
		refused := func(a answer) {
			if a.status < 400 {
				t.Errorf("answered %s, want a problem", a)
			}
			problems = append(problems, a.text)
		}

		order, payment := w.paid("visit-1", 1000)
		w.awaitState("/v1/refunds/"+w.refund(payment, "refund-1", 600), "succeeded")
		refused(w.tryRefund(payment, "refund-2", 600))
		refused(w.api("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer)))
		refused(w.api("POST", "/v1/orders/"+w.order("nowhere", 1)+"/payments", payBy("nowhere", payer)))
		refused(w.api("POST", "/v1/orders/"+w.order("other app's openid", 1)+"/payments", payBy(entry, payerB))) // refused by WeChat
		refused(w.api("POST", "/v1/orders", map[string]any{"reference": payer + "\n", "amount": apiKey}))
		mine := w.order("mine", 1)
		w.pay(mine)
		refused(w.api("POST", "/v1/orders/"+mine+"/payments", payBy(entry, strings.Replace(payer, "alice-0", "carol-0", 1))))
		w.fault(sim.Fault{Kind: sim.Refusal, Code: "SIGN_ERROR", Status: 401, Path: "POST /v3/pay", Count: 1})
		refused(w.api("POST", "/v1/orders/"+w.order("sign", 1)+"/payments", payBy(entry, payer)))
		w.fault(sim.Fault{Kind: sim.AnswerTampered, Path: "POST /v3/pay", Count: 1})
		w.want(w.api("POST", "/v1/orders/"+w.order("tampered", 1)+"/payments", payBy(entry, payer)), http.StatusAccepted)
		w.fault(sim.Fault{Kind: sim.Refusal, Path: createRefund, Count: 1, Message: "openid " + payer})
		_, second := w.paid("visit-2", 1000)
		w.awaitState("/v1/refunds/"+w.refund(second, "refund-1", 1), "failed")
		for _, fault := range []sim.FaultKind{sim.CallbackBodyTampered, sim.CallbackOtherKey, sim.CallbackStale, sim.CallbackUnknownSerial} {
			g.callback(account, w.signed(mchID, payment, fault))
		}
		g.callback("nobody", w.signed(mchID, payment, ""))

		w.wantNoSecret("problem documents", strings.Join(problems, "\n"))
		w.wantNoSecret("the metrics", g.metrics())
		w.wantNoSecret("the log", g.output.all())
		if n := strings.Count(g.output.all(), "\n"); n < 20 {
			t.Errorf("the gateway wrote %d lines at level debug: the log proves nothing", n)
		}
		columns := db.columns(t)
		for column, text := range columns {
			w.wantNone(column, text, w.keys())
		}
		for _, table := range []string{"audit", "events", "alarms", "inbox", "refunds", "refused_notifications", "settings", "settings_history"} {
			n := 0
			for column, text := range columns {
				if strings.HasPrefix(column, table+".") {
					n++
					w.wantNoSecret(column, text)
				}
			}
			if n == 0 {
				t.Errorf("there is no table %s: it was not looked at", table)
			}
		}
		for _, c := range w.sim.Ledger().Callbacks { // neither as it came nor as it was meant
			for _, column := range []string{"inbox.body", "inbox.facts"} {
				w.wantNone(column, columns[column], []secret{{"a callback", c.Envelope}, {"its id", c.ID}, {"its trade", c.OutTradeNo}})
			}
		}
		if !slices.ContainsFunc(strings.Split(columns["inbox.body"], "\n"), func(s string) bool { return len(s) > 100 }) {
			t.Error("no callback's body is kept, sealed or not")
		}
	})
}

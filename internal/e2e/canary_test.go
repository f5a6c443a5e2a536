package e2e

import (
	"crypto/md5" // WeChat's digest of identity numbers
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// The relative who pays for the canary is one too.
const (
	relativeName = "测试信天翁"
	relativeID   = "11010519491231002X"
)

// canaries are the forms in which what tells who was treated may be written down somewhere.
func canaries() (all []secret) {
	for name, text := range map[string]string{"the patient's name": canaryName, "the patient's number": canaryID, "the payer's name": relativeName, "the payer's number": relativeID} {
		sum := md5.Sum([]byte(text))
		digest := hex.EncodeToString(sum[:])
		quoted := strconv.QuoteToASCII(text)
		all = append(all, secret{name, text}, secret{name + " in hexadecimal", hex.EncodeToString([]byte(text))}, secret{name + " as MD5", digest}, secret{name + " as MD5", strings.ToUpper(digest)})
		if text != url.QueryEscape(text) {
			all = append(all, secret{name + " percent-encoded", url.QueryEscape(text)}, secret{name + " percent-encoded", strings.ToLower(url.QueryEscape(text))},
				secret{name + " escaped", quoted[1 : len(quoted)-1]})
		}
		for shift := range 3 { // how a text looks in base64 depends on where it begins
			coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + text))
			begin, end := (shift*8+5)/6, len(coded)-4 // whole letters that hold nothing else
			all = append(all, secret{name + " in base64", coded[begin:end]})
		}
	}
	return all
}

// The search would find each form of what it looks for.
func TestCanariesAreFound(t *testing.T) {
	t.Parallel()
	for _, text := range []string{canaryName, canaryID, relativeName, relativeID} {
		sum := md5.Sum([]byte(text))
		for form, written := range map[string]string{
			"plain": `{"name":"` + text + `"}`, "MD5": "digest=" + hex.EncodeToString(sum[:]), "base64": base64.StdEncoding.EncodeToString([]byte(`{"n":"` + text + `"}`)),
			"base64 one on": base64.StdEncoding.EncodeToString([]byte(`{"n" :"` + text + `","x":1}`)), "base64 two on": base64.StdEncoding.EncodeToString([]byte(`{"n" : "` + text + `"}`)),
			"percent": "?n=" + url.QueryEscape(text) + "&x", "escaped": strconv.QuoteToASCII("a" + text),
		} {
			found := false
			for _, s := range canaries() {
				found = found || strings.Contains(written, s.text)
			}
			if !found {
				t.Errorf("%q as %s is not found in %s", text, form, written)
			}
		}
	}
}

// Names and identity numbers go through everything that happens to a bill, and stay nowhere where they can be read: logs of gateway and
// plugin, events, metrics, timelines, alarms, problems, the database's files and its dump.
func TestR45_NoCanaryAnywhere(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addInsurance()
		w.setup.Log = map[string]any{"level": "debug", "format": "json"}
		app := w.receive(0).up()
		g := w.start()
		told := &strings.Builder{}
		api := func(method, path string, body any) answer {
			a := w.api(method, path, body)
			told.WriteString(a.text)
			return a
		}
		bill, amount := clinicBill(true)
		relative := map[string]string{"name": relativeName, "id_number": relativeID, "card_type": "ID_CARD"}
		bill["payer"] = relative
		order := func(reference string, bill map[string]any) answer {
			return api("POST", "/v1/orders", map[string]any{
				"reference": reference, "amount": amount, "description": "门诊缴费", "bill": bill, "payer": map[string]string{"policy": "named", "id": payer},
			})
		}
		authorized := func(change ...func(*sim.Authorization)) map[string]any {
			return w.insuredPay(true, append(change, func(a *sim.Authorization) { a.Payer = &sim.MedPerson{Name: relativeName, IDNumber: relativeID} })...)
		}

		// Paid, refunded in both parts, reported to WeChat.
		visit := order("visit-1", bill)
		paid := api("POST", "/v1/orders/"+visit.Number+"/payments", authorized())
		if paid.status != http.StatusCreated {
			t.Fatalf("pay: %s", paid)
		}
		if _, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: paid.HandOff.Params}); err != nil {
			t.Fatal(err)
		}
		w.awaitState("/v1/orders/"+visit.Number, "paid")
		refund := api("POST", "/v1/payments/"+paid.Number+"/refunds", map[string]any{"reference": "all", "amount": 1000})
		api("POST", "/v1/refunds/"+refund.Number+"/legs/insurance", atBureau(refund.Number[25:], 500, 150, 50))
		w.awaitState("/v1/orders/"+visit.Number, "refunded")

		// Refused: by us, by WeChat for the person, by WeChat for the authorization; and a call whose fate is unknown.
		wrong, _ := clinicBill(true)
		wrong["payer"] = map[string]string{"name": relativeName, "id_number": relativeID[:17] + "1", "card_type": "ID_CARD"}
		refused := order("visit-2", wrong)
		if refused.status == http.StatusCreated {
			api("POST", "/v1/orders/"+refused.Number+"/payments", authorized())
		}
		for n, change := range []func(*sim.Authorization){
			func(a *sim.Authorization) { a.Person.Name = "Nobody" }, func(a *sim.Authorization) { a.Life = 1 }, func(a *sim.Authorization) { a.Inactive = true },
		} {
			other := order(fmt.Sprint("visit-", 3+n), bill)
			if a := api("POST", "/v1/orders/"+other.Number+"/payments", authorized(change)); a.status < 400 && a.State != "closing" { // its prepay is being closed
				t.Errorf("refusal %d: %s", n, a)
			}
		}
		if err := w.sim.SetFaults(sim.Fault{Kind: sim.BrokenExecuted, Path: "POST /v3/med-ins/orders", Count: 1}, sim.Fault{Kind: sim.ErrorNotExecuted, Path: "GET /v3/med-ins/", Count: 3}); err != nil {
			t.Fatal(err)
		}
		unclear := order("visit-9", bill)
		api("POST", "/v1/orders/"+unclear.Number+"/payments", authorized())

		await(t, "the events are told", func() error {
			if app.times(visit.Number, "order.paid") == 0 {
				return fmt.Errorf("they have not come")
			}
			return nil
		})
		for _, path := range []string{"/v1/events", "/v1/orders", "/v1/orders/" + visit.Number, "/v1/payments/" + paid.Number, "/v1/payments/" + paid.Number + "/timeline", "/v1/refunds/" + refund.Number} {
			api("GET", path, nil)
		}
		app.mu.Lock()
		events := app.bodies.String()
		app.mu.Unlock()
		for where, text := range map[string]string{
			"an answer of the API": told.String(), "an event": events, "the log": g.output.all(), "the metrics": g.metrics(), "the database": db.dump(t),
		} {
			if text == "" {
				t.Errorf("%s: there is nothing to look at", where)
			}
			w.wantNone(where, text, canaries())
		}
	})
}

// dump is all of the database as it can be read: the bytes of SQLite's files, each row of each of PostgreSQL's tables.
func (db database) dump(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	if db.driver == "sqlite" {
		for _, file := range []string{db.place, db.place + "-wal"} {
			text, err := os.ReadFile(file)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			all.Write(text)
		}
		return all.String()
	}
	conn := db.open(t)
	defer func() { _ = conn.Close() }()
	for _, table := range texts(t, conn, "select quote_ident(table_name) from information_schema.tables where table_schema = current_schema()") {
		for _, row := range texts(t, conn, "select t::text from "+table+" t") { //nolint:gosec // the name is the catalogue's
			all.WriteString(row + "\n")
		}
	}
	return all.String()
}

// texts are the one column that a query gives.
func texts(t *testing.T, conn *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

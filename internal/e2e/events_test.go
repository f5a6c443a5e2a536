package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// The second app of a world that has two.
const shopKey = "e2e-shop-key"

// addShop adds an app with the same entry.
func (w *world) addShop() {
	hash := hashOf(shopKey)
	w.setup.Apps = append(w.setup.Apps, map[string]any{
		"name": "shop", "keys": []map[string]any{{"id": "e2e", "hash": hash, "scopes": []string{"pay", "read"}}}, "entries": []string{entry},
	})
}

// paidBy makes an order of the app with this key, and lets it be paid.
func (w *world) paidBy(key, reference string, fen int) (order, payment string) {
	w.t.Helper()
	g := w.gateways[0]
	call := func(path string, body any) answer {
		w.t.Helper()
		a, err := g.tryAs(key, "POST", path, body)
		if err != nil {
			w.t.Fatal(err)
		}
		return w.want(a, http.StatusCreated)
	}
	order = call("/v1/orders", newOrder(reference, fen)).Number
	payment = call("/v1/orders/"+order+"/payments", payBy(entry, payer)).Number
	w.tap(payment)
	return order, payment
}

var paidEvents = []string{"payment.succeeded", "order.paid"}

// polled is every event that an app gets by polling, in pages.
func (w *world) polled(limit int) (all []event) {
	w.t.Helper()
	for after := "0"; ; {
		a := w.want(w.api("GET", fmt.Sprintf("/v1/events?limit=%d&after=%s", limit, after), nil), http.StatusOK)
		var page struct {
			Events    []event `json:"events"`
			NextAfter string  `json:"next_after"`
		}
		if err := json.Unmarshal([]byte(a.text), &page); err != nil {
			w.t.Fatal(err)
		}
		if len(page.Events) == 0 {
			return all
		}
		all, after = append(all, page.Events...), page.NextAfter
	}
}

// A crowd pays and is refunded on all gateways: each order's events come in order, each once, signed; who polls gets the
// same; and none names a person.
func TestR46_EventsOfACrowd(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		const orders = 40
		w := newWorld(t, db, refundSoon)
		app := w.receive(0).up()
		gateways := w.startAll()
		numbers := make([]string, orders)
		together(orders, 8, func(i int) {
			order, payment, err := opened(gateways[i%len(gateways)], fmt.Sprint("visit-", i))
			if err != nil {
				t.Error(err)
				return
			}
			numbers[i] = order
			w.tap(payment)
			w.awaitState("/v1/orders/"+order, "paid")
			if i%2 == 0 {
				w.refund(payment, "all of it", 100)
			}
		})
		for i, order := range numbers {
			if i%2 == 0 {
				app.await(order, append(paidEvents, "refund.succeeded")...)
			} else {
				app.await(order, paidEvents...)
			}
		}
		seen := map[string]int64{}
		for _, e := range w.polled(7) {
			if seen[e.Data.Order.Number]++; seen[e.Data.Order.Number] != e.Sequence {
				t.Errorf("polled %s as number %d of its order", e, seen[e.Data.Order.Number])
			}
		}
		for i, order := range numbers {
			if want := int64(2 + (i+1)%2); seen[order] != want {
				t.Errorf("polled %d events of %s, want %d", seen[order], order, want)
			}
		}
		if n := app.requests(); n != orders/2*5 {
			t.Errorf("%d requests came; each event once are %d", n, orders/2*5)
		}
		w.wantCount(0, "select count(*) from deliveries where due is not null or claimed_until is not null")
		w.wantNoSecret("the events", app.text())
	})
}

// An endpoint that fails, hangs and answers late gets everything, in order. Another app does not notice (R46).
func TestR46_ABadEndpointDelaysOnlyItself(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addShop()
		bad, good := w.receive(0).up(), w.receive(1).up()
		bad.answers(func(event) int { return http.StatusInternalServerError })
		w.startAll()
		const many = 40 // more than there are workers
		orders := make([]string, many)
		for i := range orders {
			orders[i], _ = w.paidBy(apiKey, fmt.Sprint("visit-", i), 100)
		}
		bad.awaitRequests(5)
		sells := func(reference string) {
			t.Helper()
			order, _ := w.paidBy(shopKey, reference, 100)
			good.await(order, paidEvents...)
			w.wantCount(many, "select count(*) from deliveries where app = 'his' and due is not null")
		}
		sells("while the other fails")

		over := make(chan struct{})
		bad.answers(func(event) int {
			<-over
			return http.StatusOK
		})
		came := bad.requests()
		w.adminPost("/admin/v1/webhooks/his/retry", "")
		bad.awaitRequests(came + 2)
		sells("while the other hangs")

		bad.answers(nil)
		close(over)
		w.adminPost("/admin/v1/webhooks/his/retry", "")
		for _, order := range orders {
			bad.await(order, paidEvents...)
		}
	})
}

// An endpoint that answers late, within its time, is waited for; one that cannot keep the time is sent the event again.
func TestR46_AnEndpointAnswersLate(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		app := w.receive(0).up()
		release := make(chan struct{})
		app.answers(func(e event) int {
			<-release
			return http.StatusOK
		})
		w.startAll()
		order, _ := w.paidBy(apiKey, "visit-1", 100)
		app.awaitRequests(1)
		w.awaitCount(1, "select count(*) from deliveries where attempts = 1") // after 15 s
		if got := w.text("select error from deliveries"); got != "it did not answer in time" {
			t.Errorf("the error is %q", got)
		}
		if app.times(order, "order.paid") != 0 {
			t.Error("the next event did not wait for the first")
		}
		close(release)
		app.await(order, paidEvents...)
		if n := app.times(order, "payment.succeeded"); n < 2 {
			t.Errorf("the first event came %d times; want it again", n)
		}
	})
}

// An endpoint that is down for an hour gets every event when it is back, at once and in order, those of orders that
// wait for a try in hours as well.
func TestR46_DownForAnHour(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		app := w.receive(0) // not up
		w.startAll()
		var orders, payments []string
		for i := range 10 {
			order, payment := w.paid(fmt.Sprint("visit-", i), 100)
			orders, payments = append(orders, order), append(payments, payment)
		}
		w.awaitCount(10, "select count(*) from deliveries where due is not null")
		w.awaitCount(1, "select case when count(*) > 4 then 1 else 0 end from deliveries where attempts > 0")
		for _, payment := range payments {
			w.awaitState("/v1/refunds/"+w.refund(payment, "all of it", 100), "succeeded")
		}
		const hour = 3_600_000_000
		db.exec(t, fmt.Sprintf("update deliveries set failing_since = failing_since - %d, attempts = 5, due = due + %d where claimed_until is null and attempts > 0", hour, hour))
		w.awaitCount(0, "select count(*) from events where place is null")
		app.up()
		w.dueFirst()
		for _, order := range orders {
			app.await(order, append(paidEvents, "refund.succeeded")...)
		}
	})
}

// dueFirst makes one delivery due, as its time would.
func (w *world) dueFirst() {
	w.t.Helper()
	w.db.exec(w.t, "update deliveries set due = 1 where order_number = (select min(order_number) from deliveries where due is not null and claimed_until is null)")
}

// After three days an endpoint is parked and the operator told, once, in the robot's format. Nothing is dropped, and
// what an operator sends again comes again.
func TestR46_ADeadEndpointIsParked(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		robot := w.robot()
		app := w.receive(0) // not up
		w.startAll()
		order, _ := w.paid("visit-1", 100)
		w.awaitCount(1, "select count(*) from deliveries where attempts > 0 and claimed_until is null")
		const days = 73 * 3_600_000_000
		for range 2 {
			db.exec(t, fmt.Sprintf("update deliveries set failing_since = failing_since - %d, due = 1 where claimed_until is null", days))
			w.awaitCount(1, "select count(*) from deliveries where parked and due > 1 and claimed_until is null")
			db.exec(t, "update deliveries set failing_since = 1, parked = false")
		}
		w.awaitCount(1, "select count(*) from alarms where kind = 'webhook.dead' and number = 'his' and sent_at <> 0")
		said := robot.await(1)
		if !strings.Contains(said[0], "PayBridge") || !strings.Contains(said[0], "his") || !strings.Contains(said[0], "已多日不通") {
			t.Errorf("the robot was told %s", said[0])
		}
		w.wantNoSecret("the alarm", said[0])

		app.up()
		w.adminPost("/admin/v1/webhooks/his/retry", "")
		app.await(order, paidEvents...)
		w.adminPost("/admin/v1/events/evt_"+order+"_2/resend", "")
		await(t, "the second event comes again", func() error {
			if n := app.times(order, "order.paid"); n != 2 {
				return fmt.Errorf("it came %d times", n)
			}
			return nil
		})
		if n := len(robot.await(1)); n != 1 {
			t.Errorf("the robot was told %d times", n)
		}
		w.adminPost("/admin/v1/alarms/"+w.text("select cast(id as varchar(20)) from alarms where kind = 'webhook.dead'")+"/acknowledge", `{"name":"li"}`)
		w.wantCount(0, "select count(*) from alarms where acknowledged_at is null")
	})
}

// R44: an endpoint on a private address is refused, and said; nothing reaches it until the config allows its network.
func TestR44_APrivateEndpointIsRefused(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		app := w.receive(0).up()
		w.setup.Webhooks = nil
		w.setup.Apps[0]["webhook"].(map[string]any)["url"] = "http://" + strings.Replace(app.address, "127.0.0.1", "localhost", 1) + "/events"
		w.start()
		order, _ := w.paid("visit-1", 100)
		w.awaitCount(1, "select count(*) from alarms where kind = 'webhook.refused' and number = 'his'")
		if what := w.text("select what from alarms"); !strings.Contains(what, "which is not public") {
			t.Errorf("the alarm says %q", what)
		}
		if n := app.requests(); n != 0 {
			t.Errorf("%d requests reached it", n)
		}
		w.restart(func(s *setup) { s.Webhooks = map[string]any{"allow_networks": []string{"127.0.0.0/8", "::1/128"}} })
		w.deliveriesDue("his")
		app.await(order, paidEvents...)
	})
}

// Gateways are killed while they deliver, again and again: no event is lost, and none comes before its time.
func TestR46_KilledWhileDelivering(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		const orders = 12
		w := newWorld(t, db)
		app := w.receive(0).up()
		gateways := w.startAll()
		var numbers []string
		for i := range orders {
			order, _ := w.paid(fmt.Sprint("visit-", i), 100)
			numbers = append(numbers, order)
			g := gateways[i%len(gateways)]
			g.kill()
			g.start()
		}
		for _, order := range numbers {
			app.await(order, paidEvents...)
		}
	})
}

// telling is an act for the crash points of deliver.go: an order is paid, and its app has an endpoint.
var telling = act{
	name:    "tell",
	prepare: func(w *world) { w.app = w.receive(0).up() },
	do:      settling.do,
	ends: func(w *world, order string) {
		w.awaitState("/v1/orders/"+order, "paid")
		w.app.await(order, paidEvents...)
	},
}

// robot is an operator's group robot, as WeCom has them.
type robot struct {
	t    *testing.T
	mu   sync.Mutex
	said []string
}

// robot gives the world's operator a robot of WeCom.
func (w *world) robot() *robot {
	w.t.Helper()
	r := &robot{t: w.t}
	at := serve(w.t, func(wr http.ResponseWriter, req *http.Request) {
		var m struct {
			Type string `json:"msgtype"`
			Text struct{ Content string }
		}
		if err := json.NewDecoder(req.Body).Decode(&m); err != nil || m.Type != "text" || req.URL.Query().Get("key") != "robot-key" {
			w.t.Errorf("the robot was sent %+v, %v", m, err)
		}
		r.mu.Lock()
		r.said = append(r.said, m.Text.Content)
		r.mu.Unlock()
		_, _ = fmt.Fprint(wr, `{"errcode":0,"errmsg":"ok"}`)
	})
	writeFile(w.t, filepath.Join(w.dir, "robot.txt"), at+"/cgi-bin/webhook/send?key=robot-key")
	w.setup.Webhooks = map[string]any{"allow_networks": []string{"127.0.0.0/8"}}
	w.setup.Alarms = map[string]any{"url": "file:robot.txt", "format": "wecom"}
	return r
}

// await waits until the robot was told so often, and gives what it was told.
func (r *robot) await(n int) []string {
	r.t.Helper()
	var said []string
	await(r.t, "the operator is told", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if said = append([]string{}, r.said...); len(said) < n {
			return fmt.Errorf("%d times, want %d", len(said), n)
		}
		return nil
	})
	return said
}

// A refund needs a person: the operator is told once, settles it outside, and the app learns of it (R33).
func TestR33_SettledOutsideByAnOperator(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		robot, app := w.robot(), w.receive(0).up()
		w.startAll()
		order, payment := w.paid("visit-1", 1000)
		w.fault(sim.Fault{Kind: sim.NotEnough, Path: createRefund})
		refund := w.refund(payment, "refund-1", 1000)
		w.awaitCount(1, "select count(*) from alarms where kind = 'refund.needs_attention' and sent_at <> 0")
		if said := robot.await(1)[0]; !strings.Contains(said, refund) || !strings.Contains(said, "settle-outside") {
			t.Errorf("the robot was told %s", said)
		}
		w.adminPost("/admin/v1/refunds/"+refund+"/settle-outside", `{"name":"li","reason":"paid back in cash, receipt 7"}`)
		w.wantState("/v1/refunds/"+refund, "settled_outside")
		w.wantState("/v1/orders/"+order, "refunded")
		app.await(order, append(paidEvents, "refund.settled_outside")...)
		w.wantRefused(w.tryRefund(payment, "refund-2", 1), "refund_exceeds_payment")
		w.wantCount(1, "select count(*) from audit where new = 'settled_outside' and cause = 'settled outside by li: paid back in cash, receipt 7'")
		if made := w.sim.Ledger().Refunds; len(made) != 0 {
			t.Errorf("WeChat made %+v", made)
		}
	})
}

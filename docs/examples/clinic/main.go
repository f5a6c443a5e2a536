// Command clinic is a small clinic's shop: it makes orders by PayBridge's API, sends payers to the checkout, and learns from
// signed events what they have paid. It needs nothing but the standard library, and is meant to be read and copied.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// shop is the clinic. What it knows of its visits is in memory; a real one has a database.
type shop struct {
	gateway string // of PayBridge, without a slash at the end
	key     string // of the API
	secret  []byte // that signs events
	self    string // where payers reach the clinic
	bureau  string // of medical insurance; empty: the clinic takes none (insurance.go)
	client  *http.Client

	mu     sync.Mutex
	visits map[string]*visit // by reference
	seen   map[string]bool   // events that have come before
}

// visit is what a patient owes for. Its reference makes the order safe to repeat.
type visit struct {
	Reference, Service, State, Payment string
	Fen                                int64
	insurance
}

var services = []struct {
	Name, Price string
	Fen         int64
}{{"普通门诊 General visit", "¥25.00", 2500}, {"专家门诊 Specialist visit", "¥60.00", 6000}, {"血常规 Blood count", "¥18.50", 1850}}

func main() {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("CLINIC_WEBHOOK_SECRET"), "whsec_"))
	if err != nil || len(secret) < 24 {
		log.Fatal("CLINIC_WEBHOOK_SECRET: whsec_ and at least 24 bytes in base64, as in the app's webhook.secrets")
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", cmp.Or(os.Getenv("CLINIC_LISTEN"), "127.0.0.1:8090"))
	if err != nil {
		log.Fatal(err)
	}
	s := &shop{
		gateway: cmp.Or(os.Getenv("CLINIC_GATEWAY"), "http://127.0.0.1:8080"), key: cmp.Or(os.Getenv("CLINIC_KEY"), "paybridge-dev-key"), secret: secret,
		self: cmp.Or(os.Getenv("CLINIC_URL"), "http://"+listener.Addr().String()), client: &http.Client{Timeout: 30 * time.Second},
		bureau: os.Getenv("CLINIC_BUREAU"), visits: map[string]*visit{}, seen: map[string]bool{},
	}
	_, _ = fmt.Fprintf(os.Stdout, "{\"url\":%q}\n", s.self) // the clinic is open
	if os.Getenv("CLINIC_LIFELINE") != "" {                 // started by another program: it ends with that one
		go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	}
	log.Fatal((&http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second}).Serve(listener))
}

func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		s.show(w, map[string]any{"Services": services, "Insured": s.bureau})
	})
	mux.HandleFunc("POST /buy/{service}", s.buy)
	mux.HandleFunc("GET /visits/{reference}", s.visit)
	mux.HandleFunc("POST /events", s.event)
	s.takeInsurance(mux)
	return mux
}

var pages = template.Must(template.New("").Parse(`<!doctype html><html lang="zh-CN"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>第一医院 First Hospital</title>
<h1>第一医院 First Hospital</h1>{{range $i, $s := .Services}}<form method="post" action="/buy/{{$i}}"><p>{{$s.Name}} {{$s.Price}} <button>去支付 Pay</button></p></form>{{end}}{{template "insurance" .}}
{{with .Visit}}{{if eq .State "open" "refunding" "partially_refunded"}}<meta http-equiv="refresh" content="2">{{end}}<p>{{.Service}}: <strong id="state">{{.State}}</strong></p>{{template "refund" .}}<p><a href="/">返回 Back</a></p>{{end}}</html>` + insurancePages))

func (s *shop) show(w http.ResponseWriter, data map[string]any) {
	_ = pages.Execute(w, data) // the payer may have gone
}

// buy makes the order and sends the payer to its checkout.
func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	i, err := strconv.Atoi(r.PathValue("service"))
	if err != nil || i < 0 || i >= len(services) {
		http.NotFound(w, r)
		return
	}
	v := &visit{Reference: "visit-" + rand.Text(), Service: services[i].Name, Fen: services[i].Fen, State: "open"}
	s.mu.Lock()
	s.visits[v.Reference] = v // before the gateway is asked: its event may be faster than its answer
	s.mu.Unlock()
	order, err := s.call(r.Context(), "/v1/orders", map[string]any{ // called again it answers the same order
		"reference": v.Reference, "amount": v.Fen, "description": v.Service, "return_url": s.self + "/visits/" + v.Reference,
	})
	if err != nil {
		log.Print(err)
		http.Error(w, "暂时无法下单，请稍后再试 / Please try again later", http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, order.CheckoutURL, http.StatusSeeOther)
}

// answer is what the clinic reads of the gateway's answers.
type answer struct {
	Number      string `json:"number"`
	CheckoutURL string `json:"checkout_url"`
	Detail      string `json:"detail"` // of a problem
}

func (s *shop) call(ctx context.Context, path string, body map[string]any) (a answer, err error) {
	text, _ := json.Marshal(body) // texts and numbers always marshal
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.gateway+path, bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	r.Header = http.Header{"Authorization": {"Bearer " + s.key}, "Content-Type": {"application/json"}}
	got, err := s.client.Do(r)
	if err != nil {
		return a, err
	}
	defer func() { _ = got.Body.Close() }()
	if err = json.NewDecoder(got.Body).Decode(&a); err == nil && got.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s %s", path, got.Status, a.Detail)
	}
	return a, err
}

func (s *shop) visit(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.visits[r.PathValue("reference")]; v != nil {
		s.show(w, map[string]any{"Visit": *v})
	} else {
		http.NotFound(w, r)
	}
}

// event takes what PayBridge tells. Only a signed message counts; a repeated one counts once.
func (s *shop) event(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	if err != nil || !s.signed(id, at, body, r.Header.Get("webhook-signature")) {
		http.Error(w, "not signed", http.StatusUnauthorized)
		return
	}
	var e struct {
		Type string
		Data struct {
			Order   struct{ Number, Reference, State string }
			Payment struct{ Number string }
		} `json:"data"`
	}
	if json.Unmarshal(body, &e) != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	if e.Type == "order.paid" { // nothing is shipped; a mini program's orders have to be reported all the same
		if _, err := s.call(r.Context(), "/v1/orders/"+e.Data.Order.Number+"/fulfilment", map[string]any{"method": "virtual"}); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway) // the event comes again
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.visits[e.Data.Order.Reference]; v != nil && !s.seen[id] {
		v.State, v.Payment, s.seen[id] = e.Data.Order.State, cmp.Or(e.Data.Payment.Number, v.Payment), true
	}
}

// signed verifies a message by Standard Webhooks: HMAC-SHA256 over id, time and body, and a clock within five minutes.
func (s *shop) signed(id, at string, body []byte, signatures string) bool {
	seconds, err := strconv.ParseInt(at, 10, 64)
	if off := time.Since(time.Unix(seconds, 0)); err != nil || off.Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, s.secret)
	_, _ = mac.Write([]byte(id + "." + at + "." + string(body))) // a hash never fails
	for given := range strings.FieldsSeq(signatures) {
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(given, "v1,"))
		if err == nil && hmac.Equal(sum, mac.Sum(nil)) {
			return true
		}
	}
	return false
}

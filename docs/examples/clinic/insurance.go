package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// What medical insurance adds to the shop: an order with a bill, the page on which the patient lets the bureau authorize the
// payment, the question that PayBridge asks before it pays (webhook.prepare_url), and a refund in two parts. A real hospital uploads
// the fees to its bureau first (6201) and takes names and numbers from its own records; this person is made up.

// insurance is what the bureau said of a visit, once the patient has let it. Its zero value is a visit without insurance.
type insurance struct {
	Insured    bool
	Redirect   bool   // by the insurance mini program (medical insurance 1.0), where the patient authorizes it
	Checkout   string // where the patient goes on
	authorized time.Time
	Medical    struct {
		SerialNo    string    `json:"serial_no"`
		PayOrderID  string    `json:"pay_order_id"`
		PayAuthNo   string    `json:"pay_auth_no"`
		GeoLocation string    `json:"geo_location"`
		OrderedAt   time.Time `json:"ordered_at"`
	}
}

var patient = map[string]string{"name": "王小明", "id_number": "440300190001011237", "card_type": "ID_CARD"}

// patientID is what the clinic calls the patient. An order with a bill is for one payer alone, in whichever app they are.
const patientID = "patient-1"

// The fees of the one insured service, in fen.
const total, gov, account, cash = 12000, 7000, 2000, 3000

// authorizationLife is less than the bureau's, which is minutes.
const authorizationLife = 4 * time.Minute

const insurancePages = `{{define "insurance"}}{{if .Insured}}<form method="post" action="/insured"><p>医保门诊 Insured visit ¥120.00 <button>去支付 Pay</button></p></form>
<form method="post" action="/insured?redirect=1"><p>医保门诊（医保小程序）By the insurance mini program ¥120.00 <button>去支付 Pay</button></p></form>{{end}}
{{with .Authorize}}<h2>医保授权 Insurance authorization</h2><p>统筹基金 Fund ¥70.00 · 个人账户 Account ¥20.00 · 自费 You ¥30.00</p>
<form method="post"><button id="authorize">授权并返回支付 Authorize and go back</button></form>{{end}}{{end}}
{{define "refund"}}{{if and .Insured (eq .State "paid")}}<form method="post" action="/visits/{{.Reference}}/refund"><button id="refund">退费 Refund</button></form>{{end}}{{end}}`

func (s *shop) takeInsurance(mux *http.ServeMux) {
	if s.bureau == "" {
		return
	}
	mux.HandleFunc("POST /insured", s.buyInsured)
	mux.HandleFunc("POST /prepare", s.prepare)
	mux.HandleFunc("GET /visits/{reference}/authorize", func(w http.ResponseWriter, _ *http.Request) { s.show(w, map[string]any{"Authorize": true}) })
	mux.HandleFunc("POST /visits/{reference}/authorize", s.authorize)
	mux.HandleFunc("POST /visits/{reference}/refund", s.refund)
}

// buyInsured makes an order with a bill, which only the patient may pay, and sends them to its checkout.
func (s *shop) buyInsured(w http.ResponseWriter, r *http.Request) {
	v := &visit{Reference: "insured-" + rand.Text(), Service: "医保门诊 Insured visit", Fen: total, State: "open"}
	v.Insured, v.Redirect = true, r.FormValue("redirect") != ""
	s.mu.Lock()
	s.visits[v.Reference] = v
	s.mu.Unlock()
	err := s.bind(r.Context())
	var order answer
	if err == nil {
		order, err = s.call(r.Context(), "/v1/orders", map[string]any{
			"reference": v.Reference, "amount": v.Fen, "description": v.Service, "return_url": s.self + "/visits/" + v.Reference,
			"payer": map[string]string{"policy": "named", "id": patientID}, "bill": map[string]any{
				"order_type": "DIAG_PAY", "city_id": "530100", "institution": map[string]string{"name": "第一医院", "number": "530100001"},
				"fees": map[string]any{"total": total, "gov": gov, "self": account, "cash": cash}, "person": patient,
			},
		})
	}
	if err != nil {
		log.Print(err)
		http.Error(w, "暂时无法下单，请稍后再试 / Please try again later", http.StatusBadGateway)
		return
	}
	if v.Redirect { // through which entry, where another would be chosen
		order.CheckoutURL += "?" + url.Values{"entry": {os.Getenv("CLINIC_REDIRECT_ENTRY")}}.Encode()
	}
	http.Redirect(w, r, order.CheckoutURL, http.StatusSeeOther)
}

// bind tells PayBridge who the patient is in the official account and in the mini program, as the clinic's own logins know:
// CLINIC_PATIENT is entry=openid, several with commas between.
func (s *shop) bind(ctx context.Context) error {
	for known := range strings.SplitSeq(os.Getenv("CLINIC_PATIENT"), ",") {
		entry, openid, ok := strings.Cut(known, "=")
		if !ok {
			continue
		}
		if _, err := s.call(ctx, "/v1/identities/bind", map[string]any{"user_id": patientID, "entry": entry, "openid": openid}); err != nil {
			return err
		}
	}
	return nil
}

// prepare answers what PayBridge wants to know before a payment: of a visit with insurance the bureau's part of it, or where the
// patient gets that. Anything else may be paid.
func (s *shop) prepare(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil || !s.signed(r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body, r.Header.Get("webhook-signature")) {
		http.Error(w, "not signed", http.StatusUnauthorized)
		return
	}
	var asked struct {
		Data struct {
			CheckoutURL string `json:"checkout_url"`
			Order       struct{ Reference string }
		}
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		http.Error(w, "not a question", http.StatusBadRequest)
		return
	}
	said := map[string]any{"allow": true}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.visits[asked.Data.Order.Reference]; v != nil && v.Insured {
		v.Checkout = asked.Data.CheckoutURL
		said["medical"] = v.Medical
		if v.Redirect {
			if v.authorized.IsZero() {
				v.authorized = time.Now()
			}
			said["medical"] = map[string]any{"serial_no": v.Reference[:20], "ordered_at": v.authorized}
		} else if time.Since(v.authorized) > authorizationLife {
			said = map[string]any{"go_to": s.self + "/visits/" + v.Reference + "/authorize"}
		}
	}
	if err := json.NewEncoder(w).Encode(said); err != nil {
		log.Print(err)
	}
}

// authorize is the patient letting the bureau authorize the payment.
func (s *shop) authorize(w http.ResponseWriter, r *http.Request) {
	v, ok := s.insured(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	err := s.ask(r.Context(), "/authorizations", map[string]any{
		"gov": gov, "self": account, "cash": cash, "person": map[string]string{"name": patient["name"], "id_number": patient["id_number"]},
	}, &v.Medical)
	if err != nil {
		log.Print(err)
		http.Error(w, "医保局暂时没有回应 / The bureau does not answer", http.StatusBadGateway)
		return
	}
	s.mu.Lock()
	kept := s.visits[v.Reference]
	kept.Medical, kept.authorized = v.Medical, time.Now()
	kept.Medical.GeoLocation = "102.682296,25.054260" // from the patient's client
	s.mu.Unlock()
	http.Redirect(w, r, v.Checkout, http.StatusSeeOther)
}

// refund gives all of a visit back: PayBridge the cash, the clinic the rest at its bureau, of which it tells PayBridge.
func (s *shop) refund(w http.ResponseWriter, r *http.Request) {
	v, ok := s.insured(r)
	if !ok || v.Payment == "" {
		http.NotFound(w, r)
		return
	}
	if err := s.giveBack(r.Context(), v); err != nil {
		log.Print(err)
		http.Error(w, "退费没有完成，请再试一次 / Not refunded; try again", http.StatusBadGateway)
		return
	}
	s.mu.Lock()
	if now := s.visits[v.Reference]; now.State == "paid" { // what became of it is an event's to say
		now.State = "refunding"
	}
	s.mu.Unlock()
	http.Redirect(w, r, "/visits/"+v.Reference, http.StatusSeeOther)
}

func (s *shop) giveBack(ctx context.Context, v visit) error {
	made, err := s.call(ctx, "/v1/payments/"+v.Payment+"/refunds", map[string]any{"reference": "all", "amount": total, "reason": "退费"})
	if err != nil {
		return err
	}
	var back struct {
		BureauRefundNo string    `json:"bureau_refund_no"`
		RefundedAt     time.Time `json:"refunded_at"`
	}
	if v.Redirect { // the simulated bureau knows nothing of these
		back.BureauRefundNo, back.RefundedAt = "REF-"+v.Reference, time.Now()
	} else if err := s.ask(ctx, "/refunds", map[string]any{"pay_order_id": v.Medical.PayOrderID, "gov": gov, "self": account}, &back); err != nil {
		return err
	}
	_, err = s.call(ctx, "/v1/refunds/"+made.Number+"/legs/insurance", map[string]any{
		"bureau_refund_no": back.BureauRefundNo, "gov": gov, "self": account, "refunded_at": back.RefundedAt,
	})
	return err
}

// ask asks the bureau.
func (s *shop) ask(ctx context.Context, path string, body map[string]any, into any) error {
	text, _ := json.Marshal(body) // texts and numbers always marshal
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.bureau+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	got, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = got.Body.Close() }()
	if got.StatusCode >= 300 {
		return fmt.Errorf("the bureau: %s: %s", path, got.Status)
	}
	return json.NewDecoder(got.Body).Decode(into)
}

// insured is the visit of a request, as it is now.
func (s *shop) insured(r *http.Request) (visit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.visits[r.PathValue("reference")]
	if v == nil || !v.Insured {
		return visit{}, false
	}
	return *v, true
}

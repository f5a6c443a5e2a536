package httpapi

import (
	"strings"
	"testing"
)

func TestFulfilment(t *testing.T) {
	t.Parallel()
	w := start(t)
	open := w.order("REG-1")
	ordinary, _ := w.paid("REG-2")
	order := w.paidToShip("REG-3")
	path := func(order string) string { return "/v1/orders/" + order + "/fulfilment" }

	if r := w.call(clinicKey, "GET", path(open), ""); r.status != 409 || r.code() != "order_not_paid" {
		t.Errorf("of an unpaid order: %d %s", r.status, r.text)
	}
	if r := w.call(clinicKey, "POST", path(open), `{"method":"virtual"}`); r.status != 409 || r.code() != "order_not_paid" {
		t.Errorf("an unpaid order is fulfilled: %d %s", r.status, r.text)
	}
	for _, method := range []string{"GET", "POST"} {
		body := map[string]string{"POST": `{"method":"virtual"}`}[method]
		if r := w.must(200, clinicKey, method, path(ordinary), body); r.json["state"] != "not_needed" {
			t.Errorf("%s where the entry has no such duty: %s", method, r.text)
		}
	}
	if r := w.must(200, clinicKey, "GET", path(order), ""); r.json["state"] != "awaited" || r.json["deadline"] == nil || r.json["method"] != nil {
		t.Errorf("before the app said anything: %s", r.text)
	}
	long := strings.Repeat("x", 121)
	for field, body := range map[string]string{
		"method":          `{"method":"by pigeon"}`,
		"description":     `{"method":"virtual","description":"` + long + `"}`,
		"carrier":         `{"method":"express","tracking_number":"1"}`,
		"tracking_number": `{"method":"express","carrier":"ZTO"}`,
		"receiver_phone":  `{"method":"express","carrier":"SF","tracking_number":"1"}`,
	} {
		if r := w.call(clinicKey, "POST", path(order), body); r.status != 400 || !strings.Contains(r.text, `"`+field+`"`) {
			t.Errorf("%s: %d %s", body, r.status, r.text)
		}
	}
	for _, body := range []string{
		`{"method":"virtual","carrier":"SF"}`,
		`{"method":"express","carrier":"SF","tracking_number":"1","receiver_phone":"18912341234"}`, // not masked
		`{"method":"express","carrier":"S F","tracking_number":"1"}`,
		`{"method":"virtual","description":" "}`,
		`{"method":"virtual","note":"x"}`,
		`{}`,
	} {
		if r := w.call(clinicKey, "POST", path(order), body); r.status != 400 {
			t.Errorf("%s: %d %s", body, r.status, r.text)
		}
	}
	first := w.must(202, clinicKey, "POST", path(order), `{"method":"virtual"}`)
	if first.json["state"] != "reporting" || first.json["description"] != "Registration fee" || first.json["corrected"] != false || first.header.Get("Retry-After") == "" {
		t.Errorf("said: %s", first.text)
	}
	if r := w.must(202, clinicKey, "POST", path(order), `{"method":"virtual","description":"Registration fee"}`); r.json["fulfilled_at"] != first.json["fulfilled_at"] {
		t.Errorf("the same again: %s, first %s", r.text, first.text)
	}
	if r := w.must(202, clinicKey, "POST", path(order), `{"method":"pick_up"}`); r.json["method"] != "pick_up" {
		t.Errorf("otherwise, before it was sent: %s", r.text)
	}
}

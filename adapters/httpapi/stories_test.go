package httpapi

import (
	"strings"
	"testing"
)

func TestOperatorsFindTellAndAct(t *testing.T) {
	t.Parallel()
	w := start(t)
	order, payment := w.paid("REG-1")
	open := w.order("REG-2")
	if r := w.operator("GET", "/admin/v1/find?q=REG-1", ""); r.status != 200 || strings.Count(r.text, `"kind"`) != 1 || !strings.Contains(r.text, `"kind":"order","number":"`+order+`"`) {
		t.Errorf("find: %d %s", r.status, r.text)
	}
	if r := w.operator("GET", "/admin/v1/orders/"+order+"/story", ""); r.status != 200 || !strings.Contains(r.text, `"cause":"made for entry`) || !strings.Contains(r.text, `"out_trade_no":"`+payment+`"`) || strings.Contains(r.text, "openid") {
		t.Errorf("story: %d %s", r.status, r.text)
	}
	if r := w.operator("POST", "/admin/v1/payments/"+payment+"/refunds", `{"name":"li","reference":"R1","amount":10}`); r.status != 200 || r.json["origin"] != "api" || r.json["amount"] != 10.0 {
		t.Errorf("refund: %d %s", r.status, r.text)
	}
	if r := w.operator("GET", "/admin/v1/orders/"+order+"/story", ""); !strings.Contains(r.text, `"cause":"made (api) (by li)"`) {
		t.Errorf("the refund's audit: %s", r.text)
	}
	if r := w.operator("POST", "/admin/v1/orders/"+open+"/close", `{"name":"li"}`); r.status != 200 || r.json["close_reason"] != "operator" {
		t.Errorf("close: %d %s", r.status, r.text)
	}
	nobody := strings.Repeat("9", 32)
	for _, row := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/admin/v1/find", ``, 400},
		{"GET", "/admin/v1/find?q=", ``, 400},
		{"GET", "/admin/v1/find?q=" + strings.Repeat("x", 65), ``, 400},
		{"GET", "/admin/v1/find?q=nobody", ``, 200},
		{"GET", "/admin/v1/orders/" + nobody + "/story", ``, 404},
		{"GET", "/admin/v1/orders/1/story", ``, 404},
		{"GET", "/admin/v1/messages?verdict=lost", ``, 400},
		{"GET", "/admin/v1/messages?before=nobody", ``, 404},
		{"GET", "/admin/v1/messages", ``, 200},
		{"POST", "/admin/v1/messages/" + nobody + "/replay", `{"name":"li"}`, 404},
		{"POST", "/admin/v1/messages/" + nobody + "/replay", ``, 400},
		{"POST", "/admin/v1/orders/" + order + "/close", `{"name":"li"}`, 409},
		{"POST", "/admin/v1/orders/" + nobody + "/close", `{"name":"li"}`, 404},
		{"POST", "/admin/v1/orders/" + order + "/close", `{"name":"li\n"}`, 400},
		{"POST", "/admin/v1/payments/" + payment + "/close", `{"name":"li"}`, 409},
		{"POST", "/admin/v1/payments/" + payment + "/refunds", `{"name":"li","amount":10}`, 400},
		{"POST", "/admin/v1/payments/" + payment + "/refunds", `{"name":"li","reference":"R2","amount":0}`, 400},
		{"POST", "/admin/v1/payments/" + payment + "/refunds", `{"name":"li","reference":"R2","amount":100000000}`, 409},
		{"POST", "/admin/v1/payments/" + payment + "/refunds", `{"reference":"R2","amount":10}`, 400},
		{"POST", "/admin/v1/payments/" + nobody + "/refunds", `{"name":"li","reference":"R2","amount":10}`, 404},
		{"POST", "/admin/v1/refunds/" + nobody + "/retry", `{"name":"li"}`, 404},
	} {
		if r := w.operator(row.method, row.path, row.body); r.status != row.status {
			t.Errorf("%s %s %.80s: %d %s, want %d", row.method, row.path, row.body, r.status, r.text, row.status)
		}
	}
}

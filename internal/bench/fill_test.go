package main

import (
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/tradeno"
)

// A copy differs from its template in everything that names it and in its times, and in nothing else.
func TestCopyOfATemplate(t *testing.T) {
	t.Parallel()
	made := time.UnixMicro(1_800_000_000_000_000).UTC()
	draw := func(kind tradeno.Kind, method string) string {
		number, err := tradeno.New(kind, method, "00", "99", made)
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	order, payment := draw(tradeno.Order, tradeno.OrderMethod), draw(tradeno.Payment, "01")
	refund, err := tradeno.ForRefund(payment, "r", func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	from := &template{order: order, payment: payment, refund: refund, createdAt: made, rows: [][]map[string]any{
		{{"number": order, "reference": "template-1", "amount": int64(100), "created_at": made.UnixMicro(), "due": bun.Safe("null")}},
		{{"number": payment, "order_number": order, "provider_id": "4200001", "legs": `[{"provider_id":"4200001"}]`, "unclear": false}},
		{{"number": refund, "payment": payment, "reference": "r"}},
	}}
	later := made.Add(time.Hour)
	rows, copied, err := from.copyAs(7, later)
	if err != nil {
		t.Fatal(err)
	}
	o, p, r := rows[0][0], rows[1][0], rows[2][0]
	for name, number := range map[string]any{"order": o["number"], "payment": p["number"], "refund": r["number"]} {
		parts, err := tradeno.Parse(number.(string))
		if err != nil || !parts.At.Equal(later) || number == order || number == payment || number == refund {
			t.Errorf("the %s's number is %v (%v, of %s)", name, number, err, parts.At)
		}
	}
	for _, row := range []struct {
		what      string
		got, want any
	}{
		{"the number it returns", copied, p["number"]},
		{"the payment's order", p["order_number"], o["number"]},
		{"the refund's payment", r["payment"], p["number"]},
		{"the order's reference", o["reference"], "stored-7"},
		{"the refund's reference", r["reference"], "r"},
		{"the provider's id", p["provider_id"], "4200001-7"},
		{"the same in the legs", p["legs"], `[{"provider_id":"4200001-7"}]`},
		{"the amount", o["amount"], int64(100)},
		{"the time", o["created_at"], later.UnixMicro()},
		{"null", o["due"], bun.Safe("null")},
		{"a flag", p["unclear"], false},
	} {
		if row.got != row.want {
			t.Errorf("%s: %v, want %v", row.what, row.got, row.want)
		}
	}
}

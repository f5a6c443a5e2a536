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
	from := &template{order: order, payment: payment, refund: refund, createdAt: made, sheets: []sheet{
		{[]string{"number", "reference", "amount", "created_at", "due"}, [][]any{{order, "template-1", int64(100), made.UnixMicro(), bun.Safe("null")}}},
		{[]string{"number", "order_number", "provider_id", "legs", "unclear"}, [][]any{{payment, order, "4200001", `[{"provider_id":"4200001"}]`, false}}},
		{[]string{"number", "payment", "reference"}, [][]any{{refund, payment, "r"}}},
	}}
	from.nameAll()
	later := made.Add(time.Hour)
	rows, copied, err := from.copyAs(7, later)
	if err != nil {
		t.Fatal(err)
	}
	o, p, r := rows[0][0], rows[1][0], rows[2][0]
	for name, number := range map[string]any{"order": o[0], "payment": p[0], "refund": r[0]} {
		parts, err := tradeno.Parse(number.(string))
		if err != nil || !parts.At.Equal(later) || number == order || number == payment || number == refund {
			t.Errorf("the %s's number is %v (%v, of %s)", name, number, err, parts.At)
		}
	}
	for _, row := range []struct {
		what      string
		got, want any
	}{
		{"the number it returns", copied, p[0]},
		{"the payment's order", p[1], o[0]},
		{"the refund's payment", r[1], p[0]},
		{"the order's reference", o[1], "template-1-3.7"},
		{"the refund's reference", r[2], "r"},
		{"the provider's id", p[2], "4200001-4.7"},
		{"the same in the legs", p[3], `[{"provider_id":"4200001-4.7"}]`},
		{"the amount", o[2], int64(100)},
		{"the time", o[3], later.UnixMicro()},
		{"null", o[4], bun.Safe("null")},
		{"a flag", p[4], false},
	} {
		if row.got != row.want {
			t.Errorf("%s: %v, want %v", row.what, row.got, row.want)
		}
	}
}

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	t.Parallel()
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i // any order
	}
	for _, row := range []struct {
		name   string
		values []int
		part   float64
		want   int
	}{
		{"none", nil, 0.5, 0},
		{"one", []int{7}, 0.99, 7},
		{"the middle of three", []int{9, 1, 5}, 0.5, 5},
		{"the lower middle of four", []int{4, 1, 3, 2}, 0.5, 2},
		{"the 99th of a hundred", hundred, 0.99, 99},
		{"all", hundred, 1, 100},
	} {
		if got := quantile(row.values, row.part); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

// What was not measured must not look like a zero.
func TestNotMeasured(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	d := databaseReport{Database: sqlite}
	d.BareRate.add(1000)
	d.print(printer{&out})
	for _, want := range []string{"callbacks settled                          not measured", "1000 /s      [1000]", "gateway not measured idle"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"payment_cpu_ms":null`) || !strings.Contains(string(text), `"bare_transactions_per_second":{"median":1000,"rounds":[1000]}`) {
		t.Errorf("as JSON: %s", text)
	}
}

func TestAims(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		rounds []float64
		bound  string
		want   string
	}{
		{nil, "at most", ""},
		{[]float64{1.2, 1.3, 9}, "at most", "(aim: at most 1.3, met)"},
		{[]float64{1.31}, "at most", "(aim: at most 1.3, MISSED)"},
		{[]float64{1.31}, "at least", "(aim: at least 1.3, met)"},
		{[]float64{1.2}, "at least", "(aim: at least 1.3, MISSED)"},
	} {
		if got := aim(metric{row.rounds}, row.bound, 1.3); got != row.want {
			t.Errorf("%v %s 1.3: %q, want %q", row.rounds, row.bound, got, row.want)
		}
	}
}

func TestProcessStatus(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, text string
		want       status
		ok         bool
	}{
		{"as Linux writes it", "42 (paybridge) S 7 42 42 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 9 0", status{7, 2 * time.Second}, true},
		{"a name with parentheses and spaces", "42 (a) b (c)) S 7 42 42 0 -1 4194560 900 0 0 0 1 0 0 0", status{7, tick}, true},
		{"cut off", "42 (paybridge) S 7 42", status{}, false},
		{"empty", "", status{}, false},
	} {
		if got, ok := parseStat([]byte(row.text)); got != row.want || ok != row.ok {
			t.Errorf("%s: %+v %v, want %+v %v", row.name, got, ok, row.want, row.ok)
		}
	}
}

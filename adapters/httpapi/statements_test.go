package httpapi

import (
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/ports"
)

func TestStatementsAreListedAndDifferencesAccepted(t *testing.T) {
	t.Parallel()
	w := start(t)
	now := time.Now()
	s := ports.Statement{Account: "hospital", Provider: "p", MchID: "1900000001", Day: "2026-11-01", State: ports.StatementAwaited, Due: now}
	if err := w.db.PlanStatement(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if r := w.operator("GET", "/admin/v1/statements?account=hospital&day=2026-11-01", ""); r.status != 200 || !strings.Contains(r.text, `"state":"awaited","lines":0`) {
		t.Errorf("awaited: %d %s", r.status, r.text)
	}
	claim, err := w.db.Claim(t.Context(), ports.KindStatement, s.ID(), time.Minute, now)
	if err != nil {
		t.Fatal(err)
	}
	s.State, s.Due, s.Lines = ports.StatementDiffering, now.Add(time.Hour), 3
	err = w.db.StatementDone(t.Context(), claim, s, []ports.StatementSum{{App: "clinic", Entry: "oa", Payments: 2, Gross: 300, FeeMilli: 1800}}, []ports.Difference{
		{Kind: ports.OursOnly, What: ports.KindPayment, Number: "1", Ours: 100, OurState: "succeeded"},
		{Kind: ports.TheirsOnly, What: ports.KindRefund, Number: "2", Theirs: 50, TheirState: "SUCCESS"},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	if r := w.operator("GET", "/admin/v1/statements?open=true", ""); r.status != 200 || !strings.Contains(r.text, `"state":"differing","lines":3,"others":0,"differences":2`) {
		t.Errorf("differing: %d %s", r.status, r.text)
	}
	if r := w.operator("GET", "/admin/v1/statements/sums?from=2026-11-01&to=2026-11-02", ""); r.status != 200 || !strings.Contains(r.text, `"entry":"oa","payments":2,"gross":300,"refunds":0,"refunded":0,"fee_milli":1800`) {
		t.Errorf("sums: %d %s", r.status, r.text)
	}
	if r := w.operator("POST", "/admin/v1/differences/1/accept", `{"name":"li","reason":"paid at the till"}`); r.status != 200 || r.json["accepted_by"] != "li" || r.json["accepted_at"] == nil || r.json["reason"] != "paid at the till" {
		t.Errorf("accepted: %d %s", r.status, r.text)
	}
	if r := w.operator("POST", "/admin/v1/differences/1/accept", `{"name":"wang","reason":"another"}`); r.status != 200 || r.json["accepted_by"] != "li" {
		t.Errorf("accepted twice: %d %s", r.status, r.text)
	}
	if r := w.operator("GET", "/admin/v1/differences?open=true", ""); r.status != 200 || strings.Count(r.text, `"id":`) != 1 || !strings.Contains(r.text, `"kind":"theirs_only","what":"refund","number":"2"`) {
		t.Errorf("open: %d %s", r.status, r.text)
	}
	if r := w.operator("GET", "/admin/v1/differences?account=hospital&day=2026-11-01&before=2", ""); strings.Count(r.text, `"id":1,`) != 1 {
		t.Errorf("the first: %d %s", r.status, r.text)
	}
	for _, row := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/admin/v1/differences/2/accept", `{"name":"li"}`, 400},
		{"POST", "/admin/v1/differences/2/accept", `{"reason":"why"}`, 400},
		{"POST", "/admin/v1/differences/2/accept", `{"name":"li","reason":"` + strings.Repeat("x", 201) + `"}`, 400},
		{"POST", "/admin/v1/differences/2/accept", `{"name":"li","reason":"a\nb"}`, 400},
		{"POST", "/admin/v1/differences/9/accept", `{"name":"li","reason":"why"}`, 404},
		{"POST", "/admin/v1/differences/x/accept", `{"name":"li","reason":"why"}`, 404},
		{"GET", "/admin/v1/differences/2/accept", ``, 405},
		{"GET", "/admin/v1/differences?before=x", ``, 400},
		{"GET", "/admin/v1/differences?open=yes", ``, 400},
		{"GET", "/admin/v1/differences?kind=amount", ``, 400},
		{"GET", "/admin/v1/statements?day=yesterday", ``, 400},
		{"GET", "/admin/v1/statements/sums?from=2026-11-01", ``, 400},
		{"GET", "/admin/v1/statements/sums?from=2026-11-31&to=2026-12-01", ``, 400},
		{"POST", "/admin/v1/statements", `{"day":"2026-13-01"}`, 400},
		{"POST", "/admin/v1/statements", `{"day":"` + now.AddDate(0, 0, 1).Format(time.DateOnly) + `"}`, 400},
		{"POST", "/admin/v1/statements", `{"day":"2026-11-01","account":"nobody"}`, 400},
		{"POST", "/admin/v1/statements", `{"date":"2026-11-01"}`, 400},
	} {
		if r := w.operator(row.method, row.path, row.body); r.status != row.status {
			t.Errorf("%s %s %.80s: %d %s, want %d", row.method, row.path, row.body, r.status, r.text, row.status)
		}
	}
}

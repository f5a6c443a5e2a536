package e2e

import (
	"net/http"
	"testing"
)

// A person is told of unfinished work that nobody does, and of work that a wrong clock has put off; the doctor says it too (R40).
func TestR40_SomebodyIsToldOfWorkThatNobodyDoes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start(func(l *launching) { l.args = append(l.args, "--hold") })
		_, payment := w.paid("visit-1", 100)
		w.want(w.api("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": "held", "amount": 40}), http.StatusAccepted)
		_, putOff := w.paidUnheard("visit-2", 100)
		db.exec(t, "update payments set due = due + 1000000000000 where number = '"+putOff+"'")
		db.exec(t, "update refunds set due = due - 3700000000 where payment = '"+payment+"'")
		w.awaitCount(1, "select count(*) from alarms where kind = 'rows.overdue' and number = 'refund'")
		w.awaitCount(1, "select count(*) from alarms where kind = 'rows.due_too_late' and number = 'payment'")
		if code, all, _ := w.doctor(); code != 1 || all[0] != "store due_rows failed rows_overdue" {
			t.Errorf("doctor: code %d, %q", code, all)
		}
	})
}

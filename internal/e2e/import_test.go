package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// Payments that an earlier system took by the same merchant number are refunded here, by WeChat's own word for each; what is wrong with a line is
// said, and the same file again changes nothing.
func TestR27_PaymentsOfAnEarlierSystemAreRefunded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		merchant := w.merchant(mchID)
		for number, fen := range map[string]int64{"OLD-0001": 1000, "OLD-0002": 2000, "OLD-UNPAID": 300} {
			_, _, err := merchant.Prepay(t.Context(), wechat.Prepay{
				Parties:     wechat.Parties{AppID: appID, MchID: mchID, Payer: wechat.Payer{OpenID: payer}},
				Description: "Before", OutTradeNo: number, NotifyURL: "https://old.example.com/notify", Amount: wechat.Total{Total: fen, Currency: "CNY"},
				TimeExpire: wechat.Time(time.Now().Add(time.Hour)),
			})
			if err != nil {
				t.Fatal(err)
			}
			w.fault(sim.Fault{Kind: sim.CallbackLost, Number: number})
			if number != "OLD-UNPAID" {
				w.tap(number)
			}
		}
		if _, _, err := merchant.CreateRefund(t.Context(), wechat.RefundRequest{
			OutTradeNo: "OLD-0002", OutRefundNo: "OLD-BACK-1", Amount: wechat.RefundAmount{Refund: 500, Total: 2000, Currency: "CNY"},
		}); err != nil {
			t.Fatal(err)
		}
		await(t, "the refund of the earlier system succeeds", func() error {
			if made, _ := w.sim.Ledger().Refund("OLD-BACK-1"); made.Status != sim.RefundSuccess {
				return fmt.Errorf("it is %s", made.Status)
			}
			return nil
		})
		file := filepath.Join(w.dir, "old.csv")
		writeFile(t, file, "\ufeffapp,entry,out_trade_no,reference,description,refunds\n"+
			"his,"+entry+",OLD-0001,VISIT-1,Before,\n"+
			"his,"+entry+",OLD-0002,VISIT-2,Before,OLD-BACK-1:500\n"+
			"his,"+entry+",OLD-UNPAID,VISIT-3,Before,\n"+
			"his,"+entry+",OLD-UNKNOWN,VISIT-4,Before,\n"+
			"his,nowhere,OLD-0001,VISIT-5,Before,\n")
		code, said := w.paybridge("import", "payments", file)
		if code != 3 || !strings.Contains(said, "2 taken over, 0 were here, 3 not taken") || !strings.Contains(said, "line 4: out_trade_no: the provider says that it is") ||
			!strings.Contains(said, "line 5: out_trade_no: the provider knows no such payment") || !strings.Contains(said, `line 6: entry: "nowhere" is not an entry`) {
			t.Errorf("exit code %d\n%s", code, said)
		}
		users := filepath.Join(w.dir, "users.csv")
		writeFile(t, users, "app,entry,openid,user_id\nhis,"+entry+","+payer+",patient-1\n")
		if code, said := w.paybridge("import", "identities", users); code != 0 {
			t.Errorf("identities: exit code %d\n%s", code, said)
		}
		if code, said := w.paybridge("import", "payments", file); code != 3 || !strings.Contains(said, "0 taken over, 2 were here") {
			t.Errorf("again: exit code %d\n%s", code, said)
		}

		g := w.start()
		number := func(outTradeNo string) string {
			var found string
			conn := db.open(t)
			defer func() { _ = conn.Close() }()
			if err := conn.QueryRowContext(t.Context(), "select number from payments where provider_number = '"+outTradeNo+"'").Scan(&found); err != nil {
				t.Fatal(err)
			}
			return found
		}
		first, second := number("OLD-0001"), number("OLD-0002")
		back := w.refund(first, "back", 1000)
		w.awaitState("/v1/refunds/"+back, "succeeded")
		w.wantRefused(w.tryRefund(second, "too much", 1501), "refund_exceeds_payment")
		rest := w.refund(second, "rest", 1500)
		w.awaitState("/v1/refunds/"+rest, "succeeded")
		for _, made := range w.sim.Ledger().Refunds {
			if made.OutRefundNo == back && (made.OutTradeNo != "OLD-0001" || made.MchID != mchID) {
				t.Errorf("the refund went to %+v", made)
			}
		}
		if a := w.api("POST", "/v1/identities/lookup", map[string]string{"user_id": "patient-1"}); a.status != http.StatusOK || !strings.Contains(a.text, payer) {
			t.Errorf("the user: %s", a)
		}
		w.awaitInvariants()
		if code, said := w.paybridge("import", "payments", file); code != 1 {
			t.Errorf("beside gateway %s: exit code %d\n%s", g.public, code, said)
		}
	})
}

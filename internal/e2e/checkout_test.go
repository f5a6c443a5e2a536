package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/paybridge/paybridge/internal/nodetest"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// TestTheCheckoutInChromium pays on the hosted pages in a browser that plays WeChat: the gateway's process, the plugin and the
// simulator are the real ones, and the simulator checks every hand-off as WeChat does. SCREENSHOTS=DIR keeps pictures.
func TestTheCheckoutInChromium(t *testing.T) {
	wholeAlone(t) // a page is given seconds, not minutes: it has the processors for itself
	browser := nodetest.Chromium(t)
	w := newWorld(t, sqlite(t))
	w.setup.Plugins = map[string]any{"dir": filepath.Join(programs, "both")}
	account := accountOf(w.sim, miniAccount, miniMchID)
	account.Provider = otherProvider
	w.setup.Accounts = append(w.setup.Accounts, account)
	mini := entryAt(w.base, miniEntry, miniAccount, miniAppID)
	mini.Provider, mini.Method = account.Provider, "02"
	w.addEntry(mini)
	for i, e := range w.setup.Entries {
		w.setup.Entries[i].Secret = "file:wechat/apps/" + e.AppID + "/secret.txt"
	}
	w.setup.Entries[0].VerificationFiles = []map[string]string{{"name": "MP_verify_AbCd1234.txt"}}
	w.setup.Entries[0].ReturnURLs = []string{"https://clinic.example/done"}
	w.setup.Apps[0]["display_name"] = "清和诊所 Qinghe Clinic"
	w.start()
	cashier := httptest.NewServer(cashier(w))
	t.Cleanup(cashier.Close)
	nodetest.Run(t, []string{"GATEWAY=" + w.base, "KEY=" + apiKey, "CASHIER=" + cashier.URL, "WECHAT=" + w.sim.BaseURL(), "CHROMIUM=" + browser, "MINI=" + miniAppID},
		"checkout.test.js")
}

// cashier is what the payer does with a hand-off: POST /pay or /cancel. POST /fault makes something go wrong at WeChat.
func cashier(w *world) http.Handler {
	mux := http.NewServeMux()
	act := func(do func(sim.Pay) (sim.Trade, error)) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			var p sim.Pay
			if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
				http.Error(rw, err.Error(), http.StatusBadRequest)
				return
			}
			trade, err := do(p)
			if err != nil {
				http.Error(rw, err.Error(), http.StatusConflict)
				return
			}
			_ = json.NewEncoder(rw).Encode(map[string]string{"out_trade_no": trade.OutTradeNo})
		}
	}
	mux.HandleFunc("POST /pay", act(w.sim.Pay))
	mux.HandleFunc("POST /cancel", act(w.sim.CancelPayment))
	mux.HandleFunc("POST /login", func(rw http.ResponseWriter, r *http.Request) {
		var who struct {
			AppID  string `json:"app_id"`
			Person string `json:"person"`
		}
		err := json.NewDecoder(r.Body).Decode(&who)
		var code string
		if err == nil {
			code, err = w.sim.LoginCode(who.AppID, who.Person)
		}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(rw).Encode(map[string]string{"code": code})
	})
	mux.HandleFunc("POST /fault", func(rw http.ResponseWriter, r *http.Request) {
		var f sim.Fault
		err := json.NewDecoder(r.Body).Decode(&f)
		if err == nil {
			_, err = w.sim.AddFault(f)
		}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
		}
	})
	return mux
}

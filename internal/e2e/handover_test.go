package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// handingOver is a world with a mini program of its own plugin.
func handingOver(t *testing.T, db database, change func(*entrySetup)) *world {
	w := newWorld(t, db)
	w.setup.Plugins = map[string]any{"dir": filepath.Join(programs, "both")}
	account := accountOf(w.sim, miniAccount, miniMchID)
	account.Provider = otherProvider
	w.setup.Accounts = append(w.setup.Accounts, account)
	mini := entryAt(w.base, miniEntry, miniAccount, miniAppID)
	mini.Provider, mini.Method, mini.Secret = otherProvider, "02", "file:wechat/apps/"+miniAppID+"/secret.txt"
	change(&mini)
	w.addEntry(mini)
	return w
}

// A mini program of 2019 gets the pay parameters in its page's address: each is encoded once, and WeChat takes them.
func TestPayParametersInAnAddress(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := handingOver(t, db, func(e *entrySetup) { e.HandOver, e.PayPage = "parameters", "/pages/old/pay" })
		g := w.start()
		order := w.order("visit-1", 100)
		pay := func(p *phone) (int, told) {
			status, a, _ := p.post("/checkout/orders/"+order+"/pay", map[string]string{"place": "miniprogram", "entry": miniEntry})
			return status, a
		}
		if status, a := pay(w.phone()); status != http.StatusUnauthorized || a.Code != "session_missing" {
			t.Errorf("somebody who has not signed in: %d %+v", status, a)
		}
		p := w.phone()
		if status, _, page := p.open(g.login("alice"), "", ""); status != http.StatusSeeOther {
			t.Fatalf("sign in: %d %s", status, page)
		}
		status, a := pay(p)
		if status != http.StatusOK || a.HandOff == nil {
			t.Fatalf("pay: %d %+v", status, a)
		}
		var handOff struct {
			Kind   string
			Params map[string]string
		}
		if err := json.Unmarshal(*a.HandOff, &handOff); err != nil {
			t.Fatal(err)
		}
		page, query, _ := strings.Cut(handOff.Params["url"], "?")
		if handOff.Kind != "miniprogram_page" || page != "/pages/old/pay" || strings.Contains(query, "+") {
			t.Errorf("the hand-off is %+v", handOff)
		}
		given := map[string]string{}
		for pair := range strings.SplitSeq(query, "&") { // as the page reads it: decodeURIComponent of each
			name, value, _ := strings.Cut(pair, "=")
			decoded, err := url.PathUnescape(value)
			if err != nil {
				t.Fatal(err)
			}
			given[name] = decoded
		}
		if given["type"] != "1" || given["number"] != order || !strings.HasPrefix(given["package"], "prepay_id=") {
			t.Errorf("the page is given %v", given)
		}
		_, err := w.sim.Pay(sim.Pay{HandOff: &sim.HandOff{ // WeChat signs with the mini program that runs the page
			AppID: miniAppID, TimeStamp: given["timeStamp"], NonceStr: given["nonceStr"], Package: given["package"], SignType: given["signType"], PaySign: given["paySign"],
		}})
		if err != nil {
			t.Fatal(err)
		}
		w.awaitState("/v1/orders/"+order, "paid")
	})
}

// One login with one ticket, sent to all gateways at once, is one payment, and every answer that pays is the same.
func TestR43_ATicketComesToAllGatewaysAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := handingOver(t, db, func(*entrySetup) {})
		gateways := w.startAll()
		order := w.order("visit-1", 100)
		made := w.want(w.api("POST", "/v1/orders/"+order+"/tickets", map[string]string{"entry": miniEntry}), http.StatusCreated)
		_, ticket, _ := strings.Cut(made.HandOff.Params["url"], "ticket=")
		code, err := w.sim.LoginCode(miniAppID, "alice")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		handOffs := map[string]bool{}
		together(12, 12, func(i int) {
			a, err := gateways[i%len(gateways)].tryAs("", "POST", "/p/v1/tickets/redeem", map[string]string{"ticket": ticket, "js_code": code})
			if err != nil || a.status != http.StatusCreated && a.status != http.StatusOK && a.status != http.StatusAccepted {
				t.Errorf("request %d: %s, %v", i, a, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if a.HandOff != nil {
				handOffs[fmt.Sprint(a.HandOff.Params)] = true
			}
		})
		if len(handOffs) != 1 {
			t.Errorf("there are %d ways to pay: %v", len(handOffs), handOffs)
		}
		if trades := w.sim.Ledger().Trades; len(trades) != 1 {
			t.Errorf("WeChat has %d trades", len(trades))
		}
		w.wantNoConflict()
	})
}

// A page that asks all the time how its order stands makes the gateway ask WeChat once a second at most.
func TestAPageThatAsksAllTheTime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := signingIn(t, db)
		w.start()
		order := w.order("visit-1", 100)
		p := w.phone()
		p.signIn(entry, "alice")
		if status, a, _ := p.post("/checkout/orders/"+order+"/pay", map[string]string{"place": "official_account", "entry": entry}); status != http.StatusOK {
			t.Fatalf("pay: %d %+v", status, a)
		}
		began := time.Now()
		for range 20 {
			if status, _, page := p.open(w.base+"/checkout/orders/"+order+"/state", "", ""); status != http.StatusOK || !strings.Contains(page, `"told":true`) {
				t.Errorf("%d %s", status, page)
			}
		}
		most := int(time.Since(began)/time.Second) + 2 // work asks as well, every ten seconds
		asked := 0
		for _, r := range w.sim.Ledger().Requests {
			if r.Method == http.MethodGet && strings.HasPrefix(r.Path, "/v3/pay/transactions/") {
				asked++
			}
		}
		if asked == 0 || asked > most {
			t.Errorf("WeChat was asked %d times, at most %d are right", asked, most)
		}
	})
}

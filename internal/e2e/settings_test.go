package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// operator calls the admin listener of one gateway.
func (g *gateway) operator(method, path string, body any, headers ...string) (status int, text string, err error) {
	sent, err := json.Marshal(body)
	if err != nil {
		return 0, "", err
	}
	if body == nil {
		sent = nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+g.admin+"/admin/v1/"+path, strings.NewReader(string(sent)))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// wantOperator fails the test unless the operator's call is answered with one of these.
func (g *gateway) wantOperator(method, path string, body any, want ...int) string {
	g.w.t.Helper()
	status, text, err := g.operator(method, path, body)
	if err != nil || !slices.Contains(want, status) {
		g.w.t.Fatalf("%s %s: %d %s, %v; want %v", method, path, status, text, err, want)
	}
	return text
}

// follows waits until this gateway works with the newest settings that another one has stored.
func (g *gateway) follows(other *gateway) {
	g.w.t.Helper()
	of := func(g *gateway) (s struct {
		Generation int64 `json:"generation"`
		InUse      int64 `json:"in_use"`
	}) {
		if err := json.Unmarshal([]byte(g.wantOperator("GET", "settings", nil, 200)), &s); err != nil {
			g.w.t.Fatal(err)
		}
		return s
	}
	newest := of(other).Generation
	await(g.w.t, "gateway "+g.public+" follows", func() error {
		if now := of(g).InUse; now < newest {
			return fmt.Errorf("it works with generation %d, the newest is %d", now, newest)
		}
		return nil
	})
}

// apply runs paybridge apply with the world's setup as it is now against gateway 0.
func (w *world) apply(env string, args ...string) (code int, said string) {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "paybridge"), append([]string{"apply", "-f", w.writeSetup(), "--as", "ann"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "PAYBRIDGE_LISTEN__ADMIN=" + w.gateways[0].admin, env}
	out, _ := cmd.CombinedOutput() // how it ended is the code
	return cmd.ProcessState.ExitCode(), string(out)
}

// A changed file is compared, refused or applied, without a restart.
func TestApply(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		g := w.start()
		_, payment := w.paid("before", 1000)
		want := func(what string, code int, got int, said string, says ...string) {
			t.Helper()
			for _, text := range says {
				if got != code || !strings.Contains(said, text) {
					t.Errorf("%s: exit code %d, want %d and %q:\n%s", what, got, code, text, said)
				}
			}
		}
		code, said := w.apply("LANG=C")
		want("as it is", 0, code, said, "Nothing to change")

		kept := w.setup
		w.addEntry(entryAt(w.base, clinic, account, appID2))
		w.setup.Accounts = append(slices.Clone(kept.Accounts), accountOf(w.sim, secondAccount, mchIDB))
		code, said = w.apply("LANG=C", "--dry-run")
		want("dry", 3, code, said, "+ create  entry    "+clinic, "~ change  app      his", `entries[1]: – → "clinic"`, "Would create 2, change 1, drop 0.")
		code, said = w.apply("LANG=zh_CN.UTF-8", "--dry-run")
		want("dry, in Chinese", 3, code, said, "+ 新增  入口      "+clinic, "将新增 2 项、修改 1 项、删除 0 项。")
		if a := w.api("POST", "/v1/orders/"+w.order("too early", 1)+"/payments", payBy(clinic, payer2)); a.status != http.StatusBadRequest {
			t.Errorf("a dry run made the entry: %s", a)
		}
		code, said = w.apply("LANG=C")
		want("applied", 0, code, said, "Created 2, changed 1, dropped 0: generation")
		g.follows(g)
		w.payAs(w.order("through the new entry", 100), clinic, payer2)
		code, said = w.apply("LANG=C", "--dry-run")
		want("applied twice", 0, code, said, "Nothing to change")
		if text := g.wantOperator("GET", "entries/"+clinic+"/history", nil, 200); !strings.Contains(text, `"by":"ann"`) {
			t.Errorf("the history does not say who applied it: %s", text)
		}

		applied := w.setup
		w.setup.Accounts = slices.Clone(applied.Accounts)[1:]
		w.setup.Entries = nil
		w.setup.Apps = []map[string]any{{"name": "his", "keys": kept.Apps[0]["keys"], "entries": []string{}}}
		for _, dry := range []string{"--dry-run", "--dry-run=false"} { // R37
			code, said = w.apply("LANG=C", dry)
			want("an account in use left out", 2, code, said, account, payment, "retired: true")
		}
		w.setup = applied
		w.setup.Accounts = slices.Clone(applied.Accounts)
		broken := accountOf(w.sim, secondAccount, mchIDB)
		delete(broken.Config, "serial_no")
		w.setup.Accounts[1] = broken
		code, said = w.apply("LANG=C")
		want("an account that its plugin does not understand", 2, code, said, "accounts/"+secondAccount+"/config: lacks serial_no")

		w.setup = applied
		w.restart(func(*setup) {}) // with the applied file: nothing is lost, nothing comes back
		code, said = w.apply("LANG=C")
		want("after a restart", 0, code, said, "Nothing to change")
		g.stop()
		code, said = w.apply("LANG=C")
		want("without a gateway", 1, code, said, "no gateway answers at http://"+g.admin, "paybridge serve")
	})
}

// A merchant that comes at run time, secrets and all: they are stored sealed, shown as marks, and survive a restart.
func TestAMerchantIsAddedAtRunTime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		g := w.start()
		read := func(file string) string { return readFile(t, filepath.Join(w.dir, "wechat", mchIDB, file)) }
		appSecret := readFile(t, filepath.Join(w.dir, "wechat", "apps", appIDB, "secret.txt"))
		config := map[string]any{
			"serial_no": read("serial.txt"), "private_key": read("apiclient_key.pem"), "api_v3_keys": []string{read("apiv3_key.txt")},
			"public_key_id": w.sim.PublicKeyID(), "public_keys": map[string]string{w.sim.PublicKeyID(): read("pub_key.pem")},
		}
		made := g.wantOperator("PUT", "accounts/"+secondAccount, map[string]any{"provider": provider, "mchid": mchIDB, "config": config}, 201)
		stored := w.text("select content from settings where kind = 'account' and name = '" + secondAccount + "'")
		for what, text := range map[string]string{"the answer": made, "the row": stored} {
			if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, read("apiv3_key.txt")) || !strings.Contains(text, "sealed:") {
				t.Errorf("%s: %s", what, text)
			}
		}
		g.wantOperator("PUT", "entries/"+clinic, map[string]any{"provider": provider, "account": secondAccount, "app_id": appIDB, "method": "01", "notify_base": w.base, "secret": appSecret}, 201)
		if text := w.text("select content from settings where kind = 'entry' and name = '" + clinic + "'"); strings.Contains(text, appSecret) || !strings.Contains(text, "sealed:") {
			t.Errorf("the entry's row: %s", text)
		}
		const key = "a key of the clinic's own system"
		g.wantOperator("PUT", "apps/clinic", map[string]any{"keys": []map[string]any{{"id": "k", "hash": hashOf(key), "scopes": []string{"pay", "read", "refund"}}}, "entries": []string{clinic}}, 201)
		g.follows(g)

		pays := func(reference string) {
			t.Helper()
			if status := w.phone().signIn(clinic, "alice"); status != http.StatusSeeOther {
				t.Errorf("%s, a payer's way back from WeChat is answered %d", reference, status)
			}
			order, err := g.tryAs(key, "POST", "/v1/orders", map[string]any{"reference": reference, "amount": 100, "description": "Registration fee"})
			if err != nil {
				t.Fatal(err)
			}
			a, err := g.tryAs(key, "POST", "/v1/orders/"+order.Number+"/payments", payBy(clinic, payerB))
			if err != nil || a.HandOff == nil {
				t.Fatalf("%s: %v %s", reference, err, a)
			}
			w.tap(a.Number)
			await(t, reference+" is paid", func() error {
				o, err := g.tryAs(key, "GET", "/v1/orders/"+order.Number, nil)
				if err == nil && o.State != "paid" {
					err = errors.New(o.String())
				}
				return err
			})
		}
		pays("before a restart")
		w.restart(func(*setup) {})
		pays("after a restart")
		if status, text, err := g.operator("PUT", "accounts/"+secondAccount, map[string]any{"provider": provider, "mchid": mchIDB, "config": map[string]any{"serail_no": "1"}}, "If-Match", "*"); err != nil || status != 400 || !strings.Contains(text, "did you mean serial_no?") {
			t.Errorf("a misspelt key: %d %s, %v", status, text, err)
		}
		if w.wantNoSecret("what the gateway wrote", g.output.all()); strings.Contains(g.output.all(), "PRIVATE KEY") {
			t.Error("the log shows a private key")
		}
	})
}

// partnerSeed is the simulator's with so many sub merchants below the partner, numbered from 1900001000 on.
func partnerSeed(n int) sim.Option {
	seed := sim.DefaultSeed()
	i := slices.IndexFunc(seed.Merchants, func(m sim.SeedMerchant) bool { return m.MchID == partnerMchID })
	for k := range n {
		seed.Merchants[i].SubMerchants = append(seed.Merchants[i].SubMerchants, sim.SeedSubMerchant{MchID: fmt.Sprint(1900001000 + k)})
	}
	return sim.With(func(c *sim.Config) { c.Seed = seed })
}

// Sub merchants are made from a template while payments run, on any replica; each pays and refunds by its own number.
func TestSubMerchantsAreAddedWhilePaymentsRun(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		const schools = 300
		w := newWorld(t, db, refundSoon, partnerSeed(schools))
		gateways := w.startAll()
		first, last := gateways[0], gateways[len(gateways)-1]
		template := accountOf(w.sim, "partner", partnerMchID)
		for name, file := range template.Config { // references: seen from the root
			template.Config[name] = absolute(w.dir, file)
		}
		first.wantOperator("PUT", "accounts/partner", map[string]any{"provider": provider, "mchid": partnerMchID, "template": true, "config": template.Config}, 201)
		first.wantOperator("PUT", "entries/schools", map[string]any{"provider": provider, "account": "partner", "app_id": partnerApp, "openid_kind": "sp", "method": "01", "notify_base": w.base}, 201)
		const key = "the schools' key"
		first.wantOperator("PUT", "apps/schools", map[string]any{"keys": []map[string]any{{"id": "k", "hash": hashOf(key), "scopes": []string{"pay", "read", "refund"}}}, "entries": []string{"schools"}}, 201)

		var busy sync.WaitGroup
		var enough atomic.Bool
		var other atomic.Int32
		for i := range 2 {
			busy.Go(func() { // somebody else pays all the time
				g := gateways[i%len(gateways)]
				for n := 0; !enough.Load(); n++ {
					order, err := g.try("POST", "/v1/orders", map[string]any{"reference": fmt.Sprintf("other-%d-%d", i, n), "amount": 100, "description": "Registration fee"})
					if err == nil {
						order, err = g.try("POST", "/v1/orders/"+order.Number+"/payments", payBy(entry, payer))
					}
					if err != nil || order.status != http.StatusCreated {
						t.Errorf("a payment of somebody else: %v %s", err, order)
					}
					other.Add(1)
				}
			})
		}
		config := w.writeSetup()
		const lists = 4 // three fourths come in lists, the others one by one
		together(lists, lists, func(k int) {
			if k == 0 {
				together(schools/lists, 2, func(i int) {
					status, text, err := gateways[i%len(gateways)].operator("POST", "accounts/partner/sub-merchants", map[string]string{"name": fmt.Sprintf("school-%d", i), "sub_mchid": fmt.Sprint(1900001000 + i)})
					if err != nil || status != 201 {
						t.Errorf("school %d: %d %s, %v", i, status, text, err)
					}
				})
				return
			}
			list := "\ufeffschool,name,sub_mchid\r\n"
			for i := k * schools / lists; i < (k+1)*schools/lists; i++ {
				list += fmt.Sprintf("第%d小学,school-%d,%d\r\n", i, i, 1900001000+i)
			}
			file := filepath.Join(w.dir, fmt.Sprintf("schools-%d.csv", k))
			writeFile(t, file, list)
			for _, step := range []struct {
				args []string
				code int
				says string
			}{
				{[]string{"--dry-run"}, 3, fmt.Sprintf("Would create %d, change 0, drop 0.", 2*schools/lists)},
				{nil, 0, fmt.Sprintf("Created %d, changed 0, dropped 0: generation", 2*schools/lists)},
				{nil, 0, "Nothing to change"},
			} {
				args := append([]string{"sub-merchants", "partner", "--csv", file, "--as", "ann", "--lang", "en", "--listen.admin", gateways[k%len(gateways)].admin}, step.args...)
				if code, said := w.paybridgeWith(config, args...); code != step.code || !strings.Contains(said, step.says) {
					t.Errorf("%v: code %d\n%s", args, code, said)
				}
			}
		})
		enough.Store(true)
		busy.Wait()
		if other.Load() == 0 {
			t.Error("nobody else paid meanwhile")
		}
		first.follows(last)
		last.follows(first)

		numbers := make([]string, schools)
		together(schools, 8, func(i int) {
			g := gateways[i%len(gateways)]
			order, err := g.tryAs(key, "POST", "/v1/orders", map[string]any{"reference": fmt.Sprintf("meal-%d", i), "amount": 100, "description": "School meals"})
			if err != nil {
				t.Error(err)
				return
			}
			a, err := g.tryAs(key, "POST", "/v1/orders/"+order.Number+"/payments", payBy(fmt.Sprintf("school-%d", i), partnerPayer))
			if err != nil || a.HandOff == nil {
				t.Errorf("school %d: %v %s", i, err, a)
				return
			}
			numbers[i] = a.Number
			if _, err := w.sim.Pay(sim.Pay{OutTradeNo: a.Number}); err != nil {
				t.Error(err)
			}
		})
		if t.Failed() {
			return
		}
		w.awaitCount(schools, "select count(*) from orders where app = 'schools' and state = 'paid'")
		refunds := make([]string, schools)
		together(schools, 8, func(i int) {
			a, err := gateways[i%len(gateways)].tryAs(key, "POST", "/v1/payments/"+numbers[i]+"/refunds", map[string]any{"reference": "back", "amount": 40})
			if err != nil || a.status != http.StatusAccepted {
				t.Errorf("refund of school %d: %v %s", i, err, a)
			}
			refunds[i] = a.Number
		})
		w.awaitCount(schools, "select count(*) from refunds where app = 'schools' and state = 'succeeded'")
		ledger := w.sim.Ledger()
		subOf := map[string]string{}
		for _, trade := range ledger.Trades {
			subOf[trade.OutTradeNo] = trade.SubMchID
		}
		for i, number := range numbers {
			want := fmt.Sprint(1900001000 + i)
			if subOf[number] != want {
				t.Errorf("trade %s is of sub merchant %q, want %s", number, subOf[number], want)
			}
			if made, ok := ledger.Refund(refunds[i]); !ok || made.OutTradeNo != number {
				t.Errorf("refund %s is %+v, want one of trade %s", refunds[i], made, number)
			}
		}
		w.wantNoConflict()
		code, all, _ := w.doctor() // each is proven, the callback once for all, and the template is no account of its own
		rest := slices.DeleteFunc(slices.Clone(all), func(f string) bool { return strings.HasSuffix(f, "self_test skipped same_keys") })
		if code != 0 || len(all)-len(rest) != schools-1 {
			t.Errorf("doctor: code %d, %d of %d sub merchants have the first one's keys; the rest: %q", code, len(all)-len(rest), schools, rest)
		}
	})
}

// An app's endpoint is mended at run time: what waited for it goes out at once, signed with secrets that nobody can read
// back (R46).
func TestR46_AWebhookIsMendedAtRunTime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		canteen := w.receiver("canteen").up()
		g := w.start()
		const key = "the canteen's key"
		put := func(url string, headers ...string) {
			t.Helper()
			status, text, err := g.operator("PUT", "apps/canteen", map[string]any{
				"keys":    []map[string]any{{"id": "k", "hash": hashOf(key), "scopes": []string{"pay", "read"}}},
				"entries": []string{}, "webhook": map[string]any{"url": url, "secrets": canteen.secrets},
			}, headers...)
			if err != nil || status/100 != 2 || strings.Contains(text, "whsec_") {
				t.Fatalf("%d %s, %v", status, text, err)
			}
			g.follows(g)
		}
		put("http://" + freeAddress(t) + "/nobody")
		order, err := g.tryAs(key, "POST", "/v1/orders", newOrder("lunch", 100))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.tryAs(key, "POST", "/v1/orders/"+order.Number+"/close", nil); err != nil {
			t.Fatal(err)
		}
		w.awaitCount(1, "select count(*) from deliveries where app = 'canteen' and attempts > 0 and claimed_until is null")
		db.exec(t, "update deliveries set due = due + 86400000000 where app = 'canteen' and claimed_until is null") // as after many tries
		put(canteen.url(), "If-Match", "*")
		canteen.await(order.Number, "order.closed")
		if stored := w.text("select content from settings where kind = 'app' and name = 'canteen'"); strings.Contains(stored, "whsec_") || !strings.Contains(stored, "sealed:app/canteen:") {
			t.Errorf("the row: %s", stored)
		}
		w.wantNone("what the gateway wrote", g.output.all(), []secret{{"a webhook's secret", canteen.secrets[0]}, {"its key", canteen.secrets[0][6:]}})
	})
}

// readFile is a file's text without its last newline.
func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(string(text), "\n")
}

// absolute makes the file references of a config start at the root.
func absolute(dir string, v any) any {
	switch v := v.(type) {
	case string:
		if path, ok := strings.CutPrefix(v, "file:"); ok {
			return "file:" + filepath.Join(dir, path)
		}
	case []string:
		for i := range v {
			v[i] = absolute(dir, v[i]).(string)
		}
	case map[string]string:
		for name := range v {
			v[name] = absolute(dir, v[name]).(string)
		}
	}
	return v
}

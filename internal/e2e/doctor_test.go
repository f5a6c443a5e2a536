package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// finding is one of `paybridge doctor --json`.
type finding struct {
	Subject, Check, Status, Code, Detail, Remedy string
	RemedyZH                                     string `json:"remedy_zh"`
}

// doctor asks for the findings that are not ok, as "subject check status code".
func (w *world) doctor(args ...string) (code int, all []string, gateway bool) {
	w.t.Helper()
	code, said := w.paybridge(append([]string{"doctor", "--json", "--listen.admin", w.gateways[0].admin}, args...)...)
	var report struct {
		Healthy, Gateway bool
		Findings         []finding
	}
	if err := json.NewDecoder(strings.NewReader(said)).Decode(&report); err != nil {
		w.t.Fatalf("code %d, %v:\n%s", code, err, said)
	}
	if report.Healthy != (code == 0) {
		w.t.Errorf("healthy is %v, and the exit code %d", report.Healthy, code)
	}
	for _, f := range report.Findings {
		if f.Status == "ok" {
			continue
		}
		if f.Remedy == "" || f.RemedyZH == "" {
			w.t.Errorf("%s %s: %s without a remedy in both languages: %+v", f.Subject, f.Check, f.Status, f)
		}
		all = append(all, strings.Join([]string{f.Subject, f.Check, f.Status, f.Code}, " "))
	}
	w.wantNoSecret("what the doctor said", said)
	return code, all, report.Gateway
}

const unbound = "entry " + entry + " app_binding skipped app_binding_unproven"

// A running gateway proves all of an account that can be proven without money: WeChat calls it back.
func TestDoctorOfARunningGateway(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		if code, all, gateway := w.doctor(); code != 0 || !gateway || fmt.Sprint(all) != "["+unbound+"]" {
			t.Errorf("code %d, of a gateway: %v, %v", code, gateway, all)
		}
		w.paid("visit-1", 100)
		if code, all, _ := w.doctor(entry); code != 0 || len(all) != 0 {
			t.Errorf("once a payment went through: code %d, %v", code, all)
		}
		if code, said := w.paybridge("doctor", "nobody", "--listen.admin", w.gateways[0].admin); code != 1 || !strings.Contains(said, `no account and no entry "nobody"`) {
			t.Errorf("of nobody: code %d\n%s", code, said)
		}
		for _, trade := range w.sim.Ledger().Trades {
			if trade.Total != 100 {
				t.Errorf("the doctor moved money: %+v", trade)
			}
		}
	})
}

func TestDoctorSaysWhatIsWrong(t *testing.T) {
	whole(t)
	for _, row := range []struct {
		name  string
		spoil func(w *world)
		want  []string // some of what is not ok
	}{
		{"another certificate's key", func(w *world) {
			w.setup.Accounts[0].Config["private_key"] = "file:" + filepath.Join("wechat", "1900000002", "apiclient_key.pem")
		}, []string{"account " + account + " request_signature failed key_not_of_certificate"}},
		{"R39 the clock", func(w *world) { w.fault(sim.Fault{Kind: sim.ClockOff, Delay: sim.Duration(4 * time.Minute)}) },
			[]string{"account " + account + " clock failed clock_off"}},
		{"an APIv3 key that opens nothing", func(w *world) {
			writeFile(w.t, filepath.Join(w.dir, "other.txt"), strings.Repeat("x", 32))
			w.setup.Accounts[0].Config["api_v3_keys"] = []string{"file:other.txt"}
		}, []string{"account " + account + " api_v3_key failed callback_refused"}},
		{"R44 a notify URL that leads elsewhere", func(w *world) { w.setup.Entries[0].NotifyBase = w.sim.BaseURL() },
			[]string{"entry " + entry + " notify_url failed notify_base_elsewhere", "entry " + entry + " notify failed callback_missing"}},
		{"a notify URL where nobody is", func(w *world) { w.setup.Entries[0].NotifyBase = "http://" + freeAddress(w.t) },
			[]string{"entry " + entry + " notify_url failed notify_base_unreachable"}},
		{"a secret that is not there", func(w *world) { w.setup.Accounts[0].Config["private_key"] = "file:none.pem" },
			[]string{"account " + account + " in_use failed account_out_of_use"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sqlite(t))
			row.spoil(w)
			w.start()
			code, all, _ := w.doctor()
			for _, want := range row.want {
				if code != 1 || !strings.Contains(strings.Join(all, "\n"), want) {
					t.Errorf("code %d, want %q:\n%s", code, want, strings.Join(all, "\n"))
				}
			}
		})
	}
}

// Before the first start the file's accounts are proven as far as one can without being called back.
func TestDoctorWithoutAGateway(t *testing.T) {
	whole(t)
	w := newWorld(t, sqlite(t))
	code, all, gateway := w.doctor()
	want := []string{
		"entry " + entry + " notify_url skipped gateway_away", "entry " + entry + " notify skipped callback_not_asked",
		"account " + account + " api_v3_key skipped callback_not_asked", unbound,
	}
	if code != 0 || gateway || fmt.Sprint(all) != fmt.Sprint(want) {
		t.Errorf("code %d, of a gateway: %v\n%s", code, gateway, strings.Join(all, "\n"))
	}
	for lang, words := range map[string][]string{
		"en": {"No gateway runs", "Account " + account, "ok       request_signature", "Nothing is wrong"},
		"zh": {"网关未运行", "收款账户 " + account, "正常  request_signature", "请先启动网关", "未发现问题"},
	} {
		_, said := w.paybridge("doctor", "--lang", lang, "--listen.admin", w.gateways[0].admin)
		for _, word := range words {
			if !strings.Contains(said, word) {
				t.Errorf("--lang %s lacks %q:\n%s", lang, word, said)
			}
		}
	}
	w.setup.Accounts[0].Config["serail_no"] = "AB"
	if code, all, _ := w.doctor(); code != 1 || !strings.Contains(strings.Join(all, "\n"), "account "+account+" in_use failed account_out_of_use") {
		t.Errorf("an account that its plugin does not take: code %d\n%s", code, strings.Join(all, "\n"))
	}
	if _, err := os.Stat(w.db.place); !os.IsNotExist(err) {
		t.Errorf("the database was touched: %v", err)
	}
}

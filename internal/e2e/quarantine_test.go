package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// breakablePlugin puts a plugin in the place of the real one that exits at its start as long as a file is there, and gives
// that file's path. It is not pinned, as development allows.
func (w *world) breakablePlugin() (broken string) {
	w.t.Helper()
	binary := w.ownPlugins()
	dir := filepath.Dir(binary)
	broken = filepath.Join(dir, "broken")
	script := filepath.Join(w.t.TempDir(), provider)
	writeFile(w.t, script, fmt.Sprintf("#!/bin/sh\nif [ -e '%s' ]; then echo 'it cannot' >&2; exit 3; fi\nexec '%s'\n", broken, binary))
	if err := os.Chmod(script, 0o700); err != nil {
		w.t.Fatal(err)
	}
	var lock struct {
		Plugins []map[string]string `json:"plugins"`
	}
	path := filepath.Join(dir, "plugins.lock")
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &lock)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for _, pin := range lock.Plugins {
		if pin["name"] == provider {
			pin["path"], pin["sha256"] = script, ""
		}
	}
	if text, err = json.Marshal(lock); err != nil {
		w.t.Fatal(err)
	}
	writeFile(w.t, path, string(text))
	return broken
}

// A plugin that exits at once on every start is in quarantine, with an alarm, and readiness names it. What is unfinished
// waits; once the plugin is mended and released all of it finishes.
func TestR36_PluginInQuarantine(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, faster(10))
		broken := w.breakablePlugin()
		g := w.start()
		command := func(args ...string) string {
			t.Helper()
			code, said := w.paybridge(append(args, "--listen.admin", g.admin)...)
			if code != 0 {
				t.Errorf("%v: code %d\n%s", args, code, said)
			}
			return said
		}
		if said := command("plugin", "list"); !strings.Contains(said, provider) || !strings.Contains(said, "serving") || !strings.Contains(said, "1 of 1 in use") {
			t.Errorf("plugin list:\n%s", said)
		}
		if said := command("plugin", "restart", provider); !strings.Contains(said, "in no quarantine") {
			t.Errorf("plugin restart of one that runs:\n%s", said)
		}
		w.fault(sim.Fault{Kind: sim.CallbackLost, Event: "TRANSACTION"})
		orders := w.orders("visit", 3)
		payments := make([]string, len(orders))
		for i, order := range orders {
			payments[i] = w.pay(order).Number
			w.tap(payments[i])
		}
		earlier := w.pay(w.order("earlier", 100)).Number
		w.tap(earlier)
		w.again("it is found by a sync", "POST", "/v1/payments/"+earlier+"/sync", nil, http.StatusOK)

		writeFile(t, broken, "")
		if err := syscall.Kill(w.pluginState().PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "the plugin is in quarantine", func() error {
			if said := command("plugin", "list"); !strings.Contains(said, "quarantined") || !strings.Contains(said, "paybridge plugin restart "+provider) {
				return fmt.Errorf("it is not:\n%s", said)
			}
			return nil
		})
		w.awaitCount(1, "select count(*) from alarms where kind = 'plugin.quarantined' and number = '"+provider+"' and acknowledged_at is null")
		if ready := g.readiness(); !strings.Contains(ready, `"plugin `+provider+`","ok":false`) || !strings.Contains(ready, "in quarantine since") {
			t.Errorf("readiness does not name it: %s", ready)
		}
		if code, all, _ := w.doctor(); code != 1 || !strings.Contains(strings.Join(all, "\n"), "plugin "+provider+" running failed quarantined") {
			t.Errorf("doctor: code %d %v", code, all)
		}
		if p := w.pluginState(); p.PID != 0 {
			t.Errorf("it runs: %+v", p)
		}
		refund := w.refund(earlier, "r1", 40)
		w.want503(w.api("POST", "/v1/orders/"+w.order("later", 100)+"/payments", payBy(entry, payer)))
		w.wantNoneFailed()

		if err := os.Remove(broken); err != nil {
			t.Fatal(err)
		}
		if said := command("plugin", "restart", provider); !strings.Contains(said, "is started again") {
			t.Errorf("plugin restart:\n%s", said)
		}
		for i := range payments {
			w.awaitState("/v1/payments/"+payments[i], "succeeded")
			w.awaitState("/v1/orders/"+orders[i], "paid")
		}
		w.awaitState("/v1/refunds/"+refund, "succeeded")
	})
}

// pluginState is how the plugin does in gateway 0, as `paybridge plugin list --json` says it.
func (w *world) pluginState() (running struct {
	PID   int
	State string
}) {
	w.t.Helper()
	code, said := w.paybridge("plugin", "list", "--json", "--listen.admin", w.gateways[0].admin)
	var all []struct {
		Name    string
		Running *struct {
			PID   int
			State string
		}
	}
	if err := json.Unmarshal([]byte(said), &all); err != nil || code != 0 {
		w.t.Fatalf("code %d, %v:\n%s", code, err, said)
	}
	for _, p := range all {
		if p.Name == provider && p.Running != nil {
			return *p.Running
		}
	}
	w.t.Fatalf("no gateway says how %s does:\n%s", provider, said)
	return running
}

func TestPluginInspect(t *testing.T) {
	whole(t)
	w := newWorld(t, sqlite(t))
	code, said := w.paybridge("plugin", "inspect", provider)
	for _, want := range []string{"wechat_jsapi", "self_test", "at most 50, within ", "schema of an account", `"writeOnly": true`, "goods_tag"} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("code %d, want %q:\n%s", code, want, said)
		}
	}
	code, said = w.paybridge("plugin", "inspect", provider, "--json")
	var about struct {
		Pin         struct{ Name, Version, SHA256 string }
		Description struct {
			Name, Version string
			Services      []string
			AccountSchema map[string]any `json:"account_schema"`
		}
		Running any
	}
	if err := json.Unmarshal([]byte(said), &about); err != nil || code != 0 {
		t.Fatalf("code %d, %v:\n%s", code, err, said)
	}
	if len(about.Pin.SHA256) != 64 || about.Pin.Name != provider || about.Description.Version != about.Pin.Version || about.Description.AccountSchema == nil || about.Running != nil {
		t.Errorf("%+v", about)
	}
	if code, said = w.paybridge("plugin", "inspect", "nobody"); code != 1 || !strings.Contains(said, "no plugin of that name") {
		t.Errorf("of nobody: code %d\n%s", code, said)
	}
	if code, said = w.paybridge("plugin", "restart", provider); code != 1 || !strings.Contains(said, "no gateway answers at") {
		t.Errorf("restart without a gateway: code %d\n%s", code, said)
	}
}

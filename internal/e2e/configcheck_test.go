package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// paybridge runs a command of the program with the world's setup, and gives its exit code and all that it said.
func (w *world) paybridge(args ...string) (code int, said string) {
	w.t.Helper()
	return w.paybridgeWith(w.writeSetup(), args...)
}

// paybridgeWith runs a command of paybridge with a configuration that is written already.
func (w *world) paybridgeWith(config string, args ...string) (code int, said string) {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "paybridge"), append(args, "--config", config)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir}
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		w.t.Error(err)
		return -1, ""
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// What is wrong is said with its place, its key and the remedy; a secret is never repeated.
func TestConfigCheck(t *testing.T) {
	whole(t)
	const pasted = "0123456789abcdef0123456789abcdef"
	for _, row := range []struct {
		name   string
		change func(s *setup)
		code   int
		want   string
	}{
		{"right", func(*setup) {}, 0, "The configuration is right: 1 apps, 1 entries, 1 accounts"},
		{"a typing mistake in an account", func(s *setup) { s.Accounts[0].Config["serail_no"] = "AB" }, 2,
			"accounts[0].config.serail_no: this key is unknown; did you mean serial_no?"},
		{"a field is missing", func(s *setup) { delete(s.Accounts[0].Config, "serial_no") }, 2, "accounts[0].config: lacks serial_no"},
		{"a field of another type", func(s *setup) { s.Accounts[0].Config["public_key_id"] = 7 }, 2,
			"accounts[0].config.public_key_id: must be of type string, not number"},
		{"a secret in the clear", func(s *setup) { s.Accounts[0].Config["api_v3_keys"] = []string{pasted} }, 2,
			"accounts[0].config.api_v3_keys[0]: is a secret and stands here in the clear; write where it is: env:NAME or file:path"},
		{"a secret that is not there", func(s *setup) { s.Accounts[0].Config["private_key"] = "file:none.pem" }, 2, "none.pem"},
		{"a key of encryption that is not there", func(s *setup) {
			s.Secrets["keys"] = []any{map[string]any{"id": "k1", "ref": "file:nosuch.key"}}
		}, 2, "secrets.keys[0].ref: the secret file:"},
		{"an app's key that is not there", func(s *setup) {
			s.Apps[0]["keys"] = []any{map[string]any{"id": "k", "secret": "env:NOSUCH", "scopes": []string{"pay"}}}
		}, 2, "apps[0].keys[0].secret: the secret env:NOSUCH: the variable is not set; set NOSUCH, or say where the secret is"},
		{"an entry's options", func(s *setup) { s.Entries[0].Options = map[string]any{"goods_tga": "x"} }, 2,
			"entries[0].options.goods_tga: this key is unknown; did you mean goods_tag?"},
		{"a plugin that was not built", func(s *setup) {
			s.Entries[0].Provider, s.Accounts[0].Provider = "wechat-other", "wechat-other"
		}, 0, "Not checked: accounts and entries of provider wechat-other: start plugin wechat-other: no plugin of that name in plugins.lock"},
		{"no plugins at all", func(s *setup) { s.Plugins["dir"] = "none" }, 0, "Not checked: accounts and entries: plugins.lock: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sqlite(t))
			row.change(&w.setup)
			code, said := w.paybridge("config", "check")
			if code != row.code || !strings.Contains(said, row.want) {
				t.Errorf("code %d, want %d and %q:\n%s", code, row.code, row.want, said)
			}
			if row.code == 2 && !strings.Contains(said, "paybridge.yaml:") {
				t.Errorf("the place is missing:\n%s", said)
			}
			if strings.Contains(said, pasted) {
				t.Errorf("the secret is repeated:\n%s", said)
			}
		})
	}
}

// While its plugin does not run nobody can tell what is secret: then nothing of the account lies in the database in the clear.
func TestR45_ASecretInTheClearOfAPluginThatDoesNotRun(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		if err := os.Remove(w.ownPlugins()); err != nil {
			t.Fatal(err)
		}
		const secret = "0123456789abcdef0123456789abcdef"
		w.setup.Accounts[0].Config["api_v3_keys"] = []string{secret}
		w.start()
		w.wantCount(1, "select count(*) from settings where kind = 'account' and name = 'first-hospital'")
		for _, table := range []string{"settings", "settings_history"} {
			w.wantCount(0, "select count(*) from "+table+" where content like '%"+secret+"%'")
		}
	})
}

// A secret in the clear would be stored as it stands, so a gateway does not start with it and stores nothing.
func TestR45_AGatewayRefusesASecretInTheClear(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.setup.Accounts[0].Config["api_v3_keys"] = []string{"0123456789abcdef0123456789abcdef"}
		g := w.gateways[0]
		g.launch()
		if code := g.exit(); code != 2 || !strings.Contains(g.output.all(), "accounts[0].config.api_v3_keys[0]") {
			t.Errorf("code %d", code)
		}
		w.wantCount(0, "select count(*) from settings")
	})
}

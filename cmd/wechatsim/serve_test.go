package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/adapters/checkout/kits"
)

// start runs the program's command as main does and returns its ready line, and a function that ends it as
// SIGTERM would.
func start(t *testing.T, args ...string) (ready, func() error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	cmd := root()
	cmd.SetOut(write)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(append([]string{"serve", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--ready-json"}, args...))
	done := make(chan error, 1)
	go func() {
		err := cmd.ExecuteContext(ctx)
		_ = write.CloseWithError(io.EOF)
		done <- err
	}()
	line, err := bufio.NewReader(read).ReadBytes('\n')
	if err != nil {
		stop()
		t.Fatalf("no ready line: %v, %v", err, <-done)
	}
	var at ready
	if err := json.Unmarshal(line, &at); err != nil {
		t.Fatalf("the ready line %s: %v", line, err)
	}
	return at, func() error { stop(); return <-done }
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestServe: a parent process reads the addresses, both listeners answer, the keys are there, and it ends
// cleanly when told to.
func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys, state := filepath.Join(dir, "keys"), filepath.Join(dir, "state.json")
	at, stop := start(t, "--keys-dir", keys, "--state", state, "--random-seed", "7")
	if at.RandomSeed != 7 || at.KeysDir != keys || !strings.HasPrefix(at.PublicKeyID, "PUB_KEY_ID_") {
		t.Errorf("ready says %+v", at)
	}
	if status, body := get(t, at.BaseURL+"/v3/certificates"); status != http.StatusUnauthorized && status != http.StatusBadRequest {
		t.Errorf("the v3 API: %d %s", status, body)
	}
	if status, body := get(t, at.ControlURL+"/control/v1/health"); status != http.StatusOK || !strings.Contains(body, at.BaseURL) {
		t.Errorf("the control API: %d %s", status, body)
	}
	if _, err := os.Stat(filepath.Join(keys, "summary.json")); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if _, err := os.Stat(state); err != nil {
		t.Errorf("the state at the end: %v", err)
	}
}

// TestTLS: the ready line says what to trust, with and without a keys folder, and a file of its own goes with the
// program.
func TestTLS(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	for _, args := range [][]string{{"--tls"}, {"--tls", "--keys-dir", keys}} {
		at, stop := start(t, args...)
		ca, err := os.ReadFile(at.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) || !strings.HasPrefix(at.BaseURL, "https://") {
			t.Errorf("ready says %+v", at)
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.BaseURL+"/v3/no/such", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("%v: %v, %v", args, resp, err)
		}
		transport.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Errorf("it ends with %v", err)
		}
		if _, err := os.Stat(at.CAFile); (err == nil) != (len(args) > 1) {
			t.Errorf("%v: after the end the CA's file: %v", args, err)
		}
	}
}

// TestWhatItPrints names every address, and the page among them answers.
func TestWhatItPrints(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	at := ready{BaseURL: "https://127.0.0.1:1", ControlURL: "http://127.0.0.1:2", KeysDir: "keys", CAFile: "keys/ca.pem", RandomSeed: 7}
	if err := announce(&out, at, false); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"https://127.0.0.1:1 ", "http://127.0.0.1:2/control/v1/", "http://127.0.0.1:2/ ", "random seed  7", "keys/summary.json", "keys/ca.pem"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("it does not say %s:\n%s", says, out.String())
		}
	}
	running, stop := start(t)
	if status, body := get(t, running.ControlURL+"/"); status != http.StatusOK || !strings.Contains(body, "<!doctype html>") {
		t.Errorf("the page: %d %s", status, body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestSeedFile: the world of the file, and a clear error for one that is wrong.
func TestSeedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "seed.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"merchants":[{"mchid":"1900000003","app_ids":["wxc1"]}],"apps":[{"app_id":"wxc1","users":[{"openid":"oC1-dora","name":"dora"}]}]}`)
	at, stop := start(t, "--seed-file", path)
	if _, body := get(t, at.ControlURL+"/control/v1/users"); !strings.Contains(body, "oC1-dora") {
		t.Errorf("users: %s", body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	write(`{"merchants":[]}`)
	cmd := root()
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.SetArgs([]string{"serve", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--seed-file", path})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a seed without merchants: %v", err)
	}
}

// TestPhone: the phone opens what its file names, and says what is wrong with one.
func TestPhone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "mini"), kits.MiniProgram()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "phone.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"sites":[{"origin":"http://127.0.0.1:8090"}],"official_accounts":[{"app_id":"wxa000000000000001","name":"Clinic","home":"http://127.0.0.1:8090/"}],
		"mini_programs":[{"app_id":"wxm000000000000001","name":"Clinic","dir":"mini"}]}`)
	at, stop := start(t, "--phone", path)
	if status, body := get(t, at.PhoneURL); status != http.StatusOK || !strings.Contains(body, "page.js") {
		t.Errorf("the phone: %d %s", status, body)
	}
	_, body := get(t, at.PhoneURL+"state.json")
	var state struct {
		Persons []struct{ ID string }
		Sites   []map[string]string
	}
	if err := json.Unmarshal([]byte(body), &state); err != nil || len(state.Persons) != 4 || len(state.Sites) != 1 {
		t.Fatalf("its state: %s, %v", body, err)
	}
	for mode, address := range state.Sites[0] {
		if mode != "origin" && !strings.HasPrefix(address, "http://localhost:") {
			t.Errorf("the site as %s is at %s", mode, address)
		}
	}
	if status, _ := get(t, state.Sites[0]["mini_program"]+"/.wxphone/bridge.js"); status != http.StatusOK {
		t.Errorf("the web-view's proxy: %d", status)
	}
	if status, body := get(t, at.PhoneURL+"miniprogram/wxm000000000000001"); status != http.StatusOK || !strings.Contains(body, "pages/paybridge/pay.js") {
		t.Errorf("the mini program: %d %s", status, body)
	}
	if err := stop(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	write(`{"sites":[{"origin":"http://127.0.0.1:8090"}]}`) // the page lists none, rather than nothing
	at, stop = start(t, "--phone", path)
	if _, body := get(t, at.PhoneURL+"state.json"); !strings.Contains(body, `"official_accounts":[]`) || !strings.Contains(body, `"mini_programs":[]`) {
		t.Errorf("its state: %s", body)
	}
	if err := stop(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	for text, says := range map[string]string{
		`{"sites":[]}`: "names no H5 site",
		`{"sites":[{"origin":"http://127.0.0.1:8090"}],"minis":[]}`:                                   "minis",
		`{"sites":[{"origin":"http://127.0.0.1:8090/x"}]}`:                                            "Origin",
		`{"sites":[{"origin":"http://127.0.0.1:8090"}],"mini_programs":[{"app_id":"wx1","dir":"."}]}`: "app.json",
		`{"sites":[{"origin":"http://127.0.0.1:8090"}]} x`:                                            "closing brace",
	} {
		write(text)
		cmd := root()
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SetArgs([]string{"serve", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--phone", path})
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestAddressInUse says which address.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	at, stop := start(t)
	for _, flag := range []string{"--listen=" + strings.TrimPrefix(at.BaseURL, "http://"), "--control-listen=" + strings.TrimPrefix(at.ControlURL, "http://")} {
		cmd := root()
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SetArgs([]string{"serve", "--listen=127.0.0.1:0", "--control-listen=127.0.0.1:0", flag})
		_, address, _ := strings.Cut(flag, "=")
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestLifeline: it ends when its parent's end of standard input closes.
func TestLifeline(t *testing.T) {
	t.Parallel()
	read, write := io.Pipe()
	cmd := root()
	cmd.SetIn(read)
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.SetArgs([]string{"serve", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--stdin-lifeline"})
	done := make(chan error)
	go func() { done <- cmd.ExecuteContext(t.Context()) }()
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestVersion prints one line.
func TestVersion(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	cmd := root()
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"version"})
	if err := cmd.Execute(); err != nil || !strings.HasPrefix(out.String(), "wechatsim ") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%q, %v", out.String(), err)
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

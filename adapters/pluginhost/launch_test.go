package pluginhost_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/pluginhost"
)

func TestR45_EnvironmentAndArgumentsOfAPlugin(t *testing.T) {
	t.Setenv("PAYBRIDGE_TEST_SECRET", "a secret of the gateway")
	t.Setenv("PAYBRIDGE_TEST_SHOWN", "for plugins")
	t.Setenv("TZ", "UTC")
	t.Setenv("NO_PROXY", "localhost")
	h := start(t, func(o *pluginhost.Options) { o.Environment = []string{"PAYBRIDGE_TEST_SHOWN", "PAYBRIDGE_TEST_ABSENT"} })
	names := strings.Fields(provider(t, h, "one").CreatePayment(t.Context(), payment("one", "environment")).Outcome.Message)
	allowed := []string{
		"NO_PROXY", "TZ", "HTTPS_PROXY", "SSL_CERT_FILE", "PAYBRIDGE_TEST_SHOWN",
		"PAYBRIDGE_HOST_PID", "PAYBRIDGE_PLUGIN", "PLUGIN_CLIENT_CERT", "PLUGIN_MAX_PORT", "PLUGIN_MIN_PORT",
		"PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR",
	}
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			t.Errorf("the plugin sees %s", name)
		}
	}
	for _, name := range []string{"TZ", "NO_PROXY", "PAYBRIDGE_TEST_SHOWN"} {
		if !slices.Contains(names, name) {
			t.Errorf("the plugin does not see %s", name)
		}
	}
	for _, file := range []string{"environ", "cmdline"} {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid(h)), file))
		if os.IsNotExist(err) {
			continue // not Linux; the plugin's own word above must do
		}
		if err != nil || strings.Contains(string(text), secret) || strings.Contains(string(text), "a secret of the gateway") {
			t.Errorf("%s of the plugin: %v, %d bytes, or a secret in it", file, err, len(text))
		}
	}
}

func TestWhatIsNotStarted(t *testing.T) {
	t.Parallel()
	change := func(f func(*pluginhost.Pin)) pluginhost.Lock {
		pin := built.lock.Plugins[0]
		f(&pin)
		return pluginhost.Lock{Plugins: []pluginhost.Pin{pin}}
	}
	loose := filepath.Join(shortDir(t), "plugins")
	if err := os.Mkdir(loose, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o777); err != nil { // whatever the umask
		t.Fatal(err)
	}
	script := filepath.Join(shortDir(t), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho hello\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		lock       pluginhost.Lock
		production bool
		want       string
	}{
		{"other bytes than the pin's", change(func(p *pluginhost.Pin) { p.SHA256 = strings.Repeat("0", 64) }), false, "sha256"},
		{"another version than the pin's", change(func(p *pluginhost.Pin) { p.Version = "9.9.9" }), false, "calls itself unruly 1.2.3"},
		{"no such binary", change(func(p *pluginhost.Pin) { p.Path = "/nowhere" }), false, "copy the binary"},
		{"a program that is no plugin", change(func(p *pluginhost.Pin) { p.Path, p.SHA256 = script, "" }), false, "start"},
		{"production: not pinned", change(func(p *pluginhost.Pin) { p.SHA256 = "" }), true, "not pinned"},
		{"production: a folder that others may write", change(func(p *pluginhost.Pin) { p.Path = filepath.Join(loose, "x") }), true, "writable"},
		{"not in the lock", pluginhost.Lock{}, false, "no plugin of that name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, func(o *pluginhost.Options) { o.Lock, o.Production = c.lock, c.production })
			err := h.Start(t.Context(), "unruly")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
			for _, s := range h.Status() {
				if s.PID != 0 {
					t.Errorf("it runs: %+v", s)
				}
			}
		})
	}
}

// lockOf is the lock of a shell script in place of a plugin.
func lockOf(t *testing.T, script string) pluginhost.Lock {
	path := filepath.Join(shortDir(t), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return pluginhost.Lock{Plugins: []pluginhost.Pin{{Name: "unruly", Version: "1.0.0", Path: path}}}
}

func TestWhatAFailedPluginSaysIsBounded(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *pluginhost.Options) {
		o.Lock = lockOf(t, "echo '"+strings.Repeat("x", 4096)+"'\nexec /bin/sleep 60\n")
	})
	if err := h.Start(t.Context(), "unruly"); err == nil || len(err.Error()) > 1024 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestCloseWhileAPluginStarts(t *testing.T) {
	t.Parallel()
	var dir string
	h := newHost(t, func(o *pluginhost.Options) {
		o.Lock, dir = lockOf(t, "echo $$ >\"$0.pid\"\nexec /bin/sleep 60\n"), o.Dir
	})
	go func() { _ = h.Start(context.Background(), "unruly") }() // it never hears of a handshake
	var process int
	eventually(t, "it has started", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "bin", "*.pid"))
		if len(files) == 0 {
			return false
		}
		text, _ := os.ReadFile(files[0])
		var err error
		process, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	closed := make(chan error, 1)
	go func() { closed <- h.Close(context.Background()) }()
	// Well before go-plugin gives up waiting for the handshake, after 10 seconds.
	select {
	case err := <-closed:
		if err != nil || alive(process) {
			t.Errorf("%v, alive: %v", err, alive(process))
		}
	case <-time.After(8 * time.Second):
		t.Error("the start was waited for")
	}
}

func TestProductionStartsWhatIsPinnedAndNobodyWrites(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shortDir(t), "plugins")
	binary, err := os.ReadFile(built.lock.Plugins[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	pin := built.lock.Plugins[0]
	pin.Path = filepath.Join(dir, "unruly")
	for _, step := range []error{os.Mkdir(dir, 0o700), os.WriteFile(pin.Path, binary, 0o555), os.Chmod(dir, 0o555)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // so that it can be removed
	start(t, func(o *pluginhost.Options) {
		o.Lock, o.Production = pluginhost.Lock{Plugins: []pluginhost.Pin{pin}}, true
	})
}

func TestPluginFolder(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	left := filepath.Join(dir, "s", "plugin-dir1", "plugin2")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	h := newHost(t, func(o *pluginhost.Options) { o.Dir = dir })
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what an earlier host left was not swept: %v", err)
	}
	for _, sub := range []string{"", "s", "bin"} {
		if info, err := os.Stat(filepath.Join(dir, sub)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%q: %v, %v", sub, info.Mode(), err)
		}
	}
	if _, err := pluginhost.New(pluginhost.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second host in the same folder: %v", err)
	}
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	again, err := pluginhost.New(pluginhost.Options{Dir: dir})
	if err != nil {
		t.Fatalf("a host after the first: %v", err)
	}
	if err := again.Close(context.Background()); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"relative", "/tmp/" + strings.Repeat("x", 60)} {
		if _, err := pluginhost.New(pluginhost.Options{Dir: bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// Its name can be guessed, and it is emptied, and programs are started from it.
func TestPluginFolderOfSomebodyElse(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	theirs := filepath.Join(dir, "theirs", "bin")
	if err := os.MkdirAll(theirs, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Dir(theirs), link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{link: "no folder", filepath.Dir(theirs): "another user's"} {
		if path != link {
			if os.Geteuid() != 0 { // only root may give a folder away
				continue
			}
			if err := os.Chown(path, 65534, -1); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := pluginhost.New(pluginhost.Options{Dir: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if _, err := os.Stat(theirs); err != nil {
			t.Errorf("%s was emptied: %v", path, err)
		}
	}
}

// Who writes plugins.lock says what is started, with every merchant's keys.
func TestProductionReadsALockThatItsOwnerAloneWrites(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shortDir(t), "plugins")
	path := filepath.Join(dir, pluginhost.LockName)
	for _, step := range []error{os.Mkdir(dir, 0o700), os.WriteFile(path, []byte(`{"plugins": []}`), 0o600), os.Chmod(path, 0o666), os.Chmod(dir, 0o555)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	lock, err := pluginhost.ReadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pluginhost.New(pluginhost.Options{Dir: shortDir(t), Lock: lock, Production: true}); err == nil || !strings.Contains(err.Error(), "writable by group or others") {
		t.Errorf("a lock that others may write: %v", err)
	}
}

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// gateway is one place where `paybridge serve` runs: an address, and the process of now.
type gateway struct {
	w       *world
	base    string // http://address of its public listener
	public  string
	admin   string
	runtime string // XDG_RUNTIME_DIR: short, since a socket's path has a limit
	client  *http.Client
	output  *output

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
}

func newGateway(w *world) *gateway {
	runtime, err := os.MkdirTemp("/tmp", "pb-e2e-")
	if err != nil {
		w.t.Fatal(err)
	}
	g := &gateway{w: w, public: freeAddress(w.t), admin: freeAddress(w.t), runtime: runtime, output: &output{}}
	g.base = "http://" + g.public
	// A connection that was dialled in vain is given up before the server gives it up (5 s): a POST on it would not be repeated.
	g.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 3 * time.Second}}
	w.t.Cleanup(func() {
		if g.running() {
			g.kill()
		}
		g.client.CloseIdleConnections()
		w.wantNoSecret("what gateway "+g.public+" wrote", g.output.all())
		if w.t.Failed() {
			w.t.Logf("gateway %s said:\n%s", g.public, g.output)
		}
		_ = os.RemoveAll(runtime)
	})
	return g
}

// how changes the way a gateway is started.
type how func(*launching)

type launching struct {
	program string
	args    []string
	env     []string
}

// dyingAt starts the build with crash points, which kills itself at this one.
func dyingAt(point string) how {
	return func(l *launching) {
		l.program = filepath.Join(programs, "crash", "paybridge")
		l.env = append(l.env, "PAYBRIDGE_CRASH_AT="+point)
	}
}

// start starts the process and waits until it is ready.
func (g *gateway) start(how ...how) *gateway {
	g.w.t.Helper()
	g.launch(how...)
	await(g.w.t, "gateway "+g.public+" is ready", func() error {
		if !g.running() {
			g.w.t.Fatalf("gateway %s ended while it started: %s", g.public, g.cmd.ProcessState)
		}
		resp, err := g.client.Get(g.base + "/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
	return g
}

// launch starts the process and does not wait.
func (g *gateway) launch(how ...how) {
	g.w.t.Helper()
	if g.running() {
		g.w.t.Fatalf("gateway %s runs already", g.public)
	}
	l := launching{program: filepath.Join(programs, "paybridge"), args: []string{"serve", "--config", g.w.writeSetup()}}
	for _, change := range how {
		change(&l)
	}
	g.cmd = exec.Command(l.program, l.args...)
	g.cmd.Env = append(l.env, "PATH="+os.Getenv("PATH"), "HOME="+g.w.dir, "XDG_RUNTIME_DIR="+g.runtime,
		"PAYBRIDGE_LISTEN__PUBLIC="+g.public, "PAYBRIDGE_LISTEN__ADMIN="+g.admin)
	g.cmd.Stdout, g.cmd.Stderr = g.output, g.output
	// Of its own, so that Ctrl-C at the tests does not reach it before the test has ended it.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A plugin that outlives a killed gateway for a moment holds the pipe open.
	g.cmd.WaitDelay = 100 * time.Millisecond
	if err := g.cmd.Start(); err != nil {
		g.w.t.Fatal(err)
	}
	g.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // its code is read from ProcessState
		close(ended)
	}(g.cmd, g.ended)
}

func (g *gateway) running() bool {
	if g.ended == nil {
		return false
	}
	select {
	case <-g.ended:
		return false
	default:
		return true
	}
}

// kill is kill -9.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill() // gone already: as good
	<-g.ended
}

// stop is SIGTERM; it returns the exit code.
func (g *gateway) stop() int {
	g.w.t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		g.w.t.Fatalf("gateway %s: %v", g.public, err)
	}
	return g.exit()
}

// exit waits for the end of the process and returns its code; -1: by a signal.
func (g *gateway) exit() int {
	g.w.t.Helper()
	await(g.w.t, "gateway "+g.public+" ends", func() error {
		if g.running() {
			return errors.New("it runs")
		}
		return nil
	})
	return g.cmd.ProcessState.ExitCode()
}

// plugins are the process ids of the running plugins that this gateway, or one before it in its place, has started. A
// plugin runs from a private copy in the gateway's folder, which is how it is told from all other processes.
func (g *gateway) plugins(t testing.TB) []int {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,stat=,command=").Output()
	if err != nil {
		t.Fatalf("list the processes: %v", err)
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) < 3 || strings.HasPrefix(words[1], "Z") || !strings.HasPrefix(words[2], g.runtime+"/") {
			continue
		}
		pid, err := strconv.Atoi(words[0])
		if err != nil {
			t.Fatalf("list the processes: %q", line)
		}
		pids = append(pids, pid)
	}
	return pids
}

// readiness is what the admin listener says in detail.
func (g *gateway) readiness() string {
	g.w.t.Helper()
	resp, err := g.client.Get("http://" + g.admin + "/readyz")
	if err != nil {
		g.w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.w.t.Fatal(err)
	}
	return string(text)
}

// killPlugin ends the plugin by kill -9.
func (g *gateway) killPlugin() {
	g.w.t.Helper()
	pids := g.plugins(g.w.t)
	if len(pids) != 1 {
		g.w.t.Fatalf("gateway %s has %d plugins; want 1", g.public, len(pids))
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		g.w.t.Fatalf("kill plugin %d: %v", pids[0], err)
	}
}

// awaitNoPlugin waits until no plugin of this gateway is left.
func (g *gateway) awaitNoPlugin() {
	g.w.t.Helper()
	await(g.w.t, "no plugin of gateway "+g.public+" is left", func() error {
		if pids := g.plugins(g.w.t); len(pids) > 0 {
			return fmt.Errorf("plugins %v run", pids)
		}
		return nil
	})
}

// output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// shown is how many lines of a gateway's output a failed test shows, without what tests ask again and again.
const shown = 120

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := slices.DeleteFunc(slices.Collect(strings.Lines(o.text.String())), func(line string) bool {
		return strings.Contains(line, "msg=request") && strings.Contains(line, "method=GET")
	})
	return strings.Join(lines[max(0, len(lines)-shown):], "")
}

// all is everything that was written.
func (o *output) all() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// forget lets a test look at what comes from now on.
func (o *output) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Reset()
}

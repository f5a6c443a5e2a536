package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// lastWords is how long the pipes of a plugin that has ended are still read.
const lastWords = time.Second

// process runs one plugin for go-plugin. go-plugin's own runner would give it our standard input, parse its log lines
// in a way that a malicious line can crash, and kill only the plugin, not what it started.
type process struct {
	name   string
	log    *slog.Logger
	cmd    *exec.Cmd     // set, like folder, before Start
	folder string        // of its socket; it may be found nowhere else
	stdout *os.File      // set by Start
	gone   chan struct{} // closed when the process has ended and what it started was killed
	err    error         // how it ended; read after gone

	mu     sync.Mutex
	pid    int  // 0 before it runs
	killed bool // it is not started any more
}

var _ runner.Runner = (*process)(nil)

func newProcess(name string, log *slog.Logger) *process {
	return &process{name: name, log: log, gone: make(chan struct{})}
}

// Start starts cmd. Its standard error goes to the log, line by line.
func (p *process) Start(context.Context) error {
	stdout, out, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr, faults, err := os.Pipe()
	if err != nil {
		_, _ = stdout.Close(), out.Close() // nothing was written
		return err
	}
	// Pipes of our own: exec's would be closed by Wait, or keep it from returning while somebody else holds them.
	p.stdout, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdout, nil, out, faults
	// Of its own: a signal to our group must not end a plugin in the middle of a refund.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = p.start()
	_, _ = out.Close(), faults.Close() // the plugin's ends
	if err != nil {
		_, _ = stdout.Close(), stderr.Close()
		return err
	}
	go func() { _, _ = io.Copy(&logLines{log: p.log}, stderr) }() // ends with the pipe, in whatever way
	go p.reap(stdout, stderr)
	return nil
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return errors.New("it was stopped before it ran")
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.pid = p.cmd.Process.Pid
	return nil
}

// reap waits for the plugin alone, whoever else holds its pipes: what it started is killed with it, and what has left
// its process group is not heard any more.
func (p *process) reap(pipes ...*os.File) {
	p.err = p.cmd.Wait()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // an error says that nobody is left of the group
	close(p.gone)
	time.AfterFunc(lastWords, func() {
		for _, pipe := range pipes {
			_ = pipe.Close() // it was only read
		}
	})
}

// Wait is called by go-plugin after standard output has ended.
func (p *process) Wait(context.Context) error {
	<-p.gone
	return p.err
}

// Kill ends the plugin and whatever it started, or keeps it from being started. It may be called at any time, also when
// the process has gone and its number may be a stranger's.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	select {
	case <-p.gone:
		return nil
	default:
	}
	if p.pid == 0 {
		return nil
	}
	if err := syscall.Kill(-p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// ID is the process id.
func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strconv.Itoa(p.pid)
}

func (p *process) Name() string                    { return p.name }
func (p *process) Stdout() io.ReadCloser           { return p.stdout }
func (p *process) Stderr() io.ReadCloser           { return io.NopCloser(strings.NewReader("")) }
func (p *process) Diagnose(context.Context) string { return "see the plugin's own log lines" }

// PluginToHost lets the plugin name only a socket in its own folder: it cannot send us elsewhere.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(filepath.Clean(address)) != filepath.Clean(p.folder) {
		return "", "", fmt.Errorf("plugin %s wants to be reached at %s %q, outside of its folder", p.name, network, address)
	}
	return network, address, nil
}

// HostToPlugin is asked only for go-plugin's broker, which the contract does not use.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// process runs one plugin for go-plugin. go-plugin's own runner would give it our standard input, parse its log lines
// in a way that a malicious line can crash, and kill only the plugin, not what it started.
type process struct {
	cmd    *exec.Cmd
	name   string
	folder string // of its socket; it may be found nowhere else
	stdout io.ReadCloser
	pid    int
	gone   chan struct{} // closed when the process has ended
}

var _ runner.Runner = (*process)(nil)

// newProcess prepares cmd. Its standard error goes to log, line by line.
func newProcess(cmd *exec.Cmd, name, folder string, log *slog.Logger) (*process, error) {
	cmd.Stdin = nil
	cmd.Stderr = &logLines{log: log}
	// Of its own: a signal to our group must not end a plugin in the middle of a refund.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A grandchild that holds the pipes open must not keep us from seeing the plugin's end.
	cmd.WaitDelay = time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd: cmd, name: name, folder: folder, stdout: stdout, gone: make(chan struct{})}, nil
}

func (p *process) Start(context.Context) error {
	if err := p.cmd.Start(); err != nil {
		close(p.gone)
		return err
	}
	p.pid = p.cmd.Process.Pid
	return nil
}

func (p *process) Wait(context.Context) error {
	defer close(p.gone)
	return p.cmd.Wait()
}

// Kill ends the plugin and whatever it started. It may be called at any time, also when the process has gone: only
// Wait reaps it, and after that its number may be a stranger's.
func (p *process) Kill(context.Context) error {
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

func (p *process) ID() string                      { return strconv.Itoa(p.pid) }
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

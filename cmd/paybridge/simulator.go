package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// simulator is a running wechatsim. It ends with this process, however that ends: its standard input is a lifeline.
type simulator struct {
	BaseURL    string `json:"base_url"`
	ControlURL string `json:"control_url"`

	cmd      *exec.Cmd
	lifeline io.Closer
	ended    chan error
}

// startSimulator starts the wechatsim that lies beside this program and waits until it is ready.
func startSimulator(ctx context.Context, stderr io.Writer, flags ...string) (*simulator, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(filepath.Dir(self), "wechatsim")
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the simulated WeChat is not at %s: run make build", path)
	}
	s := &simulator{cmd: exec.CommandContext(context.WithoutCancel(ctx), path, append([]string{"serve", "--ready-json", "--stdin-lifeline"}, flags...)...), ended: make(chan error, 1)}
	s.cmd.Stderr = stderr
	if s.lifeline, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the simulated WeChat: %w", err)
	}
	line := make(chan []byte, 1)
	go func() {
		r := bufio.NewReader(stdout)
		first, _ := r.ReadBytes('\n') // empty when it ended before it was ready
		line <- first
		_, _ = io.Copy(io.Discard, r)
		s.ended <- s.cmd.Wait()
	}()
	select {
	case first := <-line:
		if err := json.Unmarshal(first, s); err != nil || s.BaseURL == "" {
			return nil, errors.Join(errors.New("the simulated WeChat did not start; its own words stand above"), s.stop())
		}
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.stop())
	case <-time.After(30 * time.Second):
		return nil, errors.Join(errors.New("the simulated WeChat was not ready within 30 s"), s.stop())
	}
	return s, nil
}

// stop ends the simulator and waits for its end.
func (s *simulator) stop() error {
	_ = s.lifeline.Close() // the simulator takes it as the word to end
	select {
	case err := <-s.ended:
		return err
	case <-time.After(8 * time.Second):
		return errors.Join(errors.New("the simulated WeChat did not end by itself"), s.cmd.Process.Kill())
	}
}

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

// companion is a program beside dev and demo: one that plays a provider, or the example clinic. It ends with this process, however that ends: its
// standard input is a lifeline.
type companion struct {
	name     string // for people
	cmd      *exec.Cmd
	lifeline io.Closer
	ended    chan error
}

// companionOptions say what to start.
type companionOptions struct {
	name      string // for people
	path      string // relative to this program's folder
	arguments []string
	env       []string // NAME=value, beside this process's own
	stderr    io.Writer
	ready     any // takes the line of JSON by which it says where it listens
}

// startCompanion starts a program that lies beside this one, and waits until it is ready.
func startCompanion(ctx context.Context, o companionOptions) (*companion, error) {
	beside, err := besideThis(o.path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(beside); err != nil {
		return nil, fmt.Errorf("%s is not at %s: run make build", o.name, beside)
	}
	c := &companion{name: o.name, cmd: exec.CommandContext(context.WithoutCancel(ctx), beside, o.arguments...), ended: make(chan error, 1)}
	c.cmd.Stderr, c.cmd.Env = o.stderr, append(os.Environ(), o.env...)
	if c.lifeline, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.name, err)
	}
	line := make(chan []byte, 1)
	go func() {
		r := bufio.NewReader(stdout)
		first, _ := r.ReadBytes('\n') // empty when it ended before it was ready
		line <- first
		_, _ = io.Copy(io.Discard, r)
		c.ended <- c.cmd.Wait()
	}()
	select {
	case first := <-line:
		if err := json.Unmarshal(first, o.ready); err != nil {
			return nil, errors.Join(fmt.Errorf("%s did not start; its own words stand above", o.name), c.stop())
		}
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), c.stop())
	case <-time.After(30 * time.Second):
		return nil, errors.Join(fmt.Errorf("%s was not ready within 30 s", o.name), c.stop())
	}
	return c, nil
}

// besideThis is a path below the folder of this program.
func besideThis(path string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(self), path), nil
}

// stop ends it and waits for its end.
func (c *companion) stop() error {
	_ = c.lifeline.Close() // it takes it as the word to end
	select {
	case err := <-c.ended:
		return err
	case <-time.After(8 * time.Second):
		return errors.Join(fmt.Errorf("%s did not end by itself", c.name), c.cmd.Process.Kill())
	}
}

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

// companion is a program that plays a provider beside dev and demo. It ends with this process, however that ends: its
// standard input is a lifeline.
type companion struct {
	name     string // for people
	cmd      *exec.Cmd
	lifeline io.Closer
	ended    chan error
}

// startCompanion starts a program that lies beside this one (path is relative to its folder), and waits for the line of
// JSON by which it says where it listens.
func startCompanion(ctx context.Context, stderr io.Writer, name, path string, ready any, arguments ...string) (*companion, error) {
	beside, err := besideThis(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(beside); err != nil {
		return nil, fmt.Errorf("%s is not at %s: run make build", name, beside)
	}
	c := &companion{name: name, cmd: exec.CommandContext(context.WithoutCancel(ctx), beside, arguments...), ended: make(chan error, 1)}
	c.cmd.Stderr = stderr
	if c.lifeline, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
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
		if err := json.Unmarshal(first, ready); err != nil {
			return nil, errors.Join(fmt.Errorf("%s did not start; its own words stand above", name), c.stop())
		}
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), c.stop())
	case <-time.After(30 * time.Second):
		return nil, errors.Join(fmt.Errorf("%s was not ready within 30 s", name), c.stop())
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

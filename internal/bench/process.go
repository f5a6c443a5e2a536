package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that was started here, with its last words.
type process struct {
	cmd   *exec.Cmd
	log   string // file of its standard error
	ended chan struct{}
}

// launch starts cmd with its standard error in a file.
func launch(cmd *exec.Cmd, log string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the process has its own
	cmd.Stderr = file
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w (run make build)", cmd.Path, err)
	}
	p := &process{cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its code is read from ProcessState
		close(p.ended)
	}()
	return p, nil
}

// stop ends it as an operator would, and by force when that takes too long.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		return errors.Join(fmt.Errorf("%s did not end by itself", filepath.Base(p.cmd.Path)), p.cmd.Process.Kill())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return p.failed(fmt.Sprintf("ended with code %d", code))
	}
	return nil
}

// failed is an error with the end of what the process wrote.
func (p *process) failed(what string) error {
	const enough = 2000
	text, _ := os.ReadFile(p.log) // without it the error is shorter
	if len(text) > enough {
		text = text[len(text)-enough:]
	}
	return fmt.Errorf("%s %s; its last words:\n%s", filepath.Base(p.cmd.Path), what, text)
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// tick is the unit of times in /proc: USER_HZ is 100 on every platform that Go runs on.
const tick = 10 * time.Millisecond

// cpu is the processor time that another process has used; false where there is no /proc.
func cpu(pid int) (time.Duration, bool) {
	s, ok := stat(pid)
	return s.cpu, ok
}

// status is the part of /proc/PID/stat that is needed here.
type status struct {
	parent int
	cpu    time.Duration // in user and in system mode
}

func stat(pid int) (status, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return status{}, false
	}
	return parseStat(text)
}

// parseStat reads a stat file. The program's name stands in parentheses and may contain some.
func parseStat(text []byte) (status, bool) {
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < 13 {
		return status{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	user, err2 := strconv.ParseInt(fields[11], 10, 64)
	system, err3 := strconv.ParseInt(fields[12], 10, 64)
	return status{parent, time.Duration(user+system) * tick}, errors.Join(err1, err2, err3) == nil
}

// child is the process of a program that pid has started; false where there is none, or no /proc.
func child(pid int, program string) (int, bool) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			if s, ok := parseStat(text); ok && s.parent == pid {
				runs, _ := os.Readlink(filepath.Join(filepath.Dir(file), "exe"))
				n, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
				if filepath.Base(runs) == program {
					return n, err == nil
				}
			}
		}
	}
	return 0, false
}

// memory is how much of a process is in RAM, in bytes; false where there is no /proc.
func memory(pid int) (int64, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0, false
	}
	var total, resident int64
	if _, err := fmt.Fscan(bytes.NewReader(text), &total, &resident); err != nil && !errors.Is(err, io.EOF) {
		return 0, false
	}
	return resident * int64(os.Getpagesize()), true
}

// peak watches how much memory processes take until stop, and keeps the most of each.
type peak struct {
	most []int64
	quit chan struct{}
	done sync.WaitGroup
}

func watchMemory(pids ...int) *peak {
	p := &peak{most: make([]int64, len(pids)), quit: make(chan struct{})}
	p.done.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			for i, pid := range pids {
				if n, ok := memory(pid); ok {
					p.most[i] = max(p.most[i], n)
				}
			}
			select {
			case <-p.quit:
				return
			case <-ticker.C:
			}
		}
	})
	return p
}

func (p *peak) stop() []int64 {
	close(p.quit)
	p.done.Wait()
	return p.most
}

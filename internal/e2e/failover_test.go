package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/paybridge/paybridge/internal/pgtest"
)

// server is a PostgreSQL server of the test's own, which it may kill.
type server struct {
	t      *testing.T
	folder string
	port   string
	cmd    *exec.Cmd
}

// postgresBinaries is the folder of PostgreSQL's programs: that of the server that all tests use.
func postgresBinaries(t *testing.T) string {
	t.Helper()
	pgtest.DSN(t) // skips, or fails, where there is no server
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Reverse(folders) // the newest first
	if path, err := exec.LookPath("pg_basebackup"); err == nil {
		folders = append(folders, filepath.Dir(path))
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "pg_basebackup")); err == nil {
			if _, err := os.Stat(filepath.Join(folder, "postgres")); err == nil {
				return folder
			}
		}
	}
	unlessCI(t, "only a server is named, and PostgreSQL's programs are not installed here")
	return ""
}

// unlessCI skips loudly; in CI what a test needs must be there.
func unlessCI(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("PAYBRIDGE_CI") != "" {
		t.Fatal(why)
	}
	t.Skip("SKIPPED: " + why)
}

// asServer runs a program as a user that PostgreSQL takes: root it refuses.
func asServer(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return cmd
	}
	of, err := user.Lookup("postgres")
	if err != nil {
		unlessCI(t, "root runs no PostgreSQL, and "+err.Error())
	}
	uid, _ := strconv.ParseUint(of.Uid, 10, 32)
	gid, _ := strconv.ParseUint(of.Gid, 10, 32)
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return cmd
}

func newServer(t *testing.T) *server {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "pb-failover-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o777); err != nil { //nolint:gosec // the server is another user's
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, folder: folder, port: port}
	t.Cleanup(func() {
		s.kill()
		_ = os.RemoveAll(folder)
	})
	return s
}

func (s *server) data() string { return filepath.Join(s.folder, "data") }

// start starts it with these settings, and waits until it takes connections.
func (s *server) start(binaries string, settings ...string) {
	s.t.Helper()
	args := []string{"-D", s.data(), "-p", s.port, "-k", s.folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=120", "-c", "wal_retrieve_retry_interval=100ms"}
	for _, set := range settings {
		args = append(args, "-c", set)
	}
	s.cmd = asServer(s.t, filepath.Join(binaries, "postgres"), args...)
	said := &output{}
	s.cmd.Stdout, s.cmd.Stderr = said, said
	s.cmd.WaitDelay = 100 * time.Millisecond
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	await(s.t, "PostgreSQL takes connections", func() error {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+s.port, time.Second)
		if err != nil {
			return fmt.Errorf("%w: %s", err, said.all())
		}
		return conn.Close()
	})
}

// kill is kill -9 of the server and all its processes.
func (s *server) kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	out, _ := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		if _, err := fmt.Sscan(line, &pid, &parent); err == nil && parent == s.cmd.Process.Pid {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

func (s *server) run(name string, args ...string) {
	s.t.Helper()
	if out, err := asServer(s.t, name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (s *server) exec(database, statement string) error {
	conn, err := sql.Open("pgx", "postgres://paybridge@127.0.0.1:"+s.port+"/"+database+"?sslmode=disable")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = conn.ExecContext(ctx, statement)
	return err
}

// The primary is killed while payers pay, and its synchronous standby is promoted. No payment that was acknowledged is lost, the gateway goes on
// by itself, and when the old primary comes back it gets no write of ours, even after the gateway was started again (R34).
func TestR34_PrimaryKilled(t *testing.T) {
	whole(t)
	binaries := postgresBinaries(t)
	primary, standby := newServer(t), newServer(t)
	primary.run(filepath.Join(binaries, "initdb"), "-D", primary.data(), "-U", "paybridge", "-A", "trust", "-E", "UTF8", "--no-sync")
	primary.start(binaries)
	await(t, "the database is made", func() error { return primary.exec("postgres", "create database pay") })
	standby.run(filepath.Join(binaries, "pg_basebackup"), "-D", standby.data(), "-R", "-X", "stream", "-c", "fast", "--no-sync",
		"-d", "host=127.0.0.1 port="+primary.port+" user=paybridge application_name=standby")
	standby.start(binaries)
	// After the copy was made, which must not wait for a standby of its own once it is promoted.
	if err := primary.exec("postgres", "alter system set synchronous_standby_names = 'standby'"); err != nil {
		t.Fatal(err)
	}
	if err := primary.exec("postgres", "select pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	await(t, "commits wait for the standby", func() error {
		conn, err := sql.Open("pgx", "postgres://paybridge@127.0.0.1:"+primary.port+"/postgres?sslmode=disable")
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		var state string
		if err := conn.QueryRowContext(t.Context(), "select coalesce(max(sync_state), '') from pg_stat_replication").Scan(&state); err != nil || state != "sync" {
			return fmt.Errorf("the standby is %q: %w", state, err)
		}
		return nil
	})

	db := database{"postgres", "postgres://paybridge@127.0.0.1:" + primary.port + ",127.0.0.1:" + standby.port + "/pay?sslmode=disable&target_session_attrs=read-write&connect_timeout=1"}
	w := newWorld(t, db)
	g := w.start()
	var mu sync.Mutex
	acknowledged := map[string]string{} // payments, by order
	var stop atomic.Bool
	var payers sync.WaitGroup
	for p := range 8 {
		payers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				o, err := g.try("POST", "/v1/orders", newOrder(fmt.Sprintf("visit-%d-%d", p, n), 100))
				if err != nil || o.status != http.StatusCreated {
					continue
				}
				a, err := g.try("POST", "/v1/orders/"+o.Number+"/payments", payBy(entry, payer))
				if err != nil || a.status != http.StatusCreated {
					continue
				}
				mu.Lock()
				acknowledged[o.Number] = a.Number
				mu.Unlock()
			}
		})
	}
	atLeast := func(n int) func() error {
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(acknowledged) < n {
				return fmt.Errorf("%d payments were acknowledged", len(acknowledged))
			}
			return nil
		}
	}
	await(t, "payers pay", atLeast(50))
	primary.kill()
	died := time.Now()
	mu.Lock()
	before := len(acknowledged)
	mu.Unlock()
	standby.run(filepath.Join(binaries, "pg_ctl"), "-D", standby.data(), "-w", "promote")
	await(t, "payers pay again", atLeast(before+1))
	t.Logf("without an acknowledged payment for %s", time.Since(died).Round(time.Millisecond))
	await(t, "payers go on", atLeast(before+50))

	primary.start(binaries) // nobody told it that it is none any more
	await(t, "payers do not notice", atLeast(before+100))
	stop.Store(true)
	payers.Wait()
	g.stop()
	g.start()
	after, _ := w.paid("after", 100)
	for _, payment := range acknowledged {
		w.wantState("/v1/payments/"+payment, "pending")
	}
	conn, err := sql.Open("pgx", "postgres://paybridge@127.0.0.1:"+primary.port+"/pay?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var written int
	if err := conn.QueryRowContext(t.Context(), "select count(*) from orders where number = $1", after).Scan(&written); err != nil || written != 0 {
		t.Errorf("the old primary has %d orders of after it was none any more: %v", written, err)
	}
}

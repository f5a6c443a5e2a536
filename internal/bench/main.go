// Command bench measures how fast PayBridge is and what it costs, with the real programs: gateway, plugin and a
// simulated WeChat, each a process of its own. `make bench` runs it; docs/speed.md says how to read what it prints.
//
// It fails when something goes wrong, never because a number is bad.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		stop()
		os.Exit(1)
	}
}

// serverVariable names the PostgreSQL server; its user must be allowed to create databases.
const serverVariable = "PAYBRIDGE_TEST_POSTGRES_DSN"

// options are the flags.
type options struct {
	Rounds   int     `json:"rounds"`
	Seconds  float64 `json:"seconds"` // that one measurement of one round should take
	Callers  int     `json:"callers"` // requests under way at once
	Samples  int     `json:"samples"` // of each latency, in each round
	Stored   int     `json:"stored"`  // payments in the database that is called full
	Lines    int     `json:"lines"`   // of the statement that is compared; 0: none is
	only     string
	programs string
	json     string
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure speed, cost and memory on SQLite and PostgreSQL",
		Long: `Runs the built gateway with its plugin against the built wechatsim and prints, for each database, the median of
interleaved rounds with the raw rounds behind it: payments and callbacks a second beside bare transactions, CPU of a
payment beside its signatures, memory, and latencies with an empty and a full database.

PostgreSQL is the server that ` + serverVariable + ` names (scripts/with-postgres.sh starts one);
without it only SQLite is measured, and it is said.`,
		Example:      "  make bench\n  go run ./internal/bench --only sqlite --rounds 3 --json bench.json",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), cmd, o) },
	}
	f := cmd.Flags()
	f.IntVar(&o.Rounds, "rounds", 5, "how many rounds; the median counts")
	f.Float64Var(&o.Seconds, "seconds", 2, "how long one measurement of one round takes")
	f.IntVar(&o.Callers, "callers", 16, "requests under way at once")
	f.IntVar(&o.Samples, "samples", 60, "of each latency, in each round, one after the other")
	f.IntVar(&o.Stored, "stored", 100_000, "payments in the full database")
	f.IntVar(&o.Lines, "lines", 1_000_000, "of a statement that is compared with as many stored payments; 0: none is")
	f.StringVar(&o.only, "only", "", "sqlite or postgres; empty: both")
	f.StringVar(&o.programs, "programs", "bin", "folder of the built programs, with plugins/ in it")
	f.StringVar(&o.json, "json", "", "also write everything to this file")
	return cmd
}

func (o options) check() error {
	if o.only != "" && o.only != sqlite && o.only != postgres {
		return fmt.Errorf("--only %s: give sqlite or postgres", o.only)
	}
	if o.Rounds < 1 || o.Seconds <= 0 || o.Callers < 1 || o.Samples < 1 || o.Stored < 1 || o.Lines < 0 {
		return errors.New("rounds, seconds, callers, samples and stored must be above zero, lines not below")
	}
	return nil
}

func run(ctx context.Context, cmd *cobra.Command, o options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	began := time.Now()
	say := func(format string, a ...any) {
		cmd.PrintErrf("%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, a...))
	}
	b, err := open(ctx, o, say)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	result := report{At: began.UTC(), Machine: thisMachine(), Options: o}
	if result.Hop, err = b.hop(ctx); err != nil {
		return fmt.Errorf("the plugin hop: %w", err)
	}
	if result.Frozen, err = b.frozen(ctx); err != nil {
		return fmt.Errorf("a frozen channel: %w", err)
	}
	if result.Databases, err = b.throughput(ctx); err != nil {
		return fmt.Errorf("throughput: %w", err)
	}
	if err := b.latency(ctx, result.Databases); err != nil {
		return fmt.Errorf("latencies: %w", err)
	}
	if err := b.statements(ctx, result.Databases); err != nil {
		return fmt.Errorf("a statement: %w", err)
	}
	say("done")
	result.print(cmd.OutOrStdout())
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(text, '\n'), 0o600)
}

// bench is what all measurements share: a folder, a simulated WeChat, its keys.
type bench struct {
	options options
	say     func(format string, a ...any)
	dir     string // of keys, databases and logs; removed at the end
	wechat  *simulator
}

func open(ctx context.Context, o options, say func(string, ...any)) (_ *bench, err error) {
	if o.programs, err = filepath.Abs(o.programs); err != nil {
		return nil, err
	}
	b := &bench{options: o, say: say}
	// Directly under /tmp: the path of a plugin's socket has a limit of about 100 bytes.
	if b.dir, err = os.MkdirTemp("/tmp", "pb-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if err = writeKey(filepath.Join(b.dir, "secret.key")); err != nil {
		return nil, err
	}
	b.wechat, err = startWeChat(ctx, b.dir, o.programs)
	return b, err
}

func (b *bench) close() error {
	var err error
	if b.wechat != nil {
		err = b.wechat.stop()
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// drivers are the databases that are measured.
func (b *bench) drivers() []string {
	var all []string
	for _, driver := range []string{sqlite, postgres} {
		switch {
		case b.options.only != "" && b.options.only != driver:
		case driver == postgres && os.Getenv(serverVariable) == "":
			b.say("*** PostgreSQL is NOT measured: name a server in %s ***", serverVariable)
		default:
			all = append(all, driver)
		}
	}
	return all
}

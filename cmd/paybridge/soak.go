package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/internal/soak"
)

func soakCommand() *cobra.Command {
	var o soak.Options
	var postgres, dir string
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Prove that no money is lost: many payers, while everything goes wrong",
		Long: `Starts gateways, their plugins and a simulated WeChat as processes of their own, and plays payers at every way in, medical insurance
included: they pay, tap twice, change the way in, pay twice, leave, pay what was closed, are refunded.

Meanwhile callbacks are lost, late, doubled, out of order and forged, answers are lost after WeChat has done what was asked, it refuses,
it is busy, it is down, its clock is off and its keys change; gateways and plugins are killed and frozen, and on PostgreSQL connections
are cut. Then all of it comes to rest, the day's statements are compared, and the invariants are asked.

The seed is printed first: the same one draws the same visits and faults. Exit code 0 says that every invariant held, that nothing else was as
it must not be, and that each fault has happened at least once for 400 payments; 1 says that not. The logs and SQLite's file stay in the
folder of --dir; without it they go when the run has passed.`,
		Example: `  paybridge soak --payments 400
  paybridge soak --payments 20000 --postgres env:DSN --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Seed == 0 {
				o.Seed = uint64(rand.Uint32()) + 1 //nolint:gosec // a game
			}
			if postgres != "" {
				var ref config.SecretRef
				if err = ref.UnmarshalText([]byte(postgres)); err == nil {
					o.Postgres, err = ref.Resolve()
				}
				if err != nil {
					return fmt.Errorf("--postgres: %w", err)
				}
			}
			if o.Replicas == 0 {
				o.Replicas = 1
				if postgres != "" {
					o.Replicas = 2
				}
			}
			if err := o.Check(); err != nil {
				return err
			}
			if o.Programs, err = besideThis("."); err != nil {
				return err
			}
			if dir == "" {
				if o.Dir, err = os.MkdirTemp("", "paybridge-soak-"); err != nil {
					return err
				}
			} else if o.Dir, err = emptyFolder(dir); err != nil {
				return err
			}
			o.Out = cmd.OutOrStdout()
			if file, is := o.Out.(*os.File); is {
				o.Terminal = isatty.IsTerminal(file.Fd())
			}
			if _, err := fmt.Fprintf(o.Out, "seed %d\n", o.Seed); err != nil {
				return err
			}
			if err := soak.Run(cmd.Context(), o); err != nil {
				return fmt.Errorf("%w\nLogs and configuration: %s", err, o.Dir)
			}
			if dir == "" {
				return os.RemoveAll(o.Dir)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Payments, "payments", 20_000, "how many payers come")
	f.IntVar(&o.Payers, "payers", 128, "how many of them are there at once")
	f.Uint64Var(&o.Seed, "seed", 0, "draws what payers do and what goes wrong; 0: another one each time")
	f.DurationVar(&o.Patience, "patience", 5*time.Minute, "how long a payer waits, and how long all may take to come to rest")
	f.StringVar(&postgres, "postgres", "", "reference to the URL of a PostgreSQL server that may be given a database (env:NAME, file:PATH); empty: SQLite")
	f.IntVar(&o.Replicas, "replicas", 0, "gateways on the database; 0: two on PostgreSQL, one on SQLite")
	f.StringVar(&dir, "dir", "", "an empty folder for logs, keys and SQLite's file, which stay; empty: a temporary one")
	return cmd
}

// emptyFolder is a folder that is there now and has nothing in it.
func emptyFolder(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	files, err := os.ReadDir(dir)
	if err == nil && len(files) > 0 {
		err = errors.New("--dir " + dir + " is not empty: name another folder")
	}
	return dir, err
}

// Command run builds each mutant of internal/mutants and runs the test that must catch it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/internal/mutants"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := &cobra.Command{
		Use:   "mutants [NAME...]",
		Short: "Show that a rule or an invariant catches each deliberately broken build",
		Long: `Builds the gateway with one deliberate mistake after the other (internal/mutants/patches) and runs the test that must fail for
it. Exit code 1 when one survives. Run it from the module's root.`,
		SilenceUsage:      true,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, names []string) error { return run(cmd.Context(), cmd, names) },
	}
	if err := cmd.ExecuteContext(ctx); err != nil {
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, cmd *cobra.Command, names []string) error {
	all, err := mutants.All()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(m mutants.Mutant) bool { return m.Name == name }) {
			return fmt.Errorf("there is no mutant %q in internal/mutants/patches", name)
		}
	}
	caught, ran := 0, 0
	for _, m := range all {
		if len(names) > 0 && !slices.Contains(names, m.Name) {
			continue
		}
		ran++
		began := time.Now()
		err := try(ctx, m)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		said := "caught by " + m.Rule
		if err != nil {
			said = err.Error()
		} else {
			caught++
		}
		cmd.Printf("%-34s %6s  %s (%s)\n", m.Name, time.Since(began).Round(100*time.Millisecond), said, m.Breaks)
	}
	cmd.Printf("\n%d of %d mutants were caught\n", caught, ran)
	if caught < ran {
		return fmt.Errorf("%d mutants survived", ran-caught)
	}
	return nil
}

func try(ctx context.Context, m mutants.Mutant) error {
	dir, err := os.MkdirTemp("", "paybridge-mutant-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := m.Overlay(ctx, ".", dir)
	if err != nil {
		return err
	}
	return m.Caught(ctx, ".", overlay)
}

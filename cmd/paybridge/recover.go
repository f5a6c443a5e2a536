package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func recoverCommand() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "recover --since TIME",
		Short: "Make good what a restored backup lacks, while no gateway runs",
		Long: `After a backup was restored, rows are missing that were written since it was made: payments that were taken, refunds that were given, events
that apps were told. Recover makes them good as far as the providers know of them, before a gateway serves again:

  - the sequences of events are counted on by 1000, so that no app takes a new event for one that it has seen,
  - every unfinished payment is asked about,
  - the statement of each day from --since until yesterday is read: payments of this installation that are in it and not here are asked
    about and made anew, with their order (its number, app and reference were sent along with the payment), and refunds likewise.
    An app that asks for such a refund again, by the same reference, gets the one that there was.

It sends no refunds and no events, and may be run again at any time. Statements are there from ten the next morning on, Shanghai time: run it once
more then, with the day of the loss, for what was lost on that day. Payments by insurance alone are in no statement.

Exit codes: 0 all was read and nothing differs; 1 it did not work, as where a gateway runs; 3 a statement is missing, or something differs still
("paybridge reconcile differences" lists it).`,
		Example: "  paybridge recover --since 2026-11-26T03:00:00+08:00 --config paybridge.yaml\n  paybridge recover --since 2026-11-26 --config paybridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			from, err := sinceWhen(since)
			if err != nil {
				return err
			}
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			s, err := open(cmd.Context(), cfg, options{hold: true, alone: true, logTo: cmd.ErrOrStderr()})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close(context.WithoutCancel(cmd.Context()))) }()
			r, err := s.gateway.Recover(cmd.Context(), from, func(what string) {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", time.Now().Format(time.TimeOnly), what)
			})
			if err != nil {
				return err
			}
			left := 0
			for _, d := range r.Days {
				if d.Missing != "" || d.Differences > 0 {
					left++
				}
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "\n%d unfinished payments were asked about, %d payments made anew, %d statements read; %d of them are missing or differ.\n", r.Asked, r.Recovered, len(r.Days), left); err != nil {
				return err
			}
			if left > 0 {
				return errDiffers
			}
			return nil
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&since, "since", "", "when the backup was made, or a day in Shanghai before it (RFC 3339, or YYYY-MM-DD)")
	return cmd
}

// sinceWhen reads a time, or a day in Shanghai.
func sinceWhen(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, &rejected{errors.New("say --since when rows may be missing: when the backup was made, as 2026-11-26T03:00:00+08:00")}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	at, err := time.ParseInLocation(time.DateOnly, text, time.FixedZone("Asia/Shanghai", 8*60*60)) // no summer time there
	if err != nil {
		return at, &rejected{fmt.Errorf("--since %s: give a time as 2026-11-26T03:00:00+08:00, or a day as 2026-11-26", text)}
	}
	return at, nil
}

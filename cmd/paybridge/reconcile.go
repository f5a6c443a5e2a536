package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// toldStatement and toldDifference are what the admin listener answers.
type toldStatement struct {
	Account     string    `json:"account"`
	Day         string    `json:"day"`
	State       string    `json:"state"`
	Lines       int64     `json:"lines"`
	Others      int64     `json:"others"`
	Differences int       `json:"differences"`
	Error       string    `json:"error"`
	Due         time.Time `json:"due,omitzero"`
}

type toldDifference struct {
	ID         int64     `json:"id"`
	Account    string    `json:"account"`
	Day        string    `json:"day"`
	Kind       string    `json:"kind"`
	What       string    `json:"what"`
	Number     string    `json:"number"`
	ProviderID string    `json:"provider_id"`
	Ours       int64     `json:"ours"`
	Theirs     int64     `json:"theirs"`
	OurState   string    `json:"our_state"`
	TheirState string    `json:"their_state"`
	AcceptedBy string    `json:"accepted_by"`
	HealedAt   time.Time `json:"healed_at,omitzero"`
	AcceptedAt time.Time `json:"accepted_at,omitzero"`
	Reason     string    `json:"reason"`
}

// errDiffers makes the exit code where a statement and the rows differ. The list has said it.
var errDiffers = errors.New("a statement and the rows differ")

func reconcileCommand() *cobra.Command {
	var day, account string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare the statements of a day with what the gateway knows, by a running gateway",
		Long: `Has the provider's statements of a day compared with the gateway's payments and refunds, both ways, and waits for it. The gateway does so
by itself after ten every morning, Shanghai time; this does it now, or again.

What differs is asked about at the provider; what that does not settle is listed by "paybridge reconcile differences".

Exit codes: 0 nothing differs; 1 the gateway does not answer, or there is no statement; 2 the day or account is refused; 3 something differs.`,
		Example: "  paybridge reconcile --date 2026-11-26 --config paybridge.yaml\n  paybridge reconcile differences --csv differences.csv --config paybridge.yaml\n  paybridge reconcile accept 12 --reason 'settled at the till' --config paybridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			var page struct {
				Statements []toldStatement `json:"statements"`
			}
			err = gateway.send(cmd.Context(), http.MethodPost, "/admin/v1/statements", map[string]string{"day": day, "account": account}, &page)
			if err = refusedAsSuch(err); err != nil {
				return err
			}
			all, err := waitForStatements(cmd.Context(), gateway, cmd.ErrOrStderr(), page.Statements)
			if err != nil {
				return err
			}
			if asJSON {
				return errors.Join(writeJSON(cmd.OutOrStdout(), all), differing(all))
			}
			for _, s := range all {
				came := fmt.Sprintf("%d lines, %d of other systems, %d differences", s.Lines, s.Others, s.Differences)
				if s.State == "awaited" {
					came = s.Error
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %-9s  %s\n", s.Day, s.Account, s.State, came); err != nil {
					return err
				}
			}
			return differing(all)
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&day, "date", yesterday(), "the day, in Shanghai")
	cmd.Flags().StringVar(&account, "account", "", "of this account alone")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write them as JSON")
	cmd.AddCommand(differencesCommand(), acceptCommand())
	return cmd
}

// yesterday is the newest day whose statement there may be.
func yesterday() string {
	return time.Now().In(time.FixedZone("Asia/Shanghai", 8*60*60)).AddDate(0, 0, -1).Format(time.DateOnly) // no summer time there
}

func differing(all []toldStatement) error {
	for _, s := range all {
		switch s.State {
		case "differing":
			return errDiffers
		case "awaited":
			return fmt.Errorf("account %s: there is no statement of %s: %s", s.Account, s.Day, s.Error)
		}
	}
	return nil
}

// waitForStatements shows how far they are until each was compared, or could not be.
func waitForStatements(ctx context.Context, gateway operator, progress io.Writer, all []toldStatement) ([]toldStatement, error) {
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	for {
		waiting := 0
		for i, s := range all {
			if s.State != "awaited" || s.Error != "" && time.Until(s.Due) > time.Minute {
				continue
			}
			waiting++
			var page struct {
				Statements []toldStatement `json:"statements"`
			}
			err := gateway.call(ctx, http.MethodGet, "/admin/v1/statements?"+url.Values{"account": {s.Account}, "day": {s.Day}}.Encode(), &page)
			if err != nil {
				return nil, err
			}
			for _, now := range page.Statements {
				if all[i] = now; now.Lines != s.Lines {
					_, _ = fmt.Fprintf(progress, "%s  %s: %d lines\n", now.Day, now.Account, now.Lines)
				}
			}
		}
		if waiting == 0 {
			return all, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

func differencesCommand() *cobra.Command {
	var day, account, file string
	var all bool
	cmd := &cobra.Command{
		Use:   "differences",
		Short: "List what statements and the gateway say otherwise",
		Long: `Lists what differs, newest first: ours_only (succeeded here, not in the statement), theirs_only (in the statement under a number of ours, not
here), amount, state. Sums are in yuan.

Exit codes: 0 none is open; 1 the gateway does not answer; 3 one or more are open.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			query := url.Values{"open": {strconv.FormatBool(!all)}}
			for name, value := range map[string]string{"day": day, "account": account} {
				if value != "" {
					query.Set(name, value)
				}
			}
			var found []toldDifference
			for {
				var page struct {
					Differences []toldDifference `json:"differences"`
				}
				if err := refusedAsSuch(gateway.call(cmd.Context(), http.MethodGet, "/admin/v1/differences?"+query.Encode(), &page)); err != nil {
					return err
				}
				found = append(found, page.Differences...)
				if len(page.Differences) < 1000 {
					break
				}
				query.Set("before", strconv.FormatInt(page.Differences[len(page.Differences)-1].ID, 10))
			}
			out := cmd.OutOrStdout()
			if file != "" {
				f, err := os.Create(file) //nolint:gosec // the operator names it
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				out = f
			}
			if err := writeDifferences(out, found); err != nil {
				return err
			}
			for _, d := range found {
				if d.HealedAt.IsZero() && d.AcceptedAt.IsZero() {
					return errDiffers
				}
			}
			return nil
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&day, "date", "", "of this day alone")
	cmd.Flags().StringVar(&account, "account", "", "of this account alone")
	cmd.Flags().BoolVar(&all, "all", false, "those that were healed or accepted as well")
	cmd.Flags().StringVar(&file, "csv", "", "write the CSV to this file")
	return cmd
}

func writeDifferences(out io.Writer, found []toldDifference) error {
	w := csv.NewWriter(out)
	rows := [][]string{{"id", "day", "account", "kind", "what", "number", "provider_id", "ours_yuan", "theirs_yuan", "our_state", "their_state", "healed_at", "accepted_by", "reason"}}
	for _, d := range found {
		healed := ""
		if !d.HealedAt.IsZero() {
			healed = d.HealedAt.Format(time.RFC3339)
		}
		rows = append(rows, []string{
			strconv.FormatInt(d.ID, 10), d.Day, d.Account, d.Kind, d.What, d.Number, d.ProviderID, inYuan(d.Ours), inYuan(d.Theirs), d.OurState, d.TheirState,
			healed, d.AcceptedBy, d.Reason,
		})
	}
	return w.WriteAll(rows)
}

// inYuan writes fen exactly.
func inYuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100)
}

func acceptCommand() *cobra.Command {
	var name, reason string
	cmd := &cobra.Command{
		Use:   "accept ID...",
		Short: "Take differences as they are, in your name",
		Long: `Closes differences that no query can settle, by the numbers that "paybridge reconcile differences" shows.

Exit codes: 0 done; 1 the gateway does not answer; 2 there is no such difference, or no reason was given.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			for _, id := range args {
				if _, err := strconv.ParseUint(id, 10, 63); err != nil {
					return &rejected{fmt.Errorf("%q is not the number of a difference", id)}
				}
				var closed toldDifference
				err := gateway.send(cmd.Context(), http.MethodPost, "/admin/v1/differences/"+id+"/accept", map[string]string{"name": name, "reason": reason}, &closed)
				if err = refusedAsSuch(err); err != nil {
					return fmt.Errorf("difference %s: %w", id, err)
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d %s %s: accepted by %s\n", closed.ID, closed.Kind, closed.Number, closed.AcceptedBy); err != nil {
					return err
				}
			}
			return nil
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&name, "as", operatorName(), "who takes them so, for the record")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}

func operatorOf(cmd *cobra.Command) (operator, error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return operator{}, err
	}
	return newOperator(cfg)
}

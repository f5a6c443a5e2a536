package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/ports"
)

// wouldChange is the exit code of a dry run that found something to change.
const wouldChange = 3

// errWouldChange ends a dry run that found something to change; the plan says what.
var errWouldChange = errors.New("something would change")

func applyCommand() *cobra.Command {
	var file, lang, name string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Give a running gateway the apps, entries and accounts of a configuration file, without a restart",
		Long: `Compares the apps, entries and accounts of the file with those that came from a file before, and changes what differs:
new rows are made, others changed, missing ones dropped; all of it or nothing. Rows that were made by the admin API are
left alone. Every replica works with it within 2 seconds.

It calls the admin listener that the file names (listen.admin, admin.token). All else in the file counts from the next
start on.

Exit codes: 0 applied, or nothing to change; 1 the gateway does not answer; 2 refused: the file must be changed;
3 with --dry-run: something would change.`,
		Example: "  paybridge apply -f paybridge.yaml --dry-run\n  paybridge apply -f paybridge.yaml --as ann",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(config.Source{File: file, Dir: filepath.Dir(file), Environ: os.Environ(), Flags: cmd.Flags()})
			if err != nil {
				return err
			}
			plan, err := applyTo(cmd.Context(), cfg, name, dryRun)
			if err != nil {
				return err
			}
			return plan.tell(cmd.OutOrStdout(), applyWords[lang])
		},
	}
	config.AddFlags(cmd.Flags())
	cmd.Flags().StringVarP(&file, "file", "f", "", "the configuration, YAML")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would change, or be refused")
	langFlag(cmd, &lang)
	cmd.Flags().StringVar(&name, "as", operatorName(), "who applies it, for the history")
	if err := cmd.MarkFlagRequired("file"); err != nil {
		panic(err)
	}
	return cmd
}

func operatorName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// applied is what a gateway answers to a configuration.
type applied struct {
	Generation int64 `json:"generation"`
	DryRun     bool  `json:"dry_run"`
	Changes    []struct {
		Kind, Name, Action string
		Fields             []struct{ Key, From, To string }
	} `json:"changes"`
}

// applyTo sends the rows of a configuration to the gateway that runs with it.
func applyTo(ctx context.Context, cfg config.Config, name string, dryRun bool) (plan applied, err error) {
	rows, hash, err := cfg.Rows()
	if err != nil {
		return plan, err
	}
	err = change(ctx, cfg, name, fmt.Sprintf("/admin/v1/apply?dry_run=%t", dryRun), struct {
		Hash     string          `json:"hash"`
		Apps     []ports.App     `json:"apps"`
		Entries  []ports.Entry   `json:"entries"`
		Accounts []ports.Account `json:"accounts"`
	}{hash, orEmpty(rows.Apps), orEmpty(rows.Entries), orEmpty(rows.Accounts)}, &plan)
	return plan, err
}

// change makes one call that changes settings.
func change(ctx context.Context, cfg config.Config, by, path string, body any, plan *applied) error {
	o, err := newOperator(cfg)
	if err != nil {
		return err
	}
	o.name = by
	return refusedAsSuch(o.send(ctx, http.MethodPost, path, body, plan))
}

// refusedAsSuch makes a refusal of the gateway's one that has the exit code of refusals.
func refusedAsSuch(err error) error {
	var wrong *problem
	if errors.As(err, &wrong) && refusals[wrong.status] {
		return &rejected{wrong}
	}
	return err
}

// refusals are the answers to what a person must change first.
var refusals = map[int]bool{http.StatusBadRequest: true, http.StatusNotFound: true, http.StatusConflict: true, http.StatusRequestEntityTooLarge: true}

// rejected says that the gateway did not take the configuration, so that a person must change it.
type rejected struct{ error }

func (r *rejected) Unwrap() error { return r.error }

func orEmpty[T any](rows []T) []T {
	if rows == nil {
		return []T{}
	}
	return rows
}

// applyLanguage is what a plan is told in.
type applyLanguage struct {
	actions, kinds                  map[string]string
	nothing, would, done, differing string
}

var applyWords = map[string]applyLanguage{
	"en": {
		actions:   map[string]string{"create": "+ create", "change": "~ change", "drop": "- drop  "},
		kinds:     map[string]string{"app": "app    ", "entry": "entry  ", "account": "account"},
		nothing:   "Nothing to change: the gateway has it all (generation %d).\n",
		would:     "Would create %d, change %d, drop %d. Nothing was changed; leave out --dry-run to apply it.\n",
		done:      "Created %d, changed %d, dropped %d: generation %d. Every replica works with it within 2 seconds.\n",
		differing: "(another value)",
	},
	"zh": {
		actions:   map[string]string{"create": "+ 新增", "change": "~ 修改", "drop": "- 删除"},
		kinds:     map[string]string{"app": "业务系统", "entry": "入口    ", "account": "收款账户"},
		nothing:   "没有变化：网关已是该配置（第 %d 代）。\n",
		would:     "将新增 %d 项、修改 %d 项、删除 %d 项。尚未做任何改动；去掉 --dry-run 即可应用。\n",
		done:      "已新增 %d 项、修改 %d 项、删除 %d 项：第 %d 代。所有副本将在 2 秒内生效。\n",
		differing: "（值不同）",
	},
}

// tell prints a plan and fails where it was only tried and is not empty.
func (p applied) tell(out io.Writer, words applyLanguage) error {
	if err := p.print(out, words); err != nil {
		return err
	}
	if p.DryRun && len(p.Changes) > 0 {
		return errWouldChange
	}
	return nil
}

func (p applied) print(out io.Writer, words applyLanguage) error {
	var b strings.Builder
	count := map[string]int{}
	for _, c := range p.Changes {
		count[c.Action]++
		fmt.Fprintf(&b, "%s  %s  %s\n", words.actions[c.Action], words.kinds[c.Kind], c.Name)
		for _, f := range c.Fields {
			switch {
			case f.From == "" && f.To == "":
				fmt.Fprintf(&b, "      %s: %s\n", f.Key, words.differing)
			default:
				fmt.Fprintf(&b, "      %s: %s → %s\n", f.Key, orDash(f.From), orDash(f.To))
			}
		}
	}
	switch {
	case len(p.Changes) == 0:
		fmt.Fprintf(&b, words.nothing, p.Generation)
	case p.DryRun:
		fmt.Fprintf(&b, words.would, count["create"], count["change"], count["drop"])
	default:
		fmt.Fprintf(&b, words.done, count["create"], count["change"], count["drop"], p.Generation)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func orDash(value string) string {
	if value == "" {
		return "–"
	}
	return value
}

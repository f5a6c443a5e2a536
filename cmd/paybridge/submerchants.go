package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
)

func subMerchantsCommand() *cobra.Command {
	var file, lang, name string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "sub-merchants TEMPLATE --csv FILE",
		Short: "Make a partner's sub merchants (特约商户) in a running gateway from a list, without a restart",
		Long: `Makes an account and its entries for each sub merchant of a list, from a template: a partner's account with
template: true. Their keys are the template's. All of them are made in one change, or none; those that are there already
stay as they are, so a list that has grown can be given again. Every replica works with it within 2 seconds, and payments
that are under way do not notice.

The list is CSV in UTF-8, as a spreadsheet saves it. Its first line names the columns: name is the account's (small
letters, digits and hyphens), sub_mchid the sub merchant's number. Other columns are for people and are not read.

  name,sub_mchid,school
  school-1,1900000101,第一小学
  school-2,1900000102,第二小学

Exit codes: 0 made, or all were there; 1 the gateway does not answer; 2 refused: the list must be changed; 3 with
--dry-run: something would be made.`,
		Example: "  paybridge sub-merchants partner --csv schools.csv --dry-run --config paybridge.yaml\n  paybridge sub-merchants partner --csv schools.csv --config paybridge.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			list, err := readSubMerchants(file)
			if err != nil {
				return &rejected{err}
			}
			plan, err := addSubMerchants(cmd.Context(), cfg, name, args[0], list, dryRun)
			if err != nil {
				return err
			}
			return plan.tell(cmd.OutOrStdout(), applyWords[lang])
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&file, "csv", "", "the list")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be made, or be refused")
	langFlag(cmd, &lang)
	cmd.Flags().StringVar(&name, "as", operatorName(), "who asks for it, for the history")
	if err := cmd.MarkFlagRequired("csv"); err != nil {
		panic(err)
	}
	return cmd
}

// subMerchant is one line of a list.
type subMerchant struct {
	Name     string `json:"name"`
	SubMchID string `json:"sub_mchid"`
}

func readSubMerchants(file string) ([]subMerchant, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	list, err := parseSubMerchants(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return list, nil
}

// accountName is what an account may be called.
var accountName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxSubMerchants is what a gateway takes at once.
const maxSubMerchants = 5000

// parseSubMerchants reads a list. It says all that is wrong with it at once, by the line.
func parseSubMerchants(in io.Reader) (list []subMerchant, err error) {
	r := csv.NewReader(in)
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty; its first line is: name,sub_mchid")
	} else if err != nil {
		return nil, err
	}
	head[0] = strings.TrimPrefix(head[0], "\ufeff") // as spreadsheets begin UTF-8
	column := func(name string) int {
		return slices.IndexFunc(head, func(heading string) bool { return strings.EqualFold(strings.TrimSpace(heading), name) })
	}
	name, sub := column("name"), column("sub_mchid")
	if name < 0 || sub < 0 {
		return nil, errors.New("its first line must name the columns name and sub_mchid, as in: name,sub_mchid")
	}
	var wrong []error
	seen := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil { // what comes after it cannot be told apart
			wrong = append(wrong, err)
			break
		}
		line, _ := r.FieldPos(0)
		one := subMerchant{strings.TrimSpace(row[name]), strings.TrimSpace(row[sub])}
		switch first, again := seen[one.Name]; {
		case one == subMerchant{}: // a line of empty cells
			continue
		case one.Name == "" || one.SubMchID == "":
			wrong = append(wrong, fmt.Errorf("line %d: name or sub_mchid is missing", line))
		case !accountName.MatchString(one.Name):
			wrong = append(wrong, fmt.Errorf("line %d: the name %q may have small letters, digits and hyphens, at most 63", line, one.Name))
		case again:
			wrong = append(wrong, fmt.Errorf("line %d: the name %q is that of line %d too", line, one.Name, first))
		}
		seen[one.Name] = line
		list = append(list, one)
	}
	switch {
	case len(wrong) > 0:
		return nil, errors.Join(wrong...)
	case len(list) == 0:
		return nil, errors.New("it lists nobody")
	case len(list) > maxSubMerchants:
		return nil, fmt.Errorf("it lists %d, and a gateway takes %d at once: split it", len(list), maxSubMerchants)
	}
	return list, nil
}

func addSubMerchants(ctx context.Context, cfg config.Config, by, template string, list []subMerchant, dryRun bool) (plan applied, err error) {
	path := fmt.Sprintf("/admin/v1/accounts/%s/sub-merchants/import?dry_run=%t", url.PathEscape(template), dryRun)
	err = change(ctx, cfg, by, path, map[string]any{"sub_merchants": list}, &plan)
	return plan, err
}

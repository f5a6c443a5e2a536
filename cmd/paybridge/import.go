package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/core/gateway"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Take over payments and users of an earlier system, while no gateway runs",
		Long: `Takes over what an earlier system has, from CSV in UTF-8 as a spreadsheet saves it; the first line names the columns. What is here already
stays as it is, so the same file may be given again. It refuses while a gateway uses the database.`,
	}
	cmd.AddCommand(importPaymentsCommand(), importIdentitiesCommand())
	return cmd
}

func importPaymentsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "payments FILE",
		Short: "Take over payments, so that their refunds go through PayBridge",
		Long: `Takes over paid payments of an earlier system. The provider is asked about each: its amount, payer and time are the provider's word, and what
it does not say was paid is not taken. Each gets a number of ours, by which it is refunded; the provider goes on knowing it by its own.

  app,entry,out_trade_no,reference,description,refunds
  his,official-account,2024050112345,VISIT-1,Outpatient visit,
  his,official-account,2024050112346,VISIT-2,Outpatient visit,R2024050112346:500;R2024050112347:200

app, entry and out_trade_no are needed; the entry must have the merchant number and app id that took the payment. refunds are those that were made already,
each out_refund_no:fen. A payment of which something went back, without its refunds in the list, cannot be refunded here until a
statement tells how much. Apps are told nothing; GET /v1/events lists what was imported.

Exit codes: 0 all lines are here now; 1 it did not work; 2 the file cannot be read; 3 some lines were not taken, each is told.`,
		Example: "  paybridge import payments old.csv --config paybridge.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return importFile(cmd, args[0], []string{"app", "entry", "out_trade_no"}, func(ctx context.Context, g *gateway.Gateway, line map[string]string) (bool, error) {
				in := gateway.ImportedPayment{App: line["app"], Entry: line["entry"], OutTradeNo: line["out_trade_no"], Reference: line["reference"], Description: line["description"]}
				for _, text := range strings.FieldsFunc(line["refunds"], func(r rune) bool { return r == ';' }) {
					number, fen, _ := strings.Cut(strings.TrimSpace(text), ":")
					amount, err := strconv.ParseInt(fen, 10, 64)
					if err != nil {
						amount = 0 // which is refused, and said how it should be
					}
					in.Refunds = append(in.Refunds, gateway.ImportedRefund{OutRefundNo: number, Amount: amount})
				}
				_, made, err := g.ImportPayment(ctx, in)
				return made, err
			})
		},
	}
	configFlags(cmd)
	return cmd
}

func importIdentitiesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "identities FILE",
		Short: "Take over whom an app calls by which user id",
		Long: `Tells for an app which openid is which of its users, as POST /v1/identities/bind does.

  app,entry,openid,user_id
  his,official-account,oA1-…,patient-17

Exit codes: 0 all lines are here now; 1 it did not work; 2 the file cannot be read; 3 some lines were not taken, each is told.`,
		Example: "  paybridge import identities users.csv --config paybridge.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return importFile(cmd, args[0], []string{"app", "entry", "openid", "user_id"}, func(ctx context.Context, g *gateway.Gateway, line map[string]string) (bool, error) {
				_, err := g.Bind(ctx, line["app"], gateway.BindRequest{UserID: line["user_id"], Entry: line["entry"], OpenID: line["openid"]})
				return true, err
			})
		},
	}
	configFlags(cmd)
	return cmd
}

// importedAtOnce is how many lines are worked on side by side.
const importedAtOnce = 8

// importFile takes each line of a file over.
func importFile(cmd *cobra.Command, file string, needs []string, take func(context.Context, *gateway.Gateway, map[string]string) (made bool, err error)) (err error) {
	in, err := os.Open(file) //nolint:gosec // the operator names it
	if err != nil {
		return &rejected{err}
	}
	defer func() { _ = in.Close() }()
	lines, err := newImportReader(in, needs)
	if err != nil {
		return &rejected{fmt.Errorf("%s: %w", file, err)}
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

	if err := s.gateway.ImportBegins(cmd.Context()); err != nil {
		return err
	}
	var mu sync.Mutex
	var made, here, refused int
	work, workers := make(chan importLine), sync.WaitGroup{}
	for range importedAtOnce {
		workers.Go(func() {
			for line := range work {
				added, err := take(cmd.Context(), s.gateway, line.fields)
				mu.Lock()
				switch {
				case err != nil:
					refused++
					why, wrong := gateway.IsInvalid(err)
					if !wrong {
						why = err.Error()
					}
					_, _ = fmt.Fprintf(cmd.OutOrStdout(), "line %d: %s\n", line.number, why)
				case added:
					made++
				default:
					here++
				}
				if all := made + here + refused; all%1000 == 0 {
					_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%d lines\n", all)
				}
				mu.Unlock()
			}
		})
	}
	for err == nil && cmd.Context().Err() == nil {
		var line importLine
		if line, err = lines.next(); err == nil {
			work <- line
		}
	}
	close(work)
	workers.Wait()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		err = &rejected{fmt.Errorf("%s: %w; the lines before it are in", file, err)}
	}
	if err = errors.Join(err, cmd.Context().Err(), s.gateway.ImportDone(context.WithoutCancel(cmd.Context()))); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d taken over, %d were here, %d not taken\n", made, here, refused)
	if err == nil && refused > 0 {
		err = errDiffers
	}
	return err
}

// importReader reads lines by the names of their columns.
type importReader struct {
	csv  *csv.Reader
	head []string
}

type importLine struct {
	number int
	fields map[string]string
}

func newImportReader(in io.Reader, needs []string) (*importReader, error) {
	r := &importReader{csv: csv.NewReader(in)}
	r.csv.TrimLeadingSpace = true
	head, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("%w; its first line names the columns: %s", err, strings.Join(needs, ","))
	}
	there := map[string]bool{}
	for i, heading := range head {
		heading = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(heading, "\ufeff"))) // as spreadsheets begin UTF-8
		if there[heading] {
			return nil, fmt.Errorf("its first line names the column %s twice", heading)
		}
		head[i], there[heading] = heading, true
	}
	for _, name := range needs {
		if !there[name] {
			return nil, fmt.Errorf("its first line does not name the column %s; it needs %s", name, strings.Join(needs, ","))
		}
	}
	r.head = head
	return r, nil
}

func (r *importReader) next() (importLine, error) {
	row, err := r.csv.Read()
	if err != nil {
		return importLine{}, err
	}
	number, _ := r.csv.FieldPos(0)
	line := importLine{number, map[string]string{}}
	for i, name := range r.head {
		line.fields[name] = strings.TrimSpace(row[i])
	}
	return line, nil
}

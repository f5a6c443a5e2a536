package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/core/pay"
)

func demoCommand() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a payment and its refund without a person, and fail on any surprise",
		Long: `Starts what dev starts, on free ports and in a folder that is removed afterwards, and plays: an order, its
payment, a callback, a payment whose callback is lost, a payment that is cancelled and closed, a refund, a
refund whose answer is lost, the same person's payment in a mini program, reported as fulfilled, and its refund, a clinic's
bill paid by medical insurance and in cash and refunded in both parts, and a payment and refund through each channel of
configs/dev.yaml that is not WeChat. Prints each step with its number, state and time. Exit code 1 on any surprise.`,
		Example: "  paybridge demo\n  paybridge demo --store.driver postgres --store.dsn env:DSN   # on a database that may be written to",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			dir, err := os.MkdirTemp("", "paybridge-demo-")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			public, err := freePort(cmd.Context())
			if err != nil {
				return err
			}
			admin, err := freePort(cmd.Context())
			if err != nil {
				return err
			}
			logs := &logBuffer{}
			var logTo io.Writer = logs
			if verbose {
				logTo = cmd.ErrOrStderr()
			}
			p, err := openPlayground(cmd.Context(), playgroundOptions{
				dir: dir, flags: cmd.Flags(), public: public, admin: admin, logTo: logTo,
				simulatorFlags: []string{"--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--refund-delay", "200ms"},
				pages:          func(*simulator, string) options { return options{mount: func(*mux.Router) {}} },
				change:         func(cfg *config.Config) error { return addScripted(cfg, dir) },
			})
			if err != nil {
				return errors.Join(err, showLogs(cmd.ErrOrStderr(), logs))
			}
			ctx, stop := context.WithCancel(cmd.Context())
			stopped := make(chan error, 1)
			go func() { stopped <- p.run(ctx) }()
			d := &demo{api: p.baseURL, control: p.simulator.ControlURL, otherEntries: p.otherEntries(), out: cmd.OutOrStdout(), began: time.Now()}
			err = d.play(ctx)
			stop()
			if err = errors.Join(err, <-stopped); err != nil {
				return errors.Join(err, showLogs(cmd.ErrOrStderr(), logs))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nAll %d steps went as they should.\n", d.steps)
			return err
		},
	}
	config.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&verbose, "verbose", false, "show the logs of gateway, plugins and simulator")
	return cmd
}

// logBuffer keeps what gateway, plugins and simulator say at the same time.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func showLogs(w io.Writer, logs *logBuffer) error {
	logs.mu.Lock()
	defer logs.mu.Unlock()
	_, err := fmt.Fprintf(w, "\n--- logs ---\n%s", logs.text.String())
	return err
}

// demo plays the flow over the API and the simulator's control API, as an app and a payer would.
type demo struct {
	api, control string
	otherEntries []string // that are not WeChat's
	out          io.Writer
	began        time.Time
	steps        int
}

// answer is the part of the API's answers that the demo looks at.
type answer struct {
	Number  string `json:"number"`
	State   string `json:"state"`
	Code    string `json:"code"`   // of a problem
	Detail  string `json:"detail"` // of a problem
	HandOff struct {
		Kind   string            `json:"kind"`
		Params map[string]string `json:"params"`
	} `json:"hand_off"`
}

func (d *demo) play(ctx context.Context) error {
	if _, err := fmt.Fprintf(d.out, "%-4s %-52s %-34s %-20s %s\n", "step", "what", "number", "state", "after"); err != nil {
		return err
	}
	for _, scene := range []func(context.Context) error{d.paidAndRefunded, d.callbackLost, d.cancelled, d.refundAnswerLost, d.inMiniProgram, d.insured} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	for _, entry := range d.otherEntries {
		if err := d.byCode(ctx, entry); err != nil {
			return err
		}
	}
	return nil
}

// paidAndRefunded is the everyday case: the callback tells of the payment, and of its refund.
func (d *demo) paidAndRefunded(ctx context.Context) error {
	order, payment, err := d.orderAndPay(ctx, officialAccount, "demo-1", 1250)
	if err != nil {
		return err
	}
	again := answer{}
	if err := d.step(ctx, "the payer taps again: the same hand-off", http.MethodPost, d.api+"/v1/orders/"+order.Number+"/payments", officialAccount.payer(), &again, "pending"); err != nil {
		return err
	}
	if again.Number != payment.Number {
		return fmt.Errorf("the second tap made payment %s beside %s", again.Number, payment.Number)
	}
	if err := d.tap(ctx, "pay", "the payer pays; WeChat calls back", payment); err != nil {
		return err
	}
	if err := d.await(ctx, "the order follows the callback", d.api+"/v1/orders/"+order.Number, "paid"); err != nil {
		return err
	}
	refund, err := d.refund(ctx, payment, "demo-refund-1", 250)
	if err != nil {
		return err
	}
	if err := d.await(ctx, "the refund succeeds", d.api+"/v1/refunds/"+refund.Number, "succeeded"); err != nil {
		return err
	}
	return d.await(ctx, "and the order says so", d.api+"/v1/orders/"+order.Number, "partially_refunded")
}

// callbackLost is settled by a query when the payer comes back (R17).
func (d *demo) callbackLost(ctx context.Context) error {
	order, payment, err := d.orderAndPay(ctx, officialAccount, "demo-2", 300)
	if err != nil {
		return err
	}
	if err := d.fault(ctx, "callback_lost"); err != nil {
		return err
	}
	if err := d.tap(ctx, "pay", "the payer pays; the callback is lost", payment); err != nil {
		return err
	}
	if err := d.step(ctx, "the payer comes back: the gateway asks WeChat", http.MethodPost, d.api+"/v1/payments/"+payment.Number+"/sync", nil, &answer{}, "succeeded"); err != nil {
		return err
	}
	return d.await(ctx, "the order is paid all the same", d.api+"/v1/orders/"+order.Number, "paid")
}

// cancelled is an order that nobody pays: it is closed at WeChat before it is closed here (R23).
func (d *demo) cancelled(ctx context.Context) error {
	order, payment, err := d.orderAndPay(ctx, officialAccount, "demo-3", 900)
	if err != nil {
		return err
	}
	if err := d.tap(ctx, "cancel", "the payer cancels", payment); err != nil {
		return err
	}
	if err := d.step(ctx, "the app closes the order, WeChat's trade first", http.MethodPost, d.api+"/v1/orders/"+order.Number+"/close", nil, &answer{}, "closed"); err != nil {
		return err
	}
	return d.await(ctx, "its payment is closed", d.api+"/v1/payments/"+payment.Number, "closed")
}

// refundAnswerLost is one refund, though nobody heard the answer to it: asked again, never made anew (R28).
func (d *demo) refundAnswerLost(ctx context.Context) error {
	_, payment, err := d.orderAndPay(ctx, officialAccount, "demo-4", 500)
	if err != nil {
		return err
	}
	if err := d.tap(ctx, "pay", "the payer pays", payment); err != nil {
		return err
	}
	if err := d.await(ctx, "the payment follows the callback", d.api+"/v1/payments/"+payment.Number, "succeeded"); err != nil {
		return err
	}
	if err := d.fault(ctx, "connection_broken_executed"); err != nil {
		return err
	}
	refund, err := d.refund(ctx, payment, "demo-refund-4", 500)
	if err != nil {
		return err
	}
	if err := d.await(ctx, "the answer was lost; the refund is found", d.api+"/v1/refunds/"+refund.Number, "succeeded"); err != nil {
		return err
	}
	again, err := d.refund(ctx, payment, "demo-refund-4", 500)
	if err == nil && again.Number != refund.Number {
		err = fmt.Errorf("the same reference made refund %s beside %s", again.Number, refund.Number)
	}
	return err
}

// inMiniProgram is the same person by another way in: another plugin, app id, openid and merchant number, which the refund
// goes back through (R27).
func (d *demo) inMiniProgram(ctx context.Context) error {
	order, payment, err := d.orderAndPay(ctx, miniProgram, "demo-5", 700)
	if err != nil {
		return err
	}
	if err := d.tap(ctx, "pay", "the payer pays in the mini program", payment); err != nil {
		return err
	}
	if err := d.await(ctx, "the order follows the callback", d.api+"/v1/orders/"+order.Number, "paid"); err != nil {
		return err
	}
	fulfilment := d.api + "/v1/orders/" + order.Number + "/fulfilment"
	if err := d.step(ctx, "the app says that it was fulfilled", http.MethodPost, fulfilment, map[string]string{"method": "virtual"}, &answer{}, "reporting"); err != nil {
		return err
	}
	if err := d.await(ctx, "WeChat has the report, and lets go of the money", fulfilment, "reported"); err != nil {
		return err
	}
	refund, err := d.refund(ctx, payment, "demo-refund-5", 700)
	if err != nil {
		return err
	}
	if err := d.await(ctx, "the refund succeeds", d.api+"/v1/refunds/"+refund.Number, "succeeded"); err != nil {
		return err
	}
	return d.await(ctx, "and the order says so", d.api+"/v1/orders/"+order.Number, "refunded")
}

// byCode is a channel that is not WeChat: the payer scans a code and pays at the address in it.
func (d *demo) byCode(ctx context.Context, entry string) error {
	var order, payment, paid answer
	body := map[string]any{"reference": "demo-" + entry, "amount": 640, "description": "Outpatient visit"}
	if err := d.step(ctx, "the app makes an order", http.MethodPost, d.api+"/v1/orders", body, &order, "open"); err != nil {
		return err
	}
	opened := "entry " + entry + " shows a code, not WeChat's"
	if err := d.step(ctx, opened, http.MethodPost, d.api+"/v1/orders/"+order.Number+"/payments", map[string]any{"entry": entry}, &payment, "pending"); err != nil {
		return err
	}
	if payment.HandOff.Kind != "qr_code" || payment.HandOff.Params["content"] == "" {
		return fmt.Errorf("payment %s has no code to pay with: %+v", payment.Number, payment.HandOff)
	}
	if err := d.scan(ctx, payment.HandOff.Params["content"]); err != nil {
		return fmt.Errorf("the payer scans the code of %s and cannot pay: %w", payment.Number, err)
	}
	if err := d.await(ctx, "the payer scans it and pays; the order follows", d.api+"/v1/orders/"+order.Number, "paid"); err != nil {
		return err
	}
	if err := d.step(ctx, "the payment says who took it", http.MethodGet, d.api+"/v1/payments/"+payment.Number, nil, &paid, "succeeded"); err != nil {
		return err
	}
	refund, err := d.refund(ctx, payment, "demo-refund-"+entry, 640)
	if err != nil {
		return err
	}
	return d.await(ctx, "the refund succeeds", d.api+"/v1/refunds/"+refund.Number, "succeeded")
}

// scripted is a channel whose plugin is a script: the build has it where node is.
const scripted = "example-node"

// addScripted gives the demo the example channel once more, by the plugin in JavaScript, where the build has that.
func addScripted(cfg *config.Config, dir string) error {
	program, err := besideThis(filepath.Join("plugins", scripted))
	if err != nil {
		return err
	}
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	key := func(name string) string { return "file:" + filepath.Join(dir, scripted, name) }
	cfg.Accounts = append(cfg.Accounts, config.Account{
		Name: scripted, Provider: scripted, MchID: "9000000001",
		Config: map[string]any{"api_key": key("api_key.txt"), "provider_keys": map[string]any{"key-1": key("provider_key.txt")}},
	})
	cfg.Entries = append(cfg.Entries, config.Entry{
		Name: scripted, Provider: scripted, Account: scripted, AppID: "store-1", OpenIDKind: pay.OpenIDNone, Method: "04", LatePay: pay.LateRefund,
	})
	cfg.Apps[0].Entries = append(cfg.Apps[0].Entries, scripted)
	return nil
}

// scan opens the address in a code and presses the button there.
func (d *demo) scan(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return err
	}
	page, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if page.StatusCode != http.StatusOK {
		err = errors.New(page.Status)
	}
	return errors.Join(err, page.Body.Close())
}

// way is a way into the one site: an entry of configs/dev.yaml, and alice as it knows her.
type way struct{ entry, openid, handOff string }

var (
	officialAccount = way{devEntry, devPayer, "wechat_jsapi"}
	miniProgram     = way{"mini-program", "oM1-alice-000000000000000001", "wechat_miniprogram"}
)

func (w way) payer() map[string]any {
	return map[string]any{"entry": w.entry, "payer": map[string]any{"openid": w.openid}}
}

func (d *demo) orderAndPay(ctx context.Context, w way, reference string, fen int) (order, payment answer, err error) {
	body := map[string]any{"reference": reference, "amount": fen, "description": "Outpatient visit"}
	if err = d.step(ctx, "the app makes an order", http.MethodPost, d.api+"/v1/orders", body, &order, "open"); err != nil {
		return order, payment, err
	}
	if err = d.step(ctx, "the payer opens the cashier", http.MethodPost, d.api+"/v1/orders/"+order.Number+"/payments", w.payer(), &payment, "pending"); err != nil {
		return order, payment, err
	}
	if payment.HandOff.Kind != w.handOff || payment.HandOff.Params["paySign"] == "" {
		return order, payment, fmt.Errorf("payment %s has no hand-off to pay with: %+v", payment.Number, payment.HandOff)
	}
	return order, payment, nil
}

func (d *demo) refund(ctx context.Context, payment answer, reference string, fen int) (refund answer, err error) {
	body := map[string]any{"reference": reference, "amount": fen, "reason": "visit cancelled"}
	err = d.step(ctx, fmt.Sprintf("the app refunds %d fen", fen), http.MethodPost, d.api+"/v1/payments/"+payment.Number+"/refunds", body, &refund, "")
	return refund, err
}

// tap lets the payer do something with the hand-off, which the simulator verifies as WeChat's client would.
func (d *demo) tap(ctx context.Context, action, what string, payment answer) error {
	return d.step(ctx, what, http.MethodPost, d.control+"/control/v1/"+action, map[string]any{"hand_off": payment.HandOff.Params}, &answer{}, "")
}

func (d *demo) fault(ctx context.Context, kind string) error {
	return d.step(ctx, "(the simulator will: "+kind+")", http.MethodPost, d.control+"/control/v1/faults", map[string]any{"kind": kind, "count": 1}, &answer{}, "")
}

// step makes one call and holds the answer's state against the expected one; empty: any.
func (d *demo) step(ctx context.Context, what, method, url string, body any, into *answer, want string) error {
	status, err := d.do(ctx, method, url, body, into)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if status >= 300 {
		return fmt.Errorf("%s: %d %s: %s", what, status, into.Code, into.Detail)
	}
	if want != "" && into.State != want {
		return fmt.Errorf("%s: %s is %s, not %s", what, into.Number, into.State, want)
	}
	return d.tell(what, *into)
}

func (d *demo) tell(what string, a answer) error {
	d.steps++
	_, err := fmt.Fprintf(d.out, "%-4d %-52s %-34s %-20s %s\n", d.steps, what, a.Number, a.State, time.Since(d.began).Round(time.Millisecond))
	return err
}

// await asks until the state is there.
func (d *demo) await(ctx context.Context, what, url, want string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		var a answer
		status, err := d.do(ctx, http.MethodGet, url, nil, &a)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
		case status != http.StatusOK:
			return fmt.Errorf("%s: %d %s: %s", what, status, a.Code, a.Detail)
		case a.State == want:
			return d.tell(what, a)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %s is still %s after a minute, not %s", what, a.Number, a.State, want)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *demo) do(ctx context.Context, method, url string, body, into any) (status int, err error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, sent)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+devKey)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return resp.StatusCode, err
	}
	_ = json.Unmarshal(text, into) // what is not JSON has no state and is told by its status
	return resp.StatusCode, nil
}

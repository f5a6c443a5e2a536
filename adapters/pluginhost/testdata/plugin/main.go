// A plugin that does on command what plugins do when they go wrong. A payment's description says what; its attach may
// name a file: the plugin makes FILE.started, and goes on when FILE is there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// name is set by the build: "unruly" is of a provider with merchant numbers, "unruly-tokens" of one that knows none,
// "unruly-more" has the optional services too, "unruly-app" calls with an access token, and
// "unruly-mode" where an entry's mode is "redirect".
var name = "unruly"

// A file "exit" in the host's folder ends the plugin before it serves.
func main() {
	if _, err := os.Stat("../exit"); err == nil {
		os.Exit(3)
	}
	if name == "unruly-more" {
		sdk.Serve(&generous{})
		return
	}
	sdk.Serve(&channel{})
}

type channel struct{ accounts sdk.Accounts[account] }

type account struct {
	generation int64
	key        string
}

const schema = `{
  "type": "object",
  "required": ["mchid", "key"],
  "additionalProperties": false,
  "properties": {
    "mchid": {"type": "string", "pattern": "^[0-9]{10}$"},
    "sub_mchid": {"type": "string"},
    "key": {"type": "string", "minLength": 8, "writeOnly": true}
  }
}`

const tokenSchema = `{
  "type": "object",
  "required": ["key"],
  "additionalProperties": false,
  "properties": {"key": {"type": "string", "writeOnly": true}}
}`

func (c *channel) Describe() sdk.Description {
	accounts := schema
	if name == "unruly-tokens" {
		accounts = tokenSchema
	}
	return sdk.Description{
		Name: name, Version: "1.2.3", HandOffKinds: []string{sdk.KindQRCode}, AccountSchema: []byte(accounts),
		EntrySchema:         []byte(`{"type": "object", "additionalProperties": false, "properties": {"goods_tag": {"type": "string"}, "mode": {"type": "string"}}}`),
		NeedsAppAccessToken: name == "unruly-app" || name == "unruly-mode",
		AppAccessTokenMode:  map[string]string{"unruly-mode": "redirect"}[name],
		Renewable:           true, NotificationAuth: sdk.AuthInHeader, CloseSupport: sdk.CloseAtOnce,
		RefundLimits: sdk.RefundLimits{Count: 50, Age: 365 * 24 * time.Hour, MinInterval: time.Minute},
	}
}

func (c *channel) Configure(_ context.Context, a sdk.Account) (sdk.Merchant, error) {
	var config struct {
		MchID, Key string
		SubMchID   string `json:"sub_mchid"`
	}
	if err := a.Decode(&config); err != nil {
		return sdk.Merchant{}, err
	}
	if strings.Contains(config.Key, "bad") {
		return sdk.Merchant{}, errors.Join(sdk.Field("/key", "is no key"), sdk.Field("/mchid", "is not the key's"))
	}
	merchant := sdk.Merchant{MchID: config.MchID, SubMchID: config.SubMchID}
	if strings.Contains(config.Key, "another") {
		merchant.SubMchID = "1900000009"
	}
	c.accounts.Set(a, merchant, account{a.Generation, config.Key})
	return merchant, nil
}

func (c *channel) CreatePayment(ctx context.Context, r sdk.Create) sdk.Result {
	acc, ok := c.accounts.For(r.Route)
	if !ok {
		return sdk.Auth("account %s is not configured with merchant %s", r.Route.Account, r.Route.MchID)
	}
	if r.AppAccessToken.Token == "stale" {
		return sdk.Auth("the access token is not valid").With(sdk.TokenRefused())
	}
	switch r.Description {
	case "token":
		return sdk.Rejected(sdk.Declined, r.AppAccessToken.AppID+" "+r.AppAccessToken.Token, fmt.Sprint(r.AppAccessToken.ExpiresAt.Unix()))
	case "details":
		text, err := json.Marshal(r.Details)
		if err != nil {
			panic(err)
		}
		return sdk.Rejected(sdk.Declined, "", string(text))
	case "panic":
		panic(errors.New(acc.key))
	case "exit":
		os.Exit(3)
	case "hang":
		<-ctx.Done()
		return sdk.Indeterminate(ctx.Err())
	case "deaf":
		select {}
	case "wait":
		wait(r.Attach)
	case "generation":
		return sdk.Rejected(sdk.Declined, fmt.Sprint(acc.generation), "")
	case "environment":
		return sdk.Rejected(sdk.Declined, "", strings.Join(environment(), " "))
	case "not sent":
		return sdk.NotSent(errors.New("no route to host"))
	case "checkpoint":
		if r.State.Version < 2 {
			return sdk.Checkpoint(r.State.Next(append(r.State.Data, 'x')))
		}
	case "log":
		slog.Info("a line", "number", r.Number)
		fmt.Fprintln(os.NewFile(2, "stderr"), `{"@message": 7, "@level": {}, "@timestamp": []}`)
	case "child", "stray": // one that dies with us, and one that left our process group and holds our pipes
		child := exec.Command("/bin/sleep", "60")
		child.Stdout, child.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: r.Description == "stray"}
		if err := child.Start(); err != nil {
			return sdk.NotSent(err)
		}
		return sdk.Rejected(sdk.Declined, fmt.Sprint(child.Process.Pid), "")
	case "big":
		return sdk.Accepted(sdk.QRCode(strings.Repeat("x", 8<<20)))
	case "print":
		fmt.Println("to standard output, where no plugin should write")
	}
	return sdk.Accepted(sdk.QRCode("pay:"+r.Number), sdk.RequestID("request-1"), sdk.ProviderTime(time.Unix(1700000000, 0)))
}

func environment() []string {
	var names []string
	for _, line := range os.Environ() {
		if name, _, ok := strings.Cut(line, "="); ok {
			names = append(names, name)
		}
	}
	return names
}

func wait(file string) {
	if err := os.WriteFile(file+".started", nil, 0o600); err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (c *channel) QueryPayment(_ context.Context, r sdk.Query) sdk.Result {
	if r.Number == "unknown-number" {
		return sdk.Rejected(sdk.NotFound, "ORDER_NOT_EXIST", "no such order")
	}
	return sdk.Accepted(sdk.PaymentFacts{State: sdk.PaymentSucceeded, Number: r.Number, MchID: r.Route.MchID,
		AppID: r.Route.AppID, Amount: sdk.Amount{Minor: 100, Currency: "CNY"}, ProviderID: "4200001"})
}

func (c *channel) ClosePayment(context.Context, sdk.Close) sdk.Result { return sdk.Accepted() }

func (c *channel) CreateRefund(_ context.Context, r sdk.Refund) sdk.Result {
	if r.Reason == "not enough" {
		return sdk.Rejected(sdk.Unavailable, "NOT_ENOUGH", "基本账户余额不足").With(sdk.NeedsPerson(sdk.AttentionNotEnough, ""))
	}
	return sdk.Accepted()
}

func (c *channel) QueryRefund(_ context.Context, r sdk.RefundQuery) sdk.Result {
	return sdk.Accepted(sdk.RefundFacts{State: sdk.RefundSucceeded, Number: r.Number, PaymentNumber: r.PaymentNumber,
		Amount: sdk.Amount{Minor: 40, Currency: "CNY"}, ReceivedAccount: "支付用户零钱"})
}

func (c *channel) ParseNotification(_ context.Context, n sdk.Notification) sdk.Parsed {
	acc, ok := c.accounts.Named(n.Account)
	answers := func(p sdk.Parsed) sdk.Parsed {
		return p.Answer(sdk.Answer{}, sdk.JSONAnswer(`{"code":"FAIL"}`))
	}
	switch {
	case !ok:
		return sdk.Refuse(sdk.UnknownAccount, "account %s", n.Account)
	case n.Method != http.MethodPost || n.Header.Get("Signature") != acc.key:
		return answers(sdk.Refuse(sdk.BadSignature, "signature"))
	case string(n.Body) == "refund":
		return answers(sdk.NotifiedRefund(sdk.RefundFacts{State: sdk.RefundSucceeded, Number: "r1", PaymentNumber: "number-1",
			MchID: n.Header.Get("Merchant"), SubMchID: n.Header.Get("Sub-Merchant")}, "r1"))
	case string(n.Body) == "notice":
		return answers(sdk.Noticed(sdk.Notice{Kind: "complaint.created", ID: "c1", Body: []byte(`{}`)}, "n1"))
	}
	return answers(sdk.Notified(sdk.PaymentFacts{State: sdk.PaymentSucceeded, Number: string(n.Body),
		MchID: n.Header.Get("Merchant"), SubMchID: n.Header.Get("Sub-Merchant"), Amount: sdk.Amount{Minor: 100, Currency: "CNY"}, PaidAt: n.ReceivedAt}, "p1"))
}

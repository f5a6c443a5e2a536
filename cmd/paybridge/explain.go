package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// story is all that is kept of an order, as the admin listener answers it.
type story struct {
	Order struct {
		Number, Reference, State, Currency string
		Amount                             int64
		SettledBy                          string    `json:"settled_by"`
		CreatedAt                          time.Time `json:"created_at"`
		ExpiresAt                          time.Time `json:"expires_at"`
	}
	Payments []struct {
		Number, State, Currency, Entry, Provider, Account string
		Amount                                            int64
		MchID                                             string    `json:"mchid"`
		AppID                                             string    `json:"appid"`
		OutTradeNo                                        string    `json:"out_trade_no"`
		ProviderID                                        string    `json:"provider_id"`
		Why                                               string    `json:"disputed_because"`
		CreatedAt                                         time.Time `json:"created_at"`
		Due                                               time.Time
	}
	Refunds []struct {
		Number, State, Currency, Payment, Reference, Origin string
		Amount                                              int64
		NeedsAttention                                      string    `json:"needs_attention"`
		CreatedAt                                           time.Time `json:"created_at"`
		Held                                                bool
		Due                                                 time.Time
	}
	Audit []struct {
		At                            time.Time
		Kind, Number, Old, New, Cause string
		RequestID                     string `json:"request_id"`
	}
	Messages []toldMessage
	Events   []struct {
		ID, Kind, Number string
		Seq              int64
		At               time.Time
		Taken            bool
	}
	Alarms []toldAlarm
	Due    time.Time
}

func explainCommand() *cobra.Command {
	var lang string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain NUMBER",
		Short: "Tell the whole story of a payment in order, and what happens next, by a running gateway",
		Long: `Tells, in words, all that is kept of an order with its payments and refunds: what was asked, what the provider answered (with its
Request-Id, which WeChat's support asks for), its messages, each change of state and who or what caused it, events, alarms, and what happens
next and when. NUMBER is any number that "paybridge find" takes.

Exit codes: 0 told; 1 the gateway does not answer, or nothing has the number; 2 several orders have it.`,
		Example: "  paybridge explain 01100202611280234041279926396833 --config paybridge.yaml\n  paybridge explain 4200001234202611271234567890 --lang zh --config paybridge.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			all, err := find(cmd.Context(), gateway, args[0])
			if err != nil {
				return err
			}
			for _, f := range all {
				if f.Order != all[0].Order {
					return &rejected{fmt.Errorf("several orders have %q: see them by `paybridge find`, and explain one by its number", args[0])}
				}
			}
			var s story
			if err := refusedAsSuch(gateway.call(cmd.Context(), http.MethodGet, "/admin/v1/orders/"+url.PathEscape(all[0].Order)+"/story", &s)); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), s)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), teller{lang == "zh"}.tell(s, all[0].App))
			return err
		},
	}
	configFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write it as JSON")
	langFlag(cmd, &lang)
	return cmd
}

// teller puts a story in words.
type teller struct{ chinese bool }

func (t teller) words(english, chinese string) string {
	if t.chinese {
		return chinese
	}
	return english
}

// step is one line of the story.
type step struct {
	at   time.Time
	text string
}

func (t teller) tell(s story, app string) string {
	var out strings.Builder
	line := func(format string, a ...any) { _, _ = fmt.Fprintf(&out, format+"\n", a...) }
	line("%s %s: %s %s, %s; %s %s, %s %q", t.kind("order"), s.Order.Number, inYuan(s.Order.Amount), s.Order.Currency, t.state(s.Order.State),
		t.words("app", "业务系统"), app, t.words("reference", "业务单号"), s.Order.Reference)
	for _, p := range s.Payments {
		line("  %s %s: %s %s, %s; %s %s, %s %s, mchid %s, appid %s", t.kind("payment"), p.Number, inYuan(p.Amount), p.Currency, t.state(p.State),
			t.words("entry", "入口"), p.Entry, t.words("account", "收款账户"), p.Account, p.MchID, cmp.Or(p.AppID, "-"))
		if p.ProviderID != "" {
			line("    %s %s", t.words("the provider's number:", "渠道单号："), p.ProviderID)
		}
	}
	for _, r := range s.Refunds {
		line("  %s %s: %s %s, %s; %s %s, %s %q (%s)", t.kind("refund"), r.Number, inYuan(r.Amount), r.Currency, t.state(r.State),
			t.words("of payment", "支付单"), r.Payment, t.words("reference", "业务退款单号"), r.Reference, r.Origin)
	}
	line("")
	for _, step := range t.steps(s) {
		line("%s  %s", step.at.Local().Format("2006-01-02 15:04:05.000"), step.text)
	}
	line("\n%s", t.words("What happens next:", "接下来："))
	for _, next := range t.next(s) {
		line("  %s", next)
	}
	return out.String()
}

// steps are what happened, in order. What was caused by a message stands behind it.
func (t teller) steps(s story) (all []step) {
	for _, m := range slices.Backward(s.Messages) {
		verdict := map[string]string{"applied": t.words("applied", "已处理"), "unmatched": t.words("kept: nothing here had its number", "已保存：没有对应的单号"), "notice": t.words("a notice", "通知")}[m.Verdict]
		all = append(all, step{m.ReceivedAt, t.words("the provider's message ", "渠道回调 ") + m.ID + ": " + verdict})
	}
	for _, a := range s.Audit {
		text := t.kind(a.Kind) + " " + a.Number + ": "
		switch {
		case a.Old == "":
			text += t.state(a.New) + ", "
		case a.Old != a.New:
			text += t.state(a.Old) + " → " + t.state(a.New) + ", "
		}
		text += t.cause(a.Cause)
		if a.RequestID != "" {
			text += "  [Request-Id " + a.RequestID + "]"
		}
		all = append(all, step{a.At, text})
	}
	for _, e := range s.Events {
		taken := t.words("not taken by the app's endpoint", "业务系统未确认接收")
		if e.Taken {
			taken = t.words("taken by the app's endpoint", "业务系统已接收")
		}
		all = append(all, step{e.At, fmt.Sprintf("%s %d %s: %s", t.words("event", "事件"), e.Seq, e.Kind, taken)})
	}
	for _, a := range s.Alarms {
		text := t.words("alarm ", "告警 ") + a.Kind + ": " + a.What
		if !a.AcknowledgedAt.IsZero() {
			text += t.words(" (acknowledged by ", "（已由 ") + a.AcknowledgedBy + t.words(")", " 确认）")
		}
		all = append(all, step{a.RaisedAt, text})
	}
	slices.SortStableFunc(all, func(a, b step) int { return a.at.Compare(b.at) })
	return all
}

// next is what is to come.
func (t teller) next(s story) (all []string) {
	add := func(due time.Time, format string, a ...any) {
		text := fmt.Sprintf(format, a...)
		if !due.IsZero() {
			text = clockTime(due) + "  " + text
		}
		all = append(all, text)
	}
	switch s.Order.State {
	case "open":
		add(s.Due, "%s", t.words("the order closes, unless it is paid", "订单未支付则关闭"))
	case "closing":
		add(s.Due, "%s", t.words("it is looked whether the order can close", "检查订单能否关闭"))
	}
	for _, p := range s.Payments {
		switch {
		case p.Why != "":
			add(p.Due, t.words("payment %s is disputed (%s): the provider is asked again; or decide by `paybridge dispute resolve %[1]s`", "支付单 %s 有争议（%s）：再次查询渠道；或用 `paybridge dispute resolve %[1]s` 决定"), p.Number, p.Why)
		case p.State == "closing":
			add(p.Due, t.words("payment %s is closed at the provider", "在渠道关闭支付单 %s"), p.Number)
		case !p.Due.IsZero():
			add(p.Due, t.words("the provider is asked about payment %s", "向渠道查询支付单 %s"), p.Number)
		}
	}
	for _, r := range s.Refunds {
		switch {
		case r.NeedsAttention != "":
			add(r.Due, t.words("refund %s waits for a person: %s", "退款单 %s 需要人工处理：%s"), r.Number, r.NeedsAttention)
		case r.Held:
			add(time.Time{}, t.words("refund %s is held until somebody lets it go", "退款单 %s 已挂起，等待放行"), r.Number)
		case !r.Due.IsZero():
			add(r.Due, t.words("refund %s is sent, or asked about", "发送或查询退款单 %s"), r.Number)
		}
	}
	if len(all) == 0 {
		add(time.Time{}, "%s", t.words("nothing: all of it is final", "无：全部已是终态"))
	}
	return all
}

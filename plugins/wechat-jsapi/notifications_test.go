package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

func TestAPaidNotificationSaysWhatAQuerySays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked := w.paid(number(1))
	told := w.ParseNotification(t.Context(), w.notification(number(1), ""))
	if told.Payment == nil {
		t.Fatalf("refused: %+v", told)
	}
	if told.DedupeKey == "" || told.ProviderTime.IsZero() {
		t.Errorf("got %+v", told)
	}
	got := *told.Payment
	if !got.PaidAt.Equal(asked.PaidAt) {
		t.Errorf("paid at %s, a query says %s", got.PaidAt, asked.PaidAt)
	}
	if got.State != asked.State || got.Number != asked.Number || got.MchID != asked.MchID || got.AppID != asked.AppID ||
		got.Amount != asked.Amount || got.PayerAmount != asked.PayerAmount || got.Payer != asked.Payer || got.ProviderID != asked.ProviderID {
		t.Errorf("told\n%+v\na query says\n%+v", got, asked)
	}
}

func TestRefundNotifications(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status    sim.RefundStatus
		state     sdk.RefundState
		attention sdk.Attention
	}{
		{sim.RefundSuccess, sdk.RefundSucceeded, sdk.AttentionNone},
		{sim.RefundAbnormal, sdk.RefundAbnormal, sdk.AttentionAbnormal},
		{sim.RefundClosed, sdk.RefundClosed, sdk.AttentionNone},
	}
	for _, test := range tests {
		t.Run(string(test.status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ask := refund(w.paid(number(1)), "R1", 500)
			accepted(t, w.CreateRefund(t.Context(), ask))
			if err := w.sim.SettleRefund(merchant, "R1", test.status); err != nil {
				t.Fatal(err)
			}
			told := w.ParseNotification(t.Context(), w.notification("R1", "")).Refund
			if told == nil || told.State != test.state || told.Attention != test.attention || told.Number != "R1" ||
				told.PaymentNumber != number(1) || told.MchID != merchant || told.Amount != ask.Amount || told.ProviderID == "" {
				t.Errorf("got %+v", told)
			}
		})
	}
}

func TestR14_WhatIsNotWeChatsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.paid(number(1))
	tests := []struct {
		name  string
		fault sim.FaultKind
		spoil func(*sdk.Notification)
		want  sdk.Cause
	}{
		{name: "body tampered with", fault: sim.CallbackBodyTampered, want: sdk.BadSignature},
		{name: "signature tampered with", fault: sim.CallbackSignTampered, want: sdk.BadSignature},
		{name: "another key under the known serial", fault: sim.CallbackOtherKey, want: sdk.BadSignature},
		{name: "probe traffic", fault: sim.CallbackProbe, want: sdk.BadSignature},
		{name: "unknown serial", fault: sim.CallbackUnknownSerial, want: sdk.UnknownSerial},
		{name: "20 minutes old", fault: sim.CallbackStale, want: sdk.StaleClock},
		{name: "replayed an hour later", spoil: func(n *sdk.Notification) { n.ReceivedAt = n.ReceivedAt.Add(time.Hour) }, want: sdk.StaleClock},
		{name: "oversized", spoil: func(n *sdk.Notification) { n.Body = make([]byte, 1<<20) }, want: sdk.BadSignature},
		{name: "v2 XML", spoil: func(n *sdk.Notification) { n.Header, n.Body = http.Header{}, []byte("<xml/>") }, want: sdk.BadSignature},
		{name: "nothing at all", spoil: func(n *sdk.Notification) { n.Header, n.Body = nil, nil }, want: sdk.BadSignature},
		{name: "unknown account", spoil: func(n *sdk.Notification) { n.Account = "second" }, want: sdk.UnknownAccount},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := w.notification(number(1), test.fault)
			if test.spoil != nil {
				test.spoil(&n)
			}
			p := w.ParseNotification(t.Context(), n)
			if p.Payment != nil || p.Refund != nil || p.Notice != nil || p.Cause != test.want || p.Detail == "" {
				t.Errorf("got %+v, want cause %d", p, test.want)
			}
			if string(p.Nack.Body) != `{"code":"FAIL","message":"失败"}` {
				t.Errorf("answered %s", p.Nack.Body)
			}
		})
	}
}

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// Each row is a kind of bill, from the create to the money.
func TestABillIsPaid(t *testing.T) {
	t.Parallel()
	insured := bill()
	insured.Cash, insured.CashAdditions, insured.CashReductions = 0, nil, nil
	covered := bill() // by reductions
	covered.CashReductions = []sdk.CashChange{{Type: "HOSPITAL_REDUCE", Minor: 450}}
	cash := bill()
	cash.Gov, cash.Self, cash.Other = 0, 0, 0
	relative := bill()
	relative.Payer = &payer
	for _, row := range []struct {
		name  string
		bill  sdk.Medical
		kind  string
		legs  string // once paid: states 2
		steps int    // checkpoints
	}{
		{"mixed", bill(), "CASH_AND_INSURANCE", "2 self 300 2 insurance 700 2", 1},
		{"by insurance alone", insured, "INSURANCE_ONLY", "2 insurance 700 2", 0},
		{"its cash taken off", covered, "INSURANCE_ONLY", "2 insurance 700 2", 0},
		{"in cash alone", cash, "CASH_ONLY", "2 self 300 2", 1},
		{"for a relative", relative, "CASH_AND_INSURANCE", "2 self 300 2 insurance 700 2", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.t = t
			r := w.create(1, row.bill)
			first := w.CreatePayment(t.Context(), r)
			if (first.Verdict == sdk.VerdictCheckpoint) != (row.steps == 1) {
				t.Fatalf("the first step: %+v", first)
			}
			if first.State != nil {
				r.State = *first.State
			}
			made := first
			if row.steps == 1 {
				made = w.CreatePayment(t.Context(), r)
			}
			if made.Verdict != sdk.VerdictAccepted || made.Payment.State != sdk.PaymentPending || made.NotPayableAfter.IsZero() {
				t.Fatalf("the last step: %+v", made)
			}
			p := params(t, made.HandOff)
			if (p["paySign"] != "") != (row.steps == 1) || p["mixTradeNo"] == "" {
				t.Errorf("parameters %v", p)
			}
			paid, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: p, OpenID: w.openid()})
			if err != nil || paid.Kind != row.kind {
				t.Fatal("the payer's WeChat refuses it:", err, paid.Kind)
			}
			asked := w.query(r, *made.State)
			if asked.Verdict != sdk.VerdictAccepted || parts(asked.Payment) != row.legs {
				t.Errorf("query: %s, want %s", parts(asked.Payment), row.legs)
			}
			f := asked.Payment
			if f.MchID != merchant || f.AppID != app || f.Amount != r.Amount || f.Number != r.Number || f.ProviderID != paid.MixTradeNo || f.PaidAt.IsZero() {
				t.Errorf("facts %+v", f)
			}
			if f.Legs[0].ID == "self" && f.Legs[0].ProviderID == "" {
				t.Error("the self-paid trade's own id is not learned")
			}
			told := w.notification(paid.MixTradeNo)
			if told.Payment == nil || parts(told.Payment) != row.legs || told.DedupeKey != paid.MixTradeNo+" MEDICAL_INSURANCE.SUCCESS" {
				t.Errorf("notification: %+v", told)
			}
		})
	}
}

func (w world) notification(number string) sdk.Parsed {
	w.t.Helper()
	_, header, body, err := w.sim.SignedCallback(merchant, number, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.ParseNotification(w.t.Context(), sdk.Notification{
		Account: "main", Method: "POST", Path: "/notify/wechat-medins/main", Header: header, Body: body, ReceivedAt: time.Now(),
	})
}

func TestR22_TheSelfPaidTradeTellsOfItsLegAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.create(1, bill())
	made, _ := w.made(r)
	if _, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: params(t, made.HandOff)}); err != nil {
		t.Fatal(err)
	}
	told := w.notification(r.Number)
	if told.Payment == nil || !told.Payment.LegsOnly || len(told.Payment.Legs) != 1 || told.Payment.Legs[0].ID != "self" || told.Payment.Legs[0].Amount.Minor != 300 {
		t.Errorf("got %+v", told.Payment)
	}
}

// What is refused is refused before anything is sent, or says what to do.
func TestWhatWeChatRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*sim.Authorization)
		spoil  func(*sdk.Medical)
		reason sdk.Reason
	}{
		{"an authorization of another payer", func(a *sim.Authorization) { a.OpenID = "somebody" }, nil, sdk.AuthorizationExpired},
		{"an authorization that the bureau does not know", nil, func(m *sdk.Medical) { m.PayAuthNo = "AUTH0" }, sdk.AuthorizationExpired},
		{"another name", func(a *sim.Authorization) { a.Person.Name = "别人" }, nil, sdk.InvalidRequest},
		{"another number", func(a *sim.Authorization) { a.Person.IDNumber = payer.IDNumber }, nil, sdk.InvalidRequest},
		{"no electronic credential", func(a *sim.Authorization) { a.Inactive = true }, nil, sdk.Declined},
		{"a relative who is not bound", func(a *sim.Authorization) { a.Payer = &sim.MedPerson{Name: payer.Name, IDNumber: payer.IDNumber} }, nil, sdk.Declined},
		{"other fees than the bureau's", func(a *sim.Authorization) { a.Gov++ }, nil, sdk.Declined},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.t = t
			var changes []func(*sim.Authorization)
			if row.change != nil {
				changes = append(changes, row.change)
			}
			r := w.create(1, bill(), changes...)
			if row.spoil != nil {
				row.spoil(r.Details.Medical)
			}
			got, state := w.made(r)
			if got.Verdict != sdk.VerdictRejected || got.Reason != row.reason || got.Remedy == "" || !strings.HasSuffix(got.Message, got.Remedy) {
				t.Errorf("got %+v", got)
			}
			for _, personal := range []string{patient.Name, payer.Name, patient.IDNumber, wechat.IDDigest(patient.IDNumber, "")} {
				if strings.Contains(got.Message+got.Remedy, personal) {
					t.Errorf("R45: the answer names a person: %s", got.Message)
				}
			}
			// Nothing is payable, and closing leaves no open prepay.
			closed := w.close(r, state)
			if closed.Verdict != sdk.VerdictAccepted || closed.Payment.State != sdk.PaymentClosed {
				t.Errorf("close: %+v", closed)
			}
			if trade, _ := w.sim.Ledger().Trade(r.Number); trade.State != sim.Closed {
				t.Errorf("the prepay is %s", trade.State)
			}
		})
	}
}

func TestAnExpiredAuthorizationIsToldAsSuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.create(1, bill())
	if err := w.sim.Advance(6 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, _ := w.made(r); got.Verdict != sdk.VerdictRejected || got.Reason != sdk.AuthorizationExpired {
		t.Errorf("got %+v", got)
	}
}

// The second step's answer is lost: it is asked for, and followed, under the one number.
func TestR03_TheSecondStepIsLostAndAskedFor(t *testing.T) {
	t.Parallel()
	for _, fault := range []sim.FaultKind{sim.BrokenExecuted, sim.ErrorExecuted, sim.BrokenNotExecuted} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.t = t
			w.faults(sim.Fault{Kind: fault, Path: "POST /v3/med-ins/orders", Count: 1})
			r := w.create(1, bill())
			got, state := w.made(r)
			if got.Verdict != sdk.VerdictIndeterminate {
				t.Fatalf("got %+v", got)
			}
			asked := w.query(r, state)
			if asked.Verdict != sdk.VerdictAccepted || asked.Payment.State != sdk.PaymentPending {
				t.Errorf("query: %+v", asked)
			}
			// Sent again with the same content it is the same payment.
			r.State = state
			again := w.CreatePayment(t.Context(), r)
			if again.Verdict != sdk.VerdictAccepted || again.HandOff == nil {
				t.Errorf("again: %+v", again)
			}
			if n := len(w.sim.Ledger().MedIns); n != 1 {
				t.Errorf("%d insurance payments", n)
			}
			r.Details.Medical.SerialNo = "S0002"
			if other := w.CreatePayment(t.Context(), r); other.Verdict != sdk.VerdictRejected || other.Reason != sdk.Conflict {
				t.Errorf("with other content: %+v", other)
			}
		})
	}
}

func TestR32_AFailureAfterThePassword(t *testing.T) {
	t.Parallel()
	for reverse, want := range map[bool]string{false: "4 self 300 2 insurance 700 4", true: "4 self 300 5 insurance 700 4"} {
		w := newWorld(t)
		r := w.create(1, bill())
		made, state := w.made(r)
		if _, err := w.sim.FailMedIns(sim.MedInsPay{HandOff: params(t, made.HandOff), Reverse: reverse}); err != nil {
			t.Fatal(err)
		}
		got := w.query(r, state)
		if parts(got.Payment) != want || got.Payment.Medical.FailReason == "" {
			t.Errorf("reverse %v: %s, want %s", reverse, parts(got.Payment), want)
		}
	}
}

// R25: the trade is closed, and what has no close is said to be unpaid still.
func TestR25_ClosingAMixedPayment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.create(1, bill())
	made, state := w.made(r)
	closed := w.close(r, state)
	if parts(closed.Payment) != "1 self 300 3 insurance 700 1" {
		t.Errorf("close: %s", parts(closed.Payment))
	}
	if _, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: params(t, made.HandOff)}); err == nil {
		t.Error("it can still be paid")
	}
}

func TestRefundsOfBothParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.create(1, bill())
	made, state := w.made(r)
	paid, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: params(t, made.HandOff)})
	if err != nil {
		t.Fatal(err)
	}
	c := call()
	c.State = state
	refund := sdk.Refund{Call: c, PaymentNumber: r.Number, ProviderPaymentID: paid.MixTradeNo, Number: "R" + r.Number[1:], LegID: "self",
		Amount: yuan(100), Total: yuan(300), Reason: "退号", NotifyURL: notify}
	if got := w.CreateRefund(t.Context(), refund); got.Verdict != sdk.VerdictAccepted {
		t.Fatalf("self: %+v", got)
	}
	refund.LegID = "insurance"
	if got := w.CreateRefund(t.Context(), refund); got.Verdict != sdk.VerdictRejected { // R31
		t.Errorf("insurance: %+v", got)
	}
	report := sdk.RefundReport{Call: c, PaymentNumber: r.Number, ProviderPaymentID: paid.MixTradeNo, Number: refund.Number, LegID: "insurance",
		Gov: 500, Self: 100, RefundedAt: w.sim.Now()}
	for range 2 { // it may be repeated
		if got := w.ReportRefund(t.Context(), report); got.Verdict != sdk.VerdictAccepted {
			t.Fatalf("report: %+v", got)
		}
	}
	reports := w.sim.Ledger().MedIns[0].Reports
	if len(reports) != 1 || reports[0].OutRefundNo != refund.Number || reports[0].Gov != 500 || reports[0].Times != 2 {
		t.Errorf("reports %+v", reports)
	}
	report.Gov = 800
	if got := w.ReportRefund(t.Context(), report); got.Verdict != sdk.VerdictRejected {
		t.Errorf("more than was paid: %+v", got)
	}
	if got := w.query(r, state); got.Payment.State != sdk.PaymentRefunded {
		t.Errorf("query: %s", parts(got.Payment))
	}
}

// R45: what goes over the wire holds no person in any form that can be read.
func TestR45_PersonsTravelEncrypted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.made(w.create(1, bill()))
	for _, sent := range w.sim.Requests() {
		for _, personal := range []string{patient.Name, patient.IDNumber, strings.ToUpper(patient.IDNumber), wechat.IDDigest(patient.IDNumber, "")} {
			if strings.Contains(sent.Body, personal) {
				t.Errorf("%s %s holds %q", sent.Method, sent.Path, personal)
			}
		}
	}
}

func TestTheTestFlagIsForNoProduction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.account(sdk.Mode{BaseURL: w.sim.BaseURL(), Test: true, Production: true})
	if _, err := w.Configure(t.Context(), a); err == nil || !strings.Contains(err.Error(), "/test") {
		t.Errorf("got %v", err)
	}
}

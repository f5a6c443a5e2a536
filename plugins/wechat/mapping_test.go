package wechat

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk"
)

const mapping = "MAPPING.md"

// rows are the cells of the table of MAPPING.md whose first heading is this one.
func rows(t *testing.T, heading string) [][]string {
	t.Helper()
	return rowsOf(t, mapping, heading)
}

func rowsOf(t *testing.T, mapping, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(mapping))
	if err != nil {
		t.Fatal(err)
	}
	var found [][]string
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "| "+heading+" |"):
			inside = true
		case !strings.HasPrefix(line, "|"):
			inside = false
		case inside && !strings.HasPrefix(line, "|---"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			found = append(found, cells)
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s has no table headed %q", mapping, heading)
	}
	return found
}

var (
	verdictNames = map[sdk.Verdict]string{sdk.VerdictIndeterminate: "INDETERMINATE", sdk.VerdictRejected: "REJECTED", sdk.VerdictNotSent: "NOT_SENT"}
	reasonNames  = map[sdk.Reason]string{
		0: "", sdk.InvalidRequest: "INVALID_REQUEST", sdk.Declined: "DECLINED", sdk.NotFound: "NOT_FOUND", sdk.Conflict: "CONFLICT",
		sdk.RateLimited: "RATE_LIMITED", sdk.AuthFailed: "AUTH", sdk.Unavailable: "UNAVAILABLE",
	}
	attentionNames = map[sdk.Attention]string{sdk.AttentionNone: "", sdk.AttentionNotEnough: "NOT_ENOUGH", sdk.AttentionAbnormal: "ABNORMAL"}
	paymentNames   = map[sdk.PaymentState]string{
		sdk.PaymentUnknown: "UNSPECIFIED", sdk.PaymentPending: "PENDING", sdk.PaymentSucceeded: "SUCCEEDED",
		sdk.PaymentClosed: "CLOSED", sdk.PaymentFailed: "FAILED", sdk.PaymentRefunded: "REFUNDED",
	}
	refundNames = map[sdk.RefundState]string{
		sdk.RefundUnknown: "UNSPECIFIED", sdk.RefundProcessing: "PROCESSING", sdk.RefundSucceeded: "SUCCEEDED",
		sdk.RefundClosed: "CLOSED", sdk.RefundAbnormal: "ABNORMAL",
	}
	allOps = []Op{OpPrepay, OpQuery, OpClose, OpRefund, OpRefundQuery, OpAbnormal, OpBill, OpEcho, OpGoldPlan}
)

// ops reads the cell that names calls: "all", some, or "all but" some.
func ops(t *testing.T, cell string) []Op {
	t.Helper()
	if cell == "all" {
		return allOps
	}
	names, others := strings.CutPrefix(cell, "all but ")
	var some []Op
	for name := range strings.SplitSeq(names, ", ") {
		op := Op(map[string]string{"refund": string(OpRefund), "abnormal": string(OpAbnormal)}[name])
		if op == "" {
			t.Fatalf("calls %q", cell)
		}
		some = append(some, op)
	}
	if !others {
		return some
	}
	return slices.DeleteFunc(slices.Clone(allOps), func(o Op) bool { return slices.Contains(some, o) })
}

func TestTheCodesOfTheMappingAreTheCodesOfTheTable(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, row := range rows(t, "code") {
		code, cause, _ := strings.Cut(row[0], " with cause ")
		code = strings.Trim(code, "`")
		documented[strings.ReplaceAll(code, "_", "")] = true
		for _, op := range ops(t, row[1]) {
			for _, status := range []int{400, 403, 404, 429, 500} { // a known code beats the status
				e := &Error{Op: op, Kind: Refused, Status: status, Code: code, RequestID: "0A-" + cause}
				r := outcome(e)
				got := []string{verdictNames[r.Verdict], reasonNames[r.Reason], attentionNames[r.Attention]}
				if !slices.Equal(got, row[2:5]) {
					t.Errorf("%s of a %s with HTTP %d: the code says %q, %s says %q", row[0], op, status, got, mapping, row[2:5])
				}
			}
		}
	}
	for code := range codes {
		if !documented[code] {
			t.Errorf("%s is not in %s", code, mapping)
		}
	}
	for code := range ofRefund {
		if _, ok := codes[code]; !ok {
			t.Errorf("%s is an exception to nothing", code)
		}
	}
}

func TestTheStatusesOfTheMappingAreTheStatusesOfTheTable(t *testing.T) {
	t.Parallel()
	var named []int
	for _, row := range rows(t, "other codes, by HTTP status") {
		status, err := strconv.Atoi(row[0])
		if err != nil {
			for _, other := range []int{202, 302, 410, 500, 502, 503} {
				if m := (&Error{Op: OpPrepay, Kind: Refused, Status: other}).meaning(); verdictNames[m.verdict] != row[1] || slices.Contains(named, other) {
					t.Errorf("HTTP %d: %s", other, verdictNames[m.verdict])
				}
			}
			continue
		}
		named = append(named, status)
		everywhere, otherwise, differs := strings.Cut(row[2], "; ")
		for _, op := range allOps {
			want := []string{row[1], everywhere}
			if what, calls, _ := strings.Cut(otherwise, " for "); differs && slices.Contains(ops(t, calls), op) {
				verdict, reason, _ := strings.Cut(what, " ")
				want = []string{verdict, reason}
			}
			m := (&Error{Op: op, Kind: Refused, Status: status, Code: "SOMETHING_NEW"}).meaning()
			if got := []string{verdictNames[m.verdict], reasonNames[m.reason]}; !slices.Equal(got, want) {
				t.Errorf("HTTP %d of a %s: got %q, want %q", status, op, got, want)
			}
		}
	}
}

func TestTheStatesOfTheMappingAreTheStatesOfTheTable(t *testing.T) {
	t.Parallel()
	documented := map[string]string{}
	for _, row := range rows(t, "`trade_state`") {
		name := strings.Trim(row[0], "`")
		documented[name] = row[1]
		if got := paymentNames[Trade{TradeState: name}.Facts().State]; got != row[1] {
			t.Errorf("trade_state %s: got %s, want %s", name, got, row[1])
		}
	}
	for name := range maps.Keys(tradeStates) {
		if documented[name] == "" {
			t.Errorf("trade_state %s is not in %s", name, mapping)
		}
	}
	documented = map[string]string{}
	for _, row := range rows(t, "`status`, `refund_status`") {
		name := strings.Trim(row[0], "`")
		documented[name] = row[1]
		for _, r := range []Refund{{Status: name}, {RefundStatus: name}} {
			f := r.Facts()
			if got := []string{refundNames[f.State], attentionNames[f.Attention]}; !slices.Equal(got, row[1:3]) {
				t.Errorf("status %s: got %q, want %q", name, got, row[1:3])
			}
		}
	}
	for name := range maps.Keys(refundStates) {
		if documented[name] == "" {
			t.Errorf("status %s is not in %s", name, mapping)
		}
	}
}

func TestTheStatementsOfTheMappingAreTheStatementsThatAreRead(t *testing.T) {
	t.Parallel()
	headings := func(table, suffix string) (all []string) {
		for _, row := range rows(t, table) {
			if strings.HasSuffix(row[1], suffix) {
				all = append(all, strings.Trim(row[0], "`"))
			}
		}
		slices.Sort(all)
		return all
	}
	for kind, name := range map[sdk.BillKind]string{sdk.TradeBill: "TRADE", sdk.FundBill: "FUND"} {
		b := billReaders[kind]
		for table, want := range map[string][2][]string{
			"lines":  {headings(name+" heading", ""), slices.Sorted(slices.Values(b.needs))},
			"totals": {headings("heading of the totals", "("+name+")"), slices.Sorted(slices.Values(b.totals))},
		} {
			if !slices.Equal(want[0], want[1]) {
				t.Errorf("%s, %s: %s has %q, the reader needs %q", name, table, mapping, want[0], want[1])
			}
		}
	}
	documented := 0
	for _, row := range rows(t, "a line's `退款状态`") {
		state := strings.Trim(row[0], "`")
		if _, known := billRefundStates[state]; known {
			documented++
		}
		if got := refundNames[billRefundStates[state]]; got != row[1] {
			t.Errorf("退款状态 %s: got %s, want %s", state, got, row[1])
		}
	}
	if documented != len(billRefundStates) {
		t.Errorf("%d of %d states of a statement's refund are in %s", documented, len(billRefundStates), mapping)
	}
}

func TestTheFindingsOfTheMappingAreTheFindings(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, row := range rows(t, "finding") {
		for code := range strings.SplitSeq(row[0], ", ") {
			documented[strings.Trim(code, "`")] = true
		}
	}
	for code, f := range findings {
		if !documented[code] {
			t.Errorf("%s is not in %s", code, mapping)
		}
		if f.remedy == "" || f.zh == "" || len(f.remedy) > 512 || len(f.zh) > 512 {
			t.Errorf("%s: a remedy has 1 to 512 bytes in each language", code)
		}
	}
	for code := range documented {
		if _, known := findings[code]; !known {
			t.Errorf("%s of %s is not known", code, mapping)
		}
	}
}

// A payment is given up as never made only when WeChat says so by a code that means it.
func TestOnlyListedCodesSayThatNothingIsThere(t *testing.T) {
	t.Parallel()
	for _, op := range []Op{OpQuery, OpClose, OpRefundQuery} {
		for _, code := range []string{"", "NOT_FOUND", "SOMETHING_NEW"} {
			r := outcome(&Error{Op: op, Kind: Refused, Status: http.StatusNotFound, Code: code})
			if r.Verdict != sdk.VerdictIndeterminate || r.Reason != 0 {
				t.Errorf("%s, 404 %q: got %+v", op, code, r)
			}
		}
		for _, code := range []string{"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"} {
			r := outcome(&Error{Op: op, Kind: Refused, Status: http.StatusNotFound, Code: code})
			if r.Verdict != sdk.VerdictRejected || r.Reason != sdk.NotFound {
				t.Errorf("%s, 404 %q: got %+v", op, code, r)
			}
		}
	}
}

// What WeChat does not say of money it took is not made up: the host compares it with what was asked for.
func TestACurrencyIsAssumedOnlyWhereWeChatHasNoFieldForIt(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{"NOTPAY": "CNY", "CLOSED": "CNY", "SUCCESS": "", "REFUND": ""} {
		trade := Trade{TradeState: state}
		trade.Amount.Total, trade.Amount.PayerTotal = 100, 100
		f := trade.Facts()
		if f.Amount != (sdk.Amount{Minor: 100, Currency: want}) || f.PayerAmount.Currency != "" {
			t.Errorf("%s without a currency: %+v, payer %+v", state, f.Amount, f.PayerAmount)
		}
	}
	var refund Refund
	refund.Amount.Refund = 100
	if f := refund.Facts(); f.Amount.Currency != "CNY" {
		t.Errorf("a refund's notification: %+v", f.Amount)
	}
}

// WeChat spells some codes in two ways.
func TestCodesAreComparedWithoutUnderscores(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"ORDERPAID", "ORDER_PAID", "ORDERNOTEXIST", "ORDER_NOT_EXIST", "RULELIMIT", "RULE_LIMIT"} {
		e := &Error{Kind: Refused, Status: http.StatusInternalServerError, Code: code}
		if e.meaning().verdict != sdk.VerdictRejected {
			t.Errorf("%s is not known", code)
		}
	}
}

// What the codes of medical insurance become is said beside its plugin: the causes of 2.0 and the codes of 1.0.
func TestTheCodesOfMedicalInsurance(t *testing.T) {
	t.Parallel()
	const mapping = "../wechat-medins/MAPPING.md"
	names := maps.Clone(reasonNames)
	names[sdk.AuthorizationExpired] = "AUTHORIZATION_EXPIRED"
	for _, table := range []struct {
		heading string
		of      func(code string) sdk.Result
		known   []string
	}{
		{"cause", func(code string) sdk.Result {
			return outcome(&Error{Op: OpMedIns, Kind: Refused, Status: http.StatusBadRequest, Code: "PARAM_ERROR", RequestID: "0A-" + code})
		}, slices.Collect(maps.Keys(medInsCauses))},
		{"code of 1.0", func(code string) sdk.Result {
			return PayInsuranceFailed(Answer{}, &Error{Op: OpInsurance, Kind: Refused, Status: http.StatusOK, Code: code})
		}, slices.Collect(maps.Keys(payInsuranceReasons))},
	} {
		documented := map[string]bool{}
		for _, row := range rowsOf(t, mapping, table.heading) {
			want, _, _ := strings.Cut(row[1], ":")
			for code := range strings.SplitSeq(row[0], ", ") {
				documented[code] = true
				if got := names[table.of(code).Reason]; got != want {
					t.Errorf("%s %s: got %q, %s says %q", table.heading, code, got, mapping, want)
				}
			}
		}
		for _, code := range table.known {
			if !documented[code] {
				t.Errorf("%s %s is not in %s", table.heading, code, mapping)
			}
		}
	}
}

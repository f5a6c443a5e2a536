package wechat

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// longestBillLine bounds one line in bytes. Real ones are below 1 KiB.
const longestBillLine = 64 << 10

// billReader reads one kind of statement. Columns are found by their headings: WeChat's order is not promised, and one
// that is not named here may come and go.
type billReader struct {
	needs  []string                                           // headings without which the statement cannot be read
	totals []string                                           // the same of its last two lines
	line   func(row *billRow) sdk.BillItem                    // one data line
	sums   func(row *billRow, lines int64) (s sdk.BillTotals) // the last line
}

// billReaders are the statements of API v3.
var billReaders = map[sdk.BillKind]billReader{
	sdk.TradeBill: {
		needs: []string{
			"交易时间", "公众账号ID", "商户号", "特约商户号", "微信订单号", "商户订单号", "交易状态", "货币种类",
			"微信退款单号", "商户退款单号", "退款状态", "手续费", "订单金额", "申请退款金额",
		},
		totals: []string{"总交易单数", "手续费总金额", "订单总金额", "申请退款总金额"},
		line: func(row *billRow) sdk.BillItem {
			state := row.text("退款状态")
			return sdk.TradeLine{
				OccurredAt: row.time("交易时间"),
				AppID:      row.text("公众账号ID"),
				MchID:      row.text("商户号"),
				SubMchID:   row.id("特约商户号"),
				ProviderID: row.text("微信订单号"), Number: row.text("商户订单号"),
				ProviderRefundID: row.id("微信退款单号"), RefundNumber: row.id("商户退款单号"),
				Amount: row.yuan("订单金额"), RefundAmount: row.yuan("申请退款金额"), FeeMilli: row.fee("手续费"),
				TradeStateName: row.text("交易状态"), RefundStateName: state, RefundState: billRefundStates[state],
			}
		},
		sums: func(row *billRow, lines int64) sdk.BillTotals {
			return sdk.BillTotals{
				Lines: row.count("总交易单数"), Paid: row.yuan("订单总金额"), Refunded: row.yuan("申请退款总金额"), FeeMilli: row.fee("手续费总金额"),
			}
		},
	},
	sdk.FundBill: {
		needs: []string{
			"记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)", "备注", "业务凭证号",
		},
		totals: []string{"资金流水总笔数", "收入金额", "支出金额"},
		line: func(row *billRow) sdk.BillItem {
			amount := row.yuan("收支金额(元)")
			switch direction := row.text("收支类型"); direction {
			case "收入":
			case "支出":
				amount.Minor = -amount.Minor
			default:
				row.fail("收支类型", "is neither in nor out")
			}
			return sdk.FundLine{
				BookedAt:   row.time("记账时间"),
				BusinessID: row.text("微信支付业务单号"), FlowID: row.text("资金流水单号"),
				BusinessName: row.text("业务名称"), BusinessType: row.text("业务类型"),
				Amount: amount, Balance: row.yuan("账户结余(元)"), Remark: row.text("备注"), VoucherNo: row.text("业务凭证号"),
			}
		},
		sums: func(row *billRow, lines int64) sdk.BillTotals {
			return sdk.BillTotals{Lines: row.count("资金流水总笔数"), Paid: row.yuan("收入金额"), Refunded: row.yuan("支出金额")}
		},
	},
}

// billRefundStates is a statement's 退款状态, which is not changed later.
var billRefundStates = map[string]sdk.RefundState{
	"PROCESSING": sdk.RefundProcessing,
	"SUCCESS":    sdk.RefundSucceeded,
	"FAIL":       sdk.RefundClosed,
	"CHANGE":     sdk.RefundAbnormal,
}

// read gives each line to emit, and the totals last. Headings stand without a back-tick, everything else begins with one.
// An error names the line and the heading, never what stands there.
func (b billReader) read(in io.Reader, emit func(sdk.BillItem) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4<<10), longestBillLine)
	row := new(billRow)
	var data int64
	for lines.Scan() {
		row.number++
		text := strings.TrimPrefix(lines.Text(), "\ufeff")
		switch headings := !strings.HasPrefix(text, "`"); {
		case strings.TrimSpace(text) == "":
			continue
		case row.ended:
			return fmt.Errorf("line %d: there is more after the totals", row.number)
		case headings && row.columns == nil:
			row.head(text, b.needs)
		case headings && !row.summing:
			row.summing = true
			row.head(text, b.totals)
		case headings:
			return fmt.Errorf("line %d: a third row of headings", row.number)
		case row.columns == nil:
			return fmt.Errorf("line %d: it begins without headings", row.number)
		case !row.cut(text):
		case row.summing:
			row.ended = true
			if sums := b.sums(row, data); row.err == nil {
				row.err = emit(sums)
			}
		default:
			data++
			if line := b.line(row); row.err == nil {
				row.err = emit(line)
			}
		}
		if row.err != nil {
			return row.err
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line %d is longer than %d bytes", row.number+1, longestBillLine)
	case err != nil:
		return err
	case !row.ended:
		return fmt.Errorf("line %d: it ends before its totals", row.number)
	}
	return nil
}

// billRow is the line that is being read.
type billRow struct {
	number  int // of the line, from 1
	columns map[string]int
	cells   []string
	summing bool // the headings of the totals were seen
	ended   bool // the totals were seen
	err     error
}

// head takes a line of headings.
func (r *billRow) head(text string, needs []string) {
	names := strings.Split(text, ",")
	r.columns = make(map[string]int, len(names))
	for i, name := range names {
		name = strings.NewReplacer("（", "(", "）", ")").Replace(strings.TrimSpace(name))
		if _, twice := r.columns[name]; twice {
			r.err = fmt.Errorf("line %d: two columns are headed alike", r.number)
			return
		}
		r.columns[name] = i
	}
	for _, name := range needs {
		if _, ok := r.columns[name]; !ok {
			r.err = fmt.Errorf("line %d: no column is headed %s", r.number, name)
			return
		}
	}
}

// cut takes the cells of a line. Commas in merchants' text do not part cells: WeChat writes them in another way, and each
// cell begins with a back-tick.
func (r *billRow) cut(text string) bool {
	r.cells = strings.Split(strings.TrimRight(text, "\r")[1:], ",`")
	if len(r.cells) != len(r.columns) {
		r.err = fmt.Errorf("line %d has %d cells below %d headings", r.number, len(r.cells), len(r.columns))
	}
	return r.err == nil
}

func (r *billRow) fail(heading, what string) {
	if r.err == nil {
		r.err = fmt.Errorf("line %d: %s %s", r.number, heading, what)
	}
}

func (r *billRow) text(heading string) string {
	return strings.ToValidUTF8(strings.TrimSpace(r.cells[r.columns[heading]]), "")
}

// id is text where WeChat writes 0 for none.
func (r *billRow) id(heading string) string {
	if s := r.text(heading); s != "0" {
		return s
	}
	return ""
}

func (r *billRow) time(heading string) time.Time {
	t, err := time.ParseInLocation(time.DateTime, r.text(heading), shanghai)
	if err != nil {
		r.fail(heading, "is not a time")
	}
	return t.UTC()
}

func (r *billRow) count(heading string) int64 {
	n, err := strconv.ParseInt(r.text(heading), 10, 64)
	if err != nil || n < 0 {
		r.fail(heading, "is not a count")
	}
	return n
}

// yuan reads an amount exactly.
func (r *billRow) yuan(heading string) sdk.Amount {
	currency := defaultCurrency
	if i, ok := r.columns["货币种类"]; ok && strings.TrimSpace(r.cells[i]) != currency {
		r.fail("货币种类", "is not "+currency)
	}
	fen, ok := decimal(r.text(heading), 2)
	if !ok {
		r.fail(heading, "is not an amount of yuan and fen")
	}
	return sdk.Amount{Minor: fen, Currency: currency}
}

// fee reads thousandths of a fen, which WeChat's five decimals of a yuan are.
func (r *billRow) fee(heading string) int64 {
	milli, ok := decimal(r.text(heading), 5)
	if !ok {
		r.fail(heading, "is not an amount with at most 5 decimals")
	}
	return milli
}

// decimal is s times 10^places, exact, or false. Further decimals must be zeros.
func decimal(s string, places int) (int64, bool) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, part, dotted := strings.Cut(digits, ".")
	for len(part) > places && strings.HasSuffix(part, "0") {
		part = part[:len(part)-1]
	}
	all := whole + part + strings.Repeat("0", max(0, places-len(part)))
	n, err := strconv.ParseUint(all, 10, 64)
	if err != nil || whole == "" || (dotted && part == "" && places > 0) || len(part) > places || n > math.MaxInt64 {
		return 0, false
	}
	if negative {
		return -int64(n), true
	}
	return int64(n), true
}

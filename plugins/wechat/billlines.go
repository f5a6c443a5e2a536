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
	needs  []string                          // headings without which the statement cannot be read
	totals []string                          // the same of its last two lines
	line   func(row *billRow) sdk.BillItem   // one data line
	sums   func(row *billRow) sdk.BillTotals // the last line
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
				Attach: row.attach(),
			}
		},
		sums: func(row *billRow) sdk.BillTotals {
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
		sums: func(row *billRow) sdk.BillTotals {
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

// read gives each line to emit, and the totals, which must be those of the lines, when it is through. Headings stand
// without a back-tick, everything else begins with one. An error names the line and the heading, never what stands there.
func (b billReader) read(in io.Reader, emit func(sdk.BillItem) error) (sdk.BillTotals, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4<<10), longestBillLine)
	row := new(billRow)
	none := sdk.Amount{Currency: defaultCurrency}
	said, read := sdk.BillTotals{}, sdk.BillTotals{Paid: none, Refunded: none}
	for lines.Scan() {
		row.number++
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		switch headings := !strings.HasPrefix(text, "`"); {
		case text == "":
		case row.ended:
			row.wrong("there is more after the totals")
		case headings && row.columns == nil:
			row.head(text, b.needs)
		case headings && !row.summing:
			row.summing = true
			row.head(text, b.totals)
		case headings:
			row.wrong("a third row of headings")
		case row.columns == nil:
			row.wrong("it begins without headings")
		default:
			row.cut(text)
			if row.err == nil && row.summing {
				row.ended, said = true, b.sums(row)
			} else if row.err == nil {
				row.give(b.line(row), &read, emit)
			}
		}
		if row.err != nil {
			return said, row.err
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return said, fmt.Errorf("line %d is longer than %d bytes", row.number+1, longestBillLine)
	case err != nil:
		return said, err
	case !row.ended:
		return said, fmt.Errorf("line %d: it ends before its totals", row.number)
	case said != read:
		return said, fmt.Errorf("its totals say %s, and its lines make %s", totalsText(said), totalsText(read))
	}
	return said, nil
}

func totalsText(t sdk.BillTotals) string {
	return fmt.Sprintf("%d lines, %d and %d fen and %d thousandths of fees", t.Lines, t.Paid.Minor, t.Refunded.Minor, t.FeeMilli)
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

// give emits a line that could be read, and adds it up.
func (r *billRow) give(line sdk.BillItem, sum *sdk.BillTotals, emit func(sdk.BillItem) error) {
	if r.err != nil {
		return
	}
	sum.Lines++
	switch l := line.(type) {
	case sdk.TradeLine:
		r.add(&sum.Paid, l.Amount)
		r.add(&sum.Refunded, l.RefundAmount)
		sum.FeeMilli += l.FeeMilli
	case sdk.FundLine:
		into, by := &sum.Paid, l.Amount
		if by.Minor < 0 {
			into, by.Minor = &sum.Refunded, -by.Minor
		}
		r.add(into, by)
	}
	if r.err == nil {
		r.err = emit(line)
	}
}

func (r *billRow) add(sum *sdk.Amount, a sdk.Amount) {
	var err error
	if *sum, err = sum.Add(a); err != nil {
		r.wrong(err.Error())
	}
}

// wrong says what is wrong with the line.
func (r *billRow) wrong(what string) { r.err = fmt.Errorf("line %d: %s", r.number, what) }

// head takes a line of headings.
func (r *billRow) head(text string, needs []string) {
	names := strings.Split(text, ",")
	r.columns = make(map[string]int, len(names))
	for i, name := range names {
		name = strings.NewReplacer("（", "(", "）", ")").Replace(strings.TrimSpace(name))
		if _, twice := r.columns[name]; twice {
			r.wrong("two columns are headed alike")
			return
		}
		r.columns[name] = i
	}
	for _, name := range needs {
		if _, ok := r.columns[name]; !ok {
			r.wrong("no column is headed " + name)
			return
		}
	}
}

// cut takes the cells of a line. Commas in merchants' text do not part cells: WeChat writes them in another way, and each
// cell begins with a back-tick.
func (r *billRow) cut(text string) {
	r.cells = strings.Split(text[1:], ",`")
	if len(r.cells) != len(r.columns) {
		r.wrong(fmt.Sprintf("it has %d cells below %d headings", len(r.cells), len(r.columns)))
	}
}

// fail says what is wrong with a cell; the first counts.
func (r *billRow) fail(heading, what string) {
	if r.err == nil {
		r.wrong(heading + " " + what)
	}
}

func (r *billRow) text(heading string) string {
	return strings.ToValidUTF8(strings.TrimSpace(r.cells[r.columns[heading]]), "")
}

// id is text where WeChat writes 0 for none.
func (r *billRow) attach() string {
	const heading = "商户数据包" // a statement without it can be read as well
	if _, there := r.columns[heading]; !there {
		return ""
	}
	return r.id(heading)
}

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

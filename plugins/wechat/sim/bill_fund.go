package sim

import (
	"fmt"
	"slices"
	"time"
)

var fundHeadings = []string{
	"记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)", "资金变更提交申请人", "备注", "业务凭证号",
}

// fundBill answers GET /v3/bill/fundflowbill: what moved on the merchant's own account. A partner's is empty, since
// the money is its sub merchants'; nothing moves on the accounts OPERATION and FEES.
func (s *Simulator) fundBill(c *call) answer {
	account, bad := enum(c, "account_type", "资金账户类型", "BASIC", "OPERATION", "FEES")
	if bad != nil {
		return *bad
	}
	return s.bill(c, ledgerOnly, func(w *world, day time.Time) table {
		t := table{headings: fundHeadings, totals: fundTotals}
		if account == "BASIC" {
			t.rows = w.fundRows(c.merchant.MchID, day)
		}
		return t
	})
}

// fundMove is one change of an account.
type fundMove struct {
	at                           time.Time
	business, flow, name, remark string
	applicant                    string
	in, out                      int64 // fen
}

// fundRows are the day's moves with the balance after each, counted from the merchant's first payment on. s.mu is
// held.
func (w *world) fundRows(mchID string, day time.Time) []billRow {
	var rows []billRow
	var balance int64
	for _, m := range w.fundMoves(mchID, billReady(day)) {
		balance += m.in - m.out
		if !dayOf(m.at).Equal(day) {
			continue
		}
		direction, amount := "收入", m.in
		if m.out > 0 {
			direction, amount = "支出", m.out
		}
		rows = append(rows, billRow{in: m.in, out: m.out, cells: map[string]string{
			"记账时间": m.at.In(shanghai).Format(billTime), "微信支付业务单号": m.business, "资金流水单号": m.flow,
			"业务名称": m.name, "业务类型": m.name, "收支类型": direction, "收支金额(元)": yuan(amount), "账户结余(元)": yuan(balance),
			"资金变更提交申请人": m.applicant, "备注": m.remark,
			"业务凭证号": "S" + m.at.In(shanghai).Format("20060102150405") + m.flow[len(m.flow)-6:],
		}})
	}
	return rows
}

// fundMoves are all moves of an account in their order, as known at a time. A refund that was closed has given its
// money back, so it moves none.
func (w *world) fundMoves(mchID string, known time.Time) []fundMove {
	var moves []fundMove
	for _, t := range w.order {
		if t.MchID != mchID || t.partner() || t.PaidAt.IsZero() {
			continue
		}
		moves = append(moves, fundMove{
			at: t.PaidAt, business: t.TransactionID, flow: t.TransactionID, name: "交易", applicant: "system", in: t.Total,
			remark: fmt.Sprintf("结算总金额%s元", yuan(t.Total)),
		})
		if taken := feeOf(t.Total); taken > 0 {
			moves = append(moves, fundMove{
				at: t.PaidAt, business: t.TransactionID, flow: t.TransactionID, name: "扣除交易手续费", applicant: "system",
				out: taken, remark: "结算交易手续费",
			})
		}
	}
	for _, r := range w.refunded {
		if r.MchID != mchID || r.SubMchID != "" || w.statusAt(r, known) == RefundClosed {
			continue
		}
		back := feeOf(r.Amount)
		moves = append(moves, fundMove{
			at: r.CreatedAt, business: r.RefundID, flow: r.TransactionID, name: "退款", applicant: mchID + "API", out: r.Amount - back,
			remark: fmt.Sprintf("退款总金额%s元;含手续费%s元", yuan(r.Amount), yuan(back)),
		})
	}
	slices.SortStableFunc(moves, func(a, b fundMove) int { return a.at.Compare(b.at) })
	return moves
}

func fundTotals(rows []billRow) (headings, cells []string) {
	var in, out int64
	ins, outs := 0, 0
	for _, r := range rows {
		in, out = in+r.in, out+r.out
		if r.in > 0 {
			ins++
		} else {
			outs++
		}
	}
	return []string{"资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额"},
		[]string{fmt.Sprint(len(rows)), fmt.Sprint(ins), yuan(in), fmt.Sprint(outs), yuan(out)}
}

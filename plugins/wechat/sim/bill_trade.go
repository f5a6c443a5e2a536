package sim

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// billTime is how a bill writes a time.
const billTime = time.DateTime

// feeRate is what the simulated WeChat takes, in hundred-thousandths: 0.60 %.
const (
	feeRate     = 600
	feeRateText = "0.60%"
)

// feeOf is the fee of an amount of fen, to the nearest fen.
func feeOf(fen int64) int64 { return (fen*feeRate + 50_000) / 100_000 }

// The columns that the trade bills share, and where they differ.
var (
	billHead = []string{
		"交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号", "用户标识", "交易类型", "交易状态",
		"付款银行", "货币种类", "应结订单金额", "代金券金额",
	}
	billRefundTimes = []string{"退款申请时间", "退款成功时间"}
	billRefund      = []string{"微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态"}
	billGoods       = []string{"商品名称", "商户数据包", "手续费", "费率", "订单金额"}
	billApplied     = []string{"申请退款金额"}
	billTail        = []string{"费率备注"}
)

var billHeadings = map[string][]string{
	"ALL":     slices.Concat(billHead, billRefund, billGoods, billApplied, billTail),
	"SUCCESS": slices.Concat(billHead, billGoods, billTail),
	"REFUND":  slices.Concat(billHead, billRefundTimes, billRefund, billGoods, billApplied, billTail),
}

// tradeBill answers GET /v3/bill/tradebill: a day's payments and refunds of the signer, or of one sub merchant's.
func (s *Simulator) tradeBill(c *call) answer {
	kind, bad := enum(c, "bill_type", "账单类型", "ALL", "SUCCESS", "REFUND")
	if bad != nil {
		return *bad
	}
	sub := c.query.Get("sub_mchid")
	if sub != "" {
		if bad := s.relation(c.merchant, sub); bad != nil {
			return *bad
		}
	}
	return s.bill(c, func(day string) string {
		if s.cfg.BillsDir == "" || kind != "ALL" {
			return ""
		}
		return filepath.Join(s.cfg.BillsDir, c.merchant.MchID+"-"+day+".csv.gz")
	}, func(w *world, day time.Time) table {
		return table{headings: billHeadings[kind], rows: w.tradeRows(c.merchant.MchID, sub, kind, day), totals: tradeTotals}
	})
}

// tradeRows are in the order of their times. s.mu is held.
func (w *world) tradeRows(mchID, subMchID, kind string, day time.Time) []billRow {
	type timed struct {
		at  time.Time
		row billRow
	}
	var found []timed
	wanted := func(p, sub string, at time.Time) bool {
		return p == mchID && (subMchID == "" || sub == subMchID) && !at.IsZero() && dayOf(at).Equal(day)
	}
	if kind != "REFUND" {
		for _, t := range w.order {
			if wanted(t.MchID, t.SubMchID, t.PaidAt) {
				found = append(found, timed{t.PaidAt, t.billed()})
			}
		}
	}
	if kind != "SUCCESS" {
		for _, r := range w.refunded {
			if wanted(r.MchID, r.SubMchID, r.CreatedAt) {
				found = append(found, timed{r.CreatedAt, r.billed(w.byTxn[r.TransactionID], w.statusAt(r, billReady(day)))})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b timed) int { return a.at.Compare(b.at) })
	rows := make([]billRow, 0, len(found))
	for _, f := range found {
		rows = append(rows, f.row)
	}
	return rows
}

// billed is the trade's row on the day it was paid.
func (t *Trade) billed() billRow {
	r := billRow{settled: t.Total, ordered: t.Total, fee: feeOf(t.Total) * 1000}
	sub := t.SubMchID
	if sub == "" {
		sub = "0"
	}
	r.cells = map[string]string{
		"交易时间": t.PaidAt.In(shanghai).Format(billTime), "公众账号ID": t.AppID, "商户号": t.MchID, "特约商户号": sub,
		"设备号": t.DeviceID, "微信订单号": t.TransactionID, "商户订单号": t.OutTradeNo, "用户标识": t.OpenID,
		"交易类型": "JSAPI", "交易状态": "SUCCESS", "付款银行": bankType, "货币种类": "CNY",
		"应结订单金额": yuan(t.Total), "代金券金额": yuan(0),
		"微信退款单号": "0", "商户退款单号": "0", "退款金额": yuan(0), "充值券退款金额": yuan(0),
		"商品名称": merchantText(t.Description), "商户数据包": merchantText(t.Attach),
		"手续费": fee(r.fee), "费率": feeRateText, "订单金额": yuan(t.Total), "申请退款金额": yuan(0),
	}
	return r
}

// billStatus is what a bill calls the state of a refund.
var billStatus = map[RefundStatus]string{
	RefundProcessing: "PROCESSING", RefundSuccess: "SUCCESS", RefundClosed: "FAIL", RefundAbnormal: "CHANGE",
}

// billed is the refund's row on the day it was asked for, in the state that it had when the bill was made.
func (r *Refund) billed(t *Trade, status RefundStatus) billRow {
	row := t.billed()
	row.settled, row.ordered, row.refunded, row.applied, row.fee = 0, 0, r.Amount, r.Amount, -feeOf(r.Amount)*1000
	succeeded := ""
	if status == RefundSuccess {
		succeeded = r.SuccessAt.In(shanghai).Format(billTime)
	}
	asked := r.CreatedAt.In(shanghai).Format(billTime)
	for heading, cell := range map[string]string{
		"交易时间": asked, "交易状态": "REFUND", "应结订单金额": yuan(0), "退款申请时间": asked, "退款成功时间": succeeded,
		"微信退款单号": r.RefundID, "商户退款单号": r.OutRefundNo, "退款金额": yuan(r.Amount), "退款类型": "ORIGINAL",
		"退款状态": billStatus[status], "手续费": fee(row.fee), "订单金额": yuan(0), "申请退款金额": yuan(r.Amount),
	} {
		row.cells[heading] = cell
	}
	return row
}

func tradeTotals(rows []billRow) (headings, cells []string) {
	var settled, refunded, fees, ordered, applied int64
	for _, r := range rows {
		settled, refunded, fees = settled+r.settled, refunded+r.refunded, fees+r.fee
		ordered, applied = ordered+r.ordered, applied+r.applied
	}
	return []string{"总交易单数", "应结订单总金额", "退款总金额", "充值券退款总金额", "手续费总金额", "订单总金额", "申请退款总金额"},
		[]string{fmt.Sprint(len(rows)), yuan(settled), yuan(refunded), yuan(0), fee(fees), yuan(ordered), yuan(applied)}
}

package sim

import (
	"fmt"
	"slices"
	"strings"
)

// table is a bill before it is written: rows by heading, and the totals that its last two lines give.
type table struct {
	headings []string
	rows     []billRow
	totals   func([]billRow) (headings, cells []string)
}

// billRow is one line: its cells by heading, and what the totals add up.
type billRow struct {
	cells map[string]string

	settled, refunded, ordered, applied int64 // fen, of a trade bill
	fee                                 int64 // hundred-thousandths of a yuan; negative when it comes back
	in, out                             int64 // fen, of a fund-flow bill
}

const bom = "\ufeff"

// csv writes the bill as WeChat does: headings bare, every other cell behind a back-tick. usual is with a byte
// order mark and CRLF; both ways have been seen.
func (t table) csv(usual bool) []byte {
	end := "\n"
	var b strings.Builder
	if usual {
		end = "\r\n"
		b.WriteString(bom)
	}
	line := func(cells []string, mark string) {
		for i, cell := range cells {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(mark + cell)
		}
		b.WriteString(end)
	}
	line(t.headings, "")
	for _, r := range t.rows {
		cells := make([]string, 0, len(t.headings))
		for _, h := range t.headings {
			cells = append(cells, r.cells[h])
		}
		line(cells, "`")
	}
	headings, cells := t.totals(t.rows)
	line(headings, "")
	line(cells, "`")
	return []byte(b.String())
}

// merchantText is how a bill writes what a merchant sent: it may not break the line it is in.
func merchantText(s string) string {
	return strings.NewReplacer(",", `\ `, "\r\n", `\n`, "\n", `\n`, "\r", `\n`).Replace(s)
}

// yuan writes fen with two decimals, fee hundred-thousandths of a yuan with five.
func yuan(fen int64) string { return decimals(fen, 2) }
func fee(n int64) string    { return decimals(n, 5) }

func decimals(n int64, places int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	unit := int64(1)
	for range places {
		unit *= 10
	}
	return fmt.Sprintf("%s%d.%0*d", sign, n/unit, places, n%unit)
}

// spoilTable makes a bill wrong in the ways that faults ask for. Its hash and its totals fit the rows all the
// same, but for BillTotalsWrong: only who compares with their own books can tell.
func (s *Simulator) spoilTable(t *table, spoil func(FaultKind) bool) {
	if spoil(BillExtraRow) {
		strange := t.rows[len(t.rows)-1]
		strange.cells = map[string]string{}
		for h, v := range t.rows[len(t.rows)-1].cells {
			switch h {
			case "微信订单号", "微信支付业务单号", "资金流水单号":
				v = transactionID(s.clock.now())
			case "商户订单号":
				v = "STRANGE" + draw(12, digits)
			case "微信退款单号", "商户退款单号":
				if v != "0" {
					v = "STRANGE" + draw(12, digits)
				}
			}
			strange.cells[h] = v
		}
		t.rows = append(t.rows, strange)
	}
	if spoil(BillMissingRow) {
		t.rows = t.rows[1:]
	}
	if len(t.rows) > 0 && spoil(BillAmountOff) {
		t.rows[0] = t.rows[0].raised()
	}
	if spoil(BillColumnsMoved) {
		t.headings = slices.Clone(t.headings)
		slices.Reverse(t.headings)
	}
	if spoil(BillTotalsWrong) {
		whole := t.totals
		t.totals = func(rows []billRow) (headings, cells []string) {
			headings, cells = whole(rows)
			cells[0] = fmt.Sprint(len(rows) + 1)
			return headings, cells
		}
	}
}

// raised is the row with a fen more, in its cell and in what the totals add up.
func (r billRow) raised() billRow {
	cells := map[string]string{}
	for h, v := range r.cells {
		cells[h] = v
	}
	r.cells = cells
	switch {
	case r.in > 0:
		r.in++
		r.cells["收支金额(元)"] = yuan(r.in)
	case r.out > 0:
		r.out++
		r.cells["收支金额(元)"] = yuan(r.out)
	case r.refunded > 0:
		r.refunded, r.applied = r.refunded+1, r.applied+1
		r.cells["退款金额"], r.cells["申请退款金额"] = yuan(r.refunded), yuan(r.applied)
	default:
		r.settled, r.ordered = r.settled+1, r.ordered+1
		r.cells["应结订单金额"], r.cells["订单金额"] = yuan(r.settled), yuan(r.ordered)
	}
	return r
}

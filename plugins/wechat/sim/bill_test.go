package sim_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

const (
	tradeBillPath = "/v3/bill/tradebill"
	fundBillPath  = "/v3/bill/fundflowbill"
)

var shanghai = time.FixedZone("CST", 8*60*60)

// noon moves the simulated time to noon of tomorrow in Shanghai, so that a test's minutes are all of one day, and
// returns that day as bill_date.
func noon(t testing.TB, s *sim.Simulator) string {
	t.Helper()
	y, m, d := s.Now().In(shanghai).Date()
	at := time.Date(y, m, d+1, 12, 0, 0, 0, shanghai)
	if err := s.SetTime(at); err != nil {
		t.Fatal(err)
	}
	return at.Format(time.DateOnly)
}

// billed is a bill as its merchant has it: what was said of it, and the file, unpacked.
type billed struct {
	hash, file string
	fits       bool // the file has the hash
}

// download asks for a bill and fetches it.
func download(t testing.TB, c *client, path, query string) billed {
	t.Helper()
	got := c.must(http.MethodGet, path+"?"+query, "")
	if got.status != http.StatusOK {
		t.Fatalf("%s?%s: %d %s", path, query, got.status, got.body)
	}
	sameShape(t, "bill-answer.json", got.body)
	file := c.must(http.MethodGet, downloadPath(t, c, got.body), "")
	if file.status != http.StatusOK || file.signed {
		t.Fatalf("the download: %d, signed %v: %s", file.status, file.signed, file.body)
	}
	text := []byte(file.body)
	if strings.Contains(query, "tar_type=GZIP") {
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		text, _ = io.ReadAll(z) // what is cut ends in an error, and in a hash that does not fit
	}
	var said struct {
		Hash string `json:"hash_value"`
	}
	if err := json.Unmarshal([]byte(got.body), &said); err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(text)
	return billed{said.Hash, string(text), hex.EncodeToString(sum[:]) == said.Hash}
}

// downloadPath is the path of a bill's download_url, which must be the simulator's own.
func downloadPath(t testing.TB, c *client, answer string) string {
	t.Helper()
	var said struct {
		URL string `json:"download_url"`
	}
	if err := json.Unmarshal([]byte(answer), &said); err != nil {
		t.Fatal(err)
	}
	path, ours := strings.CutPrefix(said.URL, c.s.BaseURL())
	if !ours {
		t.Fatalf("the bill is to be downloaded from %s", said.URL)
	}
	return path
}

// headingsOf are the two lines of a captured bill that bear headings.
func headingsOf(t testing.TB, name string) (columns, totals string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(fixture(t, name), "\n"), "\n")
	return lines[0], lines[len(lines)-2]
}

// TestTradeBills holds whole bills against what was paid and refunded, under the captured headings.
func TestTradeBills(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	day := noon(t, s)
	one := c.paid("BILL000001", set("attach", "a,b\nc"), set("scene_info", map[string]any{"device_id": "D1"}))
	advance(t, s, time.Second)
	two := c.paid("BILL000002", set("amount/total", 12_345))
	advance(t, s, time.Minute)
	c.must(http.MethodPost, refundPath, c.back("BILL000001", "R1", 100))
	advance(t, s, 3*time.Second) // R1 is a success
	c.must(http.MethodPost, refundPath, c.back("BILL000002", "R2", 45, set("amount/total", 12_345)))
	if err := s.SettleRefund(c.m.MchID, "R2", sim.RefundClosed); err != nil {
		t.Fatal(err)
	}
	c.prepaid("BILL000003") // unpaid: in no bill
	newClient(t, s, "1900000002").paid("BILL000004")
	advance(t, s, 24*time.Hour)
	c.paid("BILL000005") // another day's

	alice := c.m.Apps[0].Users[0].OpenID
	refund := func(number string) sim.Refund {
		r, _ := s.Ledger().Refund(number)
		return r
	}
	head := func(trade sim.Trade, at time.Time, device, state, total string) string {
		return fmt.Sprintf("`%s,`wxa000000000000001,`1900000001,`0,`%s,`%s,`%s,`%s,`JSAPI,`%s,`OTHERS,`CNY,`%s,`0.00",
			at.In(shanghai).Format(time.DateTime), device, trade.TransactionID, trade.OutTradeNo, alice, state, total)
	}
	const unrefunded = ",`0,`0,`0.00,`0.00,`,`"
	r1, r2 := refund("R1"), refund("R2")
	tail1 := ",`门诊缴费,`a\\ b\\nc"
	refunded := func(r sim.Refund, amount, status string) string {
		return fmt.Sprintf(",`%s,`%s,`%s,`0.00,`ORIGINAL,`%s", r.RefundID, r.OutRefundNo, amount, status)
	}
	times := func(asked, succeeded time.Time) string {
		text := ",`" + asked.In(shanghai).Format(time.DateTime) + ",`"
		if !succeeded.IsZero() {
			text += succeeded.In(shanghai).Format(time.DateTime)
		}
		return text
	}
	for _, r := range []struct {
		kind, fixture string
		rows          []string
		totals        string
	}{
		{"ALL", "bill-all.csv", []string{
			head(one, one.PaidAt, "D1", "SUCCESS", "1.00") + unrefunded + tail1 + ",`0.01000,`0.60%,`1.00,`0.00,`",
			head(two, two.PaidAt, "", "SUCCESS", "123.45") + unrefunded + ",`门诊缴费,`,`0.74000,`0.60%,`123.45,`0.00,`",
			head(one, r1.CreatedAt, "D1", "REFUND", "0.00") + refunded(r1, "1.00", "SUCCESS") + tail1 + ",`-0.01000,`0.60%,`0.00,`1.00,`",
			head(two, r2.CreatedAt, "", "REFUND", "0.00") + refunded(r2, "0.45", "FAIL") + ",`门诊缴费,`,`0.00000,`0.60%,`0.00,`0.45,`",
		}, "`4,`124.45,`1.45,`0.00,`0.74000,`124.45,`1.45"},
		{"SUCCESS", "bill-success.csv", []string{
			head(one, one.PaidAt, "D1", "SUCCESS", "1.00") + tail1 + ",`0.01000,`0.60%,`1.00,`",
			head(two, two.PaidAt, "", "SUCCESS", "123.45") + ",`门诊缴费,`,`0.74000,`0.60%,`123.45,`",
		}, "`2,`124.45,`0.00,`0.00,`0.75000,`124.45,`0.00"},
		{"REFUND", "bill-refund.csv", []string{
			head(one, r1.CreatedAt, "D1", "REFUND", "0.00") + times(r1.CreatedAt, r1.SuccessAt) + refunded(r1, "1.00", "SUCCESS") +
				tail1 + ",`-0.01000,`0.60%,`0.00,`1.00,`",
			head(two, r2.CreatedAt, "", "REFUND", "0.00") + times(r2.CreatedAt, time.Time{}) + refunded(r2, "0.45", "FAIL") +
				",`门诊缴费,`,`0.00000,`0.60%,`0.00,`0.45,`",
		}, "`2,`0.00,`1.45,`0.00,`-0.01000,`0.00,`1.45"},
	} {
		t.Run(r.kind, func(t *testing.T) {
			columns, totals := headingsOf(t, r.fixture)
			want := "\ufeff" + columns + "\r\n" + strings.Join(r.rows, "\r\n") + "\r\n" + totals + "\r\n" + r.totals + "\r\n"
			plain := download(t, c, tradeBillPath, "bill_date="+day+"&bill_type="+r.kind)
			if plain.file != want || !plain.fits {
				t.Errorf("hash fits: %v\n got %q\nwant %q", plain.fits, plain.file, want)
			}
			if packed := download(t, c, tradeBillPath, "bill_date="+day+"&bill_type="+r.kind+"&tar_type=GZIP"); packed != plain {
				t.Errorf("packed it is another: %+v", packed)
			}
		})
	}
}

// TestFundBill: what came in, what the fee took and what went back, with the balance after each.
func TestFundBill(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	noon(t, s)
	c.paid("FUND000000", set("amount/total", 1000)) // the day before, for the balance
	day := noon(t, s)
	one := c.paid("FUND000001", set("amount/total", 20_000))
	advance(t, s, time.Minute)
	c.must(http.MethodPost, refundPath, c.back("FUND000001", "R1", 10_000, set("amount/total", 20_000)))
	advance(t, s, 24*time.Hour)
	r1, _ := s.Ledger().Refund("R1")
	at := func(t time.Time, id string) (string, string) {
		return t.In(shanghai).Format(time.DateTime), "S" + t.In(shanghai).Format("20060102150405") + id[len(id)-6:]
	}
	paidAt, paidProof := at(one.PaidAt, one.TransactionID)
	backAt, backProof := at(r1.CreatedAt, one.TransactionID)
	ids := "`" + one.TransactionID + ",`" + one.TransactionID
	columns, totals := headingsOf(t, "bill-fund.csv")
	want := "\ufeff" + strings.Join([]string{
		columns,
		"`" + paidAt + "," + ids + ",`交易,`交易,`收入,`200.00,`209.94,`system,`结算总金额200.00元,`" + paidProof,
		"`" + paidAt + "," + ids + ",`扣除交易手续费,`扣除交易手续费,`支出,`1.20,`208.74,`system,`结算交易手续费,`" + paidProof,
		"`" + backAt + ",`" + r1.RefundID + ",`" + one.TransactionID + ",`退款,`退款,`支出,`99.40,`109.34,`1900000001API,`退款总金额100.00元;含手续费0.60元,`" + backProof,
		totals,
		"`3,`1,`200.00,`2,`100.60",
	}, "\r\n") + "\r\n"
	if got := download(t, c, fundBillPath, "bill_date="+day+"&account_type=BASIC&tar_type=GZIP"); got.file != want || !got.fits {
		t.Errorf("hash fits: %v\n got %q\nwant %q", got.fits, got.file, want)
	}
	for _, account := range []string{"OPERATION", "FEES"} {
		sameBytes(t, "no-bill.json", c.must(http.MethodGet, fundBillPath+"?bill_date="+day+"&account_type="+account, "").body)
	}
}

// TestBillsOfAPartner: of one sub merchant, of all, and never of the partner's own account.
func TestBillsOfAPartner(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, partnerID)
	day := noon(t, s)
	c.partnerPaid("PBILL00001", subOne, c.inSubApp)
	c.partnerPaid("PBILL00002", subTwo)
	advance(t, s, 24*time.Hour)
	one := download(t, c, tradeBillPath, "bill_date="+day+"&sub_mchid="+subOne).file
	if !strings.Contains(one, ",`1900000100,`1900000101,") || !strings.Contains(one, "PBILL00001") || strings.Contains(one, "PBILL00002") {
		t.Errorf("of %s: %s", subOne, one)
	}
	if all := download(t, c, tradeBillPath, "bill_date="+day).file; !strings.Contains(all, "PBILL00001") || !strings.Contains(all, "PBILL00002") {
		t.Errorf("of all: %s", all)
	}
	c.must(http.MethodGet, tradeBillPath+"?bill_date="+day+"&sub_mchid=1900000199", "").wants(t, "of nobody's", 403, "NO_AUTH")
	c.must(http.MethodGet, fundBillPath+"?bill_date="+day, "").wants(t, "the partner's own account", 400, "NO_STATEMENT_EXIST")
}

// TestWhenThereIsNoBill: too early, too late, nothing happened, or asked for wrongly.
func TestWhenThereIsNoBill(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	day := noon(t, s)
	c.paid("NOBILL0001")
	get := func(query string) reply { return c.must(http.MethodGet, tradeBillPath+query, "") }
	get("?bill_date="+day).wants(t, "today", 400, "INVALID_REQUEST")
	advance(t, s, 22*time.Hour-time.Second)
	get("?bill_date="+day).wants(t, "before ten the next day", 400, "STATEMENT_CREATING")
	advance(t, s, time.Second)
	first := get("?bill_date=" + day)
	first.wants(t, "at ten the next day", 200, "download_url")
	for query, says := range map[string]string{
		"":                                        "/query/bill_date",
		"?bill_date=20260101":                     "格式应为YYYY-MM-DD",
		"?bill_date=2020-01-01":                   "INVALID_REQUEST",
		"?bill_date=2999-01-01":                   "INVALID_REQUEST",
		"?bill_date=" + day + "&bill_type=NO":     "/query/bill_type",
		"?bill_date=" + day + "&tar_type=ZIP":     "/query/tar_type",
		"?bill_date=" + day + "&bill_type=REFUND": "NO_STATEMENT_EXIST",
	} {
		get(query).wants(t, "tradebill"+query, 400, says)
	}
	path := downloadPath(t, c, first.body)
	newClient(t, s, "1900000002").must(http.MethodGet, path, "").wants(t, "downloaded by another", 403, "NO_AUTH")
	r := c.request(http.MethodGet, path, "")
	if got, err := c.do(r); err != nil || got.status != http.StatusUnauthorized || got.signed {
		t.Errorf("downloaded without a signature: %+v, %v", got, err)
	}
	advance(t, s, 5*time.Minute)
	c.must(http.MethodGet, path, "").wants(t, "after five minutes", 200, "NOBILL0001")
	advance(t, s, time.Second)
	c.must(http.MethodGet, path, "").wants(t, "later than five minutes", 400, "INVALID_REQUEST")
	c.must(http.MethodGet, "/v3/billdownload/file?token=x", "").wants(t, "a token of nobody's", 400, "INVALID_REQUEST")
}

// TestABillIsNeverChangedLater: what a refund comes to after the bill was made is not in it.
func TestABillIsNeverChangedLater(t *testing.T) {
	t.Parallel()
	for before, later := range map[sim.RefundStatus]sim.RefundStatus{
		sim.RefundProcessing: sim.RefundSuccess, sim.RefundAbnormal: sim.RefundClosed,
	} {
		s := stopped(t, sim.With(func(c *sim.Config) { c.RefundDelay = 1000 * time.Hour }))
		c := newClient(t, s, "1900000001")
		day := noon(t, s)
		c.paid("LATER00001")
		c.must(http.MethodPost, refundPath, c.back("LATER00001", "R1", 40))
		if before == sim.RefundAbnormal {
			if err := s.SettleRefund(c.m.MchID, "R1", before); err != nil {
				t.Fatal(err)
			}
		}
		advance(t, s, 24*time.Hour)
		first := download(t, c, tradeBillPath, "bill_date="+day)
		if err := s.SettleRefund(c.m.MchID, "R1", later); err != nil {
			t.Fatal(err)
		}
		wants := map[sim.RefundStatus]string{sim.RefundProcessing: "`PROCESSING,", sim.RefundAbnormal: "`CHANGE,"}[before]
		if second := download(t, c, tradeBillPath, "bill_date="+day); second != first || !strings.Contains(second.file, wants) {
			t.Errorf("%s, then %s:\nfirst  %q\nsecond %q", before, later, first.file, second.file)
		}
	}
}

// TestABillOfYours: a file in the folder is the day's bill, packed or not, and no other day's or merchant's.
func TestABillOfYours(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := stopped(t, sim.With(func(c *sim.Config) { c.BillsDir = dir }))
	c := newClient(t, s, "1900000001")
	day := noon(t, s)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("mine"))
	_ = z.Close()
	if err := os.WriteFile(filepath.Join(dir, "1900000001-"+day+".csv.gz"), packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	newClient(t, s, "1900000002").must(http.MethodGet, tradeBillPath+"?bill_date="+day, "").wants(t, "before it is ready", 400, "")
	advance(t, s, 24*time.Hour)
	for _, query := range []string{"bill_date=" + day, "bill_date=" + day + "&tar_type=GZIP"} {
		if got := download(t, c, tradeBillPath, query); got.file != "mine" || !got.fits {
			t.Errorf("%s: %+v", query, got)
		}
	}
	c.must(http.MethodGet, tradeBillPath+"?bill_type=SUCCESS&bill_date="+day, "").wants(t, "another kind", 400, "NO_STATEMENT_EXIST")
	newClient(t, s, "1900000002").must(http.MethodGet, tradeBillPath+"?bill_date="+day, "").wants(t, "another merchant", 400, "NO_STATEMENT_EXIST")
	if err := os.WriteFile(filepath.Join(dir, "1900000001-"+day+".csv.gz"), []byte("not packed"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.must(http.MethodGet, tradeBillPath+"?bill_date="+day, "").wants(t, "no gzip", 500, "SYSTEM_ERROR")
}

// TestBillFaults: each spoils what it says, and nothing else: only a wrong hash and a cut file do not fit theirs.
func TestBillFaults(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		kind   sim.FaultKind
		packed bool
		status int
		check  func(good, got billed) bool
	}{
		{sim.BillCreating, false, 400, nil},
		{sim.BillMissing, false, 400, nil},
		{sim.BillWrongHash, false, 200, func(good, got billed) bool { return got.file == good.file && !got.fits }},
		{sim.BillTruncated, false, 200, func(good, got billed) bool {
			return !got.fits && got.hash == good.hash && strings.HasPrefix(good.file, got.file) && len(got.file) == len(good.file)/2
		}},
		{sim.BillTruncated, true, 200, func(good, got billed) bool {
			return !got.fits && got.hash == good.hash && len(got.file) < len(good.file)
		}},
		{sim.BillColumnsMoved, false, 200, func(good, got billed) bool {
			return got.fits && strings.HasPrefix(got.file, "\ufeff费率备注,申请退款金额,") && len(got.file) == len(good.file)
		}},
		{sim.BillExtraRow, false, 200, func(_, got billed) bool {
			return got.fits && strings.Contains(got.file, "`STRANGE") && strings.Contains(got.file, "`3,`3.00,")
		}},
		{sim.BillMissingRow, false, 200, func(_, got billed) bool {
			return got.fits && !strings.Contains(got.file, "SPOILED001") && strings.Contains(got.file, "`1,`1.00,")
		}},
		{sim.BillAmountOff, false, 200, func(_, got billed) bool {
			return got.fits && strings.Contains(got.file, "`1.01,`0.00,") && strings.Contains(got.file, "`2,`2.01,")
		}},
		{sim.BillTotalsWrong, false, 200, func(_, got billed) bool { return got.fits && strings.Contains(got.file, "\n`3,`2.00,") }},
		{sim.BillPlain, false, 200, func(good, got billed) bool {
			return got.fits && got.file == strings.ReplaceAll(strings.TrimPrefix(good.file, "\ufeff"), "\r\n", "\n")
		}},
	} {
		t.Run(fmt.Sprintf("%s packed %v", r.kind, r.packed), func(t *testing.T) {
			t.Parallel()
			s := stopped(t)
			c := newClient(t, s, "1900000001")
			day := noon(t, s)
			c.paid("SPOILED001")
			advance(t, s, time.Second)
			c.paid("SPOILED002")
			advance(t, s, 24*time.Hour)
			query := "bill_date=" + day
			if r.packed {
				query += "&tar_type=GZIP"
			}
			good := download(t, c, tradeBillPath, query)
			if err := s.SetFaults(sim.Fault{Kind: r.kind, Count: 1, Number: day, Path: tradeBillPath}); err != nil {
				t.Fatal(err)
			}
			if r.check == nil {
				c.must(http.MethodGet, tradeBillPath+"?"+query, "").wants(t, "the bill", r.status, "STATEMENT")
			} else if got := download(t, c, tradeBillPath, query); !r.check(good, got) {
				t.Errorf("hash fits: %v\n%s", got.fits, got.file)
			}
			if again := download(t, c, tradeBillPath, query); again != good {
				t.Error("it is wrong once more")
			}
		})
	}
}

// TestFundBillFaults: the same faults in the other kind of bill.
func TestFundBillFaults(t *testing.T) {
	t.Parallel()
	for kind, says := range map[sim.FaultKind]string{
		sim.BillAmountOff:    ",`收入,`1.01,",
		sim.BillExtraRow:     "`3,`1,`1.00,`2,`0.02",
		sim.BillMissingRow:   "`1,`0,`0.00,`1,`0.01",
		sim.BillColumnsMoved: "业务凭证号,备注,",
	} {
		s := stopped(t)
		c := newClient(t, s, "1900000001")
		day := noon(t, s)
		c.paid("SPOILED001")
		advance(t, s, 24*time.Hour)
		if err := s.SetFaults(sim.Fault{Kind: kind, Count: 1, Path: fundBillPath}); err != nil {
			t.Fatal(err)
		}
		if got := download(t, c, fundBillPath, "bill_date="+day); !got.fits || !strings.Contains(got.file, says) {
			t.Errorf("%s: hash fits: %v, want %s in\n%s", kind, got.fits, says, got.file)
		}
	}
}

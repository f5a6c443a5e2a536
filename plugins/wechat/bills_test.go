package wechat

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1" //nolint:gosec // WeChat's bills are hashed by SHA-1
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// The statements as they were captured; the second line's time and amounts differ so that each cell tells.
const (
	tradeHead = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类," +
		"应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
	tradePaid = "`2024-01-16 22:43:59,`wxd678efh567hg6787,`1900007291,`0,`,`4200002086202401160745964084,`1747268229775183872," +
		"`oUpF8uMuAJO_M2pxb1Q9zNjWeS6o,`NATIVE,`SUCCESS,`OTHERS,`CNY,`0.02,`0.00,`0,`0,`0.00,`0.00,`,`,`测试支付4,`,`0.00012,`0.90%,`0.02,`0.00,`"
	tradeBack = "`2024-01-16 22:45:16,`wxd678efh567hg6787,`1900007291,`1900000109,`,`4200002086202401160745964084,`1747268229775183872," +
		"`oUpF8uMuAJO_M2pxb1Q9zNjWeS6o,`NATIVE,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`50303108562024011601487282563,`R1747268742516264960," +
		"`0.01,`0.00,`ORIGINAL,`SUCCESS,`测试\\ 支付4,`,`-0.00006,`0.90%,`0.00,`0.01,`"
	tradeSums = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
	tradeEnd  = "`2,`0.02,`0.01,`0.00,`0.00006,`0.02,`0.01"

	fundHead = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号"
	fundIn   = "`2021-02-01 13:50:01,`4200000920202101197964319284,`4200000920202101197964319284,`交易,`交易,`收入,`0.23,`0.23,`system,`结算总金额0.23元,`S20210201135356381940"
	fundOut  = "`2021-02-01 13:54:01,`50300806962021020105978994968,`4200000920202101197964319284,`退款,`退款,`支出,`0.01,`0.22,`1601959334API,`退款总金额0.01元;含手续费0.00元,`S20210201135356381941"
	fundSums = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
	fundEnd  = "`2,`1,`0.23,`1,`0.01"
)

func bill(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

var (
	tradeBill = bill(tradeHead, tradePaid, tradeBack, tradeSums, tradeEnd)
	fundBill  = bill(fundHead, fundIn, fundOut, fundSums, fundEnd)
)

func shanghaiTime(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation(time.DateTime, s, time.FixedZone("Asia/Shanghai", 8*60*60))
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

func cny(fen int64) sdk.Amount { return sdk.Amount{Minor: fen, Currency: "CNY"} }

// readBill gives a whole statement, its totals last.
func readBill(kind sdk.BillKind, text string) ([]sdk.BillItem, error) {
	var items []sdk.BillItem
	totals, err := billReaders[kind].read(strings.NewReader(text), func(i sdk.BillItem) error {
		items = append(items, i)
		return nil
	})
	return append(items, totals), err
}

func TestAStatementIsReadByHeading(t *testing.T) {
	t.Parallel()
	trade := []sdk.BillItem{
		sdk.TradeLine{
			OccurredAt: shanghaiTime(t, "2024-01-16 22:43:59"), AppID: "wxd678efh567hg6787", MchID: "1900007291",
			ProviderID: "4200002086202401160745964084", Number: "1747268229775183872", Amount: cny(2), RefundAmount: cny(0), FeeMilli: 12,
			TradeStateName: "SUCCESS",
		},
		sdk.TradeLine{
			OccurredAt: shanghaiTime(t, "2024-01-16 22:45:16"), AppID: "wxd678efh567hg6787", MchID: "1900007291", SubMchID: "1900000109",
			ProviderID: "4200002086202401160745964084", Number: "1747268229775183872", ProviderRefundID: "50303108562024011601487282563",
			RefundNumber: "R1747268742516264960", Amount: cny(0), RefundAmount: cny(1), FeeMilli: -6,
			TradeStateName: "REFUND", RefundStateName: "SUCCESS", RefundState: sdk.RefundSucceeded,
		},
		sdk.BillTotals{Lines: 2, Paid: cny(2), Refunded: cny(1), FeeMilli: 6},
	}
	fund := []sdk.BillItem{
		sdk.FundLine{
			BookedAt: shanghaiTime(t, "2021-02-01 13:50:01"), BusinessID: "4200000920202101197964319284", FlowID: "4200000920202101197964319284",
			BusinessName: "交易", BusinessType: "交易", Amount: cny(23), Balance: cny(23), Remark: "结算总金额0.23元", VoucherNo: "S20210201135356381940",
		},
		sdk.FundLine{
			BookedAt: shanghaiTime(t, "2021-02-01 13:54:01"), BusinessID: "50300806962021020105978994968", FlowID: "4200000920202101197964319284",
			BusinessName: "退款", BusinessType: "退款", Amount: cny(-1), Balance: cny(22), Remark: "退款总金额0.01元;含手续费0.00元", VoucherNo: "S20210201135356381941",
		},
		sdk.BillTotals{Lines: 2, Paid: cny(23), Refunded: cny(1)},
	}
	tests := []struct {
		name, text string
		kind       sdk.BillKind
		want       []sdk.BillItem
	}{
		{"trade", tradeBill, sdk.TradeBill, trade},
		{"byte order mark and CRLF", "\ufeff" + strings.ReplaceAll(tradeBill, "\n", "\r\n"), sdk.TradeBill, trade},
		{"no line end at the end", strings.TrimSuffix(tradeBill, "\n"), sdk.TradeBill, trade},
		{"columns in another order, and one that is new", moved(tradeBill), sdk.TradeBill, trade},
		{"no business", bill(tradeHead, tradeSums, "`0,`0.00,`0.00,`0.00,`0.00000,`0.00,`0.00"), sdk.TradeBill,
			[]sdk.BillItem{sdk.BillTotals{Paid: cny(0), Refunded: cny(0)}}},
		{"fund", fundBill, sdk.FundBill, fund},
		{"full-width brackets", strings.NewReplacer("(元)", "（元）").Replace(fundBill), sdk.FundBill, fund},
	}
	for _, test := range tests {
		got, err := readBill(test.kind, test.text)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if len(got) != len(test.want) {
			t.Errorf("%s: %d items, want %d", test.name, len(got), len(test.want))
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s, item %d:\n got %+v\nwant %+v", test.name, i, got[i], test.want[i])
			}
		}
	}
}

// moved turns the columns of a statement around and adds one.
func moved(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line, mark := strings.TrimSpace(line), ""
		if strings.HasPrefix(line, "`") {
			mark = "`"
		}
		cells := append(strings.Split(line, ","), mark+"新列")
		for i := range cells {
			fmt.Fprintf(&out, "%s,", cells[len(cells)-1-i])
		}
		out.WriteString(mark + "尾\n")
	}
	return out.String()
}

func TestWhatIsNoStatement(t *testing.T) {
	t.Parallel()
	replace := func(old, by string) string { return strings.Replace(tradeBill, old, by, 1) }
	tests := []struct {
		name, text, want string
		kind             sdk.BillKind
	}{
		{name: "nothing", text: "", want: "line 0: it ends before its totals"},
		{name: "JSON", text: `{"code":"SYSTEM_ERROR"}`, want: "line 1: no column is headed 交易时间"},
		{name: "no headings", text: bill(tradePaid), want: "line 1: it begins without headings"},
		{name: "a heading is missing", text: replace("申请退款金额,费率备注", "费率备注,另"), want: "line 1: no column is headed 申请退款金额"},
		{name: "a heading twice", text: replace("设备号", "商户号"), want: "line 1: two columns are headed alike"},
		{name: "cut after a line", text: bill(tradeHead, tradePaid), want: "line 2: it ends before its totals"},
		{name: "cut before the totals", text: bill(tradeHead, tradePaid, tradeSums), want: "line 3: it ends before its totals"},
		{name: "cut within a line", text: bill(tradeHead, tradePaid[:200]), want: "line 2: it has 19 cells below 27 headings"},
		{name: "a line is missing", text: bill(tradeHead, tradePaid, tradeSums, tradeEnd), want: "its totals say 2 lines, 2 and 1 fen and 6 thousandths of fees, and its lines make 1 lines"},
		{name: "a fen too much", text: replace("`0.90%,`0.02", "`0.90%,`0.03"), want: "and its lines make 2 lines, 3 and 1 fen"},
		{name: "a fee too much", text: replace("`0.00012", "`0.00013"), want: "make 2 lines, 2 and 1 fen and 7 thousandths"},
		{name: "more after the totals", text: tradeBill + tradePaid, want: "line 6: there is more after the totals"},
		{name: "three rows of headings", text: bill(tradeHead, tradePaid, tradeSums, tradeSums), want: "line 4: a third row of headings"},
		{name: "no time", text: replace("2024-01-16 22:43:59", "2024-13-16 22:43:59"), want: "line 2: 交易时间 is not a time"},
		{name: "another currency", text: replace("CNY", "HKD"), want: "line 2: 货币种类 is not CNY"},
		{name: "half a fen", text: replace("`0.90%,`0.02", "`0.90%,`0.025"), want: "line 2: 订单金额 is not an amount"},
		{name: "six decimals", text: replace("`0.00012", "`0.000125"), want: "line 2: 手续费 is not an amount"},
		{name: "no count", text: replace("`2,`0.02,`0.01,`0.00,`0.00006", "`-2,`0.02,`0.01,`0.00,`0.00006"), want: "line 5: 总交易单数 is not a count"},
		{name: "an endless line", text: bill(tradeHead, "`"+strings.Repeat("x", longestBillLine)), want: "line 2 is longer than"},
		{name: "a sum that fits no integer", text: strings.NewReplacer("`0.90%,`0.02", "`0.90%,`92233720368547758.07", "`0.90%,`0.00", "`0.90%,`0.01").Replace(tradeBill),
			want: "line 3: "},
		{name: "neither in nor out", text: strings.Replace(fundBill, "收入,", "不变,", 1), want: "line 2: 收支类型 is neither in nor out", kind: sdk.FundBill},
		{name: "a trade statement for a fund statement", text: tradeBill, want: "line 1: no column is headed 记账时间", kind: sdk.FundBill},
	}
	for _, test := range tests {
		if test.kind == 0 {
			test.kind = sdk.TradeBill
		}
		_, err := readBill(test.kind, test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

func TestAmountsAreReadExactly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text   string
		places int
		want   int64
		ok     bool
	}{
		{"0.01", 2, 1, true}, {"0.29", 2, 29, true}, {"1", 2, 100, true}, {"1.5", 2, 150, true}, {"-0.02", 2, -2, true},
		{"0.01000", 2, 1, true}, {"92233720368547758.07", 2, 9223372036854775807, true}, {"-0.00001", 5, -1, true}, {"0.60000", 5, 60000, true},
		{"92233720368547758.08", 2, 0, false}, {"0.011", 2, 0, false}, {"", 2, 0, false}, {".5", 2, 0, false}, {"1.", 2, 0, false},
		{"+1", 2, 0, false}, {"--1", 2, 0, false}, {"1.-5", 2, 0, false}, {"1e2", 2, 0, false}, {"1,000.00", 2, 0, false}, {"0x1", 2, 0, false}, {"1_0", 2, 0, false},
		{"１", 2, 0, false},
	}
	for _, test := range tests {
		if got, ok := decimal(test.text, test.places); got != test.want || ok != test.ok {
			t.Errorf("%q with %d decimals: got %d, %v", test.text, test.places, got, ok)
		}
	}
}

// billWorld is a WeChat that has one statement. Each field spoils something.
type billWorld struct {
	file     string // as it is downloaded; empty: text
	text     string
	status   int
	url      string // instead of its own
	hashType string
}

// client is one for this world, with what it is asked.
func (b billWorld) client(t *testing.T) (*Client, <-chan *http.Request) {
	t.Helper()
	seen := make(chan *http.Request, 2)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("GET /v3/bill/", func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		sum := sha1.Sum([]byte(b.text))
		url := server.URL + "/v3/billdownload/file?token=abc"
		if b.url != "" {
			url = b.url
		}
		kind := "SHA1"
		if b.hashType != "" {
			kind = b.hashType
		}
		reply{status: 200, body: fmt.Sprintf(`{"download_url":%q,"hash_type":%q,"hash_value":%q}`, url, kind, hex.EncodeToString(sum[:]))}.write(t, w)
	})
	mux.HandleFunc("GET /v3/billdownload/", func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		if b.status != 0 {
			w.WriteHeader(b.status)
		}
		file := b.file
		if file == "" {
			file = b.text
		}
		_, _ = w.Write([]byte(file))
	})
	return newClient(t, testConfig(t), Options{BaseURL: server.URL}), seen
}

func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func billOf(kind sdk.BillKind, subMchID string) sdk.BillRequest {
	return sdk.BillRequest{Call: sdk.Call{Route: sdk.Route{MchID: testMchID, SubMchID: subMchID}}, Kind: kind, Date: "2024-01-16"}
}

func download(ctx context.Context, c *Client, r sdk.BillRequest) (items []sdk.BillItem, result sdk.Result) {
	result = c.DownloadBill(ctx, r, func(i sdk.BillItem) error {
		items = append(items, i)
		return nil
	})
	return items, result
}

func TestAStatementIsDownloaded(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]billWorld{
		"packed": {text: tradeBill, file: packed(t, tradeBill)},
		"plain":  {text: tradeBill},
	} {
		c, seen := b.client(t)
		items, r := download(t.Context(), c, billOf(sdk.TradeBill, "1900000109"))
		if r.Verdict != sdk.VerdictAccepted || len(items) != 3 {
			t.Fatalf("%s: %+v, %d items", name, r, len(items))
		}
		if _, totals := items[2].(sdk.BillTotals); !totals {
			t.Errorf("%s: the totals come last: %+v", name, items)
		}
		asked := <-seen
		if q := asked.URL.Query(); q.Get("sub_mchid") != "1900000109" || q.Get("bill_date") != "2024-01-16" || q.Get("bill_type") != "ALL" || q.Get("tar_type") != "GZIP" {
			t.Errorf("%s: asked %s", name, asked.URL)
		}
		if !strings.Contains((<-seen).Header.Get("Authorization"), "signature=") {
			t.Errorf("%s: the download is signed like any GET", name)
		}
	}
	c, seen := billWorld{text: fundBill}.client(t)
	items, r := download(t.Context(), c, billOf(sdk.FundBill, ""))
	asked := <-seen
	if r.Verdict != sdk.VerdictAccepted || len(items) != 3 || asked.URL.Path != "/v3/bill/fundflowbill" || asked.URL.Query().Get("account_type") != "BASIC" {
		t.Errorf("fund: %+v, %d items, asked %s", r, len(items), asked.URL)
	}
}

// No totals are emitted and nothing is accepted unless the whole file is WeChat's.
func TestABrokenStatementIsNotAccepted(t *testing.T) {
	t.Parallel()
	whole := packed(t, tradeBill)
	tests := []struct {
		name, want string
		world      billWorld
	}{
		{"another file that reads well", "its hash is not the one", billWorld{text: tradeBill, file: strings.Replace(tradeBill, "NATIVE", "JSAPI_", 1)}},
		{"packed and cut", "download: unexpected EOF", billWorld{text: tradeBill, file: whole[:len(whole)/2]}},
		{"cut within packing's head", "download: unpack: unexpected EOF", billWorld{text: tradeBill, file: whole[:5]}},
		{"cut, unpacked", "its hash is not the one", billWorld{text: tradeBill, file: bill(tradeHead, tradePaid)}},
		{"WeChat's hash, and no statement", "no column is headed", billWorld{text: "hello"}},
		{"WeChat's hash, and wrong totals", "its totals say", billWorld{text: bill(tradeHead, tradePaid, tradeSums, tradeEnd)}},
		{"refused", "download: HTTP 400", billWorld{text: tradeBill, status: 400}},
		{"a redirect", "download: HTTP 302", billWorld{text: tradeBill, status: 302}},
		{"R44 another host", "its download URL is not on a host of this account", billWorld{text: tradeBill, url: "https://example.com/v3/billdownload/file?token=abc"}},
		{"R44 a name before the host", "its download URL is not on a host of this account", billWorld{text: tradeBill, url: "http://api.mch.weixin.qq.com@example.com/"}},
		{"another hash", "its hash is of a kind that is not known", billWorld{text: tradeBill, hashType: "MD5"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, _ := test.world.client(t)
			items, r := download(t.Context(), c, billOf(sdk.TradeBill, ""))
			if r.Verdict != sdk.VerdictIndeterminate || !strings.Contains(r.Message, test.want) {
				t.Errorf("got %+v, want %s", r, test.want)
			}
			for _, i := range items {
				if _, totals := i.(sdk.BillTotals); totals {
					t.Error("its totals were given out")
				}
			}
		})
	}
}

func TestAStatementThatCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	c, seen := billWorld{text: tradeBill}.client(t)
	for name, r := range map[string]sdk.BillRequest{
		"a sub merchant's funds": billOf(sdk.FundBill, "1900000109"),
		"a day that is none":     {Kind: sdk.TradeBill, Date: "2024-02-30"},
		"a kind that is none":    {Kind: 7, Date: "2024-01-16"},
	} {
		if _, got := download(t.Context(), c, r); got.Verdict != sdk.VerdictRejected || got.Reason != sdk.InvalidRequest || len(seen) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWhoTakesTheLinesMayEndTheDownload(t *testing.T) {
	t.Parallel()
	c, _ := billWorld{text: tradeBill}.client(t)
	enough := errors.New("enough")
	taken := 0
	r := c.DownloadBill(t.Context(), billOf(sdk.TradeBill, ""), func(sdk.BillItem) error {
		taken++
		return enough
	})
	if taken != 1 || r.Verdict != sdk.VerdictIndeterminate || !strings.Contains(r.Message, enough.Error()) {
		t.Errorf("%d lines taken: %+v", taken, r)
	}
}

// WeChat's silence ends a download; the host's slowness in taking the lines does not.
func TestADownloadThatStallsIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, giveUp := context.WithCancelCause(t.Context())
		silence := time.AfterFunc(billStall, func() { giveUp(errStalled) })
		from, to := io.Pipe()
		context.AfterFunc(ctx, func() { _ = from.CloseWithError(ctx.Err()) }) // as net/http does
		file := &patient{from, silence}
		go func() { _, _ = to.Write([]byte("`")) }()
		if n, err := file.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		time.Sleep(10 * billStall) //nolint:forbidigo // of the bubble: it takes no time
		if ctx.Err() != nil {
			t.Error("given up while the lines were taken slowly")
		}
		began := time.Now()
		_, err := file.Read(make([]byte, 1))
		if err = broken(ctx, err); !errors.Is(err, errStalled) || time.Since(began) != billStall {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// A statement is outside bytes. Whatever they are, reading ends, and what it accepts adds up.
func FuzzBill(f *testing.F) {
	f.Add(tradeBill, true)
	f.Add(fundBill, false)
	f.Add("\ufeff"+strings.ReplaceAll(tradeBill, "\n", "\r\n"), true)
	f.Add(bill(tradeHead, tradeSums, tradeEnd), true)
	f.Add("`\n,`\n", false)
	f.Fuzz(func(t *testing.T, text string, trade bool) {
		kind := sdk.FundBill
		if trade {
			kind = sdk.TradeBill
		}
		items, err := readBill(kind, text)
		totals, _ := items[len(items)-1].(sdk.BillTotals)
		if err == nil && totals.Lines != int64(len(items)-1) {
			t.Errorf("accepted %d lines with totals of %d", len(items)-1, totals.Lines)
		}
	})
}

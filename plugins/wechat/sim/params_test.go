package sim_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestParameters holds the texts of PARAM_ERROR against the captures, and checks every rule of the documents'
// field lists that a client could break.
func TestParameters(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	long := func(n int) string { return strings.Repeat("a", n) }
	drop := func(path string) func(map[string]any) { return set(path, nil) }
	for _, r := range []struct {
		name    string
		change  func(map[string]any)
		fixture string // the captured body
		says    string // or a part of the message
	}{
		{name: "total not an integer", change: set("amount/total", 0.01), fixture: "param-type.json"},
		{name: "total below 1", change: set("amount/total", 0), fixture: "param-range.json"},
		{name: "total a text", change: set("amount/total", "100"), says: "“/body/amount/total”映射到目标字段“总金额”"},
		{name: "total beyond 64 bits", change: set("amount/total", 1e300), says: "此字段需要一个合法的 64 位有符号整数"},
		{name: "number too short", change: set("out_trade_no", "1"), fixture: "param-short.json"},
		{name: "number too long", change: set("out_trade_no", long(33)), says: "字节数 33，大于最大值 32"},
		{name: "number with a space", change: set("out_trade_no", "no spaces"), says: `字符串必须匹配正则表达式“^[0-9a-zA-Z_\\-\\|\\*]+$”`},
		{name: "number missing", change: drop("out_trade_no"), says: "输入源“/body/out_trade_no”映射到字段“商户订单号”必填性规则校验失败，此字段为必填项"},
		{name: "amount missing", change: drop("amount"), says: "/body/amount”映射到字段"},
		{name: "total missing", change: drop("amount/total"), says: "/body/amount/total”映射到字段"},
		{name: "payer a text", change: set("payer", "o123"), says: "此字段需要一个合法的对象"},
		{name: "openid missing", change: drop("payer/openid"), says: "/body/payer/openid”映射到字段"},
		{name: "openid null", change: set("payer", map[string]any{"openid": nil}), says: "此字段需要一个合法的字符串"},
		{name: "description of 128 bytes", change: set("description", long(128)), says: "字节数 128，大于最大值 127"},
		{name: "description empty", change: set("description", ""), says: "字节数 0，小于最小值 1"},
		{name: "attach of 129 bytes", change: set("attach", long(129)), says: "字节数 129，大于最大值 128"},
		{name: "notify_url empty", change: set("notify_url", ""), fixture: "param-notify-url.json"},
		{name: "notify_url with a query", change: set("notify_url", "https://a.example/n?x=1"), says: "“/body/notify_url”"},
		{name: "notify_url with a fragment", change: set("notify_url", "https://a.example/n#x"), says: "“/body/notify_url”"},
		{name: "notify_url of another scheme", change: set("notify_url", "ftp://a.example/n"), says: "“/body/notify_url”"},
		{name: "currency not CNY", change: set("amount/currency", "USD"), says: "“/body/amount/currency”"},
		{name: "time_expire not a time", change: set("time_expire", "tomorrow"), says: "“/body/time_expire”"},
		{name: "a field that is not in the document", change: set("payer/sub_openid", "o1"), says: `"location":null,"value":["/body/payer/sub_openid"]`},
		{name: "two of them, sorted", change: func(b map[string]any) { b["zz"], b["aa"] = 1, 2 }, says: `"value":["/body/aa","/body/zz"]`},
		{name: "merchant of the body another", change: set("mchid", "1900000002"), fixture: "param-mchid.json"},
		{name: "support_fapiao a text", change: set("support_fapiao", "true"), says: "合法的布尔值"},
		{name: "detail a text", change: set("detail", "x"), says: "合法的对象或数组"},
	} {
		t.Run(r.name, func(t *testing.T) {
			got := c.must(http.MethodPost, prepayPath, c.order("PARAM00001", r.change))
			if got.status != http.StatusBadRequest || !got.signed {
				t.Fatalf("status %d, signed %v: %s", got.status, got.signed, got.body)
			}
			if r.fixture != "" {
				sameBytes(t, r.fixture, got.body)
			} else if !strings.Contains(got.body, r.says) {
				t.Errorf("the answer does not say %s:\n%s", r.says, got.body)
			}
			if !strings.HasSuffix(got.header.Get("Request-Id"), "-268435461") {
				t.Errorf("Request-ID %s does not end in the cause of a bad parameter", got.header.Get("Request-Id"))
			}
		})
	}
	if n := len(s.Ledger().Trades); n != 0 {
		t.Errorf("%d trades came of refused requests", n)
	}
}

// TestParametersThatPass are at the edge of what is allowed.
func TestParametersThatPass(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	for number, change := range map[string]func(map[string]any){
		"PASS01":                set("attach", ""),
		strings.Repeat("9", 32): set("description", strings.Repeat("费", 42)),
		"a|b*c_d-E":             set("notify_url", "http://localhost:8080/notify/wechat"),
		"PASS000004":            set("notify_url", "https://user@a.example/n"),
		"PASS000005":            set("scene_info", map[string]any{"payer_client_ip": "10.0.0.1", "store_info": map[string]any{"id": "1"}}),
		"PASS000006":            set("settle_info", map[string]any{"profit_sharing": false}),
		"PASS000007":            set("detail", map[string]any{"anything": []any{1}}),
		"PASS000008":            set("amount", map[string]any{"total": 1}),
	} {
		c.prepaid(number, change)
	}
}

// TestQueryParameters: the path's number and the mchid of the query are checked as well.
func TestQueryParameters(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.prepaid("a|b*c_d-E")
	for path, want := range map[string]string{
		"/v3/pay/transactions/out-trade-no/QUERY00001":          `"location":"query","value":""},"message":"输入源“/query/mchid”`,
		numberPath("QUERY00001", "1900000002"):                  "http header中的mchid与post payload中的mchid不匹配",
		numberPath("short", c.m.MchID):                          "/uri_template/out_trade_no",
		"/v3/pay/transactions/id/4200000000?mchid=" + c.m.MchID: "ORDER_NOT_EXIST",
		numberPath("a%7Cb%2Ac_d-E", c.m.MchID):                  `"trade_state":"NOTPAY"`,
	} {
		if got := c.must(http.MethodGet, path, ""); !strings.Contains(got.body, want) {
			t.Errorf("GET %s: %d %s, want %s", path, got.status, got.body, want)
		}
	}
	got := c.must(http.MethodPost, closePath(strings.Repeat("1", 35)), `{"mchid":"1900000001"}`)
	sameBytes(t, "param-long.json", got.body)
}

// TestBodiesThatAreNoObject are refused before any field.
func TestBodiesThatAreNoObject(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	for _, body := range []string{"", "null", "[]", `"x"`, "{", `{"a":1}{"b":2}`, "not json"} {
		if got := c.must(http.MethodPost, prepayPath, body); got.status != http.StatusBadRequest || !strings.Contains(got.body, "PARAM_ERROR") {
			t.Errorf("%q: %d %s", body, got.status, got.body)
		}
	}
}

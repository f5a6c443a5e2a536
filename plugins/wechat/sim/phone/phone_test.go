package phone_test

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/paybridge/paybridge/internal/nodetest"
	"github.com/paybridge/paybridge/plugins/wechat/sim/phone"
)

// TestTheRuntimeUnderNode holds the mini program's runtime against what real clients do, and the stand-in for the JS-SDK
// against the real one.
func TestTheRuntimeUnderNode(t *testing.T) {
	t.Parallel()
	nodetest.Run(t, nil, "test/core.test.js", "test/jweixin.test.js")
}

var program = fstest.MapFS{
	"app.json":              {Data: []byte(`{"pages":["a"]}`)},
	"a.js":                  {Data: []byte("Page({})")},
	"logo.png":              {Data: []byte{0x89, 0xff}},
	"node_modules/x/big.js": {Data: []byte("no")},
	".git/config.json":      {Data: []byte("no")},
}

// ask makes a call as the phone's own page does, unless a header says otherwise.
func ask(t *testing.T, method, address, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func TestTheFolderOfAMiniProgram(t *testing.T) {
	t.Parallel()
	p := play(t, program)
	_, text := ask(t, http.MethodGet, p.phoneURL+"/miniprogram/"+programAppID, "", nil)
	var files map[string]string
	if err := json.Unmarshal([]byte(text), &files); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, []string{"a.js", "app.json"}) {
		t.Errorf("files are %v", got)
	}
	if answer, _ := ask(t, http.MethodGet, p.phoneURL+"/miniprogram/wx0", "", nil); answer.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown app id: %d", answer.StatusCode)
	}
	for name, row := range map[string]struct {
		dir  fs.FS
		want string
	}{
		"no app.json": {fstest.MapFS{"a.js": {Data: []byte("x")}}, "no app.json"},
		"not UTF-8":   {fstest.MapFS{"app.json": {Data: []byte("{}")}, "a.js": {Data: []byte{0xff}}}, "a.js is not UTF-8"},
		"too large":   {fstest.MapFS{"app.json": {Data: []byte("{}")}, "a.js": {Data: bytes.Repeat([]byte("x"), 9<<20)}}, "larger than"},
	} {
		if _, err := phone.Files(row.dir); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCallsAnswerTheirOwnPageAlone(t *testing.T) {
	t.Parallel()
	p := play(t, program)
	login := `{"app_id":"` + programAppID + `","person":"alice"}`
	for name, row := range map[string]struct {
		path, body string
		header     http.Header
		status     int
		want       string
	}{
		"a login":              {"login", login, nil, 200, `"code":"`},
		"a site in a frame":    {"login", login, http.Header{"Origin": {p.site.MiniProgramURL}, "Sec-Fetch-Site": {"same-site"}}, 403, "cross-origin"},
		"an old browser":       {"login", login, http.Header{"Origin": {"https://evil.example"}}, 403, "cross-origin"},
		"not JSON":             {"login", "x", nil, 400, "not the JSON"},
		"a request":            {"request", `{"url":"` + publicURL + `/checkout/orders","method":"GET"}`, nil, 200, `"statusCode":200`},
		"R44 another host":     {"request", `{"url":"http://127.0.0.1:1/","method":"GET"}`, nil, 409, "not in domain list"},
		"R44 the upstream":     {"request", `{"url":"` + p.shopURL + `/","method":"GET"}`, nil, 409, "not in domain list"},
		"R44 a user name":      {"request", `{"url":"https://pay.example.com@evil.example/","method":"GET"}`, nil, 409, "not in domain list"},
		"a forged hand-off":    {"cashier/open", `{"person":"alice","hand_off":{"appId":"x","package":"prepay_id=wx1"}}`, nil, 409, "支付验证签名失败"},
		"an act of no cashier": {"cashier/steal", `{}`, nil, 502, "cannot"},
		"R44 a redirect_uri off the list": {"authorize", `{"app_id":"` + accountAppID + `","person":"bob","scope":"snsapi_base","redirect_uri":"https://evil.example/"}`,
			nil, 409, "10003"},
		"an unknown scope": {"authorize", `{"app_id":"` + accountAppID + `","person":"bob","scope":"all","redirect_uri":"` + publicURL + `/"}`, nil, 409, "10005"},
		"an authorization": {"authorize", `{"app_id":"` + accountAppID + `","person":"bob","scope":"snsapi_base","state":"a/+b","redirect_uri":"` + publicURL + `/x?y=1"}`,
			nil, 200, `"location":"` + p.site.OfficialAccountURL + `/x?code=`},
	} {
		answer, text := ask(t, http.MethodPost, p.phoneURL+"/call/"+row.path, row.body, row.header)
		if answer.StatusCode != row.status || !strings.Contains(text, row.want) {
			t.Errorf("%s: %d %s, want %d with %q", name, answer.StatusCode, text, row.status, row.want)
		}
	}
}

func TestOtherNamesLeadToTheOneOfTheOptions(t *testing.T) {
	t.Parallel()
	p := play(t, program)
	answer, _ := ask(t, http.MethodGet, strings.Replace(p.phoneURL, "localhost", "127.0.0.1", 1)+"/", "", nil)
	if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusFound || to != p.phoneURL+"/" {
		t.Errorf("%d to %q, want %s/", answer.StatusCode, to, p.phoneURL)
	}
}

func TestWithoutANetworkNothingIsReached(t *testing.T) {
	t.Parallel()
	p := play(t, program)
	ask(t, http.MethodPost, p.phoneURL+"/call/network", `{"offline":true}`, nil)
	if answer, text := ask(t, http.MethodPost, p.phoneURL+"/call/request", `{"url":"`+publicURL+`/","method":"GET"}`, nil); answer.StatusCode != http.StatusConflict {
		t.Errorf("wx.request: %d %s", answer.StatusCode, text)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.site.BrowserURL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := http.DefaultClient.Do(r); err == nil {
		answer.Body.Close()
		t.Errorf("the site answers %d", answer.StatusCode)
	}
	ask(t, http.MethodPost, p.phoneURL+"/call/network", `{"offline":false}`, nil)
	if answer, _ := ask(t, http.MethodGet, p.site.BrowserURL+"/", "", nil); answer.StatusCode != http.StatusOK {
		t.Errorf("back on the network: %d", answer.StatusCode)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	whole := phone.Site{Origin: publicURL, Upstream: "http://localhost:1", OfficialAccountURL: "http://localhost:2",
		MiniProgramURL: "http://localhost:3", BrowserURL: "http://localhost:4"}
	lame := whole
	lame.Origin += "/path"
	for name, row := range map[string]struct {
		options phone.Options
		want    string
	}{
		"no WeChat":          {phone.Options{URL: "http://localhost:1"}, "WeChat is missing"},
		"no URL":             {phone.Options{WeChat: newShop(t)}, "URL"},
		"a slash at the end": {phone.Options{WeChat: newShop(t), URL: "http://localhost:1/"}, "without a slash"},
		"a site with a path": {phone.Options{WeChat: newShop(t), URL: "http://localhost:1", Sites: []phone.Site{lame}}, "Origin"},
	} {
		if _, err := phone.New(row.options); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
	p, err := phone.New(phone.Options{WeChat: newShop(t), URL: "http://localhost:1", Sites: []phone.Site{whole}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Proxy(whole, "telepathy"); err == nil {
		t.Error("a mode that is none has a proxy")
	}
}

func TestBothLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile("web/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var words map[string]map[string]string
	if err := json.Unmarshal([]byte(read("words.json")), &words); err != nil {
		t.Fatal(err)
	}
	english, chinese := words["en"], words["zh"]
	used := read("index.html") + read("page.js")
	placeholder := regexp.MustCompile(`\{\w+\}`)
	for key, text := range english {
		a, b := placeholder.FindAllString(text, -1), placeholder.FindAllString(chinese[key], -1)
		if slices.Sort(a); chinese[key] == "" || !slices.Equal(a, slices.Sorted(slices.Values(b))) {
			t.Errorf("%q is %q and %q", key, text, chinese[key])
		}
		if !strings.Contains(used, `"`+key+`"`) {
			t.Errorf("nothing shows %q", key)
		}
	}
	for _, m := range regexp.MustCompile(`data-(?:text|label)="(\w+)"|\btext\("(\w+)"`).FindAllStringSubmatch(used, -1) {
		if english[m[1]+m[2]] == "" {
			t.Errorf("there is no text %q", m[1]+m[2])
		}
	}
	if len(english) != len(chinese) {
		t.Errorf("%d texts in English, %d in Chinese", len(english), len(chinese))
	}
}

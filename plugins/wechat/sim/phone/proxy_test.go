package phone_test

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim/phone"
)

const self = "http://localhost:7002"

// through is what a browser gets of a site's answer.
func through(t *testing.T, site http.HandlerFunc, r *http.Request) *http.Response {
	t.Helper()
	upstream := httptest.NewServer(site)
	t.Cleanup(upstream.Close)
	s := phone.Site{Origin: publicURL, Upstream: upstream.URL, OfficialAccountURL: "http://localhost:7001", MiniProgramURL: self,
		BrowserURL: "http://localhost:7003"}
	other := phone.Site{Origin: "https://shop.example.com", Upstream: "http://127.0.0.1:7100", OfficialAccountURL: "http://localhost:7101",
		MiniProgramURL: "http://localhost:7102", BrowserURL: "http://localhost:7103"}
	p, err := phone.New(phone.Options{URL: "http://localhost:7000/phone", WeChat: newShop(t), Sites: []phone.Site{s, other},
		OpenWeixin: "http://127.0.0.1:9080"})
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := p.Proxy(s, phone.ModeMiniProgram)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	proxy.ServeHTTP(w, r)
	return w.Result()
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, self+path, nil) }

var nonce = regexp.MustCompile(`'nonce-[A-Z2-7]{26}'`)

func TestPoliciesLetThePhoneInAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ policy, want string }{
		"no scripts at all":   {"default-src 'none'; script-src 'none'", "default-src 'none'; script-src " + self + "/.wxphone/ NONCE"},
		"by default-src":      {"default-src 'self'", "default-src 'self'; script-src 'self' " + self + "/.wxphone/ NONCE"},
		"no word of scripts":  {"img-src *", "img-src *"},
		"framing and https":   {"frame-ancestors 'none'; upgrade-insecure-requests; block-all-mixed-content; base-uri 'none'", "base-uri 'none'"},
		"inline is allowed":   {"script-src 'self' 'unsafe-inline'", "script-src 'self' 'unsafe-inline' " + self + "/.wxphone/"},
		"a nonce of its own":  {"script-src 'nonce-abc' 'strict-dynamic'", "script-src 'nonce-abc' 'strict-dynamic' " + self + "/.wxphone/ NONCE"},
		"elements apart":      {"script-src 'none'; script-src-elem 'self'", "script-src " + self + "/.wxphone/ NONCE; script-src-elem 'self' " + self + "/.wxphone/ NONCE"},
		"the first counts":    {"Script-Src 'self'; script-src *", "script-src 'self' " + self + "/.wxphone/ NONCE"},
		"words of no meaning": {";; ;", ""},
	} {
		answer := through(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Security-Policy", row.policy)
			w.Header().Set("X-Frame-Options", "DENY")
			w.Header().Set("Strict-Transport-Security", "max-age=1")
		}, get("/"))
		if got := nonce.ReplaceAllString(answer.Header.Get("Content-Security-Policy"), "NONCE"); got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, row.want)
		}
		for _, header := range []string{"X-Frame-Options", "Strict-Transport-Security"} {
			if answer.Header.Get(header) != "" {
				t.Errorf("%s: %s is still there", name, header)
			}
		}
	}
}

func TestTheBridgeIsAPagesFirstScript(t *testing.T) {
	t.Parallel()
	const bridge = `<script src="/.wxphone/bridge.js" data-phone="http://localhost:7000" data-sites="SITES" data-open-weixin="http://127.0.0.1:9080" nonce=""></script>`
	sites := regexp.MustCompile(`data-sites="([^"]*)"`)
	for name, row := range map[string]struct{ mediaType, body, want string }{
		"a head":                 {"text/html; charset=utf-8", `<!doctype html><html><head lang="x"><script src="a.js"></script>`, `<!doctype html><html><head lang="x">` + bridge + `<script src="a.js"></script>`},
		"no head":                {"text/html", "<!DOCTYPE html>\n<p>x", "<!DOCTYPE html>\n" + bridge + "<p>x"},
		"a header":               {"text/html", "<header>x</header>", bridge + "<header>x</header>"},
		"nothing":                {"text/html", "", bridge},
		"SRI":                    {"text/html", `<script src="a.js" integrity="sha384-x" async></script>`, bridge + `<script src="a.js" async></script>`},
		"its own policy":         {"text/html", `<meta http-equiv="Content-Security-Policy" content="script-src 'none'"><p>`, bridge + "<p>"},
		"the JS-SDK":             {"text/html", `<script src="//res.wx.qq.com/open/js/jweixin-1.6.0.js">`, bridge + `<script src="` + self + `/.wxphone/jweixin.js">`},
		"the JS-SDK in a script": {"text/javascript", `s.src="https://res2.wx.qq.com/open/js/jweixin-1.3.2.js"`, `s.src="` + self + `/.wxphone/jweixin.js"`},
		"JSON is not a page":     {"application/json", `"<head>"`, `"<head>"`},
	} {
		answer := through(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", row.mediaType)
			w.Header().Set("ETag", `"1"`)
			_, _ = w.Write([]byte(row.body))
		}, get("/"))
		body := new(strings.Builder)
		if _, err := io.Copy(body, answer.Body); err != nil {
			t.Fatal(err)
		}
		got := body.String()
		if where := sites.FindStringSubmatch(got); where != nil {
			got = strings.Replace(got, where[1], "SITES", 1)
			at := map[string]string{}
			if err := json.Unmarshal([]byte(html.UnescapeString(where[1])), &at); err != nil {
				t.Fatal(err)
			}
			if len(at) != 4 || at[publicURL] != self || at["https://shop.example.com"] != "http://localhost:7102" {
				t.Errorf("%s: the sites are at %v", name, at)
			}
		}
		if got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, row.want)
		}
	}
}

func TestALargePageIsPassedOnAsItIs(t *testing.T) {
	t.Parallel()
	large := "<head>" + strings.Repeat("x", 9<<20)
	answer := through(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(large))
	}, get("/"))
	body := new(strings.Builder)
	if _, err := io.Copy(body, answer.Body); err != nil || body.String() != large {
		t.Errorf("%d bytes of %d, %v", body.Len(), len(large), err)
	}
}

func TestRedirectsStayInThePhone(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		publicURL + "/x?y=1#z":                  self + "/x?y=1#z",
		publicURL:                               self,
		"https://pay.example.com.evil.example/": "https://pay.example.com.evil.example/",
		"/x":                                    "/x",
		"https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx1&state=a#wechat_redirect": "http://localhost:7000/phone/connect/oauth2/authorize?appid=wx1&state=a#wechat_redirect",
		"http://127.0.0.1:9080/connect/oauth2/authorize?appid=wx1":                              "http://localhost:7000/phone/connect/oauth2/authorize?appid=wx1",
		"https://shop.example.com/visits/1":                                                     "http://localhost:7102/visits/1",
		"http://127.0.0.1:7100/visits/1":                                                        "http://localhost:7102/visits/1",
		"http://127.0.0.1:71000/visits/1":                                                       "http://127.0.0.1:71000/visits/1",
		"https://open.weixin.qq.com.evil.example/":                                              "https://open.weixin.qq.com.evil.example/",
	} {
		answer := through(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}, get("/"))
		if got := answer.Header.Get("Location"); got != want {
			t.Errorf("%s leads to %s, want %s", to, got, want)
		}
	}
}

func TestCookiesWorkOnLocalhost(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"a=1; Path=/; Domain=pay.example.com; Secure; HttpOnly; SameSite=Lax": "a=1; Path=/; HttpOnly; SameSite=Lax",
		"a=1; SameSite=None; Secure":                                          "a=1; SameSite=Lax",
		"__Host-a=1; Path=/; Secure":                                          "__Host-a=1; Path=/; Secure",
		"__Secure-a=1; Secure; Domain=x; Path=/":                              "__Secure-a=1; Secure; Path=/",
	} {
		answer := through(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Set-Cookie", line)
			w.Header().Add("Set-Cookie", "b=2")
		}, get("/"))
		if got := answer.Header.Values("Set-Cookie"); !slices.Equal(got, []string{want, "b=2"}) {
			t.Errorf("%s becomes %q", line, got)
		}
	}
}

// A browser gives the cookies of localhost to all of its ports: whoever holds the phone next must not be taken for the last one.
func TestAProxyMakesTheBrowserForget(t *testing.T) {
	t.Parallel()
	answer := through(t, func(http.ResponseWriter, *http.Request) { t.Error("the site was asked") }, get("/.wxphone/forget"))
	if got := answer.Header.Get("Clear-Site-Data"); got != `"cookies", "storage"` || answer.StatusCode != http.StatusNoContent {
		t.Errorf("%d, Clear-Site-Data %s", answer.StatusCode, got)
	}
}

func TestTheSiteSeesItself(t *testing.T) {
	t.Parallel()
	for origin, keeps := range map[string]bool{self: false, "http://localhost:70021": true, "https://evil.example": true} {
		r := get("/x?y=1")
		r.Header.Set("Origin", origin)
		r.Header.Set("Referer", origin+"/page")
		r.Header.Set("Accept-Encoding", "br")
		through(t, func(_ http.ResponseWriter, r *http.Request) {
			want := "http://" + r.Host
			if keeps {
				want = origin
			}
			if r.Header.Get("Origin") != want || r.Header.Get("Referer") != want+"/page" {
				t.Errorf("posted from %s: Origin %q, Referer %q, want %s", origin, r.Header.Get("Origin"), r.Header.Get("Referer"), want)
			}
			if r.Header.Get("X-Forwarded-Host") != "localhost:7002" || r.URL.RequestURI() != "/x?y=1" || r.Header.Get("Accept-Encoding") == "br" {
				t.Errorf("the site got %s of %v", r.URL, r.Header)
			}
		}, r)
	}
}

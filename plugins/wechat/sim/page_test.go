package sim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

func servedPage(t *testing.T, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	pageRoutes(mux)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept-Language", accept)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

// TestPageLanguage: the browser's first language that the page speaks, unless the switch says otherwise.
func TestPageLanguage(t *testing.T) {
	t.Parallel()
	for _, r := range []struct{ path, accept, lang, title string }{
		{"/", "", "en", "Simulated WeChat Pay"},
		{"/", "zh-CN,zh;q=0.9,en;q=0.8", "zh-CN", "微信支付模拟器"},
		{"/", "de-DE,de;q=0.9,zh-TW;q=0.5,en;q=0.4", "zh-CN", "微信支付模拟器"},
		{"/", "en-GB,zh;q=0.5", "en", "Simulated WeChat Pay"},
		{"/", "fr", "en", "Simulated WeChat Pay"},
		{"/?lang=en", "zh-CN", "en", "Simulated WeChat Pay"},
		{"/?lang=zh", "en", "zh-CN", "微信支付模拟器"},
		{"/?lang=%22%3E%3Cscript%3E", "en", "en", "Simulated WeChat Pay"},
	} {
		w := servedPage(t, r.path, r.accept)
		body := w.Body.String()
		if w.Code != http.StatusOK || w.Header().Get("Content-Language") != r.lang || !strings.Contains(body, `<html lang="`+r.lang+`">`) ||
			!strings.Contains(body, "<title>"+r.title+"</title>") {
			t.Errorf("%s with %q: %d %s", r.path, r.accept, w.Code, w.Header().Get("Content-Language"))
		}
	}
}

// TestPagePolicy: everything that is served forbids what is not the listener's own, and needs none of it.
func TestPagePolicy(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/page/page.js", "/page/page.css"} {
		w := servedPage(t, path, "en")
		if w.Code != http.StatusOK || w.Header().Get("Content-Security-Policy") != pagePolicy || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		for _, forbidden := range []string{"http://", "https://", "innerHTML", "eval(", " style=", " onclick=\"", "<style"} {
			if strings.Contains(w.Body.String(), forbidden) {
				t.Errorf("%s contains %s", path, forbidden)
			}
		}
	}
	for _, script := range regexp.MustCompile(`<script[^>]*>`).FindAllString(servedPage(t, "/", "en").Body.String(), -1) {
		if !strings.Contains(script, `src="/page/page.js"`) && !strings.Contains(script, `type="application/json"`) {
			t.Errorf("%s would be executed in line", script)
		}
	}
	for _, path := range []string{"/page/", "/page/index.html", "/nothing"} {
		if w := servedPage(t, path, "en"); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestPageWords: both languages have every text that the page uses, and no other.
func TestPageWords(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for name, form := range map[string]string{"index.html": `\.W\.([a-zA-Z_]+)`, "page.js": `words\.([a-zA-Z_]+)`} {
		text, err := os.ReadFile("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(form).FindAllStringSubmatch(string(text), -1) {
			used[m[1]] = true
		}
	}
	for _, k := range []FaultKind{ErrorExecuted, ClosedPaid, CallbackLost, BillMissing} {
		used["group_"+k.group()] = true
	}
	for _, mode := range []KeyMode{PublicKey, Switching, PlatformCertificate} {
		used["keys_"+string(mode)] = true
	}
	for _, o := range []Outcome{UnderWay, Answered, ExecutedNotAnswered, NotExecuted} {
		used["outcome_"+string(o)] = true
	}
	for lang, words := range pageWords {
		for key := range used {
			if words[key] == "" {
				t.Errorf("%s has no text %s", lang, key)
			}
		}
		for key := range words {
			if !used[key] {
				t.Errorf("%s has a text %s that the page does not use", lang, key)
			}
		}
	}
	for kind := range faultText {
		if faultTextZH[kind] == "" {
			t.Errorf("fault %s has no Chinese text", kind)
		}
		if !strings.Contains(servedPage(t, "/", "en").Body.String(), string(kind)) {
			t.Errorf("fault %s is not on the page", kind)
		}
	}
	if len(faultTextZH) != len(faultText) {
		t.Errorf("%d Chinese texts for %d faults", len(faultTextZH), len(faultText))
	}
}

// TestOverview: the newest first, as many as a page holds, counted whole, and no secret among it.
func TestOverview(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.mu.Lock()
	for range overviewMost + 10 {
		s.world.keepTrade(&Trade{OutTradeNo: "OVER" + draw(8, digits)})
	}
	last := s.world.order[len(s.world.order)-1].OutTradeNo
	s.mu.Unlock()
	server := httptest.NewServer(s.Control(ControlOptions{}))
	t.Cleanup(server.Close)
	resp, err := http.Get(server.URL + "/control/v1/overview")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var o overview
	if err := json.NewDecoder(resp.Body).Decode(&o); err != nil {
		t.Fatal(err)
	}
	if len(o.Trades) != overviewMost || o.Trades[0].OutTradeNo != last || o.Counts["trades"] != overviewMost+10 {
		t.Errorf("%d trades of %d, the first %s, want %s", len(o.Trades), o.Counts["trades"], o.Trades[0].OutTradeNo, last)
	}
	if len(o.Merchants) != len(DefaultSeed().Merchants) || len(o.Certificates) != 1 || !o.Certificates[0].Signs || o.BaseURL != s.BaseURL() {
		t.Errorf("%d merchants, %d certificates, base %s", len(o.Merchants), len(o.Certificates), o.BaseURL)
	}
}

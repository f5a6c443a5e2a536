package firstpage

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
)

var dev = Options{
	ControlURL: "http://127.0.0.1:9081", APIKey: "paybridge-dev-key", Entry: "official-account",
	PhoneURL: "http://localhost:9081/phone/", AdminURL: "http://127.0.0.1:8081", Version: "1.2.3",
}

func get(t *testing.T, o Options, path string) (*http.Response, string) {
	t.Helper()
	router := mux.NewRouter()
	Mount(o)(router)
	w := httptest.NewRecorder()
	router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestEveryAnswerHasTheStrictHeaders(t *testing.T) {
	t.Parallel()
	for path, mediaType := range map[string]string{
		"/":                        "text/html; charset=utf-8",
		"/firstpage/page.js":       "text/javascript; charset=utf-8",
		"/firstpage/routes.js":     "text/javascript; charset=utf-8",
		"/firstpage/page.css":      "text/css; charset=utf-8",
		"/firstpage/words.json":    "application/json",
		"/firstpage/settings.json": "application/json",
	} {
		answer, body := get(t, dev, path)
		if answer.StatusCode != http.StatusOK || body == "" {
			t.Errorf("%s: status %d with %d bytes", path, answer.StatusCode, len(body))
		}
		for header, want := range map[string]string{
			"Content-Type": mediaType,
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' http://127.0.0.1:9081; " +
				"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options": "nosniff",
			"Referrer-Policy":        "no-referrer",
			"Cache-Control":          "no-store",
		} {
			if got := answer.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", path, header, got, want)
			}
		}
	}
}

func TestAControlURLCannotWidenThePolicy(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://127.0.0.1:9081/control/v1/": "http://127.0.0.1:9081",
		"":                                  "'self'",
		"127.0.0.1:9081":                    "'self'",
		"*":                                 "'self'",
		"http://a; script-src *":            "'self'",
	} {
		if got := origin(address); got != want {
			t.Errorf("origin of %q is %q, want %q", address, got, want)
		}
	}
}

func TestSettingsAreTheOptionsAndThePayer(t *testing.T) {
	t.Parallel()
	_, body := get(t, dev, "/firstpage/settings.json")
	var got map[string]string
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"control_url": dev.ControlURL, "api_key": dev.APIKey, "entry": dev.Entry, "admin_url": dev.AdminURL,
		"phone_url": dev.PhoneURL, "version": dev.Version, "openid": "oA1-alice-000000000000000001",
	}
	if !maps.Equal(got, want) {
		t.Errorf("settings are %v, want %v", got, want)
	}
}

func texts(t *testing.T) map[string]map[string]string {
	t.Helper()
	var byLanguage map[string]map[string]string
	if err := json.Unmarshal(words, &byLanguage); err != nil {
		t.Fatal(err)
	}
	return byLanguage
}

func TestBothLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	languages := texts(t)
	placeholder := regexp.MustCompile(`\{\w+\}`)
	if got := slices.Sorted(maps.Keys(languages)); !slices.Equal(got, []string{"en", "zh"}) {
		t.Fatalf("languages are %v", got)
	}
	for _, pair := range [][2]string{{"en", "zh"}, {"zh", "en"}} {
		for key, text := range languages[pair[0]] {
			other, ok := languages[pair[1]][key]
			if !ok || other == "" {
				t.Errorf("%s has no text for %q", pair[1], key)
				continue
			}
			a, b := placeholder.FindAllString(text, -1), placeholder.FindAllString(other, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%q fills %v in %s and %v in %s", key, a, pair[0], b, pair[1])
			}
		}
	}
}

var scripts = string(script) + string(routes)

// Keys that the script builds from a state, a kind, an origin or a fault.
var built = regexp.MustCompile(`^(state|kind|origin|fault|payer_said)_`)

func TestTextsAndPageKnowEachOther(t *testing.T) {
	t.Parallel()
	english := texts(t)["en"]
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`data-(?:text|label)="(\w+)"|\b(?:text|named)\((?:make\([^)]*\), )?"(\w+)"`).
		FindAllStringSubmatch(string(index)+scripts, -1) {
		named[m[1]+m[2]] = true
	}
	for key := range named {
		if _, ok := english[key]; !ok && !built.MatchString(key) {
			t.Errorf("the page names the text %q, which is not there", key)
		}
	}
	for key := range english {
		if !named[key] && !built.MatchString(key) && !strings.Contains(scripts, key) {
			t.Errorf("nothing shows the text %q", key)
		}
	}
}

// A policy without unsafe-inline ignores these in silence.
func TestThePageHasNoInlineScriptOrStyle(t *testing.T) {
	t.Parallel()
	for _, inline := range []string{" style=", "<style", " onclick=", " onsubmit=", "javascript:"} {
		if strings.Contains(string(index), inline) {
			t.Errorf("index.html has %q", inline)
		}
	}
	if strings.Contains(scripts, "innerHTML") {
		t.Error("a script writes HTML; what comes from the API is text")
	}
}

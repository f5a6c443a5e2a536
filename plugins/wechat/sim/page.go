package sim

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"
)

//go:embed page
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "page/index.html"))

// pagePolicy lets the page load its own script and style and call its own listener, and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'"

// pageRoutes adds the page at / and what it loads.
func pageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", servePage)
	static, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // it is embedded
	}
	files := http.StripPrefix("/page/", http.FileServerFS(static))
	for _, name := range []string{"page.js", "page.css"} {
		mux.HandleFunc("GET /page/"+name, func(w http.ResponseWriter, r *http.Request) {
			pageHeaders(w.Header())
			files.ServeHTTP(w, r)
		})
	}
}

func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store") // the next start may be another version
}

// shownKind is a fault with what it does, in the page's language.
type shownKind struct {
	Kind FaultKind `json:"kind"`
	Text string    `json:"text"`
}

// servePage writes the page in the language that ?lang= asks for, else in the browser's.
func servePage(w http.ResponseWriter, r *http.Request) {
	lang := r.URL.Query().Get("lang")
	if pageWords[lang] == nil {
		lang = preferred(r.Header.Get("Accept-Language"))
	}
	kinds := map[string][]shownKind{}
	for kind, english := range faultText {
		text := english
		if lang == "zh" {
			text = faultTextZH[kind]
		}
		kinds[kind.group()] = append(kinds[kind.group()], shownKind{kind, text})
	}
	for _, group := range kinds {
		slices.SortFunc(group, func(a, b shownKind) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	}
	tag := map[string]string{"en": "en", "zh": "zh-CN"}[lang]
	var page bytes.Buffer
	err := pageTemplate.Execute(&page, map[string]any{"Lang": tag, "W": pageWords[lang], "Words": pageWords[lang], "Kinds": kinds})
	if err != nil {
		panic(fmt.Sprintf("write the page: %v", err)) // the template and its words are fixed
	}
	h := w.Header()
	pageHeaders(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", tag)
	h.Set("Vary", "Accept-Language")
	_, _ = w.Write(page.Bytes())
}

// preferred is the first language of an Accept-Language header that the page speaks. Browsers send them in the
// order of their weights, so the weights need no reading.
func preferred(accept string) string {
	for tag := range strings.SplitSeq(accept, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(tag), ";")
		primary, _, _ := strings.Cut(strings.ToLower(name), "-")
		if pageWords[primary] != nil {
			return primary
		}
	}
	return "en"
}

// group is the page's heading that a fault is listed under.
func (k FaultKind) group() string {
	switch {
	case strings.HasPrefix(string(k), "callback_"):
		return "callbacks"
	case strings.HasPrefix(string(k), "bill_"):
		return "bills"
	case k == ClosedPaid || k == RefundGoesBad || k == RefundGoesShut:
		return "money"
	}
	return "requests"
}

// overviewMost is how many of each the page shows, the newest first.
const overviewMost = 50

// overview is what the page draws: the newest of everything, without what is long or secret.
type overview struct {
	BaseURL      string              `json:"base_url"`
	Clock        shownClock          `json:"clock"`
	Counts       map[string]int      `json:"counts"`
	Trades       []Trade             `json:"trades"`
	Refunds      []Refund            `json:"refunds"`
	Callbacks    []shownCallback     `json:"callbacks"`
	Requests     []Request           `json:"requests"`
	Faults       []Fault             `json:"faults"`
	Fired        map[FaultKind]int   `json:"faults_fired"`
	Merchants    []shownMerchant     `json:"merchants"`
	Certificates []ListedCertificate `json:"platform_certificates"`
}

// shownCallback is a callback without its bodies.
type shownCallback struct {
	EventType   string    `json:"event_type"`
	OutTradeNo  string    `json:"out_trade_no,omitempty"`
	OutRefundNo string    `json:"out_refund_no,omitempty"`
	URL         string    `json:"url"`
	Attempts    []Attempt `json:"attempts"`
	NextAt      time.Time `json:"next_at,omitzero"`
	Delivered   bool      `json:"delivered"`
}

func (s *Simulator) controlOverview(*http.Request) (any, error) {
	o := overview{
		BaseURL: s.BaseURL(), Clock: s.controlClock(), Merchants: s.shownMerchants(), Certificates: s.PlatformCertificates(),
	}
	o.Faults, o.Fired = s.Faults()
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.world
	o.Counts = map[string]int{
		"trades": len(w.order), "refunds": len(w.refunded), "callbacks": len(w.callbacks),
		"requests": w.requests.first + len(w.requests.entries),
	}
	for t := range newest(w.order) {
		o.Trades = append(o.Trades, t.copy())
	}
	for r := range newest(w.refunded) {
		o.Refunds = append(o.Refunds, *r)
	}
	for c := range newest(w.callbacks) {
		o.Callbacks = append(o.Callbacks, shownCallback{
			c.EventType, c.OutTradeNo, c.OutRefundNo, c.URL, slices.Clone(c.Attempts), c.NextAt, c.Delivered,
		})
	}
	for r := range newest(w.requests.entries) {
		o.Requests = append(o.Requests, *r)
	}
	return o, nil
}

// newest goes through the last of all backwards, overviewMost at most.
func newest[T any](all []T) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		for i := len(all) - 1; i >= max(0, len(all)-overviewMost); i-- {
			if !yield(all[i]) {
				return
			}
		}
	}
}

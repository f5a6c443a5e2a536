// Package firstpage is what `paybridge dev` shows at /: a page on which a visitor creates an order, pays it as the
// payer, refunds it, and watches every state. It talks to the API as any app does, and to the simulated WeChat's
// control API where it plays the payer. It is no part of a production gateway.
package firstpage

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/gorilla/mux"
)

// Options is what the page has to know. All of it is readable by whoever opens the page: no secret belongs here.
type Options struct {
	ControlURL string `json:"control_url"` // the simulator's control API, without a path: http://127.0.0.1:9081
	PhoneURL   string `json:"phone_url"`   // the simulated phone; empty: the page does not mention it
	APIKey     string `json:"api_key"`     // the key of configs/dev.yaml, which is published
	Entry      string `json:"entry"`       // through which the page pays
	AdminURL   string `json:"admin_url"`   // the operator's listener; empty: the page does not mention it
	Version    string `json:"version"`
}

// settings is the answer of /firstpage/settings.json.
type settings struct {
	Options
	OpenID string `json:"openid"`
}

// payer is alice of the simulator's built-in seed, as the app id of the dev entry knows her.
const payer = "oA1-alice-000000000000000001"

var (
	//go:embed index.html
	index []byte
	//go:embed page.js
	script []byte
	//go:embed routes.js
	routes []byte
	//go:embed page.css
	style []byte
	//go:embed words.json
	words []byte // every text of the page, by language and key
)

// Mount adds the page at / and what it loads below /firstpage/.
func Mount(o Options) func(*mux.Router) {
	p := page{policy: "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' " + origin(o.ControlURL) +
		"; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
	return func(r *mux.Router) {
		r.Handle("/", p.file("text/html; charset=utf-8", index)).Methods(http.MethodGet, http.MethodHead)
		for name, f := range map[string]http.Handler{
			"page.js":       p.file("text/javascript; charset=utf-8", script),
			"routes.js":     p.file("text/javascript; charset=utf-8", routes),
			"page.css":      p.file("text/css; charset=utf-8", style),
			"words.json":    p.file("application/json", words),
			"settings.json": p.settings(o),
		} {
			r.Handle("/firstpage/"+name, f).Methods(http.MethodGet, http.MethodHead)
		}
	}
}

// origin is what a Content-Security-Policy can name of a URL. A URL that has none stands for 'self', which allows
// nothing more.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "'self'"
	}
	return u.Scheme + "://" + u.Host
}

type page struct{ policy string }

func (p page) settings(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := json.Marshal(settings{o, payer})
		if err != nil {
			http.Error(w, "write the settings: "+err.Error(), http.StatusInternalServerError)
			return
		}
		p.file("application/json", text).ServeHTTP(w, r)
	})
}

func (p page) file(mediaType string, content []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", mediaType)
		h.Set("Content-Security-Policy", p.policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store") // another build may listen here a minute later
		_, _ = w.Write(content)            // the visitor may have gone
	})
}

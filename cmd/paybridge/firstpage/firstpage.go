// Package firstpage is what `paybridge dev` shows at /.
package firstpage

import (
	"fmt"
	"html"
	"net/http"

	"github.com/gorilla/mux"
)

// Options is what the page has to know.
type Options struct {
	ControlURL string // the simulator's control API
	APIKey     string // of configs/dev.yaml, which is published
	Entry      string
	AdminURL   string
	Version    string
}

// Mount adds the page.
func Mount(o Options) func(*mux.Router) {
	page := fmt.Sprintf(`<!doctype html><html lang="en"><meta charset="utf-8"><title>PayBridge</title>
<h1>PayBridge %s</h1><p>The gateway runs, with a simulated WeChat. The README's walk shows an order, its payment and its refund.</p>
<dl><dt>API<dd>/v1, key %s, entry %s<dt>Simulated WeChat<dd>%s/control/v1/</dl>`,
		html.EscapeString(o.Version), html.EscapeString(o.APIKey), html.EscapeString(o.Entry), html.EscapeString(o.ControlURL))
	return func(r *mux.Router) {
		r.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'")
			_, _ = w.Write([]byte(page)) // the visitor may have gone
		}).Methods(http.MethodGet, http.MethodHead)
	}
}

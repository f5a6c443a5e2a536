// Package checkout is the gateway's own pages for payers: an app sends a payer to an order's checkout link, and the pages find
// out where they are opened, let the payer sign in and pay there, and show what the provider says became of it. They are
// written on the server, are readable without scripts, and ask other hosts for nothing but, in a web-view, WeChat's JS-SDK.
package checkout

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/gateway"
)

// Options is what the pages are made of.
type Options struct {
	Gateway *gateway.Gateway
	Log     *slog.Logger
	// SessionCookie names the cookie of a payer's session with an app.
	SessionCookie func(app string) string
	Secure        bool // cookies for https alone, as production needs
	// Client is the address that a request came from; Note gives its log line the app, and the code of what went wrong.
	Client func(*http.Request) string
	Note   func(r *http.Request, app, code string)
	PayApp string // scheme and host of WeChat's page that shows the receipt in a frame
}

// site serves the pages.
type site struct {
	Options
	foreign *http.CrossOriginProtection
}

const (
	// pageTime is how long a page may take. It is shown without what the provider has not answered by askTime.
	pageTime = 20 * time.Second
	askTime  = 4 * time.Second
)

// Mount adds the payers' pages: /c/{token}, /checkout/… and the files by which WeChat believes that a domain is ours.
func Mount(r *mux.Router, o Options) {
	s := &site{o, http.NewCrossOriginProtection()}
	get := func(path string, h http.HandlerFunc) { r.HandleFunc(path, h).Methods(http.MethodGet, http.MethodHead) }
	get("/c/{token}", s.link)
	get("/checkout/orders", s.orders)
	get("/checkout/orders/{number:[0-9]{32}}", s.order)
	get("/checkout/orders/{number:[0-9]{32}}/result", s.result)
	get("/checkout/orders/{number:[0-9]{32}}/state", s.state)
	r.HandleFunc("/checkout/orders/{number:[0-9]{32}}/pay", s.pay).Methods(http.MethodPost)
	get(receiptPath, s.receipt)
	get(receiptPath+"/state", s.receiptState)
	get(assets+"{version}/{name}", s.asset)
	get("/checkout{rest:(?:/.*)?}", func(w http.ResponseWriter, r *http.Request) {
		s.problem(w, r, "", http.StatusNotFound, "page_not_found", "")
	})
	get("/{name:[0-9A-Za-z_-]{1,64}\\.txt}", s.verification)
}

// verification answers a file that WeChat looks for at the root of the domain.
func (s *site) verification(w http.ResponseWriter, r *http.Request) {
	content, ok := s.Gateway.VerificationFile(mux.Vars(r)["name"])
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		content = "There is no such file. The entry's verification_files name those that there are.\n"
	}
	_, _ = w.Write([]byte(content)) // whoever asked may have gone
}

// Package firstpage is what `paybridge dev` shows at /.
package firstpage

import "github.com/gorilla/mux"

// Options is what the page has to know.
type Options struct {
	ControlURL string // the simulator's control API
	APIKey     string
	Entry      string
	AdminURL   string
	Version    string
}

// Mount adds the page.
func Mount(Options) func(*mux.Router) { return func(*mux.Router) {} }

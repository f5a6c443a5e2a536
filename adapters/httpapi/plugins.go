package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/ports"
)

// Plugins is what the operator sees of the plugins, and can do with them.
type Plugins interface {
	// List tells how each is doing.
	List() []Plugin
	// Restart ends a plugin's quarantine; released is false when it was in none. An error wraps ports.ErrUnavailable: there
	// is no such plugin.
	Restart(provider string) (released bool, err error)
}

// Plugin is how one is doing. The JSON is the operator's and the commands'.
type Plugin struct {
	Provider    string            `json:"provider"`
	Version     string            `json:"version"`
	PID         int               `json:"pid,omitempty"`
	State       PluginState       `json:"state"`
	Problem     string            `json:"problem,omitempty"`
	Quarantined *time.Time        `json:"quarantined_at,omitempty"`
	Restarts    int               `json:"restarts"`
	InFlight    int               `json:"in_flight"`
	Accounts    map[string]string `json:"accounts"` // to what keeps it out of use; empty: it is in use
}

// PluginState is whether a plugin serves.
type PluginState string

// The states of a plugin.
const (
	PluginServing     PluginState = "serving"
	PluginUnhealthy   PluginState = "unhealthy" // it runs, and does not say that it is well
	PluginDown        PluginState = "down"      // and is started again
	PluginQuarantined PluginState = "quarantined"
)

func (s *service) adminOfPlugins(root *mux.Router, plugins Plugins) {
	root.Handle("/admin/v1/plugins", private(s.answering(func(*http.Request) (any, error) {
		return struct {
			Plugins []Plugin `json:"plugins"`
		}{append([]Plugin{}, plugins.List()...)}, nil
	}))).Methods(http.MethodGet)
	root.Handle("/admin/v1/plugins/{provider}/restart", private(s.answering(func(r *http.Request) (any, error) {
		released, err := plugins.Restart(mux.Vars(r)["provider"])
		if errors.Is(err, ports.ErrUnavailable) {
			return nil, &fault{"not_found", "No plugin of that name runs here."}
		}
		return struct {
			Released bool `json:"released"`
		}{released}, err
	}))).Methods(http.MethodPost)
}

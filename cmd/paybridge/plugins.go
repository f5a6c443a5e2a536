package main

import (
	"github.com/paybridge/paybridge/adapters/httpapi"
	"github.com/paybridge/paybridge/adapters/pluginhost"
)

// operated shows a host's plugins to the operator: adapters do not know each other.
type operated struct{ host *pluginhost.Host }

func (o operated) Restart(provider string) (released bool, err error) {
	return o.host.Restart(provider)
}

func (o operated) List() (all []httpapi.Plugin) {
	for _, p := range o.host.Status() {
		row := httpapi.Plugin{
			Provider: p.Provider, Version: p.Version, PID: p.PID, Problem: p.Problem, State: stateOf(p),
			Restarts: p.Restarts, InFlight: p.InFlight, Accounts: p.Accounts,
		}
		if !p.Quarantined.IsZero() {
			row.Quarantined = &p.Quarantined
		}
		all = append(all, row)
	}
	return all
}

func stateOf(p pluginhost.Status) httpapi.PluginState {
	switch {
	case !p.Quarantined.IsZero():
		return httpapi.PluginQuarantined
	case p.PID == 0:
		return httpapi.PluginDown
	case p.Problem != "":
		return httpapi.PluginUnhealthy
	}
	return httpapi.PluginServing
}

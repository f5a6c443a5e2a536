package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/paybridge/paybridge/adapters/config"
)

// channel is a simulated provider that is not WeChat: the program that a plugin's folder has in provider/, and that the
// build puts into bin/providers under the plugin's name.
type channel struct {
	*companion
	provider string
	BaseURL  string `json:"base_url"`
}

// startChannels starts the simulated provider of each provider that the configuration has accounts of, as far as the
// build has one, each with a folder of its own name for its keys. The configuration then says where they are.
func startChannels(ctx context.Context, o playgroundOptions, cfg *config.Config) (all []*channel, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, stopChannels(all))
		}
	}()
	for _, account := range cfg.Accounts {
		if cfg.Provider(account.Provider).BaseURL != "" { // it is elsewhere, or there already
			continue
		}
		path := filepath.Join("providers", account.Provider)
		program, err := besideThis(path)
		if err != nil {
			return all, err
		}
		if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
			continue
		}
		c := &channel{provider: account.Provider}
		c.companion, err = startCompanion(ctx, companionOptions{
			name: "the simulated provider " + account.Provider, path: path, stderr: o.logTo, ready: c,
			arguments: []string{"--listen", "127.0.0.1:0", "--keys", filepath.Join(o.dir, account.Provider), "--ready-json", "--stdin-lifeline"},
		})
		if err != nil {
			return all, err
		}
		all = append(all, c)
		if c.BaseURL == "" {
			return all, fmt.Errorf("the simulated provider %s does not say where it is", account.Provider)
		}
		if cfg.Providers == nil {
			cfg.Providers = map[string]config.Provider{}
		}
		set := cfg.Providers[account.Provider]
		set.BaseURL = c.BaseURL
		cfg.Providers[account.Provider] = set
	}
	return all, nil
}

func stopChannels(all []*channel) (err error) {
	for _, c := range all {
		err = errors.Join(err, c.stop())
	}
	return err
}

// otherEntries are the entries that have a simulated provider which is not WeChat.
func (p *playground) otherEntries() (names []string) {
	for _, e := range p.config.Entries {
		if slices.ContainsFunc(p.channels, func(c *channel) bool { return c.provider == e.Provider }) {
			names = append(names, e.Name)
		}
	}
	return names
}

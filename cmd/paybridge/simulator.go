package main

import (
	"context"
	"errors"
	"io"
)

// simulator is a running wechatsim.
type simulator struct {
	*companion
	BaseURL    string `json:"base_url"`
	ControlURL string `json:"control_url"`
	PhoneURL   string `json:"phone_url"` // empty: there is no phone
}

// startSimulator starts the wechatsim that lies beside this program and waits until it is ready.
func startSimulator(ctx context.Context, stderr io.Writer, flags ...string) (*simulator, error) {
	s := &simulator{}
	c, err := startCompanion(ctx, companionOptions{
		name: "the simulated WeChat", path: "wechatsim", stderr: stderr, ready: s,
		arguments: append([]string{"serve", "--ready-json", "--stdin-lifeline"}, flags...),
	})
	if err != nil {
		return nil, err
	}
	s.companion = c
	if s.BaseURL == "" {
		return nil, errors.Join(errors.New("the simulated WeChat does not say where it is"), s.stop())
	}
	return s, nil
}

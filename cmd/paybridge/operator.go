package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/paybridge/paybridge/adapters/config"
)

// operator talks to the admin listener of a running gateway.
type operator struct {
	base  string // http://host:port
	token string
}

// errNoGateway says that nothing answers at the admin listener.
var errNoGateway = errors.New("no gateway answers")

// maxAdminAnswer bounds what is read of one answer.
const maxAdminAnswer = 16 << 20

// newOperator is an operator at the gateway that runs, or would run, with this configuration.
func newOperator(cfg config.Config) (operator, error) {
	host, port, err := net.SplitHostPort(cfg.Listen.Admin)
	if err != nil {
		return operator{}, fmt.Errorf("listen.admin: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	o := operator{base: "http://" + net.JoinHostPort(host, port)}
	if !cfg.Admin.Token.IsZero() {
		if o.token, err = cfg.Admin.Token.Resolve(); err != nil {
			return o, fmt.Errorf("admin.token: %w", err)
		}
	}
	return o, nil
}

// call makes one admin call and reads its answer into v. An error that wraps errNoGateway says how to start one.
func (o operator) call(ctx context.Context, method, path string, v any) error {
	request, err := http.NewRequestWithContext(ctx, method, o.base+path, nil)
	if err != nil {
		return err
	}
	if o.token != "" {
		request.Header.Set("Authorization", "Bearer "+o.token)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		var down *net.OpError
		if errors.As(err, &down) && down.Op == "dial" {
			return fmt.Errorf("%w at %s (listen.admin): start it by `paybridge serve` with the same configuration", errNoGateway, o.base)
		}
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAdminAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer.StatusCode != http.StatusOK {
		var problem struct{ Title, Detail string }
		if json.Unmarshal(body, &problem) != nil || problem.Title == "" {
			return fmt.Errorf("%s %s: %s: is it the gateway that listens at listen.admin?", method, o.base+path, answer.Status)
		}
		return fmt.Errorf("%s: %s", problem.Title, problem.Detail)
	}
	return json.Unmarshal(body, v)
}

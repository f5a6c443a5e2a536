package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/paybridge/paybridge/adapters/config"
)

// operator talks to the admin listener of a running gateway.
type operator struct {
	base  string // http://host:port
	token string
	name  string        // who asks, for the history; empty: nobody says
	most  time.Duration // that a call may take
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
	o := operator{base: "http://" + net.JoinHostPort(host, port), most: adminTime}
	if !cfg.Admin.Token.IsZero() {
		if o.token, err = cfg.Admin.Token.Resolve(); err != nil {
			return o, fmt.Errorf("admin.token: %w", err)
		}
	}
	return o, nil
}

// problem is why a gateway did not do a call.
type problem struct {
	status        int
	Title, Detail string
	Errors        []struct{ Field, Detail string }
}

func (p *problem) Error() string {
	if len(p.Errors) == 0 {
		return p.Title + ": " + p.Detail
	}
	text := p.Title + ":"
	for _, e := range p.Errors {
		text += "\n  " + e.Field + ": " + e.Detail
	}
	return text
}

// adminTime is the most that an admin call may take, the doctor's apart: starting a plugin anew is the longest.
const adminTime = time.Minute

// call makes one admin call and reads its answer into v. An error that wraps errNoGateway says how to start one.
func (o operator) call(ctx context.Context, method, path string, v any) error {
	return o.send(ctx, method, path, nil, v)
}

// send makes one admin call with a JSON body, none when it is nil. What the gateway does not do is a *problem.
func (o operator) send(ctx context.Context, method, path string, body, v any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, o.most)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, o.base+path, content)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if o.name != "" {
		request.Header.Set("X-Operator", o.name)
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
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAdminAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer.StatusCode != http.StatusOK {
		wrong := &problem{status: answer.StatusCode}
		if json.Unmarshal(text, wrong) != nil || wrong.Title == "" {
			return fmt.Errorf("%s %s: %s: is it the gateway that listens at listen.admin?", method, o.base+path, answer.Status)
		}
		return wrong
	}
	return json.Unmarshal(text, v)
}

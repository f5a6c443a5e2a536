package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/paybridge/paybridge/configs"
)

// fen is what every order here is about.
const fen = 100

// gateway is a running `paybridge serve` with its plugin.
type gateway struct {
	*process
	base, admin string // http://host:port of its listeners
	client      *http.Client
	plugin      int // process id; 0 where it cannot be told
}

// startGateway serves from db with configs/dev.yaml, on free ports, and returns when gateway and plugin are ready.
func (b *bench) startGateway(ctx context.Context, db database) (*gateway, error) {
	public, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	g := &gateway{base: "http://" + public, admin: "http://" + admin}
	g.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: b.options.Callers}}
	setup := filepath.Join(b.dir, db.name+".yaml")
	text, err := weChatAlone(configs.Dev)
	if err != nil {
		return nil, err
	}
	text = bytes.ReplaceAll(text, []byte("http://127.0.0.1:8080"), []byte(g.base)) // where callbacks go to
	if err := os.WriteFile(setup, text, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(b.options.programs, "paybridge"), "serve", "--config", setup)
	cmd.Env = append([]string{ // nothing of this process's own, which could configure it
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "XDG_RUNTIME_DIR=" + b.dir,
		"PAYBRIDGE_LISTEN__PUBLIC=" + public, "PAYBRIDGE_LISTEN__ADMIN=" + admin,
		"PAYBRIDGE_PLUGINS__DIR=" + filepath.Join(b.options.programs, "plugins"), "PAYBRIDGE_WECHAT__BASE_URL=" + b.wechat.BaseURL,
	}, db.environment()...)
	if g.process, err = launch(cmd, filepath.Join(b.dir, db.name+".log")); err != nil {
		return nil, err
	}
	if err := g.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	g.plugin, _ = child(g.cmd.Process.Pid, provider)
	return g, nil
}

// weChatAlone is a configuration without what is not WeChat's, whose keys nobody makes here.
func weChatAlone(text []byte) ([]byte, error) {
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	gone := map[any]bool{}
	for _, key := range []string{"entries", "accounts"} {
		rows, _ := all[key].([]any)
		all[key] = slices.DeleteFunc(rows, func(row any) bool {
			fields, _ := row.(map[string]any)
			provider, _ := fields["provider"].(string)
			other := !strings.HasPrefix(provider, "wechat-")
			if other && key == "entries" {
				gone[fields["name"]] = true
			}
			return other
		})
	}
	apps, _ := all["apps"].([]any)
	for _, row := range apps {
		app, _ := row.(map[string]any)
		entries, _ := app["entries"].([]any)
		app["entries"] = slices.DeleteFunc(entries, func(name any) bool { return gone[name] })
	}
	return yaml.Marshal(all)
}

func (g *gateway) stop() error {
	g.client.CloseIdleConnections()
	return g.process.stop()
}

// awaitReady waits until everything that the gateway checks is well, the plugin and its account too.
func (g *gateway) awaitReady(ctx context.Context) error {
	return eventually(ctx, 30*time.Second, func() error {
		select {
		case <-g.ended:
			return final{g.failed("ended while it started")}
		default:
		}
		var answer struct {
			Checks []struct {
				Name, Detail string
				OK           bool
			}
		}
		if err := exchange(ctx, g.client, http.MethodGet, g.admin+"/readyz", "", nil, &answer); err != nil {
			return err
		}
		for _, c := range answer.Checks {
			if !c.OK {
				return fmt.Errorf("%s: %s", c.Name, c.Detail)
			}
		}
		return nil
	})
}

// row is what the API says of an order, a payment or a refund, as far as it matters here.
type row struct {
	Number string `json:"number"`
	State  string `json:"state"`
}

// api calls the API as an app does; want is the state that the answer must say, unless it is empty.
func (g *gateway) api(ctx context.Context, method, path string, body any, want string) (string, error) {
	var r row
	if err := exchange(ctx, g.client, method, g.base+path, apiKey, body, &r); err != nil {
		return "", err
	}
	if want != "" && r.State != want {
		return "", fmt.Errorf("%s %s: the state is %q, want %q", method, path, r.State, want)
	}
	return r.Number, nil
}

func (g *gateway) order(ctx context.Context, reference string) (string, error) {
	return g.api(ctx, http.MethodPost, "/v1/orders", map[string]any{"reference": reference, "amount": fen, "description": "Outpatient visit"}, "open")
}

func (g *gateway) pay(ctx context.Context, order string) (string, error) {
	body := map[string]any{"entry": entry, "payer": map[string]string{"openid": openID}}
	return g.api(ctx, http.MethodPost, "/v1/orders/"+order+"/payments", body, "pending")
}

func (g *gateway) refund(ctx context.Context, payment, reference string) (string, error) {
	body := map[string]any{"reference": reference, "amount": fen / 4, "reason": "visit cancelled"}
	return g.api(ctx, http.MethodPost, "/v1/payments/"+payment+"/refunds", body, "")
}

// notify posts a callback as WeChat would.
func (g *gateway) notify(ctx context.Context, c callback) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body))
	if err != nil {
		return err
	}
	r.Header = c.header
	return do(g.client, r, nil)
}

func (g *gateway) notifyURL() string { return g.base + "/notify/" + provider + "/" + account }

// await waits until the row at path is in a state.
func (g *gateway) await(ctx context.Context, path, state string) error {
	return eventually(ctx, 60*time.Second, func() error {
		_, err := g.api(ctx, http.MethodGet, path, nil, state)
		return err
	})
}

// final is an error that waiting does not mend.
type final struct{ error }

// eventually asks until ready has no error any more.
func eventually(ctx context.Context, most time.Duration, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ready()
		var ends final
		if err == nil || errors.As(err, &ends) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s still: %w", most, err)
		case <-ticker.C:
		}
	}
}

// each does f(0) … f(count-1), so many at once, until one fails.
func each(ctx context.Context, callers, count int, f func(ctx context.Context, i int) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < count && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := f(ctx, i); err != nil {
					fail(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// freeAddress is one of loopback that nobody listens on at this moment.
func freeAddress(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/paybridge/paybridge/configs"
)

// world is a simulated WeChat, a database, the gateways on it behind one address, and an app.
type world struct {
	o      Options
	day    string
	began  time.Time
	db     *database
	weChat struct {
		*process
		lifeline io.Closer
		BaseURL  string `json:"base_url"`
		Control  string `json:"control_url"`
	}
	gateways []*gateway
	front    string // http://address that apps and WeChat know
	servers  []*http.Server
	client   *http.Client
	app      *app

	done      atomic.Int64 // visits
	lines     int64        // of the statements
	mu        sync.Mutex   // guards what follows
	faults    map[string]int
	surprises []string

	authorized map[string]string         // by payment: what the bureau knows it by
	reports    map[string]map[string]any // by refund: what the app has said of the bureau's part
	said       string                    // last, where there is no terminal
	settled    []time.Duration           // from the payer's tap to the paid order
	restarts   []time.Duration           // from a gateway's death until it is ready again
}

// gateway is one place where `paybridge serve` runs: an address, and the process of now.
type gateway struct {
	public, admin string // host:port
	runtime       string // XDG_RUNTIME_DIR: short, since a socket's path has a limit
	process       atomic.Pointer[process]
	ready         atomic.Bool
}

const devKey = "paybridge-dev-key" // its hash is published in configs/dev.yaml: no secret

// prepare makes the database and finds the gateways' addresses.
func (w *world) prepare(ctx context.Context) (err error) {
	w.faults, w.authorized, w.reports = map[string]int{}, map[string]string{}, map[string]map[string]any{}
	w.client = &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: w.o.Payers, IdleConnTimeout: 3 * time.Second},
	}
	if w.db, err = openDatabase(ctx, w.o); err != nil {
		return err
	}
	for range w.o.Replicas {
		g := &gateway{}
		if g.runtime, err = os.MkdirTemp("/tmp", "pb-soak-"); err != nil {
			return err
		}
		for _, at := range []*string{&g.public, &g.admin} {
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			*at = l.Addr().String()
			_ = l.Close() // of the gateway from now on
		}
		w.gateways = append(w.gateways, g)
	}
	return nil
}

// start starts everything and returns when payers may come.
func (w *world) start(ctx context.Context) error {
	var behind time.Duration
	w.day, behind = day(time.Now())
	if err := w.startWeChat(ctx, behind); err != nil {
		return err
	}
	var err error
	if w.front, err = w.serve(ctx, http.HandlerFunc(w.toSomeGateway)); err != nil {
		return err
	}
	if w.app, err = newApp(w); err != nil {
		return err
	}
	hook, err := w.serve(ctx, w.app)
	if err != nil {
		return err
	}
	if err := w.configure(hook); err != nil {
		return err
	}
	for _, g := range w.gateways {
		if err := w.launch(g); err != nil {
			return err
		}
		if err := w.awaitReady(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) startWeChat(ctx context.Context, behind time.Duration) error {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(w.o.Programs, "wechatsim"), "serve", "--ready-json", "--stdin-lifeline",
		"--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--keys-dir", filepath.Join(w.o.Dir, "wechat"),
		"--random-seed", fmt.Sprint(w.o.Seed), "--behind", behind.String(), "--refund-delay", "500ms")
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if w.weChat.lifeline, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if w.weChat.process, err = launch(cmd, filepath.Join(w.o.Dir, "wechat.log")); err != nil {
		return err
	}
	line, err := bufio.NewReader(said).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &w.weChat)
	}
	if err != nil {
		return fmt.Errorf("the simulated WeChat did not start; its words stand in %s: %w", filepath.Join(w.o.Dir, "wechat.log"), err)
	}
	return nil
}

// serve serves until close, at an address of its own.
func (w *world) serve(ctx context.Context, h http.Handler) (base string, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	w.servers = append(w.servers, s)
	go func() { _ = s.Serve(l) }() // until it is closed
	return "http://" + l.Addr().String(), nil
}

// toSomeGateway is the load balancer: it asks those that are ready, and where one dies all the same, the caller hears of it.
func (w *world) toSomeGateway(rw http.ResponseWriter, r *http.Request) {
	at := rand.IntN(len(w.gateways))
	for i := range w.gateways {
		if g := w.gateways[(at+i)%len(w.gateways)]; g.ready.Load() {
			at = (at + i) % len(w.gateways)
			break
		}
	}
	to := &url.URL{Scheme: "http", Host: w.gateways[at].public}
	p := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:    w.client.Transport,
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, _ error) { rw.WriteHeader(http.StatusBadGateway) },
	}
	p.ServeHTTP(rw, r)
}

// entries are the ways in that payers take: those of configs/dev.yaml, and one more official account on the merchant number of the first.
var entries = []way{
	{name: "official-account", openid: "oA1-alice-000000000000000001", app: "wxa000000000000001"},
	{name: "second-account", openid: "oA2-alice-000000000000000001", app: "wxa000000000000002"},
	{name: "mini-program", openid: "oM1-alice-000000000000000001", app: "wxm000000000000001"},
}

// insuredEntries are those of medical insurance.
var insuredEntries = []way{
	{name: "insurance", openid: "oA1-alice-000000000000000001", app: "wxa000000000000001"},
	{name: "insurance-mini", openid: "oM1-alice-000000000000000001", app: "wxm000000000000001"},
}

// way is an entry, and the payer as it knows them.
type way struct{ name, openid, app string }

// configure writes the gateways' configuration: that of `paybridge dev`, with this run's addresses, as far as it is WeChat's.
func (w *world) configure(hook string) error {
	var all map[string]any
	if err := yaml.Unmarshal(configs.Dev, &all); err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, e := range append(insuredEntries, entries...) {
		taken[e.name] = true
	}
	var kept []map[string]any
	names, accounts := []string{}, map[any]bool{}
	for _, e := range rows(all["entries"]) {
		name, _ := e["name"].(string)
		if !taken[name] {
			continue
		}
		e["notify_base"], e["return_urls"] = w.front, []string{w.front + "/"}
		delete(e, "fulfilment_days") // nobody reports here
		kept, names, accounts[e["account"]] = append(kept, e), append(names, name), true
	}
	second := map[string]any{"name": entries[1].name, "app_id": entries[1].app}
	for _, key := range []string{"provider", "account", "method", "notify_base", "return_urls"} {
		second[key] = kept[0][key]
	}
	all["entries"], names = append(kept, second), append(names, entries[1].name)
	kept = nil
	for _, a := range rows(all["accounts"]) {
		if config, _ := a["config"].(map[string]any); accounts[a["name"]] {
			config["platform_certificates"] = true // WeChat changes its keys on the way
			kept = append(kept, a)
		}
	}
	all["accounts"] = kept
	app := rows(all["apps"])[0]
	app["entries"], app["webhook"] = names, map[string]any{"url": hook + "/events", "secrets": []string{"file:webhook.txt"}}
	text, err := yaml.Marshal(all)
	if err != nil {
		return err
	}
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(rand.Uint32())
	}
	return errors.Join(
		os.WriteFile(filepath.Join(w.o.Dir, "paybridge.yaml"), text, 0o600),
		os.WriteFile(filepath.Join(w.o.Dir, "secret.key"), []byte(base64.StdEncoding.EncodeToString(key)), 0o600),
		os.WriteFile(filepath.Join(w.o.Dir, "webhook.txt"), []byte(w.app.secret), 0o600),
	)
}

// rows are the rows of a list in the configuration.
func rows(list any) (rows []map[string]any) {
	all, _ := list.([]any)
	for _, row := range all {
		fields, _ := row.(map[string]any)
		rows = append(rows, fields)
	}
	return rows
}

// launch starts a gateway and does not wait.
func (w *world) launch(g *gateway) error {
	cmd := exec.CommandContext(context.Background(), filepath.Join(w.o.Programs, "paybridge"), "serve", "--config", filepath.Join(w.o.Dir, "paybridge.yaml")) //nolint:gosec // our own program
	cmd.Env = append([]string{                                                                                                                                // nothing of this process's own, which could configure it
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.o.Dir, "XDG_RUNTIME_DIR=" + g.runtime,
		"PAYBRIDGE_LISTEN__PUBLIC=" + g.public, "PAYBRIDGE_LISTEN__ADMIN=" + g.admin, "PAYBRIDGE_PLUGINS__DIR=" + filepath.Join(w.o.Programs, "plugins"),
		"PAYBRIDGE_WECHAT__BASE_URL=" + w.weChat.BaseURL, "PAYBRIDGE_WECHAT__BROWSER_BASE_URL=" + w.weChat.BaseURL, "PAYBRIDGE_WECHAT__SERVER_BASE_URL=" + w.weChat.BaseURL,
	}, w.db.environment()...)
	p, err := launch(cmd, filepath.Join(w.o.Dir, "gateway-"+g.public+".log"))
	if err == nil {
		g.process.Store(p)
	}
	return err
}

// awaitReady waits until the gateway serves.
func (w *world) awaitReady(ctx context.Context, g *gateway) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return every(ctx, 50*time.Millisecond, func() error {
		if !g.process.Load().running() {
			return final{fmt.Errorf("gateway %s ended by itself; its words stand in %s", g.public, w.o.Dir)}
		}
		err := w.call(ctx, http.MethodGet, "http://"+g.public+"/readyz", nil, nil)
		g.ready.Store(err == nil)
		return err
	})
}

// call makes one call and reads its answer; an answer that is not 2xx is a *refused.
func (w *world) call(ctx context.Context, method, at string, body, into any) error {
	var sent io.Reader
	if body != nil || method != http.MethodGet {
		text, err := json.Marshal(body)
		if body == nil {
			text = nil
		}
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, at, sent)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+devKey)
	req.Header.Set("X-Operator", "soak")
	if sent != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		r := &refused{status: resp.StatusCode}
		_ = json.Unmarshal(text, r) // what is not JSON has no code
		return r
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// refused is an answer that is not 2xx, of a gateway or of the simulated WeChat's control API.
type refused struct {
	status  int
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Message string `json:"message"`
}

func (r *refused) Error() string {
	return fmt.Sprintf("%d %s %s%s", r.status, r.Code, r.Detail, r.Message)
}

// passing tells whether the same request may do better in a moment.
func passing(err error) bool {
	var r *refused
	return !errors.As(err, &r) || r.status >= http.StatusInternalServerError || r.status == http.StatusTooManyRequests
}

// code is why a request was refused; empty: it was not.
func code(err error) string {
	var r *refused
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

// final ends every's asking.
type final struct{ error }

// every asks again and again, until there is no error, a final one, or no more time.
func every(ctx context.Context, pause time.Duration, ask func() error) error {
	for {
		err := ask()
		var last final
		if errors.As(err, &last) {
			return last.error
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// control calls the simulated WeChat's control API.
func (w *world) control(ctx context.Context, method, path string, body, into any) error {
	return w.call(ctx, method, w.weChat.Control+"/control/v1/"+path, body, into)
}

// close ends all processes. A plugin that was frozen when its gateway died cannot see that it did.
func (w *world) close(passed bool) (err error) {
	for _, g := range w.gateways {
		if p := g.process.Load(); p != nil && p.running() {
			err = errors.Join(err, p.stop())
		}
		orphans, listed := processes(context.Background(), func(_ string, command string) bool { return strings.HasPrefix(command, g.runtime+"/") })
		err = errors.Join(err, listed)
		for _, pid := range orphans {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone already: as good
		}
		_ = os.RemoveAll(g.runtime)
	}
	for _, s := range w.servers {
		_ = s.Close()
	}
	if w.weChat.process != nil {
		_ = w.weChat.lifeline.Close()
		err = errors.Join(err, w.weChat.stop())
	}
	if w.db == nil {
		return err
	}
	if !passed && w.o.Postgres != "" { // what it holds is what went wrong
		at, _ := url.Parse(w.db.place) // made here
		return errors.Join(err, w.db.Close(), fmt.Errorf("the database stays: %s", at.Path[1:]))
	}
	return errors.Join(err, w.db.drop(context.Background()))
}

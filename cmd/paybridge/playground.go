package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/configs"
)

// The entry, the API key and the payer of configs/dev.yaml and of the simulator's built-in seed.
const (
	devEntry = "official-account"
	devKey   = "paybridge-dev-key" // its hash is published in dev.yaml: no secret
	devPayer = "oA1-alice-000000000000000001"
)

// playground is a gateway with a simulated WeChat, in a folder of its own: what dev and demo play on.
type playground struct {
	*service
	simulator *simulator
	channels  []*channel
	clinic    *companion // nil: there is none
	config    config.Config
	options   options
	baseURL   string // of the gateway's public listener
}

// playgroundOptions is what dev and demo set.
type playgroundOptions struct {
	dir            string   // for the database and the keys
	simulatorFlags []string // beside the folder and the addresses
	flags          *pflag.FlagSet
	public, admin  string // addresses; empty: as configured
	clinic         string // address of the example clinic, which the simulated phone opens; empty: neither
	logTo          io.Writer
	pages          func(simulator *simulator, adminURL string) options
	change         func(*config.Config) error // of the configuration, beside the folder's; nil: none
}

func openPlayground(ctx context.Context, o playgroundOptions) (_ *playground, err error) {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return nil, err
	}
	if err := keyFile(filepath.Join(o.dir, "secret.key")); err != nil {
		return nil, err
	}
	cfg, err := playgroundConfig(o, "")
	if err != nil {
		return nil, err
	}
	baseURL := "http://" + reachable(cfg.Listen.Public)
	p := &playground{baseURL: baseURL}
	flags := append([]string{
		"--keys-dir", filepath.Join(o.dir, "wechat"), "--state", filepath.Join(o.dir, "wechat.json"), "--allow-origin", baseURL,
	}, o.simulatorFlags...)
	clinic := "http://" + reachable(o.clinic)
	if o.clinic != "" {
		opens, err := writePhone(o.dir, baseURL, clinic)
		if err != nil {
			return nil, err
		}
		flags = append(flags, "--phone", opens)
	}
	p.simulator, err = startSimulator(ctx, o.logTo, flags...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stopCompanions())
		}
	}()
	if cfg, err = playgroundConfig(o, p.simulator.BaseURL); err != nil {
		return nil, err
	}
	if o.change != nil {
		if err := o.change(&cfg); err != nil {
			return nil, err
		}
	}
	if p.channels, err = startChannels(ctx, o, &cfg); err != nil {
		return nil, err
	}
	for i := range cfg.Entries {
		cfg.Entries[i].NotifyBase = baseURL
	}
	if o.clinic != "" {
		if err := openClinic(&cfg, o.dir, clinic); err != nil {
			return nil, err
		}
		if p.clinic, err = startClinic(ctx, o.logTo, o.dir, o.clinic, baseURL, p.simulator.ControlURL); err != nil {
			return nil, err
		}
	}
	p.options = o.pages(p.simulator, "http://"+reachable(cfg.Listen.Admin))
	p.options.logTo, p.config = o.logTo, cfg
	p.service, err = open(ctx, cfg, p.options)
	return p, err
}

func playgroundConfig(o playgroundOptions, weChat string) (config.Config, error) {
	environ := os.Environ()
	plugins, err := besideThis("plugins")
	if err != nil {
		return config.Config{}, err
	}
	environ = append(environ, "PAYBRIDGE_PLUGINS__DIR="+plugins)
	if weChat != "" {
		for _, host := range []string{"BASE_URL", "BROWSER_BASE_URL", "SERVER_BASE_URL"} {
			environ = append(environ, "PAYBRIDGE_WECHAT__"+host+"="+weChat)
		}
	}
	if o.public != "" {
		environ = append(environ, "PAYBRIDGE_LISTEN__PUBLIC="+o.public, "PAYBRIDGE_LISTEN__ADMIN="+o.admin)
	}
	return config.Load(config.Source{File: "configs/dev.yaml", Text: configs.Dev, Dir: o.dir, Environ: environ, Flags: o.flags})
}

// reachable is a listener's address as this machine's browser reaches it.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || (host != "" && host != "0.0.0.0" && host != "::") {
		return listen
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// keyFile makes a key of encryption at rest where there is none.
func keyFile(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
}

// run serves until the context ends and then stops everything, the simulator last.
func (p *playground) run(ctx context.Context) error {
	return errors.Join(p.serve(ctx, p.options), p.close(context.WithoutCancel(ctx)), p.stopCompanions())
}

func (p *playground) stopCompanions() (err error) {
	if p.clinic != nil {
		err = p.clinic.stop()
	}
	return errors.Join(err, stopChannels(p.channels), p.simulator.stop())
}

// freePort is an address of loopback that nobody listens on at this moment.
func freePort(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func lines(s ...string) string { return strings.Join(s, "\n") + "\n" }

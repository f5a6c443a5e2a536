package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// settings are the flags of serve.
type settings struct {
	listen, control, allowOrigin string
	keysDir, seedFile, state     string
	billsDir                     string
	phoneFile                    string
	tls                          bool
	speed                        float64
	randomSeed                   uint64
	refundDelay, behind          time.Duration
	readyJSON, lifeline, verbose bool
}

func serve() *cobra.Command {
	var set settings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Play WeChat until interrupted",
		Long: `Serve plays WeChat until it gets SIGINT or SIGTERM.

Two listeners: the v3 API, where your program sends what it would send to https://api.mch.weixin.qq.com, and
the control API, where you pay, set faults, change keys, move the time and read the ledger; at its address there
is also a page that does it with buttons. The control API has no login: leave it on loopback.

With --tls the v3 API speaks HTTPS. Its certificate is signed by a CA made at the first start, which your program
must trust: ca.pem in the keys folder, or a temporary file whose path is printed.

With --phone there is also a simulated phone: a page that opens H5 sites as an official account, inside a mini
program's web-view and in another browser, runs a mini program's own files and shows the cashier. The file is JSON:

  {"sites": [{"origin": "http://127.0.0.1:8090"}],
   "official_accounts": [{"app_id": "wxa000000000000001", "name": "Clinic", "home": "http://127.0.0.1:8090/"}],
   "mini_programs": [{"app_id": "wxm000000000000001", "name": "Clinic", "dir": "./miniprogram"}]}

A site's "origin" is its public address, "upstream" where it listens when that is elsewhere.

Without a seed file there are merchant 1900000001 with app ids wxa000000000000001 and wxa000000000000002,
merchant 1900000002 with wxb000000000000001, merchant 1900000003 with wxm000000000000001, and partner 1900000100 with wxp000000000000001 and the sub merchants
1900000101 (app wxs000000000000001) and 1900000102 (none); each app with the users alice, bob and carol.`,
		Example: `  wechatsim serve --keys-dir ./wechat-keys             # keys are made once and used again
  wechatsim serve --listen 127.0.0.1:0 --ready-json    # for a parent process: addresses as JSON on stdout
  wechatsim serve --tls --keys-dir ./wechat-keys       # HTTPS; trust ./wechat-keys/ca.pem
  wechatsim serve --speed 60 --state ./trades.json     # an hour a minute; trades survive a restart
  wechatsim serve --phone ./phone.json                 # with a phone for your own site and mini program`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if set.lifeline {
				ctx = whileOpen(ctx, cmd.InOrStdin())
			}
			return run(ctx, set, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&set.listen, "listen", "127.0.0.1:9080", "address of the v3 API; port 0 takes a free one")
	f.StringVar(&set.control, "control-listen", "127.0.0.1:9081", "address of the control API (no login: keep it on loopback)")
	f.StringVar(&set.allowOrigin, "allow-origin", "", "origin of a web page that may call the control API, such as http://127.0.0.1:8080")
	f.StringVar(&set.keysDir, "keys-dir", "", "folder for the generated keys, used again when it is there; empty: keys end with the process")
	f.BoolVar(&set.tls, "tls", false, "serve the v3 API over HTTPS, with a local CA that is made and written at the start")
	f.StringVar(&set.seedFile, "seed-file", "", "JSON file with merchants, sub merchants, apps and users; empty: the built-in ones")
	f.StringVar(&set.phoneFile, "phone", "", "JSON file with the sites, official accounts and mini programs that a simulated phone opens; empty: no phone")
	f.StringVar(&set.state, "state", "", "file that keeps trades, refunds and undelivered callbacks between runs")
	f.Float64Var(&set.speed, "speed", 1, "how many times as fast as the machine's clock the simulated time runs; 0 stops it")
	f.Uint64Var(&set.randomSeed, "random-seed", 0, "seed of the faults with a probability; 0 draws one and prints it")
	f.StringVar(&set.billsDir, "bills-dir", "", "folder of trade bills of yours, MCHID-YYYY-MM-DD.csv.gz, each given instead of the ledger's; empty: none")
	f.DurationVar(&set.refundDelay, "refund-delay", 2*time.Second, "how long a refund is PROCESSING, in simulated time")
	f.DurationVar(&set.behind, "behind", 0, "how far in the past the simulated time begins, so that the bill of its day can be had today; the machine's clock signs")
	f.BoolVar(&set.readyJSON, "ready-json", false, "print one line of JSON on stdout when both listeners are ready")
	f.BoolVar(&set.lifeline, "stdin-lifeline", false, "end when standard input closes, so that a parent that is killed takes it along")
	f.BoolVar(&set.verbose, "verbose", false, "log more")
	return cmd
}

// whileOpen is ctx until r comes to its end.
func whileOpen(ctx context.Context, r io.Reader) context.Context {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		_, _ = io.Copy(io.Discard, r) // an error ends it as well
	}()
	return ctx
}

// ready is what a parent process reads to know where everything is.
type ready struct {
	BaseURL     string `json:"base_url"`
	ControlURL  string `json:"control_url"`
	PhoneURL    string `json:"phone_url,omitempty"` // with --phone
	PublicKeyID string `json:"public_key_id"`
	KeysDir     string `json:"keys_dir,omitempty"`
	CAFile      string `json:"ca_file,omitempty"` // with --tls: what a client must trust
	RandomSeed  uint64 `json:"random_seed"`
}

func run(ctx context.Context, set settings, stdout, stderr io.Writer) (err error) {
	level := slog.LevelInfo
	if set.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	cfg := sim.Config{
		Listen: set.listen, TLS: set.tls, KeysDir: set.keysDir, BillsDir: set.billsDir, StateFile: set.state, Speed: set.speed,
		RandomSeed: set.randomSeed, RefundDelay: set.refundDelay, Logger: log,
	}
	if set.behind != 0 {
		cfg.Start = time.Now().Add(-set.behind)
	}
	if set.seedFile != "" {
		text, err := os.ReadFile(set.seedFile)
		if err != nil {
			return fmt.Errorf("read the seed: %w", err)
		}
		if cfg.Seed, err = sim.ParseSeed(text); err != nil {
			return fmt.Errorf("%s: %w", set.seedFile, err)
		}
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", set.control)
	if err != nil {
		return fmt.Errorf("listen for the control API on %s: %w", set.control, err)
	}
	s, err := sim.Start(ctx, cfg)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if set.speed == 0 { // in a Config 0 is the default
		if err := s.SetSpeed(0); err != nil {
			return errors.Join(err, listener.Close(), s.Close())
		}
	}
	at := ready{
		BaseURL: s.BaseURL(), ControlURL: "http://" + listener.Addr().String(), PublicKeyID: s.PublicKeyID(),
		KeysDir: set.keysDir, RandomSeed: s.RandomSeed(),
	}
	failed := make(chan error, 1)
	pages := http.NewServeMux()
	pages.Handle("/", s.Control(sim.ControlOptions{AllowOrigin: set.allowOrigin}))
	if set.phoneFile != "" {
		h, problem := openPhone(ctx, set.phoneFile, s, listener, failed)
		if problem != nil {
			return errors.Join(problem, listener.Close(), s.Close())
		}
		defer func() { err = errors.Join(err, h.close()) }()
		pages.Handle("/phone/", http.StripPrefix("/phone", h))
		at.PhoneURL = h.url + "/"
	}
	server := &http.Server{Handler: pages, ReadHeaderTimeout: 10 * time.Second}
	go serveOn(listener, server, failed)

	if set.tls {
		file, remove, err := writeCA(set.keysDir, s.CAPEM())
		if err != nil {
			return errors.Join(err, server.Close(), s.Close())
		}
		defer remove()
		at.CAFile = file
	}
	if err := announce(stdout, at, set.readyJSON); err != nil {
		return errors.Join(err, server.Close(), s.Close())
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(end), s.Close())
}

// serveOn serves until the server is closed; failed hears what else ended it.
func serveOn(l net.Listener, server *http.Server, failed chan<- error) {
	err := server.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return
	}
	select {
	case failed <- err:
	default: // the first one is enough
	}
}

// writeCA says where the CA's certificate is: in the keys folder, or in a file of its own that remove deletes.
func writeCA(keysDir, text string) (path string, remove func(), err error) {
	if keysDir != "" {
		return filepath.Join(keysDir, sim.CAFile), func() {}, nil
	}
	file, err := os.CreateTemp("", "wechatsim-ca-*.pem")
	if err != nil {
		return "", nil, fmt.Errorf("write the local CA: %w", err)
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", nil, errors.Join(fmt.Errorf("write the local CA: %w", err), os.Remove(file.Name()))
	}
	return file.Name(), func() { _ = os.Remove(file.Name()) }, nil
}

func announce(w io.Writer, at ready, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(at)
	}
	_, err := fmt.Fprintf(w, `The simulated WeChat is ready.
  v3 API       %[1]s   (instead of https://api.mch.weixin.qq.com)
  control API  %[2]s/control/v1/   (pay, faults, keys, clock, ledger)
  page         %[2]s/   (the same with buttons)
  random seed  %[3]d
`, at.BaseURL, at.ControlURL, at.RandomSeed)
	if err == nil && at.PhoneURL != "" {
		_, err = fmt.Fprintf(w, "  phone        %s   (be the payer)\n", at.PhoneURL)
	}
	if err == nil && at.KeysDir != "" {
		_, err = fmt.Fprintf(w, "  keys         %s/summary.json\n", at.KeysDir)
	}
	if err == nil && at.CAFile != "" {
		_, err = fmt.Fprintf(w, "  CA to trust  %s\n", at.CAFile)
	}
	return err
}

// Command provider plays the provider of the example channel: a shop's till shows a code, the payer opens it and pays.
// People run it beside PayBridge; `provider fixture` plays it for the conformance kit.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

func main() {
	run := serve
	if len(os.Args) > 1 && os.Args[1] == "fixture" {
		run = play
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "provider: "+err.Error())
		os.Exit(1)
	}
}

// play serves the conformance kit.
func play() error {
	p, err := newPlayed()
	if err != nil {
		return err
	}
	return fixture.Serve(p)
}

// merchant is the one that it knows when people run it.
const merchant = "9000000001"

func serve() error {
	listen := flag.String("listen", "127.0.0.1:9082", "address of the API and of the payer's page")
	keys := flag.String("keys", "keys", "folder for the keys that an account needs: api_key.txt and provider_key.txt")
	readyJSON := flag.Bool("ready-json", false, "print one line of JSON on standard output when it listens")
	lifeline := flag.Bool("stdin-lifeline", false, "end when standard input closes, so that a parent that is killed takes it along")
	flag.Parse()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", *listen)
	if err != nil {
		return err
	}
	p := newProvider("http://" + listener.Addr().String())
	p.arrival = time.Second
	apiKey, err := keyFile(*keys, "api_key.txt", randomHex(32))
	if err != nil {
		return err
	}
	seed, err := keyFile(*keys, "provider_seed.txt", randomHex(32))
	if err != nil {
		return err
	}
	p.merchants[merchant] = []byte(apiKey)
	if err := p.keys.add("key-1", seed); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*keys, "provider_key.txt"), []byte(p.keys.public("key-1")+"\n"), 0o600); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go p.notifyAll(ctx)
	if *lifeline {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // its end is what counts
			stop()
		}()
	}
	if *readyJSON {
		if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"base_url": p.base}); err != nil {
			return err
		}
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// keyFile reads a key, and writes the fresh one first where there is none.
func keyFile(dir, name, fresh string) (string, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		return fresh, os.WriteFile(path, []byte(fresh+"\n"), 0o600)
	}
	return strings.TrimSpace(string(text)), err
}

// randomHex is n random bytes in hex.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// The merchant, app and payer of configs/dev.yaml and of the simulator's built-in seed.
const (
	provider = "wechat-jsapi"
	account  = "first-hospital"
	entry    = "official-account"
	apiKey   = "paybridge-dev-key" // published in dev.yaml: no secret
	mchID    = "1900000001"
	appID    = "wxa000000000000001"
	openID   = "oA1-alice-000000000000000001"
)

// simulator is a running wechatsim: its signatures and its ledger are another process's CPU. It never tells of a payment
// by itself: callbacks are signed here beforehand (sign), so that only their receipt is measured.
type simulator struct {
	BaseURL    string `json:"base_url"`
	ControlURL string `json:"control_url"`

	*process
	dir      string
	lifeline io.Closer // it ends with this process, however that ends
}

func startWeChat(ctx context.Context, dir, programs string) (*simulator, error) {
	w := &simulator{dir: dir}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(programs, "wechatsim"), "serve", "--ready-json",
		"--stdin-lifeline", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--keys-dir", w.keys(), "--refund-delay", "200ms", "--bills-dir", w.bills())
	var err error
	if w.lifeline, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }()
	cmd.Stdout = write
	w.process, err = launch(cmd, filepath.Join(dir, "wechatsim.log"))
	_ = write.Close() // the process has its own
	if err != nil {
		return nil, err
	}
	line, _ := bufio.NewReader(read).ReadBytes('\n') // empty when it ended before it was ready
	if err := json.Unmarshal(line, w); err != nil || w.BaseURL == "" {
		return nil, errors.Join(w.failed("did not start"), w.stop())
	}
	return w, w.control(ctx, http.MethodPut, "/faults", []sim.Fault{{Kind: sim.CallbackLost, Event: "TRANSACTION."}}, nil)
}

func (w *simulator) keys() string { return filepath.Join(w.dir, "wechat") }

// bills is the folder of the statements that it gives.
func (w *simulator) bills() string { return filepath.Join(w.dir, "bills") }

func (w *simulator) stop() error {
	_ = w.lifeline.Close()
	return w.process.stop()
}

func (w *simulator) control(ctx context.Context, method, path string, body, into any) error {
	return exchange(ctx, http.DefaultClient, method, w.ControlURL+"/control/v1"+path, "", body, into)
}

// paid lets the payer pay, and returns the trade.
func (w *simulator) paid(ctx context.Context, number string) (sim.Trade, error) {
	var answer struct {
		Trade sim.Trade `json:"trade"`
	}
	err := w.control(ctx, http.MethodPost, "/pay", sim.Pay{OutTradeNo: number, MchID: mchID}, &answer)
	return answer.Trade, err
}

// trade is a paid trade that the simulator's process need not know: enough to sign a callback about.
func trade(number, notifyURL string, serial int) sim.Trade {
	now := time.Now()
	return sim.Trade{
		Parties:    sim.Parties{MchID: mchID, AppID: appID, OpenID: openID},
		OutTradeNo: number, Total: fen, NotifyURL: notifyURL, State: sim.Paid,
		TransactionID: fmt.Sprintf("42%s%012d", now.Format("20060102150405"), serial), CreatedAt: now, ExpiresAt: now.Add(time.Hour), PaidAt: now,
	}
}

// callback is a message as WeChat would post it.
type callback struct {
	url    string
	header http.Header
	body   []byte
}

// sign makes a valid callback about each trade, by the simulator's library with the keys of its process.
func (w *simulator) sign(ctx context.Context, trades []sim.Trade) (made []callback, err error) {
	state, err := json.Marshal(map[string]any{"trades": trades})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(w.dir, "trades.json")
	if err := os.WriteFile(file, state, 0o600); err != nil {
		return nil, err
	}
	s, err := sim.Start(ctx, sim.Config{KeysDir: w.keys(), StateFile: file})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	made = make([]callback, len(trades))
	err = each(ctx, 4, len(trades), func(_ context.Context, i int) error {
		url, header, body, err := s.SignedCallback(mchID, trades[i].OutTradeNo, "")
		made[i] = callback{url, header, body}
		return err
	})
	return made, err
}

// merchant is the merchant with all keys, and WeChat's public key with its id.
func (w *simulator) merchant(ctx context.Context) (m sim.Merchant, keyID, publicKey string, err error) {
	s, err := sim.Start(ctx, sim.Config{KeysDir: w.keys()})
	if err != nil {
		return m, "", "", err
	}
	return s.Merchant(mchID), s.PublicKeyID(), s.PublicKeyPEM(), s.Close()
}

// exchange sends a request with a JSON body, if any, and reads a JSON answer. What is not 2xx is an error.
func exchange(ctx context.Context, client *http.Client, method, url, bearer string, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, sent)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return do(client, r, into)
}

// do sends a request; nil into throws the answer away.
func do(client *http.Client, r *http.Request, into any) error {
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: answered %d %s", r.Method, r.URL.Path, resp.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// writeKey makes the key that encrypts what is stored.
func writeKey(path string) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
}

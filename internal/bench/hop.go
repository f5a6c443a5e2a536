package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
	"github.com/paybridge/paybridge/ports"
)

// hop measures what it costs that a channel is a process of its own: the same callback is verified and read by the
// WeChat plugin through the host, and by the plugin's own code in this process, one after the other.
func (b *bench) hop(ctx context.Context) (h hopReport, err error) {
	b.say("the plugin hop")
	const number = "01100120260101120000000010000001"
	signed, err := b.wechat.sign(ctx, []sim.Trade{trade(number, "http://127.0.0.1/notify/"+provider+"/"+account, 1)})
	if err != nil {
		return h, err
	}
	setup, err := b.setup(ctx)
	if err != nil {
		return h, err
	}
	host, err := b.startHost(ctx, setup)
	if err != nil {
		return h, err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, host.Close(end))
	}()
	client, err := wechat.New(setup, wechat.Options{})
	if err != nil {
		return h, err
	}
	where, err := url.Parse(signed[0].url)
	if err != nil {
		return h, err
	}
	raw := ports.RawMessage{Method: http.MethodPost, Path: where.Path, Headers: signed[0].header, Body: signed[0].body}
	through := func() error {
		n, err := host.ParseNotification(ctx, provider, account, raw)
		if err == nil && (n.Payment == nil || n.Payment.Number != number) {
			err = fmt.Errorf("the plugin did not take the callback: %s", n.Refused)
		}
		return err
	}
	inProcess := func() error {
		p := client.Parse(sdk.Notification{Account: account, Method: raw.Method, Path: raw.Path, Header: raw.Headers, Body: raw.Body, ReceivedAt: time.Now()}, wechat.Trade.Facts)
		if p.Payment == nil || p.Payment.Number != number {
			return fmt.Errorf("the callback was not taken: %s", p.Detail)
		}
		return nil
	}
	const calls = 500
	for round := -1; round < b.options.Rounds; round++ { // the first one warms up
		var away, here []time.Duration
		for range calls {
			if away, err = timed(away, through); err != nil {
				return h, err
			}
			if here, err = timed(here, inProcess); err != nil {
				return h, err
			}
		}
		if round >= 0 {
			h.Through.add(milliseconds(median(away)))
			h.InProcess.add(milliseconds(median(here)))
			h.Added.add(milliseconds(median(away) - median(here)))
		}
	}
	return h, nil
}

// timed calls f and adds what it took.
func timed(took []time.Duration, f func() error) ([]time.Duration, error) {
	began := time.Now()
	err := f()
	return append(took, time.Since(began)), err
}

// setup is the account as the plugin's configuration holds it.
func (b *bench) setup(ctx context.Context) (wechat.Config, error) {
	m, keyID, publicKey, err := b.wechat.merchant(ctx)
	return wechat.Config{
		MchID: m.MchID, SerialNo: m.Serial, PrivateKey: m.PrivateKeyPEM, APIv3Keys: []string{m.APIv3Key},
		PublicKeys: map[string]string{keyID: publicKey}, PublicKeyID: keyID,
	}, err
}

func (b *bench) startHost(ctx context.Context, setup wechat.Config) (*pluginhost.Host, error) {
	lock, err := pluginhost.ReadLock(filepath.Join(b.options.programs, "plugins", pluginhost.LockName))
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(setup)
	if err != nil {
		return nil, err
	}
	host, err := pluginhost.New(pluginhost.Options{Lock: lock, Dir: filepath.Join(b.dir, "hop")})
	if err != nil {
		return nil, err
	}
	if err = host.Start(ctx, provider); err == nil {
		err = host.Configure(ctx, pluginhost.Account{Provider: provider, Name: account, MchID: mchID, Generation: 1, Config: text, BaseURL: b.wechat.BaseURL})
	}
	if err != nil {
		return nil, errors.Join(err, host.Close(context.WithoutCancel(ctx)))
	}
	return host, nil
}

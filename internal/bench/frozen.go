package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// The channel that is frozen: another plugin than the one whose payments are timed, and its entry and payer of configs/dev.yaml.
const (
	frozenPlugin = "wechat-miniprogram"
	frozenEntry  = "mini-program"
	frozenOpenID = "oM1-alice-000000000000000001"
)

// frozenSamples is how many payments are timed, with and without.
const frozenSamples = 200

// frozen times payments of one channel while another's plugin is frozen and calls to it wait for their deadline: nobody should notice
// (R36). What is timed first and second is the same gateway.
func (b *bench) frozen(ctx context.Context) (r *frozenReport, err error) {
	b.say("payments while another channel's plugin is frozen")
	db, err := b.newDatabase(ctx, b.drivers()[0], "frozen")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	g, err := b.startGateway(ctx, db)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.stop()) }()
	other, ok := child(g.cmd.Process.Pid, frozenPlugin)
	if !ok {
		return nil, nil //nolint:nilnil // there is no /proc to find the plugin by: it is not measured
	}
	pay := func(prefix string, count int) (took []time.Duration, err error) {
		for i := range count {
			order, err := g.order(ctx, fmt.Sprintf("%s-%d", prefix, i))
			if err != nil {
				return took, err
			}
			if took, err = timed(took, func() error { _, err := g.pay(ctx, order); return err }); err != nil {
				return took, err
			}
		}
		return took, nil
	}
	if _, err := pay("warm", frozenSamples/4); err != nil {
		return nil, err
	}
	alone, err := pay("alone", frozenSamples)
	if err != nil {
		return nil, err
	}
	if err := syscall.Kill(other, syscall.SIGSTOP); err != nil {
		return nil, fmt.Errorf("freeze %s: %w", frozenPlugin, err)
	}
	waiting, stop := context.WithCancel(ctx)
	var stuck sync.WaitGroup
	for c := range b.options.Callers {
		stuck.Go(func() {
			for i := 0; waiting.Err() == nil; i++ {
				order, err := g.order(waiting, fmt.Sprintf("stuck-%d-%d", c, i))
				if err != nil {
					continue
				}
				body := map[string]any{"entry": frozenEntry, "payer": map[string]string{"openid": frozenOpenID}}
				_, _ = g.api(waiting, "POST", "/v1/orders/"+order+"/payments", body, "") // nobody knows what became of it: 202
			}
		})
	}
	beside, err := pay("beside", frozenSamples)
	stop()
	stuck.Wait()
	_ = syscall.Kill(other, syscall.SIGCONT) // it may have been replaced already
	if err != nil {
		return nil, err
	}
	return &frozenReport{
		Alone: milliseconds(quantile(alone, 0.5)), AloneP99: milliseconds(quantile(alone, 0.99)),
		Beside: milliseconds(quantile(beside, 0.5)), BesideP99: milliseconds(quantile(beside, 0.99)),
	}, nil
}

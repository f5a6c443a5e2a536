package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/adapters/store"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// subject is one database with the gateway that is measured on it.
type subject struct {
	*gateway
	database database
	ground   database // where bare transactions run: the same PostgreSQL database; SQLite's file has one process, so another file
	bare     *bun.DB
	opened   *store.Store
	report   *databaseReport
	count    int // payments of the next round
}

// throughput measures payments and callbacks a second and what they cost, the databases taking turns.
func (b *bench) throughput(ctx context.Context) (reports []*databaseReport, err error) {
	merchant, _, _, err := b.wechat.merchant(ctx)
	if err != nil {
		return nil, err
	}
	floor, err := newSignatures(merchant.PrivateKey)
	if err != nil {
		return nil, err
	}
	var subjects []*subject
	defer func() {
		for _, s := range subjects {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	for _, driver := range b.drivers() {
		s, err := b.newSubject(ctx, driver)
		subjects = append(subjects, s)
		if err != nil {
			return nil, err
		}
		reports = append(reports, s.report)
		b.say("%s: warming up", driver)
		if err := b.round(ctx, s, floor, -1); err != nil {
			return nil, err
		}
		*s.report = databaseReport{Database: s.report.Database, Version: s.report.Version, Memory: s.report.Memory}
	}
	for round := range b.options.Rounds {
		for _, s := range subjects {
			b.say("%s: round %d of %d, %d payments", s.database.driver, round+1, b.options.Rounds, s.count)
			if err := b.round(ctx, s, floor, round); err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", s.database.driver, round+1, err)
			}
		}
	}
	return reports, nil
}

func (b *bench) newSubject(ctx context.Context, driver string) (s *subject, err error) {
	s = &subject{report: &databaseReport{Database: driver}, count: 100}
	if s.database, err = b.newDatabase(ctx, driver, "speed"); err != nil {
		return s, err
	}
	s.ground = s.database
	if driver == sqlite {
		s.ground.place += ".bare"
	}
	if s.gateway, err = b.startGateway(ctx, s.database); err != nil {
		return s, err
	}
	if s.bare, s.opened, err = s.ground.connect(ctx); err != nil {
		return s, err
	}
	s.report.Memory.Gateway.Idle, _ = memory(s.cmd.Process.Pid)
	s.report.Memory.Plugin.Idle, _ = memory(s.plugin)
	version := "select sqlite_version()"
	if driver == postgres {
		version = "select 'server ' || current_setting('server_version') || ', fsync ' || current_setting('fsync')"
	}
	if err = s.bare.QueryRowContext(ctx, version).Scan(&s.report.Version); err != nil {
		return s, err
	}
	return s, makeBareTable(ctx, s.bare)
}

func (s *subject) close(ctx context.Context) error {
	var errs []error
	if s.gateway != nil {
		errs = append(errs, s.stop())
	}
	if s.opened != nil {
		errs = append(errs, s.opened.Close())
	}
	return errors.Join(append(errs, s.database.drop(ctx))...)
}

// round measures everything once. Orders are made beforehand and counted by themselves; what was made is settled in the
// same round, so that nothing is left that the gateway would ask WeChat about meanwhile.
func (b *bench) round(ctx context.Context, s *subject, floor signatures, round int) error {
	most := time.Duration(b.options.Seconds * float64(time.Second))
	r := s.report
	crypto, err := floor.measure(ctx, b.options.Callers, most/4)
	if err != nil {
		return err
	}
	bareRate, bareCPU, err := bare(ctx, s.bare, b.options.Callers, fmt.Sprint("r", round), most)
	if err != nil {
		return err
	}
	r.CryptoCPU.add(milliseconds(crypto))
	r.BareCPU.add(milliseconds(bareCPU))
	r.BareRate.add(bareRate)

	n := s.count
	orders, payments := make([]string, n), make([]string, n)
	made, err := b.measure(ctx, s, n, func(ctx context.Context, i int) (err error) {
		orders[i], err = s.order(ctx, fmt.Sprintf("round-%d-%d", round, i))
		return err
	})
	if err != nil {
		return err
	}
	r.OrderRate.add(made.rate)
	paid, err := b.measure(ctx, s, n, func(ctx context.Context, i int) (err error) {
		payments[i], err = s.pay(ctx, orders[i])
		return err
	})
	if err != nil {
		return err
	}
	r.PaymentRate.add(paid.rate)
	if made.counted && paid.counted {
		r.OrderCPU.add(milliseconds(made.gateway + made.plugin))
		r.GatewayCPU.add(milliseconds(paid.gateway))
		r.PluginCPU.add(milliseconds(paid.plugin))
		r.PaymentCPU.add(milliseconds(paid.gateway + paid.plugin))
		r.PaymentRatio.add(float64(paid.gateway+paid.plugin) / float64(crypto+bareCPU))
	}

	trades := make([]sim.Trade, n)
	for i, number := range payments {
		trades[i] = trade(number, s.notifyURL(), int(time.Now().UnixMicro()%1e8)*10_000+i)
	}
	callbacks, err := b.wechat.sign(ctx, trades)
	if err != nil {
		return fmt.Errorf("sign callbacks: %w", err)
	}
	settled, err := b.measure(ctx, s, n, func(ctx context.Context, i int) error { return s.notify(ctx, callbacks[i]) })
	if err != nil {
		return err
	}
	r.CallbackRate.add(settled.rate)
	r.CallbackRatio.add(settled.rate / bareRate)
	if settled.counted {
		r.CallbackCPU.add(milliseconds(settled.gateway + settled.plugin))
	}
	for i := range 2 { // the answers were no empty promise
		if _, err := s.api(ctx, "GET", "/v1/orders/"+orders[i*(n-1)], nil, "paid"); err != nil {
			return err
		}
	}
	s.count = max(int(paid.rate*b.options.Seconds), b.options.Callers)
	return nil
}

// measured is what a number of equal requests took and cost, each.
type measured struct {
	rate            float64       // a second
	gateway, plugin time.Duration // CPU of one
	counted         bool          // CPU was measured
}

// measure does n requests by all callers at once.
func (b *bench) measure(ctx context.Context, s *subject, n int, f func(ctx context.Context, i int) error) (m measured, err error) {
	pid := s.cmd.Process.Pid
	watch := watchMemory(pid, s.plugin)
	gateway, ok1 := cpu(pid)
	plugin, ok2 := cpu(s.plugin)
	began := time.Now()
	err = each(ctx, b.options.Callers, n, f)
	took := time.Since(began)
	gatewayAfter, ok3 := cpu(pid)
	pluginAfter, ok4 := cpu(s.plugin)
	load := watch.stop()
	s.report.Memory.Gateway.Load = max(s.report.Memory.Gateway.Load, load[0])
	s.report.Memory.Plugin.Load = max(s.report.Memory.Plugin.Load, load[1])
	each := time.Duration(n)
	return measured{
		rate:    float64(n) / took.Seconds(),
		gateway: (gatewayAfter - gateway) / each, plugin: (pluginAfter - plugin) / each, counted: ok1 && ok2 && ok3 && ok4,
	}, err
}

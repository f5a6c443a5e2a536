package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

const createPayment = "create a payment"

// operations are what is timed, in the order in which a round does them.
var operations = []string{"make an order", createPayment, "settle by callback", "get a payment", "list orders", "ask for a refund"}

// place is a gateway on an empty or on a full database.
type place struct {
	*gateway
	database database
	stored   []string                   // payments that were there before
	rounds   map[string][]float64       // medians, in ms
	all      map[string][]time.Duration // every sample
}

// latency times single requests, one after the other, with an empty and a full database by turns, and adds them to the
// databases' reports.
func (b *bench) latency(ctx context.Context, reports []*databaseReport) error {
	for _, r := range reports {
		if err := b.latencyOf(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", r.Database, err)
		}
	}
	return nil
}

func (b *bench) latencyOf(ctx context.Context, r *databaseReport) (err error) {
	var places [2]*place // empty and full
	for i, name := range []string{"empty", "full"} {
		p := &place{rounds: map[string][]float64{}}
		defer func() { err = errors.Join(err, p.close(ctx)) }()
		places[i] = p
		if p.database, err = b.newDatabase(ctx, r.Database, name); err != nil {
			return err
		}
		if p.gateway, err = b.startGateway(ctx, p.database); err != nil {
			return err
		}
		if name == "full" {
			if err := b.fill(ctx, p); err != nil {
				return err
			}
		}
	}
	b.say("%s: warming up with 0 and with %d stored payments", r.Database, len(places[1].stored))
	if err := b.sample(ctx, places[:], -1); err != nil {
		return err
	}
	for _, p := range places {
		p.rounds, p.all = map[string][]float64{}, map[string][]time.Duration{}
	}
	for round := range b.options.Rounds {
		b.say("%s: latencies, round %d of %d", r.Database, round+1, b.options.Rounds)
		if err := b.sample(ctx, places[:], round); err != nil {
			return err
		}
	}
	for _, operation := range operations {
		empty, full := places[0], places[1]
		l := latencyReport{
			Operation: operation, Stored: len(full.stored),
			Empty: metric{empty.rounds[operation]}, EmptyP99: milliseconds(quantile(empty.all[operation], 0.99)),
			Full: metric{full.rounds[operation]}, FullP99: milliseconds(quantile(full.all[operation], 0.99)),
		}
		for i := range l.Empty.Rounds {
			l.Ratio.add(l.Full.Rounds[i] / l.Empty.Rounds[i])
		}
		r.Latencies = append(r.Latencies, l)
	}
	return nil
}

func (p *place) close(ctx context.Context) error {
	var err error
	if p.gateway != nil {
		err = p.stop()
	}
	return errors.Join(err, p.database.drop(ctx))
}

// fill makes two payments by the gateway, one of them refunded, stores copies while it is stopped, and starts it again.
func (b *bench) fill(ctx context.Context, p *place) error {
	made, err := b.finish(ctx, []*place{p}, "template-1", 2)
	if err != nil {
		return err
	}
	paid := made[0]
	refund, err := p.refund(ctx, paid[1].payment, "template")
	if err != nil {
		return err
	}
	if err := p.await(ctx, "/v1/refunds/"+refund, "succeeded"); err != nil {
		return err
	}
	if err := p.stop(); err != nil {
		return err
	}
	db, opened, err := p.database.connect(ctx)
	if err != nil {
		return err
	}
	b.say("%s: storing %d payments", p.database.driver, b.options.Stored)
	plain, err := readTemplate(ctx, db, paid[0].order, paid[0].payment, "")
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	refunded, err := readTemplate(ctx, db, paid[1].order, paid[1].payment, refund)
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	if p.stored, err = fill(ctx, db, b.options.Stored, plain, refunded, b.say); err != nil {
		return errors.Join(err, opened.Close())
	}
	if p.database.driver == postgres { // as autovacuum would, in its own time
		_, err = db.ExecContext(ctx, "vacuum analyze")
	}
	if err = errors.Join(err, opened.Close()); err != nil {
		return err
	}
	p.gateway, err = b.startGateway(ctx, p.database)
	return err
}

// visit is an order with its payment.
type visit struct{ order, payment string }

// finish makes orders at every place, pays and settles them, and times each step: once here, once there, so that whatever
// else the machine does slows them alike.
func (b *bench) finish(ctx context.Context, places []*place, prefix string, count int) ([][]visit, error) {
	visits, trades, callbacks := make([][]visit, len(places)), make([][]sim.Trade, len(places)), make([][]callback, len(places))
	for i := range places {
		visits[i], trades[i] = make([]visit, count), make([]sim.Trade, count)
	}
	err := byTurns(places, count, "make an order", func(p *place, at, i int) (err error) {
		visits[at][i].order, err = p.order(ctx, fmt.Sprintf("%s-%d", prefix, i))
		return err
	})
	if err != nil {
		return nil, err
	}
	err = byTurns(places, count, createPayment, func(p *place, at, i int) (err error) {
		visits[at][i].payment, err = p.pay(ctx, visits[at][i].order)
		return err
	})
	if err != nil {
		return nil, err
	}
	for at := range places {
		for i := range visits[at] {
			if trades[at][i], err = b.wechat.paid(ctx, visits[at][i].payment); err != nil {
				return nil, err
			}
		}
		if callbacks[at], err = b.wechat.sign(ctx, trades[at]); err != nil {
			return nil, err
		}
	}
	return visits, byTurns(places, count, "settle by callback", func(p *place, at, i int) error { return p.notify(ctx, callbacks[at][i]) })
}

// byTurns does something so many times at each place, here and there by turns, and keeps what each took. at is which place.
func byTurns(places []*place, count int, operation string, do func(p *place, at, i int) error) error {
	for i := range count {
		for at, p := range places {
			if err := p.time(operation, func() error { return do(p, at, i) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// time does something once and keeps what it took.
func (p *place) time(operation string, f func() error) (err error) {
	if p.all == nil {
		p.all = map[string][]time.Duration{}
	}
	p.all[operation], err = timed(p.all[operation], f)
	return err
}

// sample times every operation so many times at each place, and ends when nothing is under way any more.
func (b *bench) sample(ctx context.Context, places []*place, round int) error {
	before := make([]map[string]int, len(places))
	for at, p := range places {
		before[at] = map[string]int{}
		for operation, all := range p.all {
			before[at][operation] = len(all)
		}
	}
	visits, err := b.finish(ctx, places, fmt.Sprintf("visit-%d", round), b.options.Samples)
	if err != nil {
		return err
	}
	err = byTurns(places, b.options.Samples, "get a payment", func(p *place, at, _ int) error {
		number := visits[at][rand.IntN(len(visits[at]))].payment
		if len(p.stored) > 0 {
			number = p.stored[rand.IntN(len(p.stored))]
		}
		_, err := p.api(ctx, http.MethodGet, "/v1/payments/"+number, nil, "succeeded")
		return err
	})
	if err != nil {
		return err
	}
	err = byTurns(places, b.options.Samples, "list orders", func(p *place, _, _ int) error {
		_, err := p.api(ctx, http.MethodGet, "/v1/orders?state=paid", nil, "")
		return err
	})
	if err != nil {
		return err
	}
	refunds := make([][]string, len(places))
	err = byTurns(places, b.options.Samples, "ask for a refund", func(p *place, at, i int) error {
		number, err := p.refund(ctx, visits[at][i].payment, "refund")
		refunds[at] = append(refunds[at], number)
		return err
	})
	if err != nil {
		return err
	}
	for at, p := range places {
		for _, number := range refunds[at] {
			if err := p.await(ctx, "/v1/refunds/"+number, "succeeded"); err != nil {
				return err
			}
		}
		for operation, all := range p.all {
			p.rounds[operation] = append(p.rounds[operation], milliseconds(median(all[before[at][operation]:])))
		}
	}
	return nil
}

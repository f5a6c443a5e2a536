package conformance

import (
	"context"
	"fmt"
	"io"
	"sync"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

// world is what all promises are looked at in: one provider, and what plugins have said so far.
type world struct {
	command []string
	fixture fixture.Provider
	about   fixture.About
	said    *record // standard output and error of every plugin process
	answers *record // what they answered that people read: messages, remedies, details, errors

	mu       sync.Mutex
	describe *pb.DescribeResponse // nil until a plugin has said it
}

func newWorld(ctx context.Context, o Options) (*world, func() error, error) {
	w := &world{command: o.Plugin, fixture: o.Provider, said: &record{to: o.Output}, answers: &record{}}
	stop := func() error { return nil }
	if w.fixture == nil {
		stderr := o.Output
		if stderr == nil {
			stderr = io.Discard
		}
		var err error
		if w.fixture, stop, err = fixture.Start(ctx, stderr, o.Fixture...); err != nil {
			return nil, nil, err
		}
	}
	var err error
	if w.about, err = w.fixture.About(ctx); err == nil {
		err = usable(w.about)
	}
	if err != nil {
		_ = stop() // the first error is the one to tell
		return nil, nil, fmt.Errorf("the fixture's about: %w", err)
	}
	return w, stop, nil
}

// usable says what is missing in a fixture's world.
func usable(a fixture.About) error {
	named := map[string]bool{}
	for _, account := range a.Accounts {
		named[account.Name] = true
		if account.Name == "" || account.MchID == "" || len(account.Config) == 0 {
			return fmt.Errorf("account %q needs a name, a mchid and a config", account.Name)
		}
	}
	if len(a.Routes) < 2 {
		return fmt.Errorf("it has %d routes: give two, of different app ids or else of different accounts", len(a.Routes))
	}
	for i, r := range a.Routes {
		if !named[r.Account] {
			return fmt.Errorf("route %d is of account %q, which is not among its accounts", i, r.Account)
		}
	}
	if first, second := a.Routes[0], a.Routes[1]; first.AppID == second.AppID && first.Account == second.Account {
		return fmt.Errorf("its first two routes have the same app id and account: they could not be told apart")
	}
	if len(a.Currency) != 3 || a.BaseURL == "" {
		return fmt.Errorf("it needs a base_url, and a currency of three letters")
	}
	return nil
}

// names is how the plugin calls itself, as far as it was asked.
func (w *world) names() (name, version string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.describe == nil {
		return w.command[0], ""
	}
	return w.describe.GetName(), w.describe.GetVersion()
}

// account is the fixture's account of that name.
func (w *world) account(name string) fixture.Account {
	for _, a := range w.about.Accounts {
		if a.Name == name {
			return a
		}
	}
	return fixture.Account{Name: name}
}

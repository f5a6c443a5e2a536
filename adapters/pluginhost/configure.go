package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/ports"
)

// Account is one account as a plugin gets it.
type Account struct {
	Provider   string
	Name       string
	MchID      string // the signer's; put into Config as "mchid" where the plugin's schema has that and Config does not
	SubMchID   string // likewise "sub_mchid"; empty for direct merchants
	Generation int64
	Config     json.RawMessage // a JSON object by the plugin's schema, its secrets references that Options.Resolve reads
	BaseURL    string          // where the provider's API is; empty: the provider's own
	Test       bool            // the provider's test flag
}

// account is what the host keeps of one, to replay it.
type account struct {
	Account
	problem error    // why the plugin does not use it; nil: it does
	proven  *Account // where no plugin has answered to this one yet: the last one that was in use
}

func (a *account) problemText() string {
	if a.problem == nil {
		return ""
	}
	return a.problem.Error()
}

// ConfigError says which fields of an account's or an entry's configuration are wrong. It never holds a value.
type ConfigError struct {
	What   string // "account NAME" or "entry NAME"
	Fields []FieldProblem
}

// FieldProblem is one wrong field.
type FieldProblem struct {
	Pointer string // JSON Pointer, for example "/api_v3_keys/0"; empty: the whole
	Problem string
	Known   []string // of a field that is unknown: those that there are
}

func asConfigError(err error) (*ConfigError, bool) {
	var wrong *ConfigError
	ok := errors.As(err, &wrong)
	return wrong, ok
}

func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString(e.What + ":")
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString(";")
		}
		if f.Pointer != "" {
			b.WriteString(" " + f.Pointer)
		}
		b.WriteString(" " + f.Problem)
	}
	return b.String()
}

// Configure gives an account to its plugin, after holding it against the plugin's schema. The host keeps it, and gives
// it again after each restart. A *ConfigError says that the account is wrong; what was in use before stays in use. An
// error that wraps ports.ErrUnavailable says that the plugin is down or did not answer: the account is kept and given at
// its next start; to have it in use before, call again. Any other error says that the account is not in use: ctx ended
// before its turn, its secrets cannot be read, or the plugin signs for another merchant. A new generation ends the
// plugin's quarantine.
func (h *Host) Configure(ctx context.Context, a Account) error {
	i, err := h.instance(a.Provider)
	if err != nil {
		return fmt.Errorf("configure account %s: %w", a.Name, err)
	}
	select {
	case i.configuring <- struct{}{}:
		defer func() { <-i.configuring }()
	case <-ctx.Done():
		return fmt.Errorf("configure account %s: wait for other accounts: %w", a.Name, ctx.Err())
	}
	if held := i.account(a.Name); held == nil || held.Generation < a.Generation {
		defer i.release() // what is new may be what it lacked
	}
	r, _ := i.current()
	given, err := false, fmt.Errorf("plugin %s is down: %w", i.pin.Name, ports.ErrUnavailable)
	if r != nil {
		given, err = i.give(ctx, r, a)
	}
	if next := kept(i.account(a.Name), a, r == nil || given, err); next != nil {
		i.keepAccount(next)
	}
	return err
}

// kept is what the host keeps after an account was given with this result; nil: what it held. asked is false when the
// host itself refused to give it.
func kept(held *account, a Account, asked bool, err error) *account {
	_, wrong := asConfigError(err)
	switch {
	case err == nil || held == nil || held.problem != nil:
		return &account{Account: a, problem: err}
	case wrong || !asked:
		return nil // the plugin keeps what it had
	case errors.Is(err, ports.ErrUnavailable):
		// One of the two is in use. The new one is given again at the next start; nobody has said that it is good.
		proven := held.proven
		if proven == nil {
			proven = &held.Account
		}
		return &account{Account: a, proven: proven}
	}
	return &account{Account: a, problem: err}
}

// withMerchant is the account's configuration with the merchant numbers in it that the plugin's schema has a place for.
// Other ones are refused before the plugin sees them: it would replace what it has.
func withMerchant(a Account, config, schema []byte) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, &ConfigError{"account " + a.Name, []FieldProblem{{Problem: "is not a JSON object"}}}
	}
	var known struct{ Properties map[string]json.RawMessage }
	_ = json.Unmarshal(schema, &known) // a broken schema knows no field; checkSchema says that it is broken
	for name, value := range map[string]string{"mchid": a.MchID, "sub_mchid": a.SubMchID} {
		given, there := fields[name]
		_, asked := known.Properties[name]
		var text string
		switch {
		case !there && asked && value != "":
			fields[name], _ = json.Marshal(value) // a string always marshals
		case there && json.Unmarshal(given, &text) == nil && text != value:
			return nil, &ConfigError{"account " + a.Name, []FieldProblem{{Pointer: "/" + name,
				Problem: fmt.Sprintf("is %q, and the account is of %q", clean(text, 32), value)}}}
		}
	}
	return json.Marshal(fields)
}

// give gives one account to one process, its secrets read now, after holding it against the plugin's schema. given is
// false when the plugin was not asked.
func (i *instance) give(ctx context.Context, r *running, a Account) (given bool, err error) {
	config, err := i.o.Resolve(a.Config)
	if err != nil {
		return false, fmt.Errorf("account %s: %w", a.Name, err)
	}
	if config, err = withMerchant(a, config, r.about.GetAccountSchema()); err != nil {
		return false, err
	}
	if err := checkSchema("account "+a.Name, r.about.GetAccountSchema(), config); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	answer, err := pb.NewProviderClient(r.conn).Configure(ctx, &pb.ConfigureRequest{
		Account: a.Name, Generation: a.Generation, Config: config,
		Mode: &pb.Mode{BaseUrl: a.BaseURL, Test: a.Test, Production: i.o.Production},
	})
	switch {
	case err != nil:
		return true, fmt.Errorf("configure account %s: %s: %w", a.Name, faultText(err), ports.ErrUnavailable)
	case len(answer.GetErrors()) > 0:
		wrong := &ConfigError{What: "account " + a.Name}
		for _, f := range answer.GetErrors()[:min(len(answer.GetErrors()), 20)] {
			wrong.Fields = append(wrong.Fields, FieldProblem{Pointer: clean(f.GetField(), 128), Problem: clean(f.GetMessage(), 256)})
		}
		return true, wrong
	case answer.GetGeneration() > a.Generation: // it has a newer one, and keeps that
	case answer.GetGeneration() < a.Generation:
		return true, fmt.Errorf("account %s: the plugin uses generation %d and was given %d", a.Name, answer.GetGeneration(), a.Generation)
	case answer.GetMchid() == "" && answer.GetSubMchid() == "": // its configuration names no merchant
	case answer.GetMchid() != a.MchID || answer.GetSubMchid() != a.SubMchID:
		return true, fmt.Errorf("account %s: the plugin signs for merchant %q %q, the account is of %q %q", a.Name,
			clean(answer.GetMchid(), 32), clean(answer.GetSubMchid(), 32), a.MchID, a.SubMchID)
	}
	return true, nil
}

const (
	// replayTime is the most that a replay of all accounts may take: until then the plugin serves none of them.
	replayTime = 3 * startTime
	// replayTimeOfOne is the most that one of them may take of it, so that the others come to their turn.
	replayTimeOfOne = startTime / 5
)

// replay gives a new process every account. One that it refuses stays out of use, unless an earlier one of that name was
// in use; the others are not kept from theirs.
func (i *instance) replay(ctx context.Context, r *running) {
	ctx, cancel := context.WithTimeout(ctx, replayTime)
	defer cancel()
	for name, a := range i.copyAccounts() {
		next := &account{Account: a.Account}
		next.problem = i.giveAgain(ctx, r, a.Account)
		if _, wrong := asConfigError(next.problem); wrong && a.proven != nil {
			i.o.Log.Error("an account's new configuration is wrong: the one before stays in use", "provider", i.pin.Name, "account", name, "problem", next.problem.Error())
			next = &account{Account: *a.proven}
			next.problem = i.giveAgain(ctx, r, *a.proven)
		}
		if next.problem != nil {
			i.o.Log.Error("an account is out of use", "provider", i.pin.Name, "account", name, "problem", next.problem.Error())
		}
		i.replaceAccount(a, next)
	}
}

func (i *instance) giveAgain(ctx context.Context, r *running, a Account) error {
	ctx, cancel := context.WithTimeout(ctx, replayTimeOfOne)
	defer cancel()
	_, err := i.give(ctx, r, a)
	return err
}

// current is the process that serves, nil while there is none, and what the last one told of itself.
func (i *instance) current() (*running, *pb.DescribeResponse) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.up, i.about
}

func (i *instance) account(name string) *account {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.accounts[name]
}

func (i *instance) keepAccount(a *account) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if held := i.accounts[a.Name]; held != nil && held.Generation > a.Generation {
		return
	}
	i.accounts[a.Name] = a
}

// replaceAccount keeps next where nothing else was kept since held was read.
func (i *instance) replaceAccount(held, next *account) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.accounts[held.Name] == held {
		i.accounts[held.Name] = next
	}
}

func (i *instance) copyAccounts() map[string]*account {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := make(map[string]*account, len(i.accounts))
	for name, a := range i.accounts {
		out[name] = a
	}
	return out
}

// ready is nil when calls for the account can be made now, else an error that wraps ports.ErrUnavailable.
func (i *instance) ready(name string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	a := i.accounts[name]
	switch {
	case a == nil:
		return fmt.Errorf("account %q is unknown to provider %s here: %w", name, i.pin.Name, ports.ErrUnavailable)
	case i.up == nil:
		return fmt.Errorf("plugin %s is down (%w): %w", i.pin.Name, orNotStarted(i.problem), ports.ErrUnavailable)
	case a.problem != nil:
		return fmt.Errorf("account %s is out of use (%w): %w", name, a.problem, ports.ErrUnavailable)
	}
	return nil
}

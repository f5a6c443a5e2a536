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
	problem error // why the plugin does not use it; nil: it does
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
	inUse := err
	_, wrong := asConfigError(err)
	switch held := i.account(a.Name); {
	case err == nil || held == nil || held.problem != nil:
	case r != nil && !given || wrong:
		return err // the plugin keeps what it had; so do we
	case errors.Is(err, ports.ErrUnavailable):
		inUse = nil // one of the two is in use, and both are good; the new one is replayed at a restart
	}
	i.keepAccount(&account{Account: a, problem: inUse})
	return err
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

// replayTime is the most that a replay of all accounts may take: until then the plugin serves none of them.
const replayTime = 3 * startTime

// replay gives a new process every account. One that it refuses stays out of use; the others are not kept from theirs.
func (i *instance) replay(ctx context.Context, r *running) {
	ctx, cancel := context.WithTimeout(ctx, replayTime)
	defer cancel()
	for name, a := range i.copyAccounts() {
		_, problem := i.give(ctx, r, a.Account)
		if problem != nil {
			i.o.Log.Error("an account is out of use", "provider", i.pin.Name, "account", name, "problem", problem.Error())
		}
		i.keepAccount(&account{Account: a.Account, problem: problem})
	}
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

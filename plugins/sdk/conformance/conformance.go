package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

// Options says what is tested, and against what.
type Options struct {
	// Plugin is the plugin's program with its arguments.
	Plugin []string
	// Fixture is the program that plays its provider, with its arguments; it calls fixture.Serve or does the same.
	Fixture []string
	// Provider plays the provider in this process, in Fixture's place.
	Provider fixture.Provider
	// Only names the promises to look at; empty: all.
	Only []string
	// Quick leaves out what waits for the plugin's own time limit, which takes 12 seconds.
	Quick bool
	// Output gets what the programs write to standard error; nil: nobody.
	Output io.Writer
}

// Promise is one thing that the contract asks of every plugin.
type Promise struct {
	Name string // for Options.Only and for people: "repeat-create"
	Text string // what is promised, in one sentence
	// Remedy is what to do when it is broken.
	Remedy string

	look func(*probe)
	slow bool // waits for the plugin's own time limit
	late bool // changes the provider, or looks back: after all others, alone
}

// Promises are all of them, in the order in which they are looked at.
func Promises() []Promise { return slices.Clone(promises) }

// Verdict says how a plugin does by one promise.
type Verdict string

// A promise is kept or broken, or could not be looked at: the plugin does not declare it, or the provider has no such
// thing.
const (
	Kept      Verdict = "kept"
	Broken    Verdict = "broken"
	NotPlayed Verdict = "not played"
)

// Finding is what was seen of one promise.
type Finding struct {
	Promise
	Verdict Verdict
	// Seen says what broke it, or why it was not played, or what is worth knowing. A line each.
	Seen []string
}

// Report is what became of a run.
type Report struct {
	Plugin, Version string // as the plugin calls itself; empty when it could not be asked
	Findings        []Finding
}

// Broken are the promises that are not kept.
func (r Report) Broken() (names []string) {
	for _, f := range r.Findings {
		if f.Verdict == Broken {
			names = append(names, f.Name)
		}
	}
	return names
}

// Write tells the report to people.
func (r Report) Write(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-10s %-22s %s\n", f.Verdict, f.Name, f.Text)
		for _, line := range f.Seen {
			fmt.Fprintf(&b, "%-10s %s\n", "", line)
		}
		if f.Verdict == Broken {
			fmt.Fprintf(&b, "%-10s To do: %s.\n", "", f.Remedy)
		}
	}
	kept := 0
	for _, f := range r.Findings {
		if f.Verdict == Kept {
			kept++
		}
	}
	broken := len(r.Broken())
	fmt.Fprintf(&b, "\n%s %s: %d promises kept, %d broken, %d not played\n", r.Plugin, r.Version, kept, broken, len(r.Findings)-kept-broken)
	_, err := io.WriteString(w, b.String())
	return err
}

// atOnce is how many promises are looked at side by side. Each has a plugin process of its own.
const atOnce = 6

// Run looks at the promises. The error says that the run itself was not possible: there is no such program, the fixture
// does not answer, a name in Options.Only is no promise. A plugin that does not even start is a finding.
func Run(ctx context.Context, o Options) (Report, error) {
	wanted, err := o.wanted()
	if err != nil {
		return Report{}, err
	}
	if len(o.Plugin) == 0 {
		return Report{}, errors.New("no plugin was named")
	}
	w, stop, err := newWorld(ctx, o)
	if err != nil {
		return Report{}, err
	}
	findings := make([]Finding, len(wanted))
	slots := make(chan struct{}, atOnce)
	var looking sync.WaitGroup
	for i, p := range wanted {
		if p.late {
			looking.Wait()
			findings[i] = w.look(ctx, p)
			continue
		}
		looking.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			findings[i] = w.look(ctx, p)
		})
	}
	looking.Wait()
	name, version := w.names()
	return Report{Plugin: name, Version: version, Findings: findings}, stop()
}

func (o Options) wanted() (wanted []Promise, err error) {
	for _, name := range o.Only {
		if !slices.ContainsFunc(promises, func(p Promise) bool { return p.Name == name }) {
			return nil, fmt.Errorf("there is no promise %q; they are %s", name, strings.Join(names(promises), ", "))
		}
	}
	for _, p := range promises {
		if (len(o.Only) == 0 || slices.Contains(o.Only, p.Name)) && (!o.Quick || !p.slow) {
			wanted = append(wanted, p)
		}
	}
	return wanted, nil
}

func names(promises []Promise) (all []string) {
	for _, p := range promises {
		all = append(all, p.Name)
	}
	return all
}

// look looks at one promise with a plugin process of its own.
func (w *world) look(ctx context.Context, p Promise) Finding {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	looking := &probe{world: w, ctx: ctx}
	done := make(chan struct{})
	go func() { // of its own, so that the first thing that cannot go on ends it
		defer close(done)
		defer looking.end()
		p.look(looking)
	}()
	<-done
	return looking.finding(p)
}

// patience is the most that a promise may take, for a plugin that never answers at all.
const patience = 2 * time.Minute

// TB is the part of testing.TB that Test needs, so that no program that only runs the kit links package testing.
type TB interface {
	Helper()
	Context() context.Context
	TempDir() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Test looks at the promises and fails for each that is broken. In a short test run set Options.Quick.
func Test(t TB, o Options) {
	t.Helper()
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var all strings.Builder
	_ = report.Write(&all) // a builder takes everything
	t.Logf("%s", all.String())
	for _, f := range report.Findings {
		if f.Verdict == Broken {
			t.Errorf("%s: broken: %s\n\t%s\n\tTo do: %s.", f.Name, f.Text, strings.Join(f.Seen, "\n\t"), f.Remedy)
		}
	}
}

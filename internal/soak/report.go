package soak

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/paybridge/paybridge/internal/invariants"
)

// say shows what is done now: on a terminal in one line, elsewhere a line when there is another ten percent, or something else to say.
func (w *world) say(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.o.Terminal {
		_, _ = fmt.Fprintf(w.o.Out, "\r\x1b[K%s", text)
		return
	}
	if about, _, _ := strings.Cut(text, ":"); about != w.said {
		w.said = about
		_, _ = fmt.Fprintln(w.o.Out, text)
	}
}

// progress tells how many payers have been there.
func (w *world) progress(stop <-chan struct{}) {
	const wide = 40
	began, tick := time.Now(), time.NewTicker(500*time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		done := int(w.done.Load())
		left := "?"
		if done > 0 {
			left = (time.Since(began) * time.Duration(w.o.Payments-done) / time.Duration(done)).Round(time.Second).String()
		}
		if w.o.Terminal {
			bar := strings.Repeat("█", done*wide/w.o.Payments)
			w.say("%-*s %d of %d payers, about %s left", wide, bar, done, w.o.Payments, left)
		} else if tenth := done * 10 / w.o.Payments; tenth > 0 {
			w.say("%d0 %% of the payers have been there: about %s left", tenth, left)
		}
	}
}

// report is what a run comes to.
type report struct {
	*world
	fired      map[string]int
	broken     []invariants.Broken
	rest, took time.Duration
}

// errNotProven makes the exit code; the report has said why.
var errNotProven = errors.New("the soak did not pass: see the report above")

func (r report) tell(out io.Writer) error {
	var b strings.Builder
	if r.o.Terminal {
		b.WriteString("\r\x1b[K")
	}
	driver := "SQLite"
	if r.o.Postgres != "" {
		driver = fmt.Sprintf("PostgreSQL, %d gateways", r.o.Replicas)
	}
	fmt.Fprintf(&b, "\n%d payers on %s in %s, seed %d; %d events came to the app; %d statement lines compared\n\n", r.o.Payments, driver, r.took.Round(time.Second), r.o.Seed, r.app.events(), r.lines)

	bad := 0
	fmt.Fprintf(&b, "faults survived (each must happen %d times)\n", r.o.quota())
	for _, kind := range slices.Sorted(maps.Keys(r.fired)) {
		mark := ""
		if r.fired[kind] < r.o.quota() {
			mark = "  TOO FEW"
			bad++
		}
		fmt.Fprintf(&b, "  %-32s %6d%s\n", kind, r.fired[kind], mark)
	}
	b.WriteString("\ntimes                                 p50       p99       max\n")
	for _, row := range []struct {
		name  string
		times []time.Duration
	}{{"paid at WeChat until paid here", r.settled}, {"killed gateway until it serves", r.restarts}} {
		fmt.Fprintf(&b, "  %-32s %9s %9s %9s\n", row.name, at(row.times, 0.50), at(row.times, 0.99), at(row.times, 1))
	}
	fmt.Fprintf(&b, "  all at rest after the last payer %9s\n\ninvariants\n", r.rest.Round(10*time.Millisecond))
	for _, id := range invariants.All {
		said := "held"
		for _, broken := range r.broken {
			if broken.ID == id {
				said = "BROKEN: " + broken.What
				bad++
				fmt.Fprintf(&b, "  %s\n      %s\n", id, said)
			}
		}
		if said == "held" {
			fmt.Fprintf(&b, "  held  %s\n", id)
		}
	}
	if len(r.surprises) > 0 {
		bad++
		const most = 20
		fmt.Fprintf(&b, "\n%d surprises\n", len(r.surprises))
		for _, s := range r.surprises[:min(most, len(r.surprises))] {
			fmt.Fprintf(&b, "  %s\n", s)
		}
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	if bad > 0 {
		return errNotProven
	}
	return nil
}

// at is the time that such a part of them did not exceed.
func at(times []time.Duration, part float64) string {
	if len(times) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))].Round(10 * time.Millisecond).String()
}

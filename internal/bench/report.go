package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// metric is one number of each round. None: it was not measured.
type metric struct{ Rounds []float64 }

func (m *metric) add(v float64) { m.Rounds = append(m.Rounds, v) }

// MarshalJSON writes the rounds with their median; null where nothing was measured.
func (m metric) MarshalJSON() ([]byte, error) {
	if len(m.Rounds) == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(struct {
		Median float64   `json:"median"`
		Rounds []float64 `json:"rounds"`
	}{median(m.Rounds), m.Rounds})
}

// median is the middle of some values, zero of none.
func median[T cmp.Ordered](values []T) T { return quantile(values, 0.5) }

// quantile is the value that a part of all does not exceed: 0.99 is the 99th percentile.
func quantile[T cmp.Ordered](values []T, part float64) (v T) {
	if len(values) == 0 {
		return v
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(int(math.Ceil(part*float64(len(sorted))))-1, 0)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// report is everything that a run found.
type report struct {
	At        time.Time         `json:"at"`
	Machine   machine           `json:"machine"`
	Options   options           `json:"options"`
	Hop       hopReport         `json:"plugin_hop_ms"`
	Frozen    *frozenReport     `json:"frozen_channel_ms,omitempty"` // nil: not measured
	Databases []*databaseReport `json:"databases"`
}

// frozenReport is how long a payment takes to be created, in ms, alone and while another channel's plugin is frozen.
type frozenReport struct {
	Alone     float64 `json:"alone"` // median
	AloneP99  float64 `json:"alone_p99"`
	Beside    float64 `json:"beside"`
	BesideP99 float64 `json:"beside_p99"`
}

// machine is where it ran.
type machine struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
	CPU  string `json:"cpu,omitempty"`
	Go   string `json:"go"`
}

func thisMachine() machine {
	m := machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	text, _ := os.ReadFile("/proc/cpuinfo") // not there: it is left out
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// hopReport is one call through the plugin's process beside the same in this process, in ms.
type hopReport struct {
	Through   metric `json:"through_host"`
	InProcess metric `json:"in_process"`
	Added     metric `json:"added"`
}

// databaseReport is what was found on one database. CPU is in ms of one thing, rates are a second.
type databaseReport struct {
	Database string `json:"database"`
	Version  string `json:"version"`

	CryptoCPU metric `json:"crypto_floor_cpu_ms"`
	BareCPU   metric `json:"bare_transaction_cpu_ms"`
	BareRate  metric `json:"bare_transactions_per_second"`

	OrderRate metric `json:"orders_per_second"`
	OrderCPU  metric `json:"order_cpu_ms"`

	PaymentRate  metric `json:"payments_per_second"`
	GatewayCPU   metric `json:"payment_gateway_cpu_ms"`
	PluginCPU    metric `json:"payment_plugin_cpu_ms"`
	PaymentCPU   metric `json:"payment_cpu_ms"`
	PaymentRatio metric `json:"payment_cpu_to_floor"`

	CallbackRate  metric `json:"callbacks_per_second"`
	CallbackCPU   metric `json:"callback_cpu_ms"`
	CallbackRatio metric `json:"callbacks_to_bare_transactions"`

	Memory struct {
		Gateway resident `json:"gateway"`
		Plugin  resident `json:"plugin"`
	} `json:"memory_bytes"`

	Latencies []latencyReport `json:"latencies_ms"`

	Statement *statementReport `json:"statement,omitempty"` // nil: not measured
}

// resident is memory in RAM, in bytes; 0 was not measured.
type resident struct {
	Idle int64 `json:"idle"`
	Load int64 `json:"under_load"` // the most
}

// latencyReport is one operation with an empty and a full database, in ms.
type latencyReport struct {
	Operation string  `json:"operation"`
	Stored    int     `json:"stored"` // payments in the full one
	Empty     metric  `json:"empty"`  // medians of the rounds
	EmptyP99  float64 `json:"empty_p99"`
	Full      metric  `json:"full"`
	FullP99   float64 `json:"full_p99"`
	Ratio     metric  `json:"full_to_empty"` // of each round
}

// The aims.
const (
	mostPaymentRatio  = 1.3
	leastCallbacks    = 0.6
	mostSlowerByStore = 1.1
	mostHopOfCreate   = 0.08

	mostSecondsOfMillion = 60 // lines of a statement
)

// print writes the report for people.
func (r report) print(w io.Writer) {
	p := printer{w}
	m := r.Machine
	p.line("PayBridge bench, %s, %s/%s, %d CPUs %s, %s", r.At.Format("2006-01-02 15:04 MST"), m.OS, m.Arch, m.CPUs, m.CPU, m.Go)
	p.line("%d rounds, %.1f s each, %d callers; median, then the raw rounds", r.Options.Rounds, r.Options.Seconds, r.Options.Callers)
	p.line("\nThe plugin hop: one caller verifies and reads a callback")
	p.row("in this process", "ms", r.Hop.InProcess, "")
	p.row("through the plugin's process", "ms", r.Hop.Through, "")
	p.row("added by the hop", "ms", r.Hop.Added, "")
	for _, d := range r.Databases {
		if share, ok := d.hopOfCreate(r.Hop.Added); ok {
			p.row("  of a create on "+d.Database, "×", share, aim(share, "at most", mostHopOfCreate))
		}
	}
	if f := r.Frozen; f != nil {
		p.line("\nA payment created, while another channel's plugin is frozen, in ms, one caller")
		p.line("  %-28s median %8.2f   p99 %8.2f", "nothing is frozen", f.Alone, f.AloneP99)
		p.line("  %-28s median %8.2f   p99 %8.2f", "the other one is", f.Beside, f.BesideP99)
	}
	for _, d := range r.Databases {
		d.print(p)
	}
}

// hopOfCreate is which part of a create's latency the hop is.
func (d *databaseReport) hopOfCreate(added metric) (share metric, ok bool) {
	for _, l := range d.Latencies {
		if l.Operation == createPayment && len(added.Rounds) > 0 {
			for _, create := range l.Empty.Rounds {
				share.add(median(added.Rounds) / create)
			}
			return share, true
		}
	}
	return share, false
}

func (d *databaseReport) print(p printer) {
	p.line("\n%s (%s)", map[string]string{sqlite: "SQLite", postgres: "PostgreSQL"}[d.Database], d.Version)
	p.row("floor: two signatures, one verification", "ms CPU", d.CryptoCPU, "")
	p.row("floor: one bare transaction", "ms CPU", d.BareCPU, "")
	p.row("bare transactions", "/s", d.BareRate, "")
	p.row("orders made", "/s", d.OrderRate, "")
	p.row("CPU of an order", "ms CPU", d.OrderCPU, "")
	p.row("payments created", "/s", d.PaymentRate, "")
	p.row("CPU of a payment in the gateway", "ms CPU", d.GatewayCPU, "")
	p.row("CPU of a payment in the plugin", "ms CPU", d.PluginCPU, "")
	p.row("CPU of a payment", "ms CPU", d.PaymentCPU, "")
	p.row("  to both floors", "×", d.PaymentRatio, aim(d.PaymentRatio, "at most", mostPaymentRatio))
	p.row("callbacks settled", "/s", d.CallbackRate, "")
	p.row("CPU of a callback", "ms CPU", d.CallbackCPU, "")
	p.row("  callbacks to bare transactions", "×", d.CallbackRatio, aim(d.CallbackRatio, "at least", leastCallbacks))
	p.line("  %-42s gateway %s idle, %s under load; plugin %s idle, %s under load", "memory",
		mebibytes(d.Memory.Gateway.Idle), mebibytes(d.Memory.Gateway.Load), mebibytes(d.Memory.Plugin.Idle), mebibytes(d.Memory.Plugin.Load))
	if s := d.Statement; s != nil {
		p.line("  %-42s %.1f s, gateway %s, plugin %s at most %s", fmt.Sprintf("a statement of %d lines compared", s.Lines), s.Seconds,
			mebibytes(s.Gateway), mebibytes(s.Plugin), aim(metric{[]float64{s.Seconds * 1e6 / float64(s.Lines)}}, "at most", mostSecondsOfMillion))
	}
	if len(d.Latencies) == 0 {
		return
	}
	p.line("\n  latency in ms, one caller      %18s   %18s   full to empty", "empty", fmt.Sprintf("%d payments", d.Latencies[0].Stored))
	p.line("  %-28s %9s %9s   %9s %9s", "", "median", "p99", "median", "p99")
	for _, l := range d.Latencies {
		p.line("  %-28s %9.2f %9.2f   %9.2f %9.2f   %4.2f ×  %s  [%s]", l.Operation, median(l.Empty.Rounds), l.EmptyP99,
			median(l.Full.Rounds), l.FullP99, median(l.Ratio.Rounds), aim(l.Ratio, "at most", mostSlowerByStore), raw(l.Ratio))
	}
}

// aim says whether a number is where it should be.
func aim(m metric, bound string, limit float64) string {
	if len(m.Rounds) == 0 {
		return ""
	}
	v, met := median(m.Rounds), "met"
	if (bound == "at most" && v > limit) || (bound == "at least" && v < limit) {
		met = "MISSED"
	}
	return fmt.Sprintf("(aim: %s %.2g, %s)", bound, limit, met)
}

func mebibytes(n int64) string {
	if n == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// printer writes lines; a terminal that has gone away is nobody's loss.
type printer struct{ w io.Writer }

func (p printer) line(format string, a ...any) {
	_, _ = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, a...), " "))
}

func (p printer) row(name, unit string, m metric, note string) {
	if len(m.Rounds) == 0 {
		p.line("  %-42s not measured", name)
		return
	}
	p.line("  %-42s %9s %-7s [%s] %s", name, number(median(m.Rounds)), unit, raw(m), note)
}

func raw(m metric) string {
	var all []string
	for _, v := range m.Rounds {
		all = append(all, number(v))
	}
	return strings.Join(all, " ")
}

// number shows three digits or so.
func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

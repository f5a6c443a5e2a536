package pluginhost_test

import (
	"testing"

	"github.com/paybridge/paybridge/core/pay"
)

// What the process boundary adds to one call: a create that the plugin answers at once, with hand-off and facts, by
// one caller and by many.
func BenchmarkHop(b *testing.B) {
	h := start(b)
	p, m := provider(b, h, "one"), payment("one", "")
	b.Run("one caller", func(b *testing.B) {
		for b.Loop() {
			if o := p.CreatePayment(b.Context(), m).Outcome; o.Verdict != pay.Accepted {
				b.Fatal(o)
			}
		}
	})
	b.Run("many callers", func(b *testing.B) {
		b.SetParallelism(16)
		b.RunParallel(func(work *testing.PB) {
			for work.Next() {
				if o := p.CreatePayment(b.Context(), m).Outcome; o.Verdict != pay.Accepted {
					b.Error(o)
					return
				}
			}
		})
	})
}

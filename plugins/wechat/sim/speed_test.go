package sim_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// BenchmarkPrepay is what a prepay costs, the client's own signature and verification included.
func BenchmarkPrepay(b *testing.B) {
	s := sim.New(b)
	c := newClient(b, s, "1900000001")
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.must(http.MethodPost, prepayPath, c.order(fmt.Sprintf("BENCH%08d", n.Add(1))))
		}
	})
}

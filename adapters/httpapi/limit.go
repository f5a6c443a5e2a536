package httpapi

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/paybridge/paybridge/core/gateway"
)

const (
	// payersRate and payersBurst are what one address may ask of the payers' routes, on each replica. A hospital's Wi-Fi is
	// one address of many payers.
	payersRate  rate.Limit = 20
	payersBurst int        = 200
	// mostAddresses is how many addresses are remembered before those that have been quiet are forgotten.
	mostAddresses = 10_000
)

// limits counts what each address asks.
type limits struct {
	rate  rate.Limit
	burst int

	mu sync.Mutex
	of map[netip.Addr]*rate.Limiter
}

// allow tells whether an address may ask once more.
func (l *limits) allow(client string, now time.Time) bool {
	at, err := netip.ParseAddr(client)
	if err == nil && at.Is6() { // whoever has one address of a /64 has all of them
		if net, err := at.Prefix(64); err == nil {
			at = net.Addr()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[netip.Addr]*rate.Limiter{}
	}
	if len(l.of) >= mostAddresses && l.of[at] == nil {
		for other, asked := range l.of {
			if asked.TokensAt(now) >= float64(l.burst) {
				delete(l.of, other)
			}
		}
		if len(l.of) >= mostAddresses {
			return false // a flood from everywhere: those who were here before go on
		}
	}
	if l.of[at] == nil {
		l.of[at] = rate.NewLimiter(l.rate, l.burst)
	}
	return l.of[at].AllowN(now, 1)
}

// limited turns away an address that asks too often.
func (s *service) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.limits.allow(s.client(r), time.Now()) {
			next.ServeHTTP(w, r)
			return
		}
		away := &gateway.TurnedAway{Turn: gateway.TurnTooOften}
		if r.Method == http.MethodGet {
			s.turnPage(w, r, away)
			return
		}
		s.turnProblem(w, r, away)
	})
}

package sim

import (
	"context"
	"fmt"
	"net/http"
)

// SignedCallback is a fresh, valid callback about the trade or refund, made but not sent: url, headers and body
// as WeChat would post them. The fault spoils it; "" leaves it valid. It is how a test posts the same message a
// hundred times, or one that WeChat never sent.
func (s *Simulator) SignedCallback(mchID, number string, fault FaultKind) (url string, header http.Header, body []byte, err error) {
	s.mu.Lock()
	var c *Callback
	m := s.world.merchants[mchID]
	if mixed := s.world.byMix[number]; mixed != nil && mixed.MchID == mchID && !mixed.PaidAt.IsZero() {
		c = s.world.medInsCallback(mixed, m.keys)
	} else if t := s.world.trades[tradeKey{mchID, number}]; t != nil && t.TransactionID != "" {
		c = paidCallback(t.copy(), m.keys)
	} else if r := s.world.refunds[tradeKey{mchID, number}]; r != nil && r.Status != RefundProcessing {
		c = refundCallback(*r, m.keys, s.clock.now())
	}
	s.mu.Unlock()
	if c == nil {
		return "", nil, nil, fmt.Errorf("merchant %s has no paid trade and no ended refund %s", mchID, number)
	}
	header, body = s.signCallback(c, fault)
	return c.URL, header, body, nil
}

// Resend posts one signed callback about the trade or refund times times at once, outside of the schedule, and
// returns what the merchant answered: HTTP statuses, 0 for no answer.
func (s *Simulator) Resend(ctx context.Context, mchID, number string, times int, fault FaultKind) ([]int, error) {
	if times < 1 || times > mostResends {
		return nil, fmt.Errorf("a callback is sent again 1 to %d times, not %d", mostResends, times)
	}
	url, header, body, err := s.SignedCallback(mchID, number, fault)
	if err != nil {
		return nil, err
	}
	answers := make(chan int)
	for range times {
		go func() { answers <- s.post(ctx, url, header, body).Status }()
	}
	statuses := make([]int, 0, times)
	for range times {
		statuses = append(statuses, <-answers)
	}
	return statuses, nil
}

const mostResends = 1000

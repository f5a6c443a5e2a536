package wechat

import (
	"testing"
	"time"
)

func TestAHandOffEndsWithThePrepayIDOrTheTrade(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct{ expire, want time.Duration }{
		{time.Hour, time.Hour},
		{24 * time.Hour, 115 * time.Minute},
	} {
		if got := validUntil(asked, asked.Add(test.expire)); !got.Equal(asked.Add(test.want)) {
			t.Errorf("the trade ends after %s: valid for %s, want %s", test.expire, got.Sub(asked), test.want)
		}
	}
}

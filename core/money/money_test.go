package money

import (
	"errors"
	"math"
	"testing"
)

func TestAdd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		a, b    Amount
		want    int64
		wantErr error
	}{
		{"two sums", CNY(1), CNY(2), 3, nil},
		{"to the last fen", CNY(math.MaxInt64 - 1), CNY(1), math.MaxInt64, nil},
		{"one fen too many", CNY(math.MaxInt64), CNY(1), 0, ErrOverflow},
		{"below the least", CNY(math.MinInt64), CNY(-1), 0, ErrOverflow},
		{"two currencies", CNY(1), Amount{1, "USD"}, 0, ErrCurrency},
	} {
		got, err := c.a.Add(c.b)
		if !errors.Is(err, c.wantErr) || got.Minor != c.want {
			t.Errorf("%s: got %v, %v; want %d, %v", c.name, got, err, c.want, c.wantErr)
		}
	}
}

func TestPayable(t *testing.T) {
	t.Parallel()
	for a, want := range map[Amount]error{
		CNY(1): nil, CNY(0): ErrInvalid, CNY(-1): ErrInvalid, {1, "cny"}: ErrInvalid, {1, "YUAN"}: ErrInvalid, {}: ErrInvalid,
	} {
		if err := a.Payable(); !errors.Is(err, want) {
			t.Errorf("%v: got %v, want %v", a, err, want)
		}
	}
}

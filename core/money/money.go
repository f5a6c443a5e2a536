// Package money holds amounts: whole minor units of one currency, never a fraction, never a float.
package money

import (
	"errors"
	"fmt"
	"math"
)

// Amount is a sum of money in minor units (fen for CNY) of an ISO 4217 currency. The zero value is no money of
// no currency and equals nothing that anyone owes.
type Amount struct {
	Minor    int64  `json:"amount"`   // fen for CNY
	Currency string `json:"currency"` // ISO 4217, three upper-case letters
}

var (
	// ErrOverflow says that a sum does not fit into an int64 of minor units.
	ErrOverflow = errors.New("the sum does not fit into 64 bits")
	// ErrCurrency says that two amounts are of different currencies and have no sum.
	ErrCurrency = errors.New("the currencies differ")
	// ErrInvalid says that an amount is not positive or its currency is not three upper-case letters.
	ErrInvalid = errors.New("not a payable amount")
)

// CNY is an amount in fen of renminbi.
func CNY(fen int64) Amount { return Amount{Minor: fen, Currency: "CNY"} }

// Add is a + b, or ErrCurrency, or ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, fmt.Errorf("%s + %s: %w", a, b, ErrCurrency)
	}
	if (b.Minor > 0 && a.Minor > math.MaxInt64-b.Minor) || (b.Minor < 0 && a.Minor < math.MinInt64-b.Minor) {
		return Amount{}, fmt.Errorf("%s + %s: %w", a, b, ErrOverflow)
	}
	return Amount{Minor: a.Minor + b.Minor, Currency: a.Currency}, nil
}

// Payable returns nil when somebody can owe this: at least one minor unit of a well-formed currency.
func (a Amount) Payable() error {
	if a.Minor <= 0 || len(a.Currency) != 3 {
		return fmt.Errorf("%s: %w", a, ErrInvalid)
	}
	for _, c := range a.Currency {
		if c < 'A' || c > 'Z' {
			return fmt.Errorf("%s: %w", a, ErrInvalid)
		}
	}
	return nil
}

// String writes minor units and currency, as in "1250 CNY" for 12.50 yuan: nobody has to guess where a point belongs.
func (a Amount) String() string { return fmt.Sprintf("%d %s", a.Minor, a.Currency) }

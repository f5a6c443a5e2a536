// Package tradeno builds and reads the 32 digits that name an order, a payment or a refund in the API, in the
// database and at the provider. They are valid as WeChat's out_trade_no and out_refund_no.
//
//	MM K GG yyyyMMddHHmmssSSS II RRRRRRR C
//	│  │ │  │                 │  │       └ check digit (Luhn)
//	│  │ │  │                 │  └ seven digits: random, or of a refund derived (see Refund)
//	│  │ │  │                 └ installation: test, production and an old system often share a merchant number
//	│  │ │  └ Asia/Shanghai, milliseconds
//	│  │ └ product type, the app's own
//	│  └ kind: 0 order, 1 payment, 2 refund
//	└ pay method: 01 official account, 02 mini program, 03 medical insurance; 00 an order
package tradeno

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the zone must not depend on the host
)

// Length is the number of digits of every number.
const Length = 32

// Kind is what a number names.
type Kind byte

// The kinds, by the digit that stands for them.
const (
	Order   Kind = '0'
	Payment Kind = '1'
	Refund  Kind = '2'
)

// OrderMethod stands in an order's number where a payment has its pay method: an order knows no channel.
const OrderMethod = "00"

// ErrInvalid says that a text is not a number of ours; the error that wraps it says where.
var ErrInvalid = errors.New("not a number of ours")

// Parts is what a number says. It is for people and for guarding; the stored route decides.
type Parts struct {
	Method       string    // two digits
	Kind         Kind      //
	ProductType  string    // two digits
	At           time.Time // to the millisecond, Asia/Shanghai
	Installation string    // two digits
	Serial       string    // seven digits
}

const stamp = "20060102150405.000"

var shanghai = mustLoad("Asia/Shanghai")

func mustLoad(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // the zone data is embedded: only a broken build comes here
	}
	return loc
}

// New draws a number for an order or a payment. Two draws of one millisecond may collide: the unique index has the
// last word and the caller draws again.
func New(kind Kind, method, productType, installation string, at time.Time) (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("draw a number: %w", err)
	}
	return build(Parts{method, kind, productType, at, installation, sevenDigits(b[:])})
}

// ForRefund derives a refund's number from its payment's number and its reference, so that the same reference asked
// again after the rows were lost gives the same number, and the provider refuses to refund twice. taken tells
// whether another reference of the same payment already has a number; then the next is tried.
func ForRefund(payment, reference string, taken func(number string) bool) (string, error) {
	p, err := Parse(payment)
	if err != nil {
		return "", fmt.Errorf("derive a refund of payment %s: %w", payment, err)
	}
	if p.Kind != Payment {
		return "", fmt.Errorf("derive a refund of %s: it does not name a payment: %w", payment, ErrInvalid)
	}
	p.Kind = Refund
	for n := 0; ; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", payment, reference, n))
		p.Serial = sevenDigits(sum[:8])
		number, err := build(p)
		if err != nil || !taken(number) {
			return number, err
		}
	}
}

// Parse reads a number and checks every part of it. The error wraps ErrInvalid.
func Parse(number string) (Parts, error) {
	if len(number) != Length || strings.Trim(number, "0123456789") != "" {
		return Parts{}, fmt.Errorf("%q is not %d digits: %w", number, Length, ErrInvalid)
	}
	if check := luhn(number[:Length-1]); number[Length-1] != check {
		return Parts{}, fmt.Errorf("%s: its check digit should be %c: %w", number, check, ErrInvalid)
	}
	p := Parts{
		Method:       number[0:2],
		Kind:         Kind(number[2]),
		ProductType:  number[3:5],
		Installation: number[22:24],
		Serial:       number[24:31],
	}
	if p.Kind > Refund {
		return Parts{}, fmt.Errorf("%s: its kind %c is not known: %w", number, p.Kind, ErrInvalid)
	}
	at, err := time.ParseInLocation(stamp, number[5:19]+"."+number[19:22], shanghai)
	if err != nil {
		return Parts{}, fmt.Errorf("%s: its time is not one: %w", number, ErrInvalid)
	}
	p.At = at
	return p, nil
}

func build(p Parts) (string, error) {
	for what, digits := range map[string]string{"pay method": p.Method, "product type": p.ProductType, "installation": p.Installation} {
		if len(digits) != 2 || strings.Trim(digits, "0123456789") != "" {
			return "", fmt.Errorf("the %s %q is not two digits: %w", what, digits, ErrInvalid)
		}
	}
	at := strings.Replace(p.At.In(shanghai).Format(stamp), ".", "", 1)
	if len(at) != 17 {
		return "", fmt.Errorf("the year of %s has no four digits: %w", p.At, ErrInvalid)
	}
	n := p.Method + string(p.Kind) + p.ProductType + at + p.Installation + p.Serial
	return n + string(luhn(n)), nil
}

func sevenDigits(b []byte) string {
	return fmt.Sprintf("%07d", binary.BigEndian.Uint64(b)%10_000_000)
}

// luhn is the check digit of ISO/IEC 7812-1: it finds every single wrong digit and nearly every swapped pair.
func luhn(digits string) byte {
	sum, double := 0, true
	for i := len(digits) - 1; i >= 0; i-- {
		d := int(digits[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum, double = sum+d, !double
	}
	return byte('0' + (10-sum%10)%10)
}

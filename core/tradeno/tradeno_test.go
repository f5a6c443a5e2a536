package tradeno

import (
	"errors"
	"testing"
	"time"
)

var at = time.Date(2026, 1, 2, 15, 4, 5, 678e6, time.UTC) // 23:04:05.678 in Shanghai

func TestNewIsReadBack(t *testing.T) {
	t.Parallel()
	n, err := New(Payment, "02", "31", "07", at)
	if err != nil {
		t.Fatal(err)
	}
	if want := "0213120260102230405678" + "07"; n[:24] != want {
		t.Errorf("got %s, want it to begin %s", n, want)
	}
	p, err := Parse(n)
	if err != nil {
		t.Fatal(err)
	}
	if p.Method != "02" || p.Kind != Payment || p.ProductType != "31" || p.Installation != "07" || !p.At.Equal(at) {
		t.Errorf("%s reads back as %+v", n, p)
	}
}

func TestR28_RefundNumberIsDerived(t *testing.T) {
	t.Parallel()
	payment, err := New(Payment, "01", "00", "00", at)
	if err != nil {
		t.Fatal(err)
	}
	free := func(string) bool { return false }
	first, err := ForRefund(payment, "R-1", free)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := ForRefund(payment, "R-1", free)
	other, _ := ForRefund(payment, "R-2", free)
	next, _ := ForRefund(payment, "R-1", func(n string) bool { return n == first })
	if first != again {
		t.Errorf("the same reference gave %s and then %s", first, again)
	}
	if other == first || next == first {
		t.Errorf("%s was given twice: other reference %s, taken %s", first, other, next)
	}
	p, err := Parse(first)
	if err != nil || p.Kind != Refund || p.Method != "01" || !p.At.Equal(at) {
		t.Errorf("%s reads back as %+v, %v", first, p, err)
	}
	if _, err := ForRefund(first, "R-1", free); !errors.Is(err, ErrInvalid) {
		t.Errorf("a refund of a refund: got %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good, err := New(Order, OrderMethod, "00", "00", at)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good { // one wrong digit anywhere is seen
		bad := []byte(good)
		bad[i] = '0' + (bad[i]-'0'+1)%10
		if _, err := Parse(string(bad)); !errors.Is(err, ErrInvalid) {
			t.Errorf("digit %d of %s changed to %s: got %v", i, good, bad, err)
		}
	}
	for _, bad := range []string{"", "1", good + "0", good[:31] + "x"} {
		if _, err := Parse(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	if _, err := New(Order, "0", "00", "00", at); !errors.Is(err, ErrInvalid) {
		t.Errorf("a method of one digit: got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("02131202601022304056780712345670")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := build(p); err != nil || again != s {
			t.Errorf("%s is read as %+v and written as %s, %v", s, p, again, err)
		}
	})
}

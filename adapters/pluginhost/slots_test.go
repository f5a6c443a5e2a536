package pluginhost

import (
	"context"
	"testing"
)

func TestR36_HungAccountsLeaveOthersRoom(t *testing.T) {
	t.Parallel()
	s := newSlots(64)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, hung := range []string{"a", "b", "c"} {
		for range 8 {
			if _, err := s.take(t.Context(), hung); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.take(ended, hung); err == nil {
			t.Errorf("account %s has more than an eighth", hung)
		}
	}
	release, err := s.take(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestConfigureWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	i := newInstance(Options{}, Pin{Name: "x"}, nil)
	i.configuring <- struct{}{} // a replay that never ends
	h := &Host{instances: map[string]*instance{"x": i}}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Configure(ended, Account{Provider: "x", Config: []byte(`{}`)}); err == nil {
		t.Error("configured")
	}
}

package pluginhost

import (
	"strings"
	"testing"
)

func TestLockIsRefused(t *testing.T) {
	t.Parallel()
	pin := func(fields string) string { return `{"plugins":[{` + fields + `}]}` }
	good := `"name":"a","version":"1.0.0","path":"a"`
	for _, c := range []struct{ text, want string }{
		{`{`, "EOF"},
		{pin(good + `,"shasum":"x"`), `unknown field "shasum"`},
		{pin(`"name":"../a","version":"1.0.0","path":"a"`), "a name has"},
		{pin(`"name":"a","version":"v1","path":"a"`), "semantic version"},
		{pin(good + `,"sha256":"ABC"`), "64 lower-case hex digits"},
		{pin(`"name":"a","version":"1.0.0"`), "no path"},
		{`{"plugins":[{` + good + `},{` + good + `}]}`, "twice"},
	} {
		if _, err := parseLock([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it to say %q", c.text, err, c.want)
		}
	}
	if lock, err := parseLock([]byte(pin(good))); err != nil || len(lock.Plugins) != 1 {
		t.Errorf("a good one: %+v, %v", lock, err)
	}
}

func FuzzLock(f *testing.F) {
	f.Add([]byte(`{"plugins":[{"name":"a","version":"1.0.0","path":"a","sha256":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		lock, err := parseLock(text)
		if err != nil {
			return
		}
		for _, p := range lock.Plugins {
			if strings.ContainsAny(p.Name, "/.") || p.Path == "" {
				t.Errorf("taken: %+v", p)
			}
		}
	})
}

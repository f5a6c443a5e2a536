package pluginhost

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func lines(write func(*logLines)) string {
	var out bytes.Buffer
	write(&logLines{log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))})
	return out.String()
}

func TestPluginLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"a JSON line", `{"@message":"m","@level":"error","@timestamp":"x","n":1}` + "\n", "level=ERROR msg=\"plugin: m\" plugin_log.n=1\n"},
		{"objects and lists in it", `{"@message":"m","@level":"info","r":{"h":[{"key":"k"}],"n":1.5}}` + "\n", "level=INFO msg=\"plugin: m\" plugin_log.r.h.0.key=k plugin_log.r.n=1.5\n"},
		{"any other line", "panic: oh\n", "level=WARN msg=\"plugin: panic: oh\"\n"},
		{"fields of the wrong type", `{"@message":7,"@level":[]}` + "\n", ""},
		{"blank lines", "\n \n", ""},
	} {
		if got := lines(func(l *logLines) { _, _ = l.Write([]byte(c.in)) }); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	cut := lines(func(l *logLines) {
		for range 10 {
			_, _ = l.Write(bytes.Repeat([]byte("x"), maxLogLine/3))
		}
		_, _ = l.Write([]byte("\nnext\n"))
	})
	if strings.Count(cut, "\n") != 2 || len(cut) > maxLogLine+200 || !strings.Contains(cut, "plugin: next") {
		t.Errorf("a line that never ends: %d lines, %d bytes", strings.Count(cut, "\n"), len(cut))
	}
}

func FuzzPluginLines(f *testing.F) {
	f.Add([]byte(`{"@message":"m","@level":"info"}`), 3)
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		lines(func(l *logLines) {
			for step = max(step, 1); len(text) > 0; text = text[min(step, len(text)):] {
				if n, err := l.Write(text[:min(step, len(text))]); err != nil || n != min(step, len(text)) {
					t.Fatal(n, err)
				}
				if len(l.rest) > maxLogLine {
					t.Fatalf("%d bytes are held", len(l.rest))
				}
			}
		})
	})
}

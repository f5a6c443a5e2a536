package telemetry

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestR45_LogsWithoutSecrets(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		write  func(*slog.Logger)
		hidden bool
	}{
		{"a key by its name", func(l *slog.Logger) { l.Info("m", "api_key", "s3cr3t") }, true},
		{"in capitals and with dashes", func(l *slog.Logger) { l.Info("m", "APIv3-Key", "s3cr3t") }, true},
		{"an openid", func(l *slog.Logger) { l.Info("m", "openid", "s3cr3t") }, true},
		{"in a group", func(l *slog.Logger) { l.Info("m", slog.Group("payer", "id", "s3cr3t")) }, true},
		{"in a group of a group", func(l *slog.Logger) {
			l.Info("m", slog.Group("request", slog.Group("headers", "x", "s3cr3t")))
		}, true},
		{"of a logger's own attributes", func(l *slog.Logger) { l.With("token", "s3cr3t").Info("m") }, true},
		{"of a logger's own group", func(l *slog.Logger) { l.WithGroup("credentials").Info("m", "value", "s3cr3t") }, true},
		{"of any type", func(l *slog.Logger) { l.Info("m", "body", []string{"s3cr3t"}) }, true},
		{"what is no secret", func(l *slog.Logger) { l.Info("m", "number", "s3cr3t") }, false},
		{"the message", func(l *slog.Logger) { l.Info("s3cr3t") }, false},
	} {
		for _, form := range []Form{JSON, Text} {
			t.Run(row.name+" as "+string(form), func(t *testing.T) {
				t.Parallel()
				var out bytes.Buffer
				row.write(Logger(&out, form, slog.LevelInfo))
				if hidden := !strings.Contains(out.String(), "s3cr3t"); hidden != row.hidden {
					t.Errorf("hidden is %v, want %v, in %s", hidden, row.hidden, out.String())
				}
				if form == JSON && !json.Valid(out.Bytes()) {
					t.Errorf("the line is not JSON: %s", out.String())
				}
			})
		}
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	Logger(&out, Text, slog.LevelWarn).Info("too quiet")
	if out.Len() > 0 {
		t.Errorf("written below its level: %s", out.String())
	}
}

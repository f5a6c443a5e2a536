package sdk

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

func TestLogLinesAreGoPlugins(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	newLog(&out).With("account", "a").WithGroup("g").Warn("a message", "level", "of water")
	var line struct {
		Message   string            `json:"@message"`
		Level     string            `json:"@level"`
		Timestamp string            `json:"@timestamp"`
		Account   string            `json:"account"`
		G         map[string]string `json:"g"`
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000000Z07:00", line.Timestamp); err != nil || line.Message != "a message" ||
		line.Level != "warn" || line.Account != "a" || line.G["level"] != "of water" {
		t.Errorf("%s: %v", out.String(), err)
	}
}

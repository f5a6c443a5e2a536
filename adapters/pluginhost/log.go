package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/go-hclog"
)

// maxLogLine is where a plugin's log line is cut.
const maxLogLine = 16 << 10

// logLines takes a plugin's standard error and logs it line by line: lines in go-plugin's JSON form with their level
// and fields, any other (a Go runtime's last words) as they are. What a plugin writes can do no more than fill a line.
type logLines struct {
	log  *slog.Logger
	rest []byte
	skip bool // in the middle of a line that was cut
}

func (l *logLines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, after, found := bytes.Cut(p, []byte("\n"))
		if !l.skip {
			l.rest = append(l.rest, line[:min(len(line), maxLogLine-len(l.rest))]...)
		}
		if !found {
			if len(l.rest) == maxLogLine {
				l.flush()
				l.skip = true
			}
			return n, nil
		}
		if !l.skip {
			l.flush()
		}
		l.skip = false
		p = after
	}
}

func (l *logLines) flush() {
	if len(bytes.TrimSpace(l.rest)) > 0 {
		logLine(l.log, l.rest)
	}
	l.rest = l.rest[:0]
}

func logLine(log *slog.Logger, line []byte) {
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil {
		log.Warn("plugin: " + string(line))
		return
	}
	message, _ := fields["@message"].(string)
	name, _ := fields["@level"].(string)
	var level slog.Level
	if level.UnmarshalText([]byte(name)) != nil {
		level = slog.LevelDebug // hclog's trace, or a lie
	}
	var attrs []any
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if k != "@message" && k != "@level" && k != "@timestamp" {
			attrs = append(attrs, logField(k, fields[k]))
		}
	}
	log.Log(context.Background(), level, "plugin: "+message, slog.Group("plugin_log", attrs...))
}

// logField makes groups of objects and lists, so that the host's redaction sees every name.
func logField(name string, value any) slog.Attr {
	var attrs []any
	switch v := value.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			attrs = append(attrs, logField(k, v[k]))
		}
	case []any:
		for n, inner := range v {
			attrs = append(attrs, logField(strconv.Itoa(n), inner))
		}
	default:
		return slog.Any(name, value)
	}
	return slog.Group(name, attrs...)
}

// hostLog is the logger that go-plugin's API asks for, on slog. Its reports of a plugin's end are debug lines: the
// supervisor tells of that in its own words.
func hostLog(log *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Debug})
	l.RegisterSink(toSlog{log})
	return l
}

type toSlog struct{ log *slog.Logger }

// Accept is hclog's way to hand over a record.
func (s toSlog) Accept(_ string, _ hclog.Level, message string, args ...any) {
	s.log.Debug("go-plugin: "+message, args...)
}

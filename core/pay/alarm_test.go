package pay

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The guide for operators lists every kind of alarm, in both languages, and each has words for people.
func TestR39_EveryAlarmIsExplained(t *testing.T) {
	t.Parallel()
	for _, guide := range []string{"../../docs/operating.md", "../../docs/operating.zh-CN.md"} {
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range slices.Sorted(maps.Keys(alarmWords)) {
			if !strings.Contains(string(text), "`"+kind+"`") {
				t.Errorf("%s does not say what the alarm %s means", guide, kind)
			}
		}
	}
	source, err := os.ReadFile("alarm.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(source)) {
		name, kind, ok := strings.Cut(strings.TrimSpace(line), "= \"")
		if !ok || !strings.HasPrefix(name, "Alarm") {
			continue
		}
		if words := alarmWords[strings.TrimSuffix(kind, `"`)]; words[0].Remedy == "" || words[1].Remedy == "" {
			t.Errorf("%s has no words in one of the languages", strings.TrimSpace(name))
		}
	}
}

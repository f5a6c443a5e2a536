package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	_ "embed"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Source is where a configuration comes from. Later ones win: defaults, File, Environ, Flags. A list is replaced
// whole.
type Source struct {
	// File is the YAML file's path; empty for none.
	File string
	// Text is the file's content when it is not read from File, which then only names it.
	Text []byte
	// Dir is where relative paths start, those of secrets included; empty is the working folder.
	Dir string
	// Environ holds NAME=value, as os.Environ gives it. PAYBRIDGE_LISTEN__PUBLIC is listen.public. An empty value
	// counts as not set.
	Environ []string
	// Flags may hold the flags that AddFlags made; those that were given count.
	Flags *pflag.FlagSet
}

const envPrefix = "PAYBRIDGE_"

// notSettings are variables with our prefix that set no key: they steer tests and scripts, and name the file. Each
// stands in full: a pattern would hide somebody's typing mistake.
var notSettings = []string{
	"PAYBRIDGE_CI", "PAYBRIDGE_CONFIG", "PAYBRIDGE_CRASH_AT", "PAYBRIDGE_README_DONE",
	"PAYBRIDGE_TEST_POSTGRES_DSN", "PAYBRIDGE_TEST_POSTGRES_FSYNC",
}

//go:embed defaults.yaml
var defaults []byte

// AddFlags makes a flag for every key that does not lie in a list: --listen.public for listen.public.
func AddFlags(flags *pflag.FlagSet) {
	for key, f := range settings() {
		flags.String(key, "", f.help)
	}
}

// Load reads and checks a configuration. Its error is *Invalid, with all that is wrong, or says that the file
// cannot be read. Secrets are not read, only their references.
func Load(s Source) (Config, error) {
	text := s.Text
	if text == nil && s.File != "" {
		var err error
		if text, err = os.ReadFile(s.File); err != nil {
			return Config{}, fmt.Errorf("read the configuration: %w", err)
		}
	}
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	l := loading{source: s, dir: dir, k: koanf.New("."), said: map[string]string{}}
	if err := l.k.Load(rawbytes.Provider(defaults), yaml.Parser()); err != nil {
		return Config{}, fmt.Errorf("read the built-in defaults: %w", err)
	}
	if !l.file(text) {
		return Config{}, &Invalid{l.problems}
	}
	l.environment()
	l.flags()
	return l.finish()
}

// loading is a configuration on its way in.
type loading struct {
	source   Source
	dir      string // absolute
	k        *koanf.Koanf
	lines    map[string]int
	said     map[string]string // the variable or flag that set a key
	problems []Problem
}

// problem adds one, with the place that said the key or the nearest key around it.
func (l *loading) problem(key, format string, args ...any) {
	l.problems = append(l.problems, Problem{Where: l.where(key), Key: key, What: fmt.Sprintf(format, args...)})
}

func (l *loading) where(key string) string {
	for _, at := range around(key) {
		if by, ok := l.said[at]; ok {
			return by
		}
		if line, ok := l.lines[at]; ok {
			return fmt.Sprintf("%s:%d", l.source.File, line)
		}
	}
	if l.source.File == "" {
		return "without a file"
	}
	return l.source.File
}

// around lists a key and those that it lies in, the nearest first: apps[0].name, apps[0], apps.
func around(key string) (keys []string) {
	for ; key != ""; key = key[:max(strings.LastIndexAny(key, ".["), 0)] {
		keys = append(keys, key)
	}
	return keys
}

// file reads the YAML; false when it cannot be understood at all.
func (l *loading) file(text []byte) bool {
	var err error
	if l.lines, err = lines(text); err == nil {
		err = l.k.Load(rawbytes.Provider(text), yaml.Parser())
	}
	if err != nil {
		what := strings.TrimPrefix(err.Error(), "yaml: ")
		what = strings.ReplaceAll(strings.TrimPrefix(what, "unmarshal errors:\n  "), "\n  ", "; ")
		l.problems = append(l.problems, Problem{Where: l.source.File, What: what})
	}
	return err == nil
}

// environment takes the variables with our prefix. One that is neither a key nor named by a reference is a typing
// mistake that would go unseen.
func (l *loading) environment() {
	known := settings()
	values := map[string]any{} // by variable
	key := func(variable string) string {
		return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, envPrefix), "__", "."))
	}
	referenced := references(l.k.Raw())
	var unknown []string
	for _, v := range l.source.Environ {
		variable, value, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(variable, envPrefix) || value == "" {
			continue
		}
		f, ok := known[key(variable)]
		if !ok {
			unknown = append(unknown, variable)
			continue
		}
		l.said[key(variable)] = variable
		referenced = append(referenced, value)
		typed, err := parse(value, f.typ)
		if err != nil {
			l.problem(key(variable), "%v", err)
			continue
		}
		values[variable] = typed
	}
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, envPrefix+strings.ToUpper(strings.ReplaceAll(k, ".", "__")))
	}
	for _, variable := range unknown {
		if slices.Contains(referenced, fromEnv+variable) || slices.Contains(notSettings, variable) {
			continue
		}
		what := "this variable sets no key; unset it, or set a list's keys in the file"
		if meant := nearest(variable, names); meant != "" {
			what = "this variable sets no key; did you mean " + meant + "?"
		}
		l.problems = append(l.problems, Problem{Where: variable, What: what})
	}
	err := l.k.Load(env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return l.source.Environ },
		TransformFunc: func(variable, _ string) (string, any) {
			if typed, ok := values[variable]; ok {
				return key(variable), typed
			}
			return "", nil
		},
	}), nil)
	if err != nil {
		l.problems = append(l.problems, Problem{Where: "the environment", What: err.Error()})
	}
}

// references collects every text of a value that is a reference.
func references(v any) (refs []string) {
	_, _ = mapStrings(v, func(s string) (string, error) { // f never fails, so neither does it
		if isRef(s) {
			refs = append(refs, s)
		}
		return s, nil
	})
	return refs
}

func (l *loading) flags() {
	if l.source.Flags == nil {
		return
	}
	known := settings()
	err := l.k.Load(posflag.ProviderWithFlag(l.source.Flags, ".", l.k, func(f *pflag.Flag) (string, any) {
		set, ok := known[f.Name]
		if !ok || !f.Changed {
			return "", nil
		}
		l.said[f.Name] = "--" + f.Name
		typed, err := parse(f.Value.String(), set.typ)
		if err != nil {
			l.problem(f.Name, "%v", err)
			return "", nil
		}
		return f.Name, typed
	}), nil)
	if err != nil {
		l.problems = append(l.problems, Problem{Where: "the flags", What: err.Error()})
	}
}

// finish holds what was read against the Config type, decodes it and checks what it says.
func (l *loading) finish() (Config, error) {
	raw := l.k.Raw()
	maps.IntfaceKeysToStrings(raw)
	s := shape{problem: l.problem, meant: map[string]bool{}, dir: l.dir}
	fits, _ := s.fit("", raw, reflect.TypeFor[Config]())

	// A lenient decoder, koanf's default, would drop what it does not know. The strict one has no hooks of its own.
	var c Config
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:      &c,
		TagName:     tag,
		ErrorUnused: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(),
			mapstructure.TextUnmarshallerHookFunc(),
		),
	})
	if err == nil {
		err = decoder.Decode(fits)
	}
	if err != nil { // what does not fit is told already; the decoder's words would show values
		return Config{}, errors.New("read the configuration: a value that fits does not decode, which is a bug")
	}
	c.settle(l.dir)
	told := s.meant
	for _, p := range l.problems {
		told[p.Key] = true
	}
	for _, f := range c.check() {
		if !slices.ContainsFunc(around(f.key), func(key string) bool { return told[key] }) {
			l.problem(f.key, "%s", f.what)
		}
	}
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b Problem) int { // as they stand in the file
			return cmp.Or(l.lines[a.Key]-l.lines[b.Key], strings.Compare(a.Key, b.Key))
		})
		return Config{}, &Invalid{l.problems}
	}
	c.where = l.where
	return c, nil
}

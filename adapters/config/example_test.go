package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/paybridge/paybridge/configs"
)

func TestConfigurationsThatComeWithPayBridgeLoad(t *testing.T) {
	t.Parallel()
	for name, text := range map[string][]byte{"dev.yaml": configs.Dev, "production.example.yaml": configs.ProductionExample} {
		if _, err := Load(Source{File: name, Text: text}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A setting that is commented out stands behind a "#" without a space; prose has one.
var commentedOut = regexp.MustCompile(`(?m)^( *)#([a-z])`)

func TestExampleIsTheReferenceOfEveryKey(t *testing.T) {
	t.Parallel()
	var example map[string]any
	if err := yaml.Unmarshal(commentedOut.ReplaceAll(configs.ProductionExample, []byte("$1$2")), &example); err != nil {
		t.Fatal(err)
	}
	inExample, inConfig := keysOf(example), keysOfType("", reflect.TypeFor[Config]())
	for _, key := range inConfig {
		if !slices.Contains(inExample, key) {
			t.Errorf("%s is not in configs/production.example.yaml", key)
		}
	}
	for _, key := range inExample {
		if !slices.ContainsFunc(inConfig, func(known string) bool { return key == known || strings.HasPrefix(key, known+".") }) {
			t.Errorf("configs/production.example.yaml has %s, which is no key", key)
		}
	}
}

// keysOf lists the keys of a document, those of lists as apps[].name.
func keysOf(document map[string]any) (keys []string) {
	var add func(key string, v any)
	add = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name := range v {
				keys = append(keys, below(key, name))
				add(below(key, name), v[name])
			}
		case []any:
			for _, item := range v {
				add(key+"[]", item)
			}
		}
	}
	add("", document)
	return keys
}

func keysOfType(prefix string, t reflect.Type) (keys []string) {
	for _, f := range fieldsOf(t) {
		key := below(prefix, f.name)
		keys = append(keys, key)
		switch {
		case isLeaf(f.typ) || f.typ.Kind() == reflect.Map:
		case f.typ.Kind() == reflect.Slice:
			keys = append(keys, keysOfType(key+"[]", f.typ.Elem())...)
		default:
			keys = append(keys, keysOfType(key, f.typ)...)
		}
	}
	return keys
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ word, want string }{
		{"instalation", "installation"}, {"lsiten", "listen"}, {"app", "apps"}, {"wechat_base_url", ""}, {"", ""},
	} {
		if got := nearest(row.word, []string{"listen", "installation", "apps", "entries"}); got != row.want {
			t.Errorf("%q: meant %q, want %q", row.word, got, row.want)
		}
	}
}

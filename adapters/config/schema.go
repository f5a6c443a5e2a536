package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The keys are what the Config type says they are; nothing lists them a second time.

const tag = "koanf"

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// isLeaf says that a key holds one value, or a list of such.
func isLeaf(t reflect.Type) bool {
	if t.Kind() == reflect.Slice && !isText(t) {
		return isLeaf(t.Elem()) && t.Elem().Kind() != reflect.Slice
	}
	return isText(t) || t.Kind() != reflect.Struct && t.Kind() != reflect.Map
}

// field is a key of a struct.
type field struct {
	name, help string
	typ        reflect.Type
}

func fieldsOf(t reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			fields = append(fields, field{f.Tag.Get(tag), f.Tag.Get("help"), f.Type})
		}
	}
	return fields
}

// settings are the keys that the environment and flags can set: all that do not lie in a list.
func settings() map[string]field {
	all := map[string]field{}
	var add func(prefix string, t reflect.Type)
	add = func(prefix string, t reflect.Type) {
		for _, f := range fieldsOf(t) {
			switch key := prefix + f.name; {
			case isLeaf(f.typ):
				all[key] = f
			case f.typ.Kind() == reflect.Struct:
				add(key+".", f.typ)
			}
		}
	}
	add("", reflect.TypeFor[Config]())
	return all
}

// parse gives a variable's or a flag's text the form that a file's value would have.
func parse(text string, t reflect.Type) (any, error) {
	switch {
	case t.Kind() == reflect.Slice && !isText(t):
		var list []any
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		return list, nil
	case t.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("write true or false")
		}
		return b, nil
	}
	return text, nil
}

// shape holds raw values against the Config type and keeps what fits, so that the rest can still be checked.
type shape struct {
	problem func(key, format string, args ...any)
	meant   map[string]bool // keys that an unknown one probably meant: that they are missing is no news
	dir     string          // where relative file references start
}

// fit gives the value as the type takes it; false when it does not fit and the problem is told.
func (s *shape) fit(key string, v any, t reflect.Type) (any, bool) {
	switch {
	case isText(t):
		return s.fitText(key, v, t)
	case t == durationType:
		text, ok := v.(string)
		if _, err := time.ParseDuration(text); !ok || err != nil {
			s.problem(key, "write a duration with its unit, such as 10s or 2m")
			return nil, false
		}
		return v, true
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.fitStruct(key, v, t)
	case reflect.Slice:
		return s.fitList(key, v, t)
	case reflect.Map:
		if t.Elem().Kind() == reflect.Struct {
			return s.fitNamed(key, v, t.Elem())
		}
		return s.fitFree(key, v)
	case reflect.String:
		text, ok := v.(string)
		if !ok {
			s.problem(key, "write the text in quotes; without them it is read as %s", describe(v))
		}
		return text, ok
	case reflect.Bool:
		b, ok := v.(bool)
		if !ok {
			s.problem(key, "write true or false, not %s", describe(v))
		}
		return b, ok
	case reflect.Int:
		n, ok := v.(int)
		if !ok {
			s.problem(key, "write a whole number without quotes, not %s", describe(v))
		}
		return n, ok
	}
	panic(fmt.Sprintf("the configuration has a key of type %s, which nothing reads", t))
}

func (s *shape) fitText(key string, v any, t reflect.Type) (any, bool) {
	text, ok := v.(string)
	if !ok {
		s.problem(key, "write a text, in quotes where needed, not %s", describe(v))
		return nil, false
	}
	if t == reflect.TypeFor[SecretRef]() {
		text = absolute(text, s.dir)
	}
	if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		s.problem(key, "%v", err)
		return nil, false
	}
	return text, true
}

func (s *shape) fitStruct(key string, v any, t reflect.Type) (any, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		s.problem(key, "has keys of its own below it; here stands %s", describe(v))
		return nil, false
	}
	fields := fieldsOf(t)
	known := make([]string, len(fields))
	fits := map[string]any{}
	for i, f := range fields {
		known[i] = f.name
		if inner, there := m[f.name]; there && inner != nil {
			if fit, ok := s.fit(below(key, f.name), inner, f.typ); ok {
				fits[f.name] = fit
			}
		}
	}
	for name := range m {
		if !slices.Contains(known, name) {
			s.unknown(key, name, known)
		}
	}
	return fits, true
}

// unknown refuses a key, and says what it probably should be.
func (s *shape) unknown(key, name string, known []string) {
	if meant := nearest(name, known); meant != "" {
		s.meant[below(key, meant)] = true
	}
	s.problem(below(key, name), "%s", unknownKey(name, known))
}

func (s *shape) fitList(key string, v any, t reflect.Type) (any, bool) {
	list, ok := v.([]any)
	if !ok {
		s.problem(key, "write a list, not %s", describe(v))
		return nil, false
	}
	fits := make([]any, 0, len(list))
	for i, item := range list {
		// A row that does not fit keeps its place, so that the others keep their numbers.
		fit, ok := s.fit(fmt.Sprintf("%s[%d]", key, i), item, t.Elem())
		if !ok && isLeaf(t.Elem()) {
			return nil, false
		} else if !ok {
			fit = map[string]any{}
		}
		fits = append(fits, fit)
	}
	return fits, true
}

// fitNamed takes a map whose keys are names that the file chooses.
func (s *shape) fitNamed(key string, v any, t reflect.Type) (any, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		s.problem(key, "has names below it, each with keys of its own; here stands %s", describe(v))
		return nil, false
	}
	fits := map[string]any{}
	for name, inner := range m {
		if fit, ok := s.fit(below(key, name), inner, t); ok {
			fits[name] = fit
		}
	}
	return fits, true
}

// fitFree takes what JSON can say, and makes file references absolute.
func (s *shape) fitFree(key string, v any) (any, bool) {
	if _, isMap := v.(map[string]any); !isMap {
		s.problem(key, "has keys of its own below it; here stands %s", describe(v))
		return nil, false
	}
	if bad, what := notJSON(key, v); bad != "" {
		s.problem(bad, "%s", what)
		return nil, false
	}
	v, err := mapStrings(v, func(text string) (string, error) { return absolute(text, s.dir), nil })
	return v, err == nil
}

// notJSON finds a value in v that JSON has no form for.
func notJSON(key string, v any) (bad, what string) {
	switch v := v.(type) {
	case nil, string, bool, int, int64, uint64:
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return key, "is not a number"
		}
	case []any:
		for i := range v {
			if bad, what = notJSON(fmt.Sprintf("%s[%d]", key, i), v[i]); bad != "" {
				return bad, what
			}
		}
	case map[string]any:
		for k := range v {
			if bad, what = notJSON(below(key, k), v[k]); bad != "" {
				return bad, what
			}
		}
	default:
		return key, "write the text in quotes; without them it is read as " + describe(v)
	}
	return "", ""
}

// describe names a value's kind, never the value: it may be a secret.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case int, int64, uint64, float64:
		return "a number"
	case time.Time:
		return "a date"
	case []any:
		return "a list"
	}
	return "a map"
}

func below(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

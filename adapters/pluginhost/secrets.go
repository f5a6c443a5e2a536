package pluginhost

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// CheckAccount holds an account against its plugin's schema without giving it to the plugin. A *ConfigError says all that
// is wrong with it; an error that wraps ports.ErrUnavailable, that the plugin has never run here. Of secrets that cannot
// be read it says so, and checks the rest.
func (h *Host) CheckAccount(a Account) error {
	about, err := h.about(a.Provider)
	if err != nil {
		return fmt.Errorf("account %s: %w", a.Name, err)
	}
	wrong := &ConfigError{What: "account " + a.Name}
	if wrong.Fields, err = h.clearSecrets(a, about.GetAccountSchema()); err != nil {
		return err
	}
	config, unread := h.o.Resolve(a.Config)
	if unread != nil {
		config = a.Config
		wrong.Fields = append(wrong.Fields, FieldProblem{Problem: unread.Error()})
	}
	if config, err = withMerchant(a, config, about.GetAccountSchema()); err == nil {
		err = checkSchema(wrong.What, about.GetAccountSchema(), config)
	}
	more, ok := asConfigError(err)
	if err != nil && !ok {
		return err
	}
	if ok {
		given, _ := jsonschema.UnmarshalJSON(strings.NewReader(string(a.Config)))
		for _, f := range more.Fields {
			if text, leaf := at(given, f.Pointer).(string); unread != nil && leaf && h.o.IsReference(text) {
				continue // the rule is the secret's, and here stands where it is
			}
			if !slices.ContainsFunc(wrong.Fields, func(told FieldProblem) bool { return told.Pointer != "" && told.Pointer == f.Pointer }) {
				wrong.Fields = append(wrong.Fields, f)
			}
		}
	}
	if len(wrong.Fields) == 0 {
		return nil
	}
	return wrong
}

// CheckClearSecrets refuses an account's configuration in which a secret stands in the place of its reference: it would
// be stored and shown as it stands. A *ConfigError, or an error that wraps ports.ErrUnavailable.
func (h *Host) CheckClearSecrets(a Account) error {
	about, err := h.about(a.Provider)
	if err != nil {
		return fmt.Errorf("account %s: %w", a.Name, err)
	}
	fields, err := h.clearSecrets(a, about.GetAccountSchema())
	if err != nil || len(fields) == 0 {
		return err
	}
	return &ConfigError{"account " + a.Name, fields}
}

func (h *Host) clearSecrets(a Account, schema []byte) ([]FieldProblem, error) {
	if len(schema) == 0 {
		return nil, nil
	}
	compiled, err := compileSchema(schema)
	if err != nil {
		return nil, fmt.Errorf("account %s: the plugin's schema is broken: %w", a.Name, err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(a.Config)))
	if err != nil {
		return nil, &ConfigError{"account " + a.Name, []FieldProblem{{Problem: "is not JSON"}}}
	}
	w := walk{isReference: h.o.IsReference}
	w.visit(compiled, value, nil, 0)
	return w.found, nil
}

// walk looks for values that a schema calls secret and that are no reference.
type walk struct {
	isReference func(string) bool
	found       []FieldProblem
}

// maxDepth bounds a schema that refers to itself.
const maxDepth = 32

func (w *walk) visit(s *jsonschema.Schema, v any, path []string, depth int) {
	if s == nil || depth > maxDepth {
		return
	}
	if s.WriteOnly {
		w.secret(v, path)
		return
	}
	for _, same := range slices.Concat([]*jsonschema.Schema{s.Ref, s.If, s.Then, s.Else}, s.AllOf, s.AnyOf, s.OneOf) {
		w.visit(same, v, path, depth+1)
	}
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			for _, of := range ofProperty(s, name) {
				w.visit(of, inner, append(slices.Clip(path), name), depth+1)
			}
		}
	case []any:
		for i, inner := range v {
			w.visit(ofItem(s, i), inner, append(slices.Clip(path), strconv.Itoa(i)), depth+1)
		}
	}
}

func ofProperty(s *jsonschema.Schema, name string) (of []*jsonschema.Schema) {
	if p, ok := s.Properties[name]; ok {
		of = append(of, p)
	}
	for pattern, p := range s.PatternProperties {
		if pattern.MatchString(name) {
			of = append(of, p)
		}
	}
	if p, ok := s.AdditionalProperties.(*jsonschema.Schema); ok && len(of) == 0 {
		of = append(of, p)
	}
	return of
}

func ofItem(s *jsonschema.Schema, i int) *jsonschema.Schema {
	if i < len(s.PrefixItems) {
		return s.PrefixItems[i]
	}
	if items, ok := s.Items.(*jsonschema.Schema); ok {
		return items
	}
	return s.Items2020
}

// secret notes each value of v that is no reference.
func (w *walk) secret(v any, path []string) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			w.secret(inner, append(slices.Clip(path), name))
		}
		return
	case []any:
		for i, inner := range v {
			w.secret(inner, append(slices.Clip(path), strconv.Itoa(i)))
		}
		return
	case nil, bool:
		return
	case string:
		if v == "" || w.isReference(v) {
			return
		}
	}
	found := FieldProblem{Pointer: pointer(path), Problem: "is a secret and stands here in the clear; write where it is: env:NAME or file:path"}
	if !slices.ContainsFunc(w.found, func(f FieldProblem) bool { return f.Pointer == found.Pointer }) {
		w.found = append(w.found, found)
	}
}

// at is the value at a JSON Pointer; nil: there is none.
func at(v any, pointer string) any {
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch inner := v.(type) {
		case map[string]any:
			v = inner[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(inner) {
				return nil
			}
			v = inner[i]
		default:
			return nil
		}
	}
	return v
}

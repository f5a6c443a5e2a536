package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// secrets looks at all that was written and answered while the other promises were looked at.
func secrets(p *probe) {
	schema, err := compile(p.described(p.start()).GetAccountSchema())
	if err != nil {
		p.fatal("account_schema is no JSON Schema: %v", err)
	}
	for _, a := range p.about.Accounts {
		for _, secret := range secretsOf(schema, a.Config) {
			for _, part := range parts(secret.value) {
				switch {
				case p.said.has(part):
					p.wrong("what the plugin wrote to standard output or error holds %s of account %s", secret.where, a.Name)
				case p.answers.has(part):
					p.wrong("an answer or an error of the plugin's holds %s of account %s", secret.where, a.Name)
				}
			}
		}
	}
}

// leastPart is the shortest text that is searched for: a shorter one would be found by chance.
const leastPart = 8

// parts are the forms in which a secret may stand in a log: each of its lines, as JSON writes it, and base64.
func parts(secret string) (all []string) {
	for line := range strings.Lines(secret) {
		line = strings.TrimSpace(line)
		if len(line) < leastPart || strings.HasPrefix(line, "-----") { // a PEM's frame is no secret
			continue
		}
		quoted, _ := json.Marshal(line) // a string marshals
		all = append(all, line, strings.Trim(string(quoted), `"`), base64.StdEncoding.EncodeToString([]byte(line)))
	}
	return slices.Compact(all)
}

type secret struct{ where, value string }

// secretsOf are the values of an account that its schema marks with writeOnly.
func secretsOf(schema *jsonschema.Schema, config []byte) []secret {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		return nil
	}
	var found []secret
	visit(schema, v, "", 0, func(where string, value any) {
		texts(where, value, func(where, text string) { found = append(found, secret{where, text}) })
	})
	return found
}

// maxDepth bounds a schema that refers to itself.
const maxDepth = 32

func visit(s *jsonschema.Schema, v any, where string, depth int, f func(string, any)) {
	switch {
	case s == nil || depth > maxDepth:
		return
	case s.WriteOnly:
		f(where, v)
		return
	}
	for _, same := range slices.Concat([]*jsonschema.Schema{s.Ref, s.If, s.Then, s.Else}, s.AllOf, s.AnyOf, s.OneOf) {
		visit(same, v, where, depth+1, f)
	}
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			visit(property(s, name), inner, where+"/"+name, depth+1, f)
		}
	case []any:
		for _, inner := range v {
			visit(s.Items2020, inner, where, depth+1, f)
		}
	}
}

func property(s *jsonschema.Schema, name string) *jsonschema.Schema {
	if of, ok := s.Properties[name]; ok {
		return of
	}
	for pattern, of := range s.PatternProperties {
		if pattern.MatchString(name) {
			return of
		}
	}
	of, _ := s.AdditionalProperties.(*jsonschema.Schema)
	return of
}

// texts are the strings of a secret that is more than one.
func texts(where string, v any, f func(where, text string)) {
	switch v := v.(type) {
	case string:
		f(where, v)
	case map[string]any:
		for name, inner := range v {
			texts(where+"/"+name, inner, f)
		}
	case []any:
		for _, inner := range v {
			texts(where, inner, f)
		}
	}
}

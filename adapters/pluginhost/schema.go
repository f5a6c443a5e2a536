package pluginhost

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// checkSchema holds the configuration of what, an account or an entry, against the plugin's schema. Its errors name
// fields and rules and never a value, which may be a secret.
func checkSchema(what string, schema, config []byte) error {
	if len(schema) == 0 {
		return nil
	}
	compiled, err := compileSchema(schema)
	if err != nil {
		return fmt.Errorf("%s: the plugin's schema is broken: %w", what, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		return &ConfigError{what, []FieldProblem{{Problem: "is not JSON"}}}
	}
	err = compiled.Validate(value)
	var wrong *jsonschema.ValidationError
	if !errors.As(err, &wrong) {
		return err
	}
	e := &ConfigError{What: what}
	leaves(wrong, func(leaf *jsonschema.ValidationError) {
		unknown, ok := leaf.ErrorKind.(*kind.AdditionalProperties)
		if !ok {
			e.Fields = append(e.Fields, FieldProblem{Pointer: pointer(leaf.InstanceLocation), Problem: rule(leaf.ErrorKind)})
			return
		}
		for _, name := range unknown.Properties {
			f := FieldProblem{Pointer: pointer(append(slices.Clip(leaf.InstanceLocation), name)), Problem: "is unknown"}
			if len(leaf.InstanceLocation) == 0 {
				f.Known = slices.Sorted(maps.Keys(compiled.Properties))
				f.Problem += "; known here: " + strings.Join(f.Known, ", ")
			}
			e.Fields = append(e.Fields, f)
		}
	})
	return e
}

func compileSchema(schema []byte) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	if err := c.AddResource("plugin:schema", document); err != nil {
		return nil, err
	}
	return c.Compile("plugin:schema")
}

// noLoader keeps a schema from making us read files or addresses.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a plugin's schema must hold all that it refers to, not %s", url)
}

func leaves(e *jsonschema.ValidationError, f func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		f(e)
	}
	for _, cause := range e.Causes {
		leaves(cause, f)
	}
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(location []string) string {
	var b strings.Builder
	for _, token := range location {
		b.WriteString("/" + pointerEscape.Replace(token))
	}
	return b.String()
}

// rule says what a field breaks.
func rule(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Required:
		return "lacks " + strings.Join(k.Missing, ", ")
	case *kind.Type:
		return "must be of type " + strings.Join(k.Want, " or ") + ", not " + k.Got
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters, has %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters, has %d", k.Want, k.Got)
	case *kind.Pattern:
		return "must match " + k.Want
	}
	return "breaks the schema's rule " + strings.Join(k.KeywordPath(), "/")
}

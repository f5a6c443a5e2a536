package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/ports"
)

// bodyLimit bounds the body of a call of the API, in bytes.
const bodyLimit = 64 << 10

// formed lets a request pass whose path, query and body have the form that openapi.yaml gives them. It names every
// field that has not, so that a caller mends them at once.
func (s *service) formed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := s.contract[r.Method+" "+callOf(r.Context()).route]
		err := checkPath(op, mux.Vars(r))
		if err == nil {
			err = checkQuery(op, r.URL)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		body, err := readBody(op, w, r)
		if err == nil && op.body != nil {
			err = checkBody(op.body, body)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// checkPath finds nothing under a number that is none. The database is not asked: a text such as one with a NUL it
// would not even take.
func checkPath(op operation, vars map[string]string) error {
	for name, schema := range op.path {
		if len(checkParameter(name, schema, vars[name])) > 0 {
			return fmt.Errorf("the path's %s: %w", name, ports.ErrNotFound)
		}
	}
	return nil
}

// checkQuery refuses parameters that the call does not know: one that is misspelt must not be silently ignored.
func checkQuery(op operation, u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return invalid{{Field: "query", Detail: "must be well-formed name=value pairs joined by &"}}
	}
	var wrong invalid
	for _, name := range slices.Sorted(maps.Keys(query)) {
		schema, known := op.query[name]
		switch {
		case !known:
			wrong = append(wrong, FieldError{Field: name, Detail: "is not a parameter of this call"})
		case len(query[name]) != 1:
			wrong = append(wrong, FieldError{Field: name, Detail: "must be given once"})
		default:
			wrong = append(wrong, checkParameter(name, schema, query.Get(name))...)
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

func checkParameter(name string, schema *openapi3.Schema, text string) invalid {
	var value any = text
	if schema.Type.Is(openapi3.TypeInteger) {
		n, err := strconv.ParseInt(text, 10, 53)
		if err != nil {
			return invalid{{Field: name, Detail: "must be a whole number"}}
		}
		value = float64(n)
	}
	return violations(name, schema, value)
}

// readBody reads a bounded body, where the call takes one.
func readBody(op operation, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, op.most))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &fault{"body_too_large", fmt.Sprintf("The body may have %d bytes.", op.most)}
	case err != nil:
		return nil, invalid{{Field: "body", Detail: "could not be read to its end"}}
	case op.body == nil && len(body) > 0:
		return nil, invalid{{Field: "body", Detail: "must be empty: this call takes none"}}
	case op.body == nil:
		return nil, nil
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || kind != "application/json" || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return nil, &fault{"unsupported_media_type", "Send the body as Content-Type: application/json, in UTF-8."}
	}
	return body, nil
}

// checkBody holds a body against its schema.
func checkBody(schema *openapi3.Schema, body []byte) error {
	if !utf8.Valid(body) {
		return invalid{{Field: "body", Detail: "must be UTF-8"}}
	}
	value, err := parseJSON(body)
	if err != nil {
		return invalid{{Field: "body", Detail: err.Error()}}
	}
	if wrong := violations("", schema, value); len(wrong) > 0 {
		return wrong
	}
	return nil
}

// parseJSON reads one JSON value and nothing behind it. A name that stands twice in an object is refused: which of
// the two counts would be a matter of taste, and this is about money.
func parseJSON(body []byte) (any, error) {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return nil, errors.New("must be one well-formed JSON object")
	}
	if name, twice := repeatedName(json.NewDecoder(bytes.NewReader(body))); twice {
		return nil, fmt.Errorf("must not have the name %q twice in one object", shortened(name))
	}
	return value, nil
}

// repeatedName walks one well-formed value.
func repeatedName(d *json.Decoder) (name string, twice bool) {
	token, err := d.Token()
	if err != nil {
		return "", false
	}
	opening, _ := token.(json.Delim)
	seen := map[string]bool{}
	for d.More() && (opening == '{' || opening == '[') {
		if opening == '{' {
			key, err := d.Token()
			if err != nil {
				return "", false
			}
			name, _ := key.(string)
			if seen[name] {
				return name, true
			}
			seen[name] = true
		}
		if name, twice := repeatedName(d); twice {
			return name, true
		}
	}
	if opening == '{' || opening == '[' {
		_, _ = d.Token() // its end
	}
	return "", false
}

// mostViolations bounds an answer to a body that is wrong everywhere.
const mostViolations = 20

// violations is every field that is not what its schema says, one remark each. No value is repeated in them: it may be
// an openid, or text that is not fit to be shown.
func violations(field string, schema *openapi3.Schema, value any) (wrong invalid) {
	found := remarks{root: field, on: map[string]string{}, walked: map[string]bool{}}
	found.add(schema.VisitJSON(value, openapi3.MultiErrors(), openapi3.VisitAsRequest(), openapi3.EnableFormatValidation(),
		openapi3.WithStringFormatValidator("date-time", openapi3.NewCallbackValidator(rfc3339))))
	for _, name := range slices.Sorted(maps.Keys(found.on)) {
		wrong = append(wrong, FieldError{Field: name, Detail: found.on[name]})
	}
	return wrong[:min(len(wrong), mostViolations)]
}

func rfc3339(text string) error {
	_, err := time.Parse(time.RFC3339, text)
	return err
}

// remarks gathers what a schema says about a value.
type remarks struct {
	root   string            // how the whole value is called; empty: body
	on     map[string]string // by the field's path
	walked map[string]bool   // objects whose unknown names are in already
}

func (r remarks) add(err error) {
	var many openapi3.MultiError
	var one *openapi3.SchemaError
	switch {
	case err == nil:
	case errors.As(err, &many):
		for _, e := range many {
			r.add(e)
		}
	case errors.As(err, &one) && one.SchemaField == "properties": // one for each name that the schema has not
		at := one.JSONPointer()
		if r.walked[strings.Join(at, ".")] {
			return
		}
		r.walked[strings.Join(at, ".")] = true
		object, _ := one.Value.(map[string]any)
		for name := range object {
			if one.Schema.Properties[name] == nil {
				r.note(append(slices.Clone(at), name), "is not a field of this call")
			}
		}
	case errors.As(err, &one):
		r.note(one.JSONPointer(), spelled(one))
	default:
		r.note(nil, "is not what this call takes")
	}
}

// note keeps the first remark on a field, as in payer.policy.
func (r remarks) note(path []string, detail string) {
	field := shortened(cmp.Or(strings.Join(path, "."), r.root, "body"))
	if _, noted := r.on[field]; !noted {
		r.on[field] = detail
	}
}

// spelled says what a field must be.
func spelled(e *openapi3.SchemaError) string {
	s := e.Schema
	switch e.SchemaField {
	case "required":
		return "is required"
	case "type", "nullable":
		return "must be " + article(s.Type.Slice()[0])
	case "minimum":
		return fmt.Sprintf("must be at least %.0f", *s.Min)
	case "maximum":
		return fmt.Sprintf("must be at most %.0f", *s.Max)
	case "minLength":
		return fmt.Sprintf("must have at least %d characters", s.MinLength)
	case "maxLength":
		return fmt.Sprintf("must have at most %d characters", *s.MaxLength)
	case "maxProperties":
		return fmt.Sprintf("must have at most %d entries", *s.MaxProps)
	case "enum":
		return fmt.Sprintf("must be one of %s", strings.Trim(fmt.Sprint(s.Enum), "[]"))
	case "pattern":
		return "must match " + s.Pattern
	case "format":
		return "must be an RFC 3339 time, as in 2026-03-01T09:30:00+08:00"
	}
	return "does not have the form that the API's description gives it"
}

func article(kind string) string {
	switch kind {
	case openapi3.TypeInteger:
		return "a whole number"
	case openapi3.TypeObject, openapi3.TypeArray:
		return "an " + kind
	}
	return "a " + kind
}

// shortened is a caller's own text, cut so that an answer stays small, without what a terminal would obey.
func shortened(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return text
}

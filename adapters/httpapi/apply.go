package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/ports"
)

// checkedBody is a body whose form was checked, and which is in memory.
func checkedBody(r *http.Request) []byte {
	body, _ := io.ReadAll(r.Body)
	return body
}

// fieldChange is a value that differs.
type fieldChange struct {
	Key  string `json:"key"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// rowChange is what becomes of a row.
type rowChange struct {
	Kind   ports.SettingKind `json:"kind"`
	Name   string            `json:"name"`
	Action gateway.Action    `json:"action"`
	Fields []fieldChange     `json:"fields,omitempty"`
}

func (s *service) apply(w http.ResponseWriter, r *http.Request) error {
	var wanted struct {
		Hash string `json:"hash"`
		ports.SettingsContent
	}
	if err := json.Unmarshal(checkedBody(r), &wanted); err != nil {
		return err
	}
	by, _, err := asked(r, 0)
	if err != nil {
		return err
	}
	try := r.URL.Query().Get("dry_run") == "true"
	plan, err := s.gateway.ApplySettings(r.Context(), by, wanted.Hash, wanted.SettingsContent, try)
	if err != nil {
		return err
	}
	answerPlan(w, plan, try)
	return nil
}

func answerPlan(w http.ResponseWriter, plan gateway.Plan, try bool) {
	answerJSON(w, http.StatusOK, struct {
		Generation int64       `json:"generation"`
		DryRun     bool        `json:"dry_run"`
		Changes    []rowChange `json:"changes"`
	}{plan.Generation, try, show(plan.Changes, func(c gateway.RowChange) rowChange {
		return rowChange{c.Row.Kind, c.Row.Name, c.Action, show(c.Fields, func(f gateway.FieldChange) fieldChange { return fieldChange(f) })}
	})})
}

// operatorProblems are the codes that only the admin API answers with.
var operatorProblems = map[string]struct {
	status int
	title  string
}{
	"settings_invalid":    {http.StatusBadRequest, "The settings are wrong"},
	"setting_refused":     {http.StatusConflict, "The settings cannot become that"},
	"generation_mismatch": {http.StatusPreconditionFailed, "The row has changed since it was read"},
	"generation_missing":  {http.StatusPreconditionRequired, "The change does not say for which version of the row it is"},
}

// askOperator is when a call that a plugin was away for is worth a repeat.
const askOperator = 5 * time.Second

// failOperator answers an operator's call that was not done.
func (s *service) failOperator(w http.ResponseWriter, r *http.Request, err error) {
	var (
		wrong   *gateway.SettingsInvalid
		refused *ports.SettingsRefusal
		code    string
		detail  = err.Error()
		fields  []FieldError
		busy    *gateway.Unavailable
	)
	switch {
	case errors.As(err, &wrong):
		code = "settings_invalid"
		for _, p := range wrong.Problems {
			field := strings.TrimSuffix(plurals[p.Row.Kind]+"/"+p.Row.Name+"/"+p.Key, "/")
			fields = append(fields, FieldError{Field: field, Detail: p.What})
		}
	case errors.As(err, &refused):
		code, detail = "setting_refused", refused.Error()
	case errors.Is(err, gateway.ErrUnread):
		code, detail = "generation_missing", detail+"; read it, and send its ETag as If-Match (or If-Match: * to overwrite whatever is there)"
	case errors.Is(err, gateway.ErrGeneration):
		code, detail = "generation_mismatch", detail+"; read it again and decide again"
	case errors.Is(err, ports.ErrNotFound):
		s.fail(w, r, &fault{"not_found", "There is no such row: " + detail + "."})
		return
	case errors.Is(err, ports.ErrUnavailable) && !errors.As(err, &busy):
		s.fail(w, r, &gateway.Unavailable{Detail: "Its plugin has not run here yet, so that nobody can tell its secrets from the rest: " + detail, RetryAfter: askOperator})
		return
	default:
		s.fail(w, r, err)
		return
	}
	c := callOf(r.Context())
	c.code = code
	p := Problem{Code: ProblemCode(code), Status: operatorProblems[code].status, Title: operatorProblems[code].title, Detail: detail}
	if fields != nil {
		p.Errors = &fields
	}
	write(w, c.id, p, 0)
}

var plurals = map[ports.SettingKind]string{ports.AppSetting: "apps", ports.EntrySetting: "entries", ports.AccountSetting: "accounts"}

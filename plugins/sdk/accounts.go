package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
)

// Account is one account's configuration as the host gives it: valid under Description.AccountSchema, its secrets
// resolved. Keep nothing of it on disk and none of its secrets in an error.
type Account struct {
	Name       string
	Generation int64 // grows with each change
	Config     json.RawMessage
	Mode       Mode
}

// Mode says which of a provider's worlds an account lives in.
type Mode struct {
	BaseURL    string // scheme and host without a path; empty: the provider's own address
	Test       bool   // the test flag of providers that have one
	Production bool   // the host runs in production mode
}

// Decode reads the configuration into v, a pointer to a struct with json tags. A field that v does not have is an
// error that names it.
func (a Account) Decode(v any) error {
	d := json.NewDecoder(bytes.NewReader(a.Config))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong): // its text would repeat the value's kind, never the value
		return Field("/"+wrong.Field, "must be a %s", wrong.Type)
	default:
		return Field("", "cannot be read: %s", jsonFault(err))
	}
}

// jsonFault tells of a JSON error without the bytes around it, which may be a secret's.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("broken JSON at byte %d", syntax.Offset)
	}
	return err.Error() // of DisallowUnknownFields: names the field only
}

// Merchant is whom an account's credentials sign for.
type Merchant struct {
	MchID    string // the signer's
	SubMchID string // fixed sub merchant, or empty
}

// FieldError names a wrong field of an account's configuration.
type FieldError struct {
	Pointer string // JSON Pointer, for example "/api_v3_key"
	Problem string // what is wrong and what to do; never the value
}

// Field is an error about one field. Join several with errors.Join: the host hears of each.
func Field(pointer, format string, a ...any) error {
	return &FieldError{Pointer: pointer, Problem: fmt.Sprintf(format, a...)}
}

func (e *FieldError) Error() string { return e.Pointer + " " + e.Problem }

// Accounts holds what a plugin parsed of its accounts, each replaced whole and atomically. T is the plugin's own: keys
// parsed once, a client, never an app id. The zero value is empty and ready for use, by any number of goroutines.
type Accounts[T any] struct {
	writing sync.Mutex
	byName  atomic.Pointer[map[string]account[T]]
}

type account[T any] struct {
	generation int64
	merchant   Merchant
	value      T
}

// Set puts an account in use. A generation lower than the one held changes nothing: a late replay is harmless.
func (s *Accounts[T]) Set(a Account, m Merchant, value T) {
	s.writing.Lock()
	defer s.writing.Unlock()
	next := map[string]account[T]{}
	if now := s.byName.Load(); now != nil {
		if held, ok := (*now)[a.Name]; ok && held.generation > a.Generation {
			return
		}
		maps.Copy(next, *now)
	}
	next[a.Name] = account[T]{a.Generation, m, value}
	s.byName.Store(&next)
}

// For is the account that a route names, and false when it is not configured or signs for another merchant than the
// route's: answer Auth then. An account whose configuration names no merchant is the route's: the host holds the two
// together.
func (s *Accounts[T]) For(r Route) (T, bool) {
	a, ok := s.named(r.Account)
	if !ok || (a.merchant != Merchant{} && a.merchant.MchID != r.MchID) || (a.merchant.SubMchID != "" && a.merchant.SubMchID != r.SubMchID) {
		var none T
		return none, false
	}
	return a.value, true
}

// Named is the account of that name, whoever it signs for. For notifications only, which have no route yet.
func (s *Accounts[T]) Named(name string) (T, bool) {
	a, ok := s.named(name)
	return a.value, ok
}

func (s *Accounts[T]) named(name string) (account[T], bool) {
	now := s.byName.Load()
	if now == nil {
		return account[T]{}, false
	}
	a, ok := (*now)[name]
	return a, ok
}

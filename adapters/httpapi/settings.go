package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/ports"
)

// The rows as admin.yaml shows them.
type (
	shownApp struct {
		ports.App
		Generation int64  `json:"generation"`
		Owner      string `json:"owner"`
	}
	shownEntry struct {
		ports.Entry
		Generation int64  `json:"generation"`
		Owner      string `json:"owner"`
	}
	shownAccount struct {
		ports.Account
		Generation int64  `json:"generation"`
		Owner      string `json:"owner"`
	}
)

func showEntry(e ports.Entry) shownEntry       { return shownEntry{e, e.Generation, e.Owner} }
func showAccount(a ports.Account) shownAccount { return shownAccount{a, a.Generation, a.Owner} }

// showApp writes lists that are empty as such: the document has no null.
func showApp(a ports.App) shownApp {
	a.Keys, a.Entries = append([]ports.AppKey{}, a.Keys...), append([]string{}, a.Entries...)
	for i := range a.Keys {
		a.Keys[i].Scopes = append([]string{}, a.Keys[i].Scopes...)
	}
	return shownApp{a, a.Generation, a.Owner}
}

func show[T, S any](rows []T, one func(T) S) []S {
	all := make([]S, len(rows))
	for i, row := range rows {
		all[i] = one(row)
	}
	return all
}

// settingRoutes are the kinds of rows by their place in the address.
var settingRoutes = []struct {
	path string
	kind ports.SettingKind
	list func(ports.SettingsContent) any
	row  func(c ports.SettingsContent, name string) (row any, generation int64, ok bool)
	read func(body []byte, name string) (put ports.SettingsContent, generation int64, err error)
}{
	{"apps", ports.AppSetting,
		func(c ports.SettingsContent) any { return show(c.Apps, showApp) },
		func(c ports.SettingsContent, name string) (any, int64, bool) {
			a, ok := c.App(name)
			return showApp(a), a.Generation, ok
		},
		func(body []byte, name string) (put ports.SettingsContent, _ int64, err error) {
			var a shownApp
			err = json.Unmarshal(body, &a)
			given := a.Name
			a.Name = name
			return ports.SettingsContent{Apps: []ports.App{a.App}}, a.Generation, errors.Join(err, sameName(given, name))
		}},
	{"entries", ports.EntrySetting,
		func(c ports.SettingsContent) any { return show(c.Entries, showEntry) },
		func(c ports.SettingsContent, name string) (any, int64, bool) {
			e, ok := c.Entry(name)
			return showEntry(e), e.Generation, ok
		},
		func(body []byte, name string) (put ports.SettingsContent, _ int64, err error) {
			var e shownEntry
			err = json.Unmarshal(body, &e)
			given := e.Name
			e.Name = name
			return ports.SettingsContent{Entries: []ports.Entry{e.Entry}}, e.Generation, errors.Join(err, sameName(given, name))
		}},
	{"accounts", ports.AccountSetting,
		func(c ports.SettingsContent) any { return show(c.Accounts, showAccount) },
		func(c ports.SettingsContent, name string) (any, int64, bool) {
			a, ok := c.Account(name)
			return showAccount(a), a.Generation, ok
		},
		func(body []byte, name string) (put ports.SettingsContent, _ int64, err error) {
			var a shownAccount
			err = json.Unmarshal(body, &a)
			given := a.Name
			if a.Name = name; a.Config == nil && a.From == "" {
				a.Config = json.RawMessage("{}")
			}
			return ports.SettingsContent{Accounts: []ports.Account{a.Account}}, a.Generation, errors.Join(err, sameName(given, name))
		}},
}

func sameName(given, name string) error {
	if given != "" && given != name {
		return invalid{{Field: "name", Detail: "must be the one of the address; a row cannot be renamed: make another and retire this one"}}
	}
	return nil
}

// settings serves admin.yaml.
func (s *service) settings(router *mux.Router) {
	router.Use(private, s.formed)
	handle := func(method, path string, serve func(w http.ResponseWriter, r *http.Request) error) {
		router.HandleFunc("/admin/v1/"+path, func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r); err != nil {
				s.failOperator(w, r, err)
			}
		}).Methods(method)
	}
	handle(http.MethodGet, "settings", s.generation)
	handle(http.MethodPost, "apply", s.apply)
	handle(http.MethodPost, "accounts/{name}/sub-merchants", s.addSubMerchant)
	handle(http.MethodPost, "accounts/{name}/sub-merchants/import", s.addSubMerchants)
	for _, of := range settingRoutes {
		key := func(r *http.Request) ports.SettingKey {
			return ports.SettingKey{Kind: of.kind, Name: mux.Vars(r)["name"]}
		}
		answer := func(w http.ResponseWriter, status int, c ports.SettingsContent, key ports.SettingKey) error {
			row, generation, ok := of.row(c, key.Name)
			if !ok {
				return fmt.Errorf("%s: %w", key, ports.ErrNotFound)
			}
			w.Header().Set("ETag", strconv.Quote(strconv.FormatInt(generation, 10)))
			answerJSON(w, status, row)
			return nil
		}
		handle(http.MethodGet, of.path, func(w http.ResponseWriter, r *http.Request) error {
			c, err := s.gateway.Settings(r.Context())
			if err == nil {
				answerJSON(w, http.StatusOK, map[string]any{of.path: of.list(c)})
			}
			return err
		})
		handle(http.MethodGet, of.path+"/{name}", func(w http.ResponseWriter, r *http.Request) error {
			c, err := s.gateway.Settings(r.Context())
			if err != nil {
				return err
			}
			return answer(w, http.StatusOK, c, key(r))
		})
		handle(http.MethodPut, of.path+"/{name}", func(w http.ResponseWriter, r *http.Request) error {
			put, generation, err := of.read(checkedBody(r), key(r).Name)
			if err != nil {
				return err
			}
			by, m, err := asked(r, generation)
			if err != nil {
				return err
			}
			c, created, err := s.gateway.PutSetting(r.Context(), by, m, put)
			if err != nil {
				return err
			}
			status := http.StatusOK
			if created {
				status = http.StatusCreated
			}
			return answer(w, status, c, key(r))
		})
		handle(http.MethodDelete, of.path+"/{name}", func(w http.ResponseWriter, r *http.Request) error {
			by, m, err := asked(r, 0)
			if err != nil {
				return err
			}
			if err := s.gateway.DropSetting(r.Context(), by, m, key(r)); err != nil {
				return err
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		})
		handle(http.MethodPost, of.path+"/{name}/retire", func(w http.ResponseWriter, r *http.Request) error {
			by, m, err := asked(r, 0)
			if err != nil {
				return err
			}
			c, err := s.gateway.RetireSetting(r.Context(), by, m, key(r))
			if err != nil {
				return err
			}
			return answer(w, http.StatusOK, c, key(r))
		})
		handle(http.MethodGet, of.path+"/{name}/history", func(w http.ResponseWriter, r *http.Request) error {
			return s.history(w, r, key(r))
		})
	}
}

func (s *service) generation(w http.ResponseWriter, r *http.Request) error {
	c, err := s.gateway.Settings(r.Context())
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, struct {
		Generation int64 `json:"generation"`
		InUse      int64 `json:"in_use"`
		Apps       int   `json:"apps"`
		Entries    int   `json:"entries"`
		Accounts   int   `json:"accounts"`
	}{c.Generation, s.gateway.SettingsInUse(), len(c.Apps), len(c.Entries), len(c.Accounts)})
	return nil
}

type subMerchant struct {
	Name     string `json:"name"`
	SubMchID string `json:"sub_mchid"`
}

func (s *service) addSubMerchants(w http.ResponseWriter, r *http.Request) error {
	var wanted struct {
		SubMerchants []subMerchant `json:"sub_merchants"`
	}
	if err := json.Unmarshal(checkedBody(r), &wanted); err != nil {
		return err
	}
	by, _, err := asked(r, 0)
	if err != nil {
		return err
	}
	try := r.URL.Query().Get("dry_run") == "true"
	all := show(wanted.SubMerchants, func(m subMerchant) gateway.SubMerchant { return gateway.SubMerchant(m) })
	plan, err := s.gateway.AddSubMerchants(r.Context(), by, mux.Vars(r)["name"], all, try)
	if err != nil {
		return err
	}
	answerPlan(w, plan, try)
	return nil
}

func (s *service) addSubMerchant(w http.ResponseWriter, r *http.Request) error {
	var wanted subMerchant
	if err := json.Unmarshal(checkedBody(r), &wanted); err != nil {
		return err
	}
	by, _, err := asked(r, 0)
	if err != nil {
		return err
	}
	made, created, err := s.gateway.AddSubMerchant(r.Context(), by, mux.Vars(r)["name"], gateway.SubMerchant(wanted))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	answerJSON(w, status, map[string]any{"account": showAccount(made.Accounts[0]), "entries": show(made.Entries, showEntry)})
	return nil
}

// version is one of a row's history.
type version struct {
	Generation int64           `json:"generation"`
	At         time.Time       `json:"at"`
	By         string          `json:"by"`
	Owner      string          `json:"owner"`
	Content    json.RawMessage `json:"content,omitempty"`
}

func (s *service) history(w http.ResponseWriter, r *http.Request, key ports.SettingKey) error {
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64) // its form was checked; absent is 0
	page, err := s.gateway.SettingHistory(r.Context(), key, before)
	if err != nil {
		return err
	}
	answer := struct {
		Versions   []version `json:"versions"`
		NextBefore int64     `json:"next_before,omitempty"`
	}{Versions: show(page.Versions, func(v ports.SettingVersion) version {
		return version{v.Generation, v.At, v.By, v.Owner, v.Content}
	})}
	if page.More {
		answer.NextBefore = page.Versions[len(page.Versions)-1].Generation
	}
	answerJSON(w, http.StatusOK, answer)
	return nil
}

// asked is who asks for a change, and for which version of a row; generation is what the body says.
func asked(r *http.Request, generation int64) (by string, m gateway.Match, err error) {
	if by = r.Header.Get("X-Operator"); by == "" {
		by = gateway.AdminOwner
	}
	if len(by) > 64 || strings.IndexFunc(by, func(c rune) bool { return !unicode.IsPrint(c) }) >= 0 {
		return by, m, invalid{{Field: "X-Operator", Detail: "must be 1 to 64 printable characters"}}
	}
	m.Generation = generation
	switch match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match"); {
	case none == "*" && match == "":
		return by, gateway.Match{Absent: true}, nil
	case none != "":
		return by, m, invalid{{Field: "If-None-Match", Detail: "must be * and without If-Match: a new row, or nothing"}}
	case match == "*":
		return by, gateway.Match{Any: true}, nil
	case match != "":
		text, err := strconv.Unquote(match)
		if err == nil {
			m.Generation, err = strconv.ParseInt(text, 10, 64)
		}
		if err != nil || m.Generation <= 0 {
			return by, m, invalid{{Field: "If-Match", Detail: `must be the ETag of the row as it was read, such as "12", or *`}}
		}
	}
	return by, m, nil
}

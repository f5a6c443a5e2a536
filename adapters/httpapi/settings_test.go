package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/paybridge/paybridge/ports"
)

// rules are few, and easy to break: an entry names an account that is there, a config's key is a secret, and a plugin wants
// a serial.
type rules struct{}

func (rules) Complete(c ports.SettingsContent) ports.SettingsContent { return c }

func (rules) Problems(c ports.SettingsContent) (problems []ports.SettingProblem) {
	for _, e := range c.Entries {
		if _, ok := c.Account(e.Account); !ok {
			problems = append(problems, ports.SettingProblem{Row: ports.SettingKey{Kind: ports.EntrySetting, Name: e.Name}, Key: "account", What: "there is no account of this name"})
		}
	}
	return problems
}

func (rules) PluginProblems(c ports.SettingsContent) (problems []ports.SettingProblem, err error) {
	for _, a := range c.Accounts {
		if !strings.Contains(string(a.Config), "serial") {
			problems = append(problems, ports.SettingProblem{Row: ports.SettingKey{Kind: ports.AccountSetting, Name: a.Name}, Key: "config", What: "lacks serial"})
		}
	}
	return problems, nil
}

func (rules) Secrets(a ports.Account) ([]string, error) {
	if a.Provider == "away" {
		return nil, fmt.Errorf("away: %w", ports.ErrUnavailable)
	}
	return []string{"/key", "/keys/0", "/keys/1"}, nil
}

func (rules) Secret(_ ports.SettingKey, text string) (reference bool, problem string) {
	if text == "short" {
		return false, "is too short"
	}
	return strings.HasPrefix(text, "env:"), ""
}

func TestTheAdminDocumentIsValid(t *testing.T) {
	t.Parallel()
	spec, err := openapi3.NewLoader().LoadFromData(adminDocument)
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	for code := range operatorProblems {
		if !strings.Contains(spec.Components.Schemas["Problem"].Value.Properties["code"].Value.Description, "`"+code+"`") {
			t.Errorf("the document does not describe %s", code)
		}
	}
}

// conformsToAdmin holds the answer to a call that admin.yaml knows against it.
func (w *world) conformsToAdmin(r *http.Request, answer *httptest.ResponseRecorder) {
	w.t.Helper()
	spec, err := openapi3.NewLoader().LoadFromData(adminDocument)
	if err != nil {
		w.t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(spec)
	if err != nil {
		w.t.Fatal(err)
	}
	asked := r.Clone(w.t.Context())
	asked.URL.Host, asked.URL.Scheme, asked.Host = "", "", ""
	route, variables, err := router.FindRoute(asked)
	if err != nil { // one that the document does not have
		return
	}
	if err := openapi3filter.ValidateResponse(w.t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: variables, Route: route},
		Status:                 answer.Code, Header: answer.Header(), Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}); err != nil {
		w.t.Errorf("%s %s answers %d against admin.yaml: %v\n%s", r.Method, r.URL.Path, answer.Code, err, answer.Body)
	}
}

// A row's life: each change is for the version that was read.
func TestASettingsLife(t *testing.T) {
	t.Parallel()
	w := start(t)
	const path = "/admin/v1/accounts/school"
	const body = `{"provider":"channel","mchid":"1900000002","config":{"serial":"1","key":"%s"}}`
	of := func(key string) string { return fmt.Sprintf(body, key) }
	tag := ""
	for _, step := range []struct {
		what, method, path, body string
		headers                  []string // $ stands for the last ETag
		status                   int
		says                     string
	}{
		{"not there", "GET", path, "", nil, 404, "not_found"},
		{"a change of what is not there", "PUT", path, of("hush-first"), []string{"If-Match", `"3"`}, 412, "generation_mismatch"},
		{"made", "PUT", path, of("hush-first"), []string{"If-None-Match", "*", "X-Operator", "ann"}, 201, `"owner":"admin"`},
		{"made twice", "PUT", path, of("hush-first"), []string{"If-None-Match", "*"}, 412, "generation_mismatch"},
		{"read", "GET", path, "", nil, 200, `"mchid":"1900000002"`},
		{"changed unread", "PUT", path, of("hush-second"), nil, 428, "If-Match"},
		{"changed for another version", "PUT", path, of("hush-second"), []string{"If-Match", `"1"`}, 412, "generation_mismatch"},
		{"changed for no version", "PUT", path, of("hush-second"), []string{"If-Match", `2`}, 400, "If-Match"},
		{"changed", "PUT", path, of("hush-second"), []string{"If-Match", "$", "X-Operator", "bob"}, 200, `"generation":3`},
		{"changed by its body's generation", "PUT", path, strings.Replace(of("hush-third"), "{", `{"generation":3,`, 1), nil, 200, `"generation":4`},
		{"overwritten", "PUT", path, of("hush-fourth"), []string{"If-Match", "*"}, 200, `"generation":5`},
		{"renamed", "PUT", path, `{"name":"other","provider":"channel","mchid":"1","config":{"serial":"1"}}`, []string{"If-Match", "*"}, 400, "cannot be renamed"},
		{"another merchant", "PUT", path, strings.Replace(of("x"), "1900000002", "1900000003", 1), []string{"If-Match", "*"}, 409, "setting_refused"},
		{"wrong by its plugin", "PUT", path, `{"provider":"channel","mchid":"1900000002","config":{}}`, []string{"If-Match", "*"}, 400, `{"detail":"lacks serial","field":"accounts/school/config"}`},
		{"an unknown field", "PUT", path, `{"provider":"channel","mchid":"1900000002","confg":{}}`, []string{"If-Match", "*"}, 400, `"field":"confg"`},
		{"a plugin that never ran", "PUT", "/admin/v1/accounts/later", strings.Replace(of("x"), "channel", "away", 1), nil, 503, "unavailable"},
		{"an entry of it", "PUT", "/admin/v1/entries/school", `{"provider":"channel","account":"school","app_id":"wxc","method":"01","notify_base":"https://a","late_pay":"refund"}`, nil, 201, `"account":"school"`},
		{"dropped in use", "DELETE", path, "", []string{"If-Match", "*"}, 400, `"field":"entries/school/account"`},
		{"retired", "POST", path + "/retire", "", nil, 200, `"retired":true`},
		{"retired twice", "POST", path + "/retire", "", nil, 200, `"retired":true`},
		{"the entry dropped unread", "DELETE", "/admin/v1/entries/school", "", nil, 428, "generation_missing"},
		{"the entry dropped", "DELETE", "/admin/v1/entries/school", "", []string{"If-Match", "*"}, 204, ""},
		{"dropped", "DELETE", path, "", []string{"If-Match", "*", "X-Operator", "cas"}, 204, ""},
		{"gone", "GET", path, "", nil, 404, "not_found"},
		{"the file's row", "PUT", "/admin/v1/accounts/hospital", strings.Replace(of("x"), "1900000002", "1900000001", 1), []string{"If-Match", "*"}, 409, "belongs to test"},
		{"a name that is none", "PUT", "/admin/v1/apps/Big", `{"keys":[],"entries":[]}`, nil, 404, "not_found"},
	} {
		headers := slices.Clone(step.headers)
		for i := range headers {
			headers[i] = strings.ReplaceAll(headers[i], "$", tag)
		}
		r := w.operator(step.method, step.path, step.body, headers...)
		if r.status != step.status || !strings.Contains(r.text, step.says) {
			t.Errorf("%s: %d %s; want %d with %s", step.what, r.status, r.text, step.status, step.says)
		}
		if r.header.Get("ETag") != "" {
			tag = r.header.Get("ETag")
		}
		if strings.Contains(r.text, "hush-") {
			t.Errorf("%s shows a secret: %s", step.what, r.text)
		}
	}
	r := w.operator("GET", path+"/history", "")
	var h struct {
		Versions []struct {
			Generation int64
			By, Owner  string
			Content    map[string]any
		}
	}
	if err := json.Unmarshal([]byte(r.text), &h); err != nil {
		t.Fatalf("%s: %v", r.text, err)
	}
	var got []string
	for _, v := range h.Versions {
		got = append(got, fmt.Sprintf("%d %s %v", v.Generation, v.By, v.Content == nil))
	}
	if want := []string{"9 cas true", "7 admin false", "5 admin false", "4 admin false", "3 bob false", "2 ann false"}; !slices.Equal(got, want) {
		t.Errorf("the history is %q, want %q", got, want)
	}
	if strings.Contains(r.text, "hush-") {
		t.Errorf("the history shows a secret: %s", r.text)
	}
	if strings.Contains(w.log.String(), "hush-") {
		t.Error("the log shows a secret")
	}
}

// A config that is read, changed and sent again keeps the secrets that its marks stand for, wherever they stand then.
func TestR45_ASecretIsKeptByItsMark(t *testing.T) {
	t.Parallel()
	w := start(t)
	const path = "/admin/v1/accounts/school"
	made := w.operator("PUT", path, `{"provider":"channel","mchid":"1900000002","config":{"serial":"1","keys":["old secret"],"other":"env:KEPT"}}`)
	old := made.json["config"].(map[string]any)["keys"].([]any)[0].(string)
	if made.status != 201 || !strings.HasPrefix(old, ports.SealedPrefix) || !strings.Contains(made.text, "env:KEPT") {
		t.Fatalf("made: %d %s", made.status, made.text)
	}
	stored := func() ports.Account {
		c, err := w.db.LoadSettings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a, _ := c.Account("school")
		return a
	}
	opened := func(i int) string {
		var config struct{ Keys []string }
		if err := json.Unmarshal(stored().Config, &config); err != nil {
			t.Fatal(err)
		}
		text, err := w.db.OpenSecret(config.Keys[i])
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if strings.Contains(string(stored().Config), "secret") {
		t.Errorf("stored in the clear: %s", stored().Config)
	}
	changed := w.operator("PUT", path, `{"provider":"channel","mchid":"1900000002","config":{"serial":"2","keys":["new secret","`+old+`"]}}`, "If-Match", made.header.Get("ETag"))
	if changed.status != 200 || opened(0) != "new secret" || opened(1) != "old secret" {
		t.Errorf("rotated: %d %s", changed.status, changed.text)
	}
	for what, mark := range map[string]string{"an invented mark": ports.SealedPrefix + "000000000000", "a whole sealed text": "sealed:hospital:k:AAAA"} {
		r := w.operator("PUT", path, `{"provider":"channel","mchid":"1900000002","config":{"serial":"2","keys":["`+mark+`"]}}`, "If-Match", "*")
		if r.status != 400 || !strings.Contains(r.text, `"field":"accounts/school/config.keys[0]"`) {
			t.Errorf("%s: %d %s", what, r.status, r.text)
		}
	}
}

// An app id's secret and those of a webhook are sealed as those of accounts are.
func TestR45_SecretsOfEntriesAndWebhooks(t *testing.T) {
	t.Parallel()
	w := start(t)
	const entry, app = "/admin/v1/entries/lunch", "/admin/v1/apps/canteen"
	ofEntry := func(secret string) string {
		return `{"provider":"channel","account":"hospital","app_id":"wxc","method":"01","notify_base":"https://a","late_pay":"refund","oauth_scope":"snsapi_userinfo","secret":"` + secret + `"}`
	}
	ofApp := func(secrets ...string) string {
		return `{"keys":[],"entries":[],"webhook":{"url":"https://canteen.example","version":1,"secrets":["` + strings.Join(secrets, `","`) + `"]}}`
	}
	markOf := func(r reply, pick func(map[string]any) any) string {
		t.Helper()
		mark, _ := pick(r.json).(string)
		if r.status >= 300 || !strings.HasPrefix(mark, ports.SealedPrefix) || strings.Contains(r.text, "hush-") {
			t.Fatalf("%d %s", r.status, r.text)
		}
		return mark
	}
	secret := func(row map[string]any) any { return row["secret"] }
	first := func(row map[string]any) any { return row["webhook"].(map[string]any)["secrets"].([]any)[0] }

	mark := markOf(w.operator("PUT", entry, ofEntry("hush-entry")), secret)
	if again := markOf(w.operator("PUT", entry, ofEntry(mark), "If-Match", "*"), secret); again != mark {
		t.Errorf("sent again, %s became %s", mark, again)
	}
	signs := markOf(w.operator("PUT", app, ofApp("hush-first")), first)
	rotated := w.operator("PUT", app, ofApp("hush-second", signs), "If-Match", "*")
	if rotated.status != 200 || !strings.Contains(rotated.text, signs) || strings.Contains(rotated.text, "hush-") {
		t.Errorf("rotated: %d %s", rotated.status, rotated.text)
	}
	c, err := w.db.LoadSettings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, _ := c.Entry("lunch")
	a, _ := c.App("canteen")
	for sealed, want := range map[string]string{e.Secret: "hush-entry", a.Webhook.Secrets[0]: "hush-second", a.Webhook.Secrets[1]: "hush-first"} {
		if got, err := w.db.OpenSecret(sealed); err != nil || got != want || strings.Contains(sealed, want) {
			t.Errorf("%s opens as %q, %v; want %s", sealed, got, err, want)
		}
	}
	for _, row := range []struct{ what, path, body, field string }{
		{"an entry's secret that is none", entry, ofEntry("short"), "entries/lunch/secret"},
		{"a webhook's secret that is none", app, ofApp("env:KEY", "short"), "apps/canteen/webhook.secrets[1]"},
		{"another row's mark", app, ofApp(mark), "apps/canteen/webhook.secrets[0]"},
		{"a sealed text", entry, ofEntry(e.Secret), "entries/lunch/secret"},
	} {
		if r := w.operator("PUT", row.path, row.body, "If-Match", "*"); r.status != 400 || !strings.Contains(r.text, `"field":"`+row.field+`"`) {
			t.Errorf("%s: %d %s", row.what, r.status, r.text)
		}
	}
	if r := w.operator("PUT", app, ofApp("env:FIRST"), "If-Match", "*"); r.status != 200 || !strings.Contains(r.text, `"secrets":["env:FIRST"]`) {
		t.Errorf("a reference: %d %s", r.status, r.text)
	}
	for _, path := range []string{entry + "/history", app + "/history", "/admin/v1/apps", "/admin/v1/entries"} {
		if r := w.operator("GET", path, ""); r.status != 200 || strings.Contains(r.text, "hush-") || strings.Contains(r.text, "/canteen:") || strings.Contains(r.text, "/lunch:") {
			t.Errorf("%s: %d %s", path, r.status, r.text)
		}
	}
	if strings.Contains(w.log.String(), "hush-") {
		t.Error("the log shows a secret")
	}
}

func TestSubMerchantsFollowTheirTemplate(t *testing.T) {
	t.Parallel()
	w := start(t)
	must := func(status int, method, path, body string, headers ...string) reply {
		t.Helper()
		r := w.operator(method, path, body, headers...)
		if r.status != status {
			t.Fatalf("%s %s: %d %s", method, path, r.status, r.text)
		}
		return r
	}
	const entry = `{"provider":"channel","account":"partner","app_id":"wxp","openid_kind":"sp","method":"01","notify_base":"https://a","late_pay":"refund"}`
	must(201, "PUT", "/admin/v1/accounts/partner", `{"provider":"channel","mchid":"1900000009","template":true,"config":{"serial":"1","key":"a secret"}}`)
	must(201, "PUT", "/admin/v1/entries/schools", entry)
	must(201, "PUT", "/admin/v1/apps/schools", `{"keys":[{"id":"k","hash":"`+hashed("schools-key")+`","scopes":["pay","read"]}],"entries":["schools"]}`)
	const sub = `{"name":"school-1","sub_mchid":"1900000101"}`
	made := must(201, "POST", "/admin/v1/accounts/partner/sub-merchants", sub)
	if !strings.Contains(made.text, `"sub_mchid":"1900000101"`) || !strings.Contains(made.text, `"name":"school-1","account":"school-1","from":"schools"`) {
		t.Errorf("made %s", made.text)
	}
	must(200, "POST", "/admin/v1/accounts/partner/sub-merchants", sub)
	must(412, "POST", "/admin/v1/accounts/partner/sub-merchants", strings.Replace(sub, "101", "102", 1))
	must(404, "POST", "/admin/v1/accounts/nobody/sub-merchants", sub)
	must(400, "POST", "/admin/v1/accounts/hospital/sub-merchants", strings.Replace(sub, "school-1", "school-2", 1))
	const list = `{"sub_merchants":[` + sub + `,{"name":"school-3","sub_mchid":"1900000103"},{"name":"school-4","sub_mchid":"1900000104"}]}`
	const imports = "/admin/v1/accounts/partner/sub-merchants/import"
	for _, step := range []struct {
		query, body   string
		status, there int // of school-3 afterwards
		says          string
	}{
		{"?dry_run=true", list, 200, 404, `"name":"school-4"`},
		{"", strings.Replace(list, "101", "109", 1), 400, 404, `"field":"accounts/school-1/sub_mchid"`},
		{"", strings.Replace(list, "school-4", "school-3", 1), 400, 404, `accounts/school-3/name`},
		{"", strings.Replace(list, "school-4", "School 4", 1), 400, 404, `sub_merchants.2.name`},
		{"", list, 200, 200, `{"kind":"entry","name":"school-4","action":"create"}`},
		{"", list, 200, 200, `"changes":[]`},
	} {
		if r := must(step.status, "POST", imports+step.query, step.body); !strings.Contains(r.text, step.says) {
			t.Errorf("%s %s: %s, want %s", step.query, step.body, r.text, step.says)
		}
		must(step.there, "GET", "/admin/v1/accounts/school-3", "")
	}
	must(404, "POST", "/admin/v1/accounts/nobody/sub-merchants/import", list)

	var seen []ports.Account
	if changed, err := w.gateway.LoadSettings(t.Context(), func(accounts []ports.Account) { seen = accounts }); err != nil || !changed {
		t.Fatal(changed, err)
	}
	configOf := func(name string) (string, int64) {
		i := slices.IndexFunc(seen, func(a ports.Account) bool { return a.Name == name })
		return string(seen[i].Config), seen[i].Generation
	}
	theirs, _ := configOf("partner")
	if config, generation := configOf("school-1"); config != theirs || generation == 0 {
		t.Errorf("the sub merchant's config is %s of generation %d, want its template's", config, generation)
	}
	order := w.must(201, "schools-key", "POST", "/v1/orders", `{"reference":"1","amount":1,"description":"Lunch"}`).number()
	for entry, status := range map[string]int{"schools": 400, "second-account": 400, "school-1": 201} {
		if r := w.call("schools-key", "POST", "/v1/orders/"+order+"/payments", `{"entry":"`+entry+`","payer":{"openid":"o1"}}`); r.status != status {
			t.Errorf("paid through %s: %d %s", entry, r.status, r.text)
		}
	}
	payments, err := w.db.Rows(t.Context(), "schools", order)
	if err != nil || len(payments.Payments) != 1 {
		t.Fatalf("%+v, %v", payments, err)
	}
	if route := payments.Payments[0].Route; route.SubMchID != "1900000101" || route.MchID != "1900000009" || route.AppID != "wxp" || route.Method != "01" {
		t.Errorf("the route is %+v", route)
	}

	must(200, "PUT", "/admin/v1/accounts/partner", `{"provider":"channel","mchid":"1900000009","template":true,"config":{"serial":"2","key":"a newer secret"}}`, "If-Match", "*")
	if _, err := w.gateway.LoadSettings(t.Context(), func(accounts []ports.Account) { seen = accounts }); err != nil {
		t.Fatal(err)
	}
	theirs, generation := configOf("partner")
	if config, g := configOf("school-1"); config != theirs || !strings.Contains(config, `"serial":"2"`) || g != generation {
		t.Errorf("after the rotation the sub merchant has %s of generation %d", config, g)
	}
	number := payments.Payments[0].Number
	if r := must(409, "DELETE", "/admin/v1/entries/school-1", "", "If-Match", "*"); !strings.Contains(r.text, number) { // R37
		t.Errorf("the drop of an entry whose payment is open: %s", r.text)
	}
	if _, err := w.db.DB().ExecContext(t.Context(), "update payments set state = 'succeeded', due = null"); err != nil { // it was paid
		t.Fatal(err)
	}
	must(204, "DELETE", "/admin/v1/entries/school-1", "", "If-Match", "*")
	if r := must(409, "DELETE", "/admin/v1/accounts/school-1", "", "If-Match", "*"); !strings.Contains(r.text, number) { // R37
		t.Errorf("the drop of an account in use: %s", r.text)
	}
}

func TestARetiredAppMakesNoOrders(t *testing.T) {
	t.Parallel()
	w := start(t)
	body := `{"keys":[{"id":"k","hash":"` + hashed("old-key") + `","scopes":["pay","read"]}],"entries":["official-account"],"retired":%t}`
	reload := func() {
		if _, err := w.gateway.LoadSettings(t.Context(), func([]ports.Account) {}); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.operator("PUT", "/admin/v1/apps/old", fmt.Sprintf(body, false)); r.status != 201 {
		t.Fatal(r.text)
	}
	reload()
	order := w.must(201, "old-key", "POST", "/v1/orders", `{"reference":"1","amount":1,"description":"x"}`).number()
	if r := w.operator("POST", "/admin/v1/apps/old/retire", ""); r.status != 200 {
		t.Fatal(r.text)
	}
	reload()
	w.must(400, "old-key", "POST", "/v1/orders", `{"reference":"2","amount":1,"description":"x"}`)
	w.must(400, "old-key", "POST", "/v1/orders/"+order+"/payments", `{"entry":"official-account","payer":{"openid":"o1"}}`)
	w.must(200, "old-key", "GET", "/v1/orders/"+order, "")
}

// Every call of the operator's refuses every app's key, one with the scope admin included, and tells nothing.
func TestR41_TheOperatorsCallsAreNoApps(t *testing.T) {
	t.Parallel()
	w := start(t)
	admin, err := Admin(AdminOptions{Gateway: w.gateway, Token: "the-admin-token", Log: w.gateway.Log, Metrics: nothing{}})
	if err != nil {
		t.Fatal(err)
	}
	calls, err := readAdminContract()
	if err != nil {
		t.Fatal(err)
	}
	all := append(slices.Sorted(maps.Keys(calls)),
		"GET /metrics", "GET /readyz", "GET /admin/v1/alarms", "POST /admin/v1/alarms/1/acknowledge", "GET /admin/v1/webhooks",
		"POST /admin/v1/refunds/{number}/settle-outside", "POST /admin/v1/refunds/{number}/resolve-abnormal")
	for _, call := range all {
		method, path, _ := strings.Cut(strings.NewReplacer("{name}", "hospital", "{number}", strings.Repeat("1", 32)).Replace(call), " ")
		for _, key := range []string{"", clinicKey, shopKey, hashed("the-admin-token")} {
			r := askAdmin(t, admin, key, method, path)
			if r.status != 401 || r.code() != "unauthenticated" || strings.Contains(r.text, "hospital") || strings.Contains(r.text, "1900000001") {
				t.Errorf("%s with key %q: %d %s", call, key, r.status, r.text)
			}
		}
		if r := askAdmin(t, admin, "the-admin-token", method, path); r.status == 401 || r.status == 405 {
			t.Errorf("%s with the token: %d %s", call, r.status, r.text)
		}
		if r := w.call(clinicKey, method, path, ""); path != "/readyz" && r.status != 404 {
			t.Errorf("%s answers on the public listener: %d %s", call, r.status, r.text)
		}
	}
}

// nothing stands for the metrics.
type nothing struct{}

func (nothing) ServeHTTP(http.ResponseWriter, *http.Request) {}

func askAdmin(t *testing.T, admin http.Handler, key, method, path string) reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	answer := httptest.NewRecorder()
	admin.ServeHTTP(answer, r)
	out := reply{status: answer.Code, header: answer.Header(), text: answer.Body.String()}
	_ = json.Unmarshal(answer.Body.Bytes(), &out.json) // nil where it is no object
	return out
}

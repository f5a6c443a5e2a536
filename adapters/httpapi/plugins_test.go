package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/ports"
)

// somePlugins has one in quarantine, until it is restarted.
type somePlugins struct{ restarted int }

func (p *somePlugins) List() []Plugin {
	at := time.Unix(1750000000, 0).UTC()
	return []Plugin{
		{Provider: "wechat-jsapi", Version: "1.0.0", PID: 7, State: PluginServing, Restarts: 1, Accounts: map[string]string{"main": ""}},
		{Provider: "example", Version: "1.0.0", State: PluginQuarantined, Quarantined: &at, Problem: "in quarantine", Restarts: 5, Accounts: map[string]string{}},
	}
}

func (p *somePlugins) Restart(provider string) (bool, error) {
	if provider != "example" && provider != "wechat-jsapi" {
		return false, fmt.Errorf("provider %q: %w", provider, ports.ErrUnavailable)
	}
	p.restarted++
	return provider == "example", nil
}

func TestAdminOfPluginsAndDoctor(t *testing.T) {
	t.Parallel()
	plugins := &somePlugins{}
	admin, err := Admin(AdminOptions{
		Token: "token", Plugins: plugins, Log: slog.New(slog.DiscardHandler),
		Doctor: func(_ context.Context, filter string) (any, error) {
			if filter == "broken" {
				return nil, ports.ErrStoreAway
			}
			return map[string]string{"only": filter}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, token string
		status              int
		want                string
	}{
		{"GET", "/admin/v1/plugins", "token", 200, `{"provider":"wechat-jsapi","version":"1.0.0","pid":7,"state":"serving","restarts":1,"in_flight":0,"accounts":{"main":""}}`},
		{"GET", "/admin/v1/plugins", "token", 200, `"state":"quarantined","problem":"in quarantine","quarantined_at":"2025-06-15T15:06:40Z","restarts":5`},
		{"POST", "/admin/v1/plugins/example/restart", "token", 200, `{"released":true}`},
		{"POST", "/admin/v1/plugins/wechat-jsapi/restart", "token", 200, `{"released":false}`},
		{"POST", "/admin/v1/plugins/nobody/restart", "token", 404, "No plugin of that name runs here."},
		{"GET", "/admin/v1/plugins/example/restart", "token", 405, "method_not_allowed"},
		{"POST", "/admin/v1/doctor", "token", 200, `{"only":""}`},
		{"POST", "/admin/v1/doctor?only=main", "token", 200, `{"only":"main"}`},
		{"POST", "/admin/v1/doctor?only=broken", "token", 503, "The database is away"},
		{"GET", "/admin/v1/plugins", "", 401, ""},
		{"POST", "/admin/v1/plugins/example/restart", "other", 401, ""},
		{"POST", "/admin/v1/doctor", "", 401, ""},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
		r.Header.Set("Authorization", "Bearer "+c.token)
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s; want %d %s", c.method, c.path, w.Code, w.Body, c.status, c.want)
		}
	}
	if plugins.restarted != 2 {
		t.Errorf("%d restarts came through, want 2", plugins.restarted)
	}
}

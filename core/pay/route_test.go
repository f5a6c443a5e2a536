package pay

import "testing"

func TestWhoseOpenIDsARouteKnows(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		route Route
		want  bool
	}{
		{"an official account", Route{AppID: "wx1", OpenIDKind: OpenIDDirect}, true},
		{"a sub merchant's app", Route{AppID: "wx1", OpenIDKind: OpenIDSub}, true},
		{"stored before there were kinds", Route{AppID: "wx1"}, true},
		{"a shop's till", Route{AppID: "store-1", OpenIDKind: OpenIDNone}, false},
		{"a channel without app ids", Route{}, false},
	} {
		if got := row.route.KnowsOpenID(); got != row.want {
			t.Errorf("%s: %t, want %t", row.name, got, row.want)
		}
	}
}

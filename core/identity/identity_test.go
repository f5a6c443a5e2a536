package identity

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The names of the tests: a, b of one official account each, m of a mini program.
var (
	a = Name{"wxa", "oa"}
	b = Name{"wxb", "ob"}
	m = Name{"wxm", "om"}
)

func id(n Name, person string) Identity             { return Identity{Name: n, Person: person} }
func union(n Name, person, unionID string) Identity { return Identity{n, unionID, person} }
func tie(n Name, user string) Tie                   { return Tie{App: "shop", Name: n, UserID: user} }

func TestMeet(t *testing.T) {
	t.Parallel()
	known := func(i Identity) *Identity { return &i }
	for _, row := range []struct {
		name   string
		seen   Seen
		stored Stored
		want   SignIn
	}{
		{name: "somebody new", seen: Seen{Name: a}, want: SignIn{Put: id(a, "new")}},
		{name: "somebody new with a unionid", seen: Seen{Name: a, UnionID: "u"}, want: SignIn{Put: union(a, "new", "u")}},
		{name: "known in another app id", seen: Seen{Name: a, UnionID: "u"}, stored: Stored{Union: "p"}, want: SignIn{Put: union(a, "p", "u")}},
		{name: "again", seen: Seen{Name: a}, stored: Stored{Identity: known(id(a, "p"))}, want: SignIn{Put: id(a, "p")}},
		{name: "not told the unionid this time", seen: Seen{Name: a}, stored: Stored{Identity: known(union(a, "p", "u"))}, want: SignIn{Put: union(a, "p", "u")}},
		{name: "a unionid that appears later, of nobody else", seen: Seen{Name: a, UnionID: "u"}, stored: Stored{Identity: known(id(a, "p"))},
			want: SignIn{Put: union(a, "p", "u")}},
		{name: "a unionid that appears later merges two persons", seen: Seen{Name: a, UnionID: "u"}, stored: Stored{Identity: known(id(a, "p")), Union: "q"},
			want: SignIn{Put: union(a, "q", "u"), Merge: &Merge{From: "p", Into: "q"}}},
		{name: "merged before", seen: Seen{Name: a, UnionID: "u"}, stored: Stored{Identity: known(union(a, "q", "u")), Union: "q"},
			want: SignIn{Put: union(a, "q", "u")}},
		{name: "an app id that moved to another open platform", seen: Seen{Name: a, UnionID: "v"}, stored: Stored{Identity: known(union(a, "p", "u"))},
			want: SignIn{Put: union(a, "p", "v")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := Meet(row.seen, row.stored, "new"); !reflect.DeepEqual(got, row.want) {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
}

func TestView(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		of      Name
		ids     []Identity
		ties    []Tie
		user    string
		want    []Name
		shown   []Name
		divided bool
	}{
		{name: "nobody", of: a},
		{name: "alone", of: a, ids: []Identity{id(a, "p")}, want: []Name{a}},
		{name: "one person by unionid", of: a, ids: []Identity{id(a, "p"), id(m, "p")}, want: []Name{a, m}},
		{name: "another person of the same app", of: a, ids: []Identity{id(a, "p"), id(b, "q")}, ties: []Tie{tie(b, "joe")}, want: []Name{a}},
		{name: "one user_id of the app", of: a, ids: []Identity{id(a, "p"), id(m, "q")}, ties: []Tie{tie(a, "ann"), tie(m, "ann")},
			user: "ann", want: []Name{a, m}, shown: []Name{a, m}},
		{name: "one user_id, and a unionid beyond it", of: a, ids: []Identity{id(a, "p"), id(m, "q"), id(b, "q")}, ties: []Tie{tie(a, "ann"), tie(m, "ann")},
			user: "ann", want: []Name{a, b, m}, shown: []Name{a, m}},
		{name: "the user_id is of the person, whichever name came", of: b, ids: []Identity{id(a, "p"), id(b, "p")}, ties: []Tie{tie(a, "ann")},
			user: "ann", want: []Name{a, b}, shown: []Name{a}},
		{name: "R42 what the app does not know is not shown", of: a, ids: []Identity{id(a, "p"), id(m, "p")}, ties: []Tie{tie(a, "")}, want: []Name{a, m}, shown: []Name{a}},
		{name: "R42 two user_ids of one app never become one payer", of: a, ids: []Identity{id(a, "p"), id(m, "p")}, ties: []Tie{tie(a, "ann"), tie(m, "joe")},
			user: "ann", want: []Name{a}, shown: []Name{a}, divided: true},
		{name: "R42 … nor does what is neither's", of: b, ids: []Identity{id(a, "p"), id(b, "p"), id(m, "p")}, ties: []Tie{tie(a, "ann"), tie(m, "joe")},
			want: []Name{b}, divided: true},
		{name: "R42 … nor by way of a third", of: a, ids: []Identity{id(a, "p"), id(b, "q"), id(m, "q")}, ties: []Tie{tie(a, "ann"), tie(b, "ann"), tie(m, "joe")},
			user: "ann", want: []Name{a, b}, shown: []Name{a, b}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := View("shop", row.of, row.ids, row.ties)
			var shown []Name
			for _, tie := range got.Ties {
				shown = append(shown, tie.Name)
			}
			if got.App != "shop" || got.UserID != row.user || got.Divided != row.divided || !slices.Equal(got.Names, row.want) || !slices.Equal(shown, row.shown) {
				t.Errorf("got %+v\nwant user %q, names %v, shown %v, divided %v", got, row.user, row.want, row.shown, row.divided)
			}
		})
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		payer   Payer
		want    Tie
		refused bool
	}{
		{name: "nobody called them anything", want: Tie{App: "shop", Name: a, UserID: "ann"}},
		{name: "they came through the app before", payer: Payer{Ties: []Tie{{Name: a, Verified: true}}}, want: Tie{App: "shop", Name: a, UserID: "ann", Verified: true}},
		{name: "again", payer: Payer{UserID: "ann", Ties: []Tie{{Name: a, UserID: "ann"}}}, want: Tie{App: "shop", Name: a, UserID: "ann"}},
		{name: "R42 the name is another user's", payer: Payer{UserID: "joe", Ties: []Tie{{Name: a, UserID: "joe"}}}, refused: true},
		{name: "R42 the person is another user, by unionid", payer: Payer{UserID: "joe", Ties: []Tie{{Name: m, UserID: "joe"}}}, refused: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, err := Bind("shop", a, "ann", row.payer)
			var conflict *Conflict
			if errors.As(err, &conflict) != row.refused || got != row.want {
				t.Errorf("got %+v, %v", got, err)
			}
			if err != nil && (strings.Contains(err.Error(), "joe") || strings.Contains(err.Error(), a.OpenID)) {
				t.Errorf("R45: the error names somebody: %v", err)
			}
		})
	}
}

func TestAPayerAnswersToWhatTheyAreCalled(t *testing.T) {
	t.Parallel()
	p := Payer{UserID: "ann", Names: []Name{a, m}}
	for idOf, want := range map[string]bool{"ann": true, "oa": true, "om": true, "ob": false, "": false} {
		if p.Answers(idOf) != want {
			t.Errorf("%q: %v, want %v", idOf, !want, want)
		}
	}
	if (Payer{Names: []Name{{"wxa", "oa"}}}).Answers("") {
		t.Error("an order that names nobody means somebody without a user_id")
	}
}

func TestR44_ReturnURLs(t *testing.T) {
	t.Parallel()
	list := []string{"https://www.clinic.example/registration", "https://shop.example:8443/", "http://127.0.0.1:8080/"}
	for _, row := range []struct {
		name, target string
		want         bool
	}{
		{"the prefix itself", "https://www.clinic.example/registration", true},
		{"below it, with query and fragment", "https://www.clinic.example/registration/done?n=1&to=%2Fa#top", true},
		{"the default port, said", "https://www.clinic.example:443/registration/", true},
		{"the host in capitals", "https://WWW.Clinic.example/registration", true},
		{"any path of a host", "https://shop.example:8443/a/b", true},
		{"a host without its slash", "https://shop.example:8443", true},
		{"a Chinese path, encoded once", "http://127.0.0.1:8080/%E6%8C%82%E5%8F%B7", true},
		{"another scheme", "http://www.clinic.example/registration", false},
		{"another port", "https://www.clinic.example:8443/registration", false},
		{"a port too few", "https://shop.example/a", false},
		{"another path", "https://www.clinic.example/", false},
		{"a path that only begins the same", "https://www.clinic.example/registrations", false},
		{"a subdomain", "https://evil.www.clinic.example/registration", false},
		{"a longer host", "https://www.clinic.example.evil.example/registration", false},
		{"user-info", "https://www.clinic.example@evil.example/registration", false},
		{"user-info of the right host", "https://me@www.clinic.example/registration", false},
		{"user-info with the port", "https://www.clinic.example:443@evil.example/registration", false},
		{"a backslash", `https://evil.example\@www.clinic.example/registration`, false},
		{"a way out", "https://www.clinic.example/registration/../admin", false},
		{"a way out, encoded", "https://www.clinic.example/registration/%2e%2e/admin", false},
		{"a way out, encoded twice", "https://www.clinic.example/registration/%252e%252e/admin", false},
		{"encoded twice", "https://www.clinic.example/registration/%2561", false},
		{"the whole encoded", "https%3A%2F%2Fwww.clinic.example%2Fregistration", false},
		{"a slash, encoded", "https://www.clinic.example/registration%2fadmin", false},
		{"empty parts", "https://www.clinic.example/registration//evil.example", false},
		{"no scheme", "//www.clinic.example/registration", false},
		{"a script", "javascript:alert(1)", false},
		{"opaque", "https:www.clinic.example/registration", false},
		{"a newline", "https://www.clinic.example/registration\n", false},
		{"Chinese, not encoded", "https://www.clinic.example/registration/挂号", false},
		{"a port that is none", "https://www.clinic.example:x/registration", false},
		{"too long", "https://www.clinic.example/registration/" + strings.Repeat("a", longestURL), false},
		{"nothing", "", false},
	} {
		if got := Allowed(row.target, list); got != row.want {
			t.Errorf("%s: %q allowed %v, want %v", row.name, row.target, got, row.want)
		}
	}
}

func FuzzAllowed(f *testing.F) {
	for _, s := range []string{"https://a.example/x", "https://a.example@b.example/x", `https://a.example\.b.example/x`, "https://a.example/x/%2e%2e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if Allowed(target, []string{"https://a.example/x"}) && !strings.HasPrefix(strings.ToLower(target), "https://a.example/x") &&
			!strings.HasPrefix(strings.ToLower(target), "https://a.example:443/x") && !strings.HasPrefix(strings.ToLower(target), "https://a.example:/x") {
			t.Errorf("%q is allowed", target)
		}
	})
}

func TestSessionCookies(t *testing.T) {
	t.Parallel()
	old, current := CookieKeys{[]byte("old key")}, CookieKeys{[]byte("new key"), []byte("old key")}
	token := NewToken()
	cookie := current.Sign("clinic", token)
	for _, row := range []struct {
		name, cookie string
		keys         CookieKeys
		want         bool
	}{
		{"as signed", cookie, current, true},
		{"signed before the keys changed", old.Sign("clinic", token), current, true},
		{"signed with a key that is gone", cookie, old, false},
		{"of another app", strings.Replace(cookie, "clinic", "shop", 1), current, false},
		{"of another session", strings.Replace(cookie, token, NewToken(), 1), current, false},
		{"without a signature", "clinic." + token + ".", current, false},
		{"cut", cookie[:len(cookie)-1], current, false},
		{"with a part more", cookie + ".x", current, false},
		{"nothing", "", current, false},
	} {
		app, got, ok := row.keys.Open(row.cookie)
		if ok != row.want || ok && (app != "clinic" || got != token) {
			t.Errorf("%s: %q, %v; want %v", row.name, app, ok, row.want)
		}
	}
	if len(token) != 64 || token == NewToken() || Hash(token) == token {
		t.Error("tokens are 256 bits, each another, and stored as their hash")
	}
}

func TestCheckoutLinks(t *testing.T) {
	t.Parallel()
	const order, other = "00000202601011200000009900000019", "00000202601011200000009900000027"
	old, current := CookieKeys{[]byte("old key")}, CookieKeys{[]byte("new key"), []byte("old key")}
	link := current.Link(order)
	for _, row := range []struct {
		name, link string
		keys       CookieKeys
		want       bool
	}{
		{"as given", link, current, true},
		{"given before the keys changed", old.Link(order), current, true},
		{"signed with a key that is gone", link, old, false},
		{"of another order", strings.Replace(link, order, other, 1), current, false},
		{"cut", link[:len(link)-1], current, false},
		{"the number alone", order, current, false},
		{"without a signature", order + "-", current, false},
		{"a session's signature", order + "-" + strings.Split(current.Sign("", order), ".")[2], current, false},
		{"too long", link + strings.Repeat("A", 100), current, false},
		{"nothing", "", current, false},
	} {
		got, ok := row.keys.OpenLink(row.link)
		if ok != row.want || ok && got != order {
			t.Errorf("%s: %q, %v; want %v", row.name, got, ok, row.want)
		}
	}
	if current.Link(order) != link {
		t.Error("an order has one link, however often it is asked for")
	}
}

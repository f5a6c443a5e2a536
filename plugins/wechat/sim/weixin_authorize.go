package sim

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	authorizePath = "/connect/oauth2/authorize"
	scopeUserInfo = "snsapi_userinfo"

	// personHeader and personCookie say who holds the phone, by name or openid: in production WeChat knows. Without them a
	// page asks.
	personHeader = "Wechatsim-Person"
	personCookie = "wechatsim-person"
	personParam  = "wechatsim_person"
	answerParam  = "wechatsim_answer" // deny: the payer does not agree
)

var oauthScopes = map[string]bool{"snsapi_base": true, scopeUserInfo: true}

// authorizeOrder is how WeChat wants the parameters.
var authorizeOrder = []string{"appid", "redirect_uri", "response_type", "scope", "state"}

// serveAuthorize plays the web authorization in a payer's browser: it sends them back with a code and the state.
func (s *Simulator) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, problem := s.checkAuthorize(r, q)
	if problem != "" {
		authorizeWrite(w, r, http.StatusBadRequest, map[string]any{"Problem": problem})
		return
	}
	person := r.Header.Get(personHeader)
	if c, err := r.Cookie(personCookie); err == nil && person == "" {
		person, _ = url.QueryUnescape(c.Value)
	}
	if asked := q.Get(personParam); asked != "" {
		person = asked
	}
	state := q.Get("state")
	if q.Get(answerParam) == "deny" {
		sendBack(w, r, back, url.Values{"state": {state}})
		return
	}
	code, err := s.OAuthCode(q.Get("appid"), person, q.Get("scope"))
	if err != nil { // nobody said who holds the phone
		s.mu.Lock()
		users := slices.Clone(s.world.apps[q.Get("appid")].Users)
		s.mu.Unlock()
		var choices []choice
		for _, u := range users {
			choices = append(choices, choice{u.Name, "?" + r.URL.RawQuery + "&" + personParam + "=" + url.QueryEscape(u.OpenID)})
		}
		authorizeWrite(w, r, http.StatusOK, map[string]any{"Choices": choices, "Deny": "?" + r.URL.RawQuery + "&" + answerParam + "=deny"})
		return
	}
	sendBack(w, r, back, url.Values{"code": {code}, "state": {state}})
}

// checkAuthorize says what WeChat would refuse: its page shows no more than this.
func (s *Simulator) checkAuthorize(r *http.Request, q url.Values) (back *url.URL, problem string) {
	s.mu.Lock()
	a := s.world.apps[q.Get("appid")]
	s.mu.Unlock()
	at := -1
	for _, name := range authorizeOrder {
		next := strings.Index("&"+r.URL.RawQuery, "&"+name+"=")
		if next < 0 && name == "state" {
			break // it may be left out
		}
		if next <= at {
			return nil, fmt.Sprintf("链接参数缺失或顺序错误 / parameter %s is missing or out of order", name)
		}
		at = next
	}
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case a == nil:
		return nil, "10013 appid 错误 / there is no such app id"
	case err != nil || back.Host == "" || back.Scheme != "http" && back.Scheme != "https":
		return nil, "redirect_uri 参数错误 / redirect_uri is not a URL"
	case len(a.OAuthDomains) > 0 && !slices.Contains(a.OAuthDomains, back.Host):
		return nil, "10003 redirect_uri 域名与后台配置不一致 / the domain is not registered"
	case q.Get("response_type") != "code":
		return nil, "response_type 参数错误 / response_type must be code"
	case !oauthScopes[q.Get("scope")]:
		return nil, "10005 scope 参数错误 / no such scope"
	case len(q.Get("state")) > 128:
		return nil, "state 参数过长 / state is longer than 128 bytes"
	}
	return back, ""
}

func sendBack(w http.ResponseWriter, r *http.Request, back *url.URL, with url.Values) {
	// As WeChat does: behind whatever is there, code first.
	query := back.RawQuery
	for _, name := range []string{"code", "state"} {
		if !with.Has(name) {
			continue
		}
		if query != "" {
			query += "&"
		}
		query += name + "=" + url.QueryEscape(with.Get(name))
	}
	to := *back
	to.RawQuery = query
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to.String(), http.StatusFound)
}

type choice struct{ Name, Link string }

var authorizeTemplate = template.Must(template.New("").Parse(`<!doctype html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title></head>
<body><h1>{{.Title}}</h1>
{{if .Problem}}<p>{{.Problem}}</p>{{end}}
<ul>{{range .Choices}}<li><a href="{{.Link}}">{{.Name}}</a></li>{{end}}</ul>
{{if .Deny}}<p><a href="{{.Deny}}">{{.DenyWord}}</a></p>{{end}}
</body></html>
`))

func authorizeWrite(w http.ResponseWriter, r *http.Request, status int, fields map[string]any) {
	lang := preferred(r.Header.Get("Accept-Language"))
	words := map[string][2]string{
		"zh": {"模拟微信：谁拿着手机？", "拒绝授权"},
		"en": {"Simulated WeChat: who holds the phone?", "Do not agree"},
	}[lang]
	fields["Lang"], fields["Title"], fields["DenyWord"] = lang, words[0], words[1]
	var page bytes.Buffer
	if err := authorizeTemplate.Execute(&page, fields); err != nil {
		panic(fmt.Sprintf("write the page: %v", err)) // the template is fixed
	}
	h := w.Header()
	pageHeaders(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

// personAsked names somebody in one app.
type personAsked struct {
	AppID   string `json:"app_id"`
	Person  string `json:"person"` // an openid, or the name of the seed
	Scope   string `json:"scope"`
	UnionID string `json:"unionid"`
}

// controlLoginCode is wx.login.
func (s *Simulator) controlLoginCode(r *http.Request) (any, error) {
	var in personAsked
	if err := readControl(r, &in); err != nil {
		return nil, err
	}
	code, err := s.LoginCode(in.AppID, in.Person)
	return map[string]string{"code": code}, err
}

// controlOAuthCode is a web authorization without a browser.
func (s *Simulator) controlOAuthCode(r *http.Request) (any, error) {
	in := personAsked{Scope: "snsapi_base"}
	if err := readControl(r, &in); err != nil {
		return nil, err
	}
	code, err := s.OAuthCode(in.AppID, in.Person, in.Scope)
	return map[string]string{"code": code}, err
}

// controlUnionID gives somebody a unionid, or takes it away.
func (s *Simulator) controlUnionID(r *http.Request) (any, error) {
	var in personAsked
	if err := readControl(r, &in); err != nil {
		return nil, err
	}
	return struct{}{}, s.SetUnionID(in.AppID, in.Person, in.UnionID)
}

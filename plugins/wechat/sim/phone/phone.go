// Package phone plays a payer's phone with WeChat on it, as a page in any desktop browser. It opens an H5 site as an
// official account, inside a mini program's web-view, or in a plain browser; it runs a mini program's own files on a
// stand-in for wx, and shows the cashier's sheet. The site's and the mini program's code are those of production: a proxy
// in front of the site puts WeChat's bridge into its pages, and only hosts differ.
//
// It is for development: whoever reaches it may be anyone. Serve it on loopback.
package phone

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Options is what the phone plays, and where.
type Options struct {
	// URL is where the browser finds the phone, without a slash at the end: http://localhost:9081/phone. Use localhost for it
	// and for the sites: then all are one site to the browser, and cookies work as they do on a phone.
	URL string
	// WeChat answers for WeChat.
	WeChat WeChat
	// OfficialAccounts and MiniPrograms are what the phone can open. The first one is shown first.
	OfficialAccounts []OfficialAccount
	MiniPrograms     []MiniProgram
	// Sites are the H5 sites, and the servers of wx.request: nothing else is reached.
	Sites []Site
	// OpenWeixin is where the sites believe open.weixin.qq.com to be, as scheme://host[:port], beside that address itself; empty:
	// nowhere else. A page that sends its payer there is led to the phone's own authorization.
	OpenWeixin string
	// InsuranceAppID is the mini program of medical insurance 1.0, which the phone plays itself; empty: there is none.
	InsuranceAppID string
	// Client reaches the sites; nil is one with a time limit of 30 s.
	Client *http.Client
}

// OfficialAccount is one whose menu opens an H5 page.
type OfficialAccount struct {
	AppID string `json:"app_id"`
	Name  string `json:"name"`
	Home  string `json:"home"` // an address on a site's Origin
}

// MiniProgram is a folder with app.json at its root, embedded or from disk. It is read at each opening, so that a change on
// disk is there after a reload.
type MiniProgram struct {
	AppID string `json:"app_id"`
	Name  string `json:"name"`
	Files fs.FS  `json:"-"`
}

// Site is an H5 site with its server. Addresses are scheme://host[:port].
type Site struct {
	// Origin is its public address, as the mini program's config and the site's links name it.
	Origin string `json:"origin"`
	// Upstream is where it really listens.
	Upstream string `json:"-"`
	// OfficialAccountURL, MiniProgramURL and BrowserURL are where the browser finds this site's proxies (Phone.Proxy), one
	// for each mode, so that each has a storage of its own.
	OfficialAccountURL string `json:"official_account"`
	MiniProgramURL     string `json:"mini_program"`
	BrowserURL         string `json:"browser"`
}

// Phone serves the page and its calls; Proxy serves a site to it.
type Phone struct {
	options Options
	origin  string // of the page
	handler http.Handler
	offline atomic.Bool
}

//go:embed web
var web embed.FS

const (
	bodyLimit  = 1 << 20 // of a call to the phone, and of an answer to wx.request
	filesLimit = 8 << 20 // of a mini program; WeChat allows a package of 2 MB
)

// New checks the options. Its errors name the option.
func New(o Options) (*Phone, error) {
	if o.WeChat == nil {
		return nil, errors.New("phone: WeChat is missing")
	}
	own, err := url.Parse(o.URL)
	if err != nil || own.Host == "" || strings.HasSuffix(o.URL, "/") {
		return nil, fmt.Errorf("phone: URL %q is not an address without a slash at the end", o.URL)
	}
	for _, s := range o.Sites {
		for _, a := range []struct{ name, address string }{
			{"Origin", s.Origin}, {"Upstream", s.Upstream}, {"OfficialAccountURL", s.OfficialAccountURL},
			{"MiniProgramURL", s.MiniProgramURL}, {"BrowserURL", s.BrowserURL},
		} {
			u, err := url.Parse(a.address)
			if err != nil || u.Host == "" || a.address != u.Scheme+"://"+u.Host {
				return nil, fmt.Errorf("phone: the %s %q of a site is not scheme://host[:port]", a.name, a.address)
			}
		}
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
	}
	o.OfficialAccounts, o.MiniPrograms = append([]OfficialAccount{}, o.OfficialAccounts...), append([]MiniProgram{}, o.MiniPrograms...) // never null to the page
	p := &Phone{options: o, origin: own.Scheme + "://" + own.Host}
	p.handler = p.routes()
	return p, nil
}

// ServeHTTP serves what is below the phone's URL; mount it with http.StripPrefix.
func (p *Phone) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Phone) routes() http.Handler {
	mux := http.NewServeMux()
	for _, name := range []string{"page.css", "page.js", "core.js", "wxml.js", "view.js", "authorize.js", "words.json"} {
		mux.Handle("GET /"+name, p.file("web/"+name))
	}
	mux.Handle("GET /{$}", p.page())
	mux.Handle("GET /connect/oauth2/authorize", p.file("web/authorize.html"))
	mux.HandleFunc("GET /state.json", p.state)
	mux.HandleFunc("GET /miniprogram/{appid}", p.miniProgram)
	calls := http.NewServeMux()
	calls.HandleFunc("POST /call/login", p.login)
	calls.HandleFunc("POST /call/authorize", p.authorize)
	calls.HandleFunc("POST /call/check-page", p.checkPage)
	calls.HandleFunc("POST /call/cashier/{act}", p.cashier)
	calls.HandleFunc("POST /call/request", p.request)
	calls.HandleFunc("POST /call/network", p.network)
	// The sites in the frames are of other origins: they reach the phone by messages to its page alone.
	mux.Handle("POST /call/", http.NewCrossOriginProtection().Handler(calls))
	return mux
}

// page sends a browser that came by another name to the one that the phone was given: messages are checked by origin.
func (p *Phone) page() http.Handler {
	show := p.file("web/index.html")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, host, _ := strings.Cut(p.origin, "://"); r.Host != host {
			http.Redirect(w, r, p.options.URL+"/", http.StatusFound)
			return
		}
		show.ServeHTTP(w, r)
	})
}

func (p *Phone) file(name string) http.Handler {
	// unsafe-eval: the mini program's files are run from their text, as in WeChat.
	policy := "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; connect-src 'self'" + p.siteURLs() + "; " +
		"img-src 'self' data: https:; frame-src 'self' http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	types := map[string]string{"html": "text/html", "css": "text/css", "js": "text/javascript", "json": "application/json"}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		content, err := web.ReadFile(name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", types[name[strings.LastIndex(name, ".")+1:]]+"; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(content) // the visitor may have gone
	})
}

// siteURLs are where the browser finds the sites, each after a space.
func (p *Phone) siteURLs() (all string) {
	for _, s := range p.options.Sites {
		all += " " + s.OfficialAccountURL + " " + s.MiniProgramURL + " " + s.BrowserURL
	}
	return all
}

func (p *Phone) state(w http.ResponseWriter, r *http.Request) {
	persons, err := p.options.WeChat.Persons(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, map[string]any{"persons": persons, "official_accounts": p.options.OfficialAccounts,
		"mini_programs": p.options.MiniPrograms, "sites": p.options.Sites, "offline": p.offline.Load(), "insurance_app_id": p.options.InsuranceAppID})
}

// miniProgram gives a mini program's text files by path.
func (p *Phone) miniProgram(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(p.options.MiniPrograms, func(m MiniProgram) bool { return m.AppID == r.PathValue("appid") })
	if i < 0 {
		http.Error(w, "the phone has no mini program of this app id", http.StatusNotFound)
		return
	}
	files, err := Files(p.options.MiniPrograms[i].Files)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, files)
}

var playable = regexp.MustCompile(`\.(js|json|wxml|wxss)$`)

// Files reads a mini program's folder: the text of each .js, .json, .wxml and .wxss by its path, 8 MiB at most. Folders
// that start with a dot, and node_modules, are left out.
func Files(dir fs.FS) (map[string]string, error) {
	files, size := map[string]string{}, 0
	err := fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !playable.MatchString(path):
			return nil
		}
		text, err := fs.ReadFile(dir, path)
		if err != nil {
			return err
		}
		if size += len(text); size > filesLimit {
			return fmt.Errorf("the mini program is larger than %d bytes", filesLimit)
		}
		if !utf8.Valid(text) {
			return fmt.Errorf("%s is not UTF-8", path)
		}
		files[path] = string(text)
		return nil
	})
	if err == nil && files["app.json"] == "" {
		err = errors.New("the mini program's folder has no app.json at its root")
	}
	return files, err
}

func (p *Phone) login(w http.ResponseWriter, r *http.Request) {
	call(w, r, func(ctx context.Context, c struct {
		AppID  string `json:"app_id"`
		Person string `json:"person"`
	},
	) (any, error) {
		code, err := p.options.WeChat.LoginCode(ctx, c.AppID, c.Person)
		return map[string]string{"code": code}, err
	})
}

// authorize plays the web authorization of an official account, and says where the browser goes with the code.
func (p *Phone) authorize(w http.ResponseWriter, r *http.Request) {
	call(w, r, func(ctx context.Context, c struct {
		AppID       string `json:"app_id"`
		Person      string `json:"person"`
		Scope       string `json:"scope"`
		RedirectURI string `json:"redirect_uri"`
		State       string `json:"state"`
	},
	) (any, error) {
		to, ok := p.local(c.RedirectURI)
		if !ok {
			return nil, &Refused{"redirect_uri域名与后台配置不一致，错误码:10003"}
		}
		if c.Scope != "snsapi_base" && c.Scope != "snsapi_userinfo" {
			return nil, &Refused{"Scope 参数错误或没有 Scope 权限，错误码:10005"}
		}
		code, err := p.options.WeChat.AuthorizationCode(ctx, c.AppID, c.Person, c.Scope)
		if err != nil {
			return nil, err
		}
		q := to.Query()
		q.Set("code", code)
		q.Set("state", c.State)
		to.RawQuery = q.Encode()
		return map[string]string{"location": to.String()}, nil
	})
}

// local is an address of a site as the official account's frame reaches it.
func (p *Phone) local(address string) (*url.URL, bool) {
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return nil, false
	}
	origin := u.Scheme + "://" + u.Host
	for _, s := range p.options.Sites {
		if origin == s.Origin || origin == s.Upstream || origin == s.OfficialAccountURL {
			own, err := url.Parse(s.OfficialAccountURL)
			if err != nil {
				return nil, false
			}
			u.Scheme, u.Host = own.Scheme, own.Host
			return u, true
		}
	}
	return nil, false
}

// checkPage verifies a wx.config.
func (p *Phone) checkPage(w http.ResponseWriter, r *http.Request) {
	call(w, r, func(ctx context.Context, c PageSignature) (any, error) {
		return struct{}{}, p.options.WeChat.CheckPage(ctx, c)
	})
}

func (p *Phone) cashier(w http.ResponseWriter, r *http.Request) {
	call(w, r, func(ctx context.Context, c struct {
		Person  string  `json:"person"`
		HandOff HandOff `json:"hand_off"`
	},
	) (any, error) {
		weChat := p.options.WeChat
		switch r.PathValue("act") {
		case "open":
			return weChat.Cashier(ctx, c.Person, c.HandOff)
		case "receipt":
			return weChat.Receipt(ctx, c.Person, c.HandOff)
		case "pay":
			return struct{}{}, weChat.Pay(ctx, c.Person, c.HandOff)
		case "wrong-password":
			return struct{}{}, weChat.WrongPassword(ctx, c.Person, c.HandOff)
		case "cancel":
			return struct{}{}, weChat.Cancel(ctx, c.Person, c.HandOff)
		}
		return nil, fmt.Errorf("the cashier cannot %q", r.PathValue("act"))
	})
}

// request is wx.request: through the server, so without cookies and without the browser's rules for foreign origins.
func (p *Phone) request(w http.ResponseWriter, r *http.Request) {
	call(w, r, func(ctx context.Context, c struct {
		URL    string            `json:"url"`
		Method string            `json:"method"`
		Header map[string]string `json:"header"`
		Data   string            `json:"data"`
	},
	) (any, error) {
		if p.offline.Load() {
			return nil, &Refused{"request:fail net::ERR_INTERNET_DISCONNECTED"}
		}
		u, err := url.Parse(c.URL)
		if err != nil {
			return nil, &Refused{"request:fail invalid url"}
		}
		i := slices.IndexFunc(p.options.Sites, func(s Site) bool { return s.Origin == u.Scheme+"://"+u.Host })
		if i < 0 || u.User != nil {
			return nil, &Refused{"request:fail url not in domain list"}
		}
		out, err := http.NewRequestWithContext(ctx, c.Method, p.options.Sites[i].Upstream+u.RequestURI(), strings.NewReader(c.Data))
		if err != nil {
			return nil, &Refused{"request:fail " + err.Error()}
		}
		for name, value := range c.Header {
			out.Header.Set(name, value)
		}
		out.Header.Set("Referer", "https://servicewechat.com/")
		back, err := p.options.Client.Do(out)
		if err != nil {
			return nil, &Refused{"request:fail " + err.Error()}
		}
		defer func() { _ = back.Body.Close() }() // read to its end, or given up
		body, err := io.ReadAll(io.LimitReader(back.Body, bodyLimit))
		if err != nil {
			return nil, &Refused{"request:fail " + err.Error()}
		}
		header := map[string]string{}
		for name := range back.Header {
			header[name] = back.Header.Get(name)
		}
		return map[string]any{"statusCode": back.StatusCode, "header": header, "data": string(body)}, nil
	})
}

// network takes the phone off the network, the sites in its frames too, and puts it back.
func (p *Phone) network(w http.ResponseWriter, r *http.Request) {
	call(w, r, func(_ context.Context, c struct {
		Offline bool `json:"offline"`
	},
	) (any, error) {
		p.offline.Store(c.Offline)
		return map[string]bool{"offline": c.Offline}, nil
	})
}

// call reads a call's JSON, does it, and writes its answer.
func call[C any](w http.ResponseWriter, r *http.Request, do func(context.Context, C) (any, error)) {
	var c C
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(&c); err != nil {
		http.Error(w, "the call is not the JSON that was expected: "+err.Error(), http.StatusBadRequest)
		return
	}
	result, err := do(r.Context(), c)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, result)
}

// refuse answers what the person is told, 409, or what is wrong with the set-up, 502.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	if refused := (*Refused)(nil); errors.As(err, &refused) {
		status = http.StatusConflict
	}
	write(w, status, map[string]string{"message": err.Error()})
}

func answer(w http.ResponseWriter, value any) { write(w, http.StatusOK, value) }

func write(w http.ResponseWriter, status int, value any) {
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(value); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the visitor may have gone
}

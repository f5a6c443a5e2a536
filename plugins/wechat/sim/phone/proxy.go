package phone

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
)

// Mode is as what the phone shows a site.
type Mode string

// The modes, each with a proxy of its own.
const (
	ModeOfficialAccount Mode = "official"
	ModeMiniProgram     Mode = "miniprogram"
	ModeBrowser         Mode = "browser"
)

// own is the folder below which a proxy serves its own scripts.
const own = "/.wxphone/"

// rewriteLimit bounds the pages and scripts that are changed. A larger one is passed on as it is.
const rewriteLimit = 8 << 20

// agents is what WeChat adds to the user agent.
var agents = map[Mode]string{ModeOfficialAccount: " MicroMessenger/8.0.50", ModeMiniProgram: " MicroMessenger/8.0.50 miniProgram"}

// Proxy serves a site to the phone's frames. It gives WeChat's bridge to each page, puts a stand-in in the place of WeChat's
// JS-SDK, and takes away what would keep a page out of a frame or off plain http. The site's own code runs unchanged; the
// bridge sleeps in any window but the phone's.
func (p *Phone) Proxy(s Site, m Mode) (http.Handler, error) {
	upstream, err := url.Parse(s.Upstream)
	if err != nil {
		return nil, fmt.Errorf("phone: the site's upstream: %w", err)
	}
	g := gate{phone: p, site: s, mode: m, self: s.at(m)}
	if g.self == "" {
		return nil, fmt.Errorf("phone: no mode is called %q", m)
	}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			r.SetXForwarded()
			r.Out.Header.Del("Accept-Encoding")  // what is to be changed must be readable
			if words := agents[m]; words != "" { // a server that reads the user agent sees what the page's scripts see
				r.Out.Header.Set("User-Agent", r.Out.Header.Get("User-Agent")+words)
			}
			// The site compares Origin with its own address.
			for _, name := range []string{"Origin", "Referer"} {
				if rest, ours := strings.CutPrefix(r.Out.Header.Get(name), g.self); ours && (rest == "" || rest[0] == '/') {
					r.Out.Header.Set(name, s.Upstream+rest)
				}
			}
		},
		ModifyResponse: g.change,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "the site "+s.Origin+" does not answer: "+err.Error(), http.StatusBadGateway)
		},
	}
	mux := http.NewServeMux()
	for _, name := range []string{"bridge.js", "jweixin.js"} {
		mux.Handle("GET "+own+name, p.file("web/"+name))
	}
	mux.HandleFunc("GET "+own+"forget", forget)
	mux.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.offline.Load() {
			panic(http.ErrAbortHandler) // the connection breaks off, as on a phone without a network
		}
		forward.ServeHTTP(w, r)
	}))
	return mux, nil
}

// forget makes the browser forget what the sites keep in it. The phone asks for it when it changes hands or shows a site in
// another place: a browser gives the cookies of one localhost to all of its ports.
func forget(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Clear-Site-Data", `"cookies", "storage"`)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// gate is one proxy.
type gate struct {
	phone *Phone
	site  Site
	mode  Mode
	self  string // the address that the browser has for it
}

func (g gate) change(r *http.Response) error {
	h := r.Header
	for _, name := range []string{"X-Frame-Options", "Strict-Transport-Security", "Content-Security-Policy-Report-Only"} {
		h.Del(name)
	}
	if to := h.Get("Location"); to != "" {
		h.Set("Location", g.location(to))
	}
	g.cookies(h)
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	page := mediaType == "text/html"
	nonce := ""
	if policies := h.Values("Content-Security-Policy"); len(policies) > 0 {
		h.Del("Content-Security-Policy")
		nonce = rand.Text()
		for _, policy := range policies {
			h.Add("Content-Security-Policy", opened(policy, g.self+own, nonce))
		}
	}
	if !page && !strings.HasSuffix(mediaType, "javascript") || h.Get("Content-Encoding") != "" {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, rewriteLimit+1))
	if err != nil {
		return err
	}
	if len(text) > rewriteLimit {
		r.Body = rest{io.MultiReader(bytes.NewReader(text), r.Body), r.Body}
		return nil
	}
	_ = r.Body.Close() // it has been read to its end
	text = sdk.ReplaceAll(text, []byte(g.self+own+"jweixin.js"))
	if page {
		text = g.inject(text, nonce)
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	r.ContentLength = int64(len(text))
	for _, name := range []string{"Content-Length", "ETag", "Content-MD5", "Digest"} {
		h.Del(name)
	}
	return nil
}

// rest is a body whose beginning was read already.
type rest struct {
	io.Reader
	io.Closer
}

var (
	sdk       = regexp.MustCompile(`(?:https?:)?//res2?\.wx\.qq\.com/open/js/jweixin-[0-9.]+(?:\.min)?\.js`)
	integrity = regexp.MustCompile(`(?i)\s+integrity\s*=\s*("[^"]*"|'[^']*')`)
	metaCSP   = regexp.MustCompile(`(?i)<meta[^>]+http-equiv\s*=\s*["']?content-security-policy["']?[^>]*>`)
	head      = regexp.MustCompile(`(?i)<head(?:\s[^>]*)?>`)
	document  = regexp.MustCompile(`(?i)^\s*(?:<!doctype[^>]*>\s*)?(?:<html(?:\s[^>]*)?>)?`)
)

// inject makes the bridge the page's first script, before anything that looks for it.
func (g gate) inject(page []byte, nonce string) []byte {
	page = integrity.ReplaceAll(page, nil)
	page = metaCSP.ReplaceAll(page, nil) // the header's is kept; a page's own cannot be told of the bridge's script
	sites, err := json.Marshal(g.phone.sites(g.mode))
	if err != nil {
		panic(err) // a map of strings
	}
	tag := fmt.Sprintf(`<script src="%sbridge.js" data-phone="%s" data-sites="%s" data-open-weixin="%s" nonce="%s"></script>`,
		own, g.phone.origin, html.EscapeString(string(sites)), html.EscapeString(g.phone.options.OpenWeixin), nonce)
	at := head.FindIndex(page)
	if at == nil {
		at = document.FindIndex(page)
	}
	return bytes.Join([][]byte{page[:at[1]], []byte(tag), page[at[1]:]}, nil)
}

// location keeps a redirect inside the phone, also one from one site to another.
func (g gate) location(to string) string {
	for _, weChat := range []string{openWeixin, g.phone.options.OpenWeixin} {
		if rest, found := below(to, weChat); found {
			return g.phone.options.URL + rest
		}
	}
	for origin, here := range g.phone.sites(g.mode) {
		if rest, found := below(to, origin); found {
			return here + rest
		}
	}
	return to
}

const openWeixin = "https://open.weixin.qq.com"

// below is what follows an origin in an address.
func below(address, origin string) (rest string, found bool) {
	rest, found = strings.CutPrefix(address, origin)
	return rest, found && origin != "" && (rest == "" || strings.ContainsRune("/?#", rune(rest[0])))
}

// sites is where the browser finds each site in a mode, by the addresses that pages know it by.
func (p *Phone) sites(m Mode) map[string]string {
	at := map[string]string{}
	for _, s := range p.options.Sites {
		at[s.Origin], at[s.Upstream] = s.at(m), s.at(m)
	}
	return at
}

// at is where the browser finds the site in a mode; empty: there is no such mode.
func (s Site) at(m Mode) string {
	return map[Mode]string{ModeOfficialAccount: s.OfficialAccountURL, ModeMiniProgram: s.MiniProgramURL, ModeBrowser: s.BrowserURL}[m]
}

// cookies makes the site's cookies ones of the proxy's host, on plain http.
func (g gate) cookies(h http.Header) {
	set := h.Values("Set-Cookie")
	h.Del("Set-Cookie")
	plain := strings.HasPrefix(g.self, "http://")
	for _, line := range set {
		parts := strings.Split(line, ";")
		// The browser takes these names from localhost only with Secure.
		prefixed := strings.HasPrefix(parts[0], "__Host-") || strings.HasPrefix(parts[0], "__Secure-")
		kept := parts[:1]
		for _, part := range parts[1:] {
			switch name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "="); {
			case name == "domain", name == "secure" && plain && !prefixed:
			case name == "samesite" && value == "none" && plain && !prefixed:
				kept = append(kept, " SameSite=Lax") // None needs Secure; every localhost port is one site
			default:
				kept = append(kept, part)
			}
		}
		h.Add("Set-Cookie", strings.Join(kept, ";"))
	}
}

// opened is a Content-Security-Policy that lets the phone frame the page and its scripts run, and is otherwise the site's.
func opened(policy, scripts, nonce string) string {
	directives := map[string][]string{}
	var names []string
	for directive := range strings.SplitSeq(policy, ";") {
		words := strings.Fields(directive)
		if len(words) == 0 {
			continue
		}
		name := strings.ToLower(words[0])
		if _, again := directives[name]; again { // only the first counts
			continue
		}
		names = append(names, name)
		directives[name] = words[1:]
	}
	sources, listed := directives["script-src"]
	if fallback, ok := directives["default-src"]; !listed && ok {
		names = append(names, "script-src")
		sources, listed = fallback, true
	}
	if listed {
		directives["script-src"] = admitting(sources, scripts, nonce)
	}
	if sources, ok := directives["script-src-elem"]; ok {
		directives["script-src-elem"] = admitting(sources, scripts, nonce)
	}
	var out []string
	for _, name := range names {
		if name != "frame-ancestors" && name != "upgrade-insecure-requests" && name != "block-all-mixed-content" {
			out = append(out, strings.Join(append([]string{name}, directives[name]...), " "))
		}
	}
	return strings.Join(out, "; ")
}

// admitting adds the phone's scripts to a source list: by address, and by nonce where the list is closed to addresses. A
// nonce is not added to a list that lives by 'unsafe-inline', since that would switch it off.
func admitting(sources []string, scripts, nonce string) []string {
	var kept []string
	inline, strict := false, false
	for _, s := range sources {
		switch lower := strings.ToLower(s); {
		case lower == "'none'":
			continue
		case lower == "'unsafe-inline'":
			inline = true
		case lower == "'strict-dynamic'", strings.HasPrefix(lower, "'nonce-"), strings.HasPrefix(lower, "'sha"):
			strict = true
		}
		kept = append(kept, s)
	}
	kept = append(kept, scripts)
	if !inline || strict {
		kept = append(kept, "'nonce-"+nonce+"'")
	}
	return kept
}

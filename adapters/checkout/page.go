package checkout

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/adapters/checkout/kits"
)

// page is what the templates are given. Each uses what it is about.
type page struct {
	visitor
	Title, Heading, Text string
	Merchant             string
	LangURL              string // this page in the other language
	Assets               string
	Words                map[string]string // that the script says

	Number, URL                              string
	Amount, Description                      string
	Created, Expires, PaidAt                 string
	State, Stands                            string
	Entry                                    string // that a payment is made through
	SignedIn                                 bool
	Payable, Waits                           bool
	Where, Link, SignIn, Return, More, Check string // what else can be done
	Code                                     string // of a problem, for whoever is told of it
	PayApp, Script                           string // the origin of WeChat's page around a receipt, and its script
	Insured                                  bool   // paid through WeChat's JS-SDK
	Parts                                    []part // of a bill
	Refunds                                  []refund
	Orders                                   []row
	Apps                                     []choice
}

type refund struct {
	Amount, State, Reason, To, At string
	Parts                         []part // where it has several
}

// part is what a share of a bill, or of its refund, comes to. State is empty where it has none of its own.
type part struct{ Name, Amount, State string }

type row struct {
	URL, Amount, Description, State, Created string
	Refunds                                  []refund
}

type choice struct{ Name, URL string }

// Say is a text in the page's language.
func (p page) Say(key string) string { return p.lang.say(key) }

// Lang is the language's tag.
func (p page) Lang() string { return p.lang.tag() }

// OtherLang is the tag of the other language.
func (p page) OtherLang() string { return (1 - p.lang).tag() }

// App is whose orders the page is about.
func (p page) App() string { return p.app }

// PayWord is what the button says before the amount.
func (p page) PayWord() string {
	if p.Stands == string(standsCancelled) || p.Stands == string(standsFailed) {
		return p.Say("pay_again")
	}
	return p.Say("pay")
}

// Place is where the server believes that the page is opened.
func (p page) Place() string { return string(p.place) }

func (s *site) page(r *http.Request, v visitor) page {
	p := page{visitor: v, Assets: assets + version + "/", Words: v.lang.scriptWords()}
	if v.app != "" {
		p.Merchant = s.Gateway.Merchant(v.app)
	}
	q := r.URL.Query()
	q.Set("lang", map[lang]string{chinese: "en", english: "zh"}[v.lang])
	q.Del(cameBack)
	p.LangURL = (&url.URL{Path: r.URL.Path, RawQuery: q.Encode()}).String()
	return p
}

//go:embed web
var web embed.FS

var templates = func() *template.Template {
	t, err := template.New("").ParseFS(web, "web/*.html")
	if err != nil {
		panic(err) // they are embedded
	}
	return t
}()

// assets is the folder of what pages load. A version stands in the address, so that it may be kept for ever.
const assets = "/checkout/assets/"

var (
	files = map[string]file{
		"checkout.css": {"text/css; charset=utf-8", embedded("web/checkout.css")},
		"checkout.js":  {"text/javascript; charset=utf-8", embedded("web/checkout.js")},
		"receipt.js":   {"text/javascript; charset=utf-8", embedded("web/receipt.js")},
		"paybridge.js": {"text/javascript; charset=utf-8", kits.Script()},
	}
	version = func() string {
		h := sha256.New()
		for _, name := range []string{"checkout.css", "checkout.js", "paybridge.js", "receipt.js"} {
			h.Write(files[name].content)
		}
		return hex.EncodeToString(h.Sum(nil))[:12]
	}()
)

type file struct {
	mediaType string
	content   []byte
}

func embedded(name string) []byte {
	content, err := fs.ReadFile(web, name)
	if err != nil {
		panic(err) // it is embedded
	}
	return content
}

func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	f, ok := files[mux.Vars(r)["name"]]
	if !ok || mux.Vars(r)["version"] != version { // a page of another version's replica: it is loaded again
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(f.content) // the payer may have gone
}

// weChatSDK are the hosts of WeChat's JS-SDK, without which a page in a web-view cannot reach the mini program around it, and one in
// an official account not the cashier of insurance.
const weChatSDK = " https://res.wx.qq.com https://res2.wx.qq.com"

// show writes a page.
func (s *site) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, name+".html", p); err != nil {
		panic(fmt.Sprintf("write the page %s: %v", name, err)) // the templates are fixed
	}
	s.keepLang(w, r)
	scripts := "'self'"
	if p.place == miniProgram || p.place == someWeChat || p.Insured {
		scripts += weChatSDK
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.Lang())
	h.Set("Vary", "Accept-Language, Cookie, User-Agent")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src "+scripts+"; style-src 'self'; connect-src 'self'; img-src data:; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the payer may have gone
}

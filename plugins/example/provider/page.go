package main

import (
	"html/template"
	"net/http"
)

var payPage = template.Must(template.New("pay").Parse(`<!doctype html><meta name="viewport" content="width=device-width">
<title>Pay</title><style>body{font:1.1rem system-ui;margin:2rem auto;max-width:22rem;text-align:center}</style>
<p>{{.Content.Subject}}</p><h1>{{.Trade.Currency}} {{.Yuan}}.{{printf "%02d" .Cents}}</h1>
{{if .Why}}<p>Not paid · 未支付: {{.Why}}</p>{{end}}
{{if eq .Trade.State "WAITING"}}<form method="post"><button>Pay · 付款</button></form>{{else}}<p>{{.Trade.State}}</p>{{end}}
`))

// page is what the payer opens by the code: /pay/ID.
func (p *provider) page(w http.ResponseWriter, r *http.Request) {
	code := p.base + r.URL.Path
	var found *trade
	p.mu.Lock()
	for _, t := range p.trades {
		if t.Code == code {
			found = t
		}
	}
	p.mu.Unlock()
	if found == nil {
		http.NotFound(w, r)
		return
	}
	var why string
	if r.Method == http.MethodPost {
		why = p.pay(found)
	}
	p.mu.Lock()
	shown := struct {
		Trade       trade
		Content     order
		Yuan, Cents int64
		Why         string
	}{*found, found.content, found.Amount / 100, found.Amount % 100, why}
	p.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = payPage.Execute(w, shown) // a payer who has gone needs no page
}

package checkout

import (
	"bytes"
	"context"
	"crypto/md5" // not for security: WeChat makes check_code by it, and nothing is decided by that
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

const (
	// receiptPath is what a partner registers at WeChat as its receipt link (商家小票链接), below notify_base.
	receiptPath = "/checkout/receipt"
	// receiptTime is how long the receipt waits for the provider: WeChat shows an error page where the frame is not ready in 3 s.
	receiptTime = 1200 * time.Millisecond
	// goldPlanHost has the script that WeChat documents as required on a receipt. It is loaded in WeChat's own frame alone, and
	// nothing here waits for it.
	goldPlanHost = "https://wx.gtimg.com"
	ownPayApp    = "https://payapp.weixin.qq.com"
)

// receipt is the page that WeChat shows in a frame after a payment to a partner's sub merchant (点金计划). It knows of its visitor no
// more than the number of the payment: it has no cookies, and shows what a number alone may show. What is not ours is left to
// WeChat's own receipt.
func (s *site) receipt(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	p := page{visitor: visitor{lang: langOf(r)}, Assets: assets + version + "/", PayApp: s.PayApp}
	if p.PayApp == ownPayApp {
		p.Script = goldPlanHost + "/pay_h5/goldplan/js/jgoldplan-1.0.0.js"
	}
	p.Title = p.Say("title")
	rows, err := s.receiptOf(ctx, r, true)
	switch {
	case err == nil:
		p = s.paidPage(p, r, rows)
	case !errors.Is(err, ports.ErrNotFound):
		s.Log.Warn("a receipt could not be read; WeChat shows its own", "error", err)
		fallthrough
	default:
		s.Note(r, "", "not_found")
	}
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, "receipt.html", p); err != nil {
		panic(fmt.Sprintf("write the receipt: %v", err)) // the templates are fixed
	}
	scripts := "'self'"
	if p.Script != "" {
		scripts += " " + goldPlanHost
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.Lang())
	h.Set("Vary", "Accept-Language")
	h.Set("Referrer-Policy", "origin") // WeChat wants to see where the page is from
	h.Set("Content-Security-Policy", "default-src 'none'; script-src "+scripts+"; style-src 'self'; connect-src 'self'; img-src data:; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors "+s.PayApp)
	_, _ = w.Write(text.Bytes()) // the payer may have gone
}

// paidPage is what a receipt says of an order.
func (s *site) paidPage(p page, r *http.Request, rows pay.Rows) page {
	o := rows.Order
	stands := standingOf(rows, true, "ok") // WeChat shows it after a payment alone
	p.app, p.Merchant, p.Amount, p.Number, p.Stands = o.App, s.Gateway.Merchant(o.App), yuan(o.Amount), o.Number, string(stands)
	p.Title = p.Say(string(stands) + "_title")
	p.Heading, p.Text, p.Waits = p.Title, p.Say(string(stands)+"_text"), !stands.final()
	p.Check = receiptPath + "/state?" + receiptQuery(r).Encode()
	if p.Return = s.Gateway.ReturnURL(rows, ""); p.Return == "" {
		p.Return = s.Gateway.CheckoutURL(o)
	}
	return p
}

// receiptState tells the receipt's script how the order stands.
func (s *site) receiptState(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	rows, err := s.receiptOf(ctx, r, false)
	if err != nil {
		s.refusal(w, r, "", err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"stands": standingOf(rows, true, "ok")})
}

// receiptOf is the order whose payment WeChat names, asked about as far as there is time.
func (s *site) receiptOf(ctx context.Context, r *http.Request, first bool) (pay.Rows, error) {
	q := r.URL.Query()
	rows, p, err := s.Gateway.Receipt(ctx, q.Get("sub_mch_id"), q.Get("out_trade_no"))
	if err != nil {
		return rows, err
	}
	asking, cancel := context.WithTimeout(ctx, receiptTime)
	defer cancel()
	if rows, _, err = s.Gateway.Refreshed(asking, rows); err != nil {
		return rows, err
	}
	if now, err := rows.Payment(p.Number); first && err == nil && now.ProviderID != "" && q.Get("check_code") != checkCode(now) {
		// What WeChat publishes of it does not reproduce: nothing is refused for it.
		s.Log.Info("a receipt's check_code is not what was expected", "payment", p.Number)
	}
	return rows, nil
}

// checkCode is WeChat's check of a receipt's address.
func checkCode(p pay.Payment) string {
	query := fmt.Sprintf("?sub_mch_id=%s&out_trade_no=%s&transaction_id=%s", p.Route.SubMchID, p.OutTradeNo(), p.ProviderID)
	sum := md5.Sum([]byte(p.Route.NotifyBase + receiptPath + query))
	return hex.EncodeToString(sum[:])
}

// receiptQuery is what names the payment in the receipt's address.
func receiptQuery(r *http.Request) url.Values {
	q := r.URL.Query()
	return url.Values{"sub_mch_id": {q.Get("sub_mch_id")}, "out_trade_no": {q.Get("out_trade_no")}}
}

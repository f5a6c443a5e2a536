package checkout

import (
	"io/fs"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
)

func TestStandingsComeFromTheRowsAlone(t *testing.T) {
	t.Parallel()
	at := func(s pay.PaymentState, minute int) pay.Payment {
		return pay.Payment{State: s, CreatedAt: time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC)}
	}
	live, failed, shut := at(pay.PaymentPending, 1), at(pay.PaymentFailed, 2), at(pay.PaymentClosed, 3)
	disputed := live
	disputed.Disputed = "another amount"
	for _, row := range []struct {
		name     string
		order    pay.OrderState
		payments []pay.Payment
		silent   bool // the provider did not answer
		said     string
		want     standing
	}{
		{name: "nobody has tried", order: pay.OrderOpen, want: standsUnpaid},
		{name: "an ok proves nothing", order: pay.OrderOpen, said: "ok", want: standsUnpaid},
		{name: "R17 an ok that the provider does not know yet", order: pay.OrderOpen, payments: []pay.Payment{live}, said: "ok", want: standsConfirming},
		{name: "a cancel, and the provider agrees", order: pay.OrderOpen, payments: []pay.Payment{live}, said: "cancel", want: standsCancelled},
		{name: "a cancel that the provider was not asked about", order: pay.OrderOpen, payments: []pay.Payment{live}, said: "cancel", silent: true, want: standsConfirming},
		{name: "opened again", order: pay.OrderOpen, payments: []pay.Payment{live}, want: standsUnpaid},
		{name: "opened again, the provider silent", order: pay.OrderOpen, payments: []pay.Payment{live}, silent: true, want: standsConfirming},
		{name: "refused", order: pay.OrderOpen, payments: []pay.Payment{shut, failed, at(pay.PaymentFailed, 4)}, want: standsFailed},
		{name: "refused before, and tried again", order: pay.OrderOpen, payments: []pay.Payment{failed, shut}, want: standsUnpaid},
		{name: "disputed", order: pay.OrderOpen, payments: []pay.Payment{disputed}, said: "cancel", want: standsConfirming},
		{name: "paid, whatever the client says", order: pay.OrderPaid, said: "cancel", want: standsPaid},
		{name: "partly refunded", order: pay.OrderPartiallyRefunded, want: standsPaid},
		{name: "refunded", order: pay.OrderRefunded, want: standsRefunded},
		{name: "closing", order: pay.OrderClosing, payments: []pay.Payment{at(pay.PaymentClosing, 1)}, said: "ok", want: standsClosing},
		{name: "closed", order: pay.OrderClosed, said: "ok", want: standsClosed},
		{name: "a word that there is not", order: pay.OrderOpen, payments: []pay.Payment{live}, said: "paid", want: standsUnpaid},
	} {
		rows := pay.Rows{Order: pay.Order{State: row.order}, Payments: row.payments}
		if got := standingOf(rows, !row.silent, row.said); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	const wx = "Mozilla/5.0 (iPhone) MicroMessenger/8.0.50"
	for agent, want := range map[string]place{
		wx: officialAccount, wx + " miniProgram/wx1": miniProgram, wx + " wxwork/4.1": weChatOther,
		"Mozilla/5.0 (Windows NT 10.0) MicroMessenger/7 WindowsWechat": weChatOther, wx + " MacWechat/3.8": weChatOther,
		wx + " ArkWeb/4.1.6.1": someWeChat, "Mozilla/5.0 (iPhone) Safari/604.1": browser, "": browser,
	} {
		if got := placeOf(agent); got != want {
			t.Errorf("%q: %s, want %s", agent, got, want)
		}
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		query, accept string
		want          lang
	}{
		{"", "", chinese}, {"", "zh-CN,zh;q=0.9", chinese}, {"", "zh-TW", chinese}, {"", "en-GB,en;q=0.9", english}, {"", "fr", english},
		{"?lang=en", "zh-CN", english}, {"?lang=zh", "en", chinese}, {"?lang=xx", "en", english}, {"", "\x00", chinese},
	} {
		r := httptest.NewRequest("GET", "/checkout/orders"+row.query, nil)
		r.Header.Set("Accept-Language", row.accept)
		if got := langOf(r); got != row.want {
			t.Errorf("%q, %q: %s, want %s", row.query, row.accept, got.tag(), row.want.tag())
		}
	}
}

func TestAmountsAreExact(t *testing.T) {
	t.Parallel()
	for fen, want := range map[int64]string{1: "¥0.01", 10: "¥0.10", 100: "¥1.00", 12345: "¥123.45", 10_000_000_000: "¥100000000.00"} {
		if got := yuan(money.Amount{Minor: fen, Currency: "CNY"}); got != want {
			t.Errorf("%d fen: %s, want %s", fen, got, want)
		}
	}
}

// Every page is written for every standing, in both languages, and says no word that there is not.
func TestEveryPageInBothLanguages(t *testing.T) {
	t.Parallel()
	for key, w := range words {
		if w[chinese] == "" || w[english] == "" || w[chinese] == w[english] {
			t.Errorf("%s: %q, %q", key, w[chinese], w[english])
		}
	}
	said := regexp.MustCompile(`\.Say "([a-z_]+)"`)
	pages, err := fs.Glob(web, "web/*.html")
	if err != nil || len(pages) < 7 {
		t.Fatal(pages, err)
	}
	for _, name := range pages {
		for _, m := range said.FindAllStringSubmatch(string(embedded(name)), -1) {
			if words[m[1]][english] == "" {
				t.Errorf("%s says %q, which has no words", name, m[1])
			}
		}
	}
	for _, l := range []lang{chinese, english} {
		for _, stands := range []standing{standsPaid, standsRefunded, standsConfirming, standsCancelled, standsUnpaid, standsFailed, standsClosing, standsClosed} {
			if l.say(string(stands)+"_title") == "" || l.say(string(stands)+"_text") == "" {
				t.Errorf("%s has no words", stands)
			}
			for _, mayPay := range []bool{false, true} {
				p := page{visitor: visitor{lang: l, app: "clinic"}, Title: `<script>alert(1)</script>`, Amount: "¥1.00", Number: "1", Stands: string(stands), State: "open",
					Payable: mayPay, Waits: !stands.final(), Return: "https://clinic.example/", SignedIn: true, Words: l.scriptWords(), Link: "https://x.example/",
					Orders: []row{{Description: "Visit", State: "paid", Refunds: []refund{{State: "processing"}}}}, Refunds: []refund{{State: "succeeded"}}}
				for _, name := range []string{"order", "result", "orders", "apps", "landing", "where", "problem"} {
					var text strings.Builder
					if err := templates.ExecuteTemplate(&text, name+".html", p); err != nil {
						t.Errorf("%s, %s: %v", name, stands, err)
					}
					if strings.Contains(text.String(), "<script>alert") || strings.Contains(text.String(), "style=") || strings.Contains(text.String(), "onclick") {
						t.Errorf("%s: not escaped, or inline", name)
					}
				}
			}
		}
	}
	for _, r := range turns {
		if words[r.word][english] == "" {
			t.Errorf("%s has no words", r.word)
		}
	}
}

package main

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// certificateWorld has a merchant that downloads WeChat's certificates, and a clock of the plugin's that can be put ahead.
func certificateWorld(t *testing.T) (w world, ahead *atomic.Int64) {
	t.Helper()
	w, ahead = newWorld(t), new(atomic.Int64)
	w.Options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	if err := w.sim.SetKeyMode(merchant, sim.PlatformCertificate, 0); err != nil {
		t.Fatal(err)
	}
	a := w.accountOf("main", merchant, downloads)
	a.Generation = 2
	w.configure(a)
	return w, ahead
}

// downloads is an account that was given no key of WeChat's.
func downloads(c *wechat.Config) { c.PublicKeys, c.PublicKeyID, c.PlatformCertificates = nil, "", true }

// downloaded counts the questions for certificates that WeChat got.
func (w world) downloaded() (n int) {
	for _, sent := range w.sim.Requests() {
		if sent.Path == "/v3/certificates" {
			n++
		}
	}
	return n
}

func TestAnAccountLivesByDownloadedCertificates(t *testing.T) {
	t.Parallel()
	w, _ := certificateWorld(t)
	w.paid(number(1)) // waits for the download, with nothing sent before it
	if f := w.told("main", merchant, number(1)).Payment; f == nil || f.State != sdk.PaymentSucceeded {
		t.Errorf("told: %+v", f)
	}
	if n := w.downloaded(); n != 1 {
		t.Errorf("%d downloads, want one", n)
	}
}

// R14, R38: what is signed with a certificate that began just now is refused for the time being, the certificate is
// fetched, and when WeChat sends it again it is taken.
func TestR38_AnUnknownSerialIsFetched(t *testing.T) {
	t.Parallel()
	w, ahead := certificateWorld(t)
	w.paid(number(1))
	next, err := w.sim.AddPlatformCertificate()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.sim.SignWith(next); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(time.Minute)) // the last download is no longer a moment ago
	if p := w.ParseNotification(t.Context(), w.notification(number(1), "")); p.Cause != sdk.UnknownSerial {
		t.Errorf("a serial that nobody has heard of: %+v", p)
	}
	// An answer by the same certificate waits for the same download.
	accepted(t, w.QueryPayment(t.Context(), sdk.Query{Call: call(firstApp), Number: number(1)}))
	if f := w.told("main", merchant, number(1)).Payment; f.State != sdk.PaymentSucceeded {
		t.Errorf("sent again: %+v", f)
	}
	if n := w.downloaded(); n != 2 {
		t.Errorf("%d downloads, want two", n)
	}
}

// R14: a stranger who makes serials up makes us ask WeChat at most once in a while.
func TestR14_MadeUpSerialsFetchLittle(t *testing.T) {
	t.Parallel()
	w, ahead := certificateWorld(t)
	w.paid(number(1))
	ahead.Store(int64(time.Minute))
	for range 200 {
		if p := w.ParseNotification(t.Context(), w.notification(number(1), sim.CallbackUnknownSerial)); p.Cause != sdk.UnknownSerial {
			t.Fatalf("got %+v", p)
		}
	}
	next, err := w.sim.AddPlatformCertificate()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.sim.SignWith(next); err != nil {
		t.Fatal(err)
	}
	query := sdk.Query{Call: call(firstApp), Number: number(1)}
	w.QueryPayment(t.Context(), query) // waits for the end of the download that is under way, and asks for no other
	ahead.Store(int64(2 * time.Minute))
	accepted(t, w.QueryPayment(t.Context(), query))
	if n := w.downloaded(); n != 3 {
		t.Errorf("%d downloads, want 3: at the start, for 200 made-up serials, and for the new one", n)
	}
}

// R38: on the way from certificates to the public key WeChat signs with either; nothing is refused, and the new
// configuration begins with the certificates that the old one had.
func TestR38_FromCertificateToPublicKey(t *testing.T) {
	t.Parallel()
	w, _ := certificateWorld(t)
	w.paid(number(1))
	if err := w.sim.SetKeyMode(merchant, sim.Switching, 0.5); err != nil {
		t.Fatal(err)
	}
	a := w.accountOf("main", merchant, func(c *wechat.Config) { c.PlatformCertificates = true })
	a.Generation = 3
	w.configure(a)
	signers := map[string]int{}
	for range 60 {
		n := w.notification(number(1), "")
		signers[n.Header.Get("Wechatpay-Serial")]++
		if p := w.ParseNotification(t.Context(), n); p.Payment == nil {
			t.Fatalf("signed with %s: %+v", n.Header.Get("Wechatpay-Serial"), p)
		}
	}
	if len(signers) != 2 {
		t.Errorf("signed with %v, want both kinds of key", signers)
	}
	accepted(t, w.QueryPayment(t.Context(), sdk.Query{Call: call(firstApp), Number: number(1)})) // signed as it was asked
}

// R38: while the APIv3 key is changed, what was sealed before comes by the old one.
func TestR38_TwoAPIv3Keys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.paid(number(1))
	before := w.notification(number(1), "")
	old, next := w.sim.Merchant(merchant).APIv3Key, strings.Repeat("n", 32)
	if err := w.sim.SetAPIv3Key(merchant, next); err != nil {
		t.Fatal(err)
	}
	after := w.notification(number(1), "")
	if p := w.ParseNotification(t.Context(), after); p.Payment != nil || p.Cause != sdk.Malformed {
		t.Errorf("the new key is not known yet: %+v", p)
	}
	a := w.accountOf("main", merchant, func(c *wechat.Config) { c.APIv3Keys = []string{next, old} })
	a.Generation = 2
	w.configure(a)
	for name, n := range map[string]sdk.Notification{"the old key": before, "the new key": after} {
		if p := w.ParseNotification(t.Context(), n); p.Payment == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// R38: the merchant's own certificate is replaced while it pays: first both are there, then the new one signs, then the
// old one is refused by WeChat.
func TestR38_TheMerchantsCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.sim.Merchant(merchant)
	next, err := w.sim.RenewMerchantCertificate(merchant, false)
	if err != nil {
		t.Fatal(err)
	}
	renewed := w.sim.Merchant(merchant)
	both := func(serial string, generation int64) sdk.Account {
		a := w.accountOf("main", merchant, func(c *wechat.Config) {
			c.SerialNo, c.PrivateKey = serial, ""
			c.PrivateKeys = map[string]string{old.Serial: old.PrivateKeyPEM, next: renewed.PrivateKeyPEM}
		})
		a.Generation = generation
		return a
	}
	w.configure(both(old.Serial, 2))
	w.paid(number(1))
	w.configure(both(next, 3))
	w.paid(number(2))
	if err := w.sim.EndMerchantCertificate(merchant, old.Serial); err != nil {
		t.Fatal(err)
	}
	paid := w.paid(number(3))
	accepted(t, w.CreateRefund(t.Context(), refund(paid, "R1", 500))) // R27
	w.configure(both(old.Serial, 4))
	r := w.QueryPayment(t.Context(), sdk.Query{Call: call(firstApp), Number: number(3)})
	if r.Verdict != sdk.VerdictRejected || r.Reason != sdk.AuthFailed || !strings.Contains(r.Message, "已更换证书") {
		t.Errorf("signed with a certificate that has ended: %+v", r)
	}
	signed := map[string]string{}
	for _, sent := range w.sim.Requests() {
		if strings.HasSuffix(sent.Path, "/jsapi") {
			signed[sent.Number] = sent.Serial
		}
	}
	if signed[number(1)] != old.Serial || signed[number(2)] != next || signed[number(3)] != next {
		t.Errorf("signed with %v", signed)
	}
}

// A pinned platform certificate is one of public_keys, under its serial.
func TestAPinnedCertificate(t *testing.T) {
	t.Parallel()
	w, _ := certificateWorld(t)
	serial, text := w.sim.PlatformCertificate()
	a := w.accountOf("main", merchant, func(c *wechat.Config) {
		c.PublicKeys, c.PublicKeyID = map[string]string{serial: text}, ""
	})
	a.Generation = 3
	w.configure(a)
	w.paid(number(1))
	if f := w.told("main", merchant, number(1)).Payment; f == nil {
		t.Error("not told")
	}
}

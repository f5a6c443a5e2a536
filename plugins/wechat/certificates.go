package wechat

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

const (
	// certificatesFresh is how old downloaded certificates may become. WeChat asks for a look within 12 hours.
	certificatesFresh = 10 * time.Hour
	// downloadInterval is the least time between two downloads, however many messages bear a serial that nobody knows.
	downloadInterval = 30 * time.Second
	// downloadTime bounds one download.
	downloadTime = 10 * time.Second
)

// platformCertificates are WeChat's certificates as one signer downloaded them. What is in use is replaced whole, so that
// verifying takes no lock. A download begins when a message or a call finds them old or incomplete, one at a time and
// never sooner than downloadInterval after the last: there is nothing to stop, and idle accounts ask for nothing. The nil
// value is that of an account without; it has none and asks for none.
type platformCertificates struct {
	download func(context.Context) ([]certificate, error)
	now      func() time.Time
	current  atomic.Pointer[certificateSet]

	mu      sync.Mutex
	asked   time.Time     // when the last download began
	running chan struct{} // closed at its end; nil: none is under way
}

// certificateSet is what one download brought.
type certificateSet struct {
	loaded time.Time
	keys   map[string]certificate // by serial, upper case
}

// certificate is one of WeChat's certificates, decrypted.
type certificate struct {
	serial    string
	key       *rsa.PublicKey
	notBefore time.Time
	notAfter  time.Time
}

// key is the one of that serial, or nil. Where the certificates are old, or have no such serial, a download begins; the
// answer does not wait for it.
func (p *platformCertificates) key(serial string) *rsa.PublicKey {
	key := p.known(serial)
	if key == nil {
		p.refresh()
	}
	p.keepFresh()
	return key
}

// known is key without a download.
func (p *platformCertificates) known(serial string) *rsa.PublicKey {
	if p == nil {
		return nil
	}
	now := p.now()
	if c, ok := p.set().keys[serial]; ok && now.Before(c.notAfter) {
		return c.key
	}
	return nil
}

// newest is the serial of the certificate that WeChat began with last, or empty.
func (p *platformCertificates) newest() string {
	if p == nil {
		return ""
	}
	var newest certificate
	now := p.now()
	for _, c := range p.set().keys {
		if c.notBefore.After(newest.notBefore) && !now.Before(c.notBefore) && now.Before(c.notAfter) {
			newest = c
		}
	}
	return newest.serial
}

// keepFresh begins a download where the certificates are older than certificatesFresh, or there are none.
func (p *platformCertificates) keepFresh() {
	if p != nil && p.now().Sub(p.set().loaded) >= certificatesFresh {
		p.refresh()
	}
}

// wait is refresh and the wait for its end, as long as ctx allows.
func (p *platformCertificates) wait(ctx context.Context) {
	if end := p.refresh(); end != nil {
		select {
		case <-end:
		case <-ctx.Done():
		}
	}
}

// refresh begins a download, unless one is under way or the last began just now. The channel is closed at the end of the
// one that is under way; nil: none is.
func (p *platformCertificates) refresh() <-chan struct{} {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now := p.now(); {
	case p.running != nil:
		return p.running
	case !p.asked.IsZero() && now.Sub(p.asked) < downloadInterval:
		return nil
	default:
		p.asked = now
	}
	end := make(chan struct{})
	p.running = end
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), downloadTime)
		defer cancel()
		err := p.load(ctx)
		p.mu.Lock()
		p.running = nil
		p.mu.Unlock()
		close(end)
		if err != nil {
			slog.Warn("WeChat Pay's platform certificates were not downloaded; it is tried again when they are needed", "error", err)
		}
	}()
	return end
}

// load downloads now.
func (p *platformCertificates) load(ctx context.Context) error {
	list, err := p.download(ctx)
	if err != nil {
		return err
	}
	keys := make(map[string]certificate, len(list))
	for _, c := range list {
		keys[c.serial] = c
	}
	p.current.Store(&certificateSet{loaded: p.now(), keys: keys})
	return nil
}

// takeOver begins with what another of the same signer has. Either may be nil.
func (p *platformCertificates) takeOver(from *platformCertificates) {
	if p == nil || from == nil {
		return
	}
	if theirs := from.set(); theirs.loaded.After(p.set().loaded) {
		p.current.Store(theirs)
	}
}

var noCertificates = new(certificateSet)

func (p *platformCertificates) set() *certificateSet {
	if set := p.current.Load(); set != nil {
		return set
	}
	return noCertificates
}

// downloadCertificates asks GET /v3/certificates. What it brings is encrypted with the APIv3 key, which only WeChat and
// the merchant have, and signed with one of the certificates inside, or with one that is known already.
func (c *Client) downloadCertificates(ctx context.Context) ([]certificate, error) {
	r := request{op: OpCertificates, number: c.mchID, method: http.MethodGet, path: "/v3/certificates"}
	var list []certificate
	_, err := c.ask(ctx, r, "", nil, func(h http.Header, body []byte) (err error) {
		inside := map[string]*rsa.PublicKey{}
		if list, err = c.openCertificates(body); err != nil {
			return err
		}
		for _, cert := range list {
			inside[cert.serial] = cert.key
		}
		return verify(h, body, c.now(), func(serial string) *rsa.PublicKey {
			switch {
			case inside[serial] != nil:
				return inside[serial]
			case c.keys[serial] != nil:
				return c.keys[serial]
			}
			return c.platform.known(serial)
		})
	})
	if err == nil && len(list) == 0 {
		err = errors.New("WeChat's answer holds no certificate")
	}
	return list, err
}

// largestCertificates bounds how many one answer may bring; WeChat has one, and two while it changes them.
const largestCertificates = 32

// openCertificates gives none for an answer of another kind, such as a refusal.
func (c *Client) openCertificates(body []byte) ([]certificate, error) {
	var answer struct {
		Data []struct {
			SerialNo  string   `json:"serial_no"`
			Encrypted resource `json:"encrypt_certificate"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Data) > largestCertificates {
		return nil, nil
	}
	var list []certificate
	for _, entry := range answer.Data {
		pem, err := c.open(entry.Encrypted)
		if err != nil {
			return nil, err
		}
		cert, err := utils.LoadCertificate(string(pem))
		if err != nil {
			return nil, fmt.Errorf("the certificate %s cannot be read", cut(entry.SerialNo, 64))
		}
		key, ok := cert.PublicKey.(*rsa.PublicKey)
		serial := strings.ToUpper(utils.GetCertificateSerialNumber(*cert))
		if !ok || key.N.BitLen() < smallestKey || !strings.EqualFold(serial, entry.SerialNo) {
			return nil, fmt.Errorf("the certificate %s is not RSA 2048, or bears another serial", cut(entry.SerialNo, 64))
		}
		list = append(list, certificate{serial, key, cert.NotBefore, cert.NotAfter})
	}
	return list, nil
}

// Package wechat is the WeChat Pay API v3 client that the WeChat plugins share: the wire, its signatures and what
// its answers mean. It keeps no state beyond keys; an app id lives only in a call's arguments, never in a Client, so
// that two app ids on one merchant number cannot meet here.
//
// Signing, encrypting and the reading of keys are wechatpay-go's. Its HTTP client is not used: it reports a refusal
// before it has verified it, reads without a bound, and cannot tell a call that was never sent from one whose answer was
// lost. Nor is its certificate downloader, which asks from wherever a message is verified and keeps a goroutine for ever.
package wechat

import (
	"crypto/rsa"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

// Options are where and how to call; the zero value is right in production.
type Options struct {
	BaseURL   string            // scheme and host; empty is WeChat's own, with its second host behind it
	Transport http.RoundTripper // nil is a shared, bounded one that heeds HTTPS_PROXY
	Now       func() time.Time  // nil is time.Now
}

// Client makes signed calls for one signer, and verifies what comes back. It is safe for concurrent use and holds
// no connection of its own, so one that is replaced needs no closing.
type Client struct {
	mchID     string
	serial    string // of the API certificate that signs
	private   *rsa.PrivateKey
	privates  []*rsa.PrivateKey         // all that are configured, for what WeChat encrypts to us
	keys      map[string]*rsa.PublicKey // WeChat's configured public keys and certificates, by serial
	expectKey string                    // of keys, named in each request's Wechatpay-Serial; empty: a downloaded certificate
	platform  *platformCertificates     // nil where the account downloads none
	apiV3Keys []string
	hosts     []string // scheme and host, tried in order while nothing was sent
	http      *http.Client
	now       func() time.Time
}

// callTime bounds a call whose context has no deadline of its own.
const callTime = 10 * time.Second

// transport is shared by all clients: connections are to one host whoever signs. HTTP/1.1 on purpose, so that one
// stalled connection holds up one call.
var transport = &http.Transport{
	Proxy:                  http.ProxyFromEnvironment,
	DialContext:            (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
	TLSHandshakeTimeout:    3 * time.Second,
	MaxIdleConns:           256,
	MaxIdleConnsPerHost:    128,
	IdleConnTimeout:        6 * time.Second, // WeChat ends idle connections after 8: one that dies under a call leaves its outcome unknown
	MaxResponseHeaderBytes: 64 << 10,
	DisableCompression:     true, // the signature is over the bytes as they travel
}

// New parses the keys once. It makes no call. Each wrong field is an sdk.Field error, all of them joined.
func New(c Config, o Options) (*Client, error) {
	serial := strings.ToUpper(strings.TrimSpace(c.SerialNo))
	private, privates, badPrivate := privateKeys(c, serial)
	keys, badPublic := publicKeys(c)
	var expect string
	if badPublic == nil { // else it could not be said which of them is meant
		expect, badPublic = expectedKey(c, slices.Sorted(maps.Keys(keys)))
	}
	hosts, badBase := hosts(o.BaseURL)
	err := errors.Join(checkMerchants(c, serial), badPrivate, badPublic, checkAPIv3Keys(c.APIv3Keys), badBase)
	if err != nil {
		return nil, err
	}
	if o.Transport == nil {
		o.Transport = transport
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	client := &Client{
		mchID:     c.MchID,
		serial:    serial,
		private:   private,
		privates:  privates,
		keys:      keys,
		expectKey: expect,
		apiV3Keys: append([]string(nil), c.APIv3Keys...),
		hosts:     hosts,
		now:       o.Now,
		http: &http.Client{
			Transport: o.Transport,
			// A redirect is an answer like any other: what was signed for one path goes to no other.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if c.PlatformCertificates {
		client.platform = &platformCertificates{download: client.downloadCertificates, now: o.Now}
	}
	return client, nil
}

func hosts(base string) ([]string, error) {
	if base == "" || strings.TrimSuffix(base, "/") == consts.WechatPayAPIServer {
		return []string{consts.WechatPayAPIServer, consts.WechatPayAPIServerBackup}, nil
	}
	u, err := url.Parse(base)
	switch {
	case err != nil, u.Host == "", u.Scheme != "https" && u.Scheme != "http":
		err = errors.New("give scheme and host, as in " + consts.WechatPayAPIServer)
	case strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.Fragment != "", u.User != nil:
		err = errors.New("give scheme and host alone: the path is part of what is signed")
	}
	if err != nil {
		return nil, sdk.Field("/base_url", "%v", err)
	}
	return []string{u.Scheme + "://" + u.Host}, nil
}

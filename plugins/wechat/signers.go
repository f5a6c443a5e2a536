package wechat

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"weak"
)

// Signers gives accounts with the same credentials the same Client, and with it one set of keys and certificates and one
// downloader: a partner with 300 sub merchants is 300 accounts and one signer. The zero value is ready for use.
type Signers struct {
	mu   sync.Mutex
	held map[[sha256.Size]byte]weak.Pointer[Client] // by credentials and base URL; weak, so that retired keys are forgotten
}

// client is the one of these credentials. A new one takes over the certificates that its signer's last one had, so that
// no message waits for a download while an account is configured anew (R38).
func (s *Signers) client(c Config, o Options) (*Client, error) {
	c.SubMchID = "" // signs for nobody: it comes from the route
	text, err := json.Marshal(struct {
		Config
		BaseURL string
	}{c, o.BaseURL})
	if err != nil {
		return nil, err
	}
	credentials := sha256.Sum256(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if there := s.held[credentials].Value(); there != nil {
		return there, nil
	}
	client, err := New(c, o)
	if err != nil {
		return nil, err
	}
	for other, p := range s.held {
		switch before := p.Value(); {
		case before == nil:
			delete(s.held, other)
		case before.mchID == client.mchID && before.hosts[0] == client.hosts[0]:
			client.platform.takeOver(before.platform)
		}
	}
	if s.held == nil {
		s.held = map[[sha256.Size]byte]weak.Pointer[Client]{}
	}
	s.held[credentials] = weak.Make(client)
	client.platform.keepFresh()
	return client, nil
}

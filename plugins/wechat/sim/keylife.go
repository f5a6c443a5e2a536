package sim

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// signer is a key of WeChat's with the serial it goes by.
type signer struct {
	key    *rsa.PrivateKey
	serial string
}

// publicSigner is the WeChat Pay public key, certificateSigner the platform certificate in use; s.mu is held.
func (s *Simulator) publicSigner() signer { return signer{s.ring.public.key, s.ring.publicKeyID} }

func (s *Simulator) certificateSigner() signer {
	k := s.ring.platform[s.ring.signing]
	return signer{k.key, k.serial}
}

// answerSigner signs an answer: the public key only for a request that names it, of a merchant that has it.
func (s *Simulator) answerSigner(m *merchant, expected string) signer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if expected == s.ring.publicKeyID && m.KeyMode != PlatformCertificate {
		return s.publicSigner()
	}
	return s.certificateSigner()
}

// callbackSigner signs one attempt of a callback: by the key that the merchant verifies with, while it is
// Switching by either.
func (s *Simulator) callbackSigner(mchID string) (signer, KeyMode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.world.merchants[mchID]
	mode := m.KeyMode
	if mode == Switching {
		mode = PlatformCertificate
		if s.faults.rand.Float64() < m.share {
			mode = PublicKey
		}
	}
	if mode == PublicKey {
		return s.publicSigner(), mode
	}
	return s.certificateSigner(), mode
}

// decrypter is the private half of the key that a request names in Wechatpay-Serial; nil: it is none that the
// merchant may use.
func (s *Simulator) decrypter(m *merchant, serial string) *rsa.PrivateKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	if serial == s.ring.publicKeyID && m.KeyMode != PlatformCertificate {
		return s.ring.public.key
	}
	i := slices.IndexFunc(s.ring.platform, func(k keyPair) bool { return k.serial == serial })
	if i < 0 || m.KeyMode == PublicKey {
		return nil
	}
	return s.ring.platform[i].key
}

// SetKeyMode changes with what a merchant verifies WeChat. While it is Switching, share (0 to 1) of the callbacks
// is signed by the public key; the other modes do not look at it. The next start begins with the seed's mode again.
func (s *Simulator) SetKeyMode(mchID string, mode KeyMode, share float64) error {
	switch {
	case mode != PublicKey && mode != PlatformCertificate && mode != Switching:
		return fmt.Errorf("keys %q is none of %s, %s and %s", mode, PublicKey, PlatformCertificate, Switching)
	case share < 0 || share > 1:
		return fmt.Errorf("the share %v of callbacks is not between 0 and 1", share)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.world.merchants[mchID]
	if m == nil {
		return fmt.Errorf("there is no merchant %s: add it to the seed", mchID)
	}
	m.KeyMode, m.share = mode, share
	return nil
}

// ListedCertificate is a certificate of WeChat's as GET /v3/certificates hands it out.
type ListedCertificate struct {
	Serial    string    `json:"serial"` // 40 upper-case hex digits
	PEM       string    `json:"pem"`
	Signs     bool      `json:"signs"` // it signs at present; the others are listed only
	Effective time.Time `json:"effective_time"`
	Expires   time.Time `json:"expire_time"`
}

// PlatformCertificates are those that GET /v3/certificates lists.
func (s *Simulator) PlatformCertificates() []ListedCertificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []ListedCertificate
	for i, k := range s.ring.platform {
		from, until := k.validity()
		all = append(all, ListedCertificate{k.serial, k.certPEM(), i == s.ring.signing, from, until})
	}
	return all
}

func (k keyPair) validity() (from, until time.Time) {
	cert, err := x509.ParseCertificate(k.cert)
	if err != nil {
		panic(err) // we made it, or have parsed it when it was read
	}
	return cert.NotBefore, cert.NotAfter
}

// AddPlatformCertificate makes one more platform certificate, listed but not signing yet, as WeChat announces the
// next before it uses it. With a keys folder it is kept there; the next start signs with the newest.
func (s *Simulator) AddPlatformCertificate() (serial string, err error) {
	s.mu.Lock()
	n := s.ring.made + 1
	s.ring.made = n
	s.mu.Unlock()
	// Without the lock: making a key takes a while.
	pair, err := pooledKey(platformName(n))
	if err != nil {
		return "", err
	}
	if s.cfg.KeysDir != "" {
		if pair, err = loadPair(wechatDir(s.cfg.KeysDir), platformFile(n), pair); err != nil {
			return "", err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring.platform = append(s.ring.platform, pair)
	return pair.serial, nil
}

// SignWith makes another listed platform certificate sign from now on.
func (s *Simulator) SignWith(serial string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.ring.listed(serial)
	if err != nil {
		return err
	}
	s.ring.signing = i
	return nil
}

// WithdrawPlatformCertificate takes a certificate that no longer signs off the list.
func (s *Simulator) WithdrawPlatformCertificate(serial string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.ring.listed(serial)
	switch {
	case err != nil:
		return err
	case i == s.ring.signing:
		return fmt.Errorf("platform certificate %s signs at present: let another sign first", serial)
	}
	s.ring.platform = slices.Delete(slices.Clone(s.ring.platform), i, i+1)
	if i < s.ring.signing {
		s.ring.signing--
	}
	return nil
}

func (r keyRing) listed(serial string) (int, error) {
	i := slices.IndexFunc(r.platform, func(k keyPair) bool { return k.serial == serial })
	if i < 0 {
		return 0, fmt.Errorf("there is no platform certificate %s", serial)
	}
	return i, nil
}

// RenewMerchantCertificate gives a merchant a new API certificate with a new key, which Merchant then holds, and
// the keys folder. The old one goes on unless endOld says that it is refused from now on.
func (s *Simulator) RenewMerchantCertificate(mchID string, endOld bool) (serial string, err error) {
	s.mu.Lock()
	m := s.world.merchants[mchID]
	if m == nil {
		s.mu.Unlock()
		return "", fmt.Errorf("there is no merchant %s: add it to the seed", mchID)
	}
	old, n := m.keys.serial, len(m.certs)
	s.mu.Unlock()
	pair, err := pooledKey(fmt.Sprintf("%s #%d", mchID, n+1))
	if err != nil {
		return "", err
	}
	if s.cfg.KeysDir != "" {
		if err := replaceMerchantPair(s.cfg.KeysDir, mchID, pair); err != nil {
			return "", err
		}
	}
	s.mu.Lock()
	m.keys.keyPair = pair
	m.certs[pair.serial] = merchantCert{key: &pair.key.PublicKey}
	if endOld {
		m.certs[old] = merchantCert{key: m.certs[old].key, ended: true}
	}
	s.mu.Unlock()
	return pair.serial, s.summarize()
}

// EndMerchantCertificate refuses an API certificate that another has replaced.
func (s *Simulator) EndMerchantCertificate(mchID, serial string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.world.merchants[mchID]
	switch {
	case m == nil:
		return fmt.Errorf("there is no merchant %s: add it to the seed", mchID)
	case m.certs[serial].key == nil:
		return fmt.Errorf("merchant %s has no certificate %s", mchID, serial)
	case m.keys.serial == serial:
		return fmt.Errorf("certificate %s is merchant %s's newest: make a new one first", serial, mchID)
	}
	m.certs[serial] = merchantCert{key: m.certs[serial].key, ended: true}
	return nil
}

// SetAPIv3Key sets a merchant's APIv3 key, as its operator does on the merchant platform: 32 ASCII letters and
// digits. What is encrypted from now on is encrypted with it; callbacks under way stay as they were sealed.
func (s *Simulator) SetAPIv3Key(mchID, key string) error {
	if !apiV3KeyShape.MatchString(key) {
		return fmt.Errorf("an APIv3 key is 32 letters and digits, not %d characters", len(key))
	}
	s.mu.Lock()
	m := s.world.merchants[mchID]
	s.mu.Unlock()
	if m == nil {
		return fmt.Errorf("there is no merchant %s: add it to the seed", mchID)
	}
	if s.cfg.KeysDir != "" {
		if err := replaceAPIv3Key(s.cfg.KeysDir, mchID, key); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.keys.apiV3Key = key
	return nil
}

// summarize writes the keys folder's summary again after a change.
func (s *Simulator) summarize() error {
	if s.cfg.KeysDir == "" {
		return nil
	}
	s.mu.Lock()
	ring := s.ring
	ring.merchants = map[string]merchantKeys{}
	for id, m := range s.world.merchants {
		ring.merchants[id] = m.keys
	}
	s.mu.Unlock()
	return writeSummary(s.cfg.KeysDir, s.cfg.Seed, ring)
}

package sim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"time"
)

// keyPair is an RSA-2048 key with a certificate over it and the certificate's serial as WeChat writes it: 40
// upper-case hex digits.
type keyPair struct {
	key    *rsa.PrivateKey
	cert   []byte // DER
	serial string
}

// pool holds the keys of this process. Making an RSA key takes a tenth of a second and more; a test binary
// that starts a hundred simulators pays for it once a key, not a hundred times.
var pool struct {
	sync.Mutex
	made map[string]func() (keyPair, error)
}

// pooledKey returns the process's key of that name, made at first use. The name is the certificate's subject.
func pooledKey(name string) (keyPair, error) {
	pool.Lock()
	if pool.made == nil {
		pool.made = map[string]func() (keyPair, error){}
	}
	key, ok := pool.made[name]
	if !ok {
		key = sync.OnceValues(func() (keyPair, error) { return makeKey(name) })
		pool.made[name] = key
	}
	pool.Unlock()
	return key()
}

// makeKey makes a key and a certificate that is valid for five years around now, as WeChat's are.
func makeKey(subject string) (keyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return keyPair{}, fmt.Errorf("make an RSA key for %s: %w", subject, err)
	}
	return certify(subject, key)
}

func certify(subject string, key *rsa.PrivateKey) (keyPair, error) {
	raw := make([]byte, 20)
	if _, err := rand.Read(raw); err != nil {
		return keyPair{}, fmt.Errorf("draw a certificate serial for %s: %w", subject, err)
	}
	raw[0] = raw[0]&0x3f | 0x40 // exactly 40 hex digits, and positive
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(raw),
		Subject:      pkix.Name{CommonName: subject, Organization: []string{"wechatsim"}, Country: []string{"CN"}},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.AddDate(5, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return keyPair{}, fmt.Errorf("certify the key of %s: %w", subject, err)
	}
	return keyPair{key: key, cert: der, serial: serialOf(template.SerialNumber)}, nil
}

func serialOf(n *big.Int) string { return strings.ToUpper(fmt.Sprintf("%040x", n)) }

func (k keyPair) privatePEM() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return "", fmt.Errorf("encode a private key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

func (k keyPair) certPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.cert}))
}

func (k keyPair) publicPEM() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(&k.key.PublicKey)
	if err != nil {
		return "", fmt.Errorf("encode a public key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// keyRing is every key of one simulated world: WeChat's and the merchants'. The platform certificates change
// while it runs, under Simulator.mu.
type keyRing struct {
	publicKeyID string
	public      keyPair   // signs for those who use a WeChat Pay public key
	platform    []keyPair // the certificates that GET /v3/certificates lists
	signing     int       // index of the one that signs for those who use platform certificates
	made        int       // how many platform certificates there have been
	merchants   map[string]merchantKeys
}

// platformName is the pool's name of the nth platform certificate, platformFile that in a keys folder.
func platformName(n int) string {
	if n == 1 {
		return "Tenpay.com sign"
	}
	return fmt.Sprintf("Tenpay.com sign #%d", n)
}

func platformFile(n int) string {
	if n == 1 {
		return "platform"
	}
	return fmt.Sprintf("platform-%d", n)
}

type merchantKeys struct {
	keyPair
	apiV3Key string // 32 characters
}

// pooledRing takes a world's keys from the process's pool, making what is missing side by side.
func pooledRing(mchIDs []string) (keyRing, error) {
	ring := keyRing{publicKeyID: publicKeyID, merchants: map[string]merchantKeys{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	take := func(name string, put func(keyPair)) {
		wg.Go(func() {
			k, err := pooledKey(name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			put(k)
		})
	}
	take("Tenpay.com public key", func(k keyPair) { ring.public = k })
	take(platformName(1), func(k keyPair) { ring.platform, ring.made = []keyPair{k}, 1 })
	for _, id := range mchIDs {
		take(id, func(k keyPair) { ring.merchants[id] = merchantKeys{k, apiV3KeyOf(id)} })
	}
	wg.Wait()
	return ring, failed
}

// publicKeyID is the shape of WeChat's: PUB_KEY_ID_, then 34 digits.
const publicKeyID = "PUB_KEY_ID_0119000000012026010100000000000001"

var apiV3KeyShape = regexp.MustCompile(`^[0-9A-Za-z]{32}$`)

// apiV3Keys are this process's, drawn once a merchant so that a second simulator agrees with the first.
var apiV3Keys sync.Map

func apiV3KeyOf(mchID string) string {
	key, _ := apiV3Keys.LoadOrStore(mchID, alphanumeric(32))
	return key.(string)
}

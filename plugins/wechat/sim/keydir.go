package sim

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The names of the files in a keys folder: those that a merchant would get from WeChat, in a folder named by
// the mchid, and WeChat's own beside them.
const (
	keyFile      = "apiclient_key.pem"
	certFile     = "apiclient_cert.pem"
	apiV3KeyFile = "apiv3_key.txt"
	apiV2KeyFile = "apiv2_key.txt"
	serialFile   = "serial.txt" // the certificate's serial number, which a merchant reads off the merchant platform
	publicFile   = "pub_key.pem"
	wechatFolder = "wechatpay" // WeChat's private keys: nothing that a merchant may have
	summaryFile  = "summary.json"
)

// summary is all that a client must be told, in one file to read. Paths are relative to the keys folder.
type summary struct {
	PublicKeyID string            `json:"public_key_id"`
	Merchants   []summaryMerchant `json:"merchants"`
}

type summaryMerchant struct {
	MchID       string    `json:"mchid"`
	Name        string    `json:"name"`
	Serial      string    `json:"serial"`
	PrivateKey  string    `json:"private_key"`
	Certificate string    `json:"certificate"`
	APIv3Key    string    `json:"apiv3_key"`
	PublicKey   string    `json:"public_key"`
	Apps        []SeedApp `json:"apps"`

	SubMerchants []SeedSubMerchant `json:"sub_merchants,omitempty"` // of a partner
}

// loadRing takes the keys of a seed from dir, making and writing what is missing there; without a dir they are
// the process's own.
func loadRing(dir string, seed Seed) (keyRing, error) {
	if dir == "" {
		return pooledRing(seed.mchIDs())
	}
	if err := os.MkdirAll(wechatDir(dir), 0o700); err != nil {
		return keyRing{}, fmt.Errorf("make the keys folder: %w", err)
	}
	fresh, err := pooledRing(nil)
	if err != nil {
		return keyRing{}, err
	}
	ring := keyRing{publicKeyID: publicKeyID, merchants: map[string]merchantKeys{}}
	if ring.public, err = loadPair(wechatDir(dir), "public", fresh.public); err != nil {
		return keyRing{}, err
	}
	if ring.platform, err = loadPlatform(dir, fresh.platform[0]); err != nil {
		return keyRing{}, err
	}
	ring.made = len(ring.platform)
	ring.signing = ring.made - 1
	public, err := ring.public.publicPEM()
	if err != nil {
		return keyRing{}, err
	}
	made, err := pooledRing(missingKeys(dir, seed.mchIDs()))
	if err != nil {
		return keyRing{}, err
	}
	for _, id := range seed.mchIDs() {
		keys, err := loadMerchant(filepath.Join(dir, id), made.merchants[id], public)
		if err != nil {
			return keyRing{}, err
		}
		ring.merchants[id] = keys
	}
	return ring, writeSummary(dir, seed, ring)
}

func wechatDir(dir string) string { return filepath.Join(dir, wechatFolder) }

// loadPlatform reads the platform certificates in the order they were made, or writes the first.
func loadPlatform(dir string, fresh keyPair) ([]keyPair, error) {
	first, err := loadPair(wechatDir(dir), platformFile(1), fresh)
	if err != nil {
		return nil, err
	}
	all := []keyPair{first}
	for {
		name := platformFile(len(all) + 1)
		if _, err := os.Stat(filepath.Join(wechatDir(dir), name+"_key.pem")); err != nil {
			return all, nil // there is none: a file that cannot be read is one that loadPair would have named
		}
		pair, err := loadPair(wechatDir(dir), name, keyPair{})
		if err != nil {
			return nil, err
		}
		all = append(all, pair)
	}
}

// replaceMerchantPair puts a merchant's new key and certificate where the old ones were.
func replaceMerchantPair(dir, mchID string, pair keyPair) error {
	private, err := pair.privatePEM()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{keyFile: private, certFile: pair.certPEM(), serialFile: pair.serial + "\n"} {
		if err := writeWhole(filepath.Join(dir, mchID, name), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func replaceAPIv3Key(dir, mchID, key string) error {
	return writeWhole(filepath.Join(dir, mchID, apiV3KeyFile), []byte(key))
}

// missingKeys are the merchants that have no key in dir yet: only for them one is made.
func missingKeys(dir string, mchIDs []string) []string {
	var missing []string
	for _, id := range mchIDs {
		if _, err := os.Stat(filepath.Join(dir, id, keyFile)); err != nil {
			missing = append(missing, id)
		}
	}
	return missing
}

// loadMerchant reads a merchant's keys, or writes fresh ones.
func loadMerchant(dir string, fresh merchantKeys, wechatPublic string) (merchantKeys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return merchantKeys{}, fmt.Errorf("make the keys folder: %w", err)
	}
	pair, err := loadPair(dir, "apiclient", fresh.keyPair)
	if err != nil {
		return merchantKeys{}, err
	}
	secret, err := loadOr(filepath.Join(dir, apiV3KeyFile), fresh.apiV3Key)
	if err != nil {
		return merchantKeys{}, err
	}
	secret = strings.TrimSpace(secret)
	if len(secret) != 32 {
		return merchantKeys{}, fmt.Errorf("%s has %d characters, an APIv3 key has 32: delete the folder %s to have new keys made",
			filepath.Join(dir, apiV3KeyFile), len(secret), dir)
	}
	for name, text := range map[string]string{publicFile: wechatPublic, serialFile: pair.serial + "\n", apiV2KeyFile: APIv2Key(filepath.Base(dir))} {
		if err := writeWhole(filepath.Join(dir, name), []byte(text)); err != nil {
			return merchantKeys{}, err
		}
	}
	return merchantKeys{pair, secret}, nil
}

// loadPair reads name_key.pem and name_cert.pem, or writes the fresh pair under these names.
func loadPair(dir, name string, fresh keyPair) (keyPair, error) {
	keyPath, certPath := filepath.Join(dir, name+"_key.pem"), filepath.Join(dir, name+"_cert.pem")
	freshKey, freshCert := "", ""
	if fresh.key != nil {
		var err error
		if freshKey, err = fresh.privatePEM(); err != nil {
			return keyPair{}, err
		}
		freshCert = fresh.certPEM()
	}
	keyText, err := loadOr(keyPath, freshKey)
	if err != nil {
		return keyPair{}, err
	}
	certText, err := loadOr(certPath, freshCert)
	if err != nil {
		return keyPair{}, err
	}
	pair, err := parsePair(keyText, certText)
	if err != nil {
		return keyPair{}, fmt.Errorf("%s and %s: %w; delete the folder %s to have new keys made", keyPath, certPath, err, dir)
	}
	return pair, nil
}

func parsePair(keyText, certText string) (keyPair, error) {
	keyBlock, _ := pem.Decode([]byte(keyText))
	certBlock, _ := pem.Decode([]byte(certText))
	if keyBlock == nil || certBlock == nil {
		return keyPair{}, errors.New("not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return keyPair{}, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return keyPair{}, errors.New("not an RSA key")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return keyPair{}, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return keyPair{}, errors.New("the certificate is another key's")
	}
	return keyPair{key: key, cert: certBlock.Bytes, serial: serialOf(cert.SerialNumber)}, nil
}

// loadOr reads a file; where there is none it writes fresh, readable by the owner alone.
func loadOr(path, fresh string) (string, error) {
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		return string(text), nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read the keys: %w", err)
	case fresh == "":
		return "", fmt.Errorf("%s is missing beside its key: delete the folder %s to have new keys made", path, filepath.Dir(path))
	}
	return fresh, writeWhole(path, []byte(fresh))
}

func writeSummary(dir string, seed Seed, ring keyRing) error {
	apps := map[string]SeedApp{}
	for _, a := range seed.Apps {
		apps[a.AppID] = a
	}
	sum := summary{PublicKeyID: ring.publicKeyID}
	for _, m := range seed.Merchants {
		out := summaryMerchant{
			MchID: m.MchID, Name: m.Name, Serial: ring.merchants[m.MchID].serial,
			PrivateKey: filepath.Join(m.MchID, keyFile), Certificate: filepath.Join(m.MchID, certFile),
			APIv3Key: filepath.Join(m.MchID, apiV3KeyFile), PublicKey: filepath.Join(m.MchID, publicFile),
			SubMerchants: m.SubMerchants,
		}
		for _, id := range m.AppIDs {
			out.Apps = append(out.Apps, apps[id])
		}
		sum.Merchants = append(sum.Merchants, out)
	}
	text, err := json.MarshalIndent(sum, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the summary of the keys: %w", err)
	}
	return writeWhole(filepath.Join(dir, summaryFile), append(text, '\n'))
}

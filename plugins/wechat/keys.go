package wechat

import (
	"crypto/rsa"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

// smallestKey is what WeChat issues, in bits. A shorter one is a mistake, and would be refused at the first call.
const smallestKey = 2048

func checkMerchants(c Config, serial string) error {
	var wrong []error
	if !digits(c.MchID) {
		wrong = append(wrong, sdk.Field("/mchid", "is missing: give the signer's merchant number, digits only"))
	}
	if c.SubMchID != "" && !digits(c.SubMchID) {
		wrong = append(wrong, sdk.Field("/sub_mchid", "is not a merchant number: give the sub merchant's, digits only"))
	}
	if serial == "" {
		wrong = append(wrong, sdk.Field("/serial_no", "is missing: give the API certificate's serial number (merchant platform, API security)"))
	}
	return errors.Join(wrong...)
}

// privateKeys gives the key that signs, which is the serial's, and all of them, that one first.
func privateKeys(c Config, serial string) (signing *rsa.PrivateKey, all []*rsa.PrivateKey, err error) {
	var wrong []error
	add := func(field, of, pem string) {
		key, bad := privateKey(field, pem)
		switch {
		case bad != nil:
			wrong = append(wrong, bad)
		case strings.EqualFold(of, serial) && signing == nil:
			signing, all = key, append([]*rsa.PrivateKey{key}, all...)
		case strings.EqualFold(of, serial):
			wrong = append(wrong, sdk.Field(field, "is the key of serial_no, which private_key gives already: leave one of them out"))
		default:
			all = append(all, key)
		}
	}
	if c.PrivateKey != "" {
		add("/private_key", serial, c.PrivateKey)
	}
	for _, of := range slices.Sorted(maps.Keys(c.PrivateKeys)) {
		add("/private_keys/"+pointer.Replace(of), strings.TrimSpace(of), c.PrivateKeys[of])
	}
	switch {
	case len(wrong) > 0:
	case signing == nil && len(all) > 0:
		wrong = append(wrong, sdk.Field("/private_keys", "has no key under serial_no, which says the key that signs"))
	case signing == nil:
		wrong = append(wrong, sdk.Field("/private_key", "is missing: give apiclient_key.pem as it is (PEM, PKCS#8, RSA 2048)"))
	}
	return signing, all, errors.Join(wrong...)
}

// privateKey and publicKey drop the parser's own words: one of them prints the text it was given.
func privateKey(field, pem string) (*rsa.PrivateKey, error) {
	key, err := utils.LoadPrivateKey(pem)
	if err != nil || key.N.BitLen() < smallestKey {
		return nil, sdk.Field(field, "cannot be read: give apiclient_key.pem as it is (PEM, PKCS#8, RSA 2048)")
	}
	return key, nil
}

// publicKey takes WeChat Pay's public key, or a platform certificate pinned by the operator. It
// gives the key with the serial by which WeChat names it: a certificate's own, in upper case however it was written.
func publicKey(id, pem string) (string, *rsa.PublicKey, error) {
	wrong := sdk.Field("/public_keys/"+pointer.Replace(id),
		"cannot be read: give WeChat Pay's public key (pub_key.pem) or a platform certificate, under its id or serial number (PEM, RSA 2048)")
	if strings.TrimSpace(id) == "" {
		return "", nil, wrong
	}
	serial := id
	key, err := utils.LoadPublicKey(pem)
	if err != nil {
		cert, err := utils.LoadCertificate(pem)
		if err != nil || !strings.EqualFold(utils.GetCertificateSerialNumber(*cert), id) {
			return "", nil, wrong
		}
		serial = strings.ToUpper(utils.GetCertificateSerialNumber(*cert))
		key, _ = cert.PublicKey.(*rsa.PublicKey)
	}
	if key == nil || key.N.BitLen() < smallestKey {
		return "", nil, wrong
	}
	return serial, key, nil
}

// pointer escapes what JSON Pointer keeps for itself.
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// publicKeys gives the keys by the serial that WeChat names them with.
func publicKeys(c Config) (map[string]*rsa.PublicKey, error) {
	if len(c.PublicKeys) == 0 && !c.PlatformCertificates {
		return nil, sdk.Field("/public_keys", "is empty: give WeChat Pay's public key under its id (PUB_KEY_ID_…); "+
			"a merchant that has none yet sets platform_certificates instead")
	}
	keys := make(map[string]*rsa.PublicKey, len(c.PublicKeys))
	var wrong []error
	for _, id := range slices.Sorted(maps.Keys(c.PublicKeys)) {
		serial, key, err := publicKey(id, c.PublicKeys[id])
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		keys[serial] = key
	}
	return keys, errors.Join(wrong...)
}

// publicKeyPrefix begins the id of a WeChat Pay public key. Any other serial is a platform certificate's.
const publicKeyPrefix = "PUB_KEY_ID_"

// expectedKey is the serial that requests name, of these. WeChat then signs its answer with that key. It is chosen
// without regard to case, as publicKey takes a certificate's serial. Empty: the newest downloaded certificate.
func expectedKey(c Config, serials []string) (string, error) {
	switch {
	case c.PublicKeyID == "" && len(serials) == 0:
		return "", nil
	case c.PublicKeyID == "" && len(serials) == 1:
		return serials[0], nil
	case c.PublicKeyID == "":
		return "", sdk.Field("/public_key_id", "is missing: say which key answers shall be signed with: %s", strings.Join(serials, ", "))
	}
	for _, serial := range serials {
		if strings.EqualFold(serial, c.PublicKeyID) {
			return serial, nil
		}
	}
	return "", sdk.Field("/public_key_id", "is not one of public_keys")
}

func checkAPIv3Keys(keys []string) error {
	if len(keys) == 0 {
		return sdk.Field("/api_v3_keys", "is empty: without an APIv3 key WeChat sends no notifications")
	}
	var wrong []error
	for i, key := range keys {
		if len(key) != 32 {
			wrong = append(wrong, sdk.Field("/api_v3_keys/"+strconv.Itoa(i), "must have 32 bytes"))
		}
	}
	return errors.Join(wrong...)
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

package wechat

import (
	"crypto/rsa"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

// smallestKey is what WeChat issues, in bits. A shorter one is a mistake, and would be refused at the first call.
const smallestKey = 2048

func checkMerchant(mchID, serial string) error {
	var wrong []error
	if !digits(mchID) {
		wrong = append(wrong, sdk.Field("/mchid", "is missing: give the signer's merchant number, digits only"))
	}
	if serial == "" {
		wrong = append(wrong, sdk.Field("/serial_no", "is missing: give the API certificate's serial number (merchant platform, API security)"))
	}
	return errors.Join(wrong...)
}

// privateKey and publicKey drop the parser's own words: one of them prints the text it was given.
func privateKey(pem string) (*rsa.PrivateKey, error) {
	key, err := utils.LoadPrivateKey(pem)
	if err != nil || key.N.BitLen() < smallestKey {
		return nil, sdk.Field("/private_key", "cannot be read: give apiclient_key.pem as it is (PEM, PKCS#8, RSA 2048)")
	}
	return key, nil
}

// publicKey takes WeChat Pay's public key, or a platform certificate while a merchant moves from one to the other. It
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
func publicKeys(pems map[string]string) (map[string]auth.Verifier, error) {
	if len(pems) == 0 {
		return nil, sdk.Field("/public_keys", "is empty: give WeChat Pay's public key under its id (PUB_KEY_ID_…)")
	}
	keys := make(map[string]auth.Verifier, len(pems))
	var wrong []error
	for _, id := range slices.Sorted(maps.Keys(pems)) {
		serial, key, err := publicKey(id, pems[id])
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		keys[serial] = verifiers.NewSHA256WithRSAPubkeyVerifier(serial, *key)
	}
	return keys, errors.Join(wrong...)
}

// expectedKey is the serial that requests name, of these. WeChat then signs its answer with that key. It is chosen
// without regard to case, as publicKey takes a certificate's serial.
func expectedKey(chosen string, serials []string) (string, error) {
	switch {
	case chosen == "" && len(serials) == 1:
		return serials[0], nil
	case chosen == "":
		return "", sdk.Field("/public_key_id", "is missing: say which key answers shall be signed with: %s", strings.Join(serials, ", "))
	}
	for _, serial := range serials {
		if strings.EqualFold(serial, chosen) {
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

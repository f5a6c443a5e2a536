package sim

import (
	"crypto/x509"
	"net/http"
)

// certificates answers GET /v3/certificates: the platform certificate, encrypted with the merchant's APIv3 key.
// A merchant with a public key has none.
func (s *Simulator) certificates(c *call) answer {
	if c.merchant.KeyMode == PublicKey {
		return refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS",
			"无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥。", causeUnspecified)
	}
	cert, err := x509.ParseCertificate(s.ring.platform.cert)
	if err != nil {
		panic(err) // we made it
	}
	const aad = "certificate"
	nonce := draw(12, hexLower)
	type encrypted struct {
		Algorithm      string `json:"algorithm"`
		Nonce          string `json:"nonce"`
		AssociatedData string `json:"associated_data"`
		Ciphertext     string `json:"ciphertext"`
	}
	type entry struct {
		SerialNo    string    `json:"serial_no"`
		Effective   string    `json:"effective_time"`
		Expires     string    `json:"expire_time"`
		Certificate encrypted `json:"encrypt_certificate"`
	}
	return ok(map[string]any{"data": []entry{{
		SerialNo: s.ring.platform.serial, Effective: onWire(cert.NotBefore), Expires: onWire(cert.NotAfter),
		Certificate: encrypted{
			Algorithm: gcmAlgorithm, Nonce: nonce, AssociatedData: aad,
			Ciphertext: seal(c.merchant.keys.apiV3Key, nonce, aad, []byte(s.ring.platform.certPEM())),
		},
	}}})
}

package sim

import (
	"net/http"
	"slices"
)

// certificates answers GET /v3/certificates: every platform certificate that is listed, encrypted with the
// merchant's APIv3 key. A merchant with a public key alone has none.
func (s *Simulator) certificates(c *call) answer {
	s.mu.Lock()
	mode, apiV3Key, listed := c.merchant.KeyMode, c.merchant.keys.apiV3Key, slices.Clone(s.ring.platform)
	s.mu.Unlock()
	if mode == PublicKey {
		return refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS",
			"无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥。", causeUnspecified)
	}
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
	const aad = "certificate"
	var data []entry
	for _, k := range listed {
		nonce := draw(12, hexLower)
		from, until := k.validity()
		data = append(data, entry{k.serial, onWire(from), onWire(until), encrypted{
			Algorithm: gcmAlgorithm, Nonce: nonce, AssociatedData: aad,
			Ciphertext: seal(apiV3Key, nonce, aad, []byte(k.certPEM())),
		}})
	}
	return ok(map[string]any{"data": data})
}

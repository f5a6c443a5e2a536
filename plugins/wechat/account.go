package wechat

import (
	_ "embed"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// AccountSchema is the JSON Schema of an account of any WeChat plugin: a Config.
//
//go:embed account.schema.json
var AccountSchema []byte

// Config is one account: a signer's credentials and, in partner mode, perhaps the one sub merchant that the account is
// for. Every key is text as the merchant platform gives it.
type Config struct {
	MchID                string            `json:"mchid"`                           // the signer's merchant number
	SubMchID             string            `json:"sub_mchid,omitempty"`             // the sub merchant; empty: direct, or whatever the route says
	SerialNo             string            `json:"serial_no"`                       // of the API certificate that signs, hex
	PrivateKey           string            `json:"private_key,omitempty"`           // its key: PEM, PKCS#8, apiclient_key.pem
	PrivateKeys          map[string]string `json:"private_keys,omitempty"`          // the same by serial, while a certificate is replaced
	APIv3Keys            []string          `json:"api_v3_keys"`                     // 32 bytes each; several while they rotate
	PublicKeys           map[string]string `json:"public_keys,omitempty"`           // PEM by id (PUB_KEY_ID_…), or certificate by its serial
	PublicKeyID          string            `json:"public_key_id,omitempty"`         // the one that answers shall be signed with; may be empty when there is one
	PlatformCertificates bool              `json:"platform_certificates,omitempty"` // download WeChat's certificates and keep them fresh
	APIv2Key             string            `json:"api_v2_key,omitempty"`            // 32 bytes; for medical insurance 1.0 alone
	V2SignType           V2SignType        `json:"v2_sign_type,omitempty"`          // what APIv2Key signs with; empty: MD5
}

// Account reads one account and parses its keys. What is wrong is said field by field, all at once. The account's mode
// says where to call. Accounts of one signer with the same credentials, as of a partner's sub merchants, get one Client.
func (s *Signers) Account(a sdk.Account, o Options) (*Client, sdk.Merchant, error) {
	var c Config
	if err := a.Decode(&c); err != nil {
		return nil, sdk.Merchant{}, err
	}
	o.BaseURL = a.Mode.BaseURL
	client, err := s.client(c, o)
	if err != nil {
		return nil, sdk.Merchant{}, err
	}
	return client, sdk.Merchant{MchID: c.MchID, SubMchID: c.SubMchID}, nil
}

package sim

import (
	"errors"
	"net/http"
)

func (s *Simulator) controlSetKeyMode(r *http.Request) (any, error) {
	var body struct {
		Keys  KeyMode `json:"keys"`
		Share float64 `json:"public_key_share"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	return body, s.SetKeyMode(r.PathValue("mchid"), body.Keys, body.Share)
}

// controlSetAPIv3Key does not repeat the key: answers end in logs.
func (s *Simulator) controlSetAPIv3Key(r *http.Request) (any, error) {
	var body struct {
		Key string `json:"apiv3_key"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	return struct{}{}, s.SetAPIv3Key(r.PathValue("mchid"), body.Key)
}

// controlRenewCertificate answers with the serial alone: the key is in the keys folder, and without one nobody
// could ever read it.
func (s *Simulator) controlRenewCertificate(r *http.Request) (any, error) {
	var body struct {
		EndOld bool `json:"end_old"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	if s.cfg.KeysDir == "" {
		return nil, errors.New("a new key needs a place where its merchant can read it: start with --keys-dir")
	}
	serial, err := s.RenewMerchantCertificate(r.PathValue("mchid"), body.EndOld)
	return map[string]string{"serial": serial}, err
}

func (s *Simulator) controlEndCertificate(r *http.Request) (any, error) {
	return struct{}{}, s.EndMerchantCertificate(r.PathValue("mchid"), r.PathValue("serial"))
}

func (s *Simulator) controlPlatform(*http.Request) (any, error) { return s.PlatformCertificates(), nil }

// controlAddPlatform announces a certificate, and lets it sign at once when the body says so.
func (s *Simulator) controlAddPlatform(r *http.Request) (any, error) {
	var body struct {
		Use bool `json:"use"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	serial, err := s.AddPlatformCertificate()
	if err == nil && body.Use {
		err = s.SignWith(serial)
	}
	if err != nil {
		return nil, err
	}
	return s.controlPlatform(r)
}

func (s *Simulator) controlUsePlatform(r *http.Request) (any, error) {
	if err := s.SignWith(r.PathValue("serial")); err != nil {
		return nil, err
	}
	return s.controlPlatform(r)
}

func (s *Simulator) controlWithdrawPlatform(r *http.Request) (any, error) {
	if err := s.WithdrawPlatformCertificate(r.PathValue("serial")); err != nil {
		return nil, err
	}
	return s.controlPlatform(r)
}

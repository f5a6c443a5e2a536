package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// Seed is the world a simulator begins with: merchants, the apps bound to them, and each app's users.
type Seed struct {
	Merchants []SeedMerchant `json:"merchants"`
	Apps      []SeedApp      `json:"apps"`
}

// SeedMerchant is a direct merchant.
type SeedMerchant struct {
	MchID   string   `json:"mchid"`   // 8 to 10 digits
	Name    string   `json:"name"`    // for people
	KeyMode KeyMode  `json:"keys"`    // public_key when empty
	AppIDs  []string `json:"app_ids"` // the apps bound to it; an app may be bound to several merchants
}

// KeyMode says with what a merchant verifies WeChat.
type KeyMode string

const (
	// PublicKey is what new merchants have: one WeChat Pay public key, no GET /v3/certificates.
	PublicKey KeyMode = "public_key"
	// PlatformCertificate is the older way: certificates, downloaded and decrypted.
	PlatformCertificate KeyMode = "platform_certificate"
)

// SeedApp is an official account or a mini program. An openid belongs to it alone: the same person has another
// one in each app.
type SeedApp struct {
	AppID string     `json:"app_id"`
	Name  string     `json:"name"`
	Users []SeedUser `json:"users"`
}

// SeedUser is a payer as one app knows it.
type SeedUser struct {
	OpenID string `json:"openid"`
	Name   string `json:"name"`
}

// DefaultSeed is what a simulator holds when nobody says otherwise: merchant 1900000001 with two official
// accounts, merchant 1900000002 with one of its own, and the same three people in each under other openids.
func DefaultSeed() Seed {
	app := func(id, name, mark string) SeedApp {
		a := SeedApp{AppID: id, Name: name}
		for _, person := range []string{"alice", "bob", "carol"} {
			a.Users = append(a.Users, SeedUser{OpenID: fmt.Sprintf("o%s-%s-%0*d", mark, person, 23-len(person), 1), Name: person})
		}
		return a
	}
	return Seed{
		Merchants: []SeedMerchant{
			{MchID: "1900000001", Name: "First Hospital", KeyMode: PublicKey, AppIDs: []string{"wxa000000000000001", "wxa000000000000002"}},
			{MchID: "1900000002", Name: "Second Hospital", KeyMode: PublicKey, AppIDs: []string{"wxb000000000000001"}},
		},
		Apps: []SeedApp{
			app("wxa000000000000001", "First Hospital official account", "A1"),
			app("wxa000000000000002", "First Hospital clinic account", "A2"),
			app("wxb000000000000001", "Second Hospital official account", "B1"),
		},
	}
}

// ParseSeed reads a seed as JSON. What it does not know it refuses, naming it.
func ParseSeed(text []byte) (Seed, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var s Seed
	if err := d.Decode(&s); err != nil {
		return Seed{}, fmt.Errorf("read the seed: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Seed{}, errors.New("read the seed: there is more after its closing brace")
	}
	return s, s.check()
}

var mchIDShape = regexp.MustCompile(`^[0-9]{8,10}$`)

// check finds what would make a seed misleading: an app that nobody defined, an openid in two apps.
func (s Seed) check() error {
	if len(s.Merchants) == 0 {
		return errors.New("the seed has no merchant: give it at least one")
	}
	apps, openIDs, merchants := map[string]bool{}, map[string]string{}, map[string]bool{}
	for _, a := range s.Apps {
		if a.AppID == "" || apps[a.AppID] {
			return fmt.Errorf("the seed's app id %q is empty or there twice", a.AppID)
		}
		apps[a.AppID] = true
		for _, u := range a.Users {
			if other, ok := openIDs[u.OpenID]; ok || u.OpenID == "" {
				return fmt.Errorf("the openid %q of app %s is empty or already used in app %s: a person has another openid in each app",
					u.OpenID, a.AppID, other)
			}
			openIDs[u.OpenID] = a.AppID
		}
	}
	for _, m := range s.Merchants {
		switch {
		case !mchIDShape.MatchString(m.MchID):
			return fmt.Errorf("the seed's mchid %q is not 8 to 10 digits", m.MchID)
		case merchants[m.MchID]:
			return fmt.Errorf("the seed has merchant %s twice", m.MchID)
		case m.KeyMode != "" && m.KeyMode != PublicKey && m.KeyMode != PlatformCertificate:
			return fmt.Errorf("merchant %s: keys %q is neither %s nor %s", m.MchID, m.KeyMode, PublicKey, PlatformCertificate)
		}
		merchants[m.MchID] = true
		for _, id := range m.AppIDs {
			if !apps[id] {
				return fmt.Errorf("merchant %s is bound to app %s, which the seed does not have under apps", m.MchID, id)
			}
		}
	}
	return nil
}

func (s Seed) mchIDs() []string {
	var ids []string
	for _, m := range s.Merchants {
		ids = append(ids, m.MchID)
	}
	return ids
}

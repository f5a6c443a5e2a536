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

// SeedMerchant is who signs: a direct merchant, or a partner (服务商) that takes money for its sub merchants.
type SeedMerchant struct {
	MchID   string   `json:"mchid"`   // 8 to 10 digits
	Name    string   `json:"name"`    // for people
	KeyMode KeyMode  `json:"keys"`    // public_key when empty
	AppIDs  []string `json:"app_ids"` // the apps bound to it; an app may be bound to several merchants

	// Partner is set for a partner, also one that has no sub merchant yet. A partner cannot take money itself.
	Partner      bool              `json:"partner,omitempty"`
	SubMerchants []SeedSubMerchant `json:"sub_merchants,omitempty"`
}

// SeedSubMerchant is a merchant below a partner (特约商户): it has no certificate and no APIv3 key.
type SeedSubMerchant struct {
	MchID  string   `json:"sub_mchid"`             // 8 to 10 digits
	Name   string   `json:"name,omitempty"`        // for people
	AppIDs []string `json:"sub_app_ids,omitempty"` // its own apps; payers may be named by the partner's app alone
}

// KeyMode says with what a merchant verifies WeChat.
type KeyMode string

const (
	// PublicKey is what new merchants have: one WeChat Pay public key, no GET /v3/certificates.
	PublicKey KeyMode = "public_key"
	// PlatformCertificate is the older way: certificates, downloaded and decrypted.
	PlatformCertificate KeyMode = "platform_certificate"
	// Switching is the way from the one to the other: both are in force, and callbacks move over bit by bit.
	Switching KeyMode = "switching"
)

// SeedApp is an official account or a mini program. An openid belongs to it alone: the same person has another
// one in each app.
type SeedApp struct {
	AppID string     `json:"app_id"`
	Name  string     `json:"name"`
	Users []SeedUser `json:"users"`
	// OAuthDomains are the domains that a web authorization may lead back to; empty: any, since a test has none.
	OAuthDomains []string `json:"oauth_domains,omitempty"`
}

// SeedUser is a payer as one app knows it.
type SeedUser struct {
	OpenID string `json:"openid"`
	Name   string `json:"name"`
	// UnionID ties the same person's openids of the apps of one Open Platform account; empty: there is none, or none yet.
	UnionID string `json:"unionid,omitempty"`
	// Snapshot is a payer who reads without having agreed to be known: the openid is thrown away afterwards.
	Snapshot bool `json:"snapshot,omitempty"`
}

// DefaultSeed is what a simulator holds when nobody says otherwise: merchant 1900000001 with two official
// accounts, merchant 1900000002 with one of its own, merchant 1900000003 with a mini program, partner 1900000100 with the sub merchants 1900000101, which
// has an app of its own, and 1900000102, which has none; and the same three people in each app under other openids. Of
// them alice has a unionid in the apps of the First Hospital, where there is a snapshot user as well.
func DefaultSeed() Seed {
	app := func(id, name, mark string) SeedApp {
		a := SeedApp{AppID: id, Name: name}
		for _, person := range []string{"alice", "bob", "carol"} {
			a.Users = append(a.Users, SeedUser{OpenID: fmt.Sprintf("o%s-%s-%0*d", mark, person, 23-len(person), 1), Name: person})
		}
		if unionid := "uFirst-alice-000000000000001"; mark == "A1" || mark == "A2" || mark == "M1" { // one Open Platform account
			a.Users[0].UnionID = unionid
			a.Users = append(a.Users, SeedUser{OpenID: fmt.Sprintf("o%s-snapshot-%0*d", mark, 15, 1), Name: "snapshot", Snapshot: true})
		}
		return a
	}
	return Seed{
		Merchants: []SeedMerchant{
			{MchID: "1900000001", Name: "First Hospital", KeyMode: PublicKey, AppIDs: []string{"wxa000000000000001", "wxa000000000000002"}},
			{MchID: "1900000002", Name: "Second Hospital", KeyMode: PublicKey, AppIDs: []string{"wxb000000000000001"}},
			{MchID: "1900000003", Name: "First Hospital, mini program", KeyMode: PublicKey, AppIDs: []string{"wxm000000000000001"}},
			{
				MchID: "1900000100", Name: "City Health Platform", KeyMode: PublicKey, AppIDs: []string{"wxp000000000000001"},
				Partner: true, SubMerchants: []SeedSubMerchant{
					{MchID: "1900000101", Name: "Third Hospital", AppIDs: []string{"wxs000000000000001"}},
					{MchID: "1900000102", Name: "Fourth Hospital"},
				},
			},
		},
		Apps: []SeedApp{
			app("wxa000000000000001", "First Hospital official account", "A1"),
			app("wxa000000000000002", "First Hospital clinic account", "A2"),
			app("wxb000000000000001", "Second Hospital official account", "B1"),
			app("wxm000000000000001", "First Hospital mini program", "M1"),
			app("wxp000000000000001", "City Health official account", "P1"),
			app("wxs000000000000001", "Third Hospital mini program", "S1"),
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
		case m.KeyMode != "" && m.KeyMode != PublicKey && m.KeyMode != PlatformCertificate && m.KeyMode != Switching:
			return fmt.Errorf("merchant %s: keys %q is none of %s, %s and %s", m.MchID, m.KeyMode, PublicKey, PlatformCertificate, Switching)
		}
		merchants[m.MchID] = true
		if err := boundTo(apps, m.MchID, m.AppIDs); err != nil {
			return err
		}
		subs := map[string]bool{}
		for _, sub := range m.SubMerchants {
			switch {
			case !mchIDShape.MatchString(sub.MchID):
				return fmt.Errorf("the sub_mchid %q of partner %s is not 8 to 10 digits", sub.MchID, m.MchID)
			case subs[sub.MchID]:
				return fmt.Errorf("partner %s has the sub merchant %s twice", m.MchID, sub.MchID)
			}
			subs[sub.MchID] = true
			if err := boundTo(apps, sub.MchID, sub.AppIDs); err != nil {
				return err
			}
		}
	}
	return nil
}

func boundTo(apps map[string]bool, mchID string, appIDs []string) error {
	for _, id := range appIDs {
		if !apps[id] {
			return fmt.Errorf("merchant %s is bound to app %s, which the seed does not have under apps", mchID, id)
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

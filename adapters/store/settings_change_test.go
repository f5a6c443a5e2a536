package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/ports"
)

// changed makes one change for the newest generation.
func changed(t *testing.T, s *Store, c ports.SettingsChange) int64 {
	t.Helper()
	base, err := s.SettingsGeneration(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Base = base
	generation, err := s.ChangeSettings(t.Context(), c, at)
	if err != nil {
		t.Fatal(err)
	}
	return generation
}

func sub(name, subMchID string) ports.SettingsContent {
	return ports.SettingsContent{Accounts: []ports.Account{{Name: name, Provider: "wechat", MchID: "1900000009", SubMchID: subMchID, From: "partner"}}}
}

func partner(config string) ports.SettingsContent {
	return ports.SettingsContent{Accounts: []ports.Account{{Name: "partner", Provider: "wechat", MchID: "1900000009", Template: true, Config: []byte(config)}}}
}

func TestSettingsChangeForTheNewestGenerationOnly(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		first := changed(t, replicas[0], ports.SettingsChange{Owner: "admin", By: "ann", Put: partner(`{"key":"1"}`)})
		errs := atOnce(8, func(i int) error {
			_, err := replicas[i%2].ChangeSettings(t.Context(), ports.SettingsChange{Base: first, Owner: "admin", By: "bob", Put: sub("school-"+string(rune('a'+i)), "1")}, at)
			return err
		})
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, ports.ErrMoved) {
				t.Errorf("%v, want ErrMoved", err)
			}
		}
		if won != 1 {
			t.Errorf("%d of 8 changes for one generation were made, want 1", won)
		}
		if again := changed(t, replicas[1], ports.SettingsChange{Owner: "admin", By: "ann", Put: partner(`{"key":"1"}`)}); again != first+1 {
			t.Errorf("what changes nothing gave generation %d, want %d as it was", again, first+1)
		}
	})
}

func TestSettingHistory(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for _, c := range []ports.SettingsChange{
			{By: "ann", Put: partner(`{"key":"1"}`)},
			{By: "bob", Put: sub("school", "1")},
			{By: "bob", Put: partner(`{"key":"2"}`)},
			{By: "ann", Drop: []ports.SettingKey{{Kind: ports.AccountSetting, Name: "school"}, {Kind: ports.AccountSetting, Name: "partner"}}},
		} {
			c.Owner = "admin"
			changed(t, s, c)
		}
		key := ports.SettingKey{Kind: ports.AccountSetting, Name: "partner"}
		got, err := s.SettingHistory(t.Context(), key, 0, 10)
		if err != nil || len(got) != 3 {
			t.Fatalf("%+v, %v; want three versions", got, err)
		}
		for i, want := range []struct {
			generation int64
			by, says   string
		}{{4, "ann", ""}, {3, "bob", `"key":"2"`}, {1, "ann", `"key":"1"`}} {
			v := got[i]
			if v.Generation != want.generation || v.By != want.by || v.Owner != "admin" || !v.At.Equal(at) || (v.Content == nil) != (want.says == "") || !strings.Contains(string(v.Content), want.says) {
				t.Errorf("version %d is %+v %s, want %+v", i, v, v.Content, want)
			}
		}
		if older, err := s.SettingHistory(t.Context(), key, 4, 1); err != nil || len(older) != 1 || older[0].Generation != 3 {
			t.Errorf("the version before the 4th: %+v, %v", older, err)
		}
	})
}

func TestATemplateInUseCannotBeDropped(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		both := partner(`{}`)
		both.Accounts = append(both.Accounts, sub("school", "1").Accounts...)
		base := changed(t, s, ports.SettingsChange{Owner: "admin", Put: both})
		_, err := s.ChangeSettings(t.Context(), ports.SettingsChange{Base: base, Owner: "admin", Drop: []ports.SettingKey{{Kind: ports.AccountSetting, Name: "partner"}}}, at)
		var refused *ports.SettingsRefusal
		if !errors.As(err, &refused) || !strings.Contains(refused.Problem, "school") {
			t.Errorf("%v; want a refusal that names school", err)
		}
	})
}

// An old file is applied again on purpose: from then on a replica's start does not bring the newer one back.
func TestAnOldConfigurationAppliedOnPurpose(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		newer := settingsOfNow()
		newer.Accounts[1].Retired = true
		for _, f := range []struct {
			content string
			rows    ports.SettingsContent
		}{{"one", settingsOfNow()}, {"two", newer}} {
			if applied, err := s.ApplySettings(t.Context(), "file", f.content, f.rows, at); err != nil || !applied {
				t.Fatal(applied, err)
			}
		}
		if g := changed(t, s, ports.SettingsChange{Owner: "file", By: "ann", Content: "one", Put: settingsOfNow()}); g != 3 {
			t.Errorf("generation %d, want 3", g)
		}
		for _, content := range []string{"one", "two"} {
			if applied, err := s.ApplySettings(t.Context(), "file", content, newer, at.Add(time.Hour)); err != nil || applied {
				t.Errorf("a start with %s: applied %v, %v", content, applied, err)
			}
		}
	})
}

func TestR45_SealedSecrets(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"sqlite", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			o := migrated(t, driver)
			s := open(t, o)
			const secret = "an APIv3 key of 32 bytes, really"
			sealed, err := s.SealSecret(ports.SettingKey{Kind: ports.AccountSetting, Name: "partner"}, secret)
			if err != nil || strings.Contains(sealed, secret) || !strings.HasPrefix(sealed, ports.SealedPrefix) {
				t.Fatalf("sealed as %s, %v", sealed, err)
			}
			for _, forged := range []string{strings.Replace(sealed, "partner", "another", 1), sealed[:len(sealed)-8] + "AAAAAAA=", "sealed:x", "env:KEY"} {
				if opened, err := s.OpenSecret(forged); err == nil {
					t.Errorf("%s opens as %q", forged, opened)
				}
			}
			signs := ports.SettingKey{Kind: ports.AppSetting, Name: "clinic"}
			webhook, err := s.SealSecret(signs, "whsec_")
			if err != nil {
				t.Fatal(err)
			}
			put := partner(`{"keys":["` + sealed + `","env:KEY"]}`)
			put.Apps = []ports.App{{Name: signs.Name, Webhook: &ports.Webhook{Secrets: []string{webhook}}}}
			changed(t, s, ports.SettingsChange{Owner: "admin", Put: put})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			o.Keys = keyring("k2", "k1")
			s = open(t, o)
			if n, err := s.Reseal(t.Context(), nil); err != nil || n != 4 {
				t.Errorf("%d sealed again, %v; want the two rows' and their history's", n, err)
			}
			if n, err := s.Reseal(t.Context(), nil); err != nil || n != 0 {
				t.Errorf("once more: %d, %v", n, err)
			}
			c, err := s.LoadSettings(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if opened, err := s.OpenSecret(c.Apps[0].Webhook.Secrets[0]); err != nil || opened != "whsec_" || c.Apps[0].Webhook.Secrets[0] == webhook {
				t.Errorf("after the rotation the webhook's secret opens as %q, %v", opened, err)
			}
			_, inner, _ := strings.Cut(string(c.Accounts[0].Config), `"`+ports.SealedPrefix)
			inner, _, _ = strings.Cut(inner, `"`)
			if opened, err := s.OpenSecret(ports.SealedPrefix + inner); err != nil || opened != secret || !strings.HasPrefix(inner, "account/partner:k2:") || !strings.Contains(string(c.Accounts[0].Config), `"env:KEY"`) {
				t.Errorf("after the rotation %s opens as %q, %v", c.Accounts[0].Config, opened, err)
			}
		})
	}
}
